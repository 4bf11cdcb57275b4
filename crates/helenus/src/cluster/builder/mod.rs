//! The options of a cluster, checked when it is built.

mod execution;
mod observe;
mod pools;
mod prepare;
mod reach;
mod refresh;
mod sockets;

pub use pools::WarmUp;
pub(crate) use refresh::RefreshDelays;

use std::sync::Arc;
use std::time::Duration;

use helenus_protocol::{Compression, ProtocolVersion, Startup, StreamId};
use tokio::runtime::Handle;
use uuid::Uuid;

use super::contact_point::Target;
use super::reach::{AddressTranslator, EndpointFactory, Resolver, SystemResolver};
use super::{Cluster, ContactPoint, DEFAULT_PORT};
use crate::auth::AuthProvider;
use crate::connection::transport::{Connector, TcpConnector, TcpOptions, TlsConnector};
use crate::connection::{ConnectionConfig, VersionChoice};
use crate::error::ConfigurationError;
use crate::observe::ObserveOptions;
use crate::policy::{
    ExponentialReconnection, ReconnectionPolicy, RequestThrottle, RetryBudget, TimestampGenerator, Timestamps,
};
use crate::pool::PoolConfig;
use crate::profile::ExecutionProfile;
use crate::tls::TlsOptions;

/// Describes a [`Cluster`]. Only contact points are required.
#[derive(Clone, Debug)]
#[must_use]
pub struct ClusterBuilder {
    contact_points: Vec<ContactPoint>,
    port: u16,
    local_datacenter: Option<String>,
    protocol_version: Option<ProtocolVersion>,
    compression: Vec<Compression>,
    auth_provider: Option<Arc<dyn AuthProvider>>,
    connect_timeout: Duration,
    heartbeat_interval: Option<Duration>,
    heartbeat_timeout: Duration,
    control_timeout: Duration,
    close_timeout: Duration,
    schema_agreement_timeout: Duration,
    refresh_delays: RefreshDelays,
    refresh_interval: Option<Duration>,
    schema_metadata: bool,
    token_metadata: bool,
    pool: PoolConfig,
    warm_up: WarmUp,
    queue_limit: usize,
    max_requests_per_connection: usize,
    max_orphans_per_connection: usize,
    write_buffer_limit: usize,
    tcp: TcpOptions,
    tls: Option<TlsOptions>,
    startup: Startup,
    prepare_on_all_nodes: bool,
    prepare_on_up: bool,
    prepared_cache_size: usize,
    profile: ExecutionProfile,
    other_profiles: Vec<ExecutionProfile>,
    reconnection: Arc<dyn ReconnectionPolicy>,
    timestamps: Timestamps,
    retry_budget: Option<RetryBudget>,
    request_throttle: Option<RequestThrottle>,
    named_profiles: Vec<(String, ExecutionProfile)>,
    runtime: Option<Handle>,
    observe: ObserveOptions,
    resolver: Arc<dyn Resolver>,
    translator: Option<Arc<dyn AddressTranslator>>,
    endpoint_factory: Option<Arc<dyn EndpointFactory>>,
}

/// What a cluster is to be like, checked.
#[derive(Debug)]
pub(crate) struct ClusterConfig {
    pub(super) contact_points: Vec<Target>,
    pub(crate) local_datacenter: Option<Arc<str>>,
    pub(crate) connection: ConnectionConfig,
    pub(crate) control_timeout: Duration,
    pub(crate) close_timeout: Duration,
    pub(crate) schema_agreement_timeout: Duration,
    pub(crate) refresh_delays: RefreshDelays,
    pub(crate) refresh_interval: Option<Duration>,
    pub(crate) schema_metadata: bool,
    pub(crate) token_metadata: bool,
    pub(crate) pool: PoolConfig,
    pub(crate) warm_up: WarmUp,
    pub(crate) queue_limit: usize,
    pub(crate) prepare_on_all_nodes: bool,
    pub(crate) prepare_on_up: bool,
    pub(crate) prepared_cache_size: usize,
    pub(crate) profile: ExecutionProfile,
    pub(crate) other_profiles: Vec<ExecutionProfile>,
    pub(crate) reconnection: Arc<dyn ReconnectionPolicy>,
    pub(crate) timestamps: Timestamps,
    pub(crate) retry_budget: Option<RetryBudget>,
    pub(crate) request_throttle: Option<RequestThrottle>,
    pub(crate) named_profiles: Vec<(String, ExecutionProfile)>,
    pub(crate) runtime: Option<Handle>,
    pub(crate) observe: ObserveOptions,
    pub(super) resolver: Arc<dyn Resolver>,
    pub(super) translator: Option<Arc<dyn AddressTranslator>>,
    pub(super) endpoint_factory: Option<Arc<dyn EndpointFactory>>,
}

