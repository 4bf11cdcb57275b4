//! A running cluster in words that other processes read: one JSON object, or environment variables.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::cluster::Cluster;
use super::node::Node;

/// Everything a client or a test in another process needs to know of a cluster.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ClusterDescription {
    /// Version of Cassandra.
    pub version: String,
    /// `address:port` of each node that has not left.
    pub contact_points: Vec<String>,
    /// Datacenter of node 1.
    pub local_datacenter: String,
    /// The superuser's name, when the cluster asks for a login.
    pub username: Option<String>,
    /// The superuser's password.
    pub password: Option<String>,
    /// PEM file of the certificate authority, when the cluster speaks TLS.
    pub tls_authority: Option<PathBuf>,
    /// PEM file of a client's certificate.
    pub tls_certificate: Option<PathBuf>,
    /// PEM file of the client's private key.
    pub tls_key: Option<PathBuf>,
    /// The directory of configuration, data and logs.
    pub directory: PathBuf,
    /// Unix socket that takes commands, when one is served.
    pub control_socket: Option<PathBuf>,
    /// All nodes there ever were.
    pub nodes: Vec<NodeDescription>,
}

/// One node of a [`ClusterDescription`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[non_exhaustive]
pub struct NodeDescription {
    /// Its number, counted from 1.
    pub number: usize,
    /// `address:port` for clients.
    pub address: String,
    /// Its datacenter.
    pub datacenter: String,
    /// Its rack.
    pub rack: String,
    /// What it is doing: running, paused, drained, stopped or decommissioned.
    pub state: String,
    /// The id of its process, while it has one.
    pub process_id: Option<u32>,
    /// The port on 127.0.0.1 for nodetool.
    pub jmx_port: u16,
    /// The directory of its logs.
    pub logs: PathBuf,
}

impl Cluster {
    /// Describes the cluster as it is now.
    pub fn describe(&self) -> ClusterDescription {
        let access = self.access();
        let nodes: Vec<NodeDescription> = self.nodes().iter().map(|node| node.describe()).collect();
        ClusterDescription {
            version: self.version().to_string(),
            contact_points: self.contact_points().iter().map(ToString::to_string).collect(),
            local_datacenter: nodes
                .first()
                .map(|node| node.datacenter.clone())
                .unwrap_or_default(),
            username: access.credentials.as_ref().map(|login| login.username.clone()),
            password: access.credentials.as_ref().map(|login| login.password.clone()),
            tls_authority: access.tls.as_ref().map(|files| files.authority.clone()),
            tls_certificate: access.tls.as_ref().map(|files| files.certificate.clone()),
            tls_key: access.tls.as_ref().map(|files| files.key.clone()),
            directory: self.directory().to_owned(),
            control_socket: None,
            nodes,
        }
    }
}

impl Node {
    /// Describes the node as it is now.
    pub fn describe(&self) -> NodeDescription {
        let place = self.placement();
        NodeDescription {
            number: self.number(),
            address: self.cql_address().to_string(),
            datacenter: place.datacenter.clone(),
            rack: place.rack.clone(),
            state: self.state().to_string(),
            process_id: self.process_id(),
            jmx_port: self.jmx_port(),
            logs: self.log_directory(),
        }
    }
}

impl ClusterDescription {
    /// The description as environment variables, `HELENUS_CONTACT_POINTS` and others, in which tests find a running cluster.
    pub fn environment(&self) -> BTreeMap<&'static str, String> {
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        let mut variables = BTreeMap::from([
            (CONTACT_POINTS, self.contact_points.join(",")),
            ("HELENUS_CASSANDRA_VERSION", self.version.clone()),
            ("HELENUS_LOCAL_DATACENTER", self.local_datacenter.clone()),
        ]);
        let optional = [
            ("HELENUS_USERNAME", self.username.clone()),
            ("HELENUS_PASSWORD", self.password.clone()),
            ("HELENUS_TLS_AUTHORITY", path(&self.tls_authority)),
            ("HELENUS_TLS_CERTIFICATE", path(&self.tls_certificate)),
            ("HELENUS_TLS_KEY", path(&self.tls_key)),
            ("HELENUS_CONTROL_SOCKET", path(&self.control_socket)),
        ];
        variables.extend(
            optional
                .into_iter()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        variables
    }
}

/// Environment variable with the contact points of a cluster that runs already: `address:port`, separated by commas.
pub(crate) const CONTACT_POINTS: &str = "HELENUS_CONTACT_POINTS";
