//! Reading values: the bytes of one value, and the parts of which a value is made.
//!
//! Framing is that of native protocol v3, v4, v5 §3 and §6, and for vectors that of Cassandra 5's `VectorType`; see `writer`.
//! Invariant: a count is compared with the bytes that are left before anything is allocated for it.

use bytes::Bytes;

use super::error::{DeserializeError, DeserializeErrorKind};
use crate::CqlType;

/// The bytes of one value, and the page they are a part of where that is known.
#[derive(Clone, Copy, Debug)]
pub struct ValueBytes<'f> {
    bytes: &'f [u8],
    page: Option<&'f Bytes>,
}

impl<'f> ValueBytes<'f> {
    /// Bytes that are part of `page`, so that [`ValueBytes::to_bytes`] can share it.
    #[inline]
    pub fn in_page(bytes: &'f [u8], page: &'f Bytes) -> Self {
        Self {
            bytes,
            page: Some(page),
        }
    }

    /// The bytes.
    #[inline]
    pub fn as_slice(self) -> &'f [u8] {
        self.bytes
    }

    /// The bytes for keeping: a share of the page if that is known (which then stays in memory as a whole), a copy if
    /// not.
    pub fn to_bytes(self) -> Bytes {
        match self.page {
            Some(page) => page.slice_ref(self.bytes),
            None => Bytes::copy_from_slice(self.bytes),
        }
    }

    /// The parts that the value is made of.
    #[inline]
    pub fn parts(self) -> PartsReader<'f> {
        PartsReader {
            rest: self.bytes,
            page: self.page,
        }
    }

    /// Exactly `N` bytes.
    #[inline]
    pub(super) fn array<T: ?Sized, const N: usize>(self, ty: &CqlType) -> Result<[u8; N], DeserializeError> {
        match self.bytes.try_into() {
            Ok(array) => Ok(array),
            Err(_) => Err(DeserializeError::length::<T>(ty, N, self.bytes.len())),
        }
    }
}

impl<'f> From<&'f [u8]> for ValueBytes<'f> {
    #[inline]
    fn from(bytes: &'f [u8]) -> Self {
        Self { bytes, page: None }
    }
}

/// Reads the parts of one value in their order: elements, keys and values, fields.
#[derive(Clone, Debug)]
pub struct PartsReader<'f> {
    rest: &'f [u8],
    page: Option<&'f Bytes>,
}

