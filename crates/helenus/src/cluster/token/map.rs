//! The token map: ring and replicas by keyspace, at one moment.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use super::replication::ReplicationStrategy;
use super::ring::{ReplicaTable, TokenRing};
use super::{Partitioner, Token};
use crate::cluster::Node;

/// Which nodes have the replicas of a partition. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct TokenMap {
    ring: Arc<TokenRing>,
    by_keyspace: Arc<HashMap<Arc<str>, Arc<Replicas>>>,
}

/// Of all keyspaces with the same strategy; found when a request first asks.
#[derive(Debug)]
struct Replicas {
    strategy: ReplicationStrategy,
    table: OnceLock<ReplicaTable>,
}

impl TokenMap {
    /// The map of these nodes. The ring of `self` is taken over when it has the same ones.
    pub(crate) fn with_nodes(&self, partitioner: Option<Partitioner>, nodes: &[Arc<Node>]) -> Self {
        if self.ring.is_of(partitioner, nodes) {
            return self.clone();
        }
        let ring = Arc::new(TokenRing::new(partitioner, nodes.into()));
        let mut shared = HashMap::new();
        let keyspaces = self.by_keyspace.iter();
        let keyspaces =
            keyspaces.map(|(name, replicas)| (Arc::clone(name), share(&mut shared, &replicas.strategy)));
        Self {
            ring,
            by_keyspace: Arc::new(keyspaces.collect()),
        }
    }

    /// The map with these keyspaces. What is known of strategies that are still there is taken over.
    pub(crate) fn with_keyspaces<'a>(
        &self,
        keyspaces: impl IntoIterator<Item = (&'a Arc<str>, &'a ReplicationStrategy)>,
    ) -> Self {
        let known = self.by_keyspace.values();
        let mut shared: HashMap<_, _> = known
            .map(|replicas| (replicas.strategy.clone(), Arc::clone(replicas)))
            .collect();
        let keyspaces = keyspaces.into_iter();
        let keyspaces = keyspaces.map(|(name, strategy)| (Arc::clone(name), share(&mut shared, strategy)));
        Self {
            ring: Arc::clone(&self.ring),
            by_keyspace: Arc::new(keyspaces.collect()),
        }
    }

    /// The partitioner, if it is known.
    pub(crate) fn partitioner(&self) -> Option<Partitioner> {
        self.ring.partitioner()
    }

    /// The nodes that have all the data of a partition, the primary replica first; none when the keyspace is not known.
    pub(crate) fn replicas(
        &self,
        keyspace: &str,
        token: &Token,
    ) -> impl ExactSizeIterator<Item = &Arc<Node>> {
        let table = self.by_keyspace.get(keyspace).map(|replicas| {
            let make = || self.ring.replicas(&replicas.strategy);
            replicas.table.get_or_init(make)
        });
        ReplicaTable::of(table, &self.ring, token)
    }
}

fn share(
    shared: &mut HashMap<ReplicationStrategy, Arc<Replicas>>,
    strategy: &ReplicationStrategy,
) -> Arc<Replicas> {
    if let Some(known) = shared.get(strategy) {
        return Arc::clone(known);
    }
    let new = Arc::new(Replicas {
        strategy: strategy.clone(),
        table: OnceLock::new(),
    });
    shared.insert(strategy.clone(), Arc::clone(&new));
    new
}
