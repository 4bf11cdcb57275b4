//! What a connection receives with: bytes in, whole decompressed envelopes out.
//!
//! Before STARTUP is answered envelopes come bare (v5 §2.3.1); afterwards v3, v4 and DSE may compress bodies (v4 §5), and v5
//! wraps everything into segments. Native protocol v3 and v4 §2 and §5, v5 §2.
//! Invariant: a body in an [`Envelope`] is not compressed, and its flags say so.

use bytes::{Bytes, BytesMut};

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
        loop {
            if self.direction == Direction::Response
                && let Some((header, body)) = self.envelopes.next_void()
            {
                self.spread = self.spread && !self.envelopes.is_idle();
                return Ok(Some(Envelope { header, body }));
            }
            if let Some((header, body)) = self.envelopes.next_envelope()? {
                self.spread = self.spread && !self.envelopes.is_idle();
                return self.accept(header, body).map(Some);
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

    fn accept(&mut self, mut header: EnvelopeHeader, body: Bytes) -> Result<Envelope, ProtocolError> {
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
            (true, Some(compression)) => compression.decompress(&body)?,
            (true, None) => return Err(ProtocolError::UnexpectedCompression),
        };
        header.length = body.len();
        Ok(Envelope { header, body })
    }
}

#[cfg(test)]
mod tests;
