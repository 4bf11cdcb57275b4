//! Requests that the driver makes for itself, on one connection: system tables, USE, PREPARE.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use helenus_protocol::{
    CellReader, ColumnSpec, ConsistencyLevel, DeserializeValue, Query, QueryParameters, Request,
    RequestOptions, Response, ResponseEnvelope, ResultBody, Rows, ServerError, ValueBytes, encode_request,
};

use crate::clock::Moment;
use crate::cluster::PeerRow;
use crate::connection::{AttemptFailure, Connection, SubmitError};
use crate::statement::switches_keyspace;

/// A request of the driver itself failed.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error("{0}")]
    NotSent(#[from] SubmitError),
    #[error("{0}")]
    NoAnswer(#[from] AttemptFailure),
    #[error("the server answered {0}")]
    Server(Arc<ServerError>),
    #[error("{0}")]
    Protocol(#[from] helenus_protocol::ProtocolError),
    #[error("unexpected answer: {0}")]
    Unexpected(String),
}

/// Sends a request and waits for the answer, which is no ERROR.
pub(crate) async fn ask(
    connection: &Connection,
    request: &Request<'_>,
    limit: Duration,
) -> Result<Response, AskError> {
    let mut pending = connection.submit(
        Moment::of(crate::clock::now()).checked_add(limit),
        |context, out| {
            let options = RequestOptions {
                compression: context.compression,
                ..RequestOptions::default()
            };
            encode_request(request, context.version, context.stream, &options, out)
        },
    )?;
    if matches!(request, Request::Query(query) if switches_keyspace(query.text)) {
        pending = pending.switching();
    }
    let envelope = pending.await?;
    match ResponseEnvelope::decode(&envelope.header, envelope.body)?.response {
        Response::Error(error) => Err(AskError::Server(Arc::new(error))),
        response => Ok(response),
    }
}

/// Runs CQL text without values at LOCAL_ONE, in one page.
pub(crate) async fn query(
    connection: &Connection,
    text: &str,
    limit: Duration,
) -> Result<Response, AskError> {
    let parameters = QueryParameters {
        consistency: ConsistencyLevel::One,
        ..QueryParameters::default()
    };
    ask(connection, &Request::Query(Query { text, parameters }), limit).await
}

/// Rows in a page of [`select`]: what a server can put together well within the time for an answer.
pub(crate) const PAGE_SIZE: i32 = 5_000;

/// The most pages that are asked for: a server that always has another one does not keep us busy for ever.
const MAX_PAGES: usize = 10_000;

/// Runs a SELECT at LOCAL_ONE, and reads all its pages. `limit` is the time for each.
pub(crate) async fn select(
    connection: &Connection,
    text: &str,
    limit: Duration,
) -> Result<SystemRows, AskError> {
    select_in_pages(connection, text, PAGE_SIZE, limit).await
}

/// The same in pages of so many rows.
pub(crate) async fn select_in_pages(
    connection: &Connection,
    text: &str,
    page_size: i32,
    limit: Duration,
) -> Result<SystemRows, AskError> {
    let mut all = SystemRows::default();
    pages(connection, text, page_size, limit, |rows| all.add(rows)).await?;
    Ok(all)
}

/// Runs a SELECT in pages of so many rows: each is read, and its memory given back, before the next one is asked for.
pub(crate) async fn select_by_page(
    connection: &Connection,
    text: &str,
    page_size: i32,
    limit: Duration,
    mut read: impl FnMut(&SystemRows),
) -> Result<(), AskError> {
    pages(connection, text, page_size, limit, |rows| {
        let mut page = SystemRows::default();
        let paging_state = page.add(rows)?;
        read(&page);
        // It must not keep the page.
        Ok(paging_state.map(|state| Bytes::copy_from_slice(&state)))
    })
    .await
}

async fn pages(
    connection: &Connection,
    text: &str,
    page_size: i32,
    limit: Duration,
    mut take: impl FnMut(Rows) -> Result<Option<Bytes>, AskError>,
) -> Result<(), AskError> {
    let mut paging_state: Option<Bytes> = None;
    for _ in 0..MAX_PAGES {
        let parameters = QueryParameters {
            consistency: ConsistencyLevel::One,
            page_size: Some(page_size),
            paging_state: paging_state.as_deref(),
            ..QueryParameters::default()
        };
        match ask(connection, &Request::Query(Query { text, parameters }), limit).await? {
            Response::Result(ResultBody::Rows(rows)) => paging_state = take(rows)?,
            other => {
                let found = format!("{:?} instead of rows", other.opcode());
                return Err(AskError::Unexpected(found));
            }
        }
        if paging_state.is_none() {
            return Ok(());
        }
    }
    Err(AskError::Unexpected(format!("more than {MAX_PAGES} pages")))
}

/// Rows whose columns differ between versions of the server: read by name, and with indulgence.
#[derive(Debug, Default)]
pub(crate) struct SystemRows {
    columns: Arc<[ColumnSpec]>,
    /// The rows of each page, and how many they are.
    pages: Vec<(Bytes, usize)>,
}

impl SystemRows {
    /// Adds a page; its paging state if there are more.
    fn add(&mut self, rows: Rows) -> Result<Option<Bytes>, AskError> {
        let Some(columns) = rows.metadata.columns else {
            return Err(AskError::Unexpected("rows without columns".to_owned()));
        };
        if !self.pages.is_empty() && self.columns.len() != columns.len() {
            return Err(AskError::Unexpected("pages with different columns".to_owned()));
        }
        self.columns = columns;
        self.pages.push((rows.content, rows.row_count));
        Ok(rows.metadata.paging_state)
    }

    /// Whether there is a column of this name, with or without rows.
    pub(crate) fn has_column(&self, name: &str) -> bool {
        self.columns.iter().any(|column| *column.name == *name)
    }

    /// Takes the pages out, one after the other.
    pub(crate) fn take_pages(&mut self) -> impl Iterator<Item = Self> + use<> {
        let columns = Arc::clone(&self.columns);
        std::mem::take(&mut self.pages).into_iter().map(move |page| Self {
            columns: Arc::clone(&columns),
            pages: vec![page],
        })
    }

    /// The rows; those of a page end early where their bytes do.
    pub(crate) fn iter(&self) -> impl Iterator<Item = SystemRow<'_>> {
        let columns = &self.columns;
        self.pages.iter().flat_map(move |(content, row_count)| {
            let mut cells = CellReader::new(content);
            let mut left = *row_count;
            std::iter::from_fn(move || {
                left = left.checked_sub(1)?;
                let row: Result<Vec<_>, _> = columns.iter().map(|_| cells.next_cell()).collect();
                Some(SystemRow {
                    columns,
                    cells: row.ok()?,
                })
            })
        })
    }
}

/// One row.
#[derive(Debug)]
pub(crate) struct SystemRow<'a> {
    columns: &'a Arc<[ColumnSpec]>,
    cells: Vec<Option<ValueBytes<'a>>>,
}

