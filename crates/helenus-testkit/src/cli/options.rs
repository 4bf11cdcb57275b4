//! Options that describe a cluster on the command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};
use helenus_testkit::cassandra::{
    AddressPrefix, CassandraVersion, ClusterOptions, Progress, ProtocolLimits, TlsMode, Topology,
};
use serde_json::Value;

#[derive(Debug, Args)]
pub(crate) struct ClusterArguments {
    /// Version of Cassandra: a whole one, or 5.0, 4.1 or 4.0
    #[arg(long, default_value = "5.0")]
    version: CassandraVersion,
    /// Number of nodes, all in dc1
    #[arg(long, conflicts_with = "dc")]
    nodes: Option<usize>,
    /// Datacenters and racks: dc1:2,dc2:1 or dc1/r1:1,dc1/r2:1
    #[arg(long)]
    dc: Option<Topology>,
    /// First three numbers of the nodes' addresses, or auto for free ones
    #[arg(long, default_value = "127.0.0")]
    prefix: AddressPrefix,
    /// Last number of node 1's address
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=254))]
    first_host: u8,
    /// Clients log in; the first role is cassandra with password cassandra
    #[arg(long)]
    auth: bool,
    /// Roles need permissions; implies --auth
    #[arg(long)]
    authorization: bool,
    /// Clients connect by TLS; with =mutual they need a certificate
    #[arg(long, num_args = 0..=1, default_missing_value = "server", require_equals = true)]
    tls: Option<Tls>,
    /// User-defined functions
    #[arg(long)]
    udf: bool,
    /// Materialized views
    #[arg(long)]
    mv: bool,
    /// SASI indexes
    #[arg(long)]
    sasi: bool,
    /// Masked columns (5.0)
    #[arg(long)]
    masking: bool,
    /// User-defined functions, materialized views, SASI indexes and masked columns
    #[arg(long)]
    all_features: bool,
    /// Heap of each node, in MiB
    #[arg(long, default_value_t = 512)]
    heap: u32,
    /// Tokens of each node
    #[arg(long, default_value_t = 16)]
    num_tokens: u32,
    /// Sets a key of cassandra.yaml: KEY=VALUE, VALUE being JSON or text; dots lead into maps
    #[arg(long, value_name = "KEY=VALUE", value_parser = key_value)]
    yaml: Vec<(String, Value)>,
    /// Adds an argument for Java
    #[arg(long, value_name = "ARGUMENT", allow_hyphen_values = true)]
    jvm: Vec<String>,
    /// Where the nodes' directories go; must not exist
    #[arg(long)]
    directory: Option<PathBuf>,
    /// Seconds that a node may take to be ready
    #[arg(long, default_value_t = 180)]
    start_timeout: u64,
    #[command(flatten)]
    limits: LimitArguments,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Limits on clients")]
struct LimitArguments {
    /// Largest envelope, in MiB
    #[arg(long, value_name = "MIB")]
    max_frame_size: Option<u32>,
    /// Largest message, in bytes (not in 4.0)
    #[arg(long, value_name = "BYTES")]
    max_message_size: Option<u64>,
    /// Bytes of requests in work, of all clients together
    #[arg(long, value_name = "BYTES")]
    max_request_data_in_flight: Option<u64>,
    /// Bytes of requests in work, of one client address
    #[arg(long, value_name = "BYTES")]
    max_request_data_in_flight_per_ip: Option<u64>,
    /// Client connections
    #[arg(long, value_name = "COUNT")]
    max_connections: Option<u32>,
    /// Client connections from one address
    #[arg(long, value_name = "COUNT")]
    max_connections_per_ip: Option<u32>,
    /// Requests in work
    #[arg(long, value_name = "COUNT")]
    max_threads: Option<u32>,
    /// Requests in a second (not in 4.0)
    #[arg(long, value_name = "COUNT")]
    max_requests_per_second: Option<u32>,
    /// Refuses protocols below the newest
    #[arg(long)]
    no_older_protocols: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Tls {
    Server,
    Mutual,
}

impl ClusterArguments {
    /// The options, with progress on standard error.
    pub(crate) fn options(self) -> Result<ClusterOptions, super::Failure> {
        let topology = match (self.dc, self.nodes) {
            (Some(topology), _) => topology,
            (None, Some(nodes)) => nodes.to_string().parse()?,
            (None, None) => Topology::default(),
        };
        let mut options = ClusterOptions::new(self.version)
            .topology(topology)
            .address_prefix(self.prefix)
            .first_host(self.first_host)
            .authentication(self.auth)
            .user_defined_functions(self.udf || self.all_features)
            .materialized_views(self.mv || self.all_features)
            .sasi_indexes(self.sasi || self.all_features)
            .dynamic_data_masking(self.masking || self.all_features)
            .heap_mib(self.heap)
            .num_tokens(self.num_tokens)
            .start_timeout(Duration::from_secs(self.start_timeout))
            .limits(self.limits.limits())
            .progress(Progress::stderr());
        if self.authorization {
            options = options.authorization(true);
        }
        options = match self.tls {
            None => options,
            Some(Tls::Server) => options.tls(TlsMode::Server),
            Some(Tls::Mutual) => options.tls(TlsMode::Mutual),
        };
        if let Some(directory) = self.directory {
            options = options.directory(directory);
        }
        options = self
            .yaml
            .into_iter()
            .fold(options, |options, (key, value)| options.yaml(key, value));
        Ok(self.jvm.into_iter().fold(options, ClusterOptions::jvm))
    }
}

impl LimitArguments {
    fn limits(&self) -> ProtocolLimits {
        ProtocolLimits {
            max_frame_size_mib: self.max_frame_size,
            max_message_size: self.max_message_size,
            max_request_data_in_flight: self.max_request_data_in_flight,
            max_request_data_in_flight_per_ip: self.max_request_data_in_flight_per_ip,
            max_concurrent_connections: self.max_connections,
            max_concurrent_connections_per_ip: self.max_connections_per_ip,
            max_threads: self.max_threads,
            max_requests_per_second: self.max_requests_per_second,
            allow_older_protocols: self.no_older_protocols.then_some(false),
        }
    }
}

fn key_value(text: &str) -> Result<(String, Value), String> {
    let (key, value) = text.split_once('=').ok_or("write KEY=VALUE")?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
    Ok((key.to_owned(), value))
}
