//! A session's way into pools that it shares with others, and out of them.
//!
//! Sessions of one cluster that work in the same keyspace share their connections. A `USE` switches the connections that it
//! runs on, so a session that sends one has its pools for itself from before that until its end is known: pools with other
//! users are left for new ones in the old keyspace, and requests find the new ones when they are connected. Afterwards others
//! may join again, or the session joins what there is. A `USE` that nobody saw end is never followed by that: then the session
//! keeps its pools to itself.

use std::sync::Arc;
use std::sync::Weak;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::SessionShared;
use super::shared::{Member, PoolTable};
use crate::cluster::Node;
use crate::connection::{CloseReason, ConnectionConfig, VersionChoice};
use crate::observe::PoolMeter;
use crate::pool::{Limits, OnUp, Pool};
use crate::runtime::on_runtime;

/// How many `USE` are under way, or were given up.
#[derive(Debug, Default)]
pub(super) struct Switching(usize);

impl Switching {
    /// Whether none is.
    pub(super) fn is_off(&self) -> bool {
        self.0 == 0
    }
}

/// How long the last requests may take on a pool that was left.
const LAST_REQUESTS: Duration = Duration::from_secs(60);

/// New pools to be used instead of those with other users; given up unless they are.
pub(crate) struct Replacements {
    session: Arc<SessionShared>,
    /// Old and new.
    pools: Vec<(Arc<Pool>, Member)>,
}

impl Drop for Replacements {
    fn drop(&mut self) {
        for (_, Member { pool, .. }) in self.pools.drain(..) {
            if self.session.cluster().pools.leave(self.session.owner(), &pool) {
                pool.end();
            }
        }
    }
}

impl SessionShared {
    /// The pool of a node: that of other sessions, if there is one and sessions may share it; else a new one. To be called
    /// within the runtime.
    pub(super) fn join(&self, node: &Arc<Node>, limits: Limits, newcomer: bool, shared: bool) -> Member {
        let registry = &self.cluster().pools;
        let user = (self.owner(), limits);
        let requests = self.meter().node(node);
        let make = || {
            let meter = PoolMeter::new(node, self.owner(), Arc::clone(&requests));
            self.cluster().meter.add_pool(&meter);
            self.new_pool(node, limits, &meter, newcomer)
        };
        let (pool, is_new) = match shared {
            true => registry.join(user, node, self.keyspace(), make),
            false => {
                let pool = make();
                registry.add(user, &pool);
                (pool, true)
            }
        };
        self.meter().joined(pool.meter(), is_new);
        let since = match is_new {
            true => 0,
            false => self.joined(&pool, newcomer),
        };
        Member { pool, since, limits }
    }

    /// Since which attempt to connect the session uses a pool that it has just joined.
    fn joined(&self, pool: &Arc<Pool>, newcomer: bool) -> u64 {
        pool.meter().add(self.owner(), &self.meter().node(pool.node()));
        let since = pool.attempt();
        if pool.connection().is_none() {
            // Whoever connects does not wait for the delays of others.
            pool.hurry();
        }
        if newcomer {
            pool.joined_by_older();
        }
        since
    }

    fn new_pool(
        &self,
        node: &Arc<Node>,
        limits: Limits,
        meter: &Arc<PoolMeter>,
        newcomer: bool,
    ) -> Arc<Pool> {
        let config = &self.cluster().config;
        let mut connection = ConnectionConfig {
            keyspace: self.keyspace().map(|name| name.to_string()),
            meter: Some(Arc::clone(meter)),
            ..config.connection.clone()
        };
        // What the control connection agreed on saves the others the same negotiation.
        if let (VersionChoice::Negotiate(versions), Some(agreed)) =
            (&mut connection.version, self.cluster().look().protocol_version())
            && let Some(at) = versions.iter().position(|version| *version == agreed)
        {
            versions.drain(..at);
        }
        let cluster: Weak<_> = Arc::downgrade(self.cluster());
        let on_up: OnUp = Box::new(move |pool| {
            if let Some(cluster) = cluster.upgrade() {
                cluster.pool_came_up(pool);
            }
        });
        Pool::spawn(
            Arc::clone(node),
            limits,
            Arc::new(connection),
            Arc::clone(meter),
            Arc::clone(&config.reconnection),
            newcomer,
            on_up,
        )
    }

    /// Uses a pool no more. Its last user ends it, within the cluster's limit for requests in flight; for others it goes on.
    pub(super) fn leave(&self, pool: &Arc<Pool>, reason: CloseReason) {
        let Ok(runtime) = self.cluster().runtime() else {
            return;
        };
        let limit = self.cluster().config.close_timeout;
        let left = Arc::clone(pool);
        if self.cluster().pools.leave_if_last(self.owner(), pool) {
            runtime.spawn(async move { left.close(reason, limit).await });
            return;
        }
        let owner = self.owner();
        if let Some(mut leaving) = self.leave_to_others(pool, reason) {
            runtime.spawn(async move {
                // What was sent before a USE has all its time.
                if reason == CloseReason::NodeRemoved
                    && tokio::time::timeout(limit, &mut leaving).await.is_err()
                {
                    left.evict(owner);
                }
            });
        }
    }

