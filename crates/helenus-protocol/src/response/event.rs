//! EVENT: what a server pushes to clients that registered for it.
//!
//! Native protocol v3, v4 and v5 §4.2.6. Events come on stream -1.

use std::fmt;
use std::net::SocketAddr;

use super::SchemaChange;
use crate::notation::write;
use crate::{EncodeError, EventKind, ProtocolError, Reader};

/// Something happened in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A node joined, left or moved.
    TopologyChange {
        /// What it did.
        change: TopologyChange,
        /// Where its clients connect to.
        address: SocketAddr,
    },
    /// A node went up or down, as far as the server has heard.
    StatusChange {
        /// What it did.
        change: StatusChange,
        /// Where its clients connect to.
        address: SocketAddr,
    },
    /// The schema changed.
    SchemaChange(SchemaChange),
    /// A kind of event that is not known here. Its details are dropped.
    Other {
        /// The kind.
        kind: String,
    },
}

/// How the set of nodes changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TopologyChange {
    /// A node joined.
    NewNode,
    /// A node left.
    RemovedNode,
    /// A node has other tokens.
    MovedNode,
    /// A word that is not known here.
    Other(String),
}

/// How the state of a node changed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum StatusChange {
    /// It is up.
    Up,
    /// It is down.
    Down,
    /// A word that is not known here.
    Other(String),
}

impl Event {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, ProtocolError> {
        let kind = reader.read_string("kind of event")?;
        Ok(match EventKind::from_name(kind) {
            Some(EventKind::TopologyChange) => Self::TopologyChange {
                change: TopologyChange::from_name(reader.read_string("topology change")?),
                address: reader.read_inet("address of a node")?,
            },
            Some(EventKind::StatusChange) => Self::StatusChange {
                change: StatusChange::from_name(reader.read_string("status change")?),
                address: reader.read_inet("address of a node")?,
            },
            Some(EventKind::SchemaChange) => Self::SchemaChange(SchemaChange::decode(reader)?),
            None => Self::Other {
                kind: kind.to_owned(),
            },
        })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        write::string(out, self.kind(), "kind of event")?;
        match self {
            Self::TopologyChange { change, address } => {
                write::string(out, change.name(), "topology change")?;
                write::inet(out, *address);
            }
            Self::StatusChange { change, address } => {
                write::string(out, change.name(), "status change")?;
                write::inet(out, *address);
            }
            Self::SchemaChange(change) => change.encode(out)?,
            Self::Other { .. } => {}
        }
        Ok(())
    }

    /// The kind, by its name on the wire.
    pub fn kind(&self) -> &str {
        match self {
            Self::TopologyChange { .. } => EventKind::TopologyChange.name(),
            Self::StatusChange { .. } => EventKind::StatusChange.name(),
            Self::SchemaChange(_) => EventKind::SchemaChange.name(),
            Self::Other { kind } => kind,
        }
    }
}

impl TopologyChange {
    /// The word on the wire.
    pub fn name(&self) -> &str {
        match self {
            Self::NewNode => "NEW_NODE",
            Self::RemovedNode => "REMOVED_NODE",
            Self::MovedNode => "MOVED_NODE",
            Self::Other(word) => word,
        }
    }

    fn from_name(name: &str) -> Self {
        match name {
            "NEW_NODE" => Self::NewNode,
            "REMOVED_NODE" => Self::RemovedNode,
            "MOVED_NODE" => Self::MovedNode,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for TopologyChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl StatusChange {
    /// The word on the wire.
    pub fn name(&self) -> &str {
        match self {
            Self::Up => "UP",
            Self::Down => "DOWN",
            Self::Other(word) => word,
        }
    }

    fn from_name(name: &str) -> Self {
        match name {
            "UP" => Self::Up,
            "DOWN" => Self::Down,
            other => Self::Other(other.to_owned()),
        }
    }
}

impl fmt::Display for StatusChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
