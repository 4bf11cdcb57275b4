//! What is counted in: by node, and by session.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::cause::{ByCause, Cause};
use super::histogram::{Buckets, micros};
use super::metrics::{Counts, Metrics};
use super::{NodeMetrics, ObserveOptions};
use crate::cluster::Node;
use crate::connection::Connection;
use crate::shard::{CacheLine, Shards};

/// What happens at one node for one session. Kept while the session knows the node, whatever becomes of its pool.
#[derive(Debug, Default)]
pub(crate) struct NodeMeter {
    parts: Shards<CacheLine<Part>>,
    errors: ByCause,
    retries: ByCause,
    ignores: ByCause,
    speculative_executions: AtomicU64,
    connections_opened: AtomicU64,
    connections_lost: AtomicU64,
    connection_errors: AtomicU64,
    prepared: AtomicU64,
    reprepared: AtomicU64,
}

/// What the requests of one core write.
#[derive(Debug, Default)]
struct Part {
    /// Requests whose only attempt was answered, when that was not timed.
    answered_at_once: AtomicU64,
    /// Attempts that were answered and not the only one of their request, when they were not timed.
    answered: AtomicU64,
    bytes_sent: AtomicU64,
    bytes_received: AtomicU64,
    /// The same as the first two, timed. Made when it is first needed.
    at_once: OnceLock<Box<Buckets>>,
    others: OnceLock<Box<Buckets>>,
    /// As `at_once`, by the thread that has this part alone.
    at_once_alone: OnceLock<Box<Buckets>>,
}

fn add(count: &AtomicU64, more: u64) {
    count.fetch_add(more, Ordering::Relaxed);
}

fn read(count: &AtomicU64) -> u64 {
    count.load(Ordering::Relaxed)
}

impl NodeMeter {
    /// A request was answered by its only attempt.
    #[inline]
    pub(crate) fn answered_at_once(&self, latency_in_micros: Option<u64>) {
        let (CacheLine(part), alone) = self.parts.mine_alone();
        match latency_in_micros {
            Some(latency) if alone => part.at_once_alone.get_or_init(Box::default).record_alone(latency),
            Some(latency) => part.at_once.get_or_init(Box::default).record(latency),
            None => add(&part.answered_at_once, 1),
        }
    }

    /// One of several attempts of a request was answered.
    #[cold]
    pub(crate) fn answered(&self, latency: Option<Duration>) {
        let part = &self.parts.mine().0;
        match latency {
            Some(latency) => part.others.get_or_init(Box::default).record(micros(latency)),
            None => add(&part.answered, 1),
        }
    }

    pub(crate) fn failed(&self, cause: Cause) {
        self.errors.count(cause);
    }

    pub(crate) fn retried(&self, cause: Cause) {
        self.retries.count(cause);
    }

    pub(crate) fn ignored(&self, cause: Cause) {
        self.ignores.count(cause);
    }

    pub(crate) fn speculated(&self) {
        add(&self.speculative_executions, 1);
    }

    pub(crate) fn sent(&self, bytes: usize) {
        add(&self.parts.mine().0.bytes_sent, bytes as u64);
    }

    pub(crate) fn received(&self, bytes: usize) {
        add(&self.parts.mine().0.bytes_received, bytes as u64);
    }

    pub(crate) fn connection_opened(&self) {
        add(&self.connections_opened, 1);
    }

    pub(crate) fn connection_lost(&self) {
        add(&self.connections_lost, 1);
    }

    pub(crate) fn connection_failed(&self) {
        add(&self.connection_errors, 1);
    }

    pub(crate) fn prepared(&self) {
        add(&self.prepared, 1);
    }

    pub(crate) fn reprepared(&self) {
        add(&self.reprepared, 1);
    }

