//! Commands to a running cluster from other processes, over a Unix socket in the cluster's directory.
//!
//! A client writes one [`ControlRequest`] as a line of JSON and reads one line back: `{"ok": ...}` with the result or
//! `{"error": "..."}`. A connection may carry any number of requests, one after the other.

use std::io::{self, BufRead, BufReader, Read as _, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::cluster::Cluster;
use super::error::{Error, Result};
use super::topology::Placement;

/// What can be asked of a running cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ControlRequest {
    /// Answers with a [`ClusterDescription`](super::ClusterDescription).
    Describe,
    /// Ends the cluster.
    Stop,
    /// Lets logs and configuration stay when the cluster ends; answers with their directory.
    KeepLogs,
    /// Adds a node; answers with its [`NodeDescription`](super::NodeDescription).
    Add {
        /// The new node's datacenter.
        datacenter: String,
        /// The new node's rack.
        rack: String,
    },
    /// Does something to one node; answers with its [`NodeDescription`](super::NodeDescription), unless the action tells
    /// otherwise.
    Node {
        /// The node's number, counted from 1.
        number: usize,
        /// What to do.
        #[serde(flatten)]
        action: NodeAction,
    },
}

/// What can be done to a node; see the methods of [`Node`](super::Node).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "action", rename_all = "snake_case")]
#[non_exhaustive]
pub enum NodeAction {
    /// Starts a stopped node and waits until it serves clients.
    Start,
    /// Stops the node in order.
    Stop,
    /// Stops the node in order and starts it again.
    Restart,
    /// Ends the node at once (SIGKILL).
    Kill,
    /// Holds its process (SIGSTOP).
    Pause,
    /// Lets a paused process go on.
    Resume,
    /// Makes it flush its data and turn everybody away.
    Drain,
    /// Makes it leave the cluster for good.
    Decommission,
    /// Answers with the last lines of its logs.
    Logs,
    /// Runs nodetool on it; answers with what that printed.
    Nodetool {
        /// nodetool's arguments.
        arguments: Vec<String>,
    },
}

/// Serves the control socket of a cluster until it is dropped.
#[derive(Debug)]
pub struct ControlServer {
    path: PathBuf,
}

impl ControlServer {
    /// Listens at `control` in the cluster's directory; `on_stop` is called when somebody asks for the cluster's end.
    ///
    /// # Errors
    /// [`Error::Io`] when the socket cannot be made, for one because its path is longer than systems allow (about 100 bytes).
    pub fn start(cluster: &Arc<Cluster>, on_stop: impl Fn() + Send + Sync + 'static) -> Result<Self> {
        let path = cluster.directory().join("control");
        let listener = UnixListener::bind(&path).map_err(Error::io("listen on", &path))?;
        let cluster = Arc::downgrade(cluster);
        let on_stop = Arc::new(on_stop);
        std::thread::spawn(move || {
            for connection in listener.incoming() {
                // Dropping the server connects once more, to wake this thread after the cluster has gone.
                let (Ok(connection), true) = (connection, cluster.strong_count() > 0) else {
                    break;
                };
                let (cluster, on_stop) = (cluster.clone(), Arc::clone(&on_stop));
                // A client that goes away in the middle concerns nobody else.
                std::thread::spawn(move || serve(&connection, &cluster, &*on_stop).ok());
            }
        });
        Ok(Self { path })
    }

