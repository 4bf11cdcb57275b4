//! What the handles of a session and its requests share.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::Duration;

use arc_swap::{ArcSwap, Guard};
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use tokio::sync::Notify;
use tokio::time::sleep_until;

use super::cache::PreparedCache;
use super::known::KnownStatements;
use super::sharing::Switching;
use crate::clock::Moment;
use crate::cluster::{ClusterConfig, ClusterShared, ClusterState, Node, WarmUp};
use crate::connection::{CloseReason, Owner};
use crate::error::RequestErrorKind;
use crate::executor::{Budget, Throttle};
use crate::observe::{Metrics, SessionMeter};
use crate::policy::Distance;
use crate::pool::{Limits, Pool, Progress, WaitingRoom};
use crate::profile::{ExecutionProfile, ProfileRef};
use crate::runtime::{RuntimeGone, on_runtime};
use crate::statement::RequestOptions;

pub(crate) struct SessionShared {
    me: Weak<Self>,
    cluster: Arc<ClusterShared>,
    /// Tells its requests from those of other sessions on the same connections.
    owner: Owner,
    pub(super) pools: ArcSwap<PoolTable>,
    /// Guards changes of the pools.
    pub(super) changing: Mutex<Switching>,
    /// Told when it is closed.
    closing: Notify,
    keyspace: RwLock<Option<Arc<str>>>,
    /// Profiles whose load balancing policies decide which nodes get connections; the default one is the first.
    profiles: RwLock<Vec<ExecutionProfile>>,
    default_profile: ExecutionProfile,
    meter: SessionMeter,
    budget: Option<Budget>,
    throttle: Option<Throttle>,
    /// Prepared statements that somebody has.
    pub(crate) statements: KnownStatements,
    /// Prepared statements that are kept by their texts.
    pub(crate) cached: PreparedCache,
    closed: AtomicBool,
    waiting_room: WaitingRoom,
}

/// How long a new session waits for slow nodes when it has a connection already.
const GRACE: Duration = Duration::from_millis(500);

/// The pools of a session, by the slots of their nodes, and the state of the cluster that requests are planned by: one look
/// for both.
#[derive(Default)]
pub(crate) struct PoolTable(Vec<Option<Member>>, Arc<ClusterState>);

/// A pool as one session uses it.
#[derive(Clone)]
pub(super) struct Member {
    pub(super) pool: Arc<Pool>,
    /// The attempt of the pool's to open a connection after which the session uses it.
    pub(super) since: u64,
    pub(super) limits: Limits,
}

impl PoolTable {
    /// The cluster as it is seen, without any pool.
    pub(super) fn without_pools(table: &Arc<Self>) -> Self {
        Self(Vec::new(), Arc::clone(&table.1))
    }

    pub(super) fn members(&self) -> impl Iterator<Item = &Member> {
        self.0.iter().flatten()
    }

    /// The same with other pools for some nodes, as `change` says.
    pub(super) fn with(&self, mut change: impl FnMut(&Member) -> Option<Member>) -> Self {
        let members = self.0.iter().map(|member| {
            let member = member.as_ref()?;
            Some(change(member).unwrap_or_else(|| member.clone()))
        });
        Self(members.collect(), Arc::clone(&self.1))
    }

    /// The cluster as requests see it.
    pub(crate) fn state(&self) -> &ClusterState {
        &self.1
    }

    /// The same to be kept.
    pub(crate) fn shared(&self, node: &Arc<Node>) -> Option<&Arc<Pool>> {
        let pool = &self.0.get(node.slot())?.as_ref()?.pool;
        (pool.node().host_id() == node.host_id()).then_some(pool)
    }

    /// The pool of a node, or of the one that has taken its place with the same host id.
    #[inline]
    pub(crate) fn of(&self, node: &Arc<Node>) -> Option<&Pool> {
        let pool = &*self.0.get(node.slot())?.as_ref()?.pool;
        let same = Arc::ptr_eq(pool.node(), node) || pool.node().host_id() == node.host_id();
        same.then_some(pool)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<Pool>> {
        self.members().map(|member| &member.pool)
    }
}

impl SessionShared {
    pub(super) fn new(cluster: Arc<ClusterShared>, keyspace: Option<Arc<str>>) -> Arc<Self> {
        let default_profile = cluster.config.profile.clone();
        let mut profiles = vec![default_profile.clone()];
        profiles.extend(cluster.config.other_profiles.iter().cloned());
        Arc::new_cyclic(|me| Self {
            me: Weak::clone(me),
            owner: Owner::new(),
            closing: Notify::new(),
            budget: cluster.config.retry_budget.map(Budget::new),
            statements: KnownStatements::default(),
            cached: PreparedCache::new(cluster.config.prepared_cache_size),
            throttle: cluster.config.request_throttle.map(Throttle::new),
            pools: ArcSwap::from_pointee(PoolTable::default()),
            changing: Mutex::default(),
            keyspace: RwLock::new(keyspace),
            profiles: RwLock::new(profiles),
            default_profile,
            meter: SessionMeter::new(&cluster.config.observe),
            waiting_room: WaitingRoom::new(cluster.config.queue_limit),
            cluster,
            closed: AtomicBool::new(false),
        })
    }

