//! Segments: the checksummed, optionally compressed wrapper around envelopes (called "frame" in the specification of v5).
//!
//! Native protocol v5 §2.1 and §2.2, little-endian. Plain header: 17 bits of payload length, 1 bit self-contained, 6 bits of
//! padding, CRC24. LZ4 header: 17 bits of compressed length, 17 bits of uncompressed length (0: not compressed), 1 bit
//! self-contained, 5 bits of padding, CRC24. Then the payload, and its CRC32.
//! Invariants: a payload is at most 131,071 bytes before and after compression; a self-contained segment holds whole
//! envelopes, any other holds a part of one envelope.

use bytes::{Buf, Bytes, BytesMut};

use crate::compression::{MAX_LZ4_RATIO, compress_lz4, decompress_lz4};
use crate::crc::{crc24, crc32};
use crate::{Compression, HEADER_LENGTH, ProtocolError};

/// The longest payload of a segment, 2^17 - 1 bytes.
pub const MAX_SEGMENT_PAYLOAD: usize = 131_071;

/// Length of CRC24 at the end of a header.
const CRC24_LENGTH: usize = 3;
/// Length of CRC32 behind the payload.
const TRAILER_LENGTH: usize = 4;

/// What a segment carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentPayload {
    /// The payload, decompressed.
    pub bytes: Bytes,
    /// Whether these are whole envelopes; otherwise a part of one.
    pub self_contained: bool,
}

/// Cuts a stream of bytes into segments, and checks them.
///
/// Bytes go into [`SegmentDecoder::buffer`]; [`SegmentDecoder::next_payload`] takes whole segments out of it. Payloads that
/// are not compressed are not copied.
#[derive(Debug)]
pub struct SegmentDecoder {
    compressed: bool,
    buffer: BytesMut,
    /// The header of the segment whose payload has not yet arrived. Its bytes have left the buffer.
    header: Option<Header>,
}

#[derive(Clone, Copy, Debug)]
struct Header {
    /// As sent.
    length: usize,
    /// After decompression; `None` when sent as it is.
    uncompressed: Option<usize>,
    self_contained: bool,
}

impl SegmentDecoder {
    /// A decoder for segments with the LZ4 header, or with the plain one. Snappy does not exist in v5 and stands for
    /// the plain one.
    pub fn new(compression: Option<Compression>) -> Self {
        Self::with_buffer(compression, BytesMut::new())
    }

    /// A decoder that begins with bytes already received.
    pub(crate) fn with_buffer(compression: Option<Compression>, buffer: BytesMut) -> Self {
        Self {
            compressed: compression == Some(Compression::Lz4),
            buffer,
            header: None,
        }
    }

    /// Where received bytes are to be appended.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Bytes that are still missing for the segment begun (or for its header); 0 when one is complete.
    pub fn missing(&self) -> usize {
        let wanted = match self.header {
            Some(header) => header.length + TRAILER_LENGTH,
            None => header_length(self.compressed),
        };
        wanted.saturating_sub(self.buffer.len())
    }

    /// The payload of the next complete segment; `None` until more bytes arrive.
    ///
    /// # Errors
    /// [`ProtocolError`] when a checksum is wrong, or a payload does not decompress. The stream cannot be followed any
    /// further.
    pub fn next_payload(&mut self) -> Result<Option<SegmentPayload>, ProtocolError> {
        let payload = self.next_bytes()?;
        Ok(payload.map(|(bytes, self_contained)| SegmentPayload {
            bytes: bytes.freeze(),
            self_contained,
        }))
    }

    /// As [`SegmentDecoder::next_payload`], as bytes that can be cut further.
    pub(crate) fn next_bytes(&mut self) -> Result<Option<(BytesMut, bool)>, ProtocolError> {
        let header = match self.header {
            Some(header) => header,
            None => {
                let length = header_length(self.compressed);
                if self.buffer.len() < length {
                    return Ok(None);
                }
                let header = Header::decode(&self.buffer[..length], self.compressed)?;
                self.buffer.advance(length);
                self.header = Some(header);
                header
            }
        };
        if self.buffer.len() < header.length + TRAILER_LENGTH {
            return Ok(None);
        }
        self.header = None;
        let payload = self.buffer.split_to(header.length);
        let found = self.buffer.get_u32_le();
        let expected = crc32(&payload);
        if found != expected {
            return Err(ProtocolError::PayloadChecksum { expected, found });
        }
        let payload = match header.uncompressed {
            None => payload,
            Some(length) => {
                let mut bytes = BytesMut::zeroed(length);
                decompress_lz4(&payload, &mut bytes)?;
                bytes
            }
        };
        Ok(Some((payload, header.self_contained)))
    }
}

