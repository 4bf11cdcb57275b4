//! What a connection receives with: bytes in, whole decompressed envelopes out.
//!
//! Before STARTUP is answered envelopes come bare (v5 §2.3.1); afterwards v3, v4 and DSE may compress bodies (v4 §5), and v5
//! wraps everything into segments. Native protocol v3 and v4 §2 and §5, v5 §2.
//! Invariant: a body in an [`Envelope`] is not compressed, and its flags say so.

use std::ops::Range;

use bytes::{Bytes, BytesMut};

use crate::envelope::copied;
use crate::{
    Compression, Direction, EnvelopeDecoder, EnvelopeFlags, EnvelopeHeader, ProtocolError, SegmentDecoder,
};

/// Announced lengths are believed up to this one; room for more is made as bytes really arrive.
const BELIEVED_LENGTH: usize = 32 * 1024 * 1024;

/// A whole envelope, decompressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    /// The header. Its length is that of the body here.
    pub header: EnvelopeHeader,
    /// The body, with tracing id, warnings and custom payload still at its head.
    pub body: Bytes,
}

/// A whole envelope, decompressed, whose body may still lie where it was received.
#[derive(Debug)]
pub struct ReceivedEnvelope<'a> {
    /// The header. Its length is that of the body here.
    pub header: EnvelopeHeader,
    /// The body, with tracing id, warnings and custom payload still at its head.
    pub body: ReceivedBody<'a>,
}

/// A body as it was received.
#[derive(Debug)]
pub enum ReceivedBody<'a> {
    /// A short one, in the buffer that was received into: whoever keeps it copies it.
    Borrowed(&'a [u8]),
    /// A long one, which shares the buffer; one that was compressed; one that is always the same.
    Owned(Bytes),
}

impl ReceivedBody<'_> {
    /// The body to be kept.
    #[inline]
    pub fn into_bytes(self) -> Bytes {
        match self {
            Self::Borrowed(bytes) => copied(bytes),
            Self::Owned(bytes) => bytes,
        }
    }
}

impl std::ops::Deref for ReceivedBody<'_> {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        match self {
            Self::Borrowed(bytes) => bytes,
            Self::Owned(bytes) => bytes,
        }
    }
}

impl ReceivedEnvelope<'_> {
    /// The envelope to be kept.
    #[inline]
    pub fn into_envelope(self) -> Envelope {
        Envelope {
            header: self.header,
            body: self.body.into_bytes(),
        }
    }
}

impl From<Envelope> for ReceivedEnvelope<'_> {
    #[inline]
    fn from(envelope: Envelope) -> Self {
        Self {
            header: envelope.header,
            body: ReceivedBody::Owned(envelope.body),
        }
    }
}

/// Where a body is.
enum Place {
    /// In the buffer.
    Short(Range<usize>),
    /// Out of it.
    Long(Bytes),
}

/// Cuts the bytes of one direction of a connection into envelopes, over the change of framing.
#[derive(Debug)]
pub struct InboundDecoder {
    direction: Direction,
    compression: Option<Compression>,
    /// Cuts bare envelopes; with segments, cuts their payloads.
    envelopes: EnvelopeDecoder,
    segments: Option<SegmentDecoder>,
    /// Whether what `envelopes` holds came in segments that are not self-contained.
    spread: bool,
}

impl InboundDecoder {
    /// A decoder for a new connection, on which envelopes of this direction arrive.
    pub fn new(direction: Direction) -> Self {
        Self {
            direction,
            compression: None,
            envelopes: EnvelopeDecoder::new(),
            segments: None,
            spread: false,
        }
    }

    /// Where received bytes are to be appended.
    pub fn buffer(&mut self) -> &mut BytesMut {
        match &mut self.segments {
            Some(segments) => segments.buffer(),
            None => self.envelopes.buffer(),
        }
    }

    /// Bytes that are still missing for the envelope or segment begun (or for its header); 0 when one is complete.
    pub fn missing(&self) -> usize {
        match &self.segments {
            Some(segments) => segments.missing(),
            None => self.envelopes.missing(),
        }
    }

    /// From here on envelopes may be compressed in this way (v3, v4, DSE).
    pub fn set_compression(&mut self, compression: Option<Compression>) {
        self.compression = compression;
    }

