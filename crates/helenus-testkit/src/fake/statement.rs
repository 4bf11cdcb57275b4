//! Statements that a script knows: their bind markers, their columns and their pages.
//!
//! A statement answers QUERY of its text, PREPARE of its text, and EXECUTE and BATCH entries of the id that PREPARE gave.
//! The paging state is the number of the next page as an `[int]`.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use bytes::Bytes;
use helenus_protocol::{
    ColumnSpec, CqlType, MetadataIdSupport, Prepared, ProtocolVersion, QueryParameters, ResultBody,
    RowsMetadata,
};

use super::cell::Cell;
use super::reply::Reply;
use super::table::{self, column_specs};

/// A statement and what it answers.
#[derive(Clone, Debug)]
pub struct Statement {
    text: String,
    keyspace: String,
    table: String,
    bind_columns: Arc<[ColumnSpec]>,
    partition_key: Vec<u16>,
    columns: Option<Arc<[ColumnSpec]>>,
    pages: Vec<Vec<Vec<Cell>>>,
}

impl Statement {
    /// A statement without bind markers that answers Void.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            keyspace: "ks".to_owned(),
            table: "t".to_owned(),
            bind_columns: Arc::new([]),
            partition_key: Vec::new(),
            columns: None,
            pages: Vec::new(),
        }
    }

    /// Names the keyspace and table of its columns (default `ks.t`). Call it before columns are given.
    #[must_use]
    pub fn table(mut self, keyspace: impl Into<String>, table: impl Into<String>) -> Self {
        self.keyspace = keyspace.into();
        self.table = table.into();
        self
    }

    /// Names and types of the bind markers.
    #[must_use]
    pub fn bind<'a>(mut self, columns: impl IntoIterator<Item = (&'a str, CqlType)>) -> Self {
        self.bind_columns = column_specs(&self.keyspace, &self.table, columns);
        self
    }

    /// Which bind markers make up the partition key, in its order (v4 and later).
    #[must_use]
    pub fn partition_key(mut self, indexes: impl IntoIterator<Item = u16>) -> Self {
        self.partition_key = indexes.into_iter().collect();
        self
    }

    /// The columns of its rows; without any further call the result is empty.
    #[must_use]
    pub fn columns<'a>(mut self, columns: impl IntoIterator<Item = (&'a str, CqlType)>) -> Self {
        self.columns = Some(column_specs(&self.keyspace, &self.table, columns));
        self
    }

    /// One more page of rows.
    #[must_use]
    pub fn page(mut self, rows: impl IntoIterator<Item = Vec<Cell>>) -> Self {
        self.pages.push(rows.into_iter().collect());
        self
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its id, which follows from the text and the keyspace of the PREPARE.
    pub fn id(&self, keyspace: Option<&str>) -> Bytes {
        digest((&self.text, keyspace))
    }

    /// The id of its result's metadata, which follows from its columns.
    fn metadata_id(&self) -> Bytes {
        let columns = self.columns.iter().flat_map(|columns| columns.iter());
        let parts: Vec<(&str, String)> = columns.map(|spec| (&*spec.name, spec.ty.to_string())).collect();
        digest(parts)
    }

    /// The answer to PREPARE.
    pub(crate) fn prepared(&self, version: ProtocolVersion, keyspace: Option<&str>) -> Prepared {
        let features = version.features();
        let has_id = features.result_metadata_id == MetadataIdSupport::Present;
        Prepared {
            id: self.id(keyspace),
            result_metadata_id: has_id.then(|| self.metadata_id()),
            bind_columns: self.bind_columns.clone(),
            partition_key_indexes: match features.partition_key_indexes {
                true => self.partition_key.clone(),
                false => Vec::new(),
            },
            result: match &self.columns {
                Some(columns) => table::metadata(columns.clone()),
                None => table::metadata(Arc::new([])),
            },
        }
    }

    /// The answer to QUERY or EXECUTE: the page that the paging state asks for. Metadata is left out when the request allows
    /// it, unless the id that the request carries is not that of the statement's columns (v5 §4.2.5.2, metadata changed).
    pub(crate) fn reply(&self, parameters: &QueryParameters<'_>, client_metadata_id: Option<&[u8]>) -> Reply {
        let Some(columns) = &self.columns else {
            return Reply::void();
        };
        let number = parameters
            .paging_state
            .and_then(|state| state.try_into().ok().map(u32::from_be_bytes))
            .unwrap_or(0);
        let empty = Vec::new();
        let page = self.pages.get(number as usize).unwrap_or(&empty);
        let mut rows = table::rows(columns.clone(), page);
        let next = number.saturating_add(1);
        let metadata: &mut RowsMetadata = &mut rows.metadata;
        if (next as usize) < self.pages.len() {
            metadata.paging_state = Some(Bytes::copy_from_slice(&next.to_be_bytes()));
        }
        let current = self.metadata_id();
        match client_metadata_id {
            Some(id) if id != current => metadata.new_metadata_id = Some(current),
            _ if parameters.skip_metadata => metadata.columns = None,
            _ => {}
        }
        ResultBody::Rows(rows).into()
    }
}

/// Sixteen bytes that follow from a value: what a server makes with MD5.
pub(crate) fn digest(value: impl Hash) -> Bytes {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        salt.hash(&mut hasher);
        value.hash(&mut hasher);
        hasher.finish().to_be_bytes()
    };
    [half(1), half(2)].concat().into()
}