impl<'f> PartsReader<'f> {
    /// Whether no bytes are left.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// How many bytes are left.
    #[inline]
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// All bytes that are left.
    #[inline]
    pub(super) fn rest(&self) -> &'f [u8] {
        self.rest
    }

    /// The next `length` bytes. `ty` is the type of the whole value, for the error.
    ///
    /// # Errors
    /// When fewer are left.
    #[inline]
    pub fn take(&mut self, length: usize, ty: &CqlType) -> Result<ValueBytes<'f>, DeserializeError> {
        match self.rest.split_at_checked(length) {
            Some((bytes, rest)) => {
                self.rest = rest;
                Ok(ValueBytes {
                    bytes,
                    page: self.page,
                })
            }
            None => Err(DeserializeError::truncated(ty, length, self.rest.len())),
        }
    }

    #[inline]
    pub(super) fn take_array<const N: usize>(&mut self, ty: &CqlType) -> Result<[u8; N], DeserializeError> {
        match self.rest.split_first_chunk::<N>() {
            Some((array, rest)) => {
                self.rest = rest;
                Ok(*array)
            }
            None => Err(DeserializeError::truncated(ty, N, self.rest.len())),
        }
    }

    /// The `[int]` count at the head of a list, set or map. Each of its elements takes at least `lengths` × 4 bytes: 1 for
    /// lists and sets, 2 for maps.
    ///
    /// # Errors
    /// When the count is negative or the bytes cannot hold that many.
    #[inline]
    pub fn count(&mut self, lengths: usize, ty: &CqlType) -> Result<usize, DeserializeError> {
        let count = i32::from_be_bytes(self.take_array(ty)?);
        match usize::try_from(count) {
            Ok(count) if count <= self.rest.len() / (4 * lengths) => Ok(count),
            _ => {
                let available = self.rest.len();
                let count = count.into();
                Err(DeserializeError::new(
                    ty,
                    DeserializeErrorKind::Count { count, available },
                ))
            }
        }
    }

    /// The next element, key, value or field: `[bytes]`, `None` when null (any negative length).
    ///
    /// # Errors
    /// When the bytes end before it does.
    #[inline]
    pub fn element(&mut self, ty: &CqlType) -> Result<Option<ValueBytes<'f>>, DeserializeError> {
        let length = i32::from_be_bytes(self.take_array(ty)?);
        match usize::try_from(length) {
            Ok(length) => self.take(length, ty).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// The next field of a user-defined type or element of a tuple: as [`PartsReader::element`], but null when no bytes are
    /// left. Values written before a field was added end early.
    ///
    /// # Errors
    /// When the bytes end within it.
    #[inline]
    pub fn field(&mut self, ty: &CqlType) -> Result<Option<ValueBytes<'f>>, DeserializeError> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        self.element(ty)
    }

    /// The next element of a vector. `fixed_length` is that of the element's type ([`CqlType::fixed_length`]).
    ///
    /// # Errors
    /// When the bytes end before it does.
    #[inline]
    pub fn vector_element(
        &mut self,
        fixed_length: Option<usize>,
        ty: &CqlType,
    ) -> Result<ValueBytes<'f>, DeserializeError> {
        let length = match fixed_length {
            Some(length) => length,
            None => usize::try_from(self.unsigned_vint(ty)?).unwrap_or(usize::MAX),
        };
        self.take(length, ty)
    }

    /// `[unsigned vint]`, v5 §3.
    pub(super) fn unsigned_vint(&mut self, ty: &CqlType) -> Result<u64, DeserializeError> {
        let mut reader = crate::Reader::new(self.rest);
        let value = reader.read_unsigned_vint("vint");
        let value = value.map_err(|_| DeserializeError::truncated(ty, 1, self.rest.len()))?;
        self.rest = reader.rest();
        Ok(value)
    }

    /// `[vint]`, v5 §3.
    pub(super) fn vint(&mut self, ty: &CqlType) -> Result<i64, DeserializeError> {
        let zigzag = self.unsigned_vint(ty)?;
        Ok((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
    }

    /// That nothing is left.
    pub(super) fn end(&self, ty: &CqlType) -> Result<(), DeserializeError> {
        match self.rest.is_empty() {
            true => Ok(()),
            false => Err(DeserializeError::invalid(ty, "has bytes after its end")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NativeType;

    #[test]
    fn bytes_of_a_known_page_are_shared_and_others_copied() {
        let page = Bytes::from_static(b"abcdef");
        let shared = ValueBytes::in_page(&page[2..4], &page).to_bytes();
        assert_eq!(shared.as_ptr(), page[2..].as_ptr());
        assert_eq!(ValueBytes::from(&page[2..4]).to_bytes(), shared);
    }

    #[test]
    fn counts_that_the_bytes_cannot_hold_are_refused() {
        let ty = CqlType::list(NativeType::Int);
        for (bytes, lengths) in [
            (&[0x7F, 0xFF, 0xFF, 0xFF][..], 1),
            (&[0xFF; 4], 1),
            (&[0, 0, 0, 1, 0, 0, 0], 1),
            (&[0, 0, 0, 1, 0, 0, 0, 0], 2),
            (&[0, 0], 1),
        ] {
            assert!(
                ValueBytes::from(bytes).parts().count(lengths, &ty).is_err(),
                "{bytes:?}"
            );
        }
        let bytes = [0, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF];
        let mut parts = ValueBytes::from(&bytes[..]).parts();
        assert_eq!(parts.count(1, &ty).unwrap(), 1);
        assert!(parts.element(&ty).unwrap().is_none());
        assert!(parts.element(&ty).is_err());
        assert!(parts.field(&ty).unwrap().is_none());
    }

    #[test]
    fn a_vint_length_beyond_the_bytes_is_refused() {
        let ty = CqlType::vector(NativeType::Text, 1);
        for bytes in [&[5, 1][..], &[0xFF; 9], &[0x80], &[]] {
            assert!(ValueBytes::from(bytes).parts().vector_element(None, &ty).is_err());
        }
    }
}
