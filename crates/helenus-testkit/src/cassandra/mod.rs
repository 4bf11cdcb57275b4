//! Clusters of real Apache Cassandra on 127.0.0.x, for integration tests.
//!
//! A distribution is assembled from Maven artifacts once and kept in a per-user cache; after that a node answers some seconds
//! after it was asked for. Nothing here waits by sleeping a fixed time: a node is ready when its CQL port says so. Nothing
//! survives the process that started it either: a supervisor kills the nodes and removes their directories when that process
//! ends, however it ends.
//!
//! ```no_run
//! use helenus_testkit::cassandra::{Cluster, ClusterOptions};
//!
//! let cluster = Cluster::start(ClusterOptions::new("5.0".parse()?).topology("dc1:2,dc2:1".parse()?))?;
//! println!("{:?}", cluster.contact_points());
//! cluster.node(2)?.kill()?;
//! cluster.node(2)?.start()?;
//! # Ok::<(), helenus_testkit::cassandra::Error>(())
//! ```
//!
//! Every call blocks, so that it serves any async runtime and none; inside async code wrap it in `spawn_blocking` where a
//! blocked thread matters. It needs Linux, Java 17 (or 11) and Maven.

mod access;
mod address;
mod archive;
mod cluster;
mod control;
mod description;
mod distribution;
mod error;
mod java;
mod jvm;
mod logs;
mod maven;
mod node;
mod options;
mod probe;
mod progress;
mod setup;
mod shared;
mod supervisor;
mod tls;
mod topology;
mod version;
mod yaml;

/// What other servers that run on Java need, too.
pub(crate) mod parts {
    pub(crate) use super::address::{Addresses, free_jmx_port as free_port};
    pub(crate) use super::distribution::cache_directory;
    pub(crate) use super::distribution::copy_jar;
    pub(crate) use super::error::{Error, Result};
    pub(crate) use super::maven::Artifact;
    pub(crate) use super::supervisor::{Supervisor, supervised};
}

pub use access::{Access, Credentials};
pub use address::AddressPrefix;
pub use cluster::Cluster;
pub use control::{ControlRequest, ControlServer, NodeAction, control};
pub use description::{ClusterDescription, NodeDescription};
pub use distribution::Distribution;
pub use error::{Error, Result};
pub use java::Java;
pub use node::{Node, NodeState};
pub use options::{ClusterOptions, ProtocolLimits};
pub use progress::Progress;
pub use shared::{SharedCluster, shared};
pub use tls::{TlsFiles, TlsMode};
pub use topology::{Placement, Topology};
pub use version::{CassandraVersion, Family};