impl ClusterBuilder {
    pub(super) fn new() -> Self {
        let connection = ConnectionConfig::default();
        Self {
            contact_points: Vec::new(),
            port: DEFAULT_PORT,
            local_datacenter: None,
            protocol_version: None,
            compression: Vec::new(),
            auth_provider: None,
            connect_timeout: connection.connect_timeout,
            heartbeat_interval: connection.heartbeat_interval,
            heartbeat_timeout: connection.heartbeat_timeout,
            control_timeout: Duration::from_secs(2),
            close_timeout: Duration::from_secs(10),
            schema_agreement_timeout: Duration::from_secs(10),
            refresh_delays: RefreshDelays::default(),
            refresh_interval: Some(Duration::from_secs(60)),
            schema_metadata: true,
            token_metadata: true,
            pool: PoolConfig::default(),
            warm_up: WarmUp::default(),
            queue_limit: 32_768,
            max_requests_per_connection: connection.max_in_flight,
            max_orphans_per_connection: connection.max_orphans,
            write_buffer_limit: connection.write_buffer_limit,
            tcp: TcpOptions::default(),
            tls: None,
            startup: connection.startup,
            prepare_on_all_nodes: true,
            prepare_on_up: true,
            prepared_cache_size: 1_000,
            profile: ExecutionProfile::default(),
            other_profiles: Vec::new(),
            reconnection: Arc::new(ExponentialReconnection::default()),
            timestamps: Timestamps::default(),
            retry_budget: Some(RetryBudget::default()),
            request_throttle: None,
            named_profiles: Vec::new(),
            runtime: None,
            observe: ObserveOptions::default(),
            resolver: Arc::new(SystemResolver),
            translator: None,
            endpoint_factory: None,
        }
    }

    /// Adds a contact point.
    pub fn contact_point(mut self, point: impl Into<ContactPoint>) -> Self {
        self.contact_points.push(point.into());
        self
    }

    /// Adds contact points.
    pub fn contact_points<P: Into<ContactPoint>>(mut self, points: impl IntoIterator<Item = P>) -> Self {
        self.contact_points.extend(points.into_iter().map(Into::into));
        self
    }

    /// Port of the contact points that name none. 9042 by default.
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// The datacenter whose nodes get the requests. By default that of the first node that answers.
    pub fn local_datacenter(mut self, name: impl Into<String>) -> Self {
        self.local_datacenter = Some(name.into());
        self
    }

    /// Speaks this protocol version and no other. By default the best one that the server speaks.
    pub fn protocol_version(mut self, version: impl Into<Option<ProtocolVersion>>) -> Self {
        self.protocol_version = version.into();
        self
    }

    /// Compresses what is sent, in the first of these ways that the server offers. None by default.
    pub fn compression(mut self, preference: impl IntoIterator<Item = Compression>) -> Self {
        self.compression = preference.into_iter().collect();
        self
    }

    /// Proves to servers that ask who the client is.
    pub fn auth_provider(mut self, provider: impl Into<Option<Arc<dyn AuthProvider>>>) -> Self {
        self.auth_provider = provider.into();
        self
    }

    /// User name and password, for `PasswordAuthenticator`.
    pub fn credentials(self, username: impl Into<String>, password: impl Into<String>) -> Self {
        let provider: Arc<dyn AuthProvider> = Arc::new(crate::auth::PlainTextAuth::new(username, password));
        self.auth_provider(provider)
    }