    /// Itself, unless it is being dropped.
    pub(super) fn me(&self) -> Option<Arc<Self>> {
        self.me.upgrade()
    }

    pub(crate) fn cluster(&self) -> &Arc<ClusterShared> {
        &self.cluster
    }

    /// Tells its requests from those of other sessions.
    #[inline]
    pub(crate) fn owner(&self) -> Owner {
        self.owner
    }

    pub(crate) fn meter(&self) -> &SessionMeter {
        &self.meter
    }

    /// What was counted so far.
    pub(crate) fn metrics(&self) -> Metrics {
        let pools = self.pools.load_full();
        let connections = pools.iter().map(|pool| (pool.node(), pool.connections()));
        let mut metrics = self.meter.snapshot(connections);
        metrics.waiting = self.waiting_room.waiting();
        metrics
    }

    /// The same without what is counted by pool.
    pub(crate) fn request_metrics(&self) -> Metrics {
        let mut metrics = self.meter.requests();
        metrics.waiting = self.waiting_room.waiting();
        metrics
    }

    pub(crate) fn pools(&self) -> Guard<Arc<PoolTable>> {
        self.pools.load()
    }

    pub(crate) fn default_profile(&self) -> &ExecutionProfile {
        &self.default_profile
    }

    /// The profile that these options mean now.
    pub(crate) fn profile_of(&self, options: &RequestOptions) -> Result<ExecutionProfile, RequestErrorKind> {
        let profiles = &self.cluster.profiles;
        match &options.profile {
            Some(ProfileRef::Profile(profile)) => Ok(profile.clone()),
            Some(ProfileRef::Named(name)) => {
                profiles
                    .get(name)
                    .ok_or_else(|| RequestErrorKind::UnknownProfile {
                        name: name.to_string(),
                    })
            }
            None => Ok(profiles
                .replaced_default()
                .unwrap_or_else(|| self.default_profile.clone())),
        }
    }

    /// What bounds the retries; `None` when nothing does.
    pub(crate) fn budget(&self) -> Option<&Budget> {
        self.budget.as_ref()
    }

    /// What requests have to wait at; `None` when they need not.
    #[inline]
    pub(crate) fn throttle(&self) -> Option<&Throttle> {
        self.throttle.as_ref()
    }

    /// A timestamp for a request that is made at this moment.
    #[inline]
    pub(crate) fn next_timestamp(&self, now: Moment) -> Option<i64> {
        self.cluster.config.timestamps.next_at(now)
    }

