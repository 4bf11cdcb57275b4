//! Which sessions use which pools: those of one cluster that work in the same keyspace share them.
//!
//! Invariants: a pool that others may join is in its keyspace, and so is each of its connections: whoever wants to switch has
//! to be its only user, and takes it out of reach first ([`Registry::claim`]). A pool has the greatest limits that its users
//! want, and ends with the last of them. A session may be a user twice: it came back while requests from before are under way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::{Limits, Pool};
use crate::cluster::Node;
use crate::connection::Owner;

/// The pools of a cluster's sessions, by the host ids of their nodes.
#[derive(Default)]
pub(crate) struct Registry(Mutex<HashMap<Uuid, Vec<Shared>>>);

struct Shared {
    pool: Arc<Pool>,
    users: Vec<(Owner, Limits)>,
    open_in: Open,
}

/// Who may join.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Open {
    /// Nobody.
    ToNobody,
    /// Who works in this keyspace, or in none.
    In(Option<Arc<str>>),
}

impl Shared {
    fn is_of(&self, owner: Owner) -> bool {
        self.users.iter().any(|(user, _)| *user == owner)
    }

    /// Whether it has no other user.
    fn is_only_of(&self, owner: Owner) -> bool {
        matches!(&self.users[..], [(user, _)] if *user == owner)
    }

    fn add(&mut self, owner: Owner, limits: Limits) {
        self.users.push((owner, limits));
        self.limit();
    }

    /// Whether it was the last user.
    fn remove(&mut self, owner: Owner) -> bool {
        if let Some(at) = self.users.iter().position(|(user, _)| *user == owner) {
            self.users.remove(at);
        }
        if !self.is_of(owner) {
            self.pool.meter().remove(owner);
        }
        self.limit();
        self.users.is_empty()
    }

    fn limit(&self) {
        let limits = self.users.iter().map(|(_, limits)| *limits);
        if let Some(limits) = limits.reduce(Limits::greater) {
            self.pool.set_limits(limits);
        }
    }
}