impl Header {
    fn decode(bytes: &[u8], compressed: bool) -> Result<Self, ProtocolError> {
        let (fields, checksum) = bytes.split_at(bytes.len() - CRC24_LENGTH);
        let found = little_endian(checksum) as u32;
        let expected = crc24(fields);
        if found != expected {
            return Err(ProtocolError::HeaderChecksum { expected, found });
        }
        let fields = little_endian(fields);
        let length = (fields & 0x1_FFFF) as usize;
        if !compressed {
            return Ok(Self {
                length,
                uncompressed: None,
                self_contained: fields >> 17 & 1 == 1,
            });
        }
        let uncompressed = (fields >> 17 & 0x1_FFFF) as usize;
        if uncompressed > length.saturating_mul(MAX_LZ4_RATIO) {
            return Err(ProtocolError::InvalidLength {
                what: "decompressed segment payload",
                length: uncompressed as i64,
                limit: (length * MAX_LZ4_RATIO) as i64,
            });
        }
        Ok(Self {
            length,
            uncompressed: (uncompressed > 0).then_some(uncompressed),
            self_contained: fields >> 34 & 1 == 1,
        })
    }
}

/// Wraps envelopes into segments.
#[derive(Debug)]
pub struct SegmentEncoder {
    compressed: bool,
    /// Whether payloads travel as they are under an LZ4 header too.
    stores: bool,
    /// Room for a compressed payload, kept from segment to segment.
    scratch: Vec<u8>,
}

impl SegmentEncoder {
    /// An encoder of segments with the LZ4 header, or with the plain one. Snappy does not exist in v5 and stands for
    /// the plain one.
    pub fn new(compression: Option<Compression>) -> Self {
        Self {
            compressed: compression == Some(Compression::Lz4),
            stores: false,
            scratch: Vec::new(),
        }
    }

    /// Sends payloads as they are, under an LZ4 header too: an uncompressed length of 0 says so (v5 §2.2).
    #[must_use]
    pub fn without_compressing(mut self) -> Self {
        self.stores = true;
        self
    }

    /// Appends the segments that carry these envelopes: whole envelopes one behind the other, of any length together.
    ///
    /// As many as fit share a self-contained segment; one that is longer than a segment is spread over several that are
    /// not self-contained. Bytes that are not an envelope are carried like the part of a long one.
    pub fn encode(&mut self, envelopes: &[u8], out: &mut Vec<u8>) {
        let mut rest = envelopes;
        while !rest.is_empty() {
            let whole = whole_envelopes(rest);
            if whole > 0 {
                let (group, behind) = rest.split_at(whole);
                self.encode_segment(group, true, out);
                rest = behind;
            } else {
                let (large, behind) = rest.split_at(envelope_length(rest).min(rest.len()));
                for part in large.chunks(MAX_SEGMENT_PAYLOAD) {
                    self.encode_segment(part, false, out);
                }
                rest = behind;
            }
        }
    }

    /// Appends one segment. `payload` is at most [`MAX_SEGMENT_PAYLOAD`] bytes.
    fn encode_segment(&mut self, payload: &[u8], self_contained: bool, out: &mut Vec<u8>) {
        let self_contained = u64::from(self_contained);
        if !self.compressed {
            let fields = payload.len() as u64 | self_contained << 17;
            encode_parts(fields, 3, payload, out);
            return;
        }
        self.scratch.clear();
        if !self.stores {
            compress_lz4(payload, &mut self.scratch);
        }
        let (sent, uncompressed) = match !self.stores && self.scratch.len() < payload.len() {
            true => (self.scratch.as_slice(), payload.len() as u64),
            false => (payload, 0),
        };
        let fields = sent.len() as u64 | uncompressed << 17 | self_contained << 34;
        encode_parts(fields, 5, sent, out);
    }
}

fn encode_parts(fields: u64, length: usize, payload: &[u8], out: &mut Vec<u8>) {
    out.reserve(length + CRC24_LENGTH + payload.len() + TRAILER_LENGTH);
    let fields = fields.to_le_bytes();
    out.extend_from_slice(&fields[..length]);
    out.extend_from_slice(&crc24(&fields[..length]).to_le_bytes()[..CRC24_LENGTH]);
    out.extend_from_slice(payload);
    out.extend_from_slice(&crc32(payload).to_le_bytes());
}

/// Length of the envelopes at the head of `bytes` that fit into one segment.
fn whole_envelopes(bytes: &[u8]) -> usize {
    let mut end = 0;
    loop {
        let rest = &bytes[end..];
        let length = envelope_length(rest);
        if rest.is_empty() || length > rest.len() || end + length > MAX_SEGMENT_PAYLOAD {
            return end;
        }
        end += length;
    }
}

/// Length of the envelope at the head of `bytes`, header included.
fn envelope_length(bytes: &[u8]) -> usize {
    match bytes.first_chunk::<HEADER_LENGTH>() {
        Some(&[_, _, _, _, _, a, b, c, d]) => {
            (u32::from_be_bytes([a, b, c, d]) as usize).saturating_add(HEADER_LENGTH)
        }
        None => usize::MAX,
    }
}

fn header_length(compressed: bool) -> usize {
    CRC24_LENGTH + if compressed { 5 } else { 3 }
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .rev()
        .fold(0, |value, byte| value << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests;