    /// Limits the opening of a connection, from connecting to the end of the handshake. 5 s by default.
    pub fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = limit;
        self
    }

    /// After so long without a byte from the server a heartbeat is sent; `None` sends none. 30 s by default.
    pub fn heartbeat_interval(mut self, interval: impl Into<Option<Duration>>) -> Self {
        self.heartbeat_interval = interval.into();
        self
    }

    /// A connection whose heartbeat is not answered within this time is closed. 10 s by default.
    pub fn heartbeat_timeout(mut self, limit: Duration) -> Self {
        self.heartbeat_timeout = limit;
        self
    }

    /// Limits each request that the driver makes for itself, to learn about the cluster. 2 s by default.
    pub fn control_timeout(mut self, limit: Duration) -> Self {
        self.control_timeout = limit;
        self
    }

    /// How long a session that is closed waits for its requests. 10 s by default.
    pub fn close_timeout(mut self, limit: Duration) -> Self {
        self.close_timeout = limit;
        self
    }

    /// How long a change of the schema waits until all nodes know it; zero does not wait. 10 s by default.
    pub fn schema_agreement_timeout(mut self, limit: Duration) -> Self {
        self.schema_agreement_timeout = limit;
        self
    }

    /// Whether the schema is read at the start and after changes, so that [`ClusterState::schema`](super::ClusterState::schema)
    /// has it. True by default.
    pub fn schema_metadata(mut self, read: bool) -> Self {
        self.schema_metadata = read;
        self
    }

    /// Whether it is known which nodes have the replicas of a partition: requests then go to one of them. True by default.
    pub fn token_metadata(mut self, known: bool) -> Self {
        self.token_metadata = known;
        self
    }

    /// Requests in flight on one connection, 1 to 32,767. 2048 by default.
    pub fn max_requests_per_connection(mut self, count: usize) -> Self {
        self.max_requests_per_connection = count;
        self
    }

    /// A connection with more overdue answers than this is replaced. 512 by default.
    pub fn max_orphans_per_connection(mut self, count: usize) -> Self {
        self.max_orphans_per_connection = count;
        self
    }

    /// Bytes that may wait to be written on one connection before requests are refused. 16 MiB by default.
    pub fn write_buffer_limit(mut self, bytes: usize) -> Self {
        self.write_buffer_limit = bytes;
        self
    }

    /// Encrypts all connections. `None`, the default, encrypts none.
    pub fn tls(mut self, options: impl Into<Option<TlsOptions>>) -> Self {
        self.tls = options.into();
        self
    }

    /// Name of the application, shown by the server's `system_views.clients`.
    pub fn application_name(self, name: impl Into<String>) -> Self {
        self.startup_option(Startup::APPLICATION_NAME, name)
    }

    /// Version of the application, shown by the server's `system_views.clients`.
    pub fn application_version(self, version: impl Into<String>) -> Self {
        self.startup_option(Startup::APPLICATION_VERSION, version)
    }

    /// An id of this client, the same on all its connections. By default a random one.
    pub fn client_id(self, id: Uuid) -> Self {
        self.startup_option(Startup::CLIENT_ID, id.to_string())
    }

    /// Shows COMPACT STORAGE tables as if they were none.
    pub fn no_compact(self, no_compact: bool) -> Self {
        self.startup_option(Startup::NO_COMPACT, no_compact.to_string())
    }

    /// Has an overloaded server answer OVERLOADED instead of slowing down. False by default.
    pub fn throw_on_overload(self, throw: bool) -> Self {
        self.startup_option(Startup::THROW_ON_OVERLOAD, if throw { "1" } else { "0" })
    }

    /// Sends another option in STARTUP; servers ignore those that they do not know.
    pub fn startup_option(mut self, key: &str, value: impl Into<String>) -> Self {
        self.startup = self.startup.with(key, value);
        self
    }

    /// How requests are run whose statement names no other profile.
    pub fn default_profile(mut self, profile: ExecutionProfile) -> Self {
        self.profile = profile;
        self
    }

    /// Another profile that statements will name: nodes that only its load balancing policy wants get connections too.
    pub fn profile(mut self, profile: ExecutionProfile) -> Self {
        self.other_profiles.push(profile);
        self
    }

    /// How long to wait between tries to reach a node. From 1 s to 60 s by default.
    pub fn reconnection_policy(mut self, policy: Arc<dyn ReconnectionPolicy>) -> Self {
        self.reconnection = policy;
        self
    }

    /// Gives requests their timestamps; `None` leaves them to the server. [`MonotonicTimestamps`](crate::policy::MonotonicTimestamps) by default.
    pub fn timestamp_generator(mut self, generator: impl Into<Option<Arc<dyn TimestampGenerator>>>) -> Self {
        self.timestamps = generator.into().map_or(Timestamps::OfServers, Timestamps::Other);
        self
    }

    /// The tokio runtime on which connections run. By default the one within which the first session is opened.
    pub fn runtime(mut self, runtime: Handle) -> Self {
        self.runtime = Some(runtime);
        self
    }

    /// The cluster. Nothing is connected yet.
    ///
    /// # Errors
    /// [`ConfigurationError`] that names the option.
    pub fn build(self) -> Result<Cluster, ConfigurationError> {
        self.check().map(Cluster::new)
    }

    fn check(self) -> Result<ClusterConfig, ConfigurationError> {
        if self.contact_points.is_empty() {
            return Err(ConfigurationError::NoContactPoints);
        }
        in_range(
            "port",
            self.port.into(),
            1..=usize::from(u16::MAX),
            "it is from 1 to 65535",
        )?;
        self.check_pools()?;
        self.check_sockets()?;
        in_range(
            "max_requests_per_connection",
            self.max_requests_per_connection,
            1..=StreamId::COUNT - 1,
            "it is from 1 to 32767",
        )?;
        in_range(
            "write_buffer_limit",
            self.write_buffer_limit,
            1..=usize::MAX,
            "it is at least 1",
        )?;
        for (option, duration) in [
            ("connect_timeout", Some(self.connect_timeout)),
            ("control_timeout", Some(self.control_timeout)),
            ("heartbeat_interval", self.heartbeat_interval),
            ("heartbeat_timeout", Some(self.heartbeat_timeout)),
            ("refresh_interval", self.refresh_interval),
        ] {
            if duration == Some(Duration::ZERO) {
                return Err(ConfigurationError::OutOfRange {
                    option,
                    value: "0".to_owned(),
                    reason: "it is more than zero",
                });
            }
        }
        for profile in self.profiles() {
            if let Some(level) = profile.serial_consistency().filter(|level| !level.is_serial()) {
                return Err(ConfigurationError::OutOfRange {
                    option: "serial_consistency",
                    value: level.to_string(),
                    reason: "it is SERIAL or LOCAL_SERIAL",
                });
            }
        }
        self.check_execution()?;
        if self.translator.is_some() && self.endpoint_factory.is_some() {
            return Err(ConfigurationError::Conflict {
                option: "address_translator",
                reason: "an endpoint factory is set, which makes the endpoints of all nodes",
            });
        }
        let segments = |version: ProtocolVersion| !version.features().snappy;
        if self.protocol_version.is_some_and(segments) && self.compression == [Compression::Snappy] {
            return Err(ConfigurationError::Conflict {
                option: "compression",
                reason: "protocol v5 knows no Snappy",
            });
        }
        let contact_points: Result<_, _> = self
            .contact_points
            .iter()
            .map(|point| point.parse(self.port))
            .collect();
        let version = self.protocol_version.map(VersionChoice::Explicit);
        let mut startup = self.startup;
        if startup.get(Startup::CLIENT_ID).is_none() {
            startup = startup.with(Startup::CLIENT_ID, Uuid::new_v4().to_string());
        }
        Ok(ClusterConfig {
            contact_points: contact_points?,
            local_datacenter: self.local_datacenter.map(Arc::from),
            connection: ConnectionConfig {
                version: version.unwrap_or_default(),
                compression: self.compression,
                startup,
                auth_provider: self.auth_provider,
                connect_timeout: self.connect_timeout,
                heartbeat_interval: self.heartbeat_interval,
                heartbeat_timeout: self.heartbeat_timeout,
                max_in_flight: self.max_requests_per_connection,
                max_orphans: self.max_orphans_per_connection,
                write_buffer_limit: self.write_buffer_limit,
                connector: connector(self.tcp, self.tls.as_ref())?,
                ..ConnectionConfig::default()
            },
            control_timeout: self.control_timeout,
            close_timeout: self.close_timeout,
            schema_agreement_timeout: self.schema_agreement_timeout,
            refresh_delays: self.refresh_delays,
            refresh_interval: self.refresh_interval,
            schema_metadata: self.schema_metadata,
            token_metadata: self.token_metadata,
            pool: self.pool,
            warm_up: self.warm_up,
            queue_limit: self.queue_limit,
            prepare_on_all_nodes: self.prepare_on_all_nodes,
            prepare_on_up: self.prepare_on_up,
            prepared_cache_size: self.prepared_cache_size,
            profile: self.profile,
            other_profiles: self.other_profiles,
            reconnection: self.reconnection,
            timestamps: self.timestamps,
            retry_budget: self.retry_budget,
            request_throttle: self.request_throttle,
            named_profiles: self.named_profiles,
            runtime: self.runtime,
            observe: self.observe,
            resolver: self.resolver,
            translator: self.translator,
            endpoint_factory: self.endpoint_factory,
        })
    }
}

