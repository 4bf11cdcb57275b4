//! Envelopes: the 9-byte header, its parts, and cutting a stream of bytes into envelopes.
//!
//! Layout: native protocol v3 and v4 §2 (called "frame" there), v5 §2.4: version with direction bit, flags, stream id as
//! `[short]`, opcode, body length as `[int]`; all big-endian. A body holds at most 256 MiB.
//! Invariant: a header in hand has a known version and opcode and a length within the limit.

use std::ops::Range;

use bytes::{Buf, Bytes, BytesMut};

use crate::{ProtocolError, ProtocolVersion};

/// Length of the header in bytes.
pub const HEADER_LENGTH: usize = 9;

/// The longest body that a peer may announce: 256 MiB.
pub const MAX_BODY_LENGTH: usize = 256 * 1024 * 1024;

/// Bodies up to this length are copied out of the buffer, so that whoever keeps a short one does not keep a whole read
/// buffer alive, and the buffer stays in use. Longer ones share it.
const COPIED_LENGTH: usize = 8 * 1024;

/// The body of RESULT of kind Void (v4 §4.2.5.1), by far the most frequent: it needs no copy of its own.
const VOID: &[u8] = &[0, 0, 0, 1];

/// Which way an envelope travels: the highest bit of its first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From client to server (bit clear).
    Request,
    /// From server to client (bit set).
    Response,
}

/// Kind of body (§2.4, the byte after the stream id).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names are the specification's own")]
pub enum Opcode {
    Error,
    Startup,
    Ready,
    Authenticate,
    Options,
    Supported,
    Query,
    Result,
    Prepare,
    Execute,
    Register,
    Event,
    Batch,
    AuthChallenge,
    AuthResponse,
    AuthSuccess,
    /// DSE_V1 CANCEL and DSE_V2 REVISE: acts on a running continuous paging request.
    Revise,
}

impl Opcode {
    /// The byte on the wire.
    pub fn code(self) -> u8 {
        match self {
            Self::Error => 0x00,
            Self::Startup => 0x01,
            Self::Ready => 0x02,
            Self::Authenticate => 0x03,
            Self::Options => 0x05,
            Self::Supported => 0x06,
            Self::Query => 0x07,
            Self::Result => 0x08,
            Self::Prepare => 0x09,
            Self::Execute => 0x0A,
            Self::Register => 0x0B,
            Self::Event => 0x0C,
            Self::Batch => 0x0D,
            Self::AuthChallenge => 0x0E,
            Self::AuthResponse => 0x0F,
            Self::AuthSuccess => 0x10,
            Self::Revise => 0xFF,
        }
    }

    /// The opcode of this byte.
    ///
    /// # Errors
    /// [`ProtocolError::UnknownOpcode`] when there is none.
    pub fn from_code(code: u8) -> Result<Self, ProtocolError> {
        Ok(match code {
            0x00 => Self::Error,
            0x01 => Self::Startup,
            0x02 => Self::Ready,
            0x03 => Self::Authenticate,
            0x05 => Self::Options,
            0x06 => Self::Supported,
            0x07 => Self::Query,
            0x08 => Self::Result,
            0x09 => Self::Prepare,
            0x0A => Self::Execute,
            0x0B => Self::Register,
            0x0C => Self::Event,
            0x0D => Self::Batch,
            0x0E => Self::AuthChallenge,
            0x0F => Self::AuthResponse,
            0x10 => Self::AuthSuccess,
            0xFF => Self::Revise,
            opcode => return Err(ProtocolError::UnknownOpcode { opcode }),
        })
    }

    /// Which way a body of this kind travels.
    pub fn direction(self) -> Direction {
        match self {
            Self::Startup
            | Self::Options
            | Self::Query
            | Self::Prepare
            | Self::Execute
            | Self::Register
            | Self::Batch
            | Self::AuthResponse
            | Self::Revise => Direction::Request,
            Self::Error
            | Self::Ready
            | Self::Authenticate
            | Self::Supported
            | Self::Result
            | Self::Event
            | Self::AuthChallenge
            | Self::AuthSuccess => Direction::Response,
        }
    }
}

/// A client's stream id, 0..=32_767. Negative ids belong to the server (v4 §2.3, v5 §2.4.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(i16);

impl StreamId {
    /// How many stream ids a connection has.
    pub const COUNT: usize = 32_768;

