//! RESULT of kind Rows: a page of rows and what is known about its columns.
//!
//! Native protocol v3 and v4 §4.2.5.2; v5 §4.2.5.2 adds the new metadata id, DSE the number of a continuous page. Flags and
//! counts are `[int]`.
//! Invariant: the rows are not decoded here. So many cells of at least four bytes as the counts say fit into them.

use std::sync::Arc;

use bytes::{Buf as _, Bytes};

use super::columns::{SeenColumns, decode_columns, encode_columns, is_global};
use super::not_supported;
use crate::notation::write;
use crate::{
    ColumnSpec, EncodeError, EnvelopeFlags, EnvelopeHeader, MetadataIdSupport, Opcode, ProtocolError,
    ProtocolVersion, Reader,
};

pub(super) const GLOBAL_TABLE_SPEC: u32 = 0x0001;
pub(super) const HAS_MORE_PAGES: u32 = 0x0002;
pub(super) const NO_METADATA: u32 = 0x0004;
const METADATA_CHANGED: u32 = 0x0008;
const CONTINUOUS_PAGE: u32 = 0x4000_0000;
const LAST_CONTINUOUS_PAGE: u32 = 0x8000_0000;

/// A page of rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Rows {
    /// What is known about the columns and the pages to come.
    pub metadata: RowsMetadata,
    /// How many rows there are.
    pub row_count: usize,
    /// The rows: `row_count` times `column_count` `[bytes]`, not yet looked at. Bytes that mean nothing may follow.
    pub content: Bytes,
}

/// What is known about the columns of a result and the pages to come.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RowsMetadata {
    /// Cells in each row.
    pub column_count: usize,
    /// Where to go on; `None` on the last page.
    pub paging_state: Option<Bytes>,
    /// The columns are no longer those that the client knows: from now on EXECUTE sends this id (v5, DSE_V2).
    pub new_metadata_id: Option<Bytes>,
    /// The columns; `None` when the client asked for none, because it knows them.
    pub columns: Option<Arc<[ColumnSpec]>>,
    /// Number of this page, from 1, and whether it is the last, with continuous paging (DSE).
    pub continuous_page: Option<(i32, bool)>,
}

impl Rows {
    /// Takes the rows out of the body of a response that is nothing else, as most answers to a SELECT are: the shortest way.
    ///
    /// `None` when there is something at its head, it is another message, or not a whole one; `body` is as it was then, and
    /// [`ResponseEnvelope::decode`](crate::ResponseEnvelope::decode) says what it is.
    pub fn take_plain(header: &EnvelopeHeader, body: &mut Bytes) -> Option<Self> {
        Self::take(header, body, None)
    }

    /// The same; columns that are those of `seen`, byte by byte, are taken from there. Afterwards `seen` has the columns of
    /// these rows, if any came with them.
    pub fn take_plain_seen(
        header: &EnvelopeHeader,
        body: &mut Bytes,
        seen: &mut Option<Arc<SeenColumns>>,
    ) -> Option<Self> {
        Self::take(header, body, Some(seen))
    }

    #[inline]
    fn take(
        header: &EnvelopeHeader,
        body: &mut Bytes,
        seen: Option<&mut Option<Arc<SeenColumns>>>,
    ) -> Option<Self> {
        if header.opcode != Opcode::Result || header.flags != EnvelopeFlags::default() {
            return None;
        }
        let mut reader = Reader::new(body);
        if reader.read_int("kind of result").ok()? != super::result::ROWS {
            return None;
        }
        let mut rows = Self::decode_seen(&mut reader, header.version, seen).ok()?;
        let start = body.len() - reader.remaining();
        rows.content = std::mem::take(body);
        rows.content.advance(start);
        Some(rows)
    }

    /// `reader` stands behind the kind, and is left where the content begins, which its owner has to add.
    pub(super) fn decode(reader: &mut Reader<'_>, version: ProtocolVersion) -> Result<Self, ProtocolError> {
        Self::decode_seen(reader, version, None)
    }

    fn decode_seen(
        reader: &mut Reader<'_>,
        version: ProtocolVersion,
        seen: Option<&mut Option<Arc<SeenColumns>>>,
    ) -> Result<Self, ProtocolError> {
        let metadata = RowsMetadata::decode_seen(reader, version, seen)?;
        let least = metadata.column_count.saturating_mul(4);
        let row_count = reader.read_int_count(least, "rows")?;
        if metadata.column_count == 0 && row_count > 0 {
            return Err(ProtocolError::Malformed("rows without columns"));
        }
        Ok(Self {
            metadata,
            row_count,
            content: Bytes::new(),
        })
    }

