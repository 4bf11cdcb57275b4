//! What exporters export: one table of names, units and where the numbers come from.

use super::metrics::{Counts, Metrics};
use super::{CauseCounts, NodeMetrics};

/// A metric, by its OpenTelemetry name. Prometheus has the same with `_` for `.`, `_total` behind counters.
pub(super) struct Exported {
    pub(super) name: &'static str,
    pub(super) unit: &'static str,
    pub(super) help: &'static str,
    pub(super) points: Points,
}

/// Where its numbers come from.
#[derive(Clone, Copy)]
pub(super) enum Points {
    /// One count for all.
    Total(fn(&Metrics) -> u64),
    /// What is there now, in all.
    Now(fn(&Metrics) -> usize),
    /// A count for each cause.
    ByCause(fn(&Metrics) -> &CauseCounts),
    /// A count for each node.
    ByNode(fn(&Counts) -> u64),
    /// A count for each node and cause.
    ByNodeAndCause(fn(&Counts) -> &CauseCounts),
    /// What is there now, for each node.
    NowByNode(fn(&Counts) -> usize),
}

const fn exported(name: &'static str, unit: &'static str, help: &'static str, points: Points) -> Exported {
    Exported {
        name,
        unit,
        help,
        points,
    }
}

/// All of them but the histograms.
#[rustfmt::skip]
pub(super) const EXPORTED: [Exported; 19] = [
    exported("helenus.requests.succeeded", "{request}", "Requests that succeeded", Points::Total(|all| all.succeeded)),
    exported("helenus.requests.failed", "{request}", "Requests that failed", Points::ByCause(|all| &all.failed)),
    exported("helenus.requests.cancelled", "{request}", "Requests that nobody waited for any more", Points::Total(|all| all.cancelled)),
    exported("helenus.requests.queued", "{request}", "Requests that had to wait for room", Points::Total(|all| all.queued)),
    exported("helenus.requests.waiting", "{request}", "Requests that wait for room", Points::Now(|all| all.waiting)),
    exported("helenus.requests.in_flight", "{request}", "Requests sent and not answered", Points::NowByNode(|node| node.in_flight)),
    exported("helenus.requests.orphaned", "{request}", "Requests in flight that nobody waits for any more", Points::NowByNode(|node| node.orphans)),
    exported("helenus.attempts.answered", "{attempt}", "Attempts that were answered by a result", Points::ByNode(|node| node.answered)),
    exported("helenus.attempts.failed", "{attempt}", "Attempts that failed", Points::ByNodeAndCause(|node| &node.errors)),
    exported("helenus.attempts.retried", "{attempt}", "Failed attempts that the retry policy had repeated", Points::ByNodeAndCause(|node| &node.retries)),
    exported("helenus.attempts.ignored", "{attempt}", "Failed attempts that were taken for a success", Points::ByNodeAndCause(|node| &node.ignores)),
    exported("helenus.attempts.speculative", "{attempt}", "Attempts sent while another one was under way", Points::ByNode(|node| node.speculative_executions)),
    exported("helenus.connections.open", "{connection}", "Open connections", Points::NowByNode(|node| node.open_connections)),
    exported("helenus.connections.opened", "{connection}", "Connections that were opened", Points::ByNode(|node| node.connections_opened)),
    exported("helenus.connections.lost", "{connection}", "Open connections that were lost", Points::ByNode(|node| node.connections_lost)),
    exported("helenus.connections.failed", "{connection}", "Connections that could not be opened", Points::ByNode(|node| node.connection_errors)),
    exported("helenus.network.sent", "By", "Bytes sent", Points::ByNode(|node| node.bytes_sent)),
    exported("helenus.network.received", "By", "Bytes received", Points::ByNode(|node| node.bytes_received)),
    exported("helenus.statements.prepared", "{statement}", "Statements prepared, the first time or again", Points::ByNode(|node| node.prepared + node.reprepared)),
];

/// What tells one number of a metric from the others: name and value.
pub(super) type Labels = Vec<(&'static str, String)>;

/// The labels of a node.
pub(super) fn labels_of(known: &NodeMetrics) -> Labels {
    let node = &known.node;
    let (address, port) = match node.address() {
        Some(address) => (address.ip().to_string(), address.port().to_string()),
        None => (node.to_string(), String::new()),
    };
    let datacenter = node.datacenter().unwrap_or_default().to_owned();
    vec![
        ("server.address", address),
        ("server.port", port),
        ("cassandra.coordinator.dc", datacenter),
    ]
}

impl Points {
    /// Whether the number may fall, too.
    pub(super) fn is_gauge(self) -> bool {
        matches!(self, Self::Now(_) | Self::NowByNode(_))
    }

    /// The numbers with their labels.
    pub(super) fn of(self, metrics: &Metrics) -> Vec<(Labels, u64)> {
        let nodes = metrics.nodes.iter();
        let cause = |name: &'static str| ("error.type", name.to_owned());
        match self {
            Self::Total(total) => vec![(Labels::new(), total(metrics))],
            Self::Now(now) => vec![(Labels::new(), now(metrics) as u64)],
            Self::ByCause(counts) => {
                let counts = counts(metrics).iter();
                counts.map(|(name, count)| (vec![cause(name)], count)).collect()
            }
            Self::ByNode(count) => nodes
                .map(|known| (labels_of(known), count(&known.counts)))
                .collect(),
            Self::NowByNode(count) => nodes
                .map(|known| (labels_of(known), count(&known.counts) as u64))
                .collect(),
            Self::ByNodeAndCause(counts) => nodes
                .flat_map(|known| {
                    let counts = counts(&known.counts).iter();
                    counts.map(move |(name, count)| {
                        let mut labels = labels_of(known);
                        labels.push(cause(name));
                        (labels, count)
                    })
                })
                .collect(),
        }
    }
}
