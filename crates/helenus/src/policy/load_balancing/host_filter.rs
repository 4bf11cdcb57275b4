//! Host filters: only some nodes are used, in the way that another policy says.

use std::collections::HashSet;
use std::fmt;
use std::io;
use std::net::{IpAddr, ToSocketAddrs as _};
use std::sync::Arc;

use super::per_state::PerState;
use super::{Distance, LoadBalancingPolicy, QueryPlan, RouteContext};
use crate::cluster::{ClusterState, Node};

/// Whether a node is used.
type Filter = dyn Fn(&Node) -> bool + Send + Sync;

/// Only nodes that a predicate accepts get requests and connections. Which of them, says a policy inside: it sees a cluster
/// that has no other nodes.
///
/// The predicate is asked about each node when something about the cluster has changed, not for each request.
///
/// ```
/// use std::sync::Arc;
/// use helenus::policy::{DefaultPolicy, HostFilterPolicy};
///
/// let policy = HostFilterPolicy::new(Arc::new(DefaultPolicy::new()), |node| {
///     node.release_version().is_some_and(|version| version.starts_with("5."))
/// });
/// ```
pub struct HostFilterPolicy {
    child: Arc<dyn LoadBalancingPolicy>,
    accepts: Box<Filter>,
    filtered: PerState<ClusterState>,
}

impl HostFilterPolicy {
    /// `child` over the nodes that `accepts` says true for.
    pub fn new(
        child: Arc<dyn LoadBalancingPolicy>,
        accepts: impl Fn(&Node) -> bool + Send + Sync + 'static,
    ) -> Self {
        Self {
            child,
            accepts: Box::new(accepts),
            filtered: PerState::default(),
        }
    }

    fn look<R>(&self, state: &ClusterState, look: impl FnOnce(&ClusterState) -> R) -> R {
        self.filtered
            .look(state, || state.filtered(|node| (self.accepts)(node)), look)
    }
}

impl LoadBalancingPolicy for HostFilterPolicy {
    fn plan(&self, request: &RouteContext<'_>, state: &ClusterState) -> QueryPlan {
        self.look(state, |filtered| self.child.plan(request, filtered))
    }

    fn distance(&self, node: &Node, state: &ClusterState) -> Distance {
        self.look(state, |filtered| match filtered.node(node.host_id()) {
            Some(_) => self.child.distance(node, filtered),
            None => Distance::Ignored,
        })
    }
}

impl fmt::Debug for HostFilterPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostFilterPolicy")
            .field("child", &self.child)
            .finish_non_exhaustive()
    }
}

/// Only nodes at these addresses get requests and connections. Which of them, says a policy inside.
///
/// For debugging, and for clients that may reach a part of the cluster only: a cluster is not divided by it.
#[derive(Debug)]
pub struct AllowListPolicy(HostFilterPolicy);

impl AllowListPolicy {
    /// `child` over the nodes with one of these addresses, whatever their port.
    pub fn new(child: Arc<dyn LoadBalancingPolicy>, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        let allowed: HashSet<IpAddr> = addresses.into_iter().collect();
        Self(HostFilterPolicy::new(child, move |node| {
            let address = node.address().or(node.rpc_address());
            address.is_some_and(|address| allowed.contains(&address.ip()))
        }))
    }

    /// The same with host names, or addresses as text. Names are resolved here, once; that waits for the system's resolver.
    ///
    /// # Errors
    /// The resolver's, for the first name that has no address.
    pub fn resolve<S: AsRef<str>>(
        child: Arc<dyn LoadBalancingPolicy>,
        names: impl IntoIterator<Item = S>,
    ) -> io::Result<Self> {
        let mut addresses = Vec::new();
        for name in names {
            let name = name.as_ref();
            let found = (name, 0).to_socket_addrs();
            let found = found.map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))?;
            addresses.extend(found.map(|address| address.ip()));
        }
        Ok(Self::new(child, addresses))
    }
}

impl LoadBalancingPolicy for AllowListPolicy {
    fn plan(&self, request: &RouteContext<'_>, state: &ClusterState) -> QueryPlan {
        self.0.plan(request, state)
    }

    fn distance(&self, node: &Node, state: &ClusterState) -> Distance {
        self.0.distance(node, state)
    }
}
