//! From the rows of `system_schema` and `system_virtual_schema` to keyspaces.
//!
//! Columns that a version of the server does not have are as good as null. What cannot be understood (a type that does not
//! parse, a table without columns) is left out with a warning: the rest of the schema stays usable.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use helenus_protocol::{CqlType, DeserializeValue, UserDefinedType};

use super::Schema;
use super::cql::{Name, Text};
use super::function::{Aggregate, Function};
use super::graph::Graphs;
use super::index::{Index, IndexKind};
use super::keyspace::{Keyspace, UserType};
use super::options::{OptionValue, TableOptions};
use super::rows::{Part, SchemaRows, Scope};
use super::table::{Column, ColumnKind, Columns, Table, Trigger};
use super::view::MaterializedView;
use crate::ask::{AskError, SystemRow, SystemRows};
use crate::cluster::ReplicationStrategy;
use crate::connection::Connection;

/// Reads all keyspaces, or what is in the scope of one of them. `limit` is the time for each answer.
///
/// What is read of one keyspace takes its place in `old`; where only a part of it is read, the rest stays. Elements that did
/// not change are those of `old`.
pub(crate) async fn read(
    connection: &Connection,
    scope: Scope<'_>,
    limit: Duration,
    old: impl FnOnce() -> Arc<Schema>,
) -> Result<Schema, AskError> {
    let rows = SchemaRows::read(connection, scope, limit).await?;
    let graphs = Graphs::read(connection, scope, limit, &rows).await?;
    // Only now: others may have published meanwhile.
    let old = old();
    let new = match scope {
        Scope::Everything | Scope::Keyspaces => build(Keyspaces::new(), rows, graphs),
        Scope::Keyspace(name) | Scope::KeyspaceAlone(name) => {
            old.with_keyspace(name, &build(Keyspaces::new(), rows, graphs))
        }
        Scope::Part(name, part) => match old.keyspace(name) {
            Some(keyspace) => {
                let base = keyspace.without(part);
                let before = base.types.clone();
                let base = Keyspaces::from([(Arc::clone(&keyspace.name), base)]);
                let mut read = build(base, rows, graphs);
                if let Some(keyspace) = read.keyspaces.get_mut(name)
                    && matches!(part, Part::Table(_) | Part::Type(_))
                    && before != keyspace.types
                {
                    Arc::make_mut(keyspace).find_types_again();
                }
                old.with_keyspace(name, &read)
            }
            // A part of nothing.
            None => Schema::clone(&old),
        },
    };
    Ok(new.sharing(&old))
}

/// Columns by keyspace and table.
type ColumnsByTable = HashMap<(String, String), Vec<Column>>;

/// Adds what was read to `keyspaces`. Rows that may be many go as they are used, or they would take as much memory as what they
/// become.
fn build(mut keyspaces: Keyspaces, mut rows: SchemaRows, mut graphs: Graphs) -> Schema {
    for (row, is_virtual) in both(&rows.keyspaces, &rows.virtual_keyspaces) {
        if let Some(keyspace) = keyspace(&row, is_virtual) {
            keyspaces.insert(Arc::clone(&keyspace.name), keyspace);
        }
    }
    add_types(&mut keyspaces, &rows.types);
    let mut columns = columns(&keyspaces, &mut rows);
    let mut options = KnownOptions::default();
    let mut others = Others::new(&keyspaces, &rows);
    let mut add = |row: &SystemRow<'_>, is_virtual| {
        let Some((keyspace, name)) = place(row, "table_name").and_then(|at| in_keyspace(&mut keyspaces, at))
        else {
            return;
        };
        let key = (keyspace.name.to_string(), name);
        let of_table = columns.remove(&key).unwrap_or_default();
        let (indexes, triggers) = others.take(&key);
        let (is_compact, of_table) = without_hidden(row, of_table);
        let table = Table {
            keyspace: Arc::clone(&keyspace.name),
            name: key.1.clone(),
            id: row.get("id"),
            columns: Columns::new(of_table),
            options: options.of(row),
            indexes,
            triggers,
            is_compact,
            is_virtual,
            graph: graphs.take(&key),
        };
        keyspace.tables.insert(key.1, Arc::new(table));
    };
    for page in rows.tables.take_pages() {
        page.iter().for_each(|row| add(&row, false));
    }
    rows.virtual_tables.iter().for_each(|row| add(&row, true));
    for row in rows.views.iter() {
        let Some((keyspace, name)) = place(&row, "view_name").and_then(|at| in_keyspace(&mut keyspaces, at))
        else {
            continue;
        };
        let view = MaterializedView {
            keyspace: Arc::clone(&keyspace.name),
            name: name.clone(),
            id: row.get("id"),
            base_table: row.get("base_table_name").unwrap_or_default(),
            include_all_columns: row.get("include_all_columns").unwrap_or_default(),
            where_clause: row.get("where_clause").unwrap_or_default(),
            columns: Columns::new(
                columns
                    .remove(&(keyspace.name.to_string(), name.clone()))
                    .unwrap_or_default(),
            ),
            options: options.of(&row),
        };
        keyspace.views.insert(name, Arc::new(view));
    }
    add_functions(&mut keyspaces, &rows);
    let keyspaces = keyspaces
        .into_iter()
        .map(|(name, keyspace)| (name, Arc::new(keyspace)));
    Schema {
        keyspaces: keyspaces.collect(),
    }
}

