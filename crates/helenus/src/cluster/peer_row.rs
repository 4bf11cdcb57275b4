//! A whole row of `system.peers_v2` or `system.peers`, for endpoint factories that look at more than [`NodeFacts`] has.
//!
//! [`NodeFacts`]: super::NodeFacts

use std::sync::Arc;

use bytes::Bytes;
use helenus_protocol::{CellReader, ColumnSpec, DeserializeValue};

/// A row of `system.peers_v2`, or of `system.peers` where the server has no such table, as the server gave it.
#[derive(Clone, Debug)]
pub struct PeerRow {
    columns: Arc<[ColumnSpec]>,
    content: Bytes,
}

impl PeerRow {
    /// `content`: a `[bytes]` for each column.
    pub(crate) fn new(columns: Arc<[ColumnSpec]>, content: Bytes) -> Self {
        Self { columns, content }
    }

    /// The columns, in the order of the server.
    pub fn columns(&self) -> &Arc<[ColumnSpec]> {
        &self.columns
    }

    /// The cells, one `[bytes]` for each column.
    pub fn content(&self) -> &Bytes {
        &self.content
    }

    /// The value of a column; `None` when it is null, of another type, or there is no such column.
    pub fn get<'a, T: DeserializeValue<'a>>(&'a self, name: &str) -> Option<T> {
        let at = self.columns.iter().position(|column| *column.name == *name)?;
        let column = self.columns.get(at)?;
        T::check_type(&column.ty).ok()?;
        let mut cells = CellReader::new(&self.content);
        for _ in 0..at {
            cells.next_cell().ok()?;
        }
        T::deserialize(&column.ty, Some(cells.next_cell().ok()??)).ok()
    }
}