    pub(super) fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.metadata.encode(version, out)?;
        write::int_length(out, self.row_count, "rows")?;
        out.extend_from_slice(&self.content);
        Ok(())
    }
}

impl RowsMetadata {
    pub(super) fn decode(reader: &mut Reader<'_>, version: ProtocolVersion) -> Result<Self, ProtocolError> {
        Self::decode_seen(reader, version, None)
    }

    /// Number of the continuous page that the metadata belong to, and whether it is the last one.
    pub(super) fn read_continuous_page(
        reader: &mut Reader<'_>,
        version: ProtocolVersion,
    ) -> Result<Option<(i32, bool)>, ProtocolError> {
        let flags = reader.read_int("flags")? as u32;
        let has = |bit| flags & bit != 0;
        reader.read_int_count(0, "columns")?;
        if has(HAS_MORE_PAGES) {
            reader.read_bytes("paging state")?;
        }
        let has_id = version.features().result_metadata_id == MetadataIdSupport::Present;
        if has(METADATA_CHANGED) && has_id {
            reader.read_short_bytes("new metadata id")?;
        }
        if !has(CONTINUOUS_PAGE) {
            return Ok(None);
        }
        let number = reader.read_int("number of a continuous page")?;
        Ok(Some((number, has(LAST_CONTINUOUS_PAGE))))
    }

    fn decode_seen(
        reader: &mut Reader<'_>,
        version: ProtocolVersion,
        seen: Option<&mut Option<Arc<SeenColumns>>>,
    ) -> Result<Self, ProtocolError> {
        let features = version.features();
        let flags = reader.read_int("flags")? as u32;
        let has = |bit| flags & bit != 0;
        let column_count = reader.read_int_count(0, "columns")?;
        let mut metadata = Self {
            column_count,
            ..Self::default()
        };
        if has(HAS_MORE_PAGES) {
            let state = reader.read_bytes("paging state")?;
            // A copy: it may be kept for long, and must not keep the page alive.
            metadata.paging_state = state.map(Bytes::copy_from_slice);
        }
        if has(METADATA_CHANGED) && features.result_metadata_id == MetadataIdSupport::Present {
            let id = reader.read_short_bytes("new metadata id")?;
            metadata.new_metadata_id = Some(Bytes::copy_from_slice(id));
        }
        if has(CONTINUOUS_PAGE) && features.continuous_paging {
            let number = reader.read_int("number of a continuous page")?;
            metadata.continuous_page = Some((number, has(LAST_CONTINUOUS_PAGE)));
        }
        if !has(NO_METADATA) {
            let global = has(GLOBAL_TABLE_SPEC);
            metadata.columns = Some(match seen {
                Some(seen) => SeenColumns::decode(seen, reader, column_count, global, version)?,
                None => decode_columns(reader, column_count, global, version)?,
            });
        }
        Ok(metadata)
    }

    pub(super) fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let features = version.features();
        let mut flags = match &self.columns {
            None => NO_METADATA,
            Some(columns) if is_global(columns) => GLOBAL_TABLE_SPEC,
            Some(_) => 0,
        };
        if self.paging_state.is_some() {
            flags |= HAS_MORE_PAGES;
        }
        if self.new_metadata_id.is_some() {
            if features.result_metadata_id == MetadataIdSupport::Absent {
                return Err(not_supported("a new metadata id", version));
            }
            flags |= METADATA_CHANGED;
        }
        if let Some((_, last)) = self.continuous_page {
            if !features.continuous_paging {
                return Err(not_supported("a continuous page", version));
            }
            flags |= CONTINUOUS_PAGE | if last { LAST_CONTINUOUS_PAGE } else { 0 };
        }
        let column_count = self
            .columns
            .as_ref()
            .map_or(self.column_count, |columns| columns.len());
        write::int(out, flags as i32);
        write::int_length(out, column_count, "columns")?;
        if let Some(state) = &self.paging_state {
            write::bytes(out, Some(state), "paging state")?;
        }
        if let Some(id) = &self.new_metadata_id {
            write::short_bytes(out, id, "new metadata id")?;
        }
        if let Some((number, _)) = self.continuous_page {
            write::int(out, number);
        }
        match &self.columns {
            Some(columns) => encode_columns(columns, version, out),
            None => Ok(()),
        }
    }
}
