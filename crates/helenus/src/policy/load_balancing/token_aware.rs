//! Token awareness: requests go to a node that has the partition.

use std::sync::Arc;

use super::replicas::Chooser;
use super::{DcAwarePolicy, Distance, LoadBalancingPolicy, QueryPlan, RouteContext};
use crate::cluster::{ClusterState, Node};

/// Puts the replicas of a request's partition before the nodes that another policy chooses.
///
/// Only replicas that the other policy counts as [`Distance::Local`] come first; for the rest, and for requests whose
/// partition is not known, its plan holds. Of two replicas chosen by chance the one with fewer requests in flight is asked
/// first, unless replicas are to keep their order; one that has stopped answering, or has come up within a minute, is
/// asked later. Where the other policy prefers some local nodes, as [`RackAwarePolicy`](super::RackAwarePolicy) does, it also
/// prefers them as replicas. Lightweight transactions always go to the first replica of the order, so that those of one
/// partition meet at one node.
#[derive(Debug)]
pub struct TokenAwarePolicy {
    child: Arc<dyn LoadBalancingPolicy>,
    chooser: Chooser,
}

impl TokenAwarePolicy {
    /// Before the plans of `child`.
    pub fn new(child: Arc<dyn LoadBalancingPolicy>) -> Self {
        Self {
            child,
            chooser: Chooser::new(),
        }
    }

    /// Replicas keep the order of the ring: the primary replica is always asked first.
    #[must_use]
    pub fn in_ring_order(mut self) -> Self {
        self.chooser.shuffles = false;
        self
    }
}

impl Default for TokenAwarePolicy {
    /// Before the nodes of the local datacenter, in turn.
    fn default() -> Self {
        Self::new(Arc::new(DcAwarePolicy::new()))
    }
}

impl LoadBalancingPolicy for TokenAwarePolicy {
    fn plan(&self, request: &RouteContext<'_>, state: &ClusterState) -> QueryPlan {
        let plan = self.child.plan(request, state);
        if state.nodes().len() < 2 {
            return plan;
        }
        self.chooser
            .replicas_first(request, state, &*self.child, plan)
            .unwrap_or_else(|plan| plan)
    }

    fn distance(&self, node: &Node, state: &ClusterState) -> Distance {
        self.child.distance(node, state)
    }
}
