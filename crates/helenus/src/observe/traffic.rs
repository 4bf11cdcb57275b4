//! What the connections of a pool count: bytes, and what became of the connections. Their requests find the meter of their session
//! here.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use uuid::Uuid;

use super::meter::NodeMeter;
use super::metrics::Counts;
use crate::cluster::Node;
use crate::connection::Owner;
use crate::shard::{CacheLine, Shards};

/// What happens on the connections of one pool.
#[derive(Debug)]
pub(crate) struct PoolMeter {
    pub(super) node: Arc<Node>,
    pub(super) traffic: TrafficMeter,
    /// The session that made the pool, and what counts its requests.
    first: (Owner, Arc<NodeMeter>),
    /// The same of those that have joined it.
    others: ArcSwap<Vec<(Owner, Arc<NodeMeter>)>>,
}

impl PoolMeter {
    pub(crate) fn new(node: &Arc<Node>, owner: Owner, meter: Arc<NodeMeter>) -> Arc<Self> {
        Arc::new(Self {
            node: Arc::clone(node),
            traffic: TrafficMeter::default(),
            first: (owner, meter),
            others: ArcSwap::default(),
        })
    }

    /// The requests of another session are counted in this.
    pub(crate) fn add(&self, owner: Owner, meter: &Arc<NodeMeter>) {
        if self.first.0 == owner {
            return;
        }
        self.others.rcu(|others| {
            let mut others = Vec::clone(others);
            others.retain(|(known, _)| *known != owner);
            others.push((owner, Arc::clone(meter)));
            others
        });
    }

    /// A session has left.
    pub(crate) fn remove(&self, owner: Owner) {
        self.others.rcu(|others| {
            let mut others = Vec::clone(others);
            others.retain(|(known, _)| *known != owner);
            others
        });
    }

    /// Counts a request of this session that was answered by its only attempt; whether the session is known here.
    #[inline]
    pub(crate) fn answered_at_once(&self, owner: Owner, latency_in_micros: Option<u64>) -> bool {
        if self.first.0 == owner {
            self.first.1.answered_at_once(latency_in_micros);
            return true;
        }
        self.answered_at_once_to_another(owner, latency_in_micros)
    }

    #[inline(never)]
    fn answered_at_once_to_another(&self, owner: Owner, latency_in_micros: Option<u64>) -> bool {
        let others = self.others.load();
        let known = others.iter().find(|(known, _)| *known == owner);
        if let Some((_, meter)) = known {
            meter.answered_at_once(latency_in_micros);
        }
        known.is_some()
    }

    pub(crate) fn sent(&self, bytes: usize) {
        add(&self.traffic.parts.mine().0.bytes_sent, bytes as u64);
    }

    pub(crate) fn received(&self, bytes: usize) {
        add(&self.traffic.parts.mine().0.bytes_received, bytes as u64);
    }

    pub(crate) fn connection_opened(&self) {
        add(&self.traffic.opened, 1);
    }

    pub(crate) fn connection_lost(&self) {
        add(&self.traffic.lost, 1);
    }

    pub(crate) fn connection_failed(&self) {
        add(&self.traffic.failed, 1);
    }
}

#[derive(Debug, Default)]
pub(super) struct TrafficMeter {
    parts: Shards<CacheLine<Part>>,
    opened: AtomicU64,
    lost: AtomicU64,
    failed: AtomicU64,
}

/// What is written on one core.
#[derive(Debug, Default)]
struct Part {
    bytes_sent: AtomicU64,
    bytes_received: AtomicU64,
}

impl TrafficMeter {
    pub(super) fn snapshot(&self) -> Traffic {
        let mut traffic = Traffic {
            opened: read(&self.opened),
            lost: read(&self.lost),
            failed: read(&self.failed),
            ..Traffic::default()
        };
        for CacheLine(part) in self.parts.iter() {
            traffic.bytes_sent += read(&part.bytes_sent);
            traffic.bytes_received += read(&part.bytes_received);
        }
        traffic
    }
}

fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}

fn read(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

/// What was counted of connections.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Traffic {
    opened: u64,
    lost: u64,
    failed: u64,
    bytes_sent: u64,
    bytes_received: u64,
}

impl Traffic {
    fn since(&self, before: &Self) -> Self {
        Self {
            opened: self.opened.saturating_sub(before.opened),
            lost: self.lost.saturating_sub(before.lost),
            failed: self.failed.saturating_sub(before.failed),
            bytes_sent: self.bytes_sent.saturating_sub(before.bytes_sent),
            bytes_received: self.bytes_received.saturating_sub(before.bytes_received),
        }
    }

    fn merge(&mut self, other: &Self) {
        self.opened += other.opened;
        self.lost += other.lost;
        self.failed += other.failed;
        self.bytes_sent += other.bytes_sent;
        self.bytes_received += other.bytes_received;
    }
}

impl Counts {
    pub(super) fn add_traffic(&mut self, traffic: &Traffic) {
        self.connections_opened += traffic.opened;
        self.connections_lost += traffic.lost;
        self.connection_errors += traffic.failed;
        self.bytes_sent += traffic.bytes_sent;
        self.bytes_received += traffic.bytes_received;
    }
}

/// What happened on the connections that a session has used, while it did.
#[derive(Debug, Default)]
pub(super) struct UsedTraffic {
    used: Vec<Used>,
    /// With so many, those are sought that have ended.
    tidy_at: usize,
    /// Of pools that it has left, or that have ended.
    past: HashMap<Uuid, (Arc<Node>, Traffic)>,
}

/// A pool that a session uses.
#[derive(Debug)]
pub(super) struct Used {
    pub(super) pool: Arc<PoolMeter>,
    /// What was counted before.
    pub(super) since: Traffic,
}

impl Used {
    fn traffic(&self) -> Traffic {
        self.pool.traffic.snapshot().since(&self.since)
    }
}

impl UsedTraffic {
    /// One more is used.
    pub(super) fn begin(&mut self, used: Used) {
        if self.used.len() >= self.tidy_at {
            self.tidy();
            self.tidy_at = (2 * self.used.len()).max(16);
        }
        self.used.push(used);
    }

    /// Those that this says are used no more.
    pub(super) fn end(&mut self, mut ends: impl FnMut(&Used) -> bool) {
        for used in self.used.extract_if(.., |used| ends(used)) {
            let node = &used.pool.node;
            let past = self.past.entry(node.host_id());
            let past = past.or_insert_with(|| (Arc::clone(node), Traffic::default()));
            past.1.merge(&used.traffic());
        }
    }

    /// Pools that have ended, to which nobody adds any more, need not be kept.
    pub(super) fn tidy(&mut self) {
        // The other one is the cluster's.
        self.end(|used| Arc::strong_count(&used.pool) <= 2);
    }

    /// All of it, by node; a node may come more than once.
    pub(super) fn each(&self) -> impl Iterator<Item = (&Arc<Node>, Traffic)> {
        let past = self.past.values().map(|(node, traffic)| (node, *traffic));
        let used = self.used.iter().map(|used| (&used.pool.node, used.traffic()));
        past.chain(used)
    }
}
