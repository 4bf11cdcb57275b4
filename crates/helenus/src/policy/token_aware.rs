//! Token awareness: requests go to a node that has the partition.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::plan::Preferred;
use super::{Distance, LoadBalancingPolicy, QueryPlan, RoundRobinPolicy, RouteContext};
use crate::cluster::{ClusterState, Node};
use crate::shard::{CacheLine, Shards};

/// Puts the replicas of a request's partition before the nodes that another policy chooses.
///
/// Only replicas that the other policy counts as [`Distance::Local`] come first; for the rest, and for requests whose
/// partition is not known, its plan holds. Of two replicas chosen by chance the one with fewer requests in flight is asked
/// first, unless replicas are to keep their order. Lightweight transactions always go to the first replica of the order, so
/// that those of one partition meet at one node.
#[derive(Debug)]
pub struct TokenAwarePolicy {
    child: Arc<dyn LoadBalancingPolicy>,
    shuffles: bool,
    /// Where chance comes from: a sequence for each thread.
    chance: Shards<CacheLine<AtomicU64>>,
}

impl TokenAwarePolicy {
    /// Before the plans of `child`.
    pub fn new(child: Arc<dyn LoadBalancingPolicy>) -> Self {
        let mut seed = rand::random::<u64>();
        Self {
            child,
            shuffles: true,
            chance: Shards::new(|| {
                seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
                CacheLine(AtomicU64::new(seed))
            }),
        }
    }

    /// Replicas keep the order of the ring: the primary replica is always asked first.
    #[must_use]
    pub fn in_ring_order(mut self) -> Self {
        self.shuffles = false;
        self
    }

    /// A number by chance: the next one of this thread's Weyl sequence, its bits mixed (SplitMix64).
    fn chance(&self) -> u64 {
        let mut number = self
            .chance
            .mine()
            .0
            .fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        number = (number ^ number >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ number >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ number >> 31
    }

    /// The replicas to ask first, in order.
    fn preferred(
        &self,
        request: &RouteContext<'_>,
        state: &ClusterState,
        plan: &QueryPlan,
    ) -> Option<Preferred> {
        let partitioner = state.token_partitioner()?;
        let keyspace = request.partition_keyspace()?;
        let token = partitioner.token(&request.routing_key()?);
        let mut preferred = Preferred::default();
        for node in state.replicas(keyspace, &token) {
            if self.child.distance(node, state) == Distance::Local
                && let Some(index) = plan.position(node)
            {
                preferred.push(index);
            }
        }
        if self.shuffles && !request.is_conditional() {
            self.order_by_load(&mut preferred, request, plan);
        }
        Some(preferred)
    }

    fn order_by_load(&self, preferred: &mut Preferred, request: &RouteContext<'_>, plan: &QueryPlan) {
        if preferred.len() < 2 {
            return;
        }
        let mut chance = self.chance();
        preferred.shuffle(|choices| {
            let chosen = chance % choices;
            chance = chance.rotate_right(16);
            chosen
        });
        let load = |at: usize| {
            preferred
                .get(at)
                .and_then(|index| plan.listed(index))
                .map(|node| request.in_flight(node))
        };
        if load(1) < load(0) {
            preferred.swap_first_two();
        }
    }
}

impl Default for TokenAwarePolicy {
    /// Before the nodes of the local datacenter, in turn.
    fn default() -> Self {
        Self::new(Arc::new(RoundRobinPolicy::new()))
    }
}

impl LoadBalancingPolicy for TokenAwarePolicy {
    fn plan(&self, request: &RouteContext<'_>, state: &ClusterState) -> QueryPlan {
        let plan = self.child.plan(request, state);
        if state.nodes().len() < 2 {
            return plan;
        }
        match self.preferred(request, state, &plan) {
            Some(preferred) => plan.preferring(preferred),
            None => plan,
        }
    }

    fn distance(&self, node: &Node, state: &ClusterState) -> Distance {
        self.child.distance(node, state)
    }
}
