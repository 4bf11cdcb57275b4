//! Compression of bodies (v3, v4, DSE), and of the payloads of segments (v5).
//!
//! Native protocol v3 and v4 §5: an LZ4 body begins with its uncompressed length, an `[int]`; Snappy carries the length
//! itself. v5 §2.2: LZ4 blocks without a length, which stands in the segment's header.
//! Invariant: nothing is allocated that the compressed bytes could not fill, so a few bytes never ask for 256 MiB.

use std::fmt;

use bytes::{Bytes, BytesMut};

use crate::{MAX_BODY_LENGTH, ProtocolError};

/// How bodies are compressed; agreed on with STARTUP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// LZ4 blocks. Every version.
    Lz4,
    /// Snappy. v3, v4 and DSE, where the server has it.
    Snappy,
}

impl Compression {
    /// Both, the better one first.
    pub const ALL: [Self; 2] = [Self::Lz4, Self::Snappy];

    /// The name in STARTUP and SUPPORTED.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lz4 => "lz4",
            Self::Snappy => "snappy",
        }
    }

    /// The compression of this name, in any case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|compression| name.eq_ignore_ascii_case(compression.name()))
    }

    /// Appends the compressed form of a body of at most [`MAX_BODY_LENGTH`] bytes, as v3 and v4 have it.
    ///
    /// # Panics
    /// When the body is of 4 GiB or more, which no envelope can carry.
    pub fn compress(self, body: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        match self {
            Self::Lz4 => {
                assert!(u32::try_from(body.len()).is_ok(), "a body is below 4 GiB");
                out.extend_from_slice(&(body.len() as u32).to_be_bytes());
                compress_lz4(body, out);
            }
            Self::Snappy => {
                out.resize(start + snap::raw::max_compress_len(body.len()), 0);
                let compressed = snap::raw::Encoder::new()
                    .compress(body, &mut out[start..])
                    .expect("room was made for the longest form, and the body is below 4 GiB");
                out.truncate(start + compressed);
            }
        }
    }

    /// The body behind a compressed one, as v3 and v4 have it.
    ///
    /// # Errors
    /// [`ProtocolError::InvalidLength`] when the length announced is above [`MAX_BODY_LENGTH`], or above what so many
    /// bytes can stand for; [`ProtocolError::Decompression`] when the bytes do not decompress to that length.
    pub fn decompress(self, body: &[u8]) -> Result<Bytes, ProtocolError> {
        match self {
            Self::Lz4 => {
                let Some((length, block)) = body.split_first_chunk() else {
                    return Err(ProtocolError::Truncated {
                        what: "length of an LZ4 body",
                        needed: 4,
                        available: body.len(),
                    });
                };
                let length = i64::from(i32::from_be_bytes(*length));
                let length = checked_length(length, block.len().saturating_mul(MAX_LZ4_RATIO))?;
                let mut out = BytesMut::zeroed(length);
                decompress_lz4(block, &mut out)?;
                Ok(out.freeze())
            }
            Self::Snappy => {
                let length = snap::raw::decompress_len(body).map_err(decompression)?;
                let length = i64::try_from(length).unwrap_or(i64::MAX);
                let length = checked_length(length, body.len().saturating_mul(MAX_SNAPPY_RATIO))?;
                let mut out = BytesMut::zeroed(length);
                let written = snap::raw::Decoder::new()
                    .decompress(body, &mut out)
                    .map_err(decompression)?;
                out.truncate(written);
                Ok(out.freeze())
            }
        }
    }
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Appends an LZ4 block.
pub(crate) fn compress_lz4(bytes: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    out.resize(start + lz4_flex::block::get_maximum_output_size(bytes.len()), 0);
    let compressed =
        lz4_flex::block::compress_into(bytes, &mut out[start..]).expect("room was made for the longest form");
    out.truncate(start + compressed);
}

/// Fills `out` from an LZ4 block.
pub(crate) fn decompress_lz4(block: &[u8], out: &mut [u8]) -> Result<(), ProtocolError> {
    let written = lz4_flex::block::decompress_into(block, out).map_err(decompression)?;
    if written != out.len() {
        return Err(ProtocolError::Decompression {
            reason: format!("{} bytes were announced, {written} came out", out.len()),
        });
    }
    Ok(())
}

