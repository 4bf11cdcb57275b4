//! Why a connection could not be opened, was lost, or did not take or answer a request.
//!
//! Invariant: each error tells whether the request was sent. [`SubmitError`]: certainly not. [`AttemptFailure`]: it may
//! have been, and the statement may have been applied, except where it says otherwise.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use helenus_protocol::{EncodeError, ProtocolError, ServerError};

use super::Endpoint;
use crate::auth::AuthError;
use crate::tls::TlsError;

/// A connection could not be opened.
#[derive(Clone, Debug, thiserror::Error)]
#[error("cannot connect to {endpoint} (while {step}): {kind}")]
pub struct ConnectError {
    /// The node.
    pub endpoint: Endpoint,
    /// How far it came.
    pub step: ConnectStep,
    /// What went wrong.
    #[source]
    pub kind: ConnectErrorKind,
}

/// A step on the way to an open connection, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ConnectStep {
    /// Connecting the transport, TLS included.
    Connecting,
    /// OPTIONS was sent.
    Options,
    /// STARTUP was sent.
    Startup,
    /// AUTHENTICATE was answered.
    Authentication,
    /// REGISTER was sent.
    Register,
    /// `USE` was sent.
    UseKeyspace,
    /// A node that was lost before was asked who it is.
    Identity,
}

impl std::fmt::Display for ConnectStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Connecting => "connecting",
            Self::Options => "waiting for SUPPORTED",
            Self::Startup => "waiting for the answer to STARTUP",
            Self::Authentication => "authenticating",
            Self::Register => "registering for events",
            Self::UseKeyspace => "setting the keyspace",
            Self::Identity => "asking who it is",
        })
    }
}

