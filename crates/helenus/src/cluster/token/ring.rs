//! The ring: which node owns which range of tokens, and the replicas of each range under a strategy.
//!
//! A node owns the range that ends with its token. Replicas of a range are found by walking the ring from there
//! (Cassandra, "Dynamo", replication strategy). Each distinct strategy has one table, shared by all keyspaces that use it,
//! and made when a request first asks for it: a ring of 1,000 nodes has 256,000 ranges.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::replication::{ReplicationFactor, ReplicationStrategy};
use super::{Partitioner, Token, from_hex};
use crate::cluster::Node;

/// The tokens of all nodes, in their order.
#[derive(Debug, Default)]
pub(crate) struct TokenRing {
    partitioner: Option<Partitioner>,
    tokens: Tokens,
    /// The node of each token, as its number in `nodes`.
    owners: Box<[u32]>,
    nodes: Arc<[Arc<Node>]>,
    places: Box<[Place]>,
    datacenters: Box<[Datacenter]>,
}

/// Sorted, and each partitioner's in the least memory.
#[derive(Debug)]
enum Tokens {
    Murmur3(Box<[i64]>),
    Random(Box<[u128]>),
    ByteOrdered(Box<[Box<[u8]>]>),
}

impl Default for Tokens {
    fn default() -> Self {
        Self::Murmur3(Box::default())
    }
}

/// Where a node is: numbers of its datacenter, and of its rack within all racks.
#[derive(Clone, Copy, Debug)]
struct Place {
    datacenter: u32,
    rack: u32,
}

#[derive(Debug)]
struct Datacenter {
    name: Arc<str>,
    nodes: usize,
    racks: usize,
}

impl TokenRing {
    /// The ring of these nodes. Tokens that are none are skipped, with a warning.
    pub(crate) fn new(partitioner: Option<Partitioner>, nodes: Arc<[Arc<Node>]>) -> Self {
        let Some(partitioner) = partitioner else {
            return Self::default();
        };
        let (places, datacenters) = places(&nodes);
        let (tokens, owners) = match partitioner {
            Partitioner::Murmur3 => {
                let (tokens, owners) = in_order(&nodes, |text| text.parse().ok(), Node::token_numbers);
                (Tokens::Murmur3(tokens), owners)
            }
            Partitioner::Random => {
                let (tokens, owners) = in_order(&nodes, |text| text.parse().ok(), |_| None);
                (Tokens::Random(tokens), owners)
            }
            Partitioner::ByteOrdered => {
                let (tokens, owners) = in_order(&nodes, from_hex, |_| None);
                (Tokens::ByteOrdered(tokens), owners)
            }
        };
        Self {
            partitioner: Some(partitioner),
            tokens,
            owners,
            nodes,
            places,
            datacenters,
        }
    }

    /// Whether it is the ring of just these nodes.
    pub(crate) fn is_of(&self, partitioner: Option<Partitioner>, nodes: &[Arc<Node>]) -> bool {
        let same = || {
            self.nodes
                .iter()
                .zip(nodes)
                .all(|(ours, other)| Arc::ptr_eq(ours, other))
        };
        self.partitioner == partitioner && self.nodes.len() == nodes.len() && same()
    }

    /// The partitioner, if it is known.
    pub(crate) fn partitioner(&self) -> Option<Partitioner> {
        self.partitioner
    }

    /// How many ranges there are.
    pub(crate) fn len(&self) -> usize {
        self.owners.len()
    }

    /// The number of the range that holds a token; 0 on an empty ring.
    pub(crate) fn range(&self, token: &Token) -> usize {
        let at = match (&self.tokens, token) {
            (Tokens::Murmur3(tokens), Token::Murmur3(token)) => tokens.partition_point(|other| other < token),
            (Tokens::Random(tokens), Token::Random(token)) => tokens.partition_point(|other| other < token),
            (Tokens::ByteOrdered(tokens), Token::ByteOrdered(token)) => {
                tokens.partition_point(|other| other < token)
            }
            // A token of another partitioner: there is no such range.
            _ => 0,
        };
        if at == self.owners.len() { 0 } else { at }
    }