    /// The id with this number; `None` when it is negative.
    pub fn new(raw: i16) -> Option<Self> {
        (raw >= 0).then_some(Self(raw))
    }

    /// The number on the wire.
    pub fn raw(self) -> i16 {
        self.0
    }

    /// The number as an index, 0..[`StreamId::COUNT`].
    pub fn index(self) -> usize {
        self.0.unsigned_abs().into()
    }
}

impl std::fmt::Display for StreamId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Flags of the header (v4 §2.2, v5 §2.4.1.2). Bits without a meaning are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EnvelopeFlags(pub u8);

impl EnvelopeFlags {
    /// The body is compressed (v3, v4); ignored in v5.
    pub const COMPRESSED: u8 = 0x01;
    /// Tracing: asked for in a request, a tracing id heads the body of a response.
    pub const TRACING: u8 = 0x02;
    /// A custom payload is in the body.
    pub const CUSTOM_PAYLOAD: u8 = 0x04;
    /// Warnings are in the body of a response.
    pub const WARNINGS: u8 = 0x08;
    /// The client wants a version that is still a beta.
    pub const BETA: u8 = 0x10;

    /// Whether this bit is set.
    pub fn has(self, bit: u8) -> bool {
        self.0 & bit != 0
    }

    /// The same flags with this bit set.
    #[must_use]
    pub fn with(self, bit: u8) -> Self {
        Self(self.0 | bit)
    }

    /// The same flags with this bit clear.
    #[must_use]
    pub fn without(self, bit: u8) -> Self {
        Self(self.0 & !bit)
    }
}

/// The header of an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EnvelopeHeader {
    /// Protocol version.
    pub version: ProtocolVersion,
    /// Which way it travels.
    pub direction: Direction,
    /// Flags.
    pub flags: EnvelopeFlags,
    /// Stream id: 0..=32_767 pairs a response with its request; -1 is an event.
    pub stream: i16,
    /// Kind of body.
    pub opcode: Opcode,
    /// Length of the body in bytes, at most [`MAX_BODY_LENGTH`].
    pub length: usize,
}

impl EnvelopeHeader {
    /// Writes the nine bytes at the end of `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let direction = match self.direction {
            Direction::Request => 0x00,
            Direction::Response => 0x80,
        };
        let stream = self.stream.to_be_bytes();
        // Lengths are limited to MAX_BODY_LENGTH, far below u32::MAX.
        let length = (self.length as u32).to_be_bytes();
        out.extend_from_slice(&[
            self.version.number() | direction,
            self.flags.0,
            stream[0],
            stream[1],
            self.opcode.code(),
            length[0],
            length[1],
            length[2],
            length[3],
        ]);
    }

    /// Reads a header from the nine bytes at the head of `bytes`.
    ///
    /// # Errors
    /// [`ProtocolError`] when there are fewer than nine bytes, or version, opcode, direction or length are not acceptable.
    pub fn decode(bytes: &[u8]) -> Result<Self, ProtocolError> {
        let Some(&[version, flags, stream0, stream1, opcode, l0, l1, l2, l3]) =
            bytes.first_chunk::<HEADER_LENGTH>()
        else {
            return Err(ProtocolError::Truncated {
                what: "envelope header",
                needed: HEADER_LENGTH,
                available: bytes.len(),
            });
        };
        let direction = if version & 0x80 == 0 {
            Direction::Request
        } else {
            Direction::Response
        };
        let number = version & 0x7F;
        let version =
            ProtocolVersion::from_number(number).ok_or(ProtocolError::UnsupportedVersion { number })?;
        let length = i32::from_be_bytes([l0, l1, l2, l3]);
        let length = usize::try_from(length)
            .ok()
            .filter(|length| *length <= MAX_BODY_LENGTH)
            .ok_or(ProtocolError::InvalidLength {
                what: "envelope body",
                length: length.into(),
                limit: MAX_BODY_LENGTH as i64,
            })?;
        let opcode = Opcode::from_code(opcode)?;
        if opcode.direction() != direction {
            return Err(ProtocolError::WrongDirection);
        }
        Ok(Self {
            version,
            direction,
            flags: EnvelopeFlags(flags),
            stream: i16::from_be_bytes([stream0, stream1]),
            opcode,
            length,
        })
    }
}