type Keyspaces = BTreeMap<Arc<str>, Keyspace>;

fn both<'a>(real: &'a SystemRows, made_up: &'a SystemRows) -> impl Iterator<Item = (SystemRow<'a>, bool)> {
    real.iter()
        .map(|row| (row, false))
        .chain(made_up.iter().map(|row| (row, true)))
}

/// Keyspace and name of what a row describes.
fn place(row: &SystemRow<'_>, name: &str) -> Option<(String, String)> {
    let place = row.get("keyspace_name").zip(row.get(name));
    if place.is_none() {
        tracing::warn!(column = name, "row of the schema without name is skipped");
    }
    place
}

fn in_keyspace(
    keyspaces: &mut Keyspaces,
    (keyspace, name): (String, String),
) -> Option<(&mut Keyspace, String)> {
    // Read apart, and so of another moment: a keyspace that was dropped in between.
    Some((keyspaces.get_mut(&*keyspace)?, name))
}

fn keyspace(row: &SystemRow<'_>, is_virtual: bool) -> Option<Keyspace> {
    let name: String = row.get("keyspace_name")?;
    let replication: BTreeMap<String, String> = row.get("replication").unwrap_or_default();
    let pairs = replication.iter().map(|(name, value)| (&**name, &**value));
    Some(Keyspace {
        name: name.into(),
        durable_writes: row.get("durable_writes").unwrap_or(true),
        strategy: if is_virtual {
            ReplicationStrategy::Local
        } else {
            ReplicationStrategy::from_options(pairs)
        },
        replication,
        is_virtual,
        graph_engine: row.get("graph_engine"),
        types: BTreeMap::new(),
        tables: BTreeMap::new(),
        views: BTreeMap::new(),
        functions: BTreeMap::new(),
        aggregates: BTreeMap::new(),
    })
}

/// What a row of `system_schema.types` says.
pub(super) struct RawType {
    field_names: Vec<String>,
    field_types: Vec<String>,
}

fn add_types(keyspaces: &mut Keyspaces, rows: &SystemRows) {
    let mut by_keyspace: BTreeMap<String, BTreeMap<String, RawType>> = BTreeMap::new();
    for row in rows.iter() {
        let Some((keyspace, name)) = place(&row, "type_name") else {
            continue;
        };
        let raw = RawType {
            field_names: row.get("field_names").unwrap_or_default(),
            field_types: row.get("field_types").unwrap_or_default(),
        };
        by_keyspace.entry(keyspace).or_default().insert(name, raw);
    }
    for (name, raw) in by_keyspace {
        if let Some(keyspace) = keyspaces.get_mut(&*name) {
            keyspace.types = BTreeMap::new();
            keyspace.add_types(&raw);
        }
    }
}

impl Keyspace {
    /// User-defined types may be made of others, which may come later.
    fn add_types(&mut self, raw: &BTreeMap<String, RawType>) {
        let mut waiting: Vec<_> = raw.iter().collect();
        // Types go in when all that they are made of are in. Each round takes one at least, or what is left is a circle.
        while !waiting.is_empty() {
            let before = waiting.len();
            waiting.retain(|(name, raw)| match user_type(self, name, raw) {
                Some(ty) => {
                    self.types.insert((*name).clone(), Arc::new(ty));
                    false
                }
                None => true,
            });
            if waiting.len() == before {
                for (name, _) in waiting {
                    tracing::warn!(
                        keyspace = %self.name,
                        name,
                        "user-defined type is skipped: a type of its fields is not known"
                    );
                }
                return;
            }
        }
    }