    /// The replicas of every range under a strategy. Nodes without tokens are replicas of nothing but `Everywhere`.
    pub(crate) fn replicas(&self, strategy: &ReplicationStrategy) -> ReplicaTable {
        let mut table = ReplicaTable {
            numbers: Vec::new(),
            ends: Vec::with_capacity(self.len()),
        };
        match strategy {
            ReplicationStrategy::Simple(factor) => self.simple(*factor, &mut table),
            ReplicationStrategy::NetworkTopology(factors) => {
                let factors: Vec<_> = self
                    .datacenters
                    .iter()
                    .map(|datacenter| factors.get(&*datacenter.name).copied())
                    .collect();
                self.network_topology(&factors, &mut table);
            }
            ReplicationStrategy::Everywhere => {
                let all: Vec<u32> = (0..).take(self.nodes.len()).collect();
                table.numbers = all;
                table.ends = vec![table.numbers.len(); self.len().min(1)];
            }
            ReplicationStrategy::Local | ReplicationStrategy::Other(_) => {}
        }
        table.numbers.shrink_to_fit();
        table
    }

    /// The owners of the ranges from `start` on, around.
    fn walk(&self, start: usize) -> impl Iterator<Item = u32> + '_ {
        let (before, after) = self.owners.split_at(start.min(self.owners.len()));
        after.iter().chain(before).copied()
    }

    fn simple(&self, factor: ReplicationFactor, table: &mut ReplicaTable) {
        for start in 0..self.len() {
            let begin = table.numbers.len();
            for owner in self.walk(start) {
                if table.numbers.len() - begin >= factor.all {
                    break;
                }
                if !table.numbers[begin..].contains(&owner) {
                    table.numbers.push(owner);
                }
            }
            let found = table.numbers.len() - begin;
            table.numbers.truncate(begin + found.min(factor.full()));
            table.ends.push(table.numbers.len());
        }
    }

    /// `factors` are those of `self.datacenters`.
    fn network_topology(&self, factors: &[Option<ReplicationFactor>], table: &mut ReplicaTable) {
        // What is left to be found in each datacenter, and how often a rack may come again there.
        let mut wanted: Vec<Wanted> = Vec::with_capacity(factors.len());
        let mut racks: Vec<u32> = Vec::new();
        let mut seen: Vec<u32> = Vec::new();
        for start in 0..self.len() {
            wanted.clear();
            racks.clear();
            seen.clear();
            wanted.extend(self.datacenters.iter().zip(factors).map(|(datacenter, factor)| {
                let all = factor.map_or(0, |factor| factor.all);
                Wanted {
                    left: all.min(datacenter.nodes),
                    full: factor.map_or(0, ReplicationFactor::full),
                    repeats: all.saturating_sub(datacenter.racks),
                }
            }));
            let mut open = wanted.iter().filter(|wanted| wanted.left > 0).count();
            for owner in self.walk(start) {
                if open == 0 {
                    break;
                }
                let (Some(place), false) = (self.places.get(owner as usize), seen.contains(&owner)) else {
                    continue;
                };
                let Some(wanted) = wanted.get_mut(place.datacenter as usize) else {
                    continue;
                };
                if wanted.left == 0 {
                    continue;
                }
                if racks.contains(&place.rack) {
                    if wanted.repeats == 0 {
                        continue;
                    }
                    wanted.repeats -= 1;
                } else {
                    racks.push(place.rack);
                }
                seen.push(owner);
                wanted.left -= 1;
                if wanted.left == 0 {
                    open -= 1;
                }
                // The last ones of a datacenter are its transient replicas.
                if wanted.full > 0 {
                    wanted.full -= 1;
                    table.numbers.push(owner);
                }
            }
            table.ends.push(table.numbers.len());
        }
    }
}

