//! What a fake node can be told to do with a request: the ordinary and the faulty.

use std::sync::Arc;

use bytes::Bytes;
use helenus_protocol::ProtocolVersion;
use tokio::sync::watch;

use super::pages::Pages;
use super::reply::Reply;

/// One step of what happens to a request. Steps run in order; a request without steps is never answered.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Action {
    /// What the node does when no handler speaks up.
    Default,
    /// Answer.
    Reply(Reply),
    /// Answer on another stream id than the request's. A negative one is sent as it is.
    ReplyOnStream(i16, Reply),
    /// Answer in another protocol version than the connection's.
    ReplyInVersion(ProtocolVersion, Reply),
    /// Answer without compression on a connection that negotiated one (allowed in every version).
    ReplyUncompressed(Reply),
    /// v5: answer in a segment of which this part is wrong. Before v5, where nothing is checked, an ordinary answer.
    ReplyCorrupted(Corruption, Reply),
    /// Send the first `keep` bytes of the answer as it would travel, then close the connection.
    ReplyCut {
        /// How many bytes are sent.
        keep: usize,
        /// The answer.
        reply: Reply,
    },
    /// Send the answer in pieces of `size` bytes, each written by itself.
    ReplyInPieces {
        /// Bytes in a piece, at least 1.
        size: usize,
        /// The answer.
        reply: Reply,
    },
    /// Send these bytes as they are, outside of every framing.
    Bytes(Bytes),
    /// Answer by one page after the other (DSE), if the request asks for continuous paging.
    Pages(Pages),
    /// Wait until the gate is open. Other requests of the connection go on meanwhile.
    Hold(Gate),
    /// Read nothing more from this connection until the gate is open. Further steps run at once.
    StopReading(Gate),
    /// Close the connection.
    Close,
    /// Close the connection with a TCP reset.
    Reset,
}

impl From<Reply> for Action {
    fn from(reply: Reply) -> Self {
        Self::Reply(reply)
    }
}

/// Which part of a v5 segment is made wrong, by one bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Corruption {
    /// The checksum of the header.
    HeaderChecksum,
    /// A byte of the payload, so that its checksum no longer fits.
    Payload,
}

/// Holds requests back until a test lets them go. Clones are the same gate; once open it stays open.
#[derive(Clone, Debug)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    /// Lets everything through, now and later.
    pub fn open(&self) {
        self.0.send_replace(true);
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        *self.0.borrow()
    }

    /// Returns when the gate is open.
    ///
    /// # Cancel safety
    /// Nothing is lost when the future is dropped.
    pub async fn opened(&self) {
        // The sender lives as long as this borrow, so waiting cannot fail.
        let _ = self.0.subscribe().wait_for(|open| *open).await;
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}