    /// The types of columns are what their text says, after a user-defined type that they are made of changed.
    fn find_types_again(&mut self) {
        let stale = |keyspace: &Self, column: &Column| {
            parse(keyspace, &column.type_text).is_some_and(|ty| ty != column.ty)
        };
        let (mut tables, mut views) = (self.tables.clone(), self.views.clone());
        let again = |columns: &mut Columns| {
            for column in &mut columns.columns {
                column.ty = parse(self, &column.type_text).unwrap_or_else(|| column.ty.clone());
            }
        };
        for table in tables.values_mut() {
            if table.columns.all().iter().any(|column| stale(self, column)) {
                again(&mut Arc::make_mut(table).columns);
            }
        }
        for view in views.values_mut() {
            if view.columns.all().iter().any(|column| stale(self, column)) {
                again(&mut Arc::make_mut(view).columns);
            }
        }
        (self.tables, self.views) = (tables, views);
    }

    /// The same without a part of it, which is about to be read again.
    fn without(&self, part: &Part) -> Self {
        let mut rest = self.clone();
        match part {
            Part::Table(name) => {
                rest.tables.remove(name);
                rest.views.remove(name);
            }
            // All of them are read.
            Part::Type(_) => rest.types.clear(),
            Part::Function(name) => rest.functions.retain(|_, function| function.name != *name),
            Part::Aggregate(name) => rest.aggregates.retain(|_, aggregate| aggregate.name != *name),
        }
        rest
    }
}

/// `None` when a type of a field is not known (yet).
fn user_type(keyspace: &Keyspace, name: &str, raw: &RawType) -> Option<UserType> {
    let types: Option<Vec<CqlType>> = raw.field_types.iter().map(|text| parse(keyspace, text)).collect();
    let names = raw.field_names.iter().map(|name| Arc::from(&**name));
    let definition = UserDefinedType {
        keyspace: Arc::clone(&keyspace.name),
        name: name.into(),
        fields: names.zip(types?).collect(),
    };
    Some(UserType {
        definition: Arc::new(definition),
        field_types: raw.field_types.clone(),
    })
}

fn parse(keyspace: &Keyspace, text: &str) -> Option<CqlType> {
    let resolve = |_: Option<&str>, name: &str| {
        let ty = keyspace.types.get(name)?;
        Some(CqlType::UserDefined(Arc::clone(&ty.definition)))
    };
    CqlType::parse_cql_with(text, resolve).ok()
}

fn columns(keyspaces: &Keyspaces, rows: &mut SchemaRows) -> ColumnsByTable {
    let mut masks: HashMap<(String, String, String), String> = HashMap::new();
    for row in rows.masks.iter() {
        if let (Some((keyspace, table)), Some(column), Some(mask)) =
            (place(&row, "table_name"), row.get("column_name"), mask(&row))
        {
            masks.insert((keyspace, table, column), mask);
        }
    }
    let mut found = ColumnsByTable::new();
    // Rows of the same table follow each other.
    let (mut at, mut of_table) = ((String::new(), String::new()), Vec::new());
    let (mut types, mut names) = (KnownTypes::default(), KnownNames::default());
    let mut add = |row: &SystemRow<'_>| {
        let (Some(keyspace), Some(table), Some(name), Some(type_text)) = (
            row.get::<&str>("keyspace_name"),
            row.get::<&str>("table_name"),
            row.get::<&str>("column_name"),
            row.get::<&str>("type"),
        ) else {
            return;
        };
        if at.0 != keyspace || at.1 != table {
            let before = std::mem::replace(&mut at, (keyspace.to_owned(), table.to_owned()));
            found.entry(before).or_default().append(&mut of_table);
        }
        let Some(keyspace) = keyspaces.get(keyspace) else {
            return;
        };
        let (type_text, ty) = types.of(keyspace, type_text);
        let kind = match row.get::<&str>("kind") {
            Some("partition_key") => ColumnKind::PartitionKey,
            Some("clustering") => ColumnKind::Clustering,
            Some("static") => ColumnKind::Static,
            _ => ColumnKind::Regular,
        };
        let mask = match masks.is_empty() {
            true => None,
            false => masks.remove(&(at.0.clone(), at.1.clone(), name.to_owned())),
        };
        of_table.push(Column {
            mask: mask.map(String::into_boxed_str),
            name: names.of(name),
            kind,
            position: row.get("position").unwrap_or_default(),
            descending: row.get::<&str>("clustering_order") == Some("desc"),
            ty,
            type_text,
        });
    };
    for page in rows.columns.take_pages().chain(rows.virtual_columns.take_pages()) {
        page.iter().for_each(|row| add(&row));
    }
    found.entry(at).or_default().append(&mut of_table);
    found
}

