//! The values of one statement: what can be bound, and the bytes that are sent.
//!
//! With a prepared statement the bind markers say the types ([`SerializedRow::from_row`]); without one the values are written
//! as the types they stand for by themselves ([`SerializedRow::untyped`]).

mod spare;

use std::collections::{BTreeMap, HashMap};

use super::error::{SerializeError, SerializeErrorKind};
use super::traits::SerializeValue;
use super::writer::ValueWriter;
use crate::{ColumnSpec, RawValue, Reader, Values, write};

/// Values for all the bind markers of a statement.
///
/// Implemented for tuples up to 16, arrays, slices and `Vec` (by position), maps with text keys and [`NamedValues`] (by name),
/// `()` (no values), and by `#[derive(SerializeRow)]` for structs (by name).
pub trait SerializeRow {
    /// Writes a value for each bind marker, in order.
    ///
    /// # Errors
    /// When there is no value for a bind marker, no bind marker for a value, or a value does not fit.
    fn serialize_row(&self, columns: &[ColumnSpec], out: &mut RowWriter<'_>) -> Result<(), SerializeError>;

    /// Writes the values as the types they stand for by themselves, with their names if they have any.
    ///
    /// # Errors
    /// When a value stands for no type.
    fn serialize_untyped(&self, out: &mut RowWriter<'_>) -> Result<(), SerializeError>;

    /// Whether there are no values at all.
    fn is_empty(&self) -> bool;
}

/// Takes the values of one row, one after the other.
#[derive(Debug)]
pub struct RowWriter<'a> {
    out: &'a mut Vec<u8>,
    count: usize,
    named: bool,
    has_unset: bool,
}

const UNSET: [u8; 4] = (-2_i32).to_be_bytes();

impl RowWriter<'_> {
    /// The value for the bind marker `column`.
    ///
    /// # Errors
    /// When the value does not fit; the error names the bind marker.
    #[inline]
    pub fn value<T: SerializeValue + ?Sized>(
        &mut self,
        column: &ColumnSpec,
        value: &T,
    ) -> Result<(), SerializeError> {
        let start = self.out.len();
        if let Err(error) = value.serialize(&column.ty, &mut ValueWriter::new(self.out)) {
            return Err(error.or_type(&column.ty).in_column(self.count, &column.name));
        }
        self.finish_value(start);
        Ok(())
    }

    /// The next value, as the type it stands for by itself.
    ///
    /// # Errors
    /// When it stands for none.
    pub fn natural_value<T: SerializeValue + ?Sized>(&mut self, value: &T) -> Result<(), SerializeError> {
        self.write_natural("", value)
    }

    /// A value for the bind marker of this name, as the type it stands for by itself. Either all values of a row have
    /// names or none has.
    ///
    /// # Errors
    /// When it stands for no type, or the name is longer than a `[string]` can be.
    pub fn named_natural_value<T: SerializeValue + ?Sized>(
        &mut self,
        name: &str,
        value: &T,
    ) -> Result<(), SerializeError> {
        self.named = true;
        if write::string(self.out, name, "name of a value").is_err() {
            let kind = SerializeErrorKind::TooLong {
                length: name.len(),
                limit: u16::MAX.into(),
            };
            return Err(SerializeError::of_row(kind));
        }
        self.write_natural(name, value)
    }

    fn write_natural<T: SerializeValue + ?Sized>(
        &mut self,
        name: &str,
        value: &T,
    ) -> Result<(), SerializeError> {
        let start = self.out.len();
        let written = match value.natural_type() {
            Some(ty) => {
                let written = value.serialize(&ty, &mut ValueWriter::new(self.out));
                written.map_err(|error| error.or_type(&ty))
            }
            None => {
                let rust = std::any::type_name::<T>();
                Err(SerializeError::of_row(SerializeErrorKind::NoNaturalType { rust }))
            }
        };
        written.map_err(|error| error.in_column(self.count, name))?;
        self.finish_value(start);
        Ok(())
    }

    #[inline]
    fn finish_value(&mut self, start: usize) {
        self.has_unset |= self.out[start..] == UNSET;
        self.count += 1;
    }
}

/// The values of one row as they are sent.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SerializedRow {
    bytes: Vec<u8>,
    count: u16,
    has_unset: bool,
    named: bool,
}

impl SerializedRow {
    /// No values.
    pub const EMPTY: Self = Self {
        bytes: Vec::new(),
        count: 0,
        has_unset: false,
        named: false,
    };

    /// Values that are encoded already: `count` `[value]`s, positional, one after the other in `bytes`. For bindings of other
    /// languages, which encode from objects of their own; a server refuses a request whose values are not what is said.
    pub fn from_encoded(bytes: Vec<u8>, count: u16, has_unset: bool) -> Self {
        Self {
            bytes,
            count,
            has_unset,
            named: false,
        }
    }

