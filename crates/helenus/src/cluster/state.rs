//! What is known about the cluster at one moment: an immutable snapshot that requests only read.

mod filtered;
#[cfg(test)]
mod for_tests;
mod version;

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Weak};

use helenus_protocol::ProtocolVersion;
use uuid::Uuid;

use super::Node;
use super::discovery::Discovered;
use super::node::NodeFacts;
use super::shared::ClusterShared;
use super::token::{Partitioner, Token, TokenMap};
use crate::connection::Endpoint;
use crate::schema::Schema;
use crate::shard::Shards;
use version::Version;

/// The nodes of a cluster, as last heard of.
#[derive(Clone, Debug, Default)]
pub struct ClusterState {
    version: Version,
    cluster_name: Option<String>,
    partitioner: Option<String>,
    protocol_version: Option<ProtocolVersion>,
    nodes: NodeList,
    by_datacenter: BTreeMap<Arc<str>, NodeList>,
    local_datacenter: Option<Arc<str>>,
    local_nodes: NodeList,
    tokens: TokenMap,
    schema: Arc<Schema>,
}

/// A list of nodes, of which query plans hold the copy of their thread.
pub(crate) type NodeList = Shards<Arc<[Arc<Node>]>>;

/// The list in a copy for each part.
pub(crate) fn node_list(nodes: &[Arc<Node>]) -> NodeList {
    Shards::new(|| nodes.into())
}

impl ClusterState {
    /// A number that no other snapshot has, of this or another cluster: what was worked out of a snapshot can be kept by it.
    pub(crate) fn version(&self) -> u64 {
        self.version.number()
    }

    /// Name of the cluster.
    pub fn cluster_name(&self) -> Option<&str> {
        self.cluster_name.as_deref()
    }

    /// Class name of the partitioner.
    pub fn partitioner(&self) -> Option<&str> {
        self.partitioner.as_deref()
    }

