//! Connections: one transport to one node, with many requests in flight.
//!
//! ```text
//!   submit ──▶ shared (outbox: stream ids, write buffer) ──▶ writer ──▶ transport ──▶ node
//!     │             ▲ flush, deadlines, heartbeats                          │
//!     ▼             │                                                       │
//!   pending ◀── slab (a slot for each stream id) ◀── io_task ◀── transport ◀┘
//! ```
//! `open` connects and runs `handshake` and `negotiation`, which like `heartbeat` and `slab` know neither clock nor socket.
//! Native protocol v3, v4 and v5 §2 and §4.1.
//!
//! Invariants: a stream id is given out again only after its answer has arrived. Each submitted request completes exactly
//! once: with its answer, by its deadline, or with the cause that closed the connection.

mod config;
mod endpoint;
mod error;
mod events;
mod flushing;
mod handshake;
mod heartbeat;
pub(crate) mod hold;
mod io_task;
mod lend;
mod negotiation;
mod open;
mod outbox;
mod owner;
mod pages;
mod pending;
mod read_buffer;
mod shared;
mod slab;
mod sync;
pub(crate) mod transport;
mod unseen;
mod writer;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use helenus_protocol::{Compression, EncodeError, InboundDecoder, ProtocolVersion, SegmentEncoder};
use tokio::runtime::{Handle, RuntimeFlavor};

pub(crate) use config::ConnectionConfig;
pub(crate) use config::VersionChoice;
pub use endpoint::Endpoint;
pub use error::{
    AttemptFailure, CloseCause, CloseReason, ConnectError, ConnectErrorKind, ConnectStep, ConnectionError,
    SubmitError,
};
pub(crate) use events::{EventReceiver, Heard, events};
pub(crate) use handshake::ServerOptions;
pub(crate) use lend::{LARGE, Lend, Lent, Nothing};
pub(crate) use owner::Owner;
pub(crate) use pages::{NoPage, PageLimits, PageSession};
pub(crate) use pending::PendingResponse;
pub(crate) use shared::EncodeContext;

use crate::clock::Moment;
use handshake::Established;
use io_task::IoTask;
use shared::{Shared, Submitter};
use transport::Transport;
use writer::Writer;

/// An open connection to one node. Cheap to clone; closed when the last clone is dropped and nobody waits any more.
#[derive(Clone)]
pub(crate) struct Connection {
    shared: Arc<Shared>,
    _handle: Arc<CloseOnDrop>,
}

impl Connection {
    /// A connection after its handshake. Spawns its I/O task on the current runtime.
    fn start(
        endpoint: Endpoint,
        established: Established,
        config: Arc<ConnectionConfig>,
        transport: Transport,
        decoder: InboundDecoder,
        segments: Option<SegmentEncoder>,
    ) -> Self {
        let Transport { read, write, .. } = transport;
        tracing::debug!(
            node = %endpoint,
            version = %established.version,
            compression = established.compression.map(Compression::name),
            "connection opened"
        );
        let among_others = Handle::current().runtime_flavor() != RuntimeFlavor::CurrentThread;
        let shared = Arc::new(Shared::new(
            endpoint,
            established,
            config,
            Writer::new(write, segments),
            among_others,
        ));
        tokio::spawn(IoTask::new(Arc::clone(&shared), read, decoder, among_others));
        Self {
            _handle: Arc::new(CloseOnDrop(Arc::clone(&shared))),
            shared,
        }
    }

    /// Opens a connection, and spawns its I/O task on the current tokio runtime.
    ///
    /// # Errors
    /// [`ConnectError`], with the step at which it happened.
    ///
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    pub(crate) async fn open(
        endpoint: &Endpoint,
        config: &Arc<ConnectionConfig>,
    ) -> Result<Self, ConnectError> {
        let opened = open::open(endpoint, config).await;
        if let Some(meter) = &config.meter {
            match &opened {
                Ok(_) => meter.connection_opened(),
                Err(_) => meter.connection_failed(),
            }
        }
        opened
    }

    /// Sends a request: takes a stream id and lets `encode` append one whole envelope to the write buffer, under one
    /// short lock. May be called by any thread, in or outside of a runtime.
    ///
    /// After `deadline` the response completes with [`AttemptFailure::TimedOut`].
    ///
    /// # Errors
    /// [`SubmitError`]: in each case nothing was sent, and the connection is as it was.
    pub(crate) fn submit<E>(
        &self,
        deadline: Option<Moment>,
        encode: E,
    ) -> Result<PendingResponse, SubmitError>
    where
        E: FnOnce(EncodeContext, &mut Vec<u8>) -> Result<(), EncodeError>,
    {
        let stream = self
            .shared
            .submit(Submitter::Request(Owner::DRIVER), deadline, &Nothing, encode)?;
        Ok(PendingResponse::new(Arc::clone(&self.shared), stream))
    }

