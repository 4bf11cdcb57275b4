//! Reading the notations of §3.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use bytes::Bytes;
use uuid::Uuid;

use crate::{ConsistencyLevel, ProtocolError};

/// A `[value]`: what is bound to a marker (§3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RawValue<'a> {
    /// The encoded value; may be empty.
    Bytes(&'a [u8]),
    /// Length -1.
    Null,
    /// Length -2: leave the column as it is (v4 and later).
    Unset,
}

/// Reads fields from the head of a body.
///
/// Each method takes the name of the field, in the specification's words, for the error. What is left when a message
/// is complete is ignored, as the specification asks of both sides. After an error the position is unspecified.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader at the head of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// How many bytes are left.
    pub fn remaining(&self) -> usize {
        self.rest.len()
    }

    /// Whether no byte is left.
    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The bytes that are left.
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The next `length` bytes.
    ///
    /// # Errors
    /// [`ProtocolError::Truncated`] when fewer are left. So do all the other methods.
    pub fn take(&mut self, length: usize, what: &'static str) -> Result<&'a [u8], ProtocolError> {
        match self.rest.split_at_checked(length) {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(taken)
            }
            None => Err(self.truncated(length, what)),
        }
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// [`ProtocolError::Truncated`].
    pub fn take_array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], ProtocolError> {
        match self.rest.split_first_chunk::<N>() {
            Some((taken, rest)) => {
                self.rest = rest;
                Ok(*taken)
            }
            None => Err(self.truncated(N, what)),
        }
    }

    /// `[byte]`.
    ///
    /// # Errors
    /// [`ProtocolError::Truncated`].
    pub fn read_byte(&mut self, what: &'static str) -> Result<u8, ProtocolError> {
        self.take_array::<1>(what).map(|[byte]| byte)
    }

    /// `[short]`: unsigned.
    ///
    /// # Errors
    /// [`ProtocolError::Truncated`].
    pub fn read_short(&mut self, what: &'static str) -> Result<u16, ProtocolError> {
        self.take_array(what).map(u16::from_be_bytes)
    }

    /// `[int]`: signed.
    ///
    /// # Errors
    /// [`ProtocolError::Truncated`].
    pub fn read_int(&mut self, what: &'static str) -> Result<i32, ProtocolError> {
        self.take_array(what).map(i32::from_be_bytes)
    }

    /// `[long]`: signed.
    ///
    /// # Errors
    /// [`ProtocolError::Truncated`].
    pub fn read_long(&mut self, what: &'static str) -> Result<i64, ProtocolError> {
        self.take_array(what).map(i64::from_be_bytes)
    }

    /// `[unsigned vint]` (v5 §3): the leading one bits of the first byte count the bytes that follow it.
    ///
    /// # Errors
    /// [`ProtocolError::Truncated`].
    pub fn read_unsigned_vint(&mut self, what: &'static str) -> Result<u64, ProtocolError> {
        let first = self.read_byte(what)?;
        let extra = first.leading_ones() as usize;
        let head = if extra >= 7 {
            0
        } else {
            u64::from(first & (0xFF >> (extra + 1)))
        };
        let tail = self.take(extra, what)?;
        Ok(tail
            .iter()
            .fold(head, |value, byte| (value << 8) | u64::from(*byte)))
    }

    /// `[vint]` (v5 §3): zig-zag in an `[unsigned vint]`.
    ///
    /// # Errors
    /// [`ProtocolError::Truncated`].
    pub fn read_vint(&mut self, what: &'static str) -> Result<i64, ProtocolError> {
        let zigzag = self.read_unsigned_vint(what)?;
        Ok((zigzag >> 1) as i64 ^ -((zigzag & 1) as i64))
    }

    /// `[string]`: `[short]` length and UTF-8.
    ///
    /// # Errors
    /// [`ProtocolError::Truncated`], [`ProtocolError::InvalidUtf8`].
    pub fn read_string(&mut self, what: &'static str) -> Result<&'a str, ProtocolError> {
        let length = self.read_short(what)?;
        let bytes = self.take(length.into(), what)?;
        std::str::from_utf8(bytes).map_err(|_| ProtocolError::InvalidUtf8 { what })
    }

    /// `[long string]`: `[int]` length and UTF-8.
    ///
    /// # Errors
    /// [`ProtocolError::Truncated`], [`ProtocolError::InvalidLength`], [`ProtocolError::InvalidUtf8`].
    pub fn read_long_string(&mut self, what: &'static str) -> Result<&'a str, ProtocolError> {
        let length = self.read_int(what)?;
        let length = usize::try_from(length).map_err(|_| invalid_length(what, length))?;
        let bytes = self.take(length, what)?;
        std::str::from_utf8(bytes).map_err(|_| ProtocolError::InvalidUtf8 { what })
    }

    /// `[bytes]`: `[int]` length and bytes; any negative length is null (`None`).
    ///
    /// # Errors
    /// [`ProtocolError::Truncated`].
    pub fn read_bytes(&mut self, what: &'static str) -> Result<Option<&'a [u8]>, ProtocolError> {
        match usize::try_from(self.read_int(what)?) {
            Ok(length) => self.take(length, what).map(Some),
            Err(_) => Ok(None),
        }
    }

    /// `[short bytes]`: `[short]` length and bytes.
    ///
    /// # Errors
    /// [`ProtocolError::Truncated`].
    pub fn read_short_bytes(&mut self, what: &'static str) -> Result<&'a [u8], ProtocolError> {
        let length = self.read_short(what)?;
        self.take(length.into(), what)
    }

    /// `[value]`: as `[bytes]`, with -1 for null and -2 for unset.
    ///
    /// # Errors
    /// [`ProtocolError::Truncated`]; [`ProtocolError::InvalidLength`] below -2.
    pub fn read_value(&mut self, what: &'static str) -> Result<RawValue<'a>, ProtocolError> {
        match self.read_int(what)? {
            -1 => Ok(RawValue::Null),
            -2 => Ok(RawValue::Unset),
            length => {
                let length = usize::try_from(length).map_err(|_| invalid_length(what, length))?;
                self.take(length, what).map(RawValue::Bytes)
            }
        }
    }

    /// `[uuid]`.
    ///
    /// # Errors
    /// [`ProtocolError::Truncated`].
    pub fn read_uuid(&mut self, what: &'static str) -> Result<Uuid, ProtocolError> {
        self.take_array(what).map(Uuid::from_bytes)
    }

    /// `[inetaddr]`: `[byte]` length (4 or 16) and the address.
    ///
    /// # Errors
    /// [`ProtocolError::Truncated`], [`ProtocolError::InvalidLength`].
    pub fn read_inetaddr(&mut self, what: &'static str) -> Result<IpAddr, ProtocolError> {
        match self.read_byte(what)? {
            4 => self
                .take_array(what)
                .map(|octets: [u8; 4]| Ipv4Addr::from(octets).into()),
            16 => self
                .take_array(what)
                .map(|octets: [u8; 16]| Ipv6Addr::from(octets).into()),
            length => Err(ProtocolError::InvalidLength {
                what,
                length: length.into(),
                limit: 16,
            }),
        }
    }

    /// `[inet]`: `[inetaddr]` and the port as `[int]`.
    ///
    /// # Errors
    /// [`ProtocolError::Truncated`], [`ProtocolError::InvalidLength`] for the address, [`ProtocolError::Malformed`] for
    /// the port.
    pub fn read_inet(&mut self, what: &'static str) -> Result<SocketAddr, ProtocolError> {
        let address = self.read_inetaddr(what)?;
        let port = u16::try_from(self.read_int(what)?)
            .map_err(|_| ProtocolError::Malformed("port is outside 0..=65535"))?;
        Ok(SocketAddr::new(address, port))
    }

    /// `[consistency]`.
    ///
    /// # Errors
    /// [`ProtocolError::Truncated`], [`ProtocolError::UnknownConsistency`].
    pub fn read_consistency(&mut self, what: &'static str) -> Result<ConsistencyLevel, ProtocolError> {
        ConsistencyLevel::from_code(self.read_short(what)?)
    }

    /// A `[short]` count of elements that take at least `least` bytes each.
    ///
    /// # Errors
    /// [`ProtocolError::Truncated`] when so many elements cannot be there.
    pub fn read_short_count(&mut self, least: usize, what: &'static str) -> Result<usize, ProtocolError> {
        let count = usize::from(self.read_short(what)?);
        self.check_count(count, least, what)?;
        Ok(count)
    }

    /// An `[int]` count of elements that take at least `least` bytes each. With `least` 0 only the sign is checked:
    /// allocate nothing by such a count.
    ///
    /// # Errors
    /// [`ProtocolError::Truncated`] when so many elements cannot be there; [`ProtocolError::InvalidLength`] below 0.
    pub fn read_int_count(&mut self, least: usize, what: &'static str) -> Result<usize, ProtocolError> {
        let count = self.read_int(what)?;
        let count = usize::try_from(count).map_err(|_| invalid_length(what, count))?;
        self.check_count(count, least, what)?;
        Ok(count)
    }

    /// `[string list]`.
    ///
    /// # Errors
    /// [`ProtocolError::Truncated`], [`ProtocolError::InvalidUtf8`].
    pub fn read_string_list(&mut self, what: &'static str) -> Result<Vec<String>, ProtocolError> {
        let count = self.read_short_count(2, what)?;
        let mut list = Vec::with_capacity(count);
        for _ in 0..count {
            list.push(self.read_string(what)?.to_owned());
        }
        Ok(list)
    }

    /// `[string map]`, in the order of the bytes; a key may come twice.
    ///
    /// # Errors
    /// [`ProtocolError::Truncated`], [`ProtocolError::InvalidUtf8`].
    pub fn read_string_map(&mut self, what: &'static str) -> Result<Vec<(String, String)>, ProtocolError> {
        let count = self.read_short_count(4, what)?;
        let mut map = Vec::with_capacity(count);
        for _ in 0..count {
            let key = self.read_string(what)?.to_owned();
            map.push((key, self.read_string(what)?.to_owned()));
        }
        Ok(map)
    }

    /// `[string multimap]`; of a key that comes twice, the last counts.
    ///
    /// # Errors
    /// [`ProtocolError::Truncated`], [`ProtocolError::InvalidUtf8`].
    pub fn read_string_multimap(
        &mut self,
        what: &'static str,
    ) -> Result<BTreeMap<String, Vec<String>>, ProtocolError> {
        let count = self.read_short_count(4, what)?;
        let mut map = BTreeMap::new();
        for _ in 0..count {
            let key = self.read_string(what)?.to_owned();
            map.insert(key, self.read_string_list(what)?);
        }
        Ok(map)
    }

    /// `[bytes map]`; of a key that comes twice, the last counts.
    ///
    /// # Errors
    /// [`ProtocolError::Truncated`], [`ProtocolError::InvalidUtf8`].
    pub fn read_bytes_map(
        &mut self,
        what: &'static str,
    ) -> Result<HashMap<String, Option<Bytes>>, ProtocolError> {
        let count = self.read_short_count(6, what)?;
        let mut map = HashMap::with_capacity(count);
        for _ in 0..count {
            let key = self.read_string(what)?.to_owned();
            map.insert(key, self.read_bytes(what)?.map(Bytes::copy_from_slice));
        }
        Ok(map)
    }

    fn check_count(&self, count: usize, least: usize, what: &'static str) -> Result<(), ProtocolError> {
        match count.checked_mul(least) {
            Some(needed) if needed <= self.rest.len() => Ok(()),
            needed => Err(self.truncated(needed.unwrap_or(usize::MAX), what)),
        }
    }

    #[cold]
    fn truncated(&self, needed: usize, what: &'static str) -> ProtocolError {
        ProtocolError::Truncated {
            what,
            needed,
            available: self.rest.len(),
        }
    }
}

#[cold]
fn invalid_length(what: &'static str, length: i32) -> ProtocolError {
    ProtocolError::InvalidLength {
        what,
        length: length.into(),
        limit: i32::MAX.into(),
    }
}
