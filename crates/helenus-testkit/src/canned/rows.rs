//! The rows that workloads answer: the same ones every time, different from row to row.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use helenus_protocol::{ColumnSpec, Rows, RowsMetadata};

use super::workload::DIMENSIONS;

/// Length of the large blob.
const LARGE: usize = 1 << 20;

/// Encodes the rows of these numbers.
pub(super) fn generate(
    columns: Arc<[ColumnSpec]>,
    numbers: Range<usize>,
    write: fn(u64, &mut Vec<u8>),
) -> Rows {
    let mut content = Vec::new();
    let row_count = numbers.len();
    for number in numbers {
        write(number as u64, &mut content);
    }
    Rows {
        metadata: RowsMetadata {
            column_count: columns.len(),
            paging_state: None,
            new_metadata_id: None,
            columns: Some(columns),
            continuous_page: None,
        },
        row_count,
        content: Bytes::from(content),
    }
}

/// One row of as many cells as there are columns.
pub(super) fn wide(columns: Arc<[ColumnSpec]>, count: usize, write: fn(u64, &mut Vec<u8>)) -> Rows {
    let cells = generate(columns, 0..count, write);
    Rows {
        row_count: 1,
        ..cells
    }
}

/// One cell: an int.
pub(super) fn int(number: u64, out: &mut Vec<u8>) {
    cell(&(number as i32).to_be_bytes(), out);
}

/// One cell: a text of 20 bytes.
pub(super) fn text(number: u64, out: &mut Vec<u8>) {
    cell(format!("text-of-cell-{number:07}").as_bytes(), out);
}

/// int, text of 100 bytes.
pub(super) fn short(number: u64, out: &mut Vec<u8>) {
    cell(&(number as i32).to_be_bytes(), out);
    cell(&[b'x'; 100], out);
}

/// int, bigint, text of 20 bytes, double, boolean, timestamp, uuid, blob of 50 bytes, list of three int, decimal.
pub(super) fn ten_columns(number: u64, out: &mut Vec<u8>) {
    let mixed = mix(number);
    cell(&(number as i32).to_be_bytes(), out);
    cell(&mixed.to_be_bytes(), out);
    cell(format!("text-of-row-{number:08}").as_bytes(), out);
    cell(&double(number).to_be_bytes(), out);
    cell(&[(number % 2) as u8], out);
    cell(&timestamp(number).to_be_bytes(), out);
    // Version 4, variant 1.
    let high = mixed & !0xF000 | 0x4000;
    let low = mix(mixed) & !(0b11 << 62) | 0b10 << 62;
    cell(&[high.to_be_bytes(), low.to_be_bytes()].concat(), out);
    let mut blob = [0; 50];
    for (index, byte) in blob.iter_mut().enumerate() {
        *byte = mix(number + index as u64) as u8;
    }
    cell(&blob, out);
    let mut list = 3_i32.to_be_bytes().to_vec();
    for element in 0..3 {
        cell(&((number + element) as i32).to_be_bytes(), &mut list);
    }
    cell(&list, out);
    // Two decimal places: number + 0.25.
    let unscaled = (number as i32) * 100 + 25;
    cell(
        &[2_i32.to_be_bytes().as_slice(), shortest(&unscaled.to_be_bytes())].concat(),
        out,
    );
}

/// int, bigint, double, boolean, timestamp.
pub(super) fn five_columns(number: u64, out: &mut Vec<u8>) {
    cell(&(number as i32).to_be_bytes(), out);
    cell(&mix(number).to_be_bytes(), out);
    cell(&double(number).to_be_bytes(), out);
    cell(&[(number % 2) as u8], out);
    cell(&timestamp(number).to_be_bytes(), out);
}

/// int, vector of floats between 0 and 1.
pub(super) fn vector(number: u64, out: &mut Vec<u8>) {
    cell(&(number as i32).to_be_bytes(), out);
    let mut floats = Vec::with_capacity(4 * DIMENSIONS);
    for index in 0..DIMENSIONS as u64 {
        let float = (mix(number * DIMENSIONS as u64 + index) >> 40) as f32 / (1 << 24) as f32;
        floats.extend_from_slice(&float.to_be_bytes());
    }
    cell(&floats, out);
}

/// A blob of 1 MiB.
pub(super) fn large_blob(_number: u64, out: &mut Vec<u8>) {
    let blob: Vec<u8> = (0..LARGE as u64 / 8)
        .flat_map(|word| mix(word).to_be_bytes())
        .collect();
    cell(&blob, out);
}

fn double(number: u64) -> f64 {
    number as f64 + 0.5
}

/// A minute apart, from 2020-01-01 on.
fn timestamp(number: u64) -> u64 {
    1_577_836_800_000 + number * 60_000
}

/// The bytes of a non-negative varint without leading zeros that carry nothing.
fn shortest(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    while let [0, next, ..] = rest
        && *next < 0x80
    {
        rest = &rest[1..];
    }
    rest
}

/// Numbers that look like chance: the finalizer of SplitMix64 (Steele, Lea and Flood, 2014).
fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// `[bytes]`, native protocol §3. Cells here are at most 1 MiB long.
fn cell(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as i32).to_be_bytes());
    out.extend_from_slice(bytes);
}
