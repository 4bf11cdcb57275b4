//! Metrics as they were at one moment.

use std::sync::Arc;

use super::{CauseCounts, LatencyHistogram};
use crate::cluster::Node;
use crate::connection::Connection;

/// What the requests of a session, or of all sessions of a cluster, came to, up to now: see
/// [`Session::metrics`](crate::Session::metrics) and [`Cluster::metrics`](crate::Cluster::metrics).
///
/// Sessions of a cluster may share connections: bytes and connections of those are counted in each session that used them, while it
/// did, and once in the metrics of the cluster; so are requests in flight, overdue ones and open connections.
///
/// Counts begin with the session and only grow. They were read one after the other while requests went on: between them they
/// may differ by what happened meanwhile.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Metrics {
    /// Requests that succeeded. A page is a request.
    pub succeeded: u64,
    /// Requests that failed, by what went wrong at last.
    pub failed: CauseCounts,
    /// Requests that nobody waited for any more.
    pub cancelled: u64,
    /// Requests that had to wait, because no node had room for them.
    pub queued: u64,
    /// Requests that wait now.
    pub waiting: usize,
    /// How long requests took that succeeded, all attempts together. Empty when latencies are not measured.
    pub latency: LatencyHistogram,
    /// How long requests took that failed.
    pub failed_latency: LatencyHistogram,
    /// All nodes together, those that left included.
    pub total: Counts,
    /// Each node that requests were sent to, or that connections were opened to, and that is still there.
    pub nodes: Vec<NodeMetrics>,
}

/// What attempts came to on one node.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NodeMetrics {
    /// The node.
    pub node: Arc<Node>,
    /// What happened there.
    pub counts: Counts,
}

/// What happened on one node, or on several.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Counts {
    /// Connections that are open now.
    pub open_connections: usize,
    /// Requests that were sent and are not answered now, overdue ones included.
    pub in_flight: usize,
    /// Requests of these that nobody waits for any more.
    pub orphans: usize,
    /// Attempts that were answered by a result.
    pub answered: u64,
    /// How long these took. Empty when latencies are not measured.
    pub latency: LatencyHistogram,
    /// Attempts that failed, by cause. `timeout` is the client's; `read_timeout` and `write_timeout` are the server's.
    pub errors: CauseCounts,
    /// Failed attempts after which the retry policy asked for another one, by cause.
    pub retries: CauseCounts,
    /// Failed attempts that were taken for a success, by cause.
    pub ignores: CauseCounts,
    /// Attempts that were sent because another one had not been answered yet.
    pub speculative_executions: u64,
    /// Connections that were opened.
    pub connections_opened: u64,
    /// Open connections that were lost: not closed by the driver.
    pub connections_lost: u64,
    /// Connections that could not be opened.
    pub connection_errors: u64,
    /// Bytes sent, as they were on the wire, before encryption.
    pub bytes_sent: u64,
    /// Bytes received, as they were on the wire, after decryption.
    pub bytes_received: u64,
    /// Statements that were prepared, one for each node that did.
    pub prepared: u64,
    /// Statements that were prepared again, because a node did not know them or came up.
    pub reprepared: u64,
}

impl Counts {
    /// Adds what another one has counted.
    pub fn merge(&mut self, other: &Self) {
        self.open_connections += other.open_connections;
        self.in_flight += other.in_flight;
        self.orphans += other.orphans;
        self.answered += other.answered;
        self.latency.merge(&other.latency);
        self.errors.merge(&other.errors);
        self.retries.merge(&other.retries);
        self.ignores.merge(&other.ignores);
        self.speculative_executions += other.speculative_executions;
        self.connections_opened += other.connections_opened;
        self.connections_lost += other.connections_lost;
        self.connection_errors += other.connection_errors;
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
        self.prepared += other.prepared;
        self.reprepared += other.reprepared;
    }
}

impl Metrics {
    /// What was counted at this node.
    pub fn node(&self, node: &Node) -> Option<&Counts> {
        let found = self
            .nodes
            .iter()
            .find(|known| known.node.host_id() == node.host_id());
        found.map(|known| &known.counts)
    }

    /// Requests that failed because the client's time ran out.
    pub fn timeouts(&self) -> u64 {
        self.failed.get("timeout")
    }

    /// Adds what another session has counted.
    pub fn merge(&mut self, other: &Self) {
        self.succeeded += other.succeeded;
        self.failed.merge(&other.failed);
        self.cancelled += other.cancelled;
        self.queued += other.queued;
        self.waiting += other.waiting;
        self.latency.merge(&other.latency);
        self.failed_latency.merge(&other.failed_latency);
        self.total.merge(&other.total);
        for NodeMetrics { node, counts } in &other.nodes {
            self.counts_of(node).merge(counts);
        }
    }

    /// Connections as they are now.
    pub(crate) fn add_connections(&mut self, node: &Arc<Node>, connections: &[Connection]) {
        let mut now = Counts::default();
        for connection in connections {
            now.open_connections += 1;
            now.in_flight += connection.in_flight();
            now.orphans += connection.orphans();
        }
        self.total.merge(&now);
        self.counts_of(node).merge(&now);
    }

    pub(super) fn counts_of(&mut self, node: &Arc<Node>) -> &mut Counts {
        let known = self
            .nodes
            .iter()
            .position(|known| known.node.host_id() == node.host_id());
        let at = known.unwrap_or_else(|| {
            self.nodes.push(NodeMetrics {
                node: Arc::clone(node),
                counts: Counts::default(),
            });
            self.nodes.len() - 1
        });
        &mut self.nodes[at].counts
    }
}
