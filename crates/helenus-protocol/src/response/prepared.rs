//! RESULT of kind Prepared: the id of a prepared statement, its bind markers and the columns of its rows.
//!
//! Native protocol v3 and v4 §4.2.5.4 (v4 adds the partition key); v5 and DSE_V2 §4.2.5.4 add the result metadata id.

use std::sync::Arc;

use bytes::Bytes;

use super::columns::{decode_columns, encode_columns, is_global};
use super::not_supported;
use super::rows::{GLOBAL_TABLE_SPEC, NO_METADATA, RowsMetadata};
use crate::notation::write;
use crate::{ColumnSpec, EncodeError, MetadataIdSupport, ProtocolError, ProtocolVersion, Reader};

/// A statement that the server has prepared.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// The id for EXECUTE and BATCH.
    pub id: Bytes,
    /// The id of the columns in `result`, for EXECUTE (v5, DSE_V2).
    pub result_metadata_id: Option<Bytes>,
    /// The bind markers.
    pub bind_columns: Arc<[ColumnSpec]>,
    /// The bind markers that make up the partition key, in its order (v4 and later); empty when one of its columns is
    /// not bound.
    pub partition_key_indexes: Vec<u16>,
    /// The columns of the rows. Empty for what is no SELECT; a server may always leave them out.
    pub result: RowsMetadata,
}

impl Prepared {
    pub(super) fn decode(reader: &mut Reader<'_>, version: ProtocolVersion) -> Result<Self, ProtocolError> {
        let features = version.features();
        let id = reader.read_short_bytes("id of a prepared statement")?;
        let id = Bytes::copy_from_slice(id);
        let result_metadata_id = match features.result_metadata_id {
            MetadataIdSupport::Absent => None,
            MetadataIdSupport::Present => {
                let id = reader.read_short_bytes("result metadata id")?;
                Some(Bytes::copy_from_slice(id))
            }
        };
        let flags = reader.read_int("flags")? as u32;
        let count = reader.read_int_count(0, "bind markers")?;
        let mut partition_key_indexes = Vec::new();
        if features.partition_key_indexes {
            let count = reader.read_int_count(2, "partition key indexes")?;
            partition_key_indexes.reserve_exact(count);
            for _ in 0..count {
                let index = reader.read_short("partition key index")?;
                partition_key_indexes.push(index);
            }
        }
        let count = if flags & NO_METADATA == 0 { count } else { 0 };
        let global = flags & GLOBAL_TABLE_SPEC != 0 && flags & NO_METADATA == 0;
        let bind_columns = decode_columns(reader, count, global, version)?;
        let markers = bind_columns.len();
        if let Some(index) = partition_key_indexes
            .iter()
            .find(|index| usize::from(**index) >= markers)
        {
            return Err(ProtocolError::InvalidLength {
                what: "partition key index",
                length: (*index).into(),
                limit: markers as i64 - 1,
            });
        }
        Ok(Self {
            id,
            result_metadata_id,
            bind_columns,
            partition_key_indexes,
            result: RowsMetadata::decode(reader, version)?,
        })
    }

    pub(super) fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let features = version.features();
        write::short_bytes(out, &self.id, "id of a prepared statement")?;
        match (features.result_metadata_id, &self.result_metadata_id) {
            (MetadataIdSupport::Present, id) => {
                let id = id.as_deref().unwrap_or_default();
                write::short_bytes(out, id, "result metadata id")?;
            }
            (MetadataIdSupport::Absent, None) => {}
            (MetadataIdSupport::Absent, Some(_)) => {
                return Err(not_supported("a result metadata id", version));
            }
        }
        let global = is_global(&self.bind_columns);
        write::int(out, if global { GLOBAL_TABLE_SPEC as i32 } else { 0 });
        write::int_length(out, self.bind_columns.len(), "bind markers")?;
        if features.partition_key_indexes {
            write::int_length(out, self.partition_key_indexes.len(), "partition key indexes")?;
            for index in &self.partition_key_indexes {
                write::short(out, *index);
            }
        } else if !self.partition_key_indexes.is_empty() {
            return Err(not_supported(
                "the partition key of a prepared statement",
                version,
            ));
        }
        encode_columns(&self.bind_columns, version, out)?;
        self.result.encode(version, out)
    }
}