    /// Values for the bind markers of a prepared statement.
    ///
    /// # Errors
    /// When there is not exactly one value for each bind marker, or one does not fit.
    pub fn from_row(
        columns: &[ColumnSpec],
        row: &(impl SerializeRow + ?Sized),
    ) -> Result<Self, SerializeError> {
        // Room for what most rows have, so that the buffer need not grow step by step.
        let room = if columns.is_empty() {
            0
        } else {
            (columns.len() * 16).max(128)
        };
        let mut serialized = Self {
            bytes: spare::take(room),
            ..Self::EMPTY
        };
        serialized.refill(columns, row)?;
        Ok(serialized)
    }

    /// Leaves the buffer to a row to come of this thread, if it is small. The driver does so when a request has succeeded.
    pub fn recycle(self) {
        spare::give(self.bytes);
    }

    /// As [`SerializedRow::from_row`], into the buffer that is already there. After an error there are no values.
    ///
    /// # Errors
    /// As [`SerializedRow::from_row`].
    pub fn refill(
        &mut self,
        columns: &[ColumnSpec],
        row: &(impl SerializeRow + ?Sized),
    ) -> Result<(), SerializeError> {
        self.fill(|out| {
            row.serialize_row(columns, out)?;
            expect_values(columns, out.count)
        })
    }

    /// Values for a statement that is not prepared: each is written as the type it stands for by itself (`i32` as int, `i64`
    /// as bigint, `&str` as text, `Vec<T>` as list, ...), and the server takes it for the type of its bind marker. Where the
    /// two differ the server refuses the statement or takes the bytes for another value; preparing avoids that.
    ///
    /// # Errors
    /// When a value stands for no type.
    pub fn untyped(row: &(impl SerializeRow + ?Sized)) -> Result<Self, SerializeError> {
        let mut serialized = Self::EMPTY;
        serialized.fill(|out| row.serialize_untyped(out))?;
        Ok(serialized)
    }

    fn fill(
        &mut self,
        write: impl FnOnce(&mut RowWriter<'_>) -> Result<(), SerializeError>,
    ) -> Result<(), SerializeError> {
        let mut bytes = std::mem::replace(self, Self::EMPTY).bytes;
        bytes.clear();
        let mut out = RowWriter {
            out: &mut bytes,
            count: 0,
            named: false,
            has_unset: false,
        };
        write(&mut out)?;
        let RowWriter {
            count,
            named,
            has_unset,
            ..
        } = out;
        let limit = usize::from(u16::MAX);
        let count = u16::try_from(count)
            .map_err(|_| SerializeError::of_row(SerializeErrorKind::TooLong { length: count, limit }))?;
        *self = Self {
            bytes,
            count,
            has_unset,
            named,
        };
        Ok(())
    }

    /// The values as a request takes them.
    pub fn values(&self) -> Values<'_> {
        Values {
            count: self.count,
            names: self.named,
            has_unset: self.has_unset,
            bytes: &self.bytes,
        }
    }

    /// How many values there are.
    pub fn count(&self) -> u16 {
        self.count
    }

    /// Whether one of the values is unset, which protocol v3 does not have.
    pub fn has_unset(&self) -> bool {
        self.has_unset
    }

    /// The bytes of value `index`, for a routing key; `None` when it is null or unset, or there is none.
    pub fn value(&self, index: usize) -> Option<&[u8]> {
        if index >= usize::from(self.count) {
            return None;
        }
        let mut reader = Reader::new(&self.bytes);
        for at in 0..=index {
            if self.named {
                reader.read_string("name of a value").ok()?;
            }
            let value = reader.read_value("value").ok()?;
            if at == index {
                return match value {
                    RawValue::Bytes(bytes) => Some(bytes),
                    RawValue::Null | RawValue::Unset => None,
                };
            }
        }
        None
    }
}

/// Values with their names, of different Rust types.
#[derive(Clone, Copy)]
pub struct NamedValues<'a>(pub &'a [(&'a str, &'a dyn SerializeValue)]);

impl std::fmt::Debug for NamedValues<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list()
            .entries(self.0.iter().map(|(name, _)| name))
            .finish()
    }
}

/// That there are as many values as bind markers.
#[inline]
pub(super) fn expect_values(columns: &[ColumnSpec], found: usize) -> Result<(), SerializeError> {
    if columns.len() == found {
        return Ok(());
    }
    let expected = columns.len();
    Err(SerializeError::of_row(SerializeErrorKind::ValueCount {
        expected,
        found,
    }))
}

impl SerializeRow for () {
    fn serialize_row(&self, columns: &[ColumnSpec], _: &mut RowWriter<'_>) -> Result<(), SerializeError> {
        expect_values(columns, 0)
    }

