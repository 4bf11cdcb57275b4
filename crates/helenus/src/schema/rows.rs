//! The rows of `system_schema` and `system_virtual_schema`: which are asked for, and the answers.
//!
//! All questions are asked at once. Tables that a server does not have (yet) are as good as empty.

use std::time::Duration;

use helenus_protocol::ErrorCode;

use super::cql::Text;
use crate::ask::{AskError, PAGE_SIZE, SystemRows, select_in_pages};
use crate::connection::Connection;

/// How much of the schema is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scope<'a> {
    /// All keyspaces, with what is in them.
    Everything,
    /// All keyspaces with their replication, and nothing in them.
    Keyspaces,
    /// One keyspace, with what is in it.
    Keyspace(&'a str),
    /// One keyspace with its replication, and nothing in it.
    KeyspaceAlone(&'a str),
    /// Something in a keyspace.
    Part(&'a str, &'a Part),
}

/// Something in a keyspace, by its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Part {
    /// A table or a materialized view: events do not tell them apart. With the indexes and triggers of a table.
    Table(String),
    /// A user-defined type.
    Type(String),
    /// All functions of this name.
    Function(String),
    /// All aggregates of this name.
    Aggregate(String),
}

impl Scope<'_> {
    /// The end of the question for the rows of a table; `None` when they are of no interest.
    fn condition(&self, table: &str, name_column: &str) -> Option<String> {
        let is_keyspaces = table == "system_schema.keyspaces";
        let of = |keyspace: &str| format!(" WHERE keyspace_name = {}", Text(keyspace));
        match self {
            Self::Everything => Some(String::new()),
            Self::Keyspaces => is_keyspaces.then(String::new),
            Self::Keyspace(keyspace) => Some(of(keyspace)),
            Self::KeyspaceAlone(keyspace) => is_keyspaces.then(|| of(keyspace)),
            Self::Part(keyspace, part) => {
                let (column, name) = match part {
                    // Types are few, and each may be a part of others.
                    Part::Table(_) | Part::Type(_) if table == "system_schema.types" => {
                        return Some(of(keyspace));
                    }
                    Part::Table(name) if table == "system_schema.views" => ("view_name", name),
                    Part::Table(name) => ("table_name", name),
                    Part::Type(_) => return None,
                    Part::Function(name) => ("function_name", name),
                    Part::Aggregate(name) => ("aggregate_name", name),
                };
                let asks = name_column == column && !table.starts_with("system_virtual_schema.");
                asks.then(|| format!("{} AND {column} = {}", of(keyspace), Text(name)))
            }
        }
    }
}

/// The rows of a table that are in the scope; none where the server has no such table.
pub(super) async fn read(
    connection: &Connection,
    scope: Scope<'_>,
    table: &str,
    name_column: &str,
    limit: Duration,
) -> Result<SystemRows, AskError> {
    let Some(condition) = scope.condition(table, name_column) else {
        return Ok(SystemRows::default());
    };
    let text = format!("SELECT * FROM {table}{condition}");
    // With all their options tables have long rows; pages go one by one when they are used.
    let page_size = match table {
        "system_schema.tables" => PAGE_SIZE / 10,
        _ => PAGE_SIZE,
    };
    match select_in_pages(connection, &text, page_size, limit).await {
        // No such keyspace or table: servers before the version that brought it.
        Err(AskError::Server(error)) if error.code == ErrorCode::Invalid => Ok(SystemRows::default()),
        read => read,
    }
}

macro_rules! schema_rows {
    ($($field:ident: $table:literal, $name:literal;)+) => {
        /// The rows of each table.
        #[derive(Default)]
        pub(super) struct SchemaRows {
            $(pub(super) $field: SystemRows,)+
        }

        impl SchemaRows {
            /// Asks for what is in the scope. `limit` is the time for each answer.
            pub(super) async fn read(
                connection: &Connection,
                scope: Scope<'_>,
                limit: Duration,
            ) -> Result<Self, AskError> {
                let ($($field,)+) = tokio::try_join!($(read(connection, scope, $table, $name, limit)),+)?;
                Ok(Self { $($field,)+ })
            }
        }
    };
}

// Each with the column that names the element that a row is of.
schema_rows! {
    keyspaces: "system_schema.keyspaces", "keyspace_name";
    tables: "system_schema.tables", "table_name";
    columns: "system_schema.columns", "table_name";
    types: "system_schema.types", "type_name";
    functions: "system_schema.functions", "function_name";
    aggregates: "system_schema.aggregates", "aggregate_name";
    indexes: "system_schema.indexes", "table_name";
    views: "system_schema.views", "view_name";
    triggers: "system_schema.triggers", "table_name";
    masks: "system_schema.column_masks", "table_name";
    virtual_keyspaces: "system_virtual_schema.keyspaces", "keyspace_name";
    virtual_tables: "system_virtual_schema.tables", "table_name";
    virtual_columns: "system_virtual_schema.columns", "table_name";
}
