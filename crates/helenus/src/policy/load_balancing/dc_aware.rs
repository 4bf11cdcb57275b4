//! Datacenter awareness: local nodes in turn, then some of each other datacenter.

use std::sync::Arc;

use uuid::Uuid;

use super::chance::mix;
use super::per_state::PerState;
use super::plan::TierEnds;
use super::round_robin::Turns;
use super::{Distance, LoadBalancingPolicy, QueryPlan, RouteContext};
use crate::cluster::{ClusterState, Node, NodeList, node_list};

/// Takes the nodes of the local datacenter in turn, and when none of them takes a request, some nodes of each other one.
///
/// When the local datacenter is not named here it is the one that the cluster was built with, or that of the first node
/// that answered. Nodes of other datacenters are ignored unless [`DcAwarePolicy::with_remote_nodes`] asks for some.
///
/// ```
/// use helenus::policy::DcAwarePolicy;
///
/// let policy = DcAwarePolicy::in_datacenter("dc1").with_remote_nodes(2);
/// ```
#[derive(Debug, Default)]
pub struct DcAwarePolicy {
    datacenter: Option<String>,
    remote: Remote,
    turns: Turns,
    tiers: PerState<Tiers>,
}

/// Which nodes of other datacenters are used, and for what.
#[derive(Clone, Debug)]
pub(super) struct Remote {
    /// How many of each datacenter.
    pub(super) nodes: usize,
    /// For requests whose consistency is local, too.
    pub(super) for_local_consistency: bool,
    /// Clients choose different nodes.
    seed: u64,
}

/// All nodes of a policy.
#[derive(Debug)]
pub(super) struct Tiers {
    pub(super) nodes: NodeList,
    pub(super) ends: TierEnds,
    /// The place of the first remote node.
    pub(super) remote_from: usize,
}

impl DcAwarePolicy {
    /// The local datacenter is the cluster's.
    pub fn new() -> Self {
        Self::default()
    }

    /// This is the local datacenter.
    pub fn in_datacenter(name: impl Into<String>) -> Self {
        Self {
            datacenter: Some(name.into()),
            ..Self::default()
        }
    }

    /// Uses up to `count` nodes of each other datacenter when no local node takes a request. 0 by default.
    ///
    /// Not for requests with a `LOCAL_` consistency level, which would mean another datacenter's replicas there.
    #[must_use]
    pub fn with_remote_nodes(mut self, count: usize) -> Self {
        self.remote.nodes = count;
        self
    }

    /// Uses remote nodes for requests with a `LOCAL_` consistency level, too. False by default: `LOCAL_QUORUM` would then be
    /// a quorum of another datacenter, which need not know what was written here.
    #[must_use]
    pub fn remote_for_local_consistency(mut self, allowed: bool) -> Self {
        self.remote.for_local_consistency = allowed;
        self
    }

    fn local<'a>(&'a self, state: &'a ClusterState) -> Option<&'a str> {
        self.datacenter.as_deref().or(state.local_datacenter())
    }

    fn tiers(&self, state: &ClusterState) -> Tiers {
        let mut nodes = self
            .local_nodes(state)
            .map(|nodes| nodes.to_vec())
            .unwrap_or_default();
        let local = nodes.len();
        if let Some(name) = self.local(state) {
            self.remote.append(&mut nodes, state, name);
        }
        Tiers::new(&nodes, local, local)
    }

    #[inline]
    fn local_nodes<'a>(&self, state: &'a ClusterState) -> Option<&'a Arc<[Arc<Node>]>> {
        match &self.datacenter {
            None => Some(state.local_nodes()),
            Some(name) => state.nodes_in(name),
        }
    }
}

impl LoadBalancingPolicy for DcAwarePolicy {
    #[inline]
    fn plan(&self, request: &RouteContext<'_>, state: &ClusterState) -> QueryPlan {
        let turn = self.turns.next();
        if self.remote.takes(request) {
            return self
                .tiers
                .look(state, || self.tiers(state), |tiers| tiers.plan(turn));
        }
        match self.local_nodes(state) {
            Some(nodes) => QueryPlan::rotation(Arc::clone(nodes), turn),
            None => QueryPlan::empty(),
        }
    }

    fn distance(&self, node: &Node, state: &ClusterState) -> Distance {
        match self.local(state) {
            Some(local) if node.datacenter() == Some(local) => Distance::Local,
            None => Distance::Local,
            Some(_) if self.remote.nodes == 0 => Distance::Ignored,
            Some(_) => self.tiers.look(
                state,
                || self.tiers(state),
                |tiers| tiers.distance_of_remote(node),
            ),
        }
    }
}

impl Default for Remote {
    fn default() -> Self {
        Self {
            nodes: 0,
            for_local_consistency: false,
            seed: rand::random(),
        }
    }
}

impl Remote {
    /// Whether remote nodes may take this request.
    #[inline]
    pub(super) fn takes(&self, request: &RouteContext<'_>) -> bool {
        self.nodes > 0 && (self.for_local_consistency || !request.is_local())
    }

    /// Adds the nodes that are used of all datacenters but this one.
    pub(super) fn append(&self, nodes: &mut Vec<Arc<Node>>, state: &ClusterState, local: &str) {
        let begin = nodes.len();
        let others: Vec<&str> = state.datacenters().filter(|name| *name != local).collect();
        for name in others {
            let mut of_datacenter = state
                .nodes_in(name)
                .map(|nodes| nodes.to_vec())
                .unwrap_or_default();
            // The same ones as long as they are there, whatever other nodes come and go.
            of_datacenter.sort_by_key(|node| rank(node.host_id(), self.seed));
            of_datacenter.truncate(self.nodes);
            nodes.append(&mut of_datacenter);
        }
        if let Some(remote) = nodes.get_mut(begin..) {
            remote.sort_by_key(|node| node.host_id());
        }
    }
}

fn rank(host_id: Uuid, seed: u64) -> u64 {
    let (high, low) = host_id.as_u64_pair();
    mix(mix(high ^ seed) ^ low)
}

impl Tiers {
    /// Tiers that end there; the last one, of remote nodes, with the list.
    pub(super) fn new(nodes: &[Arc<Node>], first: usize, local: usize) -> Self {
        let place = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        Self {
            nodes: node_list(nodes),
            ends: TierEnds(place(first), place(local)),
            remote_from: local,
        }
    }

    pub(super) fn plan(&self, turn: usize) -> QueryPlan {
        QueryPlan::tiers(Arc::clone(self.nodes.mine()), self.ends, turn)
    }

    /// Of a node that is not local: it is remote when it is one of those that are used.
    pub(super) fn distance_of_remote(&self, node: &Node) -> Distance {
        let remote = self.nodes.mine().get(self.remote_from..).unwrap_or_default();
        let used = remote.binary_search_by_key(&node.host_id(), |other| other.host_id());
        used.map_or(Distance::Ignored, |_| Distance::Remote)
    }
}
