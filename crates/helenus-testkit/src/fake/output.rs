//! The sending half of a fake node's connection: answers to bytes, in the framing of the moment.
//!
//! Native protocol v3, v4 §2; v5 §2. Bare envelopes until STARTUP is answered, then segments in v5.

use std::io;

use helenus_protocol::{Compression, ProtocolVersion, SegmentEncoder};
use tokio::io::AsyncWriteExt;
use tokio::net::tcp::OwnedWriteHalf;

use super::action::Corruption;
use super::reply::Reply;

/// How envelopes travel.
#[derive(Debug)]
enum Framing {
    /// Bare; bodies are compressed in this way (v3, v4, DSE).
    Envelopes(Option<Compression>),
    /// In segments.
    Segments(Option<Compression>),
}

/// Writes answers. Once closed it swallows them.
#[derive(Debug)]
pub(super) struct Output {
    socket: Option<OwnedWriteHalf>,
    framing: Framing,
}

impl Output {
    pub(super) fn new(socket: OwnedWriteHalf) -> Self {
        Self {
            socket: Some(socket),
            framing: Framing::Envelopes(None),
        }
    }

    /// What STARTUP agreed on holds for everything from here on.
    pub(super) fn change_framing(&mut self, version: ProtocolVersion, compression: Option<Compression>) {
        self.framing = match version.features().segments {
            true => Framing::Segments(compression),
            false => Framing::Envelopes(compression),
        };
    }

    /// The bytes of an answer as they would travel. An answer that this version cannot express is a fault of the script
    /// and comes back as the error's text.
    pub(super) fn encode(
        &self,
        reply: &Reply,
        version: ProtocolVersion,
        stream: i16,
        compressed: bool,
    ) -> Result<Vec<u8>, String> {
        let (body_compression, segments) = match self.framing {
            Framing::Envelopes(compression) => (compression.filter(|_| compressed), None),
            Framing::Segments(compression) => (None, Some(compression)),
        };
        let mut envelope = Vec::new();
        reply
            .0
            .encode(version, stream, body_compression, &mut envelope)
            .map_err(|error| error.to_string())?;
        let Some(compression) = segments else {
            return Ok(envelope);
        };
        let mut out = Vec::new();
        let mut encoder = SegmentEncoder::new(compression);
        if !compressed {
            encoder = encoder.without_compressing();
        }
        encoder.encode(&envelope, &mut out);
        Ok(out)
    }

    /// Makes one bit of an encoded segment wrong; before v5 nothing.
    pub(super) fn corrupt(&self, corruption: Corruption, bytes: &mut [u8]) {
        let header = match self.framing {
            Framing::Envelopes(_) => return,
            Framing::Segments(None) => 3,
            Framing::Segments(Some(_)) => 5,
        };
        let index = match corruption {
            Corruption::HeaderChecksum => header,
            // The checksum of the header takes three bytes.
            Corruption::Payload => header + 3,
        };
        if let Some(byte) = bytes.get_mut(index) {
            *byte ^= 0x01;
        }
    }

    pub(super) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.socket {
            Some(socket) => socket.write_all(bytes).await,
            None => Ok(()),
        }
    }

    /// Sends FIN, or RST.
    pub(super) fn close(&mut self, reset: bool) {
        if let Some(socket) = self.socket.take()
            && reset
        {
            // Without lingering, closing throws away what is unsent and resets the connection. A failure means that the
            // connection is gone already.
            let _ = socket2::SockRef::from(socket.as_ref()).set_linger(Some(std::time::Duration::ZERO));
            // Only the last half that goes closes the socket, and it must not say FIN before.
            socket.forget();
        }
    }
}
