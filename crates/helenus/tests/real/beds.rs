//! The clusters that the tests run on.
//!
//! Tests of one process share a cluster, one after the other; each finds all of its nodes up.

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use helenus::policy::ExponentialReconnection;
use helenus::{Cluster as Driver, ClusterBuilder, ExecutionProfile};
use helenus_testkit::cassandra::{AddressPrefix, Cluster, ClusterOptions, Node, NodeState, Progress};
use tokio::sync::{Mutex, MutexGuard};

use crate::waiting::blocking;

/// The longest time between two tries to reach a node, in all tests.
pub(crate) const MAX_BACKOFF: Duration = Duration::from_secs(4);

/// How long opening a connection may take on a machine that is busy starting nodes.
pub(crate) const HANDSHAKE: Duration = Duration::from_secs(3);

/// What the driver takes at most to know that a held node does not answer.
pub(crate) const CONVICTION: Duration = Duration::from_secs(3);

type Shared = Mutex<Option<Arc<Cluster>>>;

static THREE_NODES: Shared = Mutex::const_new(None);
static TWO_DATACENTERS: Shared = Mutex::const_new(None);
static LOGIN: Shared = Mutex::const_new(None);

/// A cluster for the time of one test.
pub(crate) struct Bed {
    cluster: Arc<Cluster>,
    _turn: Option<MutexGuard<'static, Option<Arc<Cluster>>>>,
}

impl Deref for Bed {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        &self.cluster
    }
}

impl Bed {
    /// The cluster, to be used by another thread.
    pub(crate) fn handle(&self) -> Arc<Cluster> {
        Arc::clone(&self.cluster)
    }

    /// The nodes that have not left.
    pub(crate) fn members(&self) -> Vec<Arc<Node>> {
        let mut nodes = self.nodes();
        nodes.retain(|node| node.state() != NodeState::Decommissioned);
        nodes
    }

    /// A driver that knows all members and notices soon when one of them does not answer.
    pub(crate) fn driver(&self) -> ClusterBuilder {
        driver(self.contact_points())
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.cluster.keep_logs();
        }
    }
}

/// A driver for the nodes at these addresses that notices soon when one of them does not answer.
pub(crate) fn driver(contact_points: Vec<SocketAddr>) -> ClusterBuilder {
    let profile = ExecutionProfile::builder().timeout(Duration::from_secs(30));
    Driver::builder()
        .contact_points(contact_points)
        .heartbeat_interval(Duration::from_secs(1))
        .heartbeat_timeout(CONVICTION - Duration::from_secs(1))
        .control_timeout(Duration::from_secs(10))
        .schema_agreement_timeout(Duration::from_secs(60))
        .reconnection_policy(Arc::new(ExponentialReconnection::new(
            Duration::from_millis(250),
            MAX_BACKOFF,
        )))
        .default_profile(profile.build())
}

/// Wishes that all clusters here share.
pub(crate) fn options() -> ClusterOptions {
    with_defaults(ClusterOptions::default())
}

/// The same for another version. What a node has acknowledged it knows after `kill -9`: by default the last writes before
/// that are not replayed from its commit log, and are gone when all replicas are killed. A write holds its thread until the
/// log is on the disk: there are as many threads as a node that is given hints, or writes traces, needs beside the load.
pub(crate) fn with_defaults(options: ClusterOptions) -> ClusterOptions {
    options
        .yaml("commitlog_sync", "batch")
        .yaml("commitlog_sync_period", "0ms")
        .yaml("concurrent_writes", 64)
        .address_prefix(AddressPrefix::Auto)
        .start_timeout(Duration::from_secs(400))
        .progress(Progress::stderr())
}

/// The three nodes of this process, all of them up.
pub(crate) async fn three_nodes() -> Bed {
    shared(&THREE_NODES, || options().topology("dc1:3".parse().unwrap())).await
}

/// The two nodes in dc1 and the one in dc2 of this process, all of them up.
pub(crate) async fn two_datacenters() -> Bed {
    shared(&TWO_DATACENTERS, || {
        options().topology("dc1:2,dc2:1".parse().unwrap())
    })
    .await
}

/// The node of this process that clients have to log in to.
pub(crate) async fn login() -> Bed {
    shared(&LOGIN, || options().authentication(true)).await
}

async fn shared(cluster: &'static Shared, options: impl FnOnce() -> ClusterOptions) -> Bed {
    let mut turn = cluster.lock().await;
    let cluster = match &*turn {
        Some(cluster) => Arc::clone(cluster),
        None => Arc::clone(turn.insert(start(options()).await)),
    };
    let mend = Arc::clone(&cluster);
    blocking(move || all_up(&mend)).await;
    Bed {
        cluster,
        _turn: Some(turn),
    }
}

/// A cluster of this test's own.
pub(crate) async fn own(options: ClusterOptions) -> Bed {
    Bed {
        cluster: start(options).await,
        _turn: None,
    }
}

async fn start(options: ClusterOptions) -> Arc<Cluster> {
    Arc::new(blocking(move || Cluster::start(options).unwrap()).await)
}

/// Brings back what an earlier test left lying.
pub(crate) fn all_up(cluster: &Cluster) {
    for node in cluster.nodes() {
        if node.state() == NodeState::Drained {
            node.stop().unwrap();
        }
        match node.state() {
            NodeState::Paused => node.resume().unwrap(),
            NodeState::Stopped => node.start().unwrap(),
            _ => {}
        }
    }
}
