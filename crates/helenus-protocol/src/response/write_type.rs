//! Kinds of writes: a part of WRITE_TIMEOUT and WRITE_FAILURE.
//!
//! A `[string]`, native protocol v3 §8, v4 §9, v5 §8.

use std::fmt;

use crate::{ProtocolError, Reader};

/// What kind of write timed out or failed.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WriteType {
    /// One statement, no counter.
    Simple,
    /// A logged batch; its log was written, so it will be applied.
    Batch,
    /// An unlogged batch.
    UnloggedBatch,
    /// A counter, batched or not.
    Counter,
    /// The log of a batch.
    BatchLog,
    /// A conditional write.
    Cas,
    /// The lock for the update of a materialized view.
    View,
    /// A table with change data capture, whose log has no room.
    Cdc,
    /// A word that is not known here.
    Other(String),
}

impl WriteType {
    /// The word on the wire.
    pub fn name(&self) -> &str {
        match self {
            Self::Simple => "SIMPLE",
            Self::Batch => "BATCH",
            Self::UnloggedBatch => "UNLOGGED_BATCH",
            Self::Counter => "COUNTER",
            Self::BatchLog => "BATCH_LOG",
            Self::Cas => "CAS",
            Self::View => "VIEW",
            Self::Cdc => "CDC",
            Self::Other(word) => word,
        }
    }

    /// The type of this name.
    pub fn from_name(name: &str) -> Self {
        match name {
            "SIMPLE" => Self::Simple,
            "BATCH" => Self::Batch,
            "UNLOGGED_BATCH" => Self::UnloggedBatch,
            "COUNTER" => Self::Counter,
            "BATCH_LOG" => Self::BatchLog,
            "CAS" => Self::Cas,
            "VIEW" => Self::View,
            "CDC" => Self::Cdc,
            other => Self::Other(other.to_owned()),
        }
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, ProtocolError> {
        reader.read_string("write type").map(Self::from_name)
    }
}

impl fmt::Display for WriteType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
