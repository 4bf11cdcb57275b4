//! What can go wrong with a test bed, and what to do about it.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

/// Result of a call on the test bed.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why the test bed could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The version is not one the test bed knows how to run.
    #[error("Cassandra {version:?} is not supported: 4.0.x, 4.1.x and 5.x are")]
    UnsupportedVersion {
        /// The version asked for.
        version: String,
    },
    /// The text does not describe datacenters and racks.
    #[error("topology {text:?}: {reason}; write DC:NODES or DC/RACK:NODES, separated by commas")]
    Topology {
        /// The text given.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// An option cannot be used with the chosen version or with another option.
    #[error("option {option}: {reason}")]
    Option {
        /// The option's name.
        option: String,
        /// Why it cannot be used.
        reason: String,
    },
    /// No suitable Java was found.
    #[error(
        "Java 17 or 11 is needed and was not found ({found}); set JAVA_HOME, or on Debian: apt-get install -y openjdk-17-jre-headless"
    )]
    Java {
        /// What was found instead.
        found: String,
    },
    /// Maven's client was not found.
    #[error("Maven's command {command:?} cannot be run; on Debian: apt-get install -y maven")]
    MavenMissing {
        /// The command tried.
        command: String,
        /// The cause.
        source: io::Error,
    },
    /// Maven could not get the artifacts.
    #[error("Maven could not fetch {artifact} ({status}): {output}")]
    Maven {
        /// What was asked for, with its version.
        artifact: String,
        /// How Maven ended.
        status: ExitStatus,
        /// The last lines it printed.
        output: String,
    },
    /// An operation on a file, directory or process failed.
    #[error("cannot {action} {}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A port that a node needs is taken.
    #[error(
        "{address}, needed as the {purpose} port of a node, is in use: stop what listens there or choose another address prefix"
    )]
    AddressInUse {
        /// The address.
        address: SocketAddr,
        /// What the node needs it for.
        purpose: &'static str,
        /// The cause.
        source: io::Error,
    },
    /// All address prefixes that may be chosen automatically are taken.
    #[error("no address prefix between {first} and {last} has its ports free")]
    NoFreePrefix {
        /// The first prefix tried.
        first: String,
        /// The last prefix tried.
        last: String,
    },
    /// The cluster would need more addresses than the prefix has.
    #[error("node {number} would need an address past {prefix}254")]
    OutOfAddresses {
        /// The node's number.
        number: usize,
        /// The prefix of the cluster's addresses.
        prefix: String,
    },
    /// There is no node of this number.
    #[error("no node {number}: the cluster has nodes 1 to {last}")]
    UnknownNode {
        /// The number asked for.
        number: usize,
        /// The number of the last node.
        last: usize,
    },
    /// The node is not in a state that allows the operation.
    #[error("node {number} is {state}, it cannot {operation}")]
    WrongState {
        /// The node's number.
        number: usize,
        /// Its state, in a word.
        state: &'static str,
        /// What was asked for.
        operation: &'static str,
    },
    /// A node's process ended while it was being waited for.
    #[error("node {number} ended ({status}) before it was ready; its logs are in {}\n{tail}", logs.display())]
    NodeExited {
        /// The node's number.
        number: usize,
        /// How its process ended.
        status: ExitStatus,
        /// The directory of its logs.
        logs: PathBuf,
        /// The last lines of them.
        tail: String,
    },
    /// A node or the cluster did not reach a state in time.
    #[error("node {number} did not {what} within {} s ({last}); its logs are in {}\n{tail}", waited.as_secs(), logs.display())]
    TimedOut {
        /// The node's number.
        number: usize,
        /// What was waited for.
        what: &'static str,
        /// How long.
        waited: Duration,
        /// What was observed last.
        last: String,
        /// The directory of the node's logs.
        logs: PathBuf,
        /// The last lines of them.
        tail: String,
    },
    /// nodetool failed.
    #[error("nodetool {command} on node {number} failed ({status}): {output}")]
    Nodetool {
        /// The node's number.
        number: usize,
        /// The arguments given to nodetool.
        command: String,
        /// How it ended.
        status: ExitStatus,
        /// What it printed.
        output: String,
    },
    /// The cluster of another process refused or failed to do what it was asked for.
    #[error("{message}")]
    Control {
        /// Its own words.
        message: String,
    },
    /// Simulacron does not run, or refused what it was asked for.
    #[error("Simulacron: {reason}")]
    Simulacron {
        /// What was asked for, and its own words.
        reason: String,
    },
    /// The supervisor that cleans up after this process could not be started.
    #[error("the supervisor that stops nodes after a crash cannot be started with /bin/sh")]
    Supervisor {
        /// The cause.
        source: io::Error,
    },
}

impl Error {
    /// An [`Error::Io`] constructor for `map_err`.
    pub(crate) fn io(action: &'static str, path: impl AsRef<Path>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io {
            action,
            path: path.as_ref().to_owned(),
            source,
        }
    }
}
