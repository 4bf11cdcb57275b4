//! Tables, their columns and triggers.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};
use std::sync::Arc;

use helenus_protocol::CqlType;
use uuid::Uuid;

use super::cql::{Name, Qualified, Text, TextMap, join, key_as_cql};
use super::graph::{Edge, Graph};
use super::index::Index;
use super::options::{OptionValue, ROW_ACCESS, TableOptions, as_cql};

/// What a column is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ColumnKind {
    /// A part of the partition key.
    PartitionKey,
    /// A clustering column.
    Clustering,
    /// One value for each partition.
    Static,
    /// Any other.
    Regular,
}

/// A column of a table or view.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub(super) name: Arc<str>,
    pub(super) kind: ColumnKind,
    pub(super) position: i32,
    pub(super) descending: bool,
    pub(super) ty: CqlType,
    pub(super) type_text: Arc<str>,
    pub(super) mask: Option<Box<str>>,
}

impl Column {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it is for.
    pub fn kind(&self) -> ColumnKind {
        self.kind
    }

    /// Its place in the partition key or among the clustering columns, from 0; meaningless for others.
    pub fn position(&self) -> i32 {
        self.position
    }

    /// Whether it is a clustering column in descending order.
    pub fn is_descending(&self) -> bool {
        self.descending
    }

    /// Its type.
    pub fn ty(&self) -> &CqlType {
        &self.ty
    }

    /// Its type as the server writes it.
    pub fn type_text(&self) -> &str {
        &self.type_text
    }

    /// How its values are masked for those who may not see them, as CQL (Cassandra 5.0): `mask_default()`.
    pub fn mask(&self) -> Option<&str> {
        self.mask.as_deref()
    }
}

impl Display for Column {
    /// As in CREATE TABLE, without PRIMARY KEY.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", Name(&self.name), self.type_text)?;
        if self.kind == ColumnKind::Static {
            f.write_str(" static")?;
        }
        match &self.mask {
            Some(mask) => write!(f, " MASKED WITH {mask}"),
            None => Ok(()),
        }
    }
}

/// Columns in the order of SELECT *: the primary key, then static columns and others by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Columns {
    pub(super) columns: Vec<Column>,
    partition_key: usize,
    clustering: usize,
}

impl Columns {
    pub(super) fn new(mut columns: Vec<Column>) -> Self {
        // Regular and static columns mix: they are sorted by name alone.
        let rank = |column: &Column| match column.kind {
            ColumnKind::PartitionKey => (0, column.position),
            ColumnKind::Clustering => (1, column.position),
            ColumnKind::Static | ColumnKind::Regular => (2, 0),
        };
        columns.sort_by(|a, b| rank(a).cmp(&rank(b)).then_with(|| a.name.cmp(&b.name)));
        let count = |kind| columns.iter().filter(|column| column.kind == kind).count();
        let (partition_key, clustering) = (count(ColumnKind::PartitionKey), count(ColumnKind::Clustering));
        Self {
            columns,
            partition_key,
            clustering,
        }
    }

    /// All of them.
    pub fn all(&self) -> &[Column] {
        &self.columns
    }

    /// Those of the partition key, in order.
    pub fn partition_key(&self) -> &[Column] {
        self.columns.get(..self.partition_key).unwrap_or_default()
    }

    /// The clustering columns, in order.
    pub fn clustering(&self) -> &[Column] {
        self.columns
            .get(self.partition_key..self.partition_key + self.clustering)
            .unwrap_or_default()
    }

    /// The one of this name.
    pub fn get(&self, name: &str) -> Option<&Column> {
        self.columns.iter().find(|column| *column.name == *name)
    }

    pub(super) fn primary_key_as_cql(&self) -> String {
        let names = |columns: &[Column]| -> Vec<_> {
            let names = columns.iter().map(|column| Name(&column.name).to_string());
            names.collect()
        };
        key_as_cql(&names(self.partition_key()), &names(self.clustering()))
    }

    pub(super) fn order_as_cql(&self) -> Option<String> {
        let order = self.clustering().iter().map(|column| {
            format!(
                "{} {}",
                Name(&column.name),
                if column.descending { "DESC" } else { "ASC" }
            )
        });
        (self.clustering > 0).then(|| format!("CLUSTERING ORDER BY ({})", join(", ", order)))
    }
}

/// Java code that runs with every write to a table.
#[derive(Clone, Debug, PartialEq)]
pub struct Trigger {
    pub(super) name: String,
    pub(super) options: BTreeMap<String, String>,
}

impl Trigger {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its options; `class` is the class that runs.
    pub fn options(&self) -> &BTreeMap<String, String> {
        &self.options
    }
}

/// A table.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    pub(super) keyspace: Arc<str>,
    pub(super) name: String,
    pub(super) id: Option<Uuid>,
    pub(super) columns: Columns,
    /// Many tables have the same.
    pub(super) options: Arc<TableOptions>,
    pub(super) indexes: BTreeMap<String, Index>,
    pub(super) triggers: BTreeMap<String, Trigger>,
    pub(super) is_compact: bool,
    pub(super) is_virtual: bool,
    /// Few tables are a part of a graph.
    pub(super) graph: Option<Box<Graph>>,
}