    /// From here on everything arrives in segments (v5), bytes that are in the buffer already included. To be called
    /// between envelopes: as soon as the one came out that changes the framing.
    pub fn start_segments(&mut self, compression: Option<Compression>) {
        let rest = self.envelopes.take_rest();
        self.segments = Some(SegmentDecoder::with_buffer(compression, rest));
    }

    /// The next complete envelope; `None` until more bytes arrive.
    ///
    /// # Errors
    /// [`ProtocolError`] when header, checksum or compression are not acceptable. The stream cannot be followed any
    /// further.
    #[expect(
        clippy::should_implement_trait,
        reason = "no iterator: after None it goes on when bytes arrive"
    )]
    pub fn next(&mut self) -> Result<Option<Envelope>, ProtocolError> {
        match self.next_void() {
            Some(void) => Ok(Some(void)),
            None => self.next_with(|envelope| envelope.into_envelope()),
        }
    }

    /// The next envelope, if it is a plain RESULT of kind Void (v4 §4.2.5.1), which most answers to writes are: a shorter way
    /// to what [`InboundDecoder::next`] gives. `None` for anything else, which stays.
    #[inline]
    pub fn next_void(&mut self) -> Option<Envelope> {
        if self.direction != Direction::Response {
            return None;
        }
        let (header, body) = self.envelopes.next_void()?;
        self.spread = self.spread && !self.envelopes.is_idle();
        Some(Envelope { header, body })
    }

    /// Shows the next complete envelope where it lies, before it is cut off; `None` until more bytes arrive.
    ///
    /// # Errors
    /// As [`InboundDecoder::next`].
    #[inline]
    pub fn next_with<T>(
        &mut self,
        take: impl FnOnce(ReceivedEnvelope<'_>) -> T,
    ) -> Result<Option<T>, ProtocolError> {
        loop {
            let found = match self.envelopes.begin_short()? {
                Some((header, place)) => Some((header, Place::Short(place))),
                None => self
                    .envelopes
                    .next_long()
                    .map(|(header, body)| (header, Place::Long(body))),
            };
            // One call of `take`, which is large where it is a part of this.
            if let Some((header, place)) = found {
                let (body, short) = match place {
                    Place::Short(place) => {
                        let body = ReceivedBody::Borrowed(self.envelopes.short(place.clone()));
                        (body, Some(place))
                    }
                    Place::Long(body) => (ReceivedBody::Owned(body), None),
                };
                let taken = self.accept(header, body).map(take);
                if let Some(place) = short {
                    self.envelopes.end_short(place);
                }
                self.spread = self.spread && !self.envelopes.is_idle();
                return taken.map(Some);
            }
            let Some(segments) = &mut self.segments else {
                return Ok(None);
            };
            if !self.spread && !self.envelopes.is_idle() {
                return Err(ProtocolError::Malformed(
                    "a self-contained segment ends within an envelope",
                ));
            }
            match segments.next_bytes()? {
                None => return Ok(None),
                Some((payload, true)) => {
                    if !self.envelopes.is_idle() {
                        return Err(ProtocolError::Malformed(
                            "a self-contained segment within an envelope that is spread over several",
                        ));
                    }
                    self.spread = false;
                    *self.envelopes.buffer() = payload;
                }
                Some((payload, false)) => {
                    self.spread = true;
                    // Room for the whole body at once, or for as much as is believed before it arrives.
                    let missing = self.envelopes.missing().min(BELIEVED_LENGTH);
                    let buffer = self.envelopes.buffer();
                    buffer.reserve(missing.max(payload.len()));
                    buffer.extend_from_slice(&payload);
                }
            }
        }
    }

    #[inline]
    fn accept<'a>(
        &self,
        mut header: EnvelopeHeader,
        body: ReceivedBody<'a>,
    ) -> Result<ReceivedEnvelope<'a>, ProtocolError> {
        if header.direction != self.direction {
            return Err(ProtocolError::WrongDirection);
        }
        let compressed = header.flags.has(EnvelopeFlags::COMPRESSED);
        header.flags = header.flags.without(EnvelopeFlags::COMPRESSED);
        let body = match (
            compressed && !header.version.features().segments,
            self.compression,
        ) {
            (false, _) => body,
            (true, Some(compression)) => ReceivedBody::Owned(compression.decompress(&body)?),
            (true, None) => return Err(ProtocolError::UnexpectedCompression),
        };
        header.length = body.len();
        Ok(ReceivedEnvelope { header, body })
    }
}

#[cfg(test)]
mod tests;