impl Registry {
    fn lock(&self) -> MutexGuard<'_, HashMap<Uuid, Vec<Shared>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, pool: &Arc<Pool>, change: impl FnOnce(&mut Shared) -> T) -> Option<T> {
        let mut pools = self.lock();
        let of_node = pools.get_mut(&pool.node().host_id())?;
        let shared = of_node
            .iter_mut()
            .find(|shared| Arc::ptr_eq(&shared.pool, pool))?;
        Some(change(shared))
    }

    /// The pool of a node for who works in this keyspace: one that there is, or one that `make` makes. Says whether it is new.
    pub(crate) fn join(
        &self,
        (owner, limits): (Owner, Limits),
        node: &Arc<Node>,
        keyspace: Option<Arc<str>>,
        make: impl FnOnce() -> Arc<Pool>,
    ) -> (Arc<Pool>, bool) {
        let mut pools = self.lock();
        let of_node = pools.entry(node.host_id()).or_default();
        let open_in = Open::In(keyspace);
        let found = of_node
            .iter_mut()
            .find(|shared| shared.open_in == open_in && shared.pool.node() == node);
        if let Some(shared) = found {
            shared.add(owner, limits);
            return (Arc::clone(&shared.pool), false);
        }
        let pool = make();
        of_node.push(Shared {
            pool: Arc::clone(&pool),
            users: vec![(owner, limits)],
            open_in,
        });
        (pool, true)
    }

    /// A pool that nobody else may join.
    pub(crate) fn add(&self, (owner, limits): (Owner, Limits), pool: &Arc<Pool>) {
        let mut pools = self.lock();
        pools.entry(pool.node().host_id()).or_default().push(Shared {
            pool: Arc::clone(pool),
            users: vec![(owner, limits)],
            open_in: Open::ToNobody,
        });
    }

    /// Nobody may join the pool any more, if its only user says so; whether that was the case.
    pub(crate) fn claim(&self, owner: Owner, pool: &Arc<Pool>) -> bool {
        let claimed = self.with(pool, |shared| {
            let only = shared.is_only_of(owner);
            if only {
                shared.open_in = Open::ToNobody;
            }
            only
        });
        claimed.unwrap_or(false)
    }

    /// Others may join a pool that was claimed; unless there is one like it already, with connections: then that is joined.
    pub(crate) fn offer(
        &self,
        (owner, limits): (Owner, Limits),
        pool: &Arc<Pool>,
        keyspace: Option<Arc<str>>,
    ) -> Option<Arc<Pool>> {
        let mut pools = self.lock();
        let of_node = pools.get_mut(&pool.node().host_id())?;
        let open_in = Open::In(keyspace);
        let found = of_node.iter_mut().find(|shared| {
            shared.open_in == open_in
                && shared.pool.node() == pool.node()
                && !Arc::ptr_eq(&shared.pool, pool)
                && shared.pool.connection().is_some()
        });
        if let Some(shared) = found {
            shared.add(owner, limits);
            return Some(Arc::clone(&shared.pool));
        }
        let own = of_node
            .iter_mut()
            .find(|shared| Arc::ptr_eq(&shared.pool, pool))?;
        own.open_in = open_in;
        None
    }

    /// A user wants other limits from now on.
    pub(crate) fn set_limits(&self, owner: Owner, pool: &Arc<Pool>, limits: Limits) {
        self.with(pool, |shared| {
            let mut users = shared.users.iter_mut();
            // The one that came last is the one that stays.
            if let Some(user) = users.rfind(|(user, _)| *user == owner) {
                user.1 = limits;
            }
            shared.limit();
        });
    }

    /// The only user leaves, if it is; the pool is the caller's to end then.
    pub(crate) fn leave_if_last(&self, owner: Owner, pool: &Arc<Pool>) -> bool {
        self.remove(pool, |shared| shared.is_only_of(owner))
    }

    /// A user leaves; whether it was the last one. The pool is the caller's to end then.
    pub(crate) fn leave(&self, owner: Owner, pool: &Arc<Pool>) -> bool {
        self.remove(pool, |shared| shared.remove(owner))
    }

    fn remove(&self, pool: &Arc<Pool>, is_last: impl FnOnce(&mut Shared) -> bool) -> bool {
        let mut pools = self.lock();
        let Some(of_node) = pools.get_mut(&pool.node().host_id()) else {
            return false;
        };
        let Some(at) = of_node.iter().position(|shared| Arc::ptr_eq(&shared.pool, pool)) else {
            return false;
        };
        if !is_last(&mut of_node[at]) {
            return false;
        }
        of_node.remove(at);
        if of_node.is_empty() {
            pools.remove(&pool.node().host_id());
        }
        true
    }

    /// A user leaves all pools. Those of which it was the last one are the caller's to end.
    pub(crate) fn leave_all(&self, owner: Owner) -> Vec<Arc<Pool>> {
        let mut ended = Vec::new();
        self.lock().retain(|_, of_node| {
            for shared in of_node.iter_mut() {
                while shared.is_of(owner) {
                    shared.remove(owner);
                }
            }
            let left = of_node.extract_if(.., |shared| shared.users.is_empty());
            ended.extend(left.map(|shared| shared.pool));
            !of_node.is_empty()
        });
        ended
    }

    /// The pools of a user.
    pub(crate) fn of(&self, owner: Owner) -> Vec<Arc<Pool>> {
        let pools = self.lock();
        let used = pools.values().flatten().filter(|shared| shared.is_of(owner));
        used.map(|shared| Arc::clone(&shared.pool)).collect()
    }

    /// All pools.
    pub(crate) fn all(&self) -> Vec<Arc<Pool>> {
        let pools = self.lock();
        let all = pools.values().flatten();
        all.map(|shared| Arc::clone(&shared.pool)).collect()
    }

    /// Whether this user is one of a pool's.
    pub(crate) fn is_used_by(&self, owner: Owner, pool: &Arc<Pool>) -> bool {
        self.with(pool, |shared| shared.is_of(owner)).unwrap_or(false)
    }
}
