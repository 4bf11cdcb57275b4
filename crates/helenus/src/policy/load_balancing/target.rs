//! Target nodes: the node that a statement names first.

use std::sync::Arc;

use super::{Distance, LoadBalancingPolicy, QueryPlan, RouteContext};
use crate::cluster::{ClusterState, Node};

/// Asks the node that a statement names ([`RequestOptions::target`](crate::RequestOptions::target)) first, then those of
/// another policy, which it leaves alone where no node is named. What DSE's analytics masters are reached by.
///
/// A node that is named and that nobody connects to is passed over.
#[derive(Debug)]
pub struct TargetNodePolicy {
    child: Arc<dyn LoadBalancingPolicy>,
}

impl TargetNodePolicy {
    /// Before the plans of `child`.
    pub fn new(child: Arc<dyn LoadBalancingPolicy>) -> Self {
        Self { child }
    }
}

impl LoadBalancingPolicy for TargetNodePolicy {
    fn plan(&self, request: &RouteContext<'_>, state: &ClusterState) -> QueryPlan {
        let plan = self.child.plan(request, state);
        let target = request.request.options().target;
        let target = target.and_then(|host_id| state.node(host_id));
        let used = target.filter(|node| self.child.distance(node, state) != Distance::Ignored);
        match used {
            Some(node) => plan.after(Arc::clone(node)),
            None => plan,
        }
    }

    fn distance(&self, node: &Node, state: &ClusterState) -> Distance {
        self.child.distance(node, state)
    }
}
