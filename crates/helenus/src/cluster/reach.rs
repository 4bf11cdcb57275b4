//! How nodes are reached: names of contact points become addresses, and what a node says of itself becomes the endpoint to
//! connect to.
//!
//! All of it is asked again whenever it matters: names whenever a control connection is opened (every address may have
//! changed), nodes whenever they are read.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;

use super::node::NodeFacts;
use super::peer_row::PeerRow;
use crate::connection::Endpoint;

/// An answer on its way.
pub type ReachFuture<'a, T> = Pin<Box<dyn Future<Output = io::Result<T>> + Send + 'a>>;

/// Finds the addresses of a host name: all of them, IPv4 and IPv6.
///
/// Set with [`ClusterBuilder::resolver`](crate::ClusterBuilder::resolver). A name that cannot be resolved is passed over with
/// a warning as long as there are other contact points. An answer that takes longer than
/// [`ClusterBuilder::connect_timeout`](crate::ClusterBuilder::connect_timeout) counts as none.
pub trait Resolver: fmt::Debug + Send + Sync {
    /// The addresses of `host`, each with this port unless the resolver knows better (SRV records).
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> ReachFuture<'a, Vec<SocketAddr>>;
}

/// The resolver of the operating system. It is asked each time; caching is its own affair.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemResolver;

impl Resolver for SystemResolver {
    fn resolve<'a>(&'a self, host: &'a str, port: u16) -> ReachFuture<'a, Vec<SocketAddr>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}

/// From the address that a node says clients connect to, to the one that this client has to connect to: behind NAT, across
/// regions, through tunnels.
///
/// Set with [`ClusterBuilder::address_translator`](crate::ClusterBuilder::address_translator). Asked for each node whenever the
/// nodes are read; contact points are taken as they are. When it fails the address is used as it is, with a warning.
pub trait AddressTranslator: fmt::Debug + Send + Sync {
    /// The address to connect to.
    fn translate<'a>(&'a self, address: SocketAddr, node: &'a NodeFacts) -> ReachFuture<'a, SocketAddr>;
}

/// Makes the endpoint of each node from what the cluster says about the node: a proxy that is told by SNI which node is meant,
/// a Unix domain socket for each node, and the like.
///
/// Set with [`ClusterBuilder::endpoint_factory`](crate::ClusterBuilder::endpoint_factory). Asked for each node, the one behind
/// the control connection included, whenever the nodes are read. A node for which it fails is left out, with a warning.
pub trait EndpointFactory: fmt::Debug + Send + Sync {
    /// Where to connect to reach this node.
    fn endpoint<'a>(&'a self, node: &'a NodeFacts) -> ReachFuture<'a, Endpoint>;

    /// Whether [`endpoint_of_peer`](Self::endpoint_of_peer) is asked in place of [`endpoint`](Self::endpoint): for the peers of
    /// the node behind the control connection, one after the other, those without an address included. That node itself keeps
    /// the endpoint by which it was reached.
    fn looks_at_rows(&self) -> bool {
        false
    }

    /// Where to connect to reach this node, by all that the server says of it.
    fn endpoint_of_peer<'a>(&'a self, node: &'a NodeFacts, row: &'a PeerRow) -> ReachFuture<'a, Endpoint> {
        let _ = row;
        self.endpoint(node)
    }
}
