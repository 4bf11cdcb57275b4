//! What an answer means: the result, or what has to be done next.

use std::sync::Arc;

use helenus_protocol::{
    Envelope, EnvelopeFlags, ErrorDetails, Opcode, ProtocolError, Response, ResponseEnvelope, ResultBody,
    Rows, SchemaChange, ServerError,
};

use super::job::Job;
use super::request::Statement;
use crate::connection::{AttemptFailure, SubmitError};
use crate::error::AttemptError;
use crate::result::{Extras, QueryResult, RawRows};
use crate::statement::ResultMetadata;

/// What became of an attempt.
pub(super) enum Answer {
    /// The request has succeeded.
    Done(QueryResult),
    /// It has succeeded, and all nodes are to know the new schema.
    SchemaChanged(QueryResult, SchemaChange),
    /// It has succeeded, and all connections are to switch to this keyspace.
    KeyspaceSet(QueryResult, String),
    /// The node does not know the prepared statement of this id.
    Unprepared(Arc<ServerError>),
    /// The attempt failed.
    Failed(AttemptError),
    /// The request succeeded and gave something that it cannot give.
    Unexpected(String),
}

/// RESULT of kind Void (v4 §4.2.5.1), whole.
const VOID: &[u8] = &[0, 0, 0, 1];

/// The result, when the first attempt was answered by nothing but rows, or by nothing but "done": the shortest way, which most
/// requests take. The envelope is as it was when they do not.
#[inline]
pub(super) fn plain(job: &mut Job, envelope: &mut Envelope) -> Option<Result<QueryResult, ProtocolError>> {
    if !job.attempts.is_empty() || job.node().is_none() {
        return None;
    }
    let header = &envelope.header;
    let is_void = header.opcode == Opcode::Result
        && header.flags == EnvelopeFlags::default()
        && *envelope.body == *VOID;
    let rows = match is_void {
        true => None,
        false => {
            let body = &mut envelope.body;
            let rows = match (&job.columns, &job.request.statement) {
                (None, Statement::Prepared(statement)) => statement.core().take_rows(header, body)?,
                _ => Rows::take_plain(header, body)?,
            };
            match with_columns(job, rows) {
                Ok(rows) => Some(rows),
                Err(error) => return Some(Err(error)),
            }
        }
    };
    // Nobody sends it again.
    std::mem::take(&mut job.request.values).recycle();
    Some(Ok(QueryResult::plain(job.plan.take_current()?, rows)))
}

/// Reads the answer to the current attempt.
pub(super) fn understand(job: &mut Job, outcome: Result<Envelope, AttemptFailure>) -> Answer {
    let envelope = match outcome {
        Ok(envelope) => envelope,
        Err(AttemptFailure::ConnectionLost(error)) => {
            return Answer::Failed(AttemptError::ConnectionLost(error));
        }
        Err(AttemptFailure::NotSent(error)) => {
            return Answer::Failed(AttemptError::NotSent(SubmitError::Closed(error)));
        }
        Err(AttemptFailure::TimedOut) => return Answer::Failed(AttemptError::TimedOut),
    };
    let decoded = match ResponseEnvelope::decode(&envelope.header, envelope.body) {
        Ok(decoded) => decoded,
        Err(error) => return Answer::Failed(AttemptError::Protocol(error)),
    };
    let ResponseEnvelope {
        tracing_id,
        warnings,
        custom_payload,
        response,
    } = decoded;
    let body = match response {
        Response::Result(body) => body,
        Response::Error(error) => {
            let error = Arc::new(error);
            return match error.details {
                ErrorDetails::Unprepared { .. } => Answer::Unprepared(error),
                _ => Answer::Failed(AttemptError::Server(error)),
            };
        }
        other => return Answer::Unexpected(format!("{:?}", other.opcode())),
    };
    for warning in &warnings {
        tracing::debug!(node = ?job.node(), %warning, "warning of the server");
    }
    let Some(coordinator) = job.plan.current_planned() else {
        return Answer::Unexpected("an answer without a node".to_owned());
    };
    let attempts = job.attempts.take();
    let nothing =
        tracing_id.is_none() && warnings.is_empty() && custom_payload.is_none() && attempts.is_empty();
    let result = |rows| {
        if nothing {
            return QueryResult::plain(coordinator, rows);
        }
        let extras = Extras {
            tracing_id,
            warnings,
            custom_payload,
            attempts,
            ..Extras::default()
        };
        QueryResult::new(coordinator, rows, extras)
    };
    match body {
        ResultBody::Void => Answer::Done(result(None)),
        ResultBody::Rows(rows) => match with_columns(job, rows) {
            Ok(rows) => Answer::Done(result(Some(rows))),
            Err(error) => Answer::Failed(AttemptError::Protocol(error)),
        },
        ResultBody::SchemaChange(change) => Answer::SchemaChanged(result(None), change),
        ResultBody::SetKeyspace(keyspace) => Answer::KeyspaceSet(result(None), keyspace),
        other => Answer::Unexpected(format!("{other:?}")),
    }
}

/// Gives rows their columns: the server's, or those that it was told are known.
fn with_columns(job: &mut Job, rows: Rows) -> Result<RawRows, ProtocolError> {
    let columns = match (rows.metadata.columns, job.columns.take()) {
        (Some(columns), _) => {
            if let (Some(id), Statement::Prepared(statement)) =
                (rows.metadata.new_metadata_id, &job.request.statement)
            {
                let result = ResultMetadata::new(Some(id), Arc::clone(&columns));
                statement.core().set_result(Arc::new(result));
            }
            columns
        }
        (None, Some(known)) => known,
        (None, None) => return Err(ProtocolError::Malformed("rows without columns")),
    };
    if columns.len() != rows.metadata.column_count {
        return Err(ProtocolError::Malformed(
            "rows with another number of columns than is known",
        ));
    }
    Ok(RawRows {
        columns,
        row_count: rows.row_count,
        content: rows.content,
        paging_state: rows.metadata.paging_state,
    })
}
