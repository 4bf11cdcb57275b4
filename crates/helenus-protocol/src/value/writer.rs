//! Writing values: length and bytes, straight into one buffer.
//!
//! A value is framed by where it stands: a bind marker and an element of a collection, tuple or user-defined type have an
//! `[int]` length (native protocol v3, v4, v5 §3, §6); an element of a vector has none when its type is of fixed length, and an
//! `[unsigned vint]` length otherwise (Cassandra 5's `VectorType`). [`ValueWriter`] knows where it stands, so that code which
//! writes a value need not.

use super::error::{SerializeError, SerializeErrorKind};
use super::traits::SerializeValue;
use crate::{CqlType, write};

/// The length of a value is an `[int]`.
const MAX_LENGTH: usize = i32::MAX as usize;
const NULL: i32 = -1;
const UNSET: i32 = -2;

/// How a value is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    /// `[value]` of a bind marker: `[int]` length, null, unset.
    Marker,
    /// `[bytes]`, inside a collection, tuple or user-defined type: `[int]` length, null.
    Element,
    /// Inside a vector of elements of this length: no length.
    Fixed(usize),
    /// Inside a vector of other elements: `[unsigned vint]` length.
    Vint,
    /// The bytes alone, as in a routing key.
    Bare,
}

/// Takes exactly one value and writes it with its length.
///
/// Each of its methods writes the whole value; call one of them, once. After an error the buffer has part of a value.
#[derive(Debug)]
pub struct ValueWriter<'a> {
    out: &'a mut Vec<u8>,
    framing: Framing,
}

impl<'a> ValueWriter<'a> {
    /// For a bind marker: appends a `[value]`, which may be null or unset.
    pub fn new(out: &'a mut Vec<u8>) -> Self {
        Self {
            out,
            framing: Framing::Marker,
        }
    }

    /// Appends the bytes of the value alone, without a length. It cannot be null or unset.
    pub fn bare(out: &'a mut Vec<u8>) -> Self {
        Self {
            out,
            framing: Framing::Bare,
        }
    }

    /// A value of a length known at compile time.
    ///
    /// # Errors
    /// Only inside a vector whose elements have another length.
    #[inline]
    pub fn fixed<const N: usize>(&mut self, bytes: [u8; N]) -> Result<(), SerializeError> {
        match self.framing {
            Framing::Marker | Framing::Element => write::int(self.out, N as i32),
            _ => return self.bytes(&bytes),
        }
        self.out.extend_from_slice(&bytes);
        Ok(())
    }

    /// A value of these bytes; they may be none.
    ///
    /// # Errors
    /// When they are more than an `[int]` can say, or not the fixed length of a vector's elements.
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), SerializeError> {
        match self.framing {
            Framing::Marker | Framing::Element => {
                check_length(bytes.len())?;
                self.out.reserve(4 + bytes.len());
                write::int(self.out, bytes.len() as i32);
            }
            Framing::Fixed(expected) => check_fixed(expected, bytes.len())?,
            Framing::Vint => write::unsigned_vint(self.out, bytes.len() as u64),
            Framing::Bare => {}
        }
        self.out.extend_from_slice(bytes);
        Ok(())
    }

    /// Null.
    ///
    /// # Errors
    /// Inside a vector, and where only the bytes are written: no null is possible there.
    pub fn null(&mut self) -> Result<(), SerializeError> {
        match self.framing {
            Framing::Marker | Framing::Element => {
                write::int(self.out, NULL);
                Ok(())
            }
            _ => Err(SerializeError::of_row(SerializeErrorKind::Null)),
        }
    }

    /// Unset: the server leaves the column as it is (protocol v4 and later).
    ///
    /// # Errors
    /// Inside another value: only a whole bind marker can be unset.
    pub fn unset(&mut self) -> Result<(), SerializeError> {
        match self.framing {
            Framing::Marker => {
                write::int(self.out, UNSET);
                Ok(())
            }
            _ => Err(SerializeError::of_row(SerializeErrorKind::Unset)),
        }
    }

    /// A value that is made of parts or whose length is not known beforehand: the length is filled in afterwards.
    ///
    /// # Errors
    /// Those of `write`, and those of [`ValueWriter::bytes`].
    pub fn composite(
        &mut self,
        write: impl FnOnce(&mut CompositeWriter<'_>) -> Result<(), SerializeError>,
    ) -> Result<(), SerializeError> {
        if matches!(self.framing, Framing::Marker | Framing::Element) {
            write::int(self.out, 0);
        }
        let start = self.out.len();
        write(&mut CompositeWriter { out: self.out })?;
        let length = self.out.len() - start;
        match self.framing {
            Framing::Marker | Framing::Element => {
                check_length(length)?;
                self.out[start - 4..start].copy_from_slice(&(length as i32).to_be_bytes());
            }
            Framing::Fixed(expected) => check_fixed(expected, length)?,
            Framing::Vint => {
                // The prefix has one byte to nine: known only now, so it is written behind and turned to the front.
                write::unsigned_vint(self.out, length as u64);
                let prefix = self.out.len() - start - length;
                self.out[start..].rotate_right(prefix);
            }
            Framing::Bare => {}
        }
        Ok(())
    }
}