/// What went wrong on the way to an open connection.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectErrorKind {
    /// The time for connect and handshake together ran out.
    #[error("not done within {limit:?}")]
    Timeout {
        /// The limit.
        limit: Duration,
    },
    /// The operating system refused.
    #[error("{0}")]
    Io(#[source] Arc<io::Error>),
    /// There is no TLS with the peer.
    #[error("{0}")]
    Tls(#[source] Arc<TlsError>),
    /// The peer closed the connection.
    #[error("the peer closed the connection")]
    ClosedByPeer,
    /// What answers is no Cassandra, or asks for TLS.
    #[error("the peer does not speak the native protocol of Cassandra: {reason}")]
    NotCassandra {
        /// What gave it away.
        reason: String,
    },
    /// Server and client have no protocol version in common.
    #[error("no protocol version in common; tried {tried}; the server said: {answer}")]
    NoCommonVersion {
        /// The versions tried.
        tried: String,
        /// The last answer of the server.
        answer: String,
    },
    /// The server answered with ERROR.
    #[error("the server answered {0}")]
    Server(#[source] Arc<ServerError>),
    /// The server refused the credentials.
    #[error("authentication failed: {0}")]
    AuthenticationFailed(#[source] Arc<ServerError>),
    /// The server asks for authentication and no provider is set.
    #[error("the server asks for authentication by {authenticator}, and no authentication provider is set")]
    AuthenticationRequired {
        /// The server's authenticator class.
        authenticator: String,
    },
    /// The authentication provider failed.
    #[error("the authentication provider failed: {0}")]
    AuthProvider(#[source] AuthError),
    /// The server kept sending challenges.
    #[error("the server sent more than {limit} authentication challenges")]
    TooManyChallenges {
        /// The limit.
        limit: usize,
    },
    /// The peer's bytes break the protocol.
    #[error("{0}")]
    Protocol(#[source] ProtocolError),
    /// The peer answered with a message that has no place here.
    #[error("unexpected {found} message")]
    UnexpectedMessage {
        /// The opcode, in words.
        found: String,
    },
    /// Another cluster has taken over the address.
    #[error("it belongs to the cluster {found:?}, not to {expected:?}")]
    OtherCluster {
        /// The name of the cluster that answers.
        found: String,
        /// The name of the cluster that is connected to.
        expected: String,
    },
    /// Another node of the cluster has taken over the address.
    #[error("it is the node {found}, not {expected}")]
    OtherNode {
        /// The host id of the node that answers.
        found: uuid::Uuid,
        /// The host id of the node that was there before.
        expected: uuid::Uuid,
    },
    /// A request of the handshake could not be encoded.
    #[error("{0}")]
    Encode(#[source] EncodeError),
}

/// A connection was closed, and why. All its unanswered requests fail with it.
#[derive(Clone, Debug, thiserror::Error)]
#[error("connection to {endpoint} closed: {cause}")]
pub struct ConnectionError {
    /// The node.
    pub endpoint: Endpoint,
    /// Why.
    #[source]
    pub cause: CloseCause,
}

/// Why a connection was closed.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CloseCause {
    /// Reading or writing failed.
    #[error("{0}")]
    Io(#[source] Arc<io::Error>),
    /// The peer closed it.
    #[error("the peer closed the connection")]
    ClosedByPeer,
    /// The peer's bytes break the protocol.
    #[error("{0}")]
    Protocol(#[source] ProtocolError),
    /// An answer arrived on a stream that has no open request.
    #[error("answer on stream {stream}, which has no open request")]
    UnknownStream {
        /// The stream id.
        stream: i16,
    },
    /// The server reported an error that belongs to no request.
    #[error("the server reported {0}")]
    Server(#[source] Arc<ServerError>),
    /// The server answered nothing, not even a heartbeat.
    #[error("no answer to a heartbeat within {timeout:?}")]
    HeartbeatTimeout {
        /// The limit.
        timeout: Duration,
    },
    /// The driver closed it.
    #[error("closed by the driver: {0}")]
    Requested(CloseReason),
    /// The runtime that ran it was shut down.
    #[error("the runtime of the connection was shut down")]
    RuntimeShutDown,
}

/// Why the driver itself closes a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CloseReason {
    /// The session or cluster is shut down.
    Shutdown,
    /// The node left, is ignored now, or was forced down.
    NodeRemoved,
    /// Too many answers are overdue; another connection took its place.
    TooManyOrphans,
    /// The pool needs fewer connections.
    Surplus,
    /// The keyspace could not be set on it.
    KeyspaceNotSet,
    /// Nobody holds it any more.
    Dropped,
}

impl std::fmt::Display for CloseReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Shutdown => "shutdown",
            Self::NodeRemoved => "node removed",
            Self::TooManyOrphans => "too many overdue answers",
            Self::Surplus => "surplus in its pool",
            Self::KeyspaceNotSet => "keyspace not set",
            Self::Dropped => "no longer used",
        })
    }
}

/// A request was not sent, and nothing of it is on the connection.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SubmitError {
    /// The connection is closed.
    #[error("not sent: {0}")]
    Closed(#[source] Arc<ConnectionError>),
    /// The connection is about to close and takes no more requests.
    #[error("not sent: the connection is draining")]
    Draining,
    /// As many requests are in flight as may be.
    #[error("not sent: all stream ids are taken")]
    StreamsExhausted,
    /// The server does not read, and the bounded write buffer is full.
    #[error("not sent: the write buffer is full")]
    WriteBufferFull,
    /// The request cannot be encoded, on this protocol version or at all.
    #[error("not sent: {0}")]
    Encode(#[source] EncodeError),
}

/// A request was handed to the connection and got no answer. Unless it was [`AttemptFailure::NotSent`] it may have been
/// applied.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AttemptFailure {
    /// Its deadline passed. The stream id stays reserved until the late answer arrives.
    #[error("no answer in time")]
    TimedOut,
    /// The connection closed first. The request may have reached the node.
    #[error("{0}")]
    ConnectionLost(#[source] Arc<ConnectionError>),
    /// The connection closed before a byte of the request was written.
    #[error("not sent: {0}")]
    NotSent(#[source] Arc<ConnectionError>),
}