    /// The socket's path.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for ControlServer {
    fn drop(&mut self) {
        let _ = UnixStream::connect(&self.path);
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Sends one request to the socket at `path` and waits for its answer, as long as the work takes.
///
/// # Errors
/// [`Error::Control`] with the cluster's own words when it refuses or fails, [`Error::Io`] when nobody serves the socket.
pub fn control(path: &Path, request: &ControlRequest) -> Result<Value> {
    let talk = || -> io::Result<Answer> {
        let mut stream = UnixStream::connect(path)?;
        send(&mut stream, request)?;
        let mut line = String::new();
        BufReader::new(stream).read_line(&mut line)?;
        Ok(serde_json::from_str(&line)?)
    };
    match talk().map_err(Error::io("talk to the cluster at", path))? {
        Answer::Ok(value) => Ok(value),
        Answer::Error(message) => Err(Error::Control { message }),
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Ok(Value),
    Error(String),
}

fn serve(
    connection: &UnixStream,
    cluster: &Weak<Cluster>,
    on_stop: &(dyn Fn() + Send + Sync),
) -> io::Result<()> {
    let mut reader = BufReader::new(connection);
    loop {
        let mut line = Vec::new();
        if (&mut reader).take(MAX_REQUEST).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        let request = serde_json::from_slice(&line);
        let stop = matches!(request, Ok(ControlRequest::Stop));
        let answer = match (request, cluster.upgrade()) {
            (Err(error), _) => Answer::Error(format!("not a request: {error}")),
            (Ok(_), None) => Answer::Error("the cluster has ended".to_owned()),
            (Ok(request), Some(cluster)) => match obey(&cluster, request) {
                Ok(value) => Answer::Ok(value),
                Err(error) => Answer::Error(error.to_string()),
            },
        };
        send(&mut &*connection, &answer)?;
        if stop {
            on_stop();
        }
    }
}

fn obey(cluster: &Cluster, request: ControlRequest) -> Result<Value> {
    match request {
        ControlRequest::Describe => {
            let mut description = cluster.describe();
            description.control_socket = Some(cluster.directory().join("control"));
            Ok(json(&description))
        }
        ControlRequest::Stop => Ok(Value::Null),
        ControlRequest::KeepLogs => {
            cluster.keep_logs();
            Ok(json(&cluster.directory()))
        }
        ControlRequest::Add { datacenter, rack } => cluster
            .add_node(Placement { datacenter, rack })
            .map(|node| json(&node.describe())),
        ControlRequest::Node { number, action } => {
            let node = cluster.node(number)?;
            match action {
                NodeAction::Start => node.start()?,
                NodeAction::Stop => node.stop()?,
                NodeAction::Restart => node.stop().and_then(|()| node.start())?,
                NodeAction::Kill => node.kill()?,
                NodeAction::Pause => node.pause()?,
                NodeAction::Resume => node.resume()?,
                NodeAction::Drain => node.drain()?,
                NodeAction::Decommission => cluster.decommission(number)?,
                NodeAction::Logs => return Ok(node.log_tail().into()),
                NodeAction::Nodetool { arguments } => {
                    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
                    return node.nodetool(&arguments).map(Value::from);
                }
            }
            Ok(json(&node.describe()))
        }
    }
}

/// The values sent here are made of strings, numbers and lists, so they always have a form in JSON.
fn json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

fn send(stream: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    stream.write_all(&line)
}

const MAX_REQUEST: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_flat_objects() {
        for (text, request) in [
            (r#"{"command":"describe"}"#, ControlRequest::Describe),
            (
                r#"{"command":"add","datacenter":"dc1","rack":"r2"}"#,
                ControlRequest::Add {
                    datacenter: "dc1".to_owned(),
                    rack: "r2".to_owned(),
                },
            ),
            (
                r#"{"command":"node","number":2,"action":"kill"}"#,
                ControlRequest::Node {
                    number: 2,
                    action: NodeAction::Kill,
                },
            ),
            (
                r#"{"command":"node","number":1,"action":"nodetool","arguments":["status"]}"#,
                ControlRequest::Node {
                    number: 1,
                    action: NodeAction::Nodetool {
                        arguments: vec!["status".to_owned()],
                    },
                },
            ),
        ] {
            assert_eq!(serde_json::to_string(&request).unwrap(), text);
            assert_eq!(serde_json::from_str::<ControlRequest>(text).unwrap(), request);
        }
    }
}
