//! What all nodes of a cluster share, and how they are seen to agree.

use std::net::Ipv4Addr;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock, Weak};

use super::access::Access;
use super::distribution::Distribution;
use super::error::Result;
use super::java::Java;
use super::node::{Node, NodeState};
use super::options::ClusterOptions;
use super::probe::{ALL, ONE, Probe};
use super::supervisor;
use super::tls::Authority;

#[derive(Debug)]
pub(crate) struct Setup {
    pub(crate) distribution: Distribution,
    pub(crate) java: Java,
    pub(crate) options: ClusterOptions,
    pub(crate) directory: PathBuf,
    pub(crate) seeds: Vec<Ipv4Addr>,
    pub(crate) access: Access,
    pub(crate) authority: Option<Authority>,
    /// The nodes that belong to the cluster or did once.
    pub(crate) nodes: RwLock<Vec<Weak<Node>>>,
}

impl Setup {
    /// The nodes in the order of their numbers.
    pub(crate) fn nodes(&self) -> Vec<Arc<Node>> {
        self.nodes
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .filter_map(Weak::upgrade)
            .collect()
    }

    pub(crate) fn add(&self, node: &Arc<Node>) {
        self.nodes
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Arc::downgrade(node));
    }

    /// Where key stores and certificates are.
    pub(crate) fn tls_directory(&self) -> PathBuf {
        self.directory.join("tls")
    }

    pub(crate) fn keep_logs(&self) {
        supervisor::keep_logs(&self.directory);
    }

    /// Whether the probe can log in and query.
    pub(crate) fn speaks_v4(&self) -> bool {
        self.options.limits.allow_older_protocols != Some(false)
    }

    /// Waits until every running node knows exactly the members of the cluster and, when all members run, until each
    /// coordinator reaches all the others.
    ///
    /// Observed by CQL: the number of rows in system.peers, and a read of a replicated table at consistency level ALL over
    /// the whole ring, which a coordinator refuses while it believes any node down.
    pub(crate) fn wait_agreed(&self) -> Result<()> {
        let nodes = self.nodes();
        let members = nodes
            .iter()
            .filter(|node| node.state() != NodeState::Decommissioned)
            .count();
        let running: Vec<_> = nodes
            .iter()
            .filter(|node| node.state() == NodeState::Running)
            .collect();
        if members < 2 || !self.speaks_v4() {
            return Ok(());
        }
        let all_run = running.len() == members;
        running.into_iter().try_for_each(|node| {
            node.wait_until("agree with the other nodes", || {
                self.agrees(node, members, all_run)
            })
        })
    }

    fn agrees(&self, node: &Node, members: usize, all_run: bool) -> Result<(), String> {
        let tell = |error: super::probe::ProbeError| error.to_string();
        let mut probe =
            Probe::connect(node.cql_address(), &self.access, super::node::PROBE_TIMEOUT).map_err(tell)?;
        let peers = probe.query("SELECT peer FROM system.peers", ONE).map_err(tell)?;
        if peers != members - 1 {
            return Err(format!("it knows {peers} of {} other nodes", members - 1));
        }
        if all_run {
            probe.query(EVERYWHERE, ALL).map_err(tell)?;
        }
        Ok(())
    }
}

/// Reads every range of a keyspace with two replicas, and so needs every node of a cluster of two or more. Finds nothing.
const EVERYWHERE: &str = "SELECT session_id FROM system_traces.sessions WHERE duration = -1 ALLOW FILTERING";