    fn serialize_untyped(&self, _: &mut RowWriter<'_>) -> Result<(), SerializeError> {
        Ok(())
    }

    fn is_empty(&self) -> bool {
        true
    }
}

impl<T: SerializeValue> SerializeRow for [T] {
    fn serialize_row(&self, columns: &[ColumnSpec], out: &mut RowWriter<'_>) -> Result<(), SerializeError> {
        expect_values(columns, self.len())?;
        columns
            .iter()
            .zip(self)
            .try_for_each(|(column, value)| out.value(column, value))
    }

    fn serialize_untyped(&self, out: &mut RowWriter<'_>) -> Result<(), SerializeError> {
        self.iter().try_for_each(|value| out.natural_value(value))
    }

    fn is_empty(&self) -> bool {
        <[T]>::is_empty(self)
    }
}

macro_rules! row_as {
    ($([$($generics:tt)*] $row:ty, |$this:ident| $inner:expr;)*) => {$(
        impl<$($generics)*> SerializeRow for $row {
            #[inline]
            fn serialize_row(&self, columns: &[ColumnSpec], out: &mut RowWriter<'_>) -> Result<(), SerializeError> {
                let $this = self;
                $inner.serialize_row(columns, out)
            }

            fn serialize_untyped(&self, out: &mut RowWriter<'_>) -> Result<(), SerializeError> {
                let $this = self;
                $inner.serialize_untyped(out)
            }

            fn is_empty(&self) -> bool {
                let $this = self;
                SerializeRow::is_empty($inner)
            }
        }
    )*};
}

row_as! {
    [T: SerializeValue] Vec<T>, |this| this.as_slice();
    [T: SerializeValue, const N: usize] [T; N], |this| this.as_slice();
    [T: SerializeRow + ?Sized] &T, |this| &**this;
    [T: SerializeRow + ?Sized] Box<T>, |this| &**this;
}

/// Writes a row by name. Each bind marker takes the value of its name (several may have the same one); each value has to have
/// a bind marker.
fn serialize_by_name<'v, V: SerializeValue + ?Sized + 'v>(
    columns: &[ColumnSpec],
    out: &mut RowWriter<'_>,
    value_of: impl Fn(&str) -> Option<&'v V>,
    mut names: impl Iterator<Item = &'v str>,
) -> Result<(), SerializeError> {
    for column in columns {
        match value_of(&column.name) {
            Some(value) => out.value(column, value)?,
            None => return Err(SerializeError::missing_name(&column.name)),
        }
    }
    match names.find(|name| columns.iter().all(|column| *column.name != **name)) {
        Some(name) => Err(SerializeError::unknown_name(name)),
        None => Ok(()),
    }
}

impl SerializeError {
    /// No value for the bind marker `name`.
    #[cold]
    pub fn missing_name(name: &str) -> Self {
        Self::of_row(SerializeErrorKind::MissingName {
            name: name.to_owned(),
        })
    }

    /// No bind marker for the value `name`.
    #[cold]
    pub fn unknown_name(name: &str) -> Self {
        Self::of_row(SerializeErrorKind::UnknownName {
            name: name.to_owned(),
        })
    }
}

impl SerializeRow for NamedValues<'_> {
    fn serialize_row(&self, columns: &[ColumnSpec], out: &mut RowWriter<'_>) -> Result<(), SerializeError> {
        let value_of = |name: &str| self.0.iter().find(|value| value.0 == name).map(|value| value.1);
        serialize_by_name(columns, out, value_of, self.0.iter().map(|value| value.0))
    }

    fn serialize_untyped(&self, out: &mut RowWriter<'_>) -> Result<(), SerializeError> {
        self.0
            .iter()
            .try_for_each(|(name, value)| out.named_natural_value(name, *value))
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

macro_rules! rows_by_name {
    ($([$($generics:tt)*] $map:ty;)*) => {$(
        impl<V: SerializeValue, $($generics)*> SerializeRow for $map {
            fn serialize_row(&self, columns: &[ColumnSpec], out: &mut RowWriter<'_>) -> Result<(), SerializeError> {
                serialize_by_name(columns, out, |name| self.get(name), self.keys().map(|name| &name[..]))
            }

            fn serialize_untyped(&self, out: &mut RowWriter<'_>) -> Result<(), SerializeError> {
                self.iter().try_for_each(|(name, value)| out.named_natural_value(name, value))
            }

            fn is_empty(&self) -> bool {
                self.is_empty()
            }
        }
    )*};
}

rows_by_name! {
    [S: std::hash::BuildHasher] HashMap<String, V, S>;
    [S: std::hash::BuildHasher] HashMap<&str, V, S>;
    [] BTreeMap<String, V>;
    [] BTreeMap<&str, V>;
}

#[cfg(test)]
mod tests;
