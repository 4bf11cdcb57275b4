//! EXECUTE: run a prepared statement with bound values.
//!
//! Native protocol v3, v4 and v5 §4.1.6; v5 and DSE_V2 add the result metadata id after the id.

use super::{QueryParameters, not_supported};
use crate::notation::write;
use crate::{EncodeError, MetadataIdSupport, ProtocolError, ProtocolVersion, Reader};

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