/// Names of columns: many tables have columns of the same names.
#[derive(Default)]
struct KnownNames(HashSet<Arc<str>>);

impl KnownNames {
    fn of(&mut self, name: &str) -> Arc<str> {
        if let Some(known) = self.0.get(name) {
            return Arc::clone(known);
        }
        let name: Arc<str> = name.into();
        self.0.insert(Arc::clone(&name));
        name
    }
}

/// Types by keyspace and text: the same ones come again and again.
#[derive(Default)]
struct KnownTypes(HashMap<Arc<str>, HashMap<Arc<str>, CqlType>>);

impl KnownTypes {
    fn of(&mut self, keyspace: &Keyspace, text: &str) -> (Arc<str>, CqlType) {
        let of_keyspace = self.0.entry(Arc::clone(&keyspace.name)).or_default();
        if let Some((text, ty)) = of_keyspace.get_key_value(text) {
            return (Arc::clone(text), ty.clone());
        }
        let ty = parse(keyspace, text).unwrap_or_else(|| {
            tracing::warn!(keyspace = %keyspace.name, ty = %text, "type of a column is not known");
            CqlType::Custom(text.into())
        });
        let text: Arc<str> = text.into();
        of_keyspace.insert(Arc::clone(&text), ty.clone());
        (text, ty)
    }
}

/// The function that masks a column, and its arguments, as CQL.
fn mask(row: &SystemRow<'_>) -> Option<String> {
    let function: String = row.get("function_name")?;
    let keyspace: String = row.get("function_keyspace")?;
    let types: Vec<String> = row.get("function_argument_types").unwrap_or_default();
    let values: Vec<String> = row.get("function_argument_values").unwrap_or_default();
    let nulls: Vec<bool> = row.get("function_argument_nulls").unwrap_or_default();
    let mut arguments = Vec::new();
    for (at, value) in values.iter().enumerate() {
        let text = matches!(
            types.get(at).map(String::as_str),
            Some("text" | "varchar" | "ascii")
        );
        arguments.push(match nulls.get(at) {
            Some(true) => "null".to_owned(),
            _ if text => Text(value).to_string(),
            _ => value.clone(),
        });
    }
    let qualified = if keyspace == "system" {
        Name(&function).to_string()
    } else {
        format!("{}.{}", Name(&keyspace), Name(&function))
    };
    Some(format!("{qualified}({})", arguments.join(", ")))
}

/// Whether a table is compact, and the columns of it that CQL shows.
fn without_hidden(row: &SystemRow<'_>, mut columns: Vec<Column>) -> (bool, Vec<Column>) {
    let flags: Vec<String> = row.get("flags").unwrap_or_else(|| vec!["compound".to_owned()]);
    let has = |flag: &str| flags.iter().any(|found| found == flag);
    let (compound, dense, super_) = (has("compound"), has("dense"), has("super"));
    if compound && !dense && !super_ {
        return (false, columns);
    }
    if dense {
        // A compact table with nothing but a primary key has a column without name or type.
        columns.retain(|column| column.kind != ColumnKind::Regular || *column.type_text != *"empty");
    } else if !compound && !super_ {
        // Static columns are what was declared; clustering and regular ones are of the Thrift layout.
        columns.retain(|column| matches!(column.kind, ColumnKind::PartitionKey | ColumnKind::Static));
        for column in &mut columns {
            if column.kind == ColumnKind::Static {
                column.kind = ColumnKind::Regular;
            }
        }
    }
    (true, columns)
}

/// Columns of `system_schema.tables` and `views` that are no options.
const NO_OPTIONS: [&str; 9] = [
    "keyspace_name",
    "table_name",
    "view_name",
    "id",
    "flags",
    "base_table_id",
    "base_table_name",
    "include_all_columns",
    "where_clause",
];

/// Options by the bytes of their cells: most tables have the same.
#[derive(Default)]
struct KnownOptions(HashMap<Vec<u8>, Arc<TableOptions>>);

impl KnownOptions {
    fn of(&mut self, row: &SystemRow<'_>) -> Arc<TableOptions> {
        let mut cells = Vec::new();
        row.write_cells(|name| !NO_OPTIONS.contains(&name), &mut cells);
        let known = self.0.entry(cells).or_insert_with(|| Arc::new(options(row)));
        Arc::clone(known)
    }
}

