//! One node: its directory, its process, and what can be done to it.

use std::fmt;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::address::{check_free, check_ports, free_jmx_port};
use super::distribution::Distribution;
use super::error::{Error, Result};
use super::jvm::NodeProcess;
use super::logs;
use super::probe::Probe;
use super::setup::Setup;
use super::supervisor::supervised;
use super::topology::Placement;
use super::version::{CassandraVersion, Family};
use super::yaml::{NATIVE_PORT, NodeSettings, STORAGE_PORT, cassandra_yaml};

/// A node of a [`Cluster`](super::Cluster). Its number, counted from 1, never changes.
#[derive(Debug)]
pub struct Node {
    number: usize,
    address: Ipv4Addr,
    placement: Placement,
    home: PathBuf,
    /// `None` for a node that joins a running cluster.
    initial_tokens: Option<Vec<i64>>,
    setup: Arc<Setup>,
    /// The version it was upgraded to.
    upgraded: OnceLock<Distribution>,
    process: Mutex<Process>,
}

/// What a node is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NodeState {
    /// Its process runs.
    Running,
    /// Its process is held by SIGSTOP: connections stay open and nothing answers.
    Paused,
    /// Its process runs, but it was drained: it serves neither clients nor nodes until it is stopped and started.
    Drained,
    /// It has no process; its data is still there.
    Stopped,
    /// It has left the cluster for good.
    Decommissioned,
}

#[derive(Debug)]
struct Process {
    child: Option<Child>,
    state: NodeState,
    jmx_port: u16,
    /// How the last process ended.
    exit: Option<ExitStatus>,
}

impl Node {
    /// Writes the directory of a node that is not started yet.
    pub(crate) fn create(
        setup: &Arc<Setup>,
        number: usize,
        address: Ipv4Addr,
        placement: Placement,
        initial_tokens: Option<Vec<i64>>,
    ) -> Result<Arc<Self>> {
        let home = setup.directory.join(format!("node{number}"));
        let (conf, data) = (home.join("conf"), home.join("data"));
        if data.exists() {
            // Of a node that failed to join; a new one must not take up its identity.
            fs::remove_dir_all(&data).map_err(Error::io("remove", &data))?;
        }
        for directory in [&conf, &data, &home.join("logs")] {
            fs::create_dir_all(directory).map_err(Error::io("create", directory))?;
        }
        if let Some(authority) = &setup.authority {
            authority.add_node(address)?;
        }
        let settings = NodeSettings {
            address,
            seeds: &setup.seeds,
            initial_tokens: initial_tokens.clone(),
            data: &data,
            tls: &setup.tls_directory(),
        };
        let rack = format!("dc={}\nrack={}\n", placement.datacenter, placement.rack);
        for (name, text) in [
            (
                "cassandra.yaml",
                cassandra_yaml(&setup.options, &settings)?.as_str(),
            ),
            ("cassandra-rackdc.properties", &rack),
            ("logback.xml", logs::NODE_CONFIGURATION),
            ("logback-tools.xml", logs::TOOL_CONFIGURATION),
        ] {
            let path = conf.join(name);
            fs::write(&path, text).map_err(Error::io("write", &path))?;
        }
        let process = Mutex::new(Process {
            child: None,
            state: NodeState::Stopped,
            jmx_port: free_jmx_port()?,
            exit: None,
        });
        Ok(Arc::new(Self {
            number,
            address,
            placement,
            home,
            initial_tokens,
            setup: Arc::clone(setup),
            upgraded: OnceLock::new(),
            process,
        }))
    }

    /// The node's number, counted from 1.
    pub fn number(&self) -> usize {
        self.number
    }

    /// Where clients reach it.
    pub fn cql_address(&self) -> SocketAddr {
        SocketAddr::from((self.address, NATIVE_PORT))
    }

    /// Its datacenter and rack.
    pub fn placement(&self) -> &Placement {
        &self.placement
    }

    /// The port on 127.0.0.1 at which nodetool reaches it.
    pub fn jmx_port(&self) -> u16 {
        self.process().jmx_port
    }

    /// The directory of its logs: `system.log`, and `console.log` for what Java itself prints.
    pub fn log_directory(&self) -> PathBuf {
        self.home.join("logs")
    }

    /// The last lines of its logs.
    pub fn log_tail(&self) -> String {
        logs::tail(&self.log_directory())
    }

    /// What it is doing. A process that ended by itself counts as stopped.
    pub fn state(&self) -> NodeState {
        self.process().observe()
    }

    /// The id of its process, while it has one.
    pub fn process_id(&self) -> Option<u32> {
        let mut process = self.process();
        process.observe();
        process.child.as_ref().map(Child::id)
    }

    /// Starts a stopped node and waits until it serves clients and, when all other nodes run, until all see it.
    ///
    /// # Errors
    /// [`Error::WrongState`] when it is not stopped, [`Error::NodeExited`] or [`Error::TimedOut`] when it does not come up.
    pub fn start(&self) -> Result<()> {
        self.spawn()?;
        self.wait_ready()?;
        self.setup.wait_agreed()
    }

