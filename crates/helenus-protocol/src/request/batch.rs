//! BATCH: run several statements as one.
//!
//! Native protocol v3, v4 and v5 §4.1.7. Values are bound by position: names cannot work, because their flag stands behind
//! the values (CASSANDRA-10246).

use super::flags::{decode_flags, encode_flags};
use super::parameters::{KEYSPACE, NAMES, NOW_IN_SECONDS, SERIAL_CONSISTENCY, TIMESTAMP};
use super::{Values, not_supported};
use crate::notation::write;
use crate::{ConsistencyLevel, EncodeError, ProtocolError, ProtocolVersion, Reader};

/// What the statements of a batch have to do with each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum BatchKind {
    /// All or nothing, by way of the batch log.
    #[default]
    Logged,
    /// One request, and no more than that.
    Unlogged,
    /// Updates of counters.
    Counter,
}

/// Runs several statements as one.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch<'a> {
    /// What the statements have to do with each other.
    pub kind: BatchKind,
    /// The statements, at most 65,535.
    pub statements: Vec<BatchEntry<'a>>,
    /// How many replicas must answer.
    pub consistency: ConsistencyLevel,
    /// Consistency of the Paxos phase of conditional statements: SERIAL (the server's default) or LOCAL_SERIAL.
    pub serial_consistency: Option<ConsistencyLevel>,
    /// Default timestamp of the mutations, microseconds since the epoch.
    pub timestamp: Option<i64>,
    /// Keyspace in which unqualified names are looked up (v5, DSE_V2).
    pub keyspace: Option<&'a str>,
    /// The server's clock for this request, seconds since the epoch (v5). For tests of expiry.
    pub now_in_seconds: Option<i32>,
}

impl Default for Batch<'_> {
    fn default() -> Self {
        Self {
            kind: BatchKind::Logged,
            statements: Vec::new(),
            consistency: ConsistencyLevel::LocalOne,
            serial_consistency: None,
            timestamp: None,
            keyspace: None,
            now_in_seconds: None,
        }
    }
}

/// One statement of a batch.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum BatchEntry<'a> {
    /// CQL text.
    Query {
        /// The CQL.
        text: &'a str,
        /// Values of its bind markers, without names.
        values: Values<'a>,
    },
    /// A prepared statement.
    Prepared {
        /// The id from PREPARED.
        id: &'a [u8],
        /// Values of its bind markers, without names.
        values: Values<'a>,
    },
}

impl<'a> Batch<'a> {
    pub(super) fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        write::byte(out, self.kind.code());
        write::short_length(out, self.statements.len(), "statements of a batch")?;
        for entry in &self.statements {
            entry.encode(version, out)?;
        }
        write::consistency(out, self.consistency);
        let mut flags = 0;
        let mut set = |bit, present| flags |= if present { bit } else { 0 };
        set(SERIAL_CONSISTENCY, self.serial_consistency.is_some());
        set(TIMESTAMP, self.timestamp.is_some());
        set(KEYSPACE, self.keyspace.is_some());
        set(NOW_IN_SECONDS, self.now_in_seconds.is_some());
        encode_flags(flags, version, out)?;
        if let Some(consistency) = self.serial_consistency {
            write::consistency(out, consistency);
        }
        if let Some(timestamp) = self.timestamp {
            write::long(out, timestamp);
        }
        if let Some(keyspace) = self.keyspace {
            write::string(out, keyspace, "keyspace")?;
        }
        if let Some(now) = self.now_in_seconds {
            write::int(out, now);
        }
        Ok(())
    }

    pub(super) fn decode(reader: &mut Reader<'a>, version: ProtocolVersion) -> Result<Self, ProtocolError> {
        let kind = BatchKind::from_code(reader.read_byte("batch type")?)?;
        // Kind, empty id, no values.
        let count = reader.read_short_count(5, "statements of a batch")?;
        let mut statements = Vec::with_capacity(count);
        for _ in 0..count {
            statements.push(BatchEntry::decode(reader, version)?);
        }
        let consistency = reader.read_consistency("consistency")?;
        let flags = decode_flags(reader, version)?;
        let has = |bit| flags & bit != 0;
        if has(NAMES) {
            return Err(ProtocolError::Malformed("values of a batch have no names"));
        }
        let mut batch = Self {
            kind,
            statements,
            consistency,
            ..Self::default()
        };
        if has(SERIAL_CONSISTENCY) {
            batch.serial_consistency = Some(reader.read_consistency("serial consistency")?);
        }
        if has(TIMESTAMP) {
            batch.timestamp = Some(reader.read_long("timestamp")?);
        }
        if has(KEYSPACE) {
            batch.keyspace = Some(reader.read_string("keyspace")?);
        }
        if has(NOW_IN_SECONDS) {
            batch.now_in_seconds = Some(reader.read_int("now in seconds")?);
        }
        Ok(batch)
    }
}

impl<'a> BatchEntry<'a> {
    /// Values of the bind markers.
    pub fn values(&self) -> Values<'a> {
        match self {
            Self::Query { values, .. } | Self::Prepared { values, .. } => *values,
        }
    }

    fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        if self.values().names {
            return Err(not_supported("a named value in a batch", version));
        }
        match self {
            Self::Query { text, .. } => {
                write::byte(out, 0);
                write::long_string(out, text, "query")?;
            }
            Self::Prepared { id, .. } => {
                write::byte(out, 1);
                write::short_bytes(out, id, "id of a prepared statement")?;
            }
        }
        self.values().encode(version, out)
    }

    fn decode(reader: &mut Reader<'a>, version: ProtocolVersion) -> Result<Self, ProtocolError> {
        match reader.read_byte("kind of a batched statement")? {
            0 => {
                let text = reader.read_long_string("query")?;
                let values = Values::decode(reader, false, version)?;
                Ok(Self::Query { text, values })
            }
            1 => {
                let id = reader.read_short_bytes("id of a prepared statement")?;
                let values = Values::decode(reader, false, version)?;
                Ok(Self::Prepared { id, values })
            }
            kind => Err(ProtocolError::UnknownCode {
                what: "kind of a batched statement",
                code: kind.into(),
            }),
        }
    }
}

impl BatchKind {
    /// The `[byte]` on the wire.
    pub fn code(self) -> u8 {
        match self {
            Self::Logged => 0,
            Self::Unlogged => 1,
            Self::Counter => 2,
        }
    }

    fn from_code(code: u8) -> Result<Self, ProtocolError> {
        match code {
            0 => Ok(Self::Logged),
            1 => Ok(Self::Unlogged),
            2 => Ok(Self::Counter),
            _ => Err(ProtocolError::UnknownCode {
                what: "batch type",
                code: code.into(),
            }),
        }
    }
}
