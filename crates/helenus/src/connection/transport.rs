//! The seam between a connection and what carries its bytes.
//!
//! Nothing above this file knows a socket: a transport is something to read from, in the I/O task, and something that
//! any thread may try to write to. TCP, Unix domain sockets and TLS are here; others stand on the same traits.

mod tcp;
mod tls;

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::AsyncRead;

pub(crate) use tcp::{TcpConnector, TcpOptions};
pub(crate) use tls::TlsConnector;

use super::Endpoint;

/// A transport on its way.
pub(crate) type ConnectFuture<'a> = Pin<Box<dyn Future<Output = io::Result<Transport>> + Send + 'a>>;

/// Makes transports. Runs within a tokio runtime.
pub(crate) trait Connector: fmt::Debug + Send + Sync {
    /// Connects to `endpoint`, whatever else belongs to it (a TLS handshake) included. Dropping the future gives up.
    fn connect<'a>(&'a self, endpoint: &'a Endpoint) -> ConnectFuture<'a>;
}

/// A connected pair of byte streams.
pub(crate) struct Transport {
    /// The bytes from the peer.
    pub(crate) read: Box<dyn AsyncRead + Send + Unpin>,
    /// The bytes to the peer.
    pub(crate) write: Box<dyn TransportWrite>,
    /// The local address, where there is one.
    pub(crate) local_address: Option<SocketAddr>,
    /// Whether nobody on the way can read along.
    pub(crate) encrypted: bool,
}

/// The side of a transport that is written to, by any thread, in or outside of a runtime, one at a time.
pub(crate) trait TransportWrite: Send + Sync {
    /// Writes some bytes at once, and says how many.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when none can be written now; [`TransportWrite::poll_write_ready`] tells when.
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize>;

    /// The same, of several pieces that follow each other; some of them may be empty, not all.
    ///
    /// # Errors
    /// As [`TransportWrite::try_write`].
    fn try_write_vectored(&self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        let first = pieces.iter().find(|piece| !piece.is_empty());
        self.try_write(first.map_or(&[], |piece| piece))
    }

    /// Sends what [`TransportWrite::try_write`] took and holds back, such as TLS records.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when not everything can be sent now.
    fn try_flush(&self) -> io::Result<()> {
        Ok(())
    }

    /// Whether it is worthwhile to try again; wakes the task when it becomes so. Called by the I/O task only.
    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;

    /// Ends the stream in both directions. Errors are of no interest any more.
    fn shutdown(&self);
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("local_address", &self.local_address)
            .finish_non_exhaustive()
    }
}