    /// Stops the node in order (SIGTERM): it tells the others and ends, or is killed after a minute.
    pub fn stop(&self) -> Result<()> {
        let mut process = self.process();
        process.require(
            self.number,
            "be stopped",
            &[NodeState::Running, NodeState::Paused, NodeState::Drained],
        )?;
        if process.state == NodeState::Paused {
            self.signal(&mut process, Signal::CONT)?;
        }
        self.signal(&mut process, Signal::TERM)?;
        let deadline = Instant::now() + STOP_TIMEOUT;
        while process.observe() != NodeState::Stopped {
            if Instant::now() >= deadline {
                return self.end(&mut process);
            }
            std::thread::sleep(POLL);
        }
        Ok(())
    }

    /// Ends the node at once, as if by a crash (SIGKILL). Does nothing when it has no process.
    pub fn kill(&self) -> Result<()> {
        let mut process = self.process();
        self.end(&mut process)
    }

    /// Holds the process (SIGSTOP): its connections stay open and nothing answers.
    pub fn pause(&self) -> Result<()> {
        let mut process = self.process();
        process.require(self.number, "be paused", &[NodeState::Running])?;
        self.signal(&mut process, Signal::STOP)?;
        process.state = NodeState::Paused;
        Ok(())
    }

    /// Lets a paused process go on (SIGCONT).
    pub fn resume(&self) -> Result<()> {
        let mut process = self.process();
        process.require(self.number, "be resumed", &[NodeState::Paused])?;
        self.signal(&mut process, Signal::CONT)?;
        process.state = NodeState::Running;
        Ok(())
    }

    /// Makes the node flush its data and turn clients and nodes away, as before an upgrade.
    pub fn drain(&self) -> Result<()> {
        self.nodetool(&["drain"])?;
        self.process().state = NodeState::Drained;
        Ok(())
    }

    /// Has a stopped node run another version when it is started again, with the data that it has: once in its life.
    ///
    /// # Errors
    /// [`Error::WrongState`] when it is not stopped, [`Error::Option`] when it was upgraded before; the errors of
    /// [`Distribution::fetch`].
    pub fn upgrade(&self, version: &CassandraVersion) -> Result<()> {
        self.process()
            .require(self.number, "be upgraded", &[NodeState::Stopped])?;
        let distribution = Distribution::fetch(version, &self.setup.options.progress)?;
        let mut options = self.setup.options.clone();
        options.version = version.clone();
        if version.family() >= Family::V5_0 {
            // As long as there are nodes of the version before.
            options = options.yaml("storage_compatibility_mode", "CASSANDRA_4");
        }
        let settings = NodeSettings {
            address: self.address,
            seeds: &self.setup.seeds,
            initial_tokens: self.initial_tokens.clone(),
            data: &self.home.join("data"),
            tls: &self.setup.tls_directory(),
        };
        let path = self.home.join("conf").join("cassandra.yaml");
        fs::write(&path, cassandra_yaml(&options, &settings)?).map_err(Error::io("write", &path))?;
        self.upgraded.set(distribution).map_err(|_| Error::Option {
            option: "upgrade".to_owned(),
            reason: format!("node {} was upgraded before", self.number),
        })
    }

    /// Runs nodetool on this node and returns what it printed.
    ///
    /// # Errors
    /// [`Error::Nodetool`] with its output when it fails.
    pub fn nodetool(&self, command: &[&str]) -> Result<String> {
        let jmx_port = {
            let mut process = self.process();
            process.require(
                self.number,
                "run nodetool",
                &[NodeState::Running, NodeState::Drained],
            )?;
            process.jmx_port
        };
        let java = self.setup.java.command();
        let output = Command::new(java)
            .args(self.arguments(jmx_port).nodetool(command))
            .stdin(Stdio::null())
            .output()
            .map_err(Error::io("run", java))?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        let text = [output.stdout, output.stderr].concat();
        Err(Error::Nodetool {
            number: self.number,
            command: command.join(" "),
            status: output.status,
            output: String::from_utf8_lossy(&text).trim().to_owned(),
        })
    }

    /// Ends the process of a node that has left the cluster.
    pub(crate) fn retire(&self) -> Result<()> {
        let mut process = self.process();
        self.end(&mut process)?;
        process.state = NodeState::Decommissioned;
        Ok(())
    }

    /// Starts the process without waiting for more than that.
    pub(crate) fn spawn(&self) -> Result<()> {
        let mut process = self.process();
        process.require(self.number, "be started", &[NodeState::Stopped])?;
        check_ports(self.address)?;
        if check_free((Ipv4Addr::LOCALHOST, process.jmx_port).into()).is_err() {
            process.jmx_port = free_jmx_port()?;
        }
        let console = self.log_directory().join("console.log");
        let console = File::options()
            .create(true)
            .append(true)
            .open(&console)
            .map_err(Error::io("open", &console))?;
        let errors = console
            .try_clone()
            .map_err(Error::io("open", self.log_directory()))?;
        let java = self.setup.java.command();
        let child = supervised(&self.setup.directory, java, &self.home.join("pid"))
            .args(self.arguments(process.jmx_port).arguments())
            .stdout(console)
            .stderr(errors)
            .spawn()
            .map_err(Error::io("run", java))?;
        process.child = Some(child);
        process.exit = None;
        process.state = NodeState::Running;
        Ok(())
    }

