//! Rack awareness: the local rack, then the rest of the local datacenter, then some nodes of each other one.

use std::sync::Arc;

use super::dc_aware::{Remote, Tiers};
use super::per_state::PerState;
use super::round_robin::Turns;
use super::{Distance, LoadBalancingPolicy, QueryPlan, RouteContext};
use crate::cluster::{ClusterState, Node};

/// Takes the nodes of the local rack in turn, then the others of the local datacenter, then some of each other one.
///
/// Traffic between racks costs time, and in a cloud money. As the first policy to be asked it has the nodes of a rack with
/// many clients do more than their share: inside of [`TokenAwarePolicy`](super::TokenAwarePolicy) it orders the replicas.
#[derive(Debug)]
pub struct RackAwarePolicy {
    datacenter: Option<String>,
    rack: String,
    remote: Remote,
    turns: Turns,
    /// With and without remote nodes.
    tiers: [PerState<Tiers>; 2],
}

impl RackAwarePolicy {
    /// This is the local rack, of the cluster's local datacenter.
    pub fn new(rack: impl Into<String>) -> Self {
        Self {
            datacenter: None,
            rack: rack.into(),
            remote: Remote::default(),
            turns: Turns::default(),
            tiers: Default::default(),
        }
    }

    /// This is the local rack, and it is in this datacenter.
    pub fn in_datacenter(datacenter: impl Into<String>, rack: impl Into<String>) -> Self {
        Self {
            datacenter: Some(datacenter.into()),
            ..Self::new(rack)
        }
    }

    /// See [`DcAwarePolicy::with_remote_nodes`](super::DcAwarePolicy::with_remote_nodes).
    #[must_use]
    pub fn with_remote_nodes(mut self, count: usize) -> Self {
        self.remote.nodes = count;
        self
    }

    /// See [`DcAwarePolicy::remote_for_local_consistency`](super::DcAwarePolicy::remote_for_local_consistency).
    #[must_use]
    pub fn remote_for_local_consistency(mut self, allowed: bool) -> Self {
        self.remote.for_local_consistency = allowed;
        self
    }

    fn local<'a>(&'a self, state: &'a ClusterState) -> Option<&'a str> {
        self.datacenter.as_deref().or(state.local_datacenter())
    }

    fn look<R>(&self, state: &ClusterState, remote: bool, look: impl FnOnce(&Tiers) -> R) -> R {
        let [without, with] = &self.tiers;
        let tiers = if remote { with } else { without };
        tiers.look(state, || self.make_tiers(state, remote), look)
    }

    fn make_tiers(&self, state: &ClusterState, remote: bool) -> Tiers {
        let local = match self.local(state) {
            Some(name) => state.nodes_in(name),
            None => Some(state.nodes()),
        };
        let local = local.map(|nodes| nodes.to_vec()).unwrap_or_default();
        let in_rack = |node: &Arc<Node>| node.rack() == Some(&self.rack);
        let (mut nodes, mut others): (Vec<_>, Vec<_>) = local.into_iter().partition(in_rack);
        let first = nodes.len();
        nodes.append(&mut others);
        let local = nodes.len();
        if let (true, Some(name)) = (remote, self.local(state)) {
            self.remote.append(&mut nodes, state, name);
        }
        Tiers::new(&nodes, first, local)
    }
}

impl LoadBalancingPolicy for RackAwarePolicy {
    fn plan(&self, request: &RouteContext<'_>, state: &ClusterState) -> QueryPlan {
        let turn = self.turns.next();
        self.look(state, self.remote.takes(request), |tiers| tiers.plan(turn))
    }

    fn distance(&self, node: &Node, state: &ClusterState) -> Distance {
        match self.local(state) {
            Some(local) if node.datacenter() == Some(local) => Distance::Local,
            None => Distance::Local,
            Some(_) => self.look(state, self.remote.nodes > 0, |tiers| {
                tiers.distance_of_remote(node)
            }),
        }
    }
}
