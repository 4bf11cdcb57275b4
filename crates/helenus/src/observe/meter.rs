//! What is counted in: by node and session, by pool, and by session.
//!
//! Requests are of one session, connections and bytes of a pool, which sessions may share. A session's own are those of the time
//! in which it used the pool; the cluster counts each pool once.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use uuid::Uuid;

use super::cause::{ByCause, Cause};
use super::histogram::{Buckets, micros};
use super::metrics::{Counts, Metrics};
use super::traffic::{PoolMeter, Traffic, Used, UsedTraffic};
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
    traffic: Mutex<UsedTraffic>,
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
            traffic: Mutex::default(),
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
        self.lock_traffic().tidy();
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

    /// The connections of a pool are used from now on.
    pub(crate) fn joined(&self, pool: &Arc<PoolMeter>, is_new: bool) {
        let since = match is_new {
            true => Traffic::default(),
            false => pool.traffic.snapshot(),
        };
        self.lock_traffic().begin(Used {
            pool: Arc::clone(pool),
            since,
        });
    }

    /// The connections of a pool, which others go on with, are not used any more.
    pub(crate) fn left(&self, pool: &Arc<PoolMeter>) {
        self.lock_traffic().end(|used| Arc::ptr_eq(&used.pool, pool));
    }

    fn lock_traffic(&self) -> MutexGuard<'_, UsedTraffic> {
        self.traffic.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What was counted. Of connections these are known.
    pub(crate) fn snapshot<'a>(
        &self,
        pools: impl Iterator<Item = (&'a Arc<Node>, Vec<Connection>)>,
    ) -> Metrics {
        let mut metrics = self.requests();
        let traffic = self.lock_traffic();
        for (node, counts) in traffic.each() {
            metrics.total.add_traffic(&counts);
            let known = metrics.nodes.iter_mut();
            let mut same = known.filter(|known| known.node.host_id() == node.host_id());
            if let Some(known) = same.next() {
                known.counts.add_traffic(&counts);
            }
        }
        drop(traffic);
        for (node, connections) in pools {
            metrics.add_connections(node, &connections);
        }
        metrics
    }

    /// What was counted of requests alone.
    pub(crate) fn requests(&self) -> Metrics {
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
        metrics.nodes.sort_by_key(|known| known.node.host_id());
        metrics
    }
}

/// What sessions counted that have ended, and what all pools count.
#[derive(Debug, Default)]
pub(crate) struct ClusterMeter(Mutex<PastOfAll>);

#[derive(Debug, Default)]
struct PastOfAll {
    /// Of pools, those that have ended.
    metrics: Metrics,
    pools: Vec<Arc<PoolMeter>>,
    /// With so many pools, those are sought that have ended.
    tidy_at: usize,
}

impl PastOfAll {
    /// Nobody adds to what only this has.
    fn tidy(&mut self) {
        let metrics = &mut self.metrics;
        self.pools.retain(|pool| {
            let ended = Arc::strong_count(pool) == 1;
            if ended {
                let traffic = pool.traffic.snapshot();
                metrics.total.add_traffic(&traffic);
                metrics.counts_of(&pool.node).add_traffic(&traffic);
            }
            !ended
        });
    }
}

impl ClusterMeter {
    /// A session has ended, whose requests came to this.
    pub(crate) fn absorb(&self, mut metrics: Metrics) {
        metrics.waiting = 0;
        self.lock().metrics.merge(&metrics);
    }

    /// There is another pool.
    pub(crate) fn add_pool(&self, pool: &Arc<PoolMeter>) {
        let mut past = self.lock();
        if past.pools.len() >= past.tidy_at {
            past.tidy();
            past.tidy_at = (2 * past.pools.len()).max(64);
        }
        past.pools.push(Arc::clone(pool));
    }

    /// What was counted by sessions that have ended, and by all pools, of these nodes.
    pub(crate) fn snapshot(&self, nodes: &[Arc<Node>]) -> Metrics {
        let mut past = self.lock();
        past.tidy();
        let is_there = |node: &Node| nodes.iter().any(|known| known.host_id() == node.host_id());
        past.metrics.nodes.retain(|known| is_there(&known.node));
        let mut metrics = past.metrics.clone();
        for pool in &past.pools {
            let traffic = pool.traffic.snapshot();
            metrics.total.add_traffic(&traffic);
            if is_there(&pool.node) {
                metrics.counts_of(&pool.node).add_traffic(&traffic);
            }
        }
        metrics
    }

    fn lock(&self) -> MutexGuard<'_, PastOfAll> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