    /// The protocol version that the control connection agreed on.
    pub fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.protocol_version
    }

    /// All nodes, ordered by host id.
    #[inline]
    pub fn nodes(&self) -> &Arc<[Arc<Node>]> {
        self.nodes.mine()
    }

    /// The nodes of a datacenter; `None` when there is no such datacenter.
    pub fn nodes_in(&self, datacenter: &str) -> Option<&Arc<[Arc<Node>]>> {
        self.by_datacenter.get(datacenter).map(Shards::mine)
    }

    /// The datacenters, in the order of their names.
    pub fn datacenters(&self) -> impl Iterator<Item = &str> {
        self.by_datacenter.keys().map(|name| &**name)
    }

    /// The local datacenter: the one that was set, or that of the first node that answered.
    pub fn local_datacenter(&self) -> Option<&str> {
        self.local_datacenter.as_deref()
    }

    /// The nodes of the local datacenter; all nodes when there is none.
    #[inline]
    pub fn local_nodes(&self) -> &Arc<[Arc<Node>]> {
        self.local_nodes.mine()
    }

    /// The node of this id.
    pub fn node(&self, host_id: Uuid) -> Option<&Arc<Node>> {
        let nodes = self.nodes();
        let at = nodes.binary_search_by_key(&host_id, |node| node.host_id());
        nodes.get(at.ok()?)
    }

    /// The schema, as last read; empty when it is switched off or could not be read yet.
    pub fn schema(&self) -> &Arc<Schema> {
        &self.schema
    }

    /// How partition keys become tokens; `None` when it is none of the known ways, or tokens are switched off.
    pub fn token_partitioner(&self) -> Option<Partitioner> {
        self.tokens.partitioner()
    }

    /// The nodes that have all the data of the partition of a keyspace at this token, the primary replica first. None when
    /// nothing is known about the keyspace.
    pub fn replicas(&self, keyspace: &str, token: &Token) -> impl ExactSizeIterator<Item = &Arc<Node>> {
        self.tokens.replicas(keyspace, token)
    }

    /// The same with another schema.
    pub(super) fn with_schema(&self, schema: Schema) -> Self {
        let schema = Arc::new(schema);
        let keyspaces = schema.keyspaces().iter();
        Self {
            tokens: self
                .tokens
                .with_keyspaces(keyspaces.map(|(name, keyspace)| (name, keyspace.strategy()))),
            schema,
            ..self.clone()
        }
    }

    /// A snapshot of other nodes.
    pub(super) fn with(
        old: &Self,
        with_tokens: bool,
        discovered: &Discovered,
        version: ProtocolVersion,
        mut nodes: Vec<Arc<Node>>,
        local_datacenter: Option<Arc<str>>,
    ) -> Self {
        nodes.sort_by_key(|node| node.host_id());
        let mut groups: BTreeMap<Arc<str>, Vec<Arc<Node>>> = BTreeMap::new();
        for node in &nodes {
            if let Some(datacenter) = node.datacenter_shared() {
                let group = groups.entry(Arc::clone(datacenter)).or_default();
                group.push(Arc::clone(node));
            }
        }
        let by_datacenter: BTreeMap<_, _> = groups
            .into_iter()
            .map(|(name, nodes)| (name, node_list(&nodes)))
            .collect();
        let partitioner = discovered.partitioner.as_deref().filter(|_| with_tokens);
        let partitioner = partitioner.and_then(Partitioner::from_class_name);
        let tokens = old.tokens.with_nodes(partitioner, &nodes);
        let nodes = node_list(&nodes);
        let local_nodes = match &local_datacenter {
            Some(name) => by_datacenter.get(name).cloned().unwrap_or_default(),
            None => nodes.clone(),
        };
        Self {
            version: Version::default(),
            cluster_name: discovered.cluster_name.clone(),
            partitioner: discovered.partitioner.clone(),
            protocol_version: Some(version),
            tokens,
            schema: Arc::clone(&old.schema),
            nodes,
            by_datacenter,
            local_datacenter,
            local_nodes,
        }
    }

    /// The nodes of `found`, those that did not change taken over. The first is the one that was asked.
    pub(super) fn merge(
        &self,
        found: &[(Endpoint, NodeFacts)],
        cluster: &Weak<ClusterShared>,
    ) -> Vec<Arc<Node>> {
        let mut slots = FreeSlots::new(self.nodes());
        let merge = |(at, (endpoint, facts)): (usize, &(Endpoint, NodeFacts))| {
            let Some(known) = self.node(facts.host_id) else {
                return Arc::new(Node::new(
                    endpoint.clone(),
                    facts.clone(),
                    slots.take(),
                    cluster.clone(),
                ));
            };
            // Peers do not tell where a node listens for them.
            let mut facts = facts.clone();
            facts.listen_address = facts.listen_address.or(known.listen_address());
            facts.ports.listen = facts.ports.listen.or(known.facts().ports.listen);
            // The node that was asked is not asked about where a factory looks at the rows of peers.
            facts.given = facts.given.or_else(|| known.facts().given.clone());
            // The endpoint by which it was reached stays as long as the node says the same about itself, and while it is of
            // any use: what answered just now is better than what does not.
            let reached_anew = at == 0 && known.is_up() != Some(true);
            let stays = known.facts().given == facts.given && !reached_anew;
            let endpoint = if stays { known.endpoint() } else { endpoint };
            if *known.facts() == facts && known.endpoint() == endpoint {
                return Arc::clone(known);
            }
            Arc::new(known.renewed(endpoint.clone(), facts))
        };
        found.iter().enumerate().map(merge).collect()
    }
}

/// The numbers, from 0, that no node has as its slot.
struct FreeSlots {
    taken: HashSet<usize>,
    next: usize,
}

impl FreeSlots {
    fn new(nodes: &[Arc<Node>]) -> Self {
        Self {
            taken: nodes.iter().map(|node| node.slot()).collect(),
            next: 0,
        }
    }

