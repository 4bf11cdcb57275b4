//! Simulacron 0.12.0: a fake cluster that somebody else wrote, as a second opinion beside [`fake`](crate::fake).
//!
//! It speaks the native protocol up to v4 with one process for any number of nodes, and is told by HTTP what to answer to which
//! statement, late or not at all, and which node shall stop listening, stop reading or refuse to start clients up. The jar comes
//! from Maven Central into the cache that Cassandra's jars are in. It needs Java and Maven; like the real nodes, its process ends with
//! the one that started it.
//!
//! ```no_run
//! use helenus_testkit::simulacron::{Scope, Simulacron};
//! use serde_json::json;
//!
//! let simulacron = Simulacron::start()?;
//! let cluster = simulacron.cluster(3)?;
//! cluster.prime(Scope::Node(0), "SELECT now() FROM t", &json!({"result": "overloaded", "message": "not now"}))?;
//! println!("{:?}", cluster.addresses());
//! # Ok::<(), helenus_testkit::cassandra::Error>(())
//! ```

mod http;

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::cassandra::Java;
use crate::cassandra::parts::{
    Addresses, Artifact, Error, Result, Supervisor, cache_directory, copy_jar, free_port, supervised,
};
use crate::cassandra::{AddressPrefix, Progress};
use http::{Http, Method};

const VERSION: &str = "0.12.0";
const PATIENCE: Duration = Duration::from_secs(60);

/// A running Simulacron. Dropping it ends its process and with it all of its clusters.
#[derive(Debug)]
pub struct Simulacron {
    http: Http,
    process: Child,
    directory: PathBuf,
    _addresses: Addresses,
    supervisor: Option<Supervisor>,
}

/// A cluster of simulated nodes in one datacenter, `dc1`. Dropping it closes them.
#[derive(Debug)]
pub struct SimulatedCluster<'s> {
    http: &'s Http,
    id: u64,
    addresses: Vec<SocketAddr>,
}

/// Whom something concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All nodes.
    Cluster,
    /// The node with this number, counted from 0.
    Node(usize),
}

/// How a node turns clients away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// It closes its connections and stops listening.
    Stop,
    /// It stops listening; open connections stay.
    Unbind,
    /// New connections open, and STARTUP is not answered.
    RejectStartup,
}

