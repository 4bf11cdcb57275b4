//! PREPARE again, on nodes that do not know a statement: one that said so, or one that came up.
//!
//! A node that comes up may have lost what it knew, and a new one knows nothing. So that the first requests there need not
//! find out one after the other, it prepares what the session has, a few statements at a time. Whatever fails here is made
//! up for when the statement is executed there.

use std::collections::HashSet;
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
use crate::connection::{AttemptFailure, Owner};
use crate::error::AttemptError;
use crate::pool::Pool;
use crate::statement::PreparedCore;

/// So many statements a node that came up prepares at a time.
const AT_A_TIME: usize = 16;

/// Has a node prepare a statement, as it was prepared first.
pub(crate) async fn prepare_again(
    pool: &Pool,
    owner: Owner,
    statement: &PreparedCore,
    deadline: Option<Moment>,
) -> Result<Prepared, AttemptError> {
    let pending = pool.submit(owner, false, deadline, |context, out| {
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

/// Has a node that came up prepare the statements of the sessions that use its pool, in the background. To be called within the
/// runtime.
pub(crate) fn prepare_all_on(sessions: &[Arc<SessionShared>], pool: &Arc<Pool>) {
    let mut ids = HashSet::new();
    let mut statements = Vec::new();
    for session in sessions {
        if !session.cluster().prepares_on_up() || session.is_closed() {
            continue;
        }
        let keyspace = session.keyspace();
        // In another keyspace than that of the session a statement may be another one.
        let known = session
            .statements
            .distinct(|statement| statement.prepares_alike_in(keyspace.as_ref()));
        let meter = session.meter().node(pool.node());
        let new = known
            .into_iter()
            .filter(|statement| ids.insert(statement.id.clone()));
        statements.extend(new.map(|statement| (session.owner(), Arc::clone(&meter), statement)));
    }
    let Some(limit) = sessions
        .first()
        .map(|session| session.cluster().config.control_timeout)
    else {
        return;
    };
    if statements.is_empty() {
        return;
    }
    let pool = Arc::clone(pool);
    tokio::spawn(async move {
        let count = statements.len();
        let mut answers = stream::iter(statements)
            .map(|(owner, meter, statement)| {
                let answer = prepare_within(&pool, owner, statement, limit);
                async move { (meter, answer.await) }
            })
            .buffer_unordered(AT_A_TIME);
        while let Some((meter, (statement, answer))) = answers.next().await {
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
    owner: Owner,
    statement: Arc<PreparedCore>,
    limit: Duration,
) -> (Arc<PreparedCore>, Result<Prepared, AttemptError>) {
    let deadline = Moment::of(crate::clock::now()).checked_add(limit);
    let answer = prepare_again(pool, owner, &statement, deadline).await;
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
