//! Nodes, as the cluster describes them.

use std::borrow::Cow;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use uuid::Uuid;

use super::shared::ClusterShared;
use crate::connection::{ConnectError, ConnectionError, Endpoint};

/// A node of the cluster. When what the cluster says about it changes, another `Node` with the same host id takes its place.
pub struct Node {
    endpoint: Endpoint,
    facts: NodeFacts,
    /// Place in the tables that sessions keep by node.
    slot: usize,
    status: Arc<Status>,
}

/// Whether a node is up; of all that a node was at one endpoint.
#[derive(Debug, Default)]
struct Status {
    /// 0 as long as nothing is known.
    is: AtomicU8,
    failures: Mutex<Failures>,
    /// Who is told when it changes.
    cluster: Weak<ClusterShared>,
}

#[derive(Debug, Default)]
struct Failures {
    count: u64,
    last: Option<NodeFailure>,
}

/// What went wrong with a connection to a node.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NodeFailure {
    /// It could not be opened.
    #[error("{0}")]
    NotOpened(#[source] ConnectError),
    /// It was lost.
    #[error("{0}")]
    Lost(#[source] Arc<ConnectionError>),
}

/// What the cluster says about a node, in its `system` tables.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct NodeFacts {
    pub(crate) host_id: Uuid,
    /// Where an address translator or endpoint factory says to connect to; where the node says, when there is neither.
    pub(crate) given: Option<Endpoint>,
    /// Where it says that clients connect to.
    pub(crate) rpc_address: Option<SocketAddr>,
    pub(crate) broadcast_address: Option<IpAddr>,
    pub(crate) listen_address: Option<IpAddr>,
    pub(crate) datacenter: Option<Arc<str>>,
    pub(crate) rack: Option<Arc<str>>,
    pub(crate) release_version: Option<String>,
    pub(crate) dse_version: Option<String>,
    pub(crate) ports: Ports,
    /// What DSE says that it does: up to 5.0 one word, from 5.1 on a set.
    pub(crate) workload: Option<Box<str>>,
    pub(crate) workloads: Option<Box<[Box<str>]>>,
    pub(crate) tokens: TokenTexts,
}

/// The ports that the cluster names, from Cassandra 4.0 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Ports {
    pub(crate) native: Option<u16>,
    pub(crate) broadcast: Option<u16>,
    pub(crate) listen: Option<u16>,
}

/// The tokens of a node, in one piece of memory: a large cluster has hundreds of thousands. A set: their order says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TokenTexts {
    /// In their order, where that is what all texts say.
    Numbers(Arc<[i64]>),
    /// In the order of the texts, parted by commas, which no token of any partitioner has.
    Texts { joined: Arc<str>, count: usize },
}

impl Default for TokenTexts {
    fn default() -> Self {
        Self::Numbers(Arc::default())
    }
}

impl TokenTexts {
    fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Texts { count, .. } => *count,
        }
    }

    fn iter(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let (numbers, texts) = match self {
            Self::Numbers(numbers) => (&**numbers, None),
            Self::Texts { joined, count } => (&[][..], Some(joined.split(',').take(*count))),
        };
        let numbers = numbers.iter().map(|number| Cow::Owned(number.to_string()));
        numbers.chain(texts.into_iter().flatten().map(Cow::Borrowed))
    }

    fn of_texts(mut tokens: Vec<&str>) -> Self {
        tokens.retain(|token| {
            let fits = !token.contains(',');
            if !fits {
                tracing::warn!(token, "token is skipped: not one of any partitioner");
            }
            fits
        });
        tokens.sort_unstable();
        Self::Texts {
            count: tokens.len(),
            joined: tokens.join(",").into(),
        }
    }
}

/// The number that a text says, if it is written just like this.
fn number(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let canonical = match digits.as_bytes() {
        [b'0'] => digits.len() == text.len(),
        [b'1'..=b'9', ..] => true,
        _ => false,
    };
    text.parse().ok().filter(|_| canonical)
}

impl<S: AsRef<str>> FromIterator<S> for TokenTexts {
    fn from_iter<I: IntoIterator<Item = S>>(tokens: I) -> Self {
        let tokens: Vec<S> = tokens.into_iter().collect();
        let numbers: Option<Vec<i64>> = tokens.iter().map(|token| number(token.as_ref())).collect();
        match numbers {
            Some(mut numbers) => {
                numbers.sort_unstable();
                Self::Numbers(numbers.into())
            }
            None => Self::of_texts(tokens.iter().map(AsRef::as_ref).collect()),
        }
    }
}

impl NodeFacts {
    /// The id of the node, which stays when its address changes.
    pub fn host_id(&self) -> Uuid {
        self.host_id
    }

    /// Where the node says that clients connect to.
    pub fn rpc_address(&self) -> Option<SocketAddr> {
        self.rpc_address
    }

