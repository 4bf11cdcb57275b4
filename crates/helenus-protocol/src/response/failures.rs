//! Replicas that failed: a part of READ_FAILURE and WRITE_FAILURE.
//!
//! A count (`[int]`) in native protocol v4 §9; a reason for each node in v5 §8 and in DSE, of codes that may grow.

use std::fmt;
use std::net::IpAddr;

use super::not_supported;
use crate::notation::write;
use crate::{EncodeError, ProtocolError, ProtocolVersion, Reader};

/// Replicas that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failures {
    /// So many (v4).
    Count(i32),
    /// These, for these reasons (v5, DSE).
    ByNode(Vec<(IpAddr, FailureReason)>),
}

impl Failures {
    /// How many replicas failed.
    pub fn count(&self) -> usize {
        match self {
            Self::Count(count) => usize::try_from(*count).unwrap_or(0),
            Self::ByNode(nodes) => nodes.len(),
        }
    }
}

/// Why a replica failed, by its code. Codes without a name here are lawful.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FailureReason(pub u16);

impl FailureReason {
    /// No reason is known.
    pub const UNKNOWN: Self = Self(0);
    /// The read met too many tombstones.
    pub const READ_TOO_MANY_TOMBSTONES: Self = Self(1);
    /// The index is not yet built.
    pub const INDEX_NOT_AVAILABLE: Self = Self(2);
    /// There is no room for the change data capture log.
    pub const CDC_SPACE_FULL: Self = Self(3);
    /// The write of a counter failed.
    pub const COUNTER_WRITE: Self = Self(4);
    /// The replica does not know the table.
    pub const TABLE_NOT_FOUND: Self = Self(5);
    /// The replica does not know the keyspace.
    pub const KEYSPACE_NOT_FOUND: Self = Self(6);
}

impl fmt::Display for FailureReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::UNKNOWN => "unknown",
            Self::READ_TOO_MANY_TOMBSTONES => "too many tombstones",
            Self::INDEX_NOT_AVAILABLE => "index not available",
            Self::CDC_SPACE_FULL => "CDC space full",
            Self::COUNTER_WRITE => "counter write failed",
            Self::TABLE_NOT_FOUND => "table not found",
            Self::KEYSPACE_NOT_FOUND => "keyspace not found",
            Self(code) => return write!(f, "reason {code}"),
        })
    }
}

impl Failures {
    pub(super) fn decode(reader: &mut Reader<'_>, version: ProtocolVersion) -> Result<Self, ProtocolError> {
        if !version.features().failure_reasons_by_node {
            return Ok(Self::Count(reader.read_int("failures")?));
        }
        // Length of the address, four bytes of it, and the reason.
        let count = reader.read_int_count(7, "failures")?;
        let mut nodes = Vec::with_capacity(count);
        for _ in 0..count {
            let address = reader.read_inetaddr("address of a node")?;
            nodes.push((address, FailureReason(reader.read_short("failure reason")?)));
        }
        Ok(Self::ByNode(nodes))
    }

    pub(super) fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match (self, version.features().failure_reasons_by_node) {
            (Self::Count(count), false) => write::int(out, *count),
            (Self::ByNode(nodes), true) => {
                write::int_length(out, nodes.len(), "failures")?;
                for (address, reason) in nodes {
                    write::inetaddr(out, *address);
                    write::short(out, reason.0);
                }
            }
            (Self::Count(_), true) => return Err(not_supported("a count of failures", version)),
            (Self::ByNode(_), false) => return Err(not_supported("failures by node", version)),
        }
        Ok(())
    }
}
