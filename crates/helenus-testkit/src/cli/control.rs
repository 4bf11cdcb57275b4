//! `cluster status`, `stop`, `add` and `node`: commands to a cluster that `cluster run` or `cluster start` keeps running.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use helenus_testkit::cassandra::{ControlRequest, NodeAction, control};
use serde_json::Value;

use super::Failure;

#[derive(Debug, Subcommand)]
pub(crate) enum Control {
    /// Prints what `run` printed, as it is now
    Status(Socket),
    /// Ends the cluster
    Stop(Socket),
    /// Lets logs and configuration stay when the cluster ends
    KeepLogs(Socket),
    /// Adds a node and waits until it serves clients
    Add {
        #[command(flatten)]
        socket: Socket,
        /// Datacenter
        #[arg(long, default_value = "dc1")]
        dc: String,
        /// Rack
        #[arg(long, default_value = "rack1")]
        rack: String,
    },
    /// Does something to one node
    Node {
        #[command(flatten)]
        socket: Socket,
        /// Number of the node, from 1
        number: usize,
        #[command(subcommand)]
        action: Action,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Socket {
    /// The cluster's control socket
    #[arg(long, env = "HELENUS_CONTROL_SOCKET")]
    control: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Starts a stopped node and waits until it serves clients
    Start,
    /// Stops it in order
    Stop,
    /// Stops it in order and starts it again
    Restart,
    /// Ends it at once, as if by a crash
    Kill,
    /// Holds its process: connections stay open and nothing answers
    Pause,
    /// Lets a paused process go on
    Resume,
    /// Makes it flush its data and turn everybody away
    Drain,
    /// Makes it hand over its data and leave for good
    Decommission,
    /// Prints the last lines of its logs
    Logs,
    /// Runs nodetool on it
    Nodetool {
        /// nodetool's arguments
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        arguments: Vec<String>,
    },
}

impl Control {
    pub(crate) fn execute(self) -> Result<ExitCode, Failure> {
        let (socket, request) = match self {
            Self::Status(socket) => (socket, ControlRequest::Describe),
            Self::Stop(socket) => (socket, ControlRequest::Stop),
            Self::KeepLogs(socket) => (socket, ControlRequest::KeepLogs),
            Self::Add { socket, dc, rack } => (socket, ControlRequest::Add { datacenter: dc, rack }),
            Self::Node {
                socket,
                number,
                action,
            } => (
                socket,
                ControlRequest::Node {
                    number,
                    action: action.into(),
                },
            ),
        };
        let stop = request == ControlRequest::Stop;
        match control(&socket.control, &request)? {
            Value::Null => {}
            Value::String(text) => print!("{text}{}", if text.ends_with('\n') { "" } else { "\n" }),
            value => println!("{value}"),
        }
        // The directory goes last: when it is gone, or only logs are left, addresses and ports are free again.
        let directory = socket.control.with_file_name("");
        let kept = || directory.join("keep").exists() && !socket.control.exists();
        while stop && directory.exists() && !kept() {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl From<Action> for NodeAction {
    fn from(action: Action) -> Self {
        match action {
            Action::Start => Self::Start,
            Action::Stop => Self::Stop,
            Action::Restart => Self::Restart,
            Action::Kill => Self::Kill,
            Action::Pause => Self::Pause,
            Action::Resume => Self::Resume,
            Action::Drain => Self::Drain,
            Action::Decommission => Self::Decommission,
            Action::Logs => Self::Logs,
            Action::Nodetool { arguments } => Self::Nodetool { arguments },
        }
    }
}