    /// The address by which other nodes know it.
    pub fn broadcast_address(&self) -> Option<IpAddr> {
        self.broadcast_address
    }

    /// The address on which it listens for other nodes, where that is known.
    pub fn listen_address(&self) -> Option<IpAddr> {
        self.listen_address
    }

    /// Its datacenter.
    pub fn datacenter(&self) -> Option<&str> {
        self.datacenter.as_deref()
    }

    /// Its rack.
    pub fn rack(&self) -> Option<&str> {
        self.rack.as_deref()
    }

    /// Its version of Cassandra.
    pub fn release_version(&self) -> Option<&str> {
        self.release_version.as_deref()
    }

    /// Its version of DSE, if it is one.
    pub fn dse_version(&self) -> Option<&str> {
        self.dse_version.as_deref()
    }

    /// The port on which clients find it, where the node says so (Cassandra 4.0 and later).
    pub fn native_port(&self) -> Option<u16> {
        self.ports.native
    }

    /// The port that belongs to [`broadcast_address`](Self::broadcast_address), where that is known.
    pub fn broadcast_port(&self) -> Option<u16> {
        self.ports.broadcast
    }

    /// The port that belongs to [`listen_address`](Self::listen_address), where that is known.
    pub fn listen_port(&self) -> Option<u16> {
        self.ports.listen
    }

    /// Its workload, of DSE.
    pub fn workload(&self) -> Option<&str> {
        self.workload.as_deref()
    }

    /// Its workloads, of DSE 5.1 and later.
    pub fn workloads(&self) -> Option<impl Iterator<Item = &str>> {
        let workloads = self.workloads.as_deref()?;
        Some(workloads.iter().map(|workload| &**workload))
    }

    /// Its tokens, as the partitioner prints them.
    pub fn tokens(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.tokens.iter()
    }

    /// How many tokens it has.
    pub fn token_count(&self) -> usize {
        self.tokens.len()
    }
}

const UP: u8 = 1;
const DOWN: u8 = 2;

impl Node {
    pub(crate) fn new(
        endpoint: Endpoint,
        facts: NodeFacts,
        slot: usize,
        cluster: Weak<ClusterShared>,
    ) -> Self {
        let status = Status {
            cluster,
            ..Status::default()
        };
        Self {
            endpoint,
            facts,
            slot,
            status: Arc::new(status),
        }
    }

    /// What this node is now that the cluster says something else about it, or it is reached in another way.
    pub(crate) fn renewed(&self, endpoint: Endpoint, facts: NodeFacts) -> Self {
        let mut node = Self::new(endpoint, facts, self.slot, self.status.cluster.clone());
        if node.endpoint == self.endpoint {
            // Its connections stay.
            node.status = Arc::clone(&self.status);
        }
        node
    }

    /// The id of the node, which stays when its address changes.
    pub fn host_id(&self) -> Uuid {
        self.facts.host_id
    }

    /// Where the driver connects to.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Where the driver connects to, if that is a socket address.
    pub fn address(&self) -> Option<SocketAddr> {
        self.endpoint.socket_address()
    }

    /// Where the node says that clients connect to.
    pub fn rpc_address(&self) -> Option<SocketAddr> {
        self.facts.rpc_address
    }

    /// The address by which other nodes know it.
    pub fn broadcast_address(&self) -> Option<IpAddr> {
        self.facts.broadcast_address
    }

    /// The address on which it listens for other nodes, where that is known.
    pub fn listen_address(&self) -> Option<IpAddr> {
        self.facts.listen_address
    }

    /// Its datacenter.
    pub fn datacenter(&self) -> Option<&str> {
        self.facts.datacenter.as_deref()
    }

    /// Its rack.
    pub fn rack(&self) -> Option<&str> {
        self.facts.rack.as_deref()
    }

    /// Its version of Cassandra.
    pub fn release_version(&self) -> Option<&str> {
        self.facts.release_version.as_deref()
    }

    /// Its version of DSE, if it is one.
    pub fn dse_version(&self) -> Option<&str> {
        self.facts.dse_version.as_deref()
    }

