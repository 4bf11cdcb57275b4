//! A cluster: its nodes, and the changes that concern more than one of them.

use std::env;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Instant;

use super::access::{Access, Credentials};
use super::address::Addresses;
use super::distribution::{Distribution, cache_directory};
use super::error::{Error, Result};
use super::java::Java;
use super::node::{Node, NodeState};
use super::options::ClusterOptions;
use super::progress::Progress;
use super::setup::Setup;
use super::supervisor::{self, Supervisor};
use super::tls::{Authority, TlsMode};
use super::topology::Placement;
use super::yaml::even_tokens;

/// A running cluster. Dropping it kills its nodes and removes their directories.
///
/// When it is dropped by a panic, or a node did not start, the logs stay and their directory is printed.
#[derive(Debug)]
pub struct Cluster {
    setup: Arc<Setup>,
    addresses: Addresses,
    nodes: RwLock<Vec<Arc<Node>>>,
    /// One node joins or leaves at a time, as Cassandra wants it.
    membership: Mutex<()>,
    supervisor: Option<Supervisor>,
}

impl Cluster {
    /// Starts a cluster and waits until every node serves clients and all agree on who belongs to it.
    ///
    /// # Errors
    /// [`Error::AddressInUse`] when something listens where a node would; [`Error::NodeExited`] and [`Error::TimedOut`], with
    /// the last lines of the logs, when a node does not come up; the errors of [`Distribution::fetch`].
    pub fn start(options: ClusterOptions) -> Result<Self> {
        let java = Java::find()?;
        let distribution = Distribution::fetch(&options.version, &options.progress)?;
        Self::start_on(distribution, java, options)
    }

    pub(crate) fn start_on(distribution: Distribution, java: Java, options: ClusterOptions) -> Result<Self> {
        let began = Instant::now();
        let placements = options.topology.placements().to_vec();
        let locks = cache_directory()?.join("addresses");
        let addresses = Addresses::reserve(options.prefix, options.first_host, placements.len(), &locks)?;
        let directory = create_directory(options.directory.as_deref())?;
        let supervisor = Supervisor::start(&directory)?;
        let authority = match options.tls {
            TlsMode::Off => None,
            TlsMode::Server | TlsMode::Mutual => Some(Authority::create(&directory.join("tls"))?),
        };
        let access = Access {
            credentials: options.authentication.then(Credentials::superuser),
            tls: authority.as_ref().map(Authority::files),
            client: authority.as_ref().map(Authority::client),
        };
        let seeds = vec![addresses.of(1)?];
        let nodes = RwLock::default();
        let setup = Arc::new(Setup {
            distribution,
            java,
            options,
            directory,
            seeds,
            access,
            authority,
            nodes,
        });
        let cluster = Self {
            setup,
            addresses,
            nodes: RwLock::default(),
            membership: Mutex::default(),
            supervisor: Some(supervisor),
        };
        cluster.start_all(&placements)?;
        cluster.setup.options.progress.say(format!(
            "Cassandra {}: {} node(s) ready after {:.1} s",
            cluster.setup.options.version,
            placements.len(),
            began.elapsed().as_secs_f32()
        ));
        Ok(cluster)
    }

    fn start_all(&self, placements: &[Placement]) -> Result<()> {
        let num_tokens = self.setup.options.num_tokens;
        for (index, placement) in placements.iter().enumerate() {
            let tokens = even_tokens(index, placements.len(), num_tokens);
            let address = self.addresses.of(index + 1)?;
            self.push(Node::create(
                &self.setup,
                index + 1,
                address,
                placement.clone(),
                Some(tokens),
            )?);
        }
        let nodes = self.nodes();
        let (first, rest) = nodes
            .split_first()
            .ok_or(Error::UnknownNode { number: 1, last: 0 })?;
        first.spawn()?;
        if !rest.is_empty() {
            // The others ask the first, their seed, who is there, and end when it cannot be reached.
            first.wait_for_storage_port()?;
        }
        rest.iter().try_for_each(|node| node.spawn())?;
        nodes.iter().try_for_each(|node| node.wait_ready())?;
        self.setup.wait_agreed()
    }