impl<'a> SystemRow<'a> {
    /// The names of its columns.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.columns.iter().map(|column| &*column.name)
    }

    /// A copy of all of it.
    pub(crate) fn to_peer_row(&self) -> PeerRow {
        let mut content = Vec::new();
        for cell in &self.cells {
            match cell.map(|cell| cell.as_slice()) {
                // It came as one `[bytes]`, which is no longer than that.
                Some(bytes) => {
                    let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
                    content.extend_from_slice(&length.to_be_bytes());
                    content.extend_from_slice(bytes);
                }
                None => content.extend_from_slice(&(-1_i32).to_be_bytes()),
            }
        }
        PeerRow::new(Arc::clone(self.columns), content.into())
    }

    /// Appends what tells rows apart: the names and cells of the columns that are wanted.
    pub(crate) fn write_cells(&self, wanted: impl Fn(&str) -> bool, out: &mut Vec<u8>) {
        for (column, cell) in self.columns.iter().zip(&self.cells) {
            if let Some(cell) = cell.filter(|_| wanted(&column.name)) {
                out.extend_from_slice(column.name.as_bytes());
                out.extend_from_slice(&cell.as_slice().len().to_be_bytes());
                out.extend_from_slice(cell.as_slice());
            }
        }
    }

    /// The value of a column; `None` when it is null, of another type, or there is no such column.
    pub(crate) fn get<T: DeserializeValue<'a>>(&self, name: &str) -> Option<T> {
        let at = self.columns.iter().position(|column| *column.name == *name)?;
        let (column, cell) = (self.columns.get(at)?, self.cells.get(at).copied().flatten()?);
        T::check_type(&column.ty).ok()?;
        T::deserialize(&column.ty, Some(cell)).ok()
    }
}
