//! What is known about a column of a result, or about a bind marker of a prepared statement.
//!
//! Layout: `col_spec_i` of native protocol v3, v4, v5 §4.2.5.2; reading it belongs to the metadata it stands in.

use std::sync::Arc;

use super::CqlType;

/// A column of a result or a bind marker: where it comes from, its name and its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ColumnSpec {
    /// Keyspace of the table.
    pub keyspace: Arc<str>,
    /// The table.
    pub table: Arc<str>,
    /// Name of the column, of its alias, or of the bind marker; without quotes.
    pub name: Arc<str>,
    /// What its values are.
    pub ty: CqlType,
}

impl ColumnSpec {
    /// A column.
    pub fn new(
        keyspace: impl Into<Arc<str>>,
        table: impl Into<Arc<str>>,
        name: impl Into<Arc<str>>,
        ty: impl Into<CqlType>,
    ) -> Self {
        Self {
            keyspace: keyspace.into(),
            table: table.into(),
            name: name.into(),
            ty: ty.into(),
        }
    }
}
