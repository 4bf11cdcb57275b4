//! The rows of a page as values of a Rust type: types are checked once, then each row is read when it is asked for.
//!
//! Reading a row only when it is wanted keeps a page at the size in which it came, and lets the memory of one row be used
//! again by the next. An error ends the rows: where the next one begins is not known any more.

use std::fmt;
use std::iter::FusedIterator;
use std::sync::Arc;

use bytes::Bytes;

use super::error::{DeserializeError, TypeMismatch, TypeMismatchKind};
use super::row_reader::{CellReader, DeserializeOwnedRow, DeserializeRow, RowReader};
use crate::{ColumnSpec, Rows};

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

/// Rows without columns have no bytes: any number of them would fit into nothing.
fn rows_that_can_be(columns: &[ColumnSpec], row_count: usize) -> usize {
    if columns.is_empty() { 0 } else { row_count }
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
        Ok(Self {
            plan: T::plan(columns)?,
            columns,
            cells: CellReader::new(content),
            left: rows_that_can_be(columns, row_count),
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

/// The rows of one page as values of a Rust type, together with the page: for rows that own their values.
pub struct OwnedRows<T: DeserializeOwnedRow> {
    plan: T::OwnedPlan,
    columns: Arc<[ColumnSpec]>,
    content: Bytes,
    /// Where the next row begins in `content`.
    position: usize,
    left: usize,
}

impl<T: DeserializeOwnedRow> OwnedRows<T> {
    /// Over `row_count` rows of these columns.
    ///
    /// # Errors
    /// When the columns do not fit the Rust type.
    pub fn new(columns: Arc<[ColumnSpec]>, content: Bytes, row_count: usize) -> Result<Self, TypeMismatch> {
        Ok(Self {
            plan: T::plan_owned(&columns)?,
            left: rows_that_can_be(&columns, row_count),
            columns,
            content,
            position: 0,
        })
    }
}

impl<T: DeserializeOwnedRow> Iterator for OwnedRows<T> {
    type Item = Result<T, DeserializeError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let mut cells = CellReader::at(&self.content, self.position);
        let row = T::read_owned(&self.plan, &mut RowReader::new(&self.columns, &mut cells));
        self.position = cells.position();
        if row.is_err() {
            self.left = 0;
        }
        Some(row)
    }

    /// An error ends the rows early, so that only one is certain.
    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left.min(1), Some(self.left))
    }
}

impl<T: DeserializeOwnedRow> FusedIterator for OwnedRows<T> {}

impl<T: DeserializeOwnedRow> fmt::Debug for OwnedRows<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedRows")
            .field("left", &self.left)
            .finish_non_exhaustive()
    }
}
