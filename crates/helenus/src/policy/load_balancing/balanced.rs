//! The policy of profiles that name none.

use super::replicas::Chooser;
use super::{DcAwarePolicy, Distance, LoadBalancingPolicy, QueryPlan, RouteContext};
use crate::cluster::{ClusterState, Node};

/// The local datacenter's replicas of the partition first, then its other nodes; always the less busy of two.
///
/// Busy is who has many requests in flight; where one takes over four times as long for its answers as the other, who needs
/// longer for what it has. A node that has more than ten of them and has answered none for a while comes
/// after those that answer, and one that came up within the last minute gets its share bit by bit. So a slow node gets
/// what it can bear. For requests whose partition is known this is [`TokenAwarePolicy`](super::TokenAwarePolicy); requests
/// whose partition is not known are balanced in the same way over all nodes. Other datacenters are used as
/// [`DcAwarePolicy`] says, by default not at all.
///
/// ```
/// use helenus::policy::{DcAwarePolicy, DefaultPolicy};
///
/// let policy = DefaultPolicy::over(DcAwarePolicy::in_datacenter("dc1").with_remote_nodes(3));
/// ```
#[derive(Debug)]
pub struct DefaultPolicy {
    nodes: DcAwarePolicy,
    chooser: Chooser,
}

impl DefaultPolicy {
    /// Over the cluster's local datacenter.
    pub fn new() -> Self {
        Self::over(DcAwarePolicy::new())
    }

    /// Over the nodes of this policy.
    pub fn over(nodes: DcAwarePolicy) -> Self {
        Self {
            nodes,
            chooser: Chooser::new(),
        }
    }
}

impl Default for DefaultPolicy {
    fn default() -> Self {
        Self::new()
    }
}

impl LoadBalancingPolicy for DefaultPolicy {
    fn plan(&self, request: &RouteContext<'_>, state: &ClusterState) -> QueryPlan {
        let plan = self.nodes.plan(request, state);
        if state.nodes().len() < 2 {
            return plan;
        }
        let routed = self.chooser.replicas_first(request, state, &self.nodes, plan);
        routed.unwrap_or_else(|plan| self.chooser.less_busy_first(request, plan))
    }

    fn distance(&self, node: &Node, state: &ClusterState) -> Distance {
        self.nodes.distance(node, state)
    }
}