    /// The version its nodes run.
    pub fn version(&self) -> &super::CassandraVersion {
        &self.setup.options.version
    }

    /// The addresses of all nodes that have not left, running or not.
    pub fn contact_points(&self) -> Vec<SocketAddr> {
        let members = self
            .nodes()
            .into_iter()
            .filter(|node| node.state() != NodeState::Decommissioned);
        members.map(|node| node.cql_address()).collect()
    }

    /// What clients need to get in.
    pub fn access(&self) -> &Access {
        &self.setup.access
    }

    /// All nodes there ever were, by number.
    pub fn nodes(&self) -> Vec<Arc<Node>> {
        self.nodes.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The node with this number, counted from 1.
    ///
    /// # Errors
    /// [`Error::UnknownNode`].
    pub fn node(&self, number: usize) -> Result<Arc<Node>> {
        let nodes = self.nodes();
        let found = number.checked_sub(1).and_then(|index| nodes.get(index));
        found.map(Arc::clone).ok_or(Error::UnknownNode {
            number,
            last: nodes.len(),
        })
    }

    /// Adds a node: it joins the ring, gets its share of the data, and serves clients when this returns.
    pub fn add_node(&self, placement: Placement) -> Result<Arc<Node>> {
        let _one = self.membership.lock().unwrap_or_else(PoisonError::into_inner);
        let number = self.nodes().len() + 1;
        self.setup.options.progress.say(format!("node {number} joins"));
        let node = Node::create(&self.setup, number, self.addresses.of(number)?, placement, None)?;
        node.spawn()?;
        node.wait_ready()?;
        self.push(Arc::clone(&node));
        self.setup.wait_agreed()?;
        Ok(node)
    }

    /// Makes a node hand its data to the others and leave for good; its process ends.
    pub fn decommission(&self, number: usize) -> Result<()> {
        let _one = self.membership.lock().unwrap_or_else(PoisonError::into_inner);
        let node = self.node(number)?;
        self.setup.options.progress.say(format!("node {number} leaves"));
        // Forced, because Cassandra's own keyspaces have more replicas than a small cluster has nodes left.
        node.nodetool(&["decommission", "--force"])?;
        node.retire()?;
        self.setup.wait_agreed()
    }

    /// The directory of configuration, data and logs.
    pub fn directory(&self) -> &Path {
        &self.setup.directory
    }

    /// Lets logs and configuration stay when the cluster ends.
    pub fn keep_logs(&self) {
        self.setup.keep_logs();
    }

    fn push(&self, node: Arc<Node>) {
        self.setup.add(&node);
        self.nodes
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .push(node);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let directory = &self.setup.directory;
        if std::thread::panicking() {
            self.setup.keep_logs();
        }
        let kept = supervisor::keeps_logs(directory);
        drop(self.supervisor.take());
        if kept {
            Progress::stderr().say(format!("logs kept in {}", directory.display()));
        }
    }
}

fn create_directory(wanted: Option<&Path>) -> Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    let directory = match wanted {
        Some(directory) => std::path::absolute(directory).map_err(Error::io("find", directory))?,
        None => loop {
            let count = COUNT.fetch_add(1, Ordering::Relaxed);
            let directory = env::temp_dir().join(format!("helenus-cassandra-{}-{count}", std::process::id()));
            // Kept logs of an earlier process with the same id stay where they are.
            if !directory.exists() {
                break directory;
            }
        },
    };
    fs::create_dir_all(directory.parent().unwrap_or(&directory)).map_err(Error::io("create", &directory))?;
    // The control socket lies in it, and with it the power over the nodes.
    fs::DirBuilder::new()
        .mode(0o700)
        .create(&directory)
        .map_err(Error::io("create", &directory))?;
    Ok(directory)
}
