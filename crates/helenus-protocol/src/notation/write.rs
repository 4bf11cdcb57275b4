//! Writing the notations of §3 at the end of a buffer.
//!
//! What cannot be said in its notation (a name of 70,000 bytes in a `[string]`) is an [`EncodeError`]; the buffer then
//! holds a part of the field, and the caller cuts it back.

use std::net::{IpAddr, SocketAddr};

use bytes::Bytes;
use uuid::Uuid;

use super::RawValue;
use crate::{ConsistencyLevel, EncodeError};

/// `[byte]`.
pub fn byte(out: &mut Vec<u8>, value: u8) {
    out.push(value);
}

/// `[short]`.
pub fn short(out: &mut Vec<u8>, value: u16) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// `[int]`.
pub fn int(out: &mut Vec<u8>, value: i32) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// `[long]`.
pub fn long(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(&value.to_be_bytes());
}

/// `[unsigned vint]`.
pub fn unsigned_vint(out: &mut Vec<u8>, value: u64) {
    // Nine bytes carry 64 bits, n < 9 bytes carry 7n.
    let bits = (64 - value.leading_zeros() as usize).max(1);
    let length = if bits > 56 { 9 } else { bits.div_ceil(7) };
    let mut bytes = [0; 9];
    bytes[1..].copy_from_slice(&value.to_be_bytes());
    let tail = &mut bytes[9 - length..];
    // length - 1 leading ones, then a zero where there is room for it.
    tail[0] |= !(0xFF_u8.checked_shr(length as u32 - 1).unwrap_or(0));
    out.extend_from_slice(tail);
}

/// `[vint]`.
pub fn vint(out: &mut Vec<u8>, value: i64) {
    unsigned_vint(out, ((value >> 63) ^ (value << 1)) as u64);
}

/// The count or length of something as `[short]`.
///
/// # Errors
/// [`EncodeError::TooLarge`] above 65,535.
pub fn short_length(out: &mut Vec<u8>, length: usize, what: &'static str) -> Result<(), EncodeError> {
    let value = u16::try_from(length).map_err(|_| EncodeError::TooLarge {
        what,
        length,
        limit: u16::MAX.into(),
    })?;
    short(out, value);
    Ok(())
}

/// The count or length of something as `[int]`.
///
/// # Errors
/// [`EncodeError::TooLarge`] above 2,147,483,647.
pub fn int_length(out: &mut Vec<u8>, length: usize, what: &'static str) -> Result<(), EncodeError> {
    let value = i32::try_from(length).map_err(|_| EncodeError::TooLarge {
        what,
        length,
        limit: i32::MAX as usize,
    })?;
    int(out, value);
    Ok(())
}

/// `[string]`.
///
/// # Errors
/// [`EncodeError::TooLarge`] above 65,535 bytes.
pub fn string(out: &mut Vec<u8>, value: &str, what: &'static str) -> Result<(), EncodeError> {
    short_bytes(out, value.as_bytes(), what)
}

/// `[long string]`.
///
/// # Errors
/// [`EncodeError::TooLarge`] above 2,147,483,647 bytes.
pub fn long_string(out: &mut Vec<u8>, value: &str, what: &'static str) -> Result<(), EncodeError> {
    int_length(out, value.len(), what)?;
    out.extend_from_slice(value.as_bytes());
    Ok(())
}

/// `[short bytes]`.
///
/// # Errors
/// [`EncodeError::TooLarge`] above 65,535 bytes.
pub fn short_bytes(out: &mut Vec<u8>, value: &[u8], what: &'static str) -> Result<(), EncodeError> {
    short_length(out, value.len(), what)?;
    out.extend_from_slice(value);
    Ok(())
}

/// `[bytes]`; `None` is null.
///
/// # Errors
/// [`EncodeError::TooLarge`] above 2,147,483,647 bytes.
pub fn bytes(out: &mut Vec<u8>, value: Option<&[u8]>, what: &'static str) -> Result<(), EncodeError> {
    match value {
        None => int(out, -1),
        Some(value) => {
            int_length(out, value.len(), what)?;
            out.extend_from_slice(value);
        }
    }
    Ok(())
}

/// `[value]`.
///
/// # Errors
/// [`EncodeError::TooLarge`] above 2,147,483,647 bytes.
pub fn value(out: &mut Vec<u8>, value: RawValue<'_>, what: &'static str) -> Result<(), EncodeError> {
    match value {
        RawValue::Bytes(value) => bytes(out, Some(value), what)?,
        RawValue::Null => int(out, -1),
        RawValue::Unset => int(out, -2),
    }
    Ok(())
}

/// `[uuid]`.
pub fn uuid(out: &mut Vec<u8>, value: &Uuid) {
    out.extend_from_slice(value.as_bytes());
}

/// `[inetaddr]`.
pub fn inetaddr(out: &mut Vec<u8>, address: IpAddr) {
    match address {
        IpAddr::V4(address) => {
            out.push(4);
            out.extend_from_slice(&address.octets());
        }
        IpAddr::V6(address) => {
            out.push(16);
            out.extend_from_slice(&address.octets());
        }
    }
}

/// `[inet]`.
pub fn inet(out: &mut Vec<u8>, address: SocketAddr) {
    inetaddr(out, address.ip());
    int(out, address.port().into());
}

/// `[consistency]`.
pub fn consistency(out: &mut Vec<u8>, level: ConsistencyLevel) {
    short(out, level.code());
}

/// `[string list]`.
///
/// # Errors
/// [`EncodeError::TooLarge`] above 65,535 strings, or bytes in one of them.
pub fn string_list<S: AsRef<str>>(
    out: &mut Vec<u8>,
    list: &[S],
    what: &'static str,
) -> Result<(), EncodeError> {
    short_length(out, list.len(), what)?;
    list.iter()
        .try_for_each(|value| string(out, value.as_ref(), what))
}

/// `[string map]`, in the order given.
///
/// # Errors
/// [`EncodeError::TooLarge`] above 65,535 pairs, or bytes in a key or value.
pub fn string_map<'a>(
    out: &mut Vec<u8>,
    map: impl ExactSizeIterator<Item = (&'a str, &'a str)>,
    what: &'static str,
) -> Result<(), EncodeError> {
    short_length(out, map.len(), what)?;
    for (key, value) in map {
        string(out, key, what)?;
        string(out, value, what)?;
    }
    Ok(())
}

/// `[string multimap]`, in the order given.
///
/// # Errors
/// [`EncodeError::TooLarge`] above 65,535 keys, values of a key, or bytes in one of them.
pub fn string_multimap<'a>(
    out: &mut Vec<u8>,
    map: impl ExactSizeIterator<Item = (&'a String, &'a Vec<String>)>,
    what: &'static str,
) -> Result<(), EncodeError> {
    short_length(out, map.len(), what)?;
    for (key, values) in map {
        string(out, key, what)?;
        string_list(out, values, what)?;
    }
    Ok(())
}

/// `[bytes map]`, in the order given.
///
/// # Errors
/// [`EncodeError::TooLarge`] above 65,535 keys or bytes in a key, or 2,147,483,647 bytes in a value.
pub fn bytes_map<'a>(
    out: &mut Vec<u8>,
    map: impl ExactSizeIterator<Item = (&'a String, &'a Option<Bytes>)>,
    what: &'static str,
) -> Result<(), EncodeError> {
    short_length(out, map.len(), what)?;
    for (key, value) in map {
        string(out, key, what)?;
        bytes(out, value.as_deref(), what)?;
    }
    Ok(())
}
