//! What a connection is to be like.

use std::sync::Arc;
use std::time::Duration;

use helenus_protocol::{Compression, EventKind, ProtocolVersion, Startup};

use super::events::EventSender;
use super::transport::{Connector, TcpConnector, TcpOptions};
use crate::auth::AuthProvider;
use crate::observe::PoolMeter;

/// What a connection is to be like. Shared by all connections of one kind.
#[derive(Clone, Debug)]
pub(crate) struct ConnectionConfig {
    /// Which protocol version to speak.
    pub(crate) version: VersionChoice,
    /// Compressions in the order of preference; the first that server and protocol version offer is taken, none when
    /// there is none.
    pub(crate) compression: Vec<Compression>,
    /// What STARTUP carries beside COMPRESSION; see [`ConnectionConfig::default`].
    pub(crate) startup: Startup,
    /// Asked when the server wants authentication.
    pub(crate) auth_provider: Option<Arc<dyn AuthProvider>>,
    /// Limits connect, TLS, negotiation and handshake, all together.
    pub(crate) connect_timeout: Duration,
    /// After this long without a byte from the server a heartbeat is sent; `None` sends none.
    pub(crate) heartbeat_interval: Option<Duration>,
    /// After this long without a byte from the server since the heartbeat the connection is closed.
    pub(crate) heartbeat_timeout: Duration,
    /// Requests in flight at once, overdue ones included; at most 32,767: one
    /// stream id is kept for heartbeats.
    pub(crate) max_in_flight: usize,
    /// With more overdue answers than this the connection asks to be replaced
    /// ([`Connection::worn_out`](super::Connection::worn_out)).
    pub(crate) max_orphans: usize,
    /// Bytes that may wait to be written before requests are refused. One request may go beyond it.
    pub(crate) write_buffer_limit: usize,
    /// Keyspace that the connection starts with.
    pub(crate) keyspace: Option<String>,
    /// Where events go. REGISTER is sent when there is a sender and `event_kinds` is not empty.
    pub(crate) events: Option<EventSender>,
    /// The kinds of events asked for.
    pub(crate) event_kinds: Vec<EventKind>,
    /// What its bytes and requests are counted in.
    pub(crate) meter: Option<Arc<PoolMeter>>,
    /// Makes the transport: TCP, TLS, ...
    pub(crate) connector: Arc<dyn Connector>,
}

/// The most that [`ConnectionConfig::max_in_flight`] allows.
pub(super) const MAX_IN_FLIGHT: usize = helenus_protocol::StreamId::COUNT - 1;

/// Which protocol version to speak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum VersionChoice {
    /// This one and no other.
    Explicit(ProtocolVersion),
    /// The first of these that the server speaks as well. DSE versions are taken only when the server says that it
    /// speaks them.
    Negotiate(Vec<ProtocolVersion>),
}

impl VersionChoice {
    /// Everything that this driver speaks, the best first.
    pub(crate) const PREFERENCE: [ProtocolVersion; 5] = [
        ProtocolVersion::DseV2,
        ProtocolVersion::DseV1,
        ProtocolVersion::V5,
        ProtocolVersion::V4,
        ProtocolVersion::V3,
    ];
}

impl Default for VersionChoice {
    fn default() -> Self {
        Self::Negotiate(Self::PREFERENCE.to_vec())
    }
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        Self {
            version: VersionChoice::default(),
            compression: Vec::new(),
            startup: Startup::new()
                .with(Startup::DRIVER_NAME, "Helenus")
                .with(Startup::DRIVER_VERSION, env!("CARGO_PKG_VERSION")),
            auth_provider: None,
            connect_timeout: Duration::from_secs(5),
            heartbeat_interval: Some(Duration::from_secs(30)),
            heartbeat_timeout: Duration::from_secs(10),
            max_in_flight: 2048,
            max_orphans: 512,
            write_buffer_limit: 16 * 1024 * 1024,
            keyspace: None,
            events: None,
            event_kinds: EventKind::ALL.to_vec(),
            meter: None,
            connector: Arc::new(TcpConnector::new(TcpOptions::default())),
        }
    }
}
