//! Round robin: nodes in turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Distance, LoadBalancingPolicy, QueryPlan, RouteContext};
use crate::cluster::{ClusterState, Node};
use crate::shard::{CacheLine, Shards};

/// Takes the nodes in turn: of all datacenters, or of one.
///
/// Nodes that are far away get as many requests as those nearby. [`DcAwarePolicy`](super::DcAwarePolicy) prefers what is near.
#[derive(Debug, Default)]
pub struct RoundRobinPolicy {
    datacenter: Option<String>,
    turns: Turns,
}

impl RoundRobinPolicy {
    /// Over the nodes of all datacenters.
    pub fn new() -> Self {
        Self::default()
    }

    /// Over the nodes of this datacenter. Others are ignored.
    pub fn in_datacenter(name: impl Into<String>) -> Self {
        Self {
            datacenter: Some(name.into()),
            ..Self::default()
        }
    }
}

impl LoadBalancingPolicy for RoundRobinPolicy {
    fn plan(&self, _: &RouteContext<'_>, state: &ClusterState) -> QueryPlan {
        let nodes = match &self.datacenter {
            None => state.nodes(),
            Some(name) => match state.nodes_in(name) {
                Some(nodes) => nodes,
                None => return QueryPlan::empty(),
            },
        };
        QueryPlan::rotation(Arc::clone(nodes), self.turns.next())
    }

    fn distance(&self, node: &Node, _: &ClusterState) -> Distance {
        match &self.datacenter {
            Some(name) if node.datacenter() != Some(name) => Distance::Ignored,
            _ => Distance::Local,
        }
    }
}

/// Plans made so far; each thread takes turns of its own.
#[derive(Debug)]
pub(super) struct Turns(Shards<CacheLine<AtomicUsize>>);

impl Turns {
    #[inline]
    pub(super) fn next(&self) -> usize {
        // Two threads that share a part may get the same turn: no harm, and cheaper than counting together.
        let turns = &self.0.mine().0;
        let turn = turns.load(Ordering::Relaxed);
        turns.store(turn.wrapping_add(1), Ordering::Relaxed);
        turn
    }
}

impl Default for Turns {
    fn default() -> Self {
        // Threads that begin together begin at different nodes.
        let mut first = 0..;
        Self(Shards::new(|| {
            CacheLine(AtomicUsize::new(first.next().unwrap_or(0)))
        }))
    }
}
