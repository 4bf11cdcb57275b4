//! Several fake nodes that know each other.
//!
//! Nodes listen on 127.0.0.1, 127.0.0.2, ... with one port, as the nodes of a real cluster do: `system.peers` has no column
//! for it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};

use helenus_protocol::Event;
use tokio::net::TcpListener;

use super::node::FakeNode;
use super::script::Script;
use super::system_tables::{NodeInfo, Topology};

/// How often another port is tried when one is taken on one of the addresses.
const ATTEMPTS: usize = 64;

/// A cluster of fake nodes.
#[derive(Debug)]
pub struct FakeCluster {
    nodes: Vec<FakeNode>,
    topology: Arc<RwLock<Topology>>,
    port: u16,
}

impl FakeCluster {
    /// Starts a cluster with so many nodes by datacenter. Every node follows a copy of `script`.
    ///
    /// # Errors
    /// [`io::Error`] when no port is free on all addresses.
    pub async fn start(datacenters: &[(&str, usize)], script: Script) -> io::Result<Self> {
        let count = datacenters.iter().map(|(_, count)| count).sum();
        let listeners = bind(count).await?;
        let port = match listeners.first() {
            Some(listener) => listener.local_addr()?.port(),
            None => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "a cluster has at least one node",
                ));
            }
        };
        let topology = Arc::new(RwLock::new(Topology::default()));
        let mut cluster = Self {
            nodes: Vec::new(),
            topology,
            port,
        };
        let names = datacenters
            .iter()
            .flat_map(|(name, count)| std::iter::repeat_n(*name, *count));
        for (listener, datacenter) in listeners.into_iter().zip(names) {
            cluster.serve(listener, datacenter, script.clone())?;
        }
        Ok(cluster)
    }

    /// The nodes, in the order of their addresses.
    pub fn nodes(&self) -> &[FakeNode] {
        &self.nodes
    }

    /// A node, counted from 0.
    ///
    /// # Panics
    /// When there is no node of this number.
    pub fn node(&self, index: usize) -> &FakeNode {
        &self.nodes[index]
    }

    /// The same, to stop it or to let it listen again.
    ///
    /// # Panics
    /// When there is no node of this number.
    pub fn node_mut(&mut self, index: usize) -> &mut FakeNode {
        &mut self.nodes[index]
    }

    /// The node at this address.
    pub fn node_at(&self, address: SocketAddr) -> Option<&FakeNode> {
        self.nodes.iter().find(|node| node.address() == address)
    }

    /// Where clients may connect first.
    pub fn contact_points(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(FakeNode::address).collect()
    }

    /// Changes what all nodes say about the cluster.
    pub fn topology<T>(&self, change: impl FnOnce(&mut Topology) -> T) -> T {
        change(&mut self.topology.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Adds a node on the next address. Clients learn of it when they ask, or by an event.
    ///
    /// # Errors
    /// [`io::Error`] when the port is taken there.
    pub async fn add_node(&mut self, datacenter: &str, script: Script) -> io::Result<&FakeNode> {
        let listener = TcpListener::bind((address(self.nodes.len()), self.port)).await?;
        self.serve(listener, datacenter, script)?;
        Ok(&self.nodes[self.nodes.len() - 1])
    }

    /// Sends an event from every node.
    pub async fn push_event(&self, event: &Event) {
        for node in &self.nodes {
            node.push_event(event).await;
        }
    }

    fn serve(&mut self, listener: TcpListener, datacenter: &str, script: Script) -> io::Result<()> {
        let info = NodeInfo {
            datacenter: datacenter.to_owned(),
            ..NodeInfo::new(listener.local_addr()?)
        };
        self.topology(|topology| topology.nodes.push(info));
        self.nodes
            .push(FakeNode::serve(listener, script, self.topology.clone())?);
        Ok(())
    }
}

/// Sockets on consecutive addresses with one port.
async fn bind(count: usize) -> io::Result<Vec<TcpListener>> {
    let mut result = Ok(Vec::new());
    for _ in 0..ATTEMPTS {
        result = try_bind(count).await;
        match &result {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => {}
            _ => break,
        }
    }
    result
}

async fn try_bind(count: usize) -> io::Result<Vec<TcpListener>> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    for index in 0..count {
        let port = match listeners.first() {
            Some(first) => first.local_addr()?.port(),
            None => 0,
        };
        listeners.push(TcpListener::bind((address(index), port)).await?);
    }
    Ok(listeners)
}

/// 127.0.0.1 for the first node, 127.0.0.250 for the 250th, 127.0.1.1 for the one after it.
fn address(index: usize) -> IpAddr {
    let third = u8::try_from(index / 250).unwrap_or(u8::MAX);
    let last = u8::try_from(index % 250 + 1).unwrap_or(u8::MAX);
    Ipv4Addr::new(127, 0, third, last).into()
}