    /// What was counted; of what was answered also that part which was the whole request.
    fn snapshot(&self) -> (Counts, Counts) {
        let (mut at_once, mut all) = (Counts::default(), Counts::default());
        for CacheLine(part) in self.parts.iter() {
            at_once.answered += read(&part.answered_at_once);
            all.answered += read(&part.answered);
            all.bytes_sent += read(&part.bytes_sent);
            all.bytes_received += read(&part.bytes_received);
            for buckets in [&part.at_once, &part.at_once_alone]
                .into_iter()
                .filter_map(OnceLock::get)
            {
                at_once.latency.add(buckets);
            }
            if let Some(buckets) = part.others.get() {
                all.latency.add(buckets);
            }
        }
        at_once.answered += at_once.latency.count();
        all.answered += all.latency.count();
        all.merge(&at_once);
        self.errors.add_to(&mut all.errors);
        self.retries.add_to(&mut all.retries);
        self.ignores.add_to(&mut all.ignores);
        all.speculative_executions = read(&self.speculative_executions);
        all.connections_opened = read(&self.connections_opened);
        all.connections_lost = read(&self.connections_lost);
        all.connection_errors = read(&self.connection_errors);
        all.prepared = read(&self.prepared);
        all.reprepared = read(&self.reprepared);
        (at_once, all)
    }
}

/// What happens in one session.
#[derive(Debug)]
pub(crate) struct SessionMeter {
    options: ObserveOptions,
    nodes: RwLock<HashMap<Uuid, Known>>,
    /// What nodes counted that have left.
    past: Mutex<Past>,
    failed: ByCause,
    cancelled: AtomicU64,
    queued: AtomicU64,
    /// Requests that took more than one attempt, or some other detour.
    succeeded: AtomicU64,
    succeeded_latency: OnceLock<Box<Buckets>>,
    failed_latency: OnceLock<Box<Buckets>>,
}

#[derive(Debug)]
struct Known {
    node: Arc<Node>,
    meter: Arc<NodeMeter>,
}

#[derive(Debug, Default)]
struct Past {
    at_once: Counts,
    all: Counts,
    /// Whose connections may still be closing.
    leaving: Vec<Arc<NodeMeter>>,
}

impl SessionMeter {
    pub(crate) fn new(options: &ObserveOptions) -> Self {
        Self {
            options: options.clone(),
            nodes: RwLock::default(),
            past: Mutex::default(),
            failed: ByCause::default(),
            cancelled: AtomicU64::new(0),
            queued: AtomicU64::new(0),
            succeeded: AtomicU64::new(0),
            succeeded_latency: OnceLock::new(),
            failed_latency: OnceLock::new(),
        }
    }

    /// What is observed.
    #[inline]
    pub(crate) fn options(&self) -> &ObserveOptions {
        &self.options
    }

    /// The meter of a node; a new one when it is not known.
    pub(crate) fn node(&self, node: &Arc<Node>) -> Arc<NodeMeter> {
        let nodes = self.nodes.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = nodes.get(&node.host_id()).filter(|known| known.node == *node) {
            return Arc::clone(&known.meter);
        }
        drop(nodes);
        let mut nodes = self.nodes.write().unwrap_or_else(PoisonError::into_inner);
        let known = nodes.entry(node.host_id()).or_insert_with(|| Known {
            node: Arc::clone(node),
            meter: Arc::default(),
        });
        // It may have another address now.
        known.node = Arc::clone(node);
        Arc::clone(&known.meter)
    }

    /// Nodes that are not among these have left.
    pub(crate) fn retain(&self, nodes: &[Arc<Node>]) {
        let mut past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        let mut known = self.nodes.write().unwrap_or_else(PoisonError::into_inner);
        let gone = known.extract_if(|host_id, _| nodes.iter().all(|node| node.host_id() != *host_id));
        past.leaving.extend(gone.map(|(_, known)| known.meter));
        let Past {
            at_once,
            all,
            leaving,
        } = &mut *past;
        leaving.retain(|meter| {
            // Once nobody else has it nothing is added any more.
            let ended = Arc::strong_count(meter) == 1;
            if ended {
                let counts = meter.snapshot();
                at_once.merge(&counts.0);
                all.merge(&counts.1);
            }
            !ended
        });
    }