impl Table {
    /// Its keyspace.
    pub fn keyspace(&self) -> &str {
        &self.keyspace
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its id, another one each time a table of this name is created; virtual tables have none.
    pub fn id(&self) -> Option<Uuid> {
        self.id
    }

    /// Its columns.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// Its options.
    pub fn options(&self) -> &TableOptions {
        &self.options
    }

    /// Its secondary indexes by name.
    pub fn indexes(&self) -> &BTreeMap<String, Index> {
        &self.indexes
    }

    /// Its triggers by name.
    pub fn triggers(&self) -> &BTreeMap<String, Trigger> {
        &self.triggers
    }

    /// Whether it is stored as tables of the Thrift era were.
    pub fn is_compact(&self) -> bool {
        self.is_compact
    }

    /// Whether it is made up by the node that is asked, and not stored.
    pub fn is_virtual(&self) -> bool {
        self.is_virtual
    }

    /// The label of the vertices that it holds, if it is a part of a graph (DSE).
    pub fn vertex_label(&self) -> Option<&str> {
        self.graph.as_ref()?.vertex.as_deref()
    }

    /// What makes it an edge of a graph, if it is one (DSE).
    pub fn edge(&self) -> Option<&Edge> {
        self.graph.as_ref()?.edge.as_ref()
    }

    /// The column whose values say who may see a row, if access to it is controlled by rows (DSE).
    pub fn row_access_column(&self) -> Option<&str> {
        let Some(OptionValue::Extensions(extensions)) = self.options.get("extensions") else {
            return None;
        };
        std::str::from_utf8(extensions.get(ROW_ACCESS)?).ok()
    }

    /// Whether CQL cannot make it: a super column family has a column without a name.
    fn is_super(&self) -> bool {
        self.is_compact && self.columns.get("").is_some()
    }

    /// CREATE TABLE, over several lines if `formatted`.
    pub fn create_statement(&self, formatted: bool) -> String {
        let columns = &self.columns;
        let single = columns.partition_key.saturating_add(columns.clustering) == 1;
        let mut definitions: Vec<String> = columns
            .all()
            .iter()
            .map(|column| match column.kind {
                ColumnKind::PartitionKey if single => format!("{column} PRIMARY KEY"),
                _ => column.to_string(),
            })
            .collect();
        if !single {
            definitions.push(format!("PRIMARY KEY {}", columns.primary_key_as_cql()));
        }
        let compact = self.is_compact.then(|| "COMPACT STORAGE".to_owned());
        let properties = compact
            .into_iter()
            .chain(columns.order_as_cql())
            .chain(as_cql(&self.options))
            .chain(self.graph.iter().flat_map(|graph| graph.as_cql()));
        let properties = join(if formatted { "\n    AND " } else { " AND " }, properties);
        let (begin, between, end) = if formatted {
            ("\n    ", ",\n    ", "\n")
        } else {
            ("", ", ", "")
        };
        let word = if self.is_virtual { "VIRTUAL" } else { "CREATE" };
        let name = Qualified(&self.keyspace, &self.name);
        let with = if properties.is_empty() { "" } else { " WITH " };
        format!(
            "{word} TABLE {name} ({begin}{}{end}){with}{properties}",
            join(between, definitions)
        )
    }

    /// All that makes the table anew: CREATE TABLE, CREATE INDEX, CREATE TRIGGER, RESTRICT ROWS, each with a semicolon; a
    /// comment if CQL cannot make it, as it is virtual or a super column family.
    pub fn export(&self) -> String {
        let mut written = self.create_statement(true) + ";";
        let indexes = self.indexes.values().map(Index::create_statement);
        let triggers = self.triggers.values().map(|trigger| {
            let class = trigger
                .options
                .get("class")
                .map(String::as_str)
                .unwrap_or_default();
            let table = Qualified(&self.keyspace, &self.name);
            format!(
                "CREATE TRIGGER {} ON {table} USING {}",
                Name(&trigger.name),
                Text(class)
            )
        });
        let restriction = self.row_access_column().map(|column| {
            let table = Qualified(&self.keyspace, &self.name);
            format!("RESTRICT ROWS ON {table} USING {}", Name(column))
        });
        for statement in indexes.chain(triggers).chain(restriction) {
            written.push_str(&format!("\n{statement};"));
        }
        let kind = match (self.is_virtual, self.is_super()) {
            (true, _) => Some("virtual table"),
            (_, true) => Some("super column family"),
            _ => None,
        };
        if let Some(kind) = kind {
            let name = format!("{}.{}", self.keyspace, self.name);
            return format!(
                "/*\nWarning: Table {name} is a {kind} and cannot be recreated with CQL.\nStructure, for \
                 reference:\n{written}\n*/"
            );
        }
        written
    }
}

/// `{'a': 'b'}` for the WITH OPTIONS of indexes.
pub(super) fn options_as_cql(options: &BTreeMap<String, String>) -> String {
    TextMap(options).to_string()
}