fn checked_length(length: i64, possible: usize) -> Result<usize, ProtocolError> {
    let limit = possible.min(MAX_BODY_LENGTH);
    usize::try_from(length)
        .ok()
        .filter(|length| *length <= limit)
        .ok_or(ProtocolError::InvalidLength {
            what: "decompressed body",
            length,
            limit: limit as i64,
        })
}

fn decompression(error: impl fmt::Display) -> ProtocolError {
    ProtocolError::Decompression {
        reason: error.to_string(),
    }
}

/// A byte of an LZ4 block adds at most 255 bytes to a match.
pub(crate) const MAX_LZ4_RATIO: usize = 255;

/// A Snappy copy of three bytes stands for at most 64.
const MAX_SNAPPY_RATIO: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_are_found_in_any_case() {
        for compression in Compression::ALL {
            assert_eq!(Compression::from_name(compression.name()), Some(compression));
        }
        assert_eq!(Compression::from_name("LZ4"), Some(Compression::Lz4));
        assert_eq!(Compression::from_name("zstd"), None);
    }

    #[test]
    fn lz4_body_begins_with_its_length_big_endian() {
        // Token 0x50: five literals, no match (LZ4 block format).
        let compressed = [0, 0, 0, 5, 0x50, b'h', b'e', b'l', b'l', b'o'];
        assert_eq!(Compression::Lz4.decompress(&compressed).unwrap(), "hello");
        let mut out = vec![0xAA];
        Compression::Lz4.compress(b"hello", &mut out);
        assert_eq!(out[0], 0xAA);
        assert_eq!(out[1..], compressed);
    }

    #[test]
    fn snappy_body_carries_its_own_length() {
        // Length 5 as a varint, tag 0x10: five literals (Snappy format description).
        let compressed = [5, 0x10, b'h', b'e', b'l', b'l', b'o'];
        assert_eq!(Compression::Snappy.decompress(&compressed).unwrap(), "hello");
        let mut out = Vec::new();
        Compression::Snappy.compress(b"hello", &mut out);
        assert_eq!(out, compressed);
    }

    #[test]
    fn fault_16_length_that_the_bytes_cannot_fill_is_refused_before_allocation() {
        for length in [
            0x7FFF_FFFF_u32,
            0xFFFF_FFFF,
            0x1000_0001,
            0x1000_0000,
            0x0100_0000,
        ] {
            let mut body = length.to_be_bytes().to_vec();
            body.extend_from_slice(&[0x50, b'h', b'e', b'l', b'l', b'o']);
            let refused = Compression::Lz4.decompress(&body);
            assert!(matches!(refused, Err(ProtocolError::InvalidLength { .. })));
        }
        // A varint of 256 MiB - 1.
        let refused = Compression::Snappy.decompress(&[0xFF, 0xFF, 0xFF, 0x7F, 0x10, b'h']);
        assert!(matches!(refused, Err(ProtocolError::InvalidLength { .. })));
    }

    #[test]
    fn length_other_than_what_comes_out_is_an_error() {
        for length in [4, 6] {
            let body = [0, 0, 0, length, 0x50, b'h', b'e', b'l', b'l', b'o'];
            let refused = Compression::Lz4.decompress(&body);
            assert!(
                matches!(refused, Err(ProtocolError::Decompression { .. })),
                "{refused:?}"
            );
            let body = [length, 0x10, b'h', b'e', b'l', b'l', b'o'];
            let refused = Compression::Snappy.decompress(&body);
            assert!(
                matches!(refused, Err(ProtocolError::Decompression { .. })),
                "{refused:?}"
            );
        }
        let refused = Compression::Lz4.decompress(&[0, 0]);
        assert!(matches!(refused, Err(ProtocolError::Truncated { .. })));
    }

    #[test]
    fn most_compressible_body_is_within_the_ratio() {
        for compression in Compression::ALL {
            let body = vec![0; 1 << 20];
            let mut compressed = Vec::new();
            compression.compress(&body, &mut compressed);
            assert_eq!(compression.decompress(&compressed).unwrap(), body);
        }
    }

    proptest! {
        #[test]
        fn compressed_bodies_come_back(body in proptest::collection::vec(0_u8..4, 0..5000)) {
            for compression in Compression::ALL {
                let mut compressed = Vec::new();
                compression.compress(&body, &mut compressed);
                prop_assert_eq!(&compression.decompress(&compressed).unwrap(), &body);
            }
        }
    }
}
