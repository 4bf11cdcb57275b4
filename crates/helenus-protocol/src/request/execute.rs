//! EXECUTE: run a prepared statement with bound values.
//!
//! Native protocol v3, v4 and v5 §4.1.6; v5 and DSE_V2 add the result metadata id after the id.

use super::parameters::{PAGE_SIZE, SERIAL_CONSISTENCY, SKIP_METADATA, TIMESTAMP, VALUES};
use super::{QueryParameters, Request, RequestOptions, encode_request, not_supported};
use crate::notation::write;
use crate::{
    EncodeError, HEADER_LENGTH, MAX_BODY_LENGTH, MetadataIdSupport, Opcode, ProtocolError, ProtocolVersion,
    Reader, StreamId,
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
    if bare && execute.encode_plain(version, stream, out) {
        return Ok(());
    }
    encode_request(&Request::Execute(*execute), version, stream, options, out)
}

impl Execute<'_> {
    /// Appends the envelope and returns true, if there is nothing in it beyond positional values, page size, serial
    /// consistency and timestamp, and nothing is too long.
    #[inline]
    fn encode_plain(&self, version: ProtocolVersion, stream: StreamId, out: &mut Vec<u8>) -> bool {
        let features = version.features();
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
        } = self.parameters
        else {
            return false;
        };
        let (metadata_id, metadata_length) = match (features.result_metadata_id, self.result_metadata_id) {
            (MetadataIdSupport::Present, id) => {
                let id = id.unwrap_or_default();
                (id, 2 + id.len())
            }
            (MetadataIdSupport::Absent, None) => (&[][..], 0),
            (MetadataIdSupport::Absent, Some(_)) => return false,
        };
        if values.names || values.has_unset && !features.unset_values {
            return false;
        }
        let (Ok(id_length), Ok(metadata_id_length)) =
            (u16::try_from(self.id.len()), u16::try_from(metadata_id.len()))
        else {
            return false;
        };

        // Consistency and flags; the rest is there when its flag is.
        let mut length = 2 + self.id.len() + metadata_length + if features.wide_flags { 6 } else { 3 };
        let mut flags = 0;
        let mut has = |flag, present, bytes| {
            if present {
                flags |= flag;
                length += bytes;
            }
        };
        has(VALUES, values.count != 0, 2 + values.bytes.len());
        has(SKIP_METADATA, skip_metadata, 0);
        has(PAGE_SIZE, page_size.is_some(), 4);
        has(SERIAL_CONSISTENCY, serial_consistency.is_some(), 2);
        has(TIMESTAMP, timestamp.is_some(), 8);
        if length > MAX_BODY_LENGTH {
            return false;
        }

        out.reserve(HEADER_LENGTH + length);
        let [stream0, stream1] = stream.raw().to_be_bytes();
        // At most MAX_BODY_LENGTH.
        let [l0, l1, l2, l3] = (length as u32).to_be_bytes();
        let [id0, id1] = id_length.to_be_bytes();
        out.extend_from_slice(&[
            version.number(),
            0,
            stream0,
            stream1,
            Opcode::Execute.code(),
            l0,
            l1,
            l2,
            l3,
            id0,
            id1,
        ]);
        out.extend_from_slice(self.id);
        if metadata_length != 0 {
            write::short(out, metadata_id_length);
            out.extend_from_slice(metadata_id);
        }
        let [c0, c1] = consistency.code().to_be_bytes();
        let [f0, f1, f2, f3] = flags.to_be_bytes();
        let [n0, n1] = values.count.to_be_bytes();
        // The count stands there only with values.
        let counted = if values.count == 0 { 0 } else { 2 };
        match features.wide_flags {
            true => out.extend_from_slice(&[c0, c1, f0, f1, f2, f3, n0, n1][..6 + counted]),
            false => out.extend_from_slice(&[c0, c1, f3, n0, n1][..3 + counted]),
        }
        if counted != 0 {
            out.extend_from_slice(values.bytes);
        }
        if let Some(page_size) = page_size {
            write::int(out, page_size);
        }
        if let Some(consistency) = serial_consistency {
            write::consistency(out, consistency);
        }
        if let Some(timestamp) = timestamp {
            write::long(out, timestamp);
        }
        true
    }
}