/// Cuts a stream of bytes into envelopes.
///
/// Bytes go into [`EnvelopeDecoder::buffer`]; [`EnvelopeDecoder::next_envelope`] takes whole envelopes out of it, without
/// a copy. The body is as sent: still compressed, tracing id, warnings and custom payload still at its head.
#[derive(Debug, Default)]
pub struct EnvelopeDecoder {
    buffer: BytesMut,
    header: Option<EnvelopeHeader>,
}

impl EnvelopeDecoder {
    /// A decoder without bytes.
    pub fn new() -> Self {
        Self::default()
    }

    /// Where received bytes are to be appended.
    pub fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// Bytes that are still missing for the envelope begun (or for its header); 0 when one is complete.
    pub fn missing(&self) -> usize {
        let wanted = self.header.map_or(HEADER_LENGTH, |header| header.length);
        wanted.saturating_sub(self.buffer.len())
    }

    /// Whether no part of an envelope is held.
    pub fn is_idle(&self) -> bool {
        self.header.is_none() && self.buffer.is_empty()
    }

    /// The next complete envelope; `None` until more bytes arrive.
    ///
    /// # Errors
    /// [`ProtocolError`] for a header that is not acceptable. The stream cannot be followed any further.
    pub fn next_envelope(&mut self) -> Result<Option<(EnvelopeHeader, Bytes)>, ProtocolError> {
        if let Some((header, body)) = self.begin_short()? {
            let copy = copied(self.short(body.clone()));
            self.end_short(body);
            return Ok(Some((header, copy)));
        }
        Ok(self.next_long())
    }

    /// The next envelope, if it is complete and short, and where its body lies. It stays until [`EnvelopeDecoder::end_short`].
    ///
    /// # Errors
    /// As [`EnvelopeDecoder::next_envelope`].
    #[inline]
    pub(crate) fn begin_short(&mut self) -> Result<Option<(EnvelopeHeader, Range<usize>)>, ProtocolError> {
        let (header, start) = match self.header {
            Some(header) => (header, 0),
            None if self.buffer.len() < HEADER_LENGTH => return Ok(None),
            None => (EnvelopeHeader::decode(&self.buffer)?, HEADER_LENGTH),
        };
        let end = start + header.length;
        if header.length <= COPIED_LENGTH && end <= self.buffer.len() {
            return Ok(Some((header, start..end)));
        }
        if start > 0 {
            self.buffer.advance(start);
            self.header = Some(header);
        }
        Ok(None)
    }

    /// The body of the envelope that [`EnvelopeDecoder::begin_short`] has found.
    #[inline]
    pub(crate) fn short(&self, body: Range<usize>) -> &[u8] {
        self.buffer.get(body).unwrap_or_default()
    }

    /// Cuts that envelope off.
    #[inline]
    pub(crate) fn end_short(&mut self, body: Range<usize>) {
        self.buffer.advance(body.end);
        self.header = None;
    }

    /// The next envelope, if it is complete and long; after [`EnvelopeDecoder::begin_short`] has found no short one.
    pub(crate) fn next_long(&mut self) -> Option<(EnvelopeHeader, Bytes)> {
        let header = self.header.filter(|header| header.length <= self.buffer.len())?;
        self.header = None;
        Some((header, self.buffer.split_to(header.length).freeze()))
    }

    /// The next envelope, if that is a plain RESULT of kind Void: most answers to writes are. Anything else stays.
    #[inline]
    pub(crate) fn next_void(&mut self) -> Option<(EnvelopeHeader, Bytes)> {
        const LENGTH: u8 = VOID.len() as u8;
        let Some(&[version, 0, stream0, stream1, 0x08, 0, 0, 0, LENGTH, ref body @ ..]) =
            self.buffer.first_chunk::<{ HEADER_LENGTH + VOID.len() }>()
        else {
            return None;
        };
        if self.header.is_some() || body != VOID || version & 0x80 == 0 {
            return None;
        }
        let header = EnvelopeHeader {
            version: ProtocolVersion::from_number(version & 0x7F)?,
            direction: Direction::Response,
            flags: EnvelopeFlags::default(),
            stream: i16::from_be_bytes([stream0, stream1]),
            opcode: Opcode::Result,
            length: VOID.len(),
        };
        self.buffer.advance(HEADER_LENGTH + VOID.len());
        Some((header, Bytes::from_static(VOID)))
    }

