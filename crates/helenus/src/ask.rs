//! Requests that the driver makes for itself, on one connection: system tables, USE, PREPARE.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use helenus_protocol::{
    CellReader, ColumnSpec, ConsistencyLevel, DeserializeValue, Query, QueryParameters, Request,
    RequestOptions, Response, ResponseEnvelope, ResultBody, Rows, ServerError, ValueBytes, encode_request,
};

use crate::connection::{AttemptFailure, Connection, SubmitError};

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
    let pending = connection.submit(Some(crate::clock::now() + limit), |context, out| {
        let options = RequestOptions {
            compression: context.compression,
            ..RequestOptions::default()
        };
        encode_request(request, context.version, context.stream, &options, out)
    })?;
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

/// Runs a SELECT.
pub(crate) async fn select(
    connection: &Connection,
    text: &str,
    limit: Duration,
) -> Result<SystemRows, AskError> {
    match query(connection, text, limit).await? {
        Response::Result(ResultBody::Rows(rows)) => SystemRows::new(rows),
        other => Err(AskError::Unexpected(format!(
            "{:?} instead of rows",
            other.opcode()
        ))),
    }
}

/// Rows whose columns differ between versions of the server: read by name, and with indulgence.
#[derive(Debug, Default)]
pub(crate) struct SystemRows {
    columns: Arc<[ColumnSpec]>,
    content: Bytes,
    row_count: usize,
}

impl SystemRows {
    fn new(rows: Rows) -> Result<Self, AskError> {
        match rows.metadata.columns.clone() {
            Some(columns) => Ok(Self {
                columns,
                content: rows.content,
                row_count: rows.row_count,
            }),
            None => Err(AskError::Unexpected("rows without columns".to_owned())),
        }
    }

    /// The rows; ends early where their bytes do.
    pub(crate) fn iter(&self) -> impl Iterator<Item = SystemRow<'_>> {
        let mut cells = CellReader::new(&self.content);
        let mut left = self.row_count;
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let row: Result<Vec<_>, _> = self.columns.iter().map(|_| cells.next_cell()).collect();
            Some(SystemRow {
                columns: &self.columns,
                cells: row.ok()?,
            })
        })
    }
}

/// One row.
#[derive(Debug)]
pub(crate) struct SystemRow<'a> {
    columns: &'a [ColumnSpec],
    cells: Vec<Option<ValueBytes<'a>>>,
}

impl<'a> SystemRow<'a> {
    /// The names of its columns.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.columns.iter().map(|column| &*column.name)
    }

    /// The value of a column; `None` when it is null, of another type, or there is no such column.
    pub(crate) fn get<T: DeserializeValue<'a>>(&self, name: &str) -> Option<T> {
        let at = self.columns.iter().position(|column| *column.name == *name)?;
        let (column, cell) = (self.columns.get(at)?, self.cells.get(at).copied().flatten()?);
        T::check_type(&column.ty).ok()?;
        T::deserialize(&column.ty, Some(cell)).ok()
    }
}
