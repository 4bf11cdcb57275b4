//! Why a session could not be opened.

use std::io;
use std::sync::Arc;

use helenus_protocol::ServerError;

use super::ConfigurationError;
use crate::connection::ConnectError;

/// A session, or the control connection of its cluster, could not be opened.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SessionError {
    /// An option cannot be as it is.
    #[error("{0}")]
    Configuration(#[from] ConfigurationError),
    /// There is no tokio runtime: neither set on the builder nor entered.
    #[error("no tokio runtime: connect within one, or set one on the builder")]
    NoRuntime,
    /// No contact point could be used.
    #[error("no contact point can be used: {}", list(.0))]
    NoContactPoint(Vec<ContactPointError>),
    /// The local datacenter is not one of the cluster's.
    #[error("local_datacenter: {name:?} is not a datacenter of the cluster, which has {known:?}")]
    UnknownDatacenter {
        /// The name that was set.
        name: String,
        /// The names that exist.
        known: Vec<String>,
    },
    /// The keyspace cannot be used.
    #[error("keyspace {keyspace:?} cannot be used: {source}")]
    Keyspace {
        /// The keyspace.
        keyspace: String,
        /// What the server says.
        source: Arc<ServerError>,
    },
    /// Nodes were found, and none of them can be connected to.
    #[error("no node can be connected to: {}", list(.0))]
    NoNode(Vec<ContactPointError>),
    /// The cluster was shut down.
    #[error("the cluster is shut down")]
    Closed,
}

/// A contact point or node that could not be used.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ContactPointError {
    /// The host name has no address.
    #[error("{name} does not resolve: {source}")]
    Resolve {
        /// The name.
        name: String,
        /// What the resolver says.
        source: Arc<io::Error>,
    },
    /// There is no connection to it.
    #[error("{0}")]
    Connect(#[from] ConnectError),
    /// It is connected, and did not say what the driver has to know.
    #[error("{endpoint}: {reason}")]
    Discovery {
        /// The node.
        endpoint: String,
        /// What went wrong.
        reason: String,
    },
    /// It is not one that the load balancing policy wants.
    #[error("{endpoint}: ignored by the load balancing policy")]
    Ignored {
        /// The node.
        endpoint: String,
    },
}

fn list(errors: &[ContactPointError]) -> String {
    let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
    errors.join("; ")
}