    /// Takes out all bytes that were not yet cut, for the change to segments after STARTUP (v5 §2).
    pub fn take_rest(&mut self) -> BytesMut {
        debug_assert!(self.header.is_none(), "framing changes between envelopes only");
        std::mem::take(&mut self.buffer)
    }
}

/// A body that does not share memory with the buffer.
pub(crate) fn copied(body: &[u8]) -> Bytes {
    match body {
        VOID => Bytes::from_static(VOID),
        body => Bytes::copy_from_slice(body),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // v4 §2: response, flags 0x02, stream 258, RESULT, 5 bytes.
    const HEADER: [u8; 9] = [0x84, 0x02, 0x01, 0x02, 0x08, 0x00, 0x00, 0x00, 0x05];

    #[test]
    fn header_is_read_and_written_byte_for_byte() {
        let header = EnvelopeHeader::decode(&HEADER).unwrap();
        assert_eq!(header.version, ProtocolVersion::V4);
        assert_eq!(header.direction, Direction::Response);
        assert!(header.flags.has(EnvelopeFlags::TRACING));
        assert_eq!(
            (header.stream, header.opcode, header.length),
            (258, Opcode::Result, 5)
        );
        let mut out = Vec::new();
        header.encode(&mut out);
        assert_eq!(out, HEADER);
    }

    #[test]
    fn fault_16_negative_and_huge_lengths_are_refused() {
        for length in [[0xFF, 0xFF, 0xFF, 0xFF], [0x10, 0x00, 0x00, 0x01]] {
            let mut bytes = HEADER;
            bytes[5..].copy_from_slice(&length);
            assert!(matches!(
                EnvelopeHeader::decode(&bytes),
                Err(ProtocolError::InvalidLength { .. })
            ));
        }
    }

    #[test]
    fn request_opcode_in_a_response_is_refused() {
        let mut bytes = HEADER;
        bytes[4] = 0x07;
        assert_eq!(EnvelopeHeader::decode(&bytes), Err(ProtocolError::WrongDirection));
    }

    #[test]
    fn fault_14_envelopes_cut_at_every_byte_come_out_whole() {
        let mut stream = Vec::new();
        for body in [&b"hello"[..], b"", b"world!"] {
            let mut header = EnvelopeHeader::decode(&HEADER).unwrap();
            header.length = body.len();
            header.encode(&mut stream);
            stream.extend_from_slice(body);
        }
        for cut in 0..stream.len() {
            let mut decoder = EnvelopeDecoder::new();
            let mut bodies = Vec::new();
            for part in [&stream[..cut], &stream[cut..]] {
                decoder.buffer().extend_from_slice(part);
                while let Some((header, body)) = decoder.next_envelope().unwrap() {
                    assert_eq!(header.length, body.len());
                    bodies.push(body);
                }
            }
            assert_eq!(bodies, [&b"hello"[..], b"", b"world!"]);
            assert_eq!(decoder.missing(), HEADER_LENGTH);
        }
    }

    #[test]
    fn results_without_anything_in_them_are_taken_at_once_and_all_else_is_left() {
        const PLAIN: [u8; 13] = [0x84, 0, 1, 2, 8, 0, 0, 0, 4, 0, 0, 0, 1];
        let decoder = |bytes: &[u8]| EnvelopeDecoder {
            buffer: bytes.into(),
            header: None,
        };
        let followed = [&PLAIN[..], &HEADER].concat();
        let (mut short, mut long) = (decoder(&followed), decoder(&followed));
        assert_eq!(short.next_void(), long.next_envelope().unwrap());
        assert_eq!(short.buffer(), &HEADER[..]);
        assert_eq!(long.buffer(), &HEADER[..]);
        assert_eq!(short.next_void(), None, "tracing");
        for length in 0..PLAIN.len() {
            assert_eq!(decoder(&PLAIN[..length]).next_void(), None, "cut");
        }
        // Another byte anywhere but in the stream id, or another version, makes it something else.
        for at in [0, 1, 4, 5, 8, 9, 12] {
            let mut other = PLAIN;
            other[at] ^= 0x40;
            let mut other = decoder(&other);
            assert_eq!(
                (other.next_void(), other.buffer().len()),
                (None, PLAIN.len()),
                "byte {at}"
            );
        }
        let mut begun = decoder(&HEADER);
        assert_eq!(begun.next_envelope(), Ok(None));
        begun.buffer().extend_from_slice(&PLAIN);
        assert_eq!(begun.next_void(), None, "it is the body of another one");
    }
}
