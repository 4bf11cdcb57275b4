//! Values bound to the markers of one statement.
//!
//! Native protocol v3, v4 and v5 §4.1.4: `<n>[name_1]<value_1>...[name_n]<value_n>`, `n` a `[short]`.
//! Invariant: `bytes` holds `count` encoded values; they were written by a serializer, or walked by [`Values::decode`].

use super::not_supported;
use crate::notation::write;
use crate::{EncodeError, ProtocolError, ProtocolVersion, RawValue, Reader};

/// Encoded `[value]`s: a length of four bytes (-1 null, -2 unset) and that many bytes each, after its name when named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Values<'a> {
    /// How many values there are.
    pub count: u16,
    /// Whether a name stands before each value.
    pub names: bool,
    /// Whether one of them is unset (v4 and later).
    pub has_unset: bool,
    /// The values.
    pub bytes: &'a [u8],
}

impl<'a> Values<'a> {
    /// No values.
    pub const EMPTY: Self = Self {
        count: 0,
        names: false,
        has_unset: false,
        bytes: &[],
    };

    /// Whether there is no value.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The values in their order, with their names.
    pub fn iter(&self) -> ValuesIter<'a> {
        ValuesIter {
            left: self.count,
            names: self.names,
            reader: Reader::new(self.bytes),
        }
    }

    /// Count and values.
    pub(super) fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if self.has_unset && !version.features().unset_values {
            return Err(not_supported("an unset value", version));
        }
        write::short(out, self.count);
        out.extend_from_slice(self.bytes);
        Ok(())
    }

    pub(super) fn decode(
        reader: &mut Reader<'a>,
        names: bool,
        version: ProtocolVersion,
    ) -> Result<Self, ProtocolError> {
        let least = if names { 6 } else { 4 };
        let left = reader.read_short_count(least, "values")?;
        let start = reader.rest();
        let mut has_unset = false;
        for _ in 0..left {
            if names {
                reader.read_string("name of a value")?;
            }
            has_unset |= reader.read_value("value")? == RawValue::Unset;
        }
        if has_unset && !version.features().unset_values {
            return Err(ProtocolError::InvalidLength {
                what: "value",
                length: -2,
                limit: i32::MAX.into(),
            });
        }
        if left == 0 {
            return Ok(Self::EMPTY);
        }
        Ok(Self {
            // It was read from a [short].
            count: left as u16,
            names,
            has_unset,
            bytes: &start[..start.len() - reader.remaining()],
        })
    }
}

impl<'a> IntoIterator for Values<'a> {
    type Item = Result<(Option<&'a str>, RawValue<'a>), ProtocolError>;
    type IntoIter = ValuesIter<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

/// Walks [`Values`]. Ends after the first error.
#[derive(Clone, Debug)]
pub struct ValuesIter<'a> {
    left: u16,
    names: bool,
    reader: Reader<'a>,
}

impl<'a> Iterator for ValuesIter<'a> {
    type Item = Result<(Option<&'a str>, RawValue<'a>), ProtocolError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let mut read = || {
            let name = match self.names {
                true => Some(self.reader.read_string("name of a value")?),
                false => None,
            };
            Ok((name, self.reader.read_value("value")?))
        };
        let item = read();
        if item.is_err() {
            self.left = 0;
        }
        Some(item)
    }
}
