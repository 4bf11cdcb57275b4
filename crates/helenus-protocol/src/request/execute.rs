//! EXECUTE: run a prepared statement with bound values.
//!
//! Native protocol v3, v4 and v5 §4.1.6; v5 and DSE_V2 add the result metadata id after the id.

use super::parameters::{PAGE_SIZE, SERIAL_CONSISTENCY, SKIP_METADATA, TIMESTAMP, VALUES};
use super::{QueryParameters, Request, RequestOptions, Values, encode_request, not_supported};
use crate::notation::write;
use crate::{
    ConsistencyLevel, EncodeError, HEADER_LENGTH, MAX_BODY_LENGTH, MetadataIdSupport, Opcode, ProtocolError,
    ProtocolVersion, Reader, StreamId,
};

/// Runs a prepared statement.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Execute<'a> {
    /// The id from PREPARED.
    pub id: &'a [u8],
    /// The result metadata id from PREPARED, or from the latest rows that announced a new one. Only where the version
    /// has one (v5, DSE_V2); there `None` is sent as an empty id, which matches no metadata, so that the server sends
    /// the columns.
    pub result_metadata_id: Option<&'a [u8]>,
    /// How to run it.
    pub parameters: QueryParameters<'a>,
}

impl<'a> Execute<'a> {
    pub(super) fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        write::short_bytes(out, self.id, "id of a prepared statement")?;
        match (version.features().result_metadata_id, self.result_metadata_id) {
            (MetadataIdSupport::Present, id) => {
                write::short_bytes(out, id.unwrap_or_default(), "result metadata id")?;
            }
            (MetadataIdSupport::Absent, None) => {}
            (MetadataIdSupport::Absent, Some(_)) => {
                return Err(not_supported("a result metadata id", version));
            }
        }
        self.parameters.encode(version, out)
    }

    pub(super) fn decode(reader: &mut Reader<'a>, version: ProtocolVersion) -> Result<Self, ProtocolError> {
        Ok(Self {
            id: reader.read_short_bytes("id of a prepared statement")?,
            result_metadata_id: match version.features().result_metadata_id {
                MetadataIdSupport::Present => Some(reader.read_short_bytes("result metadata id")?),
                MetadataIdSupport::Absent => None,
            },
            parameters: QueryParameters::decode(reader, version)?,
        })
    }
}

/// Appends a whole EXECUTE envelope to `out`: the same as [`encode_request`] does, by the shortest way where the request has
/// nothing but what most have.
///
/// # Errors
/// As [`encode_request`].
#[inline]
pub fn encode_execute(
    execute: &Execute<'_>,
    version: ProtocolVersion,
    stream: StreamId,
    options: &RequestOptions<'_>,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let bare = !options.tracing && options.custom_payload.is_none() && options.compression.is_none();
    if bare
        && let Some(plain) = PlainExecute::of(execute)
        && plain.encode(version, stream, out)
    {
        return Ok(());
    }
    encode_request(&Request::Execute(*execute), version, stream, options, out)
}

/// What most requests have of an [`Execute`]: values by position, page size, serial consistency and timestamp.
#[derive(Clone, Copy, Debug)]
pub struct PlainExecute<'a> {
    /// As in [`Execute`].
    pub id: &'a [u8],
    /// As in [`Execute`].
    pub result_metadata_id: Option<&'a [u8]>,
    /// As the rest in [`QueryParameters`].
    pub consistency: ConsistencyLevel,
    /// Values for the bind markers.
    pub values: Values<'a>,
    /// Rows come without their columns.
    pub skip_metadata: bool,
    /// Rows in a page.
    pub page_size: Option<i32>,
    /// Consistency of the Paxos phase.
    pub serial_consistency: Option<ConsistencyLevel>,
    /// Microseconds since the epoch.
    pub timestamp: Option<i64>,
}

/// The usual length of the id of a prepared statement, which is an MD5 sum.
const USUAL_ID: usize = 16;
/// An envelope up to its values, with an id of that length, flags of one byte, and no result metadata id.
const USUAL_HEAD: usize = HEADER_LENGTH + 2 + USUAL_ID + 2 + 1 + 2;

impl<'a> PlainExecute<'a> {
    /// The same request; `None` when it has more than this.
    #[inline]
    pub(super) fn of(execute: &Execute<'a>) -> Option<Self> {
        let QueryParameters {
            consistency,
            values,
            skip_metadata,
            page_size,
            page_size_in_bytes: false,
            paging_state: None,
            serial_consistency,
            timestamp,
            keyspace: None,
            now_in_seconds: None,
            continuous_paging: None,
        } = execute.parameters
        else {
            return None;
        };
        Some(Self {
            id: execute.id,
            result_metadata_id: execute.result_metadata_id,
            consistency,
            values,
            skip_metadata,
            page_size,
            serial_consistency,
            timestamp,
        })
    }

    /// Appends a whole envelope without any flag, and returns true; or does nothing and returns false, when
    /// [`encode_execute`] has to be asked: something is too long, or not known to the version.
    #[inline(always)]
    pub fn encode(&self, version: ProtocolVersion, stream: StreamId, out: &mut Vec<u8>) -> bool {
        self.put(true, version, stream, out).is_some()
    }

    /// The same without the bytes of the values; says where in `out` they belong. For who has many of them, and writes them
    /// from where they are.
    pub fn encode_around(
        &self,
        version: ProtocolVersion,
        stream: StreamId,
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        self.put(false, version, stream, out)
    }