    /// Its tokens, as the partitioner prints them.
    pub fn tokens(&self) -> impl Iterator<Item = Cow<'_, str>> {
        self.facts.tokens()
    }

    /// How many tokens it has.
    pub fn token_count(&self) -> usize {
        self.facts.token_count()
    }

    /// Its tokens, if all of them are numbers.
    pub(crate) fn token_numbers(&self) -> Option<&[i64]> {
        match &self.facts.tokens {
            TokenTexts::Numbers(numbers) => Some(numbers),
            TokenTexts::Texts { .. } => None,
        }
    }

    /// Whether there is an open connection to it; `None` before the first was tried. Of a node that no session connects to:
    /// what other nodes said last.
    pub fn is_up(&self) -> Option<bool> {
        match self.status.is.load(Ordering::Relaxed) {
            UP => Some(true),
            DOWN => Some(false),
            _ => None,
        }
    }

    /// How often a connection to it was lost or could not be opened, since it is reached at this endpoint.
    pub fn failure_count(&self) -> u64 {
        self.lock_failures().count
    }

    /// What went wrong the last time.
    pub fn last_failure(&self) -> Option<NodeFailure> {
        self.lock_failures().last.clone()
    }

    pub(crate) fn failed(&self, failure: NodeFailure) {
        let mut failures = self.lock_failures();
        failures.count += 1;
        failures.last = Some(failure);
    }

    fn lock_failures(&self) -> MutexGuard<'_, Failures> {
        self.status
            .failures
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// There is a connection to it; or a session has none any more, which says nothing about other sessions.
    pub(crate) fn set_up(&self, up: bool) {
        let status = if up { UP } else { DOWN };
        if self.status.is.load(Ordering::Relaxed) == status {
            return;
        }
        let cluster = self.status.cluster.upgrade();
        if let (false, Some(cluster)) = (up, &cluster)
            && cluster.is_connected_to(self)
        {
            return;
        }
        if self.status.is.swap(status, Ordering::Relaxed) != status {
            tracing::info!(node = %self.endpoint, host_id = %self.facts.host_id, up, "node changed its state");
            if let Some(cluster) = cluster {
                cluster.node_changed_state(self, up);
            }
        }
    }

    /// The cluster, as long as somebody holds it.
    pub(crate) fn cluster(&self) -> Option<Arc<ClusterShared>> {
        self.status.cluster.upgrade()
    }

    pub(crate) fn slot(&self) -> usize {
        self.slot
    }

    /// What the cluster says about it.
    pub fn facts(&self) -> &NodeFacts {
        &self.facts
    }

    pub(crate) fn datacenter_shared(&self) -> Option<&Arc<str>> {
        self.facts.datacenter.as_ref()
    }

    #[cfg(test)]
    pub(crate) fn for_tests(last: u8, datacenter: &str) -> Arc<Self> {
        let address = SocketAddr::from(([127, 0, 0, last], 9042));
        let facts = NodeFacts {
            host_id: Uuid::from_u128(last.into()),
            rpc_address: Some(address),
            datacenter: Some(datacenter.into()),
            ..NodeFacts::default()
        };
        Arc::new(Self::new(address.into(), facts, last.into(), Weak::new()))
    }
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.endpoint.fmt(f)
    }
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("endpoint", &self.endpoint)
            .field("host_id", &self.facts.host_id)
            .field("datacenter", &self.facts.datacenter)
            .field("rack", &self.facts.rack)
            .field("release_version", &self.facts.release_version)
            .field("up", &self.is_up())
            .finish_non_exhaustive()
    }
}

impl PartialEq for Node {
    /// Whether it is the same node at the same address.
    fn eq(&self, other: &Self) -> bool {
        self.facts.host_id == other.facts.host_id && self.endpoint == other.endpoint
    }
}

impl Eq for Node {}

impl std::hash::Hash for Node {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.facts.host_id.hash(state);
        self.endpoint.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::CloseCause;

    #[test]
    fn failures_are_counted_by_endpoint() {
        let node = Node::for_tests(1, "dc1");
        assert!(node.last_failure().is_none());
        let error = |endpoint: &Endpoint| {
            NodeFailure::Lost(Arc::new(ConnectionError {
                endpoint: endpoint.clone(),
                cause: CloseCause::ClosedByPeer,
            }))
        };
        node.failed(error(node.endpoint()));
        node.failed(error(node.endpoint()));
        let said = node.renewed(node.endpoint().clone(), NodeFacts::default());
        assert_eq!(said.failure_count(), 2);
        assert!(matches!(said.last_failure(), Some(NodeFailure::Lost(_))));
        let moved = node.renewed(Endpoint::unix("elsewhere"), NodeFacts::default());
        assert_eq!((moved.failure_count(), moved.last_failure().is_none()), (0, true));
    }

    #[test]
    fn tokens_are_said_as_the_cluster_says_them() {
        let texts = |tokens: &[&str]| -> Vec<String> {
            let tokens: TokenTexts = tokens.iter().collect();
            let texts: Vec<_> = tokens.iter().map(Cow::into_owned).collect();
            assert_eq!(texts.len(), tokens.len());
            texts
        };
        assert_eq!(
            texts(&["9223372036854775807", "0", "-9223372036854775808", "-17"]),
            ["-9223372036854775808", "-17", "0", "9223372036854775807"]
        );
        for odd in ["007", "-0", "+1", "-", "", "9223372036854775808", "00ff"] {
            assert_eq!(
                texts(&["17", odd]),
                if odd < "17" { [odd, "17"] } else { ["17", odd] }
            );
        }
        assert_eq!(texts(&["1,2", "3"]), ["3"]);
        assert_eq!(texts(&[]), [""; 0]);
    }
}