struct Wanted {
    left: usize,
    full: usize,
    repeats: usize,
}

/// The tokens of all nodes in the order of the ring, and the number of the node of each. `parsed` has those of a node that need
/// not be parsed.
fn in_order<T: Ord + Clone>(
    nodes: &[Arc<Node>],
    parse: impl Fn(&str) -> Option<T>,
    parsed: impl Fn(&Node) -> Option<&[T]>,
) -> (Box<[T]>, Box<[u32]>) {
    let count = nodes.iter().map(|node| node.token_count()).sum();
    let mut owned: Vec<(T, u32)> = Vec::with_capacity(count);
    for (number, node) in (0_u32..).zip(nodes) {
        if let Some(tokens) = parsed(node) {
            owned.extend(tokens.iter().map(|token| (token.clone(), number)));
            continue;
        }
        for text in node.tokens() {
            match parse(&text) {
                Some(token) => owned.push((token, number)),
                None => tracing::warn!(%node, token = %text, "token is skipped: not one of the partitioner"),
            }
        }
    }
    owned.sort_unstable();
    // While nodes are replaced two may claim the same token: the first one stands.
    owned.dedup_by(|second, first| second.0 == first.0);
    let owners = owned.iter().map(|(_, node)| *node).collect();
    (owned.into_iter().map(|(token, _)| token).collect(), owners)
}

fn places(nodes: &[Arc<Node>]) -> (Box<[Place]>, Box<[Datacenter]>) {
    let mut datacenters: Vec<Datacenter> = Vec::new();
    let mut numbers: HashMap<Option<Arc<str>>, u32> = HashMap::new();
    let mut racks: HashMap<(u32, Option<&str>), u32> = HashMap::new();
    let mut owning_racks = HashSet::new();
    let mut places = Vec::with_capacity(nodes.len());
    for node in nodes {
        let name = node.datacenter_shared();
        let datacenter = *numbers.entry(name.cloned()).or_insert_with(|| {
            datacenters.push(Datacenter {
                name: name.cloned().unwrap_or_default(),
                nodes: 0,
                racks: 0,
            });
            // As many as there are nodes at most, which u32 counts.
            u32::try_from(datacenters.len() - 1).unwrap_or(u32::MAX)
        });
        let next = u32::try_from(racks.len()).unwrap_or(u32::MAX);
        let rack = *racks.entry((datacenter, node.rack())).or_insert(next);
        if let Some(found) = datacenters.get_mut(datacenter as usize)
            && node.token_count() > 0
        {
            found.nodes += 1;
            found.racks += usize::from(owning_racks.insert(rack));
        }
        places.push(Place { datacenter, rack });
    }
    (places.into(), datacenters.into())
}

/// The replicas of every range of a ring, in the order of the ring: the first is the primary replica.
#[derive(Debug)]
pub(crate) struct ReplicaTable {
    /// Numbers of nodes, those of the first range first.
    numbers: Vec<u32>,
    /// Where those of each range end; one entry alone when all ranges have the same.
    ends: Vec<usize>,
}

