//! What QUERY and EXECUTE share: `<query_parameters>`.
//!
//! Native protocol v3, v4 and v5 §4.1.4: consistency, flags (`[byte]`, from v5 on `[int]`), and what the flags announce in
//! the order of their bits. DSE adds continuous paging at the end.

use super::flags::{decode_flags, encode_flags};
use super::not_supported;
use super::values::Values;
use crate::notation::write;
use crate::{ConsistencyLevel, EncodeError, ProtocolError, ProtocolVersion, Reader};

pub(super) const VALUES: u32 = 0x01;
pub(super) const SKIP_METADATA: u32 = 0x02;
pub(super) const PAGE_SIZE: u32 = 0x04;
pub(super) const PAGING_STATE: u32 = 0x08;
pub(super) const SERIAL_CONSISTENCY: u32 = 0x10;
pub(super) const TIMESTAMP: u32 = 0x20;
pub(super) const NAMES: u32 = 0x40;
pub(super) const KEYSPACE: u32 = 0x80;
pub(super) const NOW_IN_SECONDS: u32 = 0x100;
pub(super) const PAGE_SIZE_IN_BYTES: u32 = 0x4000_0000;
pub(super) const CONTINUOUS_PAGING: u32 = 0x8000_0000;

/// How a statement is to be run. By default at LOCAL_ONE, without values, in one page as the server likes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QueryParameters<'a> {
    /// How many replicas must answer.
    pub consistency: ConsistencyLevel,
    /// Values of the bind markers.
    pub values: Values<'a>,
    /// Asks for rows without column specifications, because they are known.
    pub skip_metadata: bool,
    /// Rows in a page, or bytes with [`QueryParameters::page_size_in_bytes`]. `None`: all rows in one page.
    pub page_size: Option<i32>,
    /// Whether the page size is in bytes (DSE_V1, DSE_V2).
    pub page_size_in_bytes: bool,
    /// Where to go on; from the page before, of the same statement and protocol version.
    pub paging_state: Option<&'a [u8]>,
    /// Consistency of the Paxos phase of a conditional statement: SERIAL (the server's default) or LOCAL_SERIAL.
    pub serial_consistency: Option<ConsistencyLevel>,
    /// Default timestamp of the mutation, microseconds since the epoch.
    pub timestamp: Option<i64>,
    /// Keyspace in which unqualified names are looked up (v5, DSE_V2).
    pub keyspace: Option<&'a str>,
    /// The server's clock for this request, seconds since the epoch (v5). For tests of expiry.
    pub now_in_seconds: Option<i32>,
    /// Has the server send page after page unasked (DSE_V1, DSE_V2).
    pub continuous_paging: Option<ContinuousPaging>,
}

impl Default for QueryParameters<'_> {
    fn default() -> Self {
        Self {
            consistency: ConsistencyLevel::LocalOne,
            values: Values::EMPTY,
            skip_metadata: false,
            page_size: None,
            page_size_in_bytes: false,
            paging_state: None,
            serial_consistency: None,
            timestamp: None,
            keyspace: None,
            now_in_seconds: None,
            continuous_paging: None,
        }
    }
}

/// Continuous paging (DSE): all pages answer one request, on its stream id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ContinuousPaging {
    /// Pages to send at most; 0 is no limit.
    pub max_pages: i32,
    /// Pages to send in a second at most; 0 is no limit.
    pub pages_per_second: i32,
    /// Pages that may be sent before the client asks for more (DSE_V2); 0 is no limit, and all that DSE_V1 can.
    pub next_pages: i32,
}

impl<'a> QueryParameters<'a> {
    fn flags(&self) -> u32 {
        let mut flags = 0;
        let mut set = |bit, present| flags |= if present { bit } else { 0 };
        set(VALUES, !self.values.is_empty());
        set(SKIP_METADATA, self.skip_metadata);
        set(PAGE_SIZE, self.page_size.is_some());
        set(PAGING_STATE, self.paging_state.is_some());
        set(SERIAL_CONSISTENCY, self.serial_consistency.is_some());
        set(TIMESTAMP, self.timestamp.is_some());
        set(NAMES, self.values.names && !self.values.is_empty());
        set(KEYSPACE, self.keyspace.is_some());
        set(NOW_IN_SECONDS, self.now_in_seconds.is_some());
        set(PAGE_SIZE_IN_BYTES, self.page_size_in_bytes);
        set(CONTINUOUS_PAGING, self.continuous_paging.is_some());
        flags
    }

    pub(super) fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let flags = self.flags();
        write::consistency(out, self.consistency);
        encode_flags(flags, version, out)?;
        if flags & VALUES != 0 {
            self.values.encode(version, out)?;
        }
        if let Some(page_size) = self.page_size {
            write::int(out, page_size);
        }
        if let Some(paging_state) = self.paging_state {
            write::bytes(out, Some(paging_state), "paging state")?;
        }
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
        if let Some(paging) = &self.continuous_paging {
            paging.encode(version, out)?;
        }
        Ok(())
    }

    pub(super) fn decode(reader: &mut Reader<'a>, version: ProtocolVersion) -> Result<Self, ProtocolError> {
        let consistency = reader.read_consistency("consistency")?;
        let flags = decode_flags(reader, version)?;
        let has = |bit| flags & bit != 0;
        let mut parameters = Self {
            consistency,
            skip_metadata: has(SKIP_METADATA),
            page_size_in_bytes: has(PAGE_SIZE_IN_BYTES),
            ..Self::default()
        };
        if has(VALUES) {
            parameters.values = Values::decode(reader, has(NAMES), version)?;
        }
        if has(PAGE_SIZE) {
            parameters.page_size = Some(reader.read_int("page size")?);
        }
        if has(PAGING_STATE) {
            parameters.paging_state = reader.read_bytes("paging state")?;
        }
        if has(SERIAL_CONSISTENCY) {
            parameters.serial_consistency = Some(reader.read_consistency("serial consistency")?);
        }
        if has(TIMESTAMP) {
            parameters.timestamp = Some(reader.read_long("timestamp")?);
        }
        if has(KEYSPACE) {
            parameters.keyspace = Some(reader.read_string("keyspace")?);
        }
        if has(NOW_IN_SECONDS) {
            parameters.now_in_seconds = Some(reader.read_int("now in seconds")?);
        }
        if has(CONTINUOUS_PAGING) {
            parameters.continuous_paging = Some(ContinuousPaging::decode(reader, version)?);
        }
        Ok(parameters)
    }
}

impl ContinuousPaging {
    fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        write::int(out, self.max_pages);
        write::int(out, self.pages_per_second);
        if version.features().continuous_paging_backpressure {
            write::int(out, self.next_pages);
        } else if self.next_pages != 0 {
            return Err(not_supported("a number of next pages", version));
        }
        Ok(())
    }

    fn decode(reader: &mut Reader<'_>, version: ProtocolVersion) -> Result<Self, ProtocolError> {
        Ok(Self {
            max_pages: reader.read_int("max pages")?,
            pages_per_second: reader.read_int("pages per second")?,
            next_pages: match version.features().continuous_paging_backpressure {
                true => reader.read_int("next pages")?,
                false => 0,
            },
        })
    }
}