fn check_length(length: usize) -> Result<(), SerializeError> {
    if length > MAX_LENGTH {
        let limit = MAX_LENGTH;
        return Err(SerializeError::of_row(SerializeErrorKind::TooLong {
            length,
            limit,
        }));
    }
    Ok(())
}

fn check_fixed(expected: usize, found: usize) -> Result<(), SerializeError> {
    if expected != found {
        let reason = "a vector's element has the wrong length";
        return Err(SerializeError::of_row(SerializeErrorKind::Invalid { reason }));
    }
    Ok(())
}

/// Writes the parts of one value.
#[derive(Debug)]
pub struct CompositeWriter<'a> {
    out: &'a mut Vec<u8>,
}

impl CompositeWriter<'_> {
    /// The `[int]` count at the head of a list, set or map.
    ///
    /// # Errors
    /// When the count is more than an `[int]` can say.
    pub fn count(&mut self, count: usize) -> Result<(), SerializeError> {
        check_length(count)?;
        write::int(self.out, count as i32);
        Ok(())
    }

    /// A writer for the next element of a list or set, key or value of a map, element of a tuple or field of a
    /// user-defined type.
    #[inline]
    pub fn element(&mut self) -> ValueWriter<'_> {
        ValueWriter {
            out: self.out,
            framing: Framing::Element,
        }
    }

    /// A writer for the next element of a vector. `fixed_length` is that of the type ([`CqlType::fixed_length`]).
    #[inline]
    pub fn vector_element(&mut self, fixed_length: Option<usize>) -> ValueWriter<'_> {
        let framing = fixed_length.map_or(Framing::Vint, Framing::Fixed);
        ValueWriter {
            out: self.out,
            framing,
        }
    }

    /// Bytes without a length.
    #[inline]
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
    }

    /// The buffer itself, to append bytes without a length. What is there must stay.
    pub fn buffer(&mut self) -> &mut Vec<u8> {
        self.out
    }

    /// Makes room for so many more bytes.
    pub fn reserve(&mut self, additional: usize) {
        self.out.reserve(additional);
    }

    /// The elements of a list or set, with their count.
    pub(super) fn elements<'v, T: SerializeValue + ?Sized + 'v>(
        &mut self,
        element: &CqlType,
        values: impl ExactSizeIterator<Item = &'v T>,
    ) -> Result<(), SerializeError> {
        self.count(values.len())?;
        for (index, value) in values.enumerate() {
            let written = value.serialize(element, &mut self.element());
            written.map_err(|error| error.or_type(element).in_element(index))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut ValueWriter<'_>) -> Result<(), SerializeError>) -> Vec<u8> {
        let mut out = Vec::new();
        write(&mut ValueWriter::new(&mut out)).unwrap();
        out
    }

    #[test]
    fn a_value_has_an_int_length_or_is_null_or_unset() {
        assert_eq!(written(|out| out.fixed([1, 2])), [0, 0, 0, 2, 1, 2]);
        assert_eq!(written(|out| out.bytes(&[])), [0, 0, 0, 0]);
        assert_eq!(written(|out| out.null()), [0xFF; 4]);
        assert_eq!(written(|out| out.unset()), [0xFF, 0xFF, 0xFF, 0xFE]);
    }

    #[test]
    fn nothing_inside_a_value_can_be_unset() {
        let mut out = Vec::new();
        let unset = ValueWriter::new(&mut out).composite(|parts| parts.element().unset());
        assert_eq!(*unset.unwrap_err().kind(), SerializeErrorKind::Unset);
        let null = ValueWriter::new(&mut out).composite(|parts| parts.vector_element(None).null());
        assert_eq!(*null.unwrap_err().kind(), SerializeErrorKind::Null);
    }

    #[test]
    fn elements_of_a_vector_have_no_length_or_a_vint_length() {
        let fixed = written(|out| {
            out.composite(|parts| {
                parts.vector_element(Some(2)).fixed([1, 2])?;
                parts.vector_element(Some(2)).bytes(&[3, 4])
            })
        });
        assert_eq!(fixed, [0, 0, 0, 4, 1, 2, 3, 4]);
        let variable = written(|out| {
            out.composite(|parts| {
                parts.vector_element(None).fixed([1, 2])?;
                parts.vector_element(None).composite(|inner| {
                    inner.raw(&[7; 200]);
                    Ok(())
                })
            })
        });
        let mut expected = vec![0, 0, 0, 205, 2, 1, 2, 0x80, 200];
        expected.extend([7; 200]);
        assert_eq!(variable, expected);
        let wrong = written_error(|out| out.composite(|parts| parts.vector_element(Some(4)).fixed([1])));
        assert!(matches!(wrong.kind(), SerializeErrorKind::Invalid { .. }));
    }

    fn written_error(
        write: impl FnOnce(&mut ValueWriter<'_>) -> Result<(), SerializeError>,
    ) -> SerializeError {
        write(&mut ValueWriter::new(&mut Vec::new())).unwrap_err()
    }
}