fn connector(tcp: TcpOptions, tls: Option<&TlsOptions>) -> Result<Arc<dyn Connector>, ConfigurationError> {
    Ok(match tls {
        None => Arc::new(TcpConnector::new(tcp)),
        Some(options) => Arc::new(TlsConnector::new(tcp, options.check()?)),
    })
}

fn in_range(
    option: &'static str,
    value: usize,
    range: std::ops::RangeInclusive<usize>,
    reason: &'static str,
) -> Result<(), ConfigurationError> {
    match range.contains(&value) {
        true => Ok(()),
        false => Err(ConfigurationError::OutOfRange {
            option,
            value: value.to_string(),
            reason,
        }),
    }
}

#[cfg(test)]
mod tests {
    use helenus_protocol::ConsistencyLevel;

    use super::*;

    fn error(change: impl FnOnce(ClusterBuilder) -> ClusterBuilder) -> String {
        let builder = change(Cluster::builder().contact_point("127.0.0.1"));
        builder.build().unwrap_err().to_string()
    }

    #[test]
    fn an_option_that_cannot_be_is_named() {
        let none = Cluster::builder().build().unwrap_err();
        assert_eq!(none.to_string(), "contact_points: there is none");
        assert!(error(|builder| builder.contact_point("a b")).starts_with("contact_points: \"a b\""));
        assert!(error(|builder| builder.port(0)).starts_with("port: 0"));
        assert!(error(|builder| builder.connections_per_node(0)).starts_with("connections_per_node: 0"));
        let error_text = error(|builder| builder.max_requests_per_connection(32_768));
        assert!(
            error_text.starts_with("max_requests_per_connection: 32768"),
            "{error_text}"
        );
        assert!(error(|builder| builder.connect_timeout(Duration::ZERO)).starts_with("connect_timeout: 0"));
        let profile = ExecutionProfile::builder()
            .serial_consistency(ConsistencyLevel::One)
            .build();
        let error_text = error(|builder| builder.default_profile(profile));
        assert_eq!(
            error_text,
            "serial_consistency: ONE is not possible: it is SERIAL or LOCAL_SERIAL"
        );
        let snappy = |builder: ClusterBuilder| {
            builder
                .protocol_version(ProtocolVersion::V5)
                .compression([Compression::Snappy])
        };
        assert!(error(snappy).starts_with("compression: "));
    }
}
