//! Bytes to frames: where envelopes and segments begin and end, told by their headers alone.
//!
//! Envelopes: native protocol v3 and v4 §2, v5 §2.4. Segments: v5 §2.2. Framing changes behind STARTUP and its answer (v5 §2.3.1).
//! Invariant: the frames of a direction, one after the other, are the bytes that arrived.

use std::ops::Range;
use std::sync::OnceLock;

use bytes::{Bytes, BytesMut};
use helenus_protocol::{Compression, Direction, EnvelopeHeader, HEADER_LENGTH, Opcode, Request, Startup};

use super::Part;

/// What a connection agreed on in STARTUP: the compression of segments when there are segments.
#[derive(Debug, Default)]
pub(super) struct Agreement(OnceLock<Framing>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    Envelopes,
    Segments {
        compressed: bool,
    },
    /// Nothing that is known here: TLS, or nonsense. Bytes pass as they come.
    Unknown,
}

/// What travels as one piece.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// All of its bytes.
    pub bytes: Bytes,
    /// What it is.
    pub kind: FrameKind,
}

/// Kind of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameKind {
    /// An envelope by itself.
    Envelope,
    /// A segment.
    Segment {
        /// Length of its header, with the checksum.
        header: usize,
        /// Whether it carries whole envelopes; otherwise a part of one.
        self_contained: bool,
    },
    /// Bytes that are neither.
    Unknown,
}

const CRC24_LENGTH: usize = 3;
const CRC32_LENGTH: usize = 4;

impl Frame {
    /// Where this part is; empty when the frame has none.
    pub fn part(&self, part: Part) -> Range<usize> {
        let end = self.bytes.len();
        match (self.kind, part) {
            (FrameKind::Envelope, Part::Header) => 0..HEADER_LENGTH.min(end),
            (FrameKind::Envelope, Part::Payload) => HEADER_LENGTH.min(end)..end,
            (FrameKind::Segment { header, .. }, Part::Header) => 0..header - CRC24_LENGTH,
            (FrameKind::Segment { header, .. }, Part::HeaderChecksum) => header - CRC24_LENGTH..header,
            (FrameKind::Segment { header, .. }, Part::Payload) => header..end - CRC32_LENGTH,
            (FrameKind::Segment { .. }, Part::PayloadChecksum) => end - CRC32_LENGTH..end,
            (FrameKind::Envelope, _) | (FrameKind::Unknown, _) => 0..0,
        }
    }

    /// Whether it may change places with others.
    pub(super) fn is_movable(&self) -> bool {
        match self.kind {
            FrameKind::Envelope => true,
            FrameKind::Segment { self_contained, .. } => self_contained,
            FrameKind::Unknown => false,
        }
    }
}

/// Cuts one direction of a connection.
#[derive(Debug)]
pub(super) struct Cutter<'a> {
    direction: Direction,
    agreement: &'a Agreement,
    framing: Framing,
    buffer: BytesMut,
}

impl<'a> Cutter<'a> {
    pub(super) fn new(direction: Direction, agreement: &'a Agreement) -> Self {
        Self {
            direction,
            agreement,
            framing: Framing::Envelopes,
            buffer: BytesMut::new(),
        }
    }

    /// Where received bytes are to be appended.
    pub(super) fn buffer(&mut self) -> &mut BytesMut {
        &mut self.buffer
    }

    /// The next whole frame.
    pub(super) fn next(&mut self) -> Option<Frame> {
        match self.framing {
            Framing::Envelopes => self.next_envelope(),
            Framing::Segments { compressed } => self.next_segment(compressed),
            Framing::Unknown => self.rest(),
        }
    }

    /// Everything that is left, when no more bytes come.
    pub(super) fn rest(&mut self) -> Option<Frame> {
        let bytes = self.buffer.split().freeze();
        let kind = FrameKind::Unknown;
        (!bytes.is_empty()).then_some(Frame { bytes, kind })
    }

    fn next_envelope(&mut self) -> Option<Frame> {
        let head = self.buffer.get(..HEADER_LENGTH)?;
        let Ok(header) = EnvelopeHeader::decode(head) else {
            self.framing = Framing::Unknown;
            return self.rest();
        };
        let end = HEADER_LENGTH + header.length;
        if self.buffer.len() < end {
            return None;
        }
        let bytes = self.buffer.split_to(end).freeze();
        match (self.direction, header.opcode) {
            (Direction::Request, Opcode::Startup) => {
                let framing = *self
                    .agreement
                    .0
                    .get_or_init(|| agreed(&header, &bytes[HEADER_LENGTH..]));
                self.framing = framing;
            }
            (Direction::Response, Opcode::Ready | Opcode::Authenticate) => {
                self.framing = self.agreement.0.get().copied().unwrap_or(Framing::Envelopes);
            }
            _ => {}
        }
        Some(Frame {
            bytes,
            kind: FrameKind::Envelope,
        })
    }

    fn next_segment(&mut self, compressed: bool) -> Option<Frame> {
        // Payload length (17 bits), with LZ4 the length before compression (17 bits), then one bit: self-contained.
        let (header, flag) = if compressed { (5, 34) } else { (3, 17) };
        let head = self.buffer.get(..header)?;
        let word = head
            .iter()
            .rev()
            .fold(0_u64, |word, byte| word << 8 | u64::from(*byte));
        let length = usize::try_from(word & 0x1_FFFF).unwrap_or(0);
        let header = header + CRC24_LENGTH;
        let end = header + length + CRC32_LENGTH;
        if self.buffer.len() < end {
            return None;
        }
        let kind = FrameKind::Segment {
            header,
            self_contained: word >> flag & 1 == 1,
        };
        let bytes = self.buffer.split_to(end).freeze();
        Some(Frame { bytes, kind })
    }
}

/// What STARTUP asks for. Servers refuse what they cannot do, and then no more frames follow.
fn agreed(header: &EnvelopeHeader, body: &[u8]) -> Framing {
    if !header.version.features().segments {
        return Framing::Envelopes;
    }
    match Request::decode(header, body).map(|envelope| envelope.request) {
        Ok(Request::Startup(startup)) => {
            let name = startup.get(Startup::COMPRESSION);
            Framing::Segments {
                compressed: name.and_then(Compression::from_name) == Some(Compression::Lz4),
            }
        }
        _ => Framing::Unknown,
    }
}
