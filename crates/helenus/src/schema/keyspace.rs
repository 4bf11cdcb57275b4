//! Keyspaces.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use helenus_protocol::{CqlType, UserDefinedType};

use super::cql::{Name, Qualified, Text, TextMap, join};
use super::function::{Aggregate, Function};
use super::table::Table;
use super::view::MaterializedView;
use crate::cluster::ReplicationStrategy;

/// A keyspace and all that is in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Keyspace {
    pub(super) name: Arc<str>,
    pub(super) durable_writes: bool,
    pub(super) replication: BTreeMap<String, String>,
    pub(super) strategy: ReplicationStrategy,
    pub(super) is_virtual: bool,
    pub(super) graph_engine: Option<String>,
    pub(super) types: BTreeMap<String, Arc<UserType>>,
    pub(super) tables: BTreeMap<String, Arc<Table>>,
    pub(super) views: BTreeMap<String, Arc<MaterializedView>>,
    pub(super) functions: BTreeMap<String, Arc<Function>>,
    pub(super) aggregates: BTreeMap<String, Arc<Aggregate>>,
}

/// A user-defined type.
#[derive(Clone, Debug, PartialEq)]
pub struct UserType {
    pub(super) definition: Arc<UserDefinedType>,
    /// The types of its fields as the server writes them.
    pub(super) field_types: Vec<String>,
}

impl UserType {
    /// Name, keyspace, and fields with their types.
    pub fn definition(&self) -> &Arc<UserDefinedType> {
        &self.definition
    }

    /// The types of its fields as the server writes them.
    pub fn field_types(&self) -> &[String] {
        &self.field_types
    }

    /// CREATE TYPE, over several lines if `formatted`.
    pub fn create_statement(&self, formatted: bool) -> String {
        let names = self.definition.fields.iter().map(|(name, _)| name);
        let fields = names
            .zip(&self.field_types)
            .map(|(name, ty)| format!("{} {ty}", Name(name)));
        let (begin, between, end) = if formatted {
            ("\n    ", ",\n    ", "\n")
        } else {
            ("", ", ", "")
        };
        let name = Qualified(&self.definition.keyspace, &self.definition.name);
        format!("CREATE TYPE {name} ({begin}{}{end})", join(between, fields))
    }
}

impl Keyspace {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether writes go through the commit log.
    pub fn has_durable_writes(&self) -> bool {
        self.durable_writes
    }

    /// Where its replicas are.
    pub fn strategy(&self) -> &ReplicationStrategy {
        &self.strategy
    }

    /// The options of the replication as the server has them: `class` and others.
    pub fn replication(&self) -> &BTreeMap<String, String> {
        &self.replication
    }

    /// Whether its tables are made up by the node that is asked.
    pub fn is_virtual(&self) -> bool {
        self.is_virtual
    }

    /// The engine of its graph: `Core` or `Classic` (DSE).
    pub fn graph_engine(&self) -> Option<&str> {
        self.graph_engine.as_deref()
    }

    /// Its user-defined types by name.
    pub fn types(&self) -> &BTreeMap<String, Arc<UserType>> {
        &self.types
    }

    /// Its tables by name.
    pub fn tables(&self) -> &BTreeMap<String, Arc<Table>> {
        &self.tables
    }

    /// Its materialized views by name.
    pub fn views(&self) -> &BTreeMap<String, Arc<MaterializedView>> {
        &self.views
    }

    /// The materialized views of one of its tables.
    pub fn views_of<'a>(&'a self, table: &'a str) -> impl Iterator<Item = &'a Arc<MaterializedView>> {
        self.views.values().filter(move |view| view.base_table == table)
    }

    /// Its functions by signature: `plus(int,int)`.
    pub fn functions(&self) -> &BTreeMap<String, Arc<Function>> {
        &self.functions
    }

    /// Its aggregates by signature.
    pub fn aggregates(&self) -> &BTreeMap<String, Arc<Aggregate>> {
        &self.aggregates
    }

    /// CREATE KEYSPACE.
    pub fn create_statement(&self) -> String {
        let name = Name(&self.name);
        if self.is_virtual {
            return format!("// VIRTUAL KEYSPACE {name}");
        }
        let mut replication = self.replication.clone();
        if let Some(class) = replication.get_mut("class")
            && let Some(short) = class.strip_prefix("org.apache.cassandra.locator.")
        {
            *class = short.to_owned();
        }
        let graph = self.graph_engine.as_ref();
        let graph = graph
            .map(|engine| format!(" AND graph_engine = {}", Text(engine)))
            .unwrap_or_default();
        let (replication, durable) = (TextMap(&replication), self.durable_writes);
        format!(
            "CREATE KEYSPACE {name} WITH replication = {replication} AND durable_writes = {durable}{graph}"
        )
    }

    /// All that makes the keyspace and what is in it anew, in an order in which it can be made.
    pub fn export(&self) -> String {
        let mut parts = vec![self.create_statement() + ";"];
        let statement = |text: String| text + ";";
        parts.extend(
            self.types_in_order()
                .map(|ty| statement(ty.create_statement(true))),
        );
        parts.extend(
            self.functions
                .values()
                .map(|function| statement(function.create_statement(true))),
        );
        parts.extend(
            self.aggregates
                .values()
                .map(|aggregate| statement(aggregate.create_statement(true))),
        );
        for table in self.tables.values() {
            parts.push(table.export());
            parts.extend(
                self.views_of(&table.name)
                    .map(|view| statement(view.create_statement(true))),
            );
        }
        let written = join("\n\n", parts);
        if self.is_virtual {
            return format!(
                "/*\nWarning: Keyspace {} is a virtual keyspace and cannot be recreated with CQL.\nStructure, for \
                 reference:*/\n{written}\n",
                self.name
            );
        }
        written
    }

    /// Types, each after those that it is made of.
    fn types_in_order(&self) -> impl Iterator<Item = &Arc<UserType>> {
        let mut written = BTreeSet::new();
        let mut order = Vec::new();
        for name in self.types.keys() {
            self.put_after_its_parts(name, &mut written, &mut order);
        }
        order.into_iter()
    }

    fn put_after_its_parts<'a>(
        &'a self,
        name: &'a str,
        written: &mut BTreeSet<&'a str>,
        order: &mut Vec<&'a Arc<UserType>>,
    ) {
        let Some(ty) = self.types.get(name) else {
            return;
        };
        // Marked before its parts: a server that claims a cycle does not keep us busy.
        if !written.insert(name) {
            return;
        }
        for (_, field) in &ty.definition.fields {
            for part in parts_of(field) {
                if let Some((name, _)) = self.types.get_key_value(part) {
                    self.put_after_its_parts(name, written, order);
                }
            }
        }
        order.push(ty);
    }
}

/// Names of the user-defined types that a type is made of.
fn parts_of(ty: &CqlType) -> Vec<&str> {
    let mut found = Vec::new();
    let mut waiting = vec![ty];
    while let Some(ty) = waiting.pop() {
        match ty {
            CqlType::List(inner) | CqlType::Set(inner) | CqlType::Frozen(inner) => waiting.push(inner),
            CqlType::Vector { element, .. } => waiting.push(element),
            CqlType::Map(entry) => waiting.extend([&entry.0, &entry.1]),
            CqlType::Tuple(elements) => waiting.extend(elements.iter()),
            CqlType::UserDefined(definition) => found.push(&*definition.name),
            _ => {}
        }
    }
    found
}