    /// Has a pool that others use go on without this session, when its last request there is answered.
    fn leave_to_others(&self, pool: &Arc<Pool>, reason: CloseReason) -> Option<JoinHandle<()>> {
        let runtime = self.cluster().runtime().ok()?;
        self.meter().left(pool.meter());
        let (cluster, owner, pool) = (Arc::clone(self.cluster()), self.owner(), Arc::clone(pool));
        Some(runtime.spawn(async move {
            pool.has_answered(owner).await;
            if cluster.pools.leave(owner, &pool) {
                pool.close(reason, LAST_REQUESTS).await;
            }
        }))
    }

    /// Leaves all pools. Those of others lose nothing but the requests of this session that are not answered in time.
    pub(super) async fn drain(&self) {
        let limit = self.cluster().config.close_timeout;
        self.pools.rcu(PoolTable::without_pools);
        let registry = &self.cluster().pools;
        let (last, shared): (Vec<_>, Vec<_>) = registry
            .of(self.owner())
            .into_iter()
            .partition(|pool| registry.leave_if_last(self.owner(), pool));
        let close = last.iter().map(|pool| pool.close(CloseReason::Shutdown, limit));
        let leave = shared.iter().map(|pool| {
            let leaving = self.leave_to_others(pool, CloseReason::Shutdown);
            async move {
                let Some(mut leaving) = leaving else {
                    return;
                };
                if tokio::time::timeout(limit, &mut leaving).await.is_err() {
                    pool.evict(self.owner());
                    let _ = leaving.await;
                }
            }
        });
        futures_util::future::join(
            futures_util::future::join_all(close),
            futures_util::future::join_all(leave),
        )
        .await;
    }

    /// A `USE` is about to be sent: nobody may join the session's pools until it has ended. Where others have, the pools
    /// that are to be used instead.
    pub(crate) fn begin_switch(&self) -> Option<Replacements> {
        let mut changing = self.lock_changing();
        changing.0 += 1;
        let _entered = self.cluster().runtime().map(|runtime| runtime.enter()).ok()?;
        let mut replacements = Replacements {
            session: self.me()?,
            pools: Vec::new(),
        };
        for Member { pool, limits, .. } in self.pools.load().members() {
            if !self.cluster().pools.claim(self.owner(), pool) {
                let member = self.join(pool.node(), *limits, false, false);
                replacements.pools.push((Arc::clone(pool), member));
            }
        }
        (!replacements.pools.is_empty()).then_some(replacements)
    }

    /// Uses the replacements when they are connected, as far as they can be. Whether all pools are the session's own now.
    pub(crate) async fn use_replacements(&self, replacements: Replacements, limit: Option<Duration>) -> bool {
        let Ok(runtime) = self.cluster().runtime() else {
            return false;
        };
        let replaced = on_runtime(runtime, async move {
            let limit = limit.unwrap_or(Duration::MAX);
            let members: Vec<_> = replacements.pools.iter().map(|(_, member)| member).collect();
            let connected = replacements.session.progress_of(&members);
            let in_time = tokio::time::timeout(limit, connected).await.is_ok();
            drop(members);
            in_time && replacements.put_in_place()
        });
        replaced.await.unwrap_or(false)
    }

    /// A `USE` has ended, one way or the other: others may join the pools, or the session joins theirs.
    pub(crate) fn end_switch(&self) {
        let mut changing = self.lock_changing();
        changing.0 = changing.0.saturating_sub(1);
        if !changing.is_off() || self.is_closed() {
            return;
        }
        let keyspace = self.keyspace();
        let mut left = Vec::new();
        let table = self.pools.load_full().with(|member| {
            let Member { pool, limits, .. } = member;
            let registry = &self.cluster().pools;
            let other = registry.offer((self.owner(), *limits), pool, keyspace.clone())?;
            left.push(Arc::clone(pool));
            self.meter().joined(other.meter(), false);
            Some(Member {
                since: self.joined(&other, false),
                limits: *limits,
                pool: other,
            })
        });
        if !left.is_empty() {
            self.pools.store(Arc::new(table));
        }
        for pool in left {
            self.leave(&pool, CloseReason::Surplus);
        }
    }

    /// A statement that was not seen to be a `USE` was answered as one, by this node. Whether the session may switch.
    #[cold]
    pub(crate) async fn begin_unseen_switch(&self, node: &Arc<Node>) -> bool {
        // Nobody knows which of the connections it was.
        if let Some(pool) = self.pools().shared(node) {
            for connection in pool.connections() {
                connection.close(CloseReason::KeyspaceNotSet);
            }
        }
        match self.begin_switch() {
            None => true,
            Some(replacements) => self.use_replacements(replacements, None).await,
        }
    }
}

impl Replacements {
    /// Whether they are used now.
    fn put_in_place(mut self) -> bool {
        let session = Arc::clone(&self.session);
        let _changing = session.lock_changing();
        let is_connected = |(_, new): &(_, Member)| new.pool.connection().is_some();
        if session.is_closed() || !self.pools.iter().any(is_connected) {
            return false;
        }
        let mut left = Vec::new();
        let table = session.pools.load_full().with(|member| {
            let is_old = |(old, _): &(Arc<Pool>, Member)| Arc::ptr_eq(old, &member.pool);
            let at = self.pools.iter().position(is_old)?;
            let (old, new) = self.pools.swap_remove(at);
            left.push(old);
            Some(new)
        });
        session.pools.store(Arc::new(table));
        for pool in left {
            session.leave(&pool, CloseReason::Surplus);
        }
        true
    }
}