impl Simulacron {
    /// Starts it, and fetches it first if it was never started on this machine.
    ///
    /// # Errors
    /// [`Error::Java`], [`Error::MavenMissing`], [`Error::Maven`] as for Cassandra; [`Error::Simulacron`] when it does not answer.
    pub fn start() -> Result<Self> {
        let java = Java::find()?;
        let cache = cache_directory()?;
        let artifact = Artifact {
            group: "com.datastax.oss.simulacron",
            name: "simulacron-standalone",
            version: VERSION,
        };
        let jar = copy_jar(&artifact, &cache, &Progress::stderr())?;
        let addresses = Addresses::reserve(AddressPrefix::Auto, 1, 0, &cache.join("addresses"))?;
        let directory = create_directory()?;
        let supervisor = Supervisor::start(&directory)?;
        let port = free_port()?;
        let home = directory.join("simulacron");
        let console = home.join("console.log");
        let output = fs::File::create(&console).map_err(Error::io("create", &console))?;
        let process = supervised(&directory, java.command(), &home.join("pid"))
            .args(["-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            // The supervisor knows its processes by the directory in their command line.
            .arg(format!("-Dvertx.cacheDirBase={}", home.join("data").display()))
            .arg("-jar")
            .arg(jar)
            .args(["--loglevel", "WARN", "--httpintf", "127.0.0.1"])
            .args(["--httpport", &port.to_string()])
            .args(["--ip", &addresses.of(1)?.to_string()])
            .stdout(Stdio::null())
            .stderr(output)
            .spawn()
            .map_err(Error::io("run", java.command()))?;
        let simulacron = Self {
            http: Http::new(SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
            process,
            directory,
            _addresses: addresses,
            supervisor: Some(supervisor),
        };
        simulacron.wait_ready()?;
        Ok(simulacron)
    }

    /// A cluster of so many nodes of Cassandra 3.11, with protocol v3 and v4.
    ///
    /// # Errors
    /// [`Error::Simulacron`].
    pub fn cluster(&self, nodes: usize) -> Result<SimulatedCluster<'_>> {
        let path = format!("/cluster?data_centers={nodes}&cassandra_version=3.11.6");
        let made = self.http.call(Method::Post, &path, None)?;
        let odd = || Error::Simulacron {
            reason: format!("POST {path} was answered with {made}"),
        };
        let id = made["id"].as_u64().ok_or_else(odd)?;
        let nodes = made["data_centers"][0]["nodes"].as_array().ok_or_else(odd)?;
        let address = |node: &Value| node["address"].as_str().and_then(|text| text.parse().ok());
        let addresses = nodes.iter().map(address).collect::<Option<_>>();
        Ok(SimulatedCluster {
            http: &self.http,
            id,
            addresses: addresses.ok_or_else(odd)?,
        })
    }

    fn wait_ready(&self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.http.call(Method::Get, "/cluster", None) {
                Ok(_) => return Ok(()),
                Err(error) if Instant::now() >= deadline => {
                    let console = self.directory.join("simulacron/console.log");
                    let said = fs::read_to_string(console).unwrap_or_default();
                    return Err(Error::Simulacron {
                        reason: format!("{error}; it said: {}", said.trim()),
                    });
                }
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }
}

impl Drop for Simulacron {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        drop(self.supervisor.take());
    }
}

impl SimulatedCluster<'_> {
    /// Where the nodes listen, in the order of their numbers.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// What is answered from now on to this statement, in QUERY or EXECUTE: Simulacron's `then`, such as
    /// `{"result": "overloaded", "message": "", "delay_in_ms": 100}`.
    ///
    /// # Errors
    /// [`Error::Simulacron`] when it does not understand.
    pub fn prime(&self, scope: Scope, statement: &str, then: &Value) -> Result<()> {
        self.prime_request(scope, &json!({ "query": statement }), then)
    }

    /// The same for any request: Simulacron's `when`, such as `{"request": "options"}`.
    ///
    /// # Errors
    /// [`Error::Simulacron`] when it does not understand.
    pub fn prime_request(&self, scope: Scope, when: &Value, then: &Value) -> Result<()> {
        let mut then = then.clone();
        // Simulacron wants these to be there.
        for (key, value) in [("delay_in_ms", json!(0)), ("ignore_on_prepare", json!(true))] {
            if then.get(key).is_none() {
                then[key] = value;
            }
        }
        let body = json!({ "when": when, "then": then });
        self.call(Method::Post, "prime", scope, "", Some(&body)).map(drop)
    }

    /// Forgets what was primed.
    ///
    /// # Errors
    /// [`Error::Simulacron`].
    pub fn clear(&self, scope: Scope) -> Result<()> {
        self.call(Method::Delete, "prime", scope, "", None).map(drop)
    }

    /// Turns clients away.
    ///
    /// # Errors
    /// [`Error::Simulacron`].
    pub fn refuse(&self, scope: Scope, refusal: Refusal) -> Result<()> {
        let kind = match refusal {
            Refusal::Stop => "?type=stop",
            Refusal::Unbind => "?type=unbind",
            Refusal::RejectStartup => "?type=reject_startup",
        };
        self.call(Method::Delete, "listener", scope, kind, None).map(drop)
    }

    /// Takes clients again.
    ///
    /// # Errors
    /// [`Error::Simulacron`].
    pub fn accept(&self, scope: Scope) -> Result<()> {
        self.call(Method::Put, "listener", scope, "", None).map(drop)
    }

    /// Reads nothing more from the connections that are open.
    ///
    /// # Errors
    /// [`Error::Simulacron`].
    pub fn pause_reads(&self, scope: Scope) -> Result<()> {
        self.call(Method::Put, "pause-reads", scope, "", None).map(drop)
    }

    /// Reads again.
    ///
    /// # Errors
    /// [`Error::Simulacron`].
    pub fn resume_reads(&self, scope: Scope) -> Result<()> {
        self.call(Method::Delete, "pause-reads", scope, "", None)
            .map(drop)
    }

    /// Closes the connections that are open.
    ///
    /// # Errors
    /// [`Error::Simulacron`].
    pub fn close_connections(&self, scope: Scope) -> Result<()> {
        let kind = "?type=disconnect";
        self.call(Method::Delete, "connections", scope, kind, None)
            .map(drop)
    }

    /// How many connections the nodes have.
    ///
    /// # Errors
    /// [`Error::Simulacron`].
    pub fn connections(&self, scope: Scope) -> Result<usize> {
        let report = self.call(Method::Get, "connections", scope, "", None)?;
        let connections = nodes(&report).filter_map(|node| node["connections"].as_array());
        Ok(connections.map(Vec::len).sum())
    }

    /// The messages that the nodes got since the log was last cleared: Simulacron's entries, each with its `frame`.
    ///
    /// # Errors
    /// [`Error::Simulacron`].
    pub fn log(&self, scope: Scope) -> Result<Vec<Value>> {
        let report = self.call(Method::Get, "log", scope, "", None)?;
        let entries = nodes(&report).filter_map(|node| node["queries"].as_array());
        Ok(entries.flatten().cloned().collect())
    }

    /// How often the nodes got this statement in a QUERY, PREPARE or EXECUTE, as Simulacron's log says it.
    ///
    /// # Errors
    /// [`Error::Simulacron`].
    pub fn count(&self, scope: Scope, statement: &str) -> Result<usize> {
        let log = self.log(scope)?;
        Ok(log.iter().filter(|entry| entry["query"] == statement).count())
    }

    fn call(
        &self,
        method: Method,
        what: &str,
        scope: Scope,
        options: &str,
        body: Option<&Value>,
    ) -> Result<Value> {
        let id = self.id;
        let path = match scope {
            Scope::Cluster => format!("/{what}/{id}{options}"),
            Scope::Node(node) => format!("/{what}/{id}/0/{node}{options}"),
        };
        self.http.call(method, &path, body)
    }
}

impl Drop for SimulatedCluster<'_> {
    fn drop(&mut self) {
        // The process may have gone before.
        let _ = self
            .http
            .call(Method::Delete, &format!("/cluster/{}", self.id), None);
    }
}

/// The nodes of a report.
fn nodes(report: &Value) -> impl Iterator<Item = &Value> {
    let datacenters = report["data_centers"].as_array().into_iter().flatten();
    datacenters.flat_map(|datacenter| datacenter["nodes"].as_array().into_iter().flatten())
}

fn create_directory() -> Result<PathBuf> {
    static COUNT: AtomicU32 = AtomicU32::new(1);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("helenus-simulacron-{}-{count}", std::process::id());
    let directory = std::env::temp_dir().join(name);
    let data = directory.join("simulacron/data");
    fs::create_dir_all(&data).map_err(Error::io("create", &data))?;
    Ok(directory)
}