    #[inline(always)]
    fn put(
        &self,
        with_values: bool,
        version: ProtocolVersion,
        stream: StreamId,
        out: &mut Vec<u8>,
    ) -> Option<usize> {
        let features = version.features();
        let metadata_id = match (features.result_metadata_id, self.result_metadata_id) {
            (MetadataIdSupport::Present, id) => Some(id.unwrap_or_default()),
            (MetadataIdSupport::Absent, None) => None,
            (MetadataIdSupport::Absent, Some(_)) => return None,
        };
        let values = &self.values;
        if values.names || values.has_unset && !features.unset_values {
            return None;
        }
        let (has_values, has_page_size) = (values.count != 0, self.page_size.is_some());
        let (has_serial, has_timestamp) = (self.serial_consistency.is_some(), self.timestamp.is_some());
        let flag = |flag, present| if present { flag } else { 0 };
        let flags = flag(VALUES, has_values)
            | flag(SKIP_METADATA, self.skip_metadata)
            | flag(PAGE_SIZE, has_page_size)
            | flag(SERIAL_CONSISTENCY, has_serial)
            | flag(TIMESTAMP, has_timestamp);
        let tail =
            usize::from(has_page_size) * 4 + usize::from(has_serial) * 2 + usize::from(has_timestamp) * 8;

        let left_out = if with_values { 0 } else { values.bytes.len() };
        match (<&[u8; USUAL_ID]>::try_from(self.id), metadata_id) {
            (Ok(id), None) if has_values && !features.wide_flags => {
                let length = USUAL_HEAD - HEADER_LENGTH + values.bytes.len() + tail;
                if length > MAX_BODY_LENGTH {
                    return None;
                }
                out.reserve(HEADER_LENGTH + length - left_out);
                let mut head = [0; USUAL_HEAD];
                head[..HEADER_LENGTH].copy_from_slice(&header(version, stream, length));
                head[HEADER_LENGTH + 1] = USUAL_ID as u8;
                head[HEADER_LENGTH + 2..][..USUAL_ID].copy_from_slice(id);
                let [c0, c1] = self.consistency.code().to_be_bytes();
                let [n0, n1] = values.count.to_be_bytes();
                // The flags that there are here are below 0x80.
                head[HEADER_LENGTH + 2 + USUAL_ID..].copy_from_slice(&[c0, c1, flags as u8, n0, n1]);
                out.extend_from_slice(&head);
            }
            (_, metadata_id) => {
                // A head and a tail are seldom longer than that.
                out.reserve(128 + values.bytes.len() - left_out);
                if !self.encode_head(metadata_id, flags, tail, version, stream, out) {
                    return None;
                }
            }
        }
        let at = out.len();
        if has_values && with_values {
            out.extend_from_slice(values.bytes);
        }
        match (self.page_size, self.serial_consistency, self.timestamp) {
            (Some(page_size), None, Some(timestamp)) => {
                let mut tail = [0; 12];
                tail[..4].copy_from_slice(&page_size.to_be_bytes());
                tail[4..].copy_from_slice(&timestamp.to_be_bytes());
                out.extend_from_slice(&tail);
            }
            (Some(page_size), None, None) => write::int(out, page_size),
            _ => self.encode_tail(out),
        }
        Some(at)
    }

    /// What stands before the values: see [`PlainExecute::encode`].
    fn encode_head(
        &self,
        metadata_id: Option<&[u8]>,
        flags: u32,
        tail: usize,
        version: ProtocolVersion,
        stream: StreamId,
        out: &mut Vec<u8>,
    ) -> bool {
        let wide_flags = version.features().wide_flags;
        let metadata_length = metadata_id.map_or(0, |id| 2 + id.len());
        // The count stands there only with values.
        let counted = if self.values.count == 0 { 0 } else { 2 };
        let flags_length = if wide_flags { 4 } else { 1 };
        let length = 2 + self.id.len() + metadata_length + 2 + flags_length + counted;
        let values = if counted == 0 { 0 } else { self.values.bytes.len() };
        let length = length + values + tail;
        let (Ok(id_length), Ok(metadata_id_length)) = (
            u16::try_from(self.id.len()),
            u16::try_from(metadata_id.unwrap_or_default().len()),
        ) else {
            return false;
        };
        if length > MAX_BODY_LENGTH {
            return false;
        }
        out.extend_from_slice(&header(version, stream, length));
        write::short(out, id_length);
        out.extend_from_slice(self.id);
        if let Some(metadata_id) = metadata_id {
            write::short(out, metadata_id_length);
            out.extend_from_slice(metadata_id);
        }
        let [c0, c1] = self.consistency.code().to_be_bytes();
        let [f0, f1, f2, f3] = flags.to_be_bytes();
        let [n0, n1] = self.values.count.to_be_bytes();
        match wide_flags {
            true => out.extend_from_slice(&[c0, c1, f0, f1, f2, f3, n0, n1][..6 + counted]),
            false => out.extend_from_slice(&[c0, c1, f3, n0, n1][..3 + counted]),
        }
        true
    }

    /// What stands behind the values.
    fn encode_tail(&self, out: &mut Vec<u8>) {
        if let Some(page_size) = self.page_size {
            write::int(out, page_size);
        }
        if let Some(consistency) = self.serial_consistency {
            write::consistency(out, consistency);
        }
        if let Some(timestamp) = self.timestamp {
            write::long(out, timestamp);
        }
    }
}

/// The header of an EXECUTE without flags, whose body is no longer than [`MAX_BODY_LENGTH`].
#[inline]
fn header(version: ProtocolVersion, stream: StreamId, length: usize) -> [u8; HEADER_LENGTH] {
    let [stream0, stream1] = stream.raw().to_be_bytes();
    let [l0, l1, l2, l3] = (length as u32).to_be_bytes();
    let opcode = Opcode::Execute.code();
    [version.number(), 0, stream0, stream1, opcode, l0, l1, l2, l3]
}
