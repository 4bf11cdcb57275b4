//! PREPARE again, on nodes that do not know a statement: one that said so, or one that came up.
//!
//! A node that comes up may have lost what it knew, and a new one knows nothing. So that the first requests there need not
//! find out one after the other, it prepares what the session has, a few statements at a time. Whatever fails here is made
//! up for when the statement is executed there.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream;
use helenus_protocol::{
    ErrorCode, Prepared, ProtocolError, RequestOptions, Response, ResponseEnvelope, ResultBody,
};

use super::SessionShared;
use super::prepare::encode_prepare;
use crate::clock::Moment;
use crate::connection::AttemptFailure;
use crate::error::AttemptError;
use crate::pool::Pool;
use crate::statement::PreparedCore;

/// So many statements a node that came up prepares at a time.
const AT_A_TIME: usize = 16;

/// Has a node prepare a statement, as it was prepared first.
pub(crate) async fn prepare_again(
    pool: &Pool,
    statement: &PreparedCore,
    deadline: Option<Moment>,
) -> Result<Prepared, AttemptError> {
    let pending = pool.submit(false, deadline, |context, out| {
        let keyspace = statement.keyspace.as_deref();
        let keyspace = keyspace.filter(|_| context.version.features().keyspace_per_request);
        let options = RequestOptions {
            compression: context.compression,
            ..RequestOptions::default()
        };
        encode_prepare(&statement.text, keyspace, &options, context, out)
    })?;
    let envelope = pending.await.map_err(|failure| match failure {
        // The request itself was not run: another node may.
        AttemptFailure::ConnectionLost(_) | AttemptFailure::NotSent(_) => AttemptError::NoConnection,
        AttemptFailure::TimedOut => AttemptError::TimedOut,
    })?;
    let decoded = ResponseEnvelope::decode(&envelope.header, envelope.body);
    match decoded.map_err(AttemptError::Protocol)?.response {
        Response::Result(ResultBody::Prepared(prepared)) => Ok(prepared),
        Response::Error(error) => Err(AttemptError::Prepare(Arc::new(error))),
        _ => Err(AttemptError::Protocol(ProtocolError::Malformed(
            "PREPARE was answered with something else",
        ))),
    }
}

/// Has a node that came up prepare the statements of the session, in the background. To be called within the runtime.
pub(super) fn prepare_all_on(session: &SessionShared, pool: &Arc<Pool>) {
    if !session.cluster().prepares_on_up() || session.is_closed() {
        return;
    }
    let keyspace = session.keyspace();
    // In another keyspace than that of the session a statement may be another one.
    let statements = session
        .statements
        .distinct(|statement| statement.prepares_alike_in(keyspace.as_ref()));
    if statements.is_empty() {
        return;
    }
    let limit = session.cluster().config.control_timeout;
    let meter = session.meter().node(pool.node());
    let pool = Arc::clone(pool);
    tokio::spawn(async move {
        let count = statements.len();
        let mut answers = stream::iter(statements)
            .map(|statement| prepare_within(&pool, statement, limit))
            .buffer_unordered(AT_A_TIME);
        while let Some((statement, answer)) = answers.next().await {
            match answer {
                Ok(prepared) if prepared.id == statement.id => meter.reprepared(),
                Ok(_) => {
                    tracing::debug!(node = %pool.node(), text = &*statement.text, "prepared under another id")
                }
                Err(error) => {
                    tracing::debug!(node = %pool.node(), text = &*statement.text, %error, "not prepared again");
                    if !is_about_the_statement(&error) {
                        return;
                    }
                }
            }
        }
        tracing::debug!(node = %pool.node(), count, "statements were prepared on a node that came up");
    });
}

async fn prepare_within(
    pool: &Pool,
    statement: Arc<PreparedCore>,
    limit: Duration,
) -> (Arc<PreparedCore>, Result<Prepared, AttemptError>) {
    let deadline = Moment::of(crate::clock::now()).checked_add(limit);
    let answer = prepare_again(pool, &statement, deadline).await;
    (statement, answer)
}

/// Whether the node may still be able to prepare other statements. One that is lost, late or overloaded is left alone.
fn is_about_the_statement(error: &AttemptError) -> bool {
    match error {
        AttemptError::Prepare(error) => {
            !matches!(error.code, ErrorCode::Overloaded | ErrorCode::Bootstrapping)
        }
        _ => false,
    }
}
