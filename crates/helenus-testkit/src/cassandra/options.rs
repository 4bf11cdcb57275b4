//! What a cluster shall be like.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value;

use super::address::AddressPrefix;
use super::progress::Progress;
use super::tls::TlsMode;
use super::topology::Topology;
use super::version::CassandraVersion;

/// The wishes for a cluster; [`Cluster::start`](super::Cluster::start) turns them into one.
///
/// The default is one node of Cassandra 5.0 at 127.0.0.1 without authentication and TLS, with 512 MiB of heap.
#[derive(Clone, Debug)]
pub struct ClusterOptions {
    pub(crate) version: CassandraVersion,
    pub(crate) topology: Topology,
    pub(crate) prefix: AddressPrefix,
    pub(crate) first_host: u8,
    pub(crate) authentication: bool,
    pub(crate) authorization: bool,
    pub(crate) tls: TlsMode,
    pub(crate) user_defined_functions: bool,
    pub(crate) materialized_views: bool,
    pub(crate) sasi_indexes: bool,
    pub(crate) dynamic_data_masking: bool,
    pub(crate) limits: ProtocolLimits,
    pub(crate) heap_mib: u32,
    pub(crate) num_tokens: u32,
    pub(crate) yaml: Vec<(String, Value)>,
    pub(crate) jvm: Vec<String>,
    pub(crate) directory: Option<PathBuf>,
    pub(crate) start_timeout: Duration,
    pub(crate) progress: Progress,
}

/// Limits a node sets on its clients; `None` leaves Cassandra's own.
///
/// No version here can be told the highest protocol version to offer (the setting of that name has had no effect since 4.0);
/// [`allow_older_protocols`](Self::allow_older_protocols) cuts from below.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProtocolLimits {
    /// Largest envelope, in MiB.
    pub max_frame_size_mib: Option<u32>,
    /// Largest message of several segments or frames, in bytes; not in 4.0. At most the data in flight.
    pub max_message_size: Option<u64>,
    /// Bytes of requests being worked on, of all clients together.
    pub max_request_data_in_flight: Option<u64>,
    /// Bytes of requests being worked on, of one client address.
    pub max_request_data_in_flight_per_ip: Option<u64>,
    /// Client connections at a time.
    pub max_concurrent_connections: Option<u32>,
    /// Client connections at a time from one address.
    pub max_concurrent_connections_per_ip: Option<u32>,
    /// Requests worked on at the same time.
    pub max_threads: Option<u32>,
    /// Requests in a second, over which a node answers OVERLOADED; not in 4.0.
    pub max_requests_per_second: Option<u32>,
    /// `false` refuses protocols below the newest.
    pub allow_older_protocols: Option<bool>,
}

impl Default for ClusterOptions {
    fn default() -> Self {
        Self {
            version: CassandraVersion::default(),
            topology: Topology::default(),
            prefix: AddressPrefix::default(),
            first_host: 1,
            authentication: false,
            authorization: false,
            tls: TlsMode::Off,
            user_defined_functions: false,
            materialized_views: false,
            sasi_indexes: false,
            dynamic_data_masking: false,
            limits: ProtocolLimits::default(),
            heap_mib: 512,
            num_tokens: 16,
            yaml: Vec::new(),
            jvm: Vec::new(),
            directory: None,
            start_timeout: Duration::from_secs(180),
            progress: Progress::default(),
        }
    }
}

impl ClusterOptions {
    /// The default options with another version.
    pub fn new(version: CassandraVersion) -> Self {
        Self {
            version,
            ..Self::default()
        }
    }

    /// Datacenters and racks, and with them the number of nodes (default: one node in dc1, rack1).
    pub fn topology(mut self, topology: Topology) -> Self {
        self.topology = topology;
        self
    }

    /// The first three numbers of the nodes' addresses (default 127.0.0).
    pub fn address_prefix(mut self, prefix: AddressPrefix) -> Self {
        self.prefix = prefix;
        self
    }

    /// The last number of node 1's address; the following nodes count on from it (default 1).
    pub fn first_host(mut self, host: u8) -> Self {
        self.first_host = host.max(1);
        self
    }

    /// Clients have to log in (`PasswordAuthenticator`); `cassandra`/`cassandra` is the first role.
    pub fn authentication(mut self, on: bool) -> Self {
        self.authentication = on;
        self
    }

    /// Roles need permissions (`CassandraAuthorizer`); switches authentication on too.
    pub fn authorization(mut self, on: bool) -> Self {
        self.authorization = on;
        self.authentication |= on;
        self
    }

    /// Whether clients connect by TLS, and whether they need a certificate (default: plain connections).
    pub fn tls(mut self, mode: TlsMode) -> Self {
        self.tls = mode;
        self
    }

    /// Allows user-defined functions and aggregates.
    pub fn user_defined_functions(mut self, on: bool) -> Self {
        self.user_defined_functions = on;
        self
    }

    /// Allows materialized views.
    pub fn materialized_views(mut self, on: bool) -> Self {
        self.materialized_views = on;
        self
    }

    /// Allows SASI indexes.
    pub fn sasi_indexes(mut self, on: bool) -> Self {
        self.sasi_indexes = on;
        self
    }

    /// Allows masked columns; versions before 5.0 have none.
    pub fn dynamic_data_masking(mut self, on: bool) -> Self {
        self.dynamic_data_masking = on;
        self
    }

    /// Allows all that is off by default: user-defined functions, materialized views, SASI indexes and, since 5.0, masked columns.
    pub fn all_features(self) -> Self {
        self.user_defined_functions(true)
            .materialized_views(true)
            .sasi_indexes(true)
            .dynamic_data_masking(true)
    }

    /// Limits on clients.
    pub fn limits(mut self, limits: ProtocolLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Heap of each node, in MiB (default 512; a node takes some 300 MiB beside it).
    pub fn heap_mib(mut self, mib: u32) -> Self {
        self.heap_mib = mib.max(128);
        self
    }

    /// Tokens of each node (default 16). The first nodes get evenly spaced ones.
    pub fn num_tokens(mut self, tokens: u32) -> Self {
        self.num_tokens = tokens.clamp(1, 1024);
        self
    }

    /// Sets any key of cassandra.yaml, over everything else; dots lead into maps, as in `client_encryption_options.optional`.
    pub fn yaml(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        self.yaml.push((key.into(), value.into()));
        self
    }

    /// Adds an argument for the Java virtual machine, such as `-Dcassandra.ring_delay_ms=500`.
    pub fn jvm(mut self, argument: impl Into<String>) -> Self {
        self.jvm.push(argument.into());
        self
    }

    /// Where the nodes' directories go (default: a new one among the temporary files). It must not exist, and is removed
    /// with the cluster.
    pub fn directory(mut self, directory: impl Into<PathBuf>) -> Self {
        self.directory = Some(directory.into());
        self
    }

    /// How long a node may take to be ready (default 180 s).
    pub fn start_timeout(mut self, timeout: Duration) -> Self {
        self.start_timeout = timeout;
        self
    }

    /// Where messages about long steps go (default: nowhere).
    pub fn progress(mut self, progress: Progress) -> Self {
        self.progress = progress;
        self
    }
}