    /// The same, of a session's request whose values may be written from where they are: where [`Lent::is_wanted`], `encode` may leave
    /// them out. What waits for the answer is put where it stays: moves of it cost more than all else that happens to it.
    ///
    /// # Errors
    /// As [`Connection::submit`].
    pub(crate) fn submit_lending<E>(
        &self,
        owner: Owner,
        deadline: Option<Moment>,
        lent: &impl Lend,
        encode: E,
        into: &mut Option<PendingResponse>,
    ) -> Result<(), SubmitError>
    where
        E: FnOnce(EncodeContext, &mut Vec<u8>) -> Result<(), EncodeError>,
    {
        let stream = self
            .shared
            .submit(Submitter::Request(owner), deadline, lent, encode)?;
        *into = Some(PendingResponse::new(Arc::clone(&self.shared), stream));
        Ok(())
    }

    /// The same, for a request that is answered by pages (DSE). The response completes with the first answer.
    ///
    /// # Errors
    /// As [`Connection::submit`].
    pub(crate) fn submit_pages<E>(
        &self,
        owner: Owner,
        deadline: Option<Moment>,
        limits: &PageLimits,
        encode: E,
    ) -> Result<(PendingResponse, PageSession), SubmitError>
    where
        E: FnOnce(EncodeContext, &mut Vec<u8>) -> Result<(), EncodeError>,
    {
        PageSession::begin(&self.shared, owner, deadline, limits, encode)
    }

    /// Requests sent and not answered, overdue ones included.
    pub(crate) fn in_flight(&self) -> usize {
        self.shared.in_flight()
    }

    /// Requests of this owner that are not answered, and that somebody waits for.
    pub(crate) fn waits_for(&self, owner: Owner) -> usize {
        self.shared.slab.count(owner)
    }

    /// Requests of this owner that are not answered fail, as if the connection were lost; others go on.
    pub(crate) fn evict(&self, owner: Owner) {
        self.shared.slab.evict(owner);
    }

    /// Answers received so far, those that nobody waited for included.
    pub(crate) fn answers(&self) -> u64 {
        self.shared.answers()
    }

    /// Requests sent that nobody waits for any more, and that are still to be answered.
    pub(crate) fn orphans(&self) -> usize {
        self.shared.orphans()
    }

    /// Whether it takes requests.
    pub(crate) fn is_open(&self) -> bool {
        self.shared.is_open()
    }

    /// Whether it has ended, and not only drains.
    pub(crate) fn is_closed(&self) -> bool {
        self.shared.error().is_some()
    }

    /// Whether it once had more overdue answers than its configuration allows, and is to be replaced.
    pub(crate) fn is_worn_out(&self) -> bool {
        self.shared.is_worn_out()
    }

    /// Whether it has ended, and nobody here had asked for it.
    pub(crate) fn was_lost(&self) -> bool {
        self.lost_by().is_some()
    }

    /// Why it was lost, if it was.
    pub(crate) fn lost_by(&self) -> Option<&Arc<ConnectionError>> {
        let error = self.shared.error();
        error.filter(|error| !matches!(error.cause, CloseCause::Requested(_)))
    }

    /// The protocol version agreed on.
    pub(crate) fn version(&self) -> ProtocolVersion {
        self.shared.established.version
    }

    /// The compression agreed on, of envelopes or, in v5, of segments.
    pub(crate) fn compression(&self) -> Option<Compression> {
        self.shared.established.compression
    }

    /// The node.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.shared.endpoint
    }

    /// What the server said that it supports, by option.
    pub(crate) fn server_options(&self) -> &ServerOptions {
        &self.shared.established.server_options
    }

    /// Closes it at once. Who still waits gets [`AttemptFailure::ConnectionLost`].
    pub(crate) fn close(&self, reason: CloseReason) {
        self.shared.close(CloseCause::Requested(reason));
    }

    /// Takes no more requests, waits until nobody waits for an answer any more, at most for `limit`, and closes.
    /// To be awaited within a runtime.
    pub(crate) async fn drain(&self, reason: CloseReason, limit: Duration) {
        self.shared.drain(reason);
        if tokio::time::timeout(limit, self.closed()).await.is_err() {
            self.close(reason);
        }
    }

    /// Waits until it is closed, and says why.
    pub(crate) async fn closed(&self) -> Arc<ConnectionError> {
        self.shared.wait_for(|shared| shared.error().cloned()).await
    }

    /// Waits until it takes no more requests: it is closed, or will be.
    pub(crate) async fn ending(&self) {
        self.shared
            .wait_for(|shared| (!shared.is_open()).then_some(()))
            .await;
    }

    /// Waits until there is room for a request, after [`SubmitError::WriteBufferFull`] or
    /// [`SubmitError::StreamsExhausted`]; also ends when the connection takes no more requests at all. Another request
    /// may be faster: submit again, and wait again. May be awaited outside of a runtime.
    pub(crate) async fn room(&self) {
        self.shared
            .wait_for(|shared| shared.has_room().then_some(()))
            .await;
    }

    /// Waits until it has too many overdue answers. Never ends when that does not happen.
    pub(crate) async fn worn_out(&self) {
        self.shared
            .wait_for(|shared| shared.is_worn_out().then_some(()))
            .await;
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("node", &self.shared.endpoint)
            .field("version", &self.version())
            .field("in_flight", &self.in_flight())
            .field("open", &self.is_open())
            .finish_non_exhaustive()
    }
}

/// Drains the connection when its last handle is dropped.
struct CloseOnDrop(Arc<Shared>);

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        self.0.drain(CloseReason::Dropped);
    }
}

#[cfg(test)]
#[cfg(not(helenus_loom))]
mod tests;