    pub(crate) fn keyspace(&self) -> Option<Arc<str>> {
        self.keyspace
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Ends when the session is closed.
    pub(crate) async fn closing(&self) {
        loop {
            let mut closing = std::pin::pin!(self.closing.notified());
            // Registered before the look, so that nothing is missed.
            closing.as_mut().enable();
            if self.is_closed() {
                return;
            }
            closing.await;
        }
    }

    pub(super) fn lock_changing(&self) -> MutexGuard<'_, Switching> {
        self.changing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add_profile(&self, profile: ExecutionProfile) {
        self.profiles
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(profile);
    }

    /// Gives each node that a policy wants a pool, and ends the pools of others. To be called within the runtime.
    pub(crate) fn reconcile(&self, state: &ClusterState) {
        let changing = self.lock_changing();
        if self.is_closed() {
            return;
        }
        let old = self.pools.load_full();
        let first = old.0.is_empty();
        let mut table = PoolTable(Vec::new(), self.cluster.state());
        for node in state.nodes().iter() {
            let known = old.0.get(node.slot()).and_then(Option::as_ref);
            let kept = known.filter(|member| member.pool.node() == node);
            let Some(limits) = self.limits(self.distance(node, state)) else {
                continue;
            };
            let member = match kept {
                Some(member) => {
                    if member.limits != limits {
                        self.cluster.pools.set_limits(self.owner, &member.pool, limits);
                    }
                    Member {
                        limits,
                        ..member.clone()
                    }
                }
                None => self.join(node, limits, !first, changing.is_off()),
            };
            if table.0.len() <= node.slot() {
                table.0.resize_with(node.slot() + 1, || None);
            }
            table.0[node.slot()] = Some(member);
        }
        self.meter.retain(state.nodes());
        let kept: Vec<_> = table.iter().map(Arc::as_ptr).collect();
        self.pools.store(Arc::new(table));
        for pool in old.iter().filter(|pool| !kept.contains(&Arc::as_ptr(pool))) {
            self.leave(pool, CloseReason::NodeRemoved);
        }
    }

    /// Requests are planned by the current state of the cluster from now on, whose nodes are the same as before.
    pub(crate) fn follow(&self) {
        let _changing = self.lock_changing();
        let members = self.pools.load().0.clone();
        self.pools
            .store(Arc::new(PoolTable(members, self.cluster.state())));
    }

    /// The closest that any profile says.
    fn distance(&self, node: &Node, state: &ClusterState) -> Distance {
        let profiles = self.profiles.read().unwrap_or_else(PoisonError::into_inner);
        let named = self.cluster.profiles.all();
        let distances = profiles
            .iter()
            .chain(&named)
            .map(|profile| profile.load_balancing().distance(node, state));
        distances.min().unwrap_or(Distance::Ignored)
    }

    /// How many connections a node at this distance gets, if any.
    fn limits(&self, distance: Distance) -> Option<Limits> {
        let ClusterConfig { pool, connection, .. } = &self.cluster.config;
        let range = match distance {
            Distance::Local => &pool.local,
            Distance::Remote => &pool.remote,
            Distance::Ignored => return None,
        };
        Some(Limits {
            is_local: distance == Distance::Local,
            min: *range.start(),
            max: *range.end(),
            grow_at: pool.grow_at.unwrap_or(connection.max_in_flight / 2).max(1),
            shrink_after: pool.shrink_after,
        })
    }

    pub(crate) fn waiting_room(&self) -> &WaitingRoom {
        &self.waiting_room
    }

    /// Waits for connections as the cluster's [`WarmUp`] says: until there are those of the pools that it is about, or they
    /// could not be opened, and no longer than the limit. Says how far each pool is.
    pub(super) async fn first_progress(&self) -> Vec<Progress> {
        let table = self.pools.load_full();
        self.progress_of(&table.members().collect::<Vec<_>>()).await
    }

    /// The same of these pools.
    pub(super) async fn progress_of(&self, members: &[&Member]) -> Vec<Progress> {
        let ClusterConfig {
            warm_up, connection, ..
        } = &self.cluster.config;
        let (quick, whole) = (*warm_up == WarmUp::Quick, *warm_up == WarmUp::All);
        let any_local = members.iter().any(|member| member.limits.is_local);
        let awaited = members
            .iter()
            .filter(|member| quick || !any_local || member.limits.is_local);
        let mut waiting: FuturesUnordered<_> = awaited
            .map(|Member { pool, since, .. }| async move {
                match whole {
                    true => pool.is_full(*since).await,
                    false => pool.first_progress(*since).await,
                }
            })
            .collect();
        let all = || {
            let progress = |member: &&Member| member.pool.progress(member.since);
            members.iter().map(progress).collect()
        };
        let mut end = (!quick).then(|| tokio::time::Instant::now() + connection.connect_timeout);
        loop {
            let grace = async {
                match end {
                    Some(end) => sleep_until(end).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                progress = waiting.next() => match progress {
                    Some(progress) => {
                        if let Progress::Opened = progress {
                            end.get_or_insert_with(|| tokio::time::Instant::now() + GRACE);
                        }
                    }
                    None => return all(),
                },
                () = grace => return all(),
            }
        }
    }

    /// A node was said to be up.
    pub(crate) fn node_is_up(&self, node: &Arc<Node>) {
        if let Some(pool) = self.pools().of(node) {
            pool.hurry();
        }
    }

    /// All connections switch to another keyspace; those that do not are closed. To be called while nobody else uses them.
    pub(crate) async fn switch_keyspace(&self, keyspace: &str) {
        let table = {
            // A pool that is made meanwhile would start in the old keyspace.
            let _changing = self.lock_changing();
            *self.keyspace.write().unwrap_or_else(PoisonError::into_inner) = Some(keyspace.into());
            self.pools.load_full()
        };
        let limit = self.cluster.config.connection.connect_timeout;
        let switch = table.iter().map(|pool| pool.use_keyspace(keyspace, limit));
        // A connection that does not switch was closed, and its successor will.
        let _ = futures_util::future::join_all(switch).await;
    }

    /// Takes no more requests, drains, and closes. May be awaited outside of a runtime.
    pub(crate) async fn close(self: &Arc<Self>) {
        {
            let _changing = self.lock_changing();
            self.closed.store(true, Ordering::Release);
        }
        self.closing.notify_waiters();
        if let Some(throttle) = &self.throttle {
            throttle.close();
        }
        let shared = Arc::clone(self);
        let drained = match self.cluster.runtime() {
            Ok(runtime) => on_runtime(runtime, async move { shared.drain().await }).await,
            Err(_) => Err(RuntimeGone),
        };
        if drained.is_err() {
            self.end();
        }
    }

    /// Closes all connections that nobody else uses, with whatever is under way on them.
    pub(super) fn end(&self) {
        for pool in self.cluster.pools.leave_all(self.owner) {
            for connection in pool.end().iter() {
                connection.close(CloseReason::Shutdown);
            }
        }
    }
}

impl Drop for SessionShared {
    fn drop(&mut self) {
        self.cluster.meter.absorb(self.meter.requests());
        for pool in self.cluster.pools.leave_all(self.owner) {
            pool.end();
        }
    }
}
