//! Materialized views.

use std::sync::Arc;

use uuid::Uuid;

use super::cql::{Name, Qualified, join, lines};
use super::options::{TableOptions, as_cql};
use super::table::Columns;

/// A materialized view.
#[derive(Clone, Debug, PartialEq)]
pub struct MaterializedView {
    pub(super) keyspace: Arc<str>,
    pub(super) name: String,
    pub(super) id: Option<Uuid>,
    pub(super) base_table: String,
    pub(super) include_all_columns: bool,
    pub(super) where_clause: String,
    pub(super) columns: Columns,
    pub(super) options: Arc<TableOptions>,
}

impl MaterializedView {
    /// Its keyspace.
    pub fn keyspace(&self) -> &str {
        &self.keyspace
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its id.
    pub fn id(&self) -> Option<Uuid> {
        self.id
    }

    /// The table that it is a view of.
    pub fn base_table(&self) -> &str {
        &self.base_table
    }

    /// Whether it was made with `SELECT *`.
    pub fn includes_all_columns(&self) -> bool {
        self.include_all_columns
    }

    /// Which rows it has, as CQL.
    pub fn where_clause(&self) -> &str {
        &self.where_clause
    }

    /// Its columns.
    pub fn columns(&self) -> &Columns {
        &self.columns
    }

    /// Its options.
    pub fn options(&self) -> &TableOptions {
        &self.options
    }

    /// CREATE MATERIALIZED VIEW, over several lines if `formatted`.
    pub fn create_statement(&self, formatted: bool) -> String {
        let columns = if self.include_all_columns {
            "*".to_owned()
        } else {
            join(
                ", ",
                self.columns
                    .all()
                    .iter()
                    .map(|column| Name(&column.name).to_string()),
            )
        };
        let properties = self
            .columns
            .order_as_cql()
            .into_iter()
            .chain(as_cql(&self.options));
        let properties = join(if formatted { "\n    AND " } else { " AND " }, properties);
        let mut parts = vec![
            format!(
                "CREATE MATERIALIZED VIEW {} AS",
                Qualified(&self.keyspace, &self.name)
            ),
            format!("SELECT {columns}"),
            format!("FROM {}", Qualified(&self.keyspace, &self.base_table)),
            format!("WHERE {}", self.where_clause),
            format!("PRIMARY KEY {}", self.columns.primary_key_as_cql()),
        ];
        if !properties.is_empty() {
            parts.push(format!("WITH {properties}"));
        }
        lines(formatted, parts)
    }
}
