//! The rows of a result, read as Rust values: types are checked once, then each row is read in one pass over its bytes.
//!
//! Layout: native protocol v3, v4, v5 §4.2.5.2, `<rows_content>`: `[bytes]` for each column of each row. Nothing is allocated
//! for a row but what its values own.

use std::iter::FusedIterator;

use bytes::Bytes;

use super::error::{DeserializeError, DeserializeErrorKind, TypeMismatch, TypeMismatchKind};
use super::reader::ValueBytes;
use super::traits::DeserializeValue;
use crate::{ColumnSpec, Rows};

/// A Rust type that a row can be read as. `'f` is the lifetime of the page, from which values may borrow.
///
/// Implemented for tuples up to 16 (by position), [`CqlRow`](crate::CqlRow) (anything), and by `#[derive(DeserializeRow)]` for
/// structs (by name).
pub trait DeserializeRow<'f>: Sized {
    /// What is worked out once for all rows of a page.
    type Plan;

    /// Checks the columns against the Rust type.
    ///
    /// # Errors
    /// When a column is missing, is too many, or has a type that does not fit.
    fn plan(columns: &[ColumnSpec]) -> Result<Self::Plan, TypeMismatch>;

    /// Reads one row: every column is read or skipped, in order.
    ///
    /// # Errors
    /// When the bytes of a value are not what its type says, or do not fit into the Rust type.
    fn deserialize_row(plan: &Self::Plan, row: &mut RowReader<'_, 'f>) -> Result<Self, DeserializeError>;
}

/// A row that owns all its values, so that it can be kept longer than its page.
pub trait DeserializeOwnedRow: for<'f> DeserializeRow<'f> {}

impl<T: for<'f> DeserializeRow<'f>> DeserializeOwnedRow for T {}

/// The values of all the columns of all the rows of a page, one after the other, as bytes.
#[derive(Clone, Debug)]
pub struct CellReader<'f> {
    rest: &'f [u8],
    page: &'f Bytes,
}

impl<'f> CellReader<'f> {
    /// At the first value of the first row. `content` is the rows of a page.
    pub fn new(content: &'f Bytes) -> Self {
        Self {
            rest: content,
            page: content,
        }
    }

    /// The next value; `None` when it is null.
    ///
    /// # Errors
    /// When the bytes end before it does.
    #[inline]
    pub fn next_cell(&mut self) -> Result<Option<ValueBytes<'f>>, DeserializeError> {
        let Some((length, rest)) = self.rest.split_first_chunk::<4>() else {
            return Err(truncated(4, self.rest.len()));
        };
        let length = i32::from_be_bytes(*length);
        if length < 0 {
            self.rest = rest;
            return Ok(None);
        }
        // Not negative: fits.
        let length = length as usize;
        match rest.split_at_checked(length) {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(Some(ValueBytes::in_page(bytes, self.page)))
            }
            None => Err(truncated(length, rest.len())),
        }
    }
}

#[cold]
fn truncated(needed: usize, available: usize) -> DeserializeError {
    DeserializeError::of_row(DeserializeErrorKind::Truncated { needed, available })
}

impl Rows {
    /// The rows as values of the Rust type `T`. `columns` are those of the metadata, or those that the client knows when it
    /// asked for none.
    ///
    /// # Errors
    /// When the columns do not fit the Rust type, or are not as many as the rows have.
    pub fn typed<'f, T: DeserializeRow<'f>>(
        &'f self,
        columns: &'f [ColumnSpec],
    ) -> Result<TypedRows<'f, T>, TypeMismatch> {
        if columns.len() != self.metadata.column_count {
            let (expected, found) = (columns.len(), self.metadata.column_count);
            return Err(TypeMismatch::of_row(TypeMismatchKind::ColumnCount {
                expected,
                found,
            }));
        }
        TypedRows::new(columns, &self.content, self.row_count)
    }

    /// All values of all rows as bytes: `column_count` for each row.
    pub fn cells(&self) -> CellReader<'_> {
        CellReader::new(&self.content)
    }
}

/// Reads one row, column by column.
#[derive(Debug)]
pub struct RowReader<'r, 'f> {
    columns: &'f [ColumnSpec],
    index: usize,
    cells: &'r mut CellReader<'f>,
}

impl<'r, 'f> RowReader<'r, 'f> {
    /// At the first column of the row at which `cells` stands.
    #[inline]
    pub fn new(columns: &'f [ColumnSpec], cells: &'r mut CellReader<'f>) -> Self {
        Self {
            columns,
            index: 0,
            cells,
        }
    }

    /// The columns of the row.
    pub fn columns(&self) -> &'f [ColumnSpec] {
        self.columns
    }

    /// The value of the next column. Its type was checked.
    ///
    /// # Errors
    /// When it is not what its type says, does not fit into `T`, or there are no more columns.
    #[inline]
    pub fn read<T: DeserializeValue<'f>>(&mut self) -> Result<T, DeserializeError> {
        let index = self.index;
        let Some(column) = self.columns.get(index) else {
            return Err(no_more_columns());
        };
        self.index += 1;
        let value = self
            .cells
            .next_cell()
            .and_then(|cell| T::deserialize(&column.ty, cell));
        value.map_err(|error| error.in_column(index, &column.name))
    }

    /// Passes over the next column.
    ///
    /// # Errors
    /// When the bytes end before it does, or there are no more columns.
    #[inline]
    pub fn skip(&mut self) -> Result<(), DeserializeError> {
        let index = self.index;
        let Some(column) = self.columns.get(index) else {
            return Err(no_more_columns());
        };
        self.index += 1;
        match self.cells.next_cell() {
            Ok(_) => Ok(()),
            Err(error) => Err(error.in_column(index, &column.name)),
        }
    }
}

#[cold]
fn no_more_columns() -> DeserializeError {
    DeserializeError::of_row(DeserializeErrorKind::Invalid {
        reason: "the row has no more columns",
    })
}

/// The rows of one page as values of a Rust type.
#[derive(Debug)]
pub struct TypedRows<'f, T: DeserializeRow<'f>> {
    plan: T::Plan,
    columns: &'f [ColumnSpec],
    cells: CellReader<'f>,
    left: usize,
}

impl<'f, T: DeserializeRow<'f>> TypedRows<'f, T> {
    /// Over `row_count` rows of these columns.
    ///
    /// # Errors
    /// When the columns do not fit the Rust type.
    pub fn new(
        columns: &'f [ColumnSpec],
        content: &'f Bytes,
        row_count: usize,
    ) -> Result<Self, TypeMismatch> {
        let plan = T::plan(columns)?;
        // Rows without columns have no bytes: any number of them would fit into nothing.
        let left = if columns.is_empty() { 0 } else { row_count };
        Ok(Self {
            plan,
            columns,
            cells: CellReader::new(content),
            left,
        })
    }
}

impl<'f, T: DeserializeRow<'f>> Iterator for TypedRows<'f, T> {
    type Item = Result<T, DeserializeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let row = T::deserialize_row(&self.plan, &mut RowReader::new(self.columns, &mut self.cells));
        if row.is_err() {
            // Where the next row begins is not known any more.
            self.left = 0;
        }
        Some(row)
    }

    /// An error ends the rows early, so that only one is certain.
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left.min(1), Some(self.left))
    }
}

impl<'f, T: DeserializeRow<'f>> FusedIterator for TypedRows<'f, T> {}

#[cfg(test)]
mod tests;