    #[cold]
    pub(crate) fn succeeded(&self, started: Option<Instant>) {
        match started.filter(|_| self.options.latency) {
            Some(started) => self
                .succeeded_latency
                .get_or_init(Box::default)
                .record(micros(started.elapsed())),
            None => add(&self.succeeded, 1),
        }
    }

    #[cold]
    pub(crate) fn failed(&self, cause: Cause, started: Option<Instant>) {
        self.failed.count(cause);
        if let Some(started) = started.filter(|_| self.options.latency) {
            let latency = self.failed_latency.get_or_init(Box::default);
            latency.record(micros(started.elapsed()));
        }
    }

    /// A request waits, for no node has room for it.
    #[cold]
    pub(crate) fn queued(&self) {
        add(&self.queued, 1);
    }

    #[cold]
    pub(crate) fn cancelled(&self) {
        add(&self.cancelled, 1);
    }

    /// What was counted. Of connections these are known.
    pub(crate) fn snapshot<'a>(
        &self,
        pools: impl Iterator<Item = (&'a Arc<Node>, Vec<Connection>)>,
    ) -> Metrics {
        let mut metrics = Metrics {
            cancelled: read(&self.cancelled),
            queued: read(&self.queued),
            succeeded: read(&self.succeeded),
            ..Metrics::default()
        };
        self.failed.add_to(&mut metrics.failed);
        if let Some(buckets) = self.succeeded_latency.get() {
            metrics.latency.add(buckets);
            metrics.succeeded += metrics.latency.count();
        }
        if let Some(buckets) = self.failed_latency.get() {
            metrics.failed_latency.add(buckets);
        }
        let past = self.past.lock().unwrap_or_else(PoisonError::into_inner);
        let mut at_once = past.at_once.clone();
        metrics.total = past.all.clone();
        for meter in &past.leaving {
            let counts = meter.snapshot();
            at_once.merge(&counts.0);
            metrics.total.merge(&counts.1);
        }
        let nodes = self.nodes.read().unwrap_or_else(PoisonError::into_inner);
        for Known { node, meter } in nodes.values() {
            let (whole, counts) = meter.snapshot();
            at_once.merge(&whole);
            metrics.total.merge(&counts);
            metrics.nodes.push(NodeMetrics {
                node: Arc::clone(node),
                counts,
            });
        }
        drop((nodes, past));
        metrics.succeeded += at_once.answered;
        metrics.latency.merge(&at_once.latency);
        for (node, connections) in pools {
            let mut now = Counts::default();
            for connection in connections {
                now.open_connections += 1;
                now.in_flight += connection.in_flight();
                now.orphans += connection.orphans();
            }
            metrics.total.merge(&now);
            metrics.counts_of(node).merge(&now);
        }
        metrics.nodes.sort_by_key(|known| known.node.host_id());
        metrics
    }
}

/// What sessions counted that have ended.
#[derive(Debug, Default)]
pub(crate) struct ClusterMeter(Mutex<Metrics>);

impl ClusterMeter {
    /// A session has ended.
    pub(crate) fn absorb(&self, mut metrics: Metrics) {
        metrics.total = metrics.total.without_gauges();
        for known in &mut metrics.nodes {
            known.counts = std::mem::take(&mut known.counts).without_gauges();
        }
        let mut past = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        metrics.waiting = 0;
        past.merge(&metrics);
    }

    /// What was counted by sessions that have ended, of these nodes.
    pub(crate) fn past(&self, nodes: &[Arc<Node>]) -> Metrics {
        let mut past = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        past.nodes
            .retain(|known| nodes.iter().any(|node| node.host_id() == known.node.host_id()));
        past.clone()
    }
}
