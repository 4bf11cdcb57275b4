//! One row of a result, read as a Rust value in one pass over its bytes.
//!
//! Layout: native protocol v3, v4, v5 §4.2.5.2, `<rows_content>`: `[bytes]` for each column of each row. Nothing is allocated
//! for a row but what its values own.

use bytes::Bytes;

use super::error::{DeserializeError, DeserializeErrorKind, TypeMismatch};
use super::reader::ValueBytes;
use super::traits::DeserializeValue;
use crate::{ColumnSpec, CqlType};

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

/// A row that owns all its values, so that it can be kept longer than its page. Implemented for every type that can be read
/// from pages of any lifetime.
pub trait DeserializeOwnedRow: for<'f> DeserializeRow<'f> + PlannedBy<Self::OwnedPlan> {
    /// [`DeserializeRow::Plan`], which is the same for all lifetimes.
    type OwnedPlan: Send + Sync;
}

impl<T> DeserializeOwnedRow for T
where
    T: for<'f> DeserializeRow<'f> + PlannedBy<<T as DeserializeRow<'static>>::Plan>,
    <T as DeserializeRow<'static>>::Plan: Send + Sync,
{
    type OwnedPlan = <T as DeserializeRow<'static>>::Plan;
}

/// A row that is read by the plan `P` from pages of any lifetime: so that a plan can be kept beside its page.
#[doc(hidden)]
pub trait PlannedBy<P>: Sized {
    /// [`DeserializeRow::plan`].
    fn plan_owned(columns: &[ColumnSpec]) -> Result<P, TypeMismatch>;

    /// [`DeserializeRow::deserialize_row`].
    fn read_owned(plan: &P, row: &mut RowReader<'_, '_>) -> Result<Self, DeserializeError>;
}

impl<P, T: for<'f> DeserializeRow<'f, Plan = P>> PlannedBy<P> for T {
    fn plan_owned(columns: &[ColumnSpec]) -> Result<P, TypeMismatch> {
        T::plan(columns)
    }

    #[inline(always)]
    fn read_owned(plan: &P, row: &mut RowReader<'_, '_>) -> Result<Self, DeserializeError> {
        T::deserialize_row(plan, row)
    }
}

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

    /// Behind the first `position` bytes of `content`; at its end when there are not so many.
    #[inline]
    pub(super) fn at(content: &'f Bytes, position: usize) -> Self {
        Self {
            rest: content.get(position..).unwrap_or_default(),
            page: content,
        }
    }

    /// How many bytes of the page are behind it.
    #[inline]
    pub(super) fn position(&self) -> usize {
        self.page.len() - self.rest.len()
    }

    /// The next value; `None` when it is null.
    ///
    /// # Errors
    /// When the bytes end before it does.
    #[inline(always)]
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
    #[inline(always)]
    pub fn read<T: DeserializeValue<'f>>(&mut self) -> Result<T, DeserializeError> {
        self.read_with(T::deserialize)
    }

    /// What `read` makes of type and bytes of the next column.
    #[inline(always)]
    pub(super) fn read_with<T>(
        &mut self,
        read: impl FnOnce(&'f CqlType, Option<ValueBytes<'f>>) -> Result<T, DeserializeError>,
    ) -> Result<T, DeserializeError> {
        let index = self.index;
        let Some(column) = self.columns.get(index) else {
            return Err(no_more_columns());
        };
        self.index += 1;
        let value = match self.cells.next_cell() {
            Ok(cell) => read(&column.ty, cell),
            Err(error) => Err(error),
        };
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

#[cfg(test)]
mod tests;
