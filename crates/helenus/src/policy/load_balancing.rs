//! Load balancing: which nodes a request tries, in which order, and which nodes get connections at all.
//!
//! Policies that choose nodes ([`RoundRobinPolicy`], [`DcAwarePolicy`], [`RackAwarePolicy`]) stand alone; others change what a
//! policy inside of them says ([`TokenAwarePolicy`], [`HostFilterPolicy`], [`TargetNodePolicy`]). [`DefaultPolicy`] is what a
//! profile has when nothing is said.
//! Invariant: the plan of a built-in policy has each of its nodes once, and none that it calls [`Distance::Ignored`].

mod balanced;
mod chance;
mod dc_aware;
mod host_filter;
mod per_state;
mod plan;
mod preferred;
mod rack_aware;
mod replicas;
mod round_robin;
mod route;
mod target;
mod token_aware;

pub use balanced::DefaultPolicy;
pub use dc_aware::DcAwarePolicy;
pub use host_filter::{AllowListPolicy, HostFilterPolicy};
pub(crate) use plan::PlannedNode;
pub use plan::QueryPlan;
pub use rack_aware::RackAwarePolicy;
pub use round_robin::RoundRobinPolicy;
pub use route::RouteContext;
pub(crate) use route::{Demotion, NodeLoad};
pub use target::TargetNodePolicy;
pub use token_aware::TokenAwarePolicy;

use std::fmt;

use crate::cluster::{ClusterState, Node};

/// Chooses nodes. Which connection of a node is used is not its business: the less busy one of two that it has a look at.
pub trait LoadBalancingPolicy: fmt::Debug + Send + Sync {
    /// The nodes to try for one request, best first. Nodes without an open connection are passed over.
    fn plan(&self, request: &RouteContext<'_>, state: &ClusterState) -> QueryPlan;

    /// How close a node is. Asked for each node when the cluster has changed; a node gets connections as the closest of all
    /// profiles says.
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

#[cfg(test)]
mod tests;