impl ReplicaTable {
    /// The nodes that have all the data of the partition at this token, by the table of the ring; none without a table.
    pub(crate) fn of<'r>(
        table: Option<&'r Self>,
        ring: &'r TokenRing,
        token: &Token,
    ) -> impl ExactSizeIterator<Item = &'r Arc<Node>> {
        let numbers = table.map_or(&[][..], |table| table.numbers_of(ring, token));
        numbers.iter().map(|number| &ring.nodes[*number as usize])
    }

    fn numbers_of(&self, ring: &TokenRing, token: &Token) -> &[u32] {
        let range = if self.ends.len() == 1 {
            0
        } else {
            ring.range(token)
        };
        let begin = range
            .checked_sub(1)
            .and_then(|before| self.ends.get(before))
            .copied();
        let end = self.ends.get(range).copied().unwrap_or_default();
        self.numbers
            .get(begin.unwrap_or_default()..end)
            .unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::cluster::node::NodeFacts;
    use crate::connection::Endpoint;

    /// A node of this number in a datacenter and a rack.
    fn node(number: u8, datacenter: &str, rack: &str, tokens: &[i64]) -> Arc<Node> {
        let facts = NodeFacts {
            host_id: Uuid::from_u128(number.into()),
            datacenter: Some(datacenter.into()),
            rack: Some(rack.into()),
            tokens: tokens.iter().map(i64::to_string).collect(),
            ..NodeFacts::default()
        };
        let endpoint = Endpoint::from(std::net::SocketAddr::from(([127, 0, 0, number], 9042)));
        Arc::new(Node::new(endpoint, facts, number.into(), std::sync::Weak::new()))
    }

    fn ring(nodes: Vec<Arc<Node>>) -> Arc<TokenRing> {
        Arc::new(TokenRing::new(Some(Partitioner::Murmur3), nodes.into()))
    }

    fn factor(all: usize) -> ReplicationFactor {
        ReplicationFactor { all, transient: 0 }
    }

    fn network_topology(factors: &[(&str, usize)]) -> ReplicationStrategy {
        let factors = factors
            .iter()
            .map(|(name, all)| ((*name).to_owned(), factor(*all)));
        ReplicationStrategy::NetworkTopology(factors.collect())
    }

    /// Numbers of the nodes that have the replicas of a token.
    fn replicas(ring: &Arc<TokenRing>, strategy: &ReplicationStrategy, token: i64) -> Vec<u8> {
        let table = ring.replicas(strategy);
        let number = |node: &Arc<Node>| u8::try_from(node.host_id().as_u128()).unwrap();
        ReplicaTable::of(Some(&table), ring, &Token::Murmur3(token))
            .map(number)
            .collect()
    }

    #[test]
    fn a_node_owns_the_range_that_ends_with_its_token_and_the_last_range_goes_around() {
        let ring = ring(vec![
            node(1, "dc1", "r1", &[0]),
            node(2, "dc1", "r1", &[100]),
            node(3, "dc1", "r1", &[200]),
        ]);
        let strategy = ReplicationStrategy::Simple(factor(2));
        for (token, expected) in [
            (i64::MIN, [1, 2]),
            (0, [1, 2]),
            (1, [2, 3]),
            (100, [2, 3]),
            (200, [3, 1]),
            (201, [1, 2]),
            (i64::MAX, [1, 2]),
        ] {
            assert_eq!(replicas(&ring, &strategy, token), expected, "{token}");
        }
    }

    #[test]
    fn replicas_go_to_different_racks_as_long_as_there_are_any() {
        let ring = ring(vec![
            node(1, "dc1", "r1", &[0]),
            node(2, "dc1", "r1", &[10]),
            node(3, "dc1", "r2", &[20]),
            node(4, "dc2", "r1", &[5]),
            node(5, "dc2", "r1", &[15]),
        ]);
        let strategy = network_topology(&[("dc1", 2), ("dc2", 1)]);
        assert_eq!(replicas(&ring, &strategy, 0), [1, 4, 3]);
        assert_eq!(replicas(&ring, &strategy, 7), [2, 5, 3]);
        // Three replicas on two racks: one rack comes twice, in the order of the ring.
        assert_eq!(replicas(&ring, &network_topology(&[("dc1", 3)]), 0), [1, 2, 3]);
        assert_eq!(
            replicas(&ring, &network_topology(&[("elsewhere", 3)]), 0),
            [0_u8; 0]
        );
    }

    #[test]
    fn the_last_replicas_of_a_datacenter_are_the_transient_ones() {
        let ring = ring(
            (1..=4)
                .map(|number| node(number, "dc1", "r1", &[number.into()]))
                .collect(),
        );
        let transient = ReplicationFactor { all: 3, transient: 1 };
        let strategy = ReplicationStrategy::NetworkTopology(BTreeMap::from([("dc1".to_owned(), transient)]));
        assert_eq!(replicas(&ring, &strategy, 1), [1, 2]);
        assert_eq!(
            replicas(&ring, &ReplicationStrategy::Simple(transient), 1),
            [1, 2]
        );
    }

    #[test]
    fn without_a_ring_there_are_no_replicas() {
        let none = Arc::new(TokenRing::new(None, Arc::from([node(1, "dc1", "r1", &[0])])));
        for ring in [none, ring(Vec::new()), ring(vec![node(1, "dc1", "r1", &[])])] {
            for strategy in [
                ReplicationStrategy::Simple(factor(3)),
                ReplicationStrategy::Local,
                ReplicationStrategy::Everywhere,
            ] {
                assert_eq!(replicas(&ring, &strategy, 5), [0_u8; 0]);
            }
        }
        let local = ring(vec![node(1, "dc1", "r1", &[0])]);
        assert_eq!(replicas(&local, &ReplicationStrategy::Local, 5), [0_u8; 0]);
        assert_eq!(replicas(&local, &ReplicationStrategy::Everywhere, 5), [1]);
    }

    /// The description of NetworkTopologyStrategy taken literally: nodes whose rack was seen wait until every rack was.
    fn literal(nodes: &[(u8, usize, usize, i64)], datacenter: usize, all: usize, token: i64) -> Vec<u8> {
        let mut ring: Vec<_> = nodes.to_vec();
        ring.sort_by_key(|(.., token)| *token);
        let start = ring.iter().position(|(.., other)| *other >= token).unwrap_or(0);
        ring.rotate_left(start);
        let mut order = Vec::new();
        for (number, dc, rack, _) in ring {
            if dc == datacenter && !order.iter().any(|(other, _)| *other == number) {
                order.push((number, rack));
            }
        }
        let racks: HashSet<_> = order.iter().map(|(_, rack)| *rack).collect();
        let (mut found, mut seen, mut waiting) = (Vec::new(), HashSet::new(), Vec::new());
        for (number, rack) in order {
            if found.len() == all {
                break;
            }
            if seen.len() == racks.len() || seen.insert(rack) {
                found.push(number);
            } else {
                waiting.push(number);
            }
            if seen.len() == racks.len() {
                while found.len() < all && !waiting.is_empty() {
                    found.push(waiting.remove(0));
                }
            }
        }
        found.sort_unstable();
        found
    }

    proptest! {
        #[test]
        fn replicas_by_rack_are_those_of_the_description(
            placed in prop::collection::vec((0_usize..2, 0_usize..4), 1..12),
            tokens in prop::collection::hash_set(-1000_i64..1000, 40),
            all in (0_usize..5, 0_usize..5),
            token in -1100_i64..1100,
        ) {
            let mut owned = vec![Vec::new(); placed.len()];
            let mut flat = Vec::new();
            for (at, token) in tokens.into_iter().enumerate() {
                let number = at % placed.len();
                owned[number].push(token);
                flat.push((u8::try_from(number).unwrap(), placed[number].0, placed[number].1, token));
            }
            let nodes = placed.iter().zip(&owned).enumerate().map(|(number, ((datacenter, rack), tokens))| {
                node(u8::try_from(number).unwrap(), &format!("dc{datacenter}"), &format!("r{rack}"), tokens)
            });
            let ring = ring(nodes.collect());
            let found = replicas(&ring, &network_topology(&[("dc0", all.0), ("dc1", all.1)]), token);
            for (datacenter, all) in [(0, all.0), (1, all.1)] {
                let mut of_one: Vec<u8> =
                    found.iter().copied().filter(|number| placed[usize::from(*number)].0 == datacenter).collect();
                of_one.sort_unstable();
                prop_assert_eq!(of_one, literal(&flat, datacenter, all, token));
            }
        }
    }
}