fn options(row: &SystemRow<'_>) -> TableOptions {
    let mut options = TableOptions::new();
    let modern = row.names().any(|name| name == "read_repair");
    for name in row.names() {
        // Kept for old tools only, since Cassandra 4.0.
        let gone = modern && matches!(name, "read_repair_chance" | "dclocal_read_repair_chance");
        if gone || NO_OPTIONS.contains(&name) {
            continue;
        }
        if let Some(value) = option(row, name) {
            options.insert(name.to_owned(), value);
        }
    }
    options
}

fn option(row: &SystemRow<'_>, name: &str) -> Option<OptionValue> {
    fn read<'a, T: DeserializeValue<'a>>(row: &SystemRow<'a>, name: &str) -> Option<T> {
        row.get(name)
    }
    None.or_else(|| read(row, name).map(OptionValue::Text))
        .or_else(|| read(row, name).map(OptionValue::Int))
        .or_else(|| read(row, name).map(OptionValue::Double))
        .or_else(|| read(row, name).map(OptionValue::Boolean))
        .or_else(|| read(row, name).map(OptionValue::Map))
        .or_else(|| read(row, name).map(OptionValue::Extensions))
}

/// Indexes and triggers by keyspace and table.
#[derive(Default)]
struct Others {
    indexes: HashMap<(String, String), BTreeMap<String, Index>>,
    triggers: HashMap<(String, String), BTreeMap<String, Trigger>>,
}

impl Others {
    fn new(keyspaces: &Keyspaces, rows: &SchemaRows) -> Self {
        let mut others = Self::default();
        for row in rows.indexes.iter() {
            let (Some(at), Some(name)) = (place(&row, "table_name"), row.get::<String>("index_name")) else {
                continue;
            };
            let Some(keyspace) = keyspaces.get(&*at.0) else {
                continue;
            };
            let index = Index {
                keyspace: Arc::clone(&keyspace.name),
                table: at.1.clone(),
                name: name.clone(),
                kind: IndexKind::from_text(&row.get::<String>("kind").unwrap_or_default()),
                options: row.get("options").unwrap_or_default(),
            };
            others.indexes.entry(at).or_default().insert(name, index);
        }
        for row in rows.triggers.iter() {
            let (Some(at), Some(name)) = (place(&row, "table_name"), row.get::<String>("trigger_name"))
            else {
                continue;
            };
            let options = row.get("options").unwrap_or_default();
            let trigger = Trigger {
                name: name.clone(),
                options,
            };
            others.triggers.entry(at).or_default().insert(name, trigger);
        }
        others
    }

    fn take(&mut self, table: &(String, String)) -> (BTreeMap<String, Index>, BTreeMap<String, Trigger>) {
        let indexes = self.indexes.remove(table).unwrap_or_default();
        (indexes, self.triggers.remove(table).unwrap_or_default())
    }
}

fn add_functions(keyspaces: &mut Keyspaces, rows: &SchemaRows) {
    for row in rows.functions.iter() {
        let Some((keyspace, name)) = place(&row, "function_name").and_then(|at| in_keyspace(keyspaces, at))
        else {
            continue;
        };
        let function = Function {
            keyspace: Arc::clone(&keyspace.name),
            name,
            argument_names: row.get("argument_names").unwrap_or_default(),
            argument_types: row.get("argument_types").unwrap_or_default(),
            return_type: row.get("return_type").unwrap_or_default(),
            language: row.get("language").unwrap_or_default(),
            body: row.get("body").unwrap_or_default(),
            called_on_null_input: row.get("called_on_null_input").unwrap_or_default(),
            deterministic: row.get("deterministic").unwrap_or_default(),
            monotonic: row.get("monotonic").unwrap_or_default(),
            monotonic_on: row.get("monotonic_on").unwrap_or_default(),
        };
        keyspace
            .functions
            .insert(function.signature(), Arc::new(function));
    }
    for row in rows.aggregates.iter() {
        let Some((keyspace, name)) = place(&row, "aggregate_name").and_then(|at| in_keyspace(keyspaces, at))
        else {
            continue;
        };
        let aggregate = Aggregate {
            keyspace: Arc::clone(&keyspace.name),
            name,
            argument_types: row.get("argument_types").unwrap_or_default(),
            state_function: row.get("state_func").unwrap_or_default(),
            state_type: row.get("state_type").unwrap_or_default(),
            final_function: row.get("final_func"),
            initial_condition: row.get("initcond"),
            return_type: row.get("return_type").unwrap_or_default(),
            deterministic: row.get("deterministic").unwrap_or_default(),
        };
        keyspace
            .aggregates
            .insert(aggregate.signature(), Arc::new(aggregate));
    }
}
