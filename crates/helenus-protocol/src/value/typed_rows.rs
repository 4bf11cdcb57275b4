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

#[cfg(test)]
mod tests {
    use std::hint::black_box;

    use super::*;
    use crate::{CqlRow, NativeType, SerializedRow};

    /// So many rows of an int, a text and a blob.
    fn page(rows: usize) -> (Arc<[ColumnSpec]>, Bytes) {
        let types = [NativeType::Int, NativeType::Text, NativeType::Blob];
        let columns: Arc<[ColumnSpec]> = types
            .map(|ty| ColumnSpec::new("ks", "t", ty.to_string(), ty))
            .into();
        let row = (7, "text", vec![1_u8; 50]);
        let row = SerializedRow::from_row(&columns, &row).unwrap();
        (columns, row.values().bytes.repeat(rows).into())
    }

    #[test]
    fn rows_that_keep_their_page_are_those_that_borrow_from_it() {
        let (columns, content) = page(3);
        let borrowed: Vec<_> = TypedRows::<(i32, &str, &[u8])>::new(&columns, &content, 3)
            .unwrap()
            .map(Result::unwrap)
            .map(|(key, text, blob)| (key, text.to_owned(), blob.to_vec()))
            .collect();
        let owned = OwnedRows::<(i32, String, Vec<u8>)>::new(columns.clone(), content.clone(), 3).unwrap();
        assert_eq!(owned.size_hint(), (1, Some(3)));
        assert_eq!(owned.map(Result::unwrap).collect::<Vec<_>>(), borrowed);
        let dynamic = OwnedRows::<CqlRow>::new(columns, content, 3).unwrap();
        assert_eq!(dynamic.map(Result::unwrap).count(), 3);
    }

    #[test]
    fn rows_that_keep_their_page_end_with_the_first_error() {
        let (columns, content) = page(2);
        let cut = content.slice(..content.len() - 1);
        let mut rows = OwnedRows::<(i32, String, Vec<u8>)>::new(columns.clone(), cut, 9).unwrap();
        assert!(rows.next().unwrap().is_ok());
        assert_eq!(rows.next().unwrap().unwrap_err().column().unwrap().index, 2);
        assert!(rows.next().is_none());
        assert!(OwnedRows::<(i32,)>::new(columns, content, 2).is_err());
    }

    #[test]
    fn reading_a_page_needs_the_memory_of_one_row_whatever_the_number_of_rows() {
        for rows in [1, 100, 100_000] {
            let (columns, content) = page(rows);
            let counted = allocation_counter::measure(|| {
                let read = OwnedRows::<(i32, String, Vec<u8>)>::new(columns, content, rows).unwrap();
                for row in read {
                    black_box(row.unwrap());
                }
            });
            assert_eq!(counted.count_total, 2 * rows as u64);
            assert_eq!(counted.bytes_max, 4 + 50);
        }
    }
}
