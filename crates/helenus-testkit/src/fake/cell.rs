//! Values of single cells, as bytes of a row.
//!
//! Layout: native protocol §6 (the same in v3, v4 and v5 for these types). Only what system tables and tests need: a scripted
//! answer is written down as it shall travel, so nothing here checks a value against the type of its column.

use std::net::IpAddr;

use bytes::Bytes;
use uuid::Uuid;

/// One cell: its bytes, or null.
pub type Cell = Option<Bytes>;

/// A `text`, `ascii` or `varchar`.
pub fn text(value: impl AsRef<str>) -> Cell {
    Some(Bytes::copy_from_slice(value.as_ref().as_bytes()))
}

/// An `int`.
pub fn int(value: i32) -> Cell {
    Some(Bytes::copy_from_slice(&value.to_be_bytes()))
}

/// A `bigint`, `counter` or `timestamp`.
pub fn bigint(value: i64) -> Cell {
    Some(Bytes::copy_from_slice(&value.to_be_bytes()))
}

/// A `double`.
pub fn double(value: f64) -> Cell {
    Some(Bytes::copy_from_slice(&value.to_be_bytes()))
}

/// A `boolean`.
pub fn boolean(value: bool) -> Cell {
    Some(Bytes::copy_from_slice(&[u8::from(value)]))
}

/// A `blob`.
pub fn blob(value: impl AsRef<[u8]>) -> Cell {
    Some(Bytes::copy_from_slice(value.as_ref()))
}

/// A `uuid` or `timeuuid`.
pub fn uuid(value: Uuid) -> Cell {
    Some(Bytes::copy_from_slice(value.as_bytes()))
}

/// An `inet`.
pub fn inet(value: IpAddr) -> Cell {
    Some(match value {
        IpAddr::V4(address) => Bytes::copy_from_slice(&address.octets()),
        IpAddr::V6(address) => Bytes::copy_from_slice(&address.octets()),
    })
}

/// A `list` or `set` of these elements; for a `map`, keys and values in turn are written by [`map`].
pub fn collection(elements: impl IntoIterator<Item = Cell>) -> Cell {
    let elements: Vec<Cell> = elements.into_iter().collect();
    Some(with_count(elements.len(), &elements))
}

/// A `map` of these entries.
pub fn map(entries: impl IntoIterator<Item = (Cell, Cell)>) -> Cell {
    let flat: Vec<Cell> = entries
        .into_iter()
        .flat_map(|(key, value)| [key, value])
        .collect();
    Some(with_count(flat.len() / 2, &flat))
}

/// A `set<text>` or `list<text>`.
pub fn texts<S: AsRef<str>>(values: impl IntoIterator<Item = S>) -> Cell {
    collection(values.into_iter().map(text))
}

/// A `map<text, text>`.
pub fn text_map<'a>(entries: impl IntoIterator<Item = (&'a str, &'a str)>) -> Cell {
    map(entries.into_iter().map(|(key, value)| (text(key), text(value))))
}

fn with_count(count: usize, cells: &[Cell]) -> Bytes {
    let mut out = Vec::new();
    out.extend_from_slice(&length(count));
    for cell in cells {
        write(cell, &mut out);
    }
    out.into()
}

/// Appends a cell as `[bytes]`: its length and its bytes, -1 for null.
pub(crate) fn write(cell: &Cell, out: &mut Vec<u8>) {
    match cell {
        None => out.extend_from_slice(&(-1_i32).to_be_bytes()),
        Some(bytes) => {
            out.extend_from_slice(&length(bytes.len()));
            out.extend_from_slice(bytes);
        }
    }
}

/// Cells of scripts are far below 2 GiB; a longer one is cut off by the envelope's own limit.
fn length(length: usize) -> [u8; 4] {
    i32::try_from(length).unwrap_or(i32::MAX).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_of_text_is_a_count_and_elements_with_their_lengths() {
        let expected: &[u8] = &[0, 0, 0, 2, 0, 0, 0, 1, b'a', 0, 0, 0, 2, b'b', b'c'];
        assert_eq!(texts(["a", "bc"]).unwrap(), expected);
    }

    #[test]
    fn map_counts_its_entries_not_its_cells() {
        let expected: &[u8] = &[0, 0, 0, 1, 0, 0, 0, 1, b'k', 0, 0, 0, 1, b'v'];
        assert_eq!(text_map([("k", "v")]).unwrap(), expected);
    }
}
