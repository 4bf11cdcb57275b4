//! Snapshots without a cluster.

use super::*;
use crate::cluster::ReplicationStrategy;

impl ClusterState {
    /// A snapshot of these nodes, of which each datacenter and rack is given, and each has one token. Their slots count from
    /// 1. The first datacenter is the local one.
    pub(crate) fn for_tests(nodes: &[(&str, &str)], keyspaces: &[(&str, ReplicationStrategy)]) -> Self {
        let local = nodes.first().map(|(datacenter, _)| Arc::from(*datacenter));
        let step = u64::MAX / (nodes.len() as u64 + 1);
        let node = |(index, (datacenter, rack)): (usize, &(&str, &str))| {
            let last = u8::try_from(index + 1).expect("few nodes");
            let address = std::net::SocketAddr::from(([127, 0, 0, last], 9042));
            let facts = NodeFacts {
                host_id: Uuid::from_u128(last.into()),
                rpc_address: Some(address),
                datacenter: Some((*datacenter).into()),
                rack: Some((*rack).into()),
                tokens: [i64::MIN
                    .wrapping_add_unsigned(step * (index as u64 + 1))
                    .to_string()]
                .into_iter()
                .collect(),
                ..NodeFacts::default()
            };
            Arc::new(Node::new(address.into(), facts, last.into(), Weak::new()))
        };
        let nodes = nodes.iter().enumerate().map(node).collect();
        let discovered = Discovered {
            partitioner: Some("Murmur3Partitioner".to_owned()),
            ..Discovered::default()
        };
        let state = Self::with(
            &Self::default(),
            true,
            &discovered,
            ProtocolVersion::V5,
            nodes,
            local,
        );
        let names: Vec<(Arc<str>, &ReplicationStrategy)> = keyspaces
            .iter()
            .map(|(name, strategy)| (Arc::from(*name), strategy))
            .collect();
        Self {
            tokens: state
                .tokens
                .with_keyspaces(names.iter().map(|(name, strategy)| (name, *strategy))),
            ..state
        }
    }
}