    fn take(&mut self) -> usize {
        while self.taken.contains(&self.next) {
            self.next += 1;
        }
        self.next += 1;
        self.next - 1
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    fn found(last: u8, rack: &str) -> (Endpoint, NodeFacts) {
        let address = SocketAddr::from(([127, 0, 0, last], 9042));
        let facts = NodeFacts {
            host_id: Uuid::from_u128(last.into()),
            given: Some(address.into()),
            rpc_address: Some(address),
            datacenter: Some("dc1".into()),
            rack: Some(rack.into()),
            ..NodeFacts::default()
        };
        (address.into(), facts)
    }

    fn state(nodes: Vec<Arc<Node>>) -> ClusterState {
        ClusterState::with(
            &ClusterState::default(),
            true,
            &Discovered::default(),
            ProtocolVersion::V5,
            nodes,
            Some("dc1".into()),
        )
    }

    #[test]
    fn nodes_that_did_not_change_stay_the_same_and_slots_are_used_again() {
        let first = state(
            ClusterState::default().merge(&[found(1, "r1"), found(2, "r1"), found(3, "r1")], &Weak::new()),
        );
        let second = state(first.merge(&[found(1, "r1"), found(3, "r2")], &Weak::new()));
        assert!(Arc::ptr_eq(&first.nodes()[0], &second.nodes()[0]));
        assert!(!Arc::ptr_eq(&first.nodes()[2], &second.nodes()[1]));
        assert_eq!(second.nodes()[1].slot(), first.nodes()[2].slot());
        let third = state(second.merge(&[found(1, "r1"), found(3, "r2"), found(4, "r1")], &Weak::new()));
        let new = third.node(Uuid::from_u128(4)).unwrap();
        assert_eq!(new.slot(), first.nodes()[1].slot());
    }

    #[test]
    fn a_node_of_which_something_else_is_said_is_as_much_up_as_before() {
        let first = state(ClusterState::default().merge(&[found(1, "r1")], &Weak::new()));
        first.nodes()[0].set_up(true);
        let second = state(first.merge(&[found(1, "r2")], &Weak::new()));
        assert_eq!(second.nodes()[0].is_up(), Some(true));
        // Its connections are those of the first, and tell the second too.
        first.nodes()[0].set_up(false);
        assert_eq!(second.nodes()[0].is_up(), Some(false));
        let mut moved = found(9, "r2");
        moved.1.host_id = Uuid::from_u128(1);
        assert_eq!(
            state(second.merge(&[moved], &Weak::new())).nodes()[0].is_up(),
            None
        );
    }

    #[test]
    fn a_node_with_another_address_gets_another_endpoint() {
        let first = state(ClusterState::default().merge(&[found(1, "r1")], &Weak::new()));
        let mut moved = found(9, "r1");
        moved.1.host_id = Uuid::from_u128(1);
        first.nodes()[0].set_up(true);
        let second = state(first.merge(&[moved], &Weak::new()));
        assert_eq!(second.nodes()[0].endpoint().to_string(), "127.0.0.9:9042");
        assert_eq!(second.nodes()[0].slot(), first.nodes()[0].slot());
    }

    #[test]
    fn a_node_keeps_the_address_by_which_it_was_reached() {
        let mut through_nat = found(1, "r1");
        through_nat.0 = SocketAddr::from(([10, 0, 0, 1], 19042)).into();
        let first = state(ClusterState::default().merge(&[through_nat], &Weak::new()));
        first.nodes()[0].set_up(true);
        let second = state(first.merge(&[found(1, "r2")], &Weak::new()));
        assert_eq!(second.nodes()[0].endpoint().to_string(), "10.0.0.1:19042");
        assert_eq!(second.nodes()[0].rack(), Some("r2"));
    }

    #[test]
    fn a_node_that_is_lost_and_reached_by_another_address_gets_that_one() {
        let first = state(ClusterState::default().merge(&[found(1, "r1")], &Weak::new()));
        first.nodes()[0].set_up(false);
        let mut through_nat = found(1, "r1");
        through_nat.0 = SocketAddr::from(([10, 0, 0, 1], 19042)).into();
        let second = state(first.merge(&[through_nat], &Weak::new()));
        assert_eq!(second.nodes()[0].endpoint().to_string(), "10.0.0.1:19042");
    }
}
