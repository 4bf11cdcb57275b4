//! Answers as a script writes them: a message, and what travels at the head of its body.

use std::sync::Arc;

use bytes::Bytes;
use helenus_protocol::{
    ColumnSpec, CustomPayload, ErrorCode, ErrorDetails, Response, ResponseEnvelope, ResultBody, Rows,
    SchemaChange, ServerError,
};
use uuid::Uuid;

use super::cell::Cell;
use super::table;

/// One answer.
#[derive(Clone, Debug)]
pub struct Reply(pub(crate) ResponseEnvelope);

impl Reply {
    /// RESULT of kind Void.
    pub fn void() -> Self {
        ResultBody::Void.into()
    }

    /// RESULT of kind Rows with these columns (see [`column_specs`](super::column_specs)) and rows.
    pub fn rows<R: AsRef<[Cell]>>(columns: Arc<[ColumnSpec]>, rows: &[R]) -> Self {
        table::rows(columns, rows).into()
    }

    /// The same, and a paging state that says where the next page begins.
    pub fn page<R: AsRef<[Cell]>>(
        columns: Arc<[ColumnSpec]>,
        rows: &[R],
        paging_state: impl Into<Bytes>,
    ) -> Self {
        let mut rows = table::rows(columns, rows);
        rows.metadata.paging_state = Some(paging_state.into());
        rows.into()
    }

    /// ERROR with a code that needs no further fields.
    pub fn error(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::error_with(code, message, ErrorDetails::None)
    }

    /// ERROR with the fields of its code.
    pub fn error_with(code: ErrorCode, message: impl Into<String>, details: ErrorDetails) -> Self {
        Response::Error(ServerError {
            code,
            message: message.into(),
            details,
        })
        .into()
    }

    /// ERROR of code UNPREPARED for this statement id.
    pub fn unprepared(id: impl Into<Bytes>) -> Self {
        let details = ErrorDetails::Unprepared { id: id.into() };
        Self::error_with(
            ErrorCode::Unprepared,
            "prepared statement is not known here",
            details,
        )
    }

    /// RESULT of kind Set_keyspace.
    pub fn set_keyspace(name: impl Into<String>) -> Self {
        ResultBody::SetKeyspace(name.into()).into()
    }

    /// RESULT of kind Schema_change.
    pub fn schema_change(change: SchemaChange) -> Self {
        ResultBody::SchemaChange(change).into()
    }

    /// With one more warning (v4 and later).
    #[must_use]
    pub fn with_warning(mut self, warning: impl Into<String>) -> Self {
        self.0.warnings.push(warning.into());
        self
    }

    /// With a tracing id.
    #[must_use]
    pub fn with_tracing_id(mut self, id: Uuid) -> Self {
        self.0.tracing_id = Some(id);
        self
    }

    /// With a custom payload (v4 and later).
    #[must_use]
    pub fn with_custom_payload(mut self, payload: CustomPayload) -> Self {
        self.0.custom_payload = Some(payload);
        self
    }
}

impl From<Response> for Reply {
    fn from(response: Response) -> Self {
        Self(ResponseEnvelope {
            tracing_id: None,
            warnings: Vec::new(),
            custom_payload: None,
            response,
        })
    }
}

impl From<ResultBody> for Reply {
    fn from(body: ResultBody) -> Self {
        Response::Result(body).into()
    }
}

impl From<Rows> for Reply {
    fn from(rows: Rows) -> Self {
        ResultBody::Rows(rows).into()
    }
}

impl From<ResponseEnvelope> for Reply {
    fn from(envelope: ResponseEnvelope) -> Self {
        Self(envelope)
    }
}
