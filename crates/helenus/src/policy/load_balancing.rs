//! Load balancing: which nodes a request tries, in which order, and which nodes get connections at all.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use helenus_protocol::ConsistencyLevel;

use super::QueryPlan;
use crate::cluster::{ClusterState, Node};
use crate::executor::Request;
use crate::pool::Pool;
use crate::session::SessionShared;
use crate::shard::{CacheLine, Shards};

/// Chooses nodes. Which connection of a node is used is not its business: the less busy one of two that it has a look at.
pub trait LoadBalancingPolicy: fmt::Debug + Send + Sync {
    /// The nodes to try for one request, best first. Nodes without an open connection are passed over.
    fn plan(&self, request: &RouteContext<'_>, state: &ClusterState) -> QueryPlan;

    /// How close a node is. Ignored nodes get no connections.
    fn distance(&self, node: &Node, state: &ClusterState) -> Distance;
}

/// How close a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Distance {
    /// Gets requests.
    Local,
    /// Gets requests when no local node can take them.
    Remote,
    /// Gets no requests and no connections.
    Ignored,
}

/// What a policy may want to know about a request.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct RouteContext<'a> {
    /// The request.
    pub request: &'a Request,
    /// Consistency level of the request.
    pub consistency: ConsistencyLevel,
    session: &'a SessionShared,
}

impl<'a> RouteContext<'a> {
    pub(crate) fn new(
        request: &'a Request,
        consistency: ConsistencyLevel,
        session: &'a SessionShared,
    ) -> Self {
        Self {
            request,
            consistency,
            session,
        }
    }

    /// The keyspace in which unqualified names are looked up: of the statement, else of the session.
    pub fn keyspace(&self) -> Option<Arc<str>> {
        let own = self.request.options().keyspace.clone();
        own.or_else(|| self.session.keyspace())
    }

    /// The keyspace of the partition that the request is about, if that is known.
    pub fn partition_keyspace(&self) -> Option<&'a str> {
        self.request.partition_keyspace()
    }

    /// Whether it is a lightweight transaction, as far as its text says.
    pub fn is_conditional(&self) -> bool {
        self.request.is_conditional()
    }

    /// How many requests of the session the node has not answered yet.
    pub fn in_flight(&self, node: &Arc<Node>) -> usize {
        self.session.pools().of(node).map_or(0, Pool::in_flight)
    }

    /// The partition key as replicas hash it, if it is known.
    pub fn routing_key(&self) -> Option<Cow<'a, [u8]>> {
        self.request.routing_key()
    }
}

impl fmt::Debug for RouteContext<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RouteContext")
            .field("text", &self.request.text())
            .field("consistency", &self.consistency)
            .finish_non_exhaustive()
    }
}

/// Takes the nodes of the local datacenter in turn.
///
/// When the local datacenter is not named here it is the one that the cluster was built with, or that of the first node
/// that answered.
#[derive(Debug)]
pub struct RoundRobinPolicy {
    local_datacenter: Option<String>,
    /// Plans made so far; each thread takes turns of its own.
    turns: Shards<CacheLine<AtomicUsize>>,
}

impl Default for RoundRobinPolicy {
    fn default() -> Self {
        // Threads that begin together begin at different nodes.
        let mut first = 0..;
        Self {
            local_datacenter: None,
            turns: Shards::new(|| CacheLine(AtomicUsize::new(first.next().unwrap_or(0)))),
        }
    }
}

impl RoundRobinPolicy {
    /// Over the nodes of the cluster's local datacenter.
    pub fn new() -> Self {
        Self::default()
    }

    /// Over the nodes of this datacenter.
    pub fn in_datacenter(name: impl Into<String>) -> Self {
        Self {
            local_datacenter: Some(name.into()),
            ..Self::default()
        }
    }

    fn local_datacenter<'a>(&'a self, state: &'a ClusterState) -> Option<&'a str> {
        self.local_datacenter.as_deref().or(state.local_datacenter())
    }
}

impl LoadBalancingPolicy for RoundRobinPolicy {
    fn plan(&self, _: &RouteContext<'_>, state: &ClusterState) -> QueryPlan {
        let nodes = match &self.local_datacenter {
            None => state.local_nodes(),
            Some(name) => match state.nodes_in(name) {
                Some(nodes) => nodes,
                None => return QueryPlan::empty(),
            },
        };
        let turn = self.turns.mine().0.fetch_add(1, Ordering::Relaxed);
        QueryPlan::rotation(Arc::clone(nodes), turn)
    }

    fn distance(&self, node: &Node, state: &ClusterState) -> Distance {
        match self.local_datacenter(state) {
            Some(local) if node.datacenter() == Some(local) => Distance::Local,
            None => Distance::Local,
            Some(_) => Distance::Ignored,
        }
    }
}
