//! Rows as bytes, and as values.

use std::sync::Arc;

use bytes::Bytes;
use helenus_protocol::{
    CellReader, ColumnSpec, DeserializeError, DeserializeOwnedRow, DeserializeRow, OwnedRows, TypeMismatch,
    TypedRows,
};

/// One page of rows as the server sent it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RawRows {
    /// The columns.
    pub columns: Arc<[ColumnSpec]>,
    /// How many rows there are.
    pub row_count: usize,
    /// The rows: `[bytes]` for each column of each row (native protocol v4 §4.2.5.2). Not checked yet.
    pub content: Bytes,
    /// Where the next page begins; `None` when this is the last one.
    pub paging_state: Option<Bytes>,
}

impl RawRows {
    /// The rows as values of a Rust type.
    ///
    /// # Errors
    /// [`RowsError::Type`] when the columns do not fit the type.
    pub fn typed<'f, T: DeserializeRow<'f>>(&'f self) -> Result<TypedRows<'f, T>, RowsError> {
        Ok(TypedRows::new(&self.columns, &self.content, self.row_count)?)
    }

    /// The rows as values that own all they have. The iterator keeps the page.
    ///
    /// # Errors
    /// [`RowsError::Type`] when the columns do not fit the type.
    pub fn into_typed<T: DeserializeOwnedRow>(self) -> Result<OwnedRows<T>, RowsError> {
        Ok(OwnedRows::new(self.columns, self.content, self.row_count)?)
    }

    /// The bytes of a column of the first row; `None` when it is null or there is no row.
    pub(super) fn first_cell(&self, index: usize) -> Option<&[u8]> {
        if self.row_count == 0 {
            return None;
        }
        let mut cells = CellReader::new(&self.content);
        for _ in 0..index {
            cells.next_cell().ok()?;
        }
        cells.next_cell().ok()?.map(|cell| cell.as_slice())
    }
}

/// A result cannot be read as the rows that somebody wants.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RowsError {
    /// The statement gives no rows.
    #[error("the result has no rows: the statement is not one that gives any")]
    NoRows,
    /// The columns do not fit the Rust type.
    #[error("{0}")]
    Type(#[from] TypeMismatch),
    /// A value is not what its column says, or does not fit into the Rust type.
    #[error("{0}")]
    Value(#[from] DeserializeError),
    /// Another number of rows.
    #[error("the result has {rows} rows (or more pages) instead of one")]
    Count {
        /// Rows in the page.
        rows: usize,
    },
}