    /// Waits until other nodes can connect.
    pub(crate) fn wait_for_storage_port(&self) -> Result<()> {
        let address = SocketAddr::from((self.address, STORAGE_PORT));
        self.wait_until("open its storage port", || {
            TcpStream::connect_timeout(&address, PROBE_TIMEOUT)
                .map(drop)
                .map_err(|error| error.to_string())
        })
    }

    /// Waits until clients are served: the port answers, and a login works where one is asked for.
    pub(crate) fn wait_ready(&self) -> Result<()> {
        self.wait_until("serve clients", || {
            let access = &self.setup.access;
            let answer = if self.setup.speaks_v4() {
                Probe::connect(self.cql_address(), access, PROBE_TIMEOUT).map(drop)
            } else {
                Probe::answers(self.cql_address(), access, PROBE_TIMEOUT)
            };
            answer.map_err(|error| error.to_string())
        })
    }

    /// Tries `attempt` until it succeeds, the process ends or the time is up.
    pub(crate) fn wait_until(
        &self,
        what: &'static str,
        mut attempt: impl FnMut() -> Result<(), String>,
    ) -> Result<()> {
        let began = Instant::now();
        loop {
            let Err(last) = attempt() else { return Ok(()) };
            let failed = if let Some(status) = self.exit_status() {
                Some(Error::NodeExited {
                    number: self.number,
                    status,
                    logs: self.log_directory(),
                    tail: self.log_tail(),
                })
            } else if began.elapsed() >= self.setup.options.start_timeout {
                let (logs, tail) = (self.log_directory(), self.log_tail());
                Some(Error::TimedOut {
                    number: self.number,
                    what,
                    waited: began.elapsed(),
                    last,
                    logs,
                    tail,
                })
            } else {
                None
            };
            if let Some(error) = failed {
                self.setup.keep_logs();
                return Err(error);
            }
            std::thread::sleep(POLL);
        }
    }

    fn exit_status(&self) -> Option<ExitStatus> {
        let mut process = self.process();
        process.observe();
        process.exit
    }

    fn arguments(&self, jmx_port: u16) -> NodeProcess<'_> {
        NodeProcess {
            java: &self.setup.java,
            distribution: self.upgraded.get().unwrap_or(&self.setup.distribution),
            directory: &self.home,
            heap_mib: self.setup.options.heap_mib,
            jmx_port,
            joins: self.initial_tokens.is_none(),
            extra: &self.setup.options.jvm,
        }
    }

    fn signal(&self, process: &mut Process, signal: Signal) -> Result<()> {
        // The child has not been waited for (`require` just looked), so the id is still its own.
        let id = process
            .child
            .as_ref()
            .and_then(|child| Pid::from_raw(i32::try_from(child.id()).ok()?));
        let Some(id) = id else { return Ok(()) };
        kill_process(id, signal).map_err(|error| Error::io("signal the process of", &self.home)(error.into()))
    }

    fn end(&self, process: &mut Process) -> Result<()> {
        if let Some(child) = &mut process.child {
            child
                .kill()
                .and_then(|()| child.wait())
                .map_err(Error::io("kill the process of", &self.home))?;
        }
        process.observe();
        Ok(())
    }

    fn process(&self) -> MutexGuard<'_, Process> {
        // A panic elsewhere leaves nothing half done that matters: the state is looked at anew each time.
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Process {
    fn observe(&mut self) -> NodeState {
        if let Some(child) = &mut self.child
            && let Ok(Some(status)) = child.try_wait()
        {
            self.child = None;
            self.exit = Some(status);
            self.state = NodeState::Stopped;
        }
        self.state
    }

    fn require(&mut self, number: usize, operation: &'static str, states: &[NodeState]) -> Result<()> {
        let state = self.observe();
        if states.contains(&state) {
            Ok(())
        } else {
            Err(Error::WrongState {
                number,
                state: state.as_str(),
                operation,
            })
        }
    }
}

impl NodeState {
    /// The state in a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Drained => "drained",
            Self::Stopped => "stopped",
            Self::Decommissioned => "decommissioned",
        }
    }
}

impl fmt::Display for NodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // The supervisor has done this already, unless it was killed itself.
        let mut process = self.process();
        let _ = self.end(&mut process);
    }
}

const POLL: Duration = Duration::from_millis(50);
pub(crate) const PROBE_TIMEOUT: Duration = Duration::from_secs(5);
const STOP_TIMEOUT: Duration = Duration::from_secs(60);
