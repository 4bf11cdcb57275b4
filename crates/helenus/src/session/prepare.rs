//! PREPARE: on one node for its answer, on the others so that they know it.

use std::sync::Arc;
use std::time::Instant;

use helenus_protocol::{
    EncodeError, Prepare, Prepared, ProtocolError, Request as Message, RequestOptions, Response,
    ResponseEnvelope, ResultBody, encode_request,
};

use super::SessionShared;
use crate::clock::Moment;
use crate::cluster::Node;
use crate::connection::{AttemptFailure, EncodeContext, SubmitError};
use crate::error::{Attempt, AttemptError, RequestError, RequestErrorKind};
use crate::executor::Request;
use crate::policy::RouteContext;
use crate::statement::{PreparedStatement, SimpleStatement};

/// The time of the statement counts from `begin`.
pub(super) async fn prepare_since(
    session: &Arc<SessionShared>,
    statement: SimpleStatement,
    begin: Instant,
) -> Result<PreparedStatement, RequestError> {
    if session.is_closed() {
        return Err(RequestError::not_sent(RequestErrorKind::SessionClosed));
    }
    let statement = Arc::new(statement);
    let request = Request::simple_serialized(Arc::clone(&statement), helenus_protocol::SerializedRow::EMPTY);
    let options = statement.options();
    let profile = session.profile_of(options).map_err(RequestError::not_sent)?;
    let consistency = options.consistency.unwrap_or_else(|| profile.consistency());
    let limit = options
        .timeout
        .map_or_else(|| profile.timeout(), |timeout| timeout.limit());
    let deadline = limit.and_then(|limit| Moment::of(begin).checked_add(limit));
    let plan = match &options.plan {
        Some(nodes) => crate::policy::QueryPlan::list(Arc::clone(nodes)),
        None => {
            let context = RouteContext::new(&request, consistency, None, session);
            let own = options.load_balancing.as_ref();
            let policy = own.unwrap_or_else(|| profile.load_balancing());
            policy.plan(&context, &session.cluster().look())
        }
    };
    let mut attempts = Vec::new();
    let mut last = RequestErrorKind::NoNode;
    for node in plan {
        let error = match prepare_on(session, &node, &statement, deadline).await {
            Ok(prepared) => {
                let keyspace = options.keyspace.clone();
                let text = Arc::clone(statement.shared_text());
                if session.cluster().prepares_on_all_nodes() && options.plan.is_none() {
                    prepare_on_others(session, &node, &statement, deadline).await;
                }
                let options = options.clone();
                let in_session = session.keyspace();
                let prepared = PreparedStatement::new(text, keyspace, in_session, options, prepared);
                session.statements.add(prepared.core());
                return Ok(prepared);
            }
            Err(error) => error,
        };
        let (kind, goes_on) = match &error {
            AttemptError::NotSent(SubmitError::Encode(error)) => {
                (RequestErrorKind::Encode(error.clone()), false)
            }
            // PREPARE has no effect that could happen twice: another node may do better.
            AttemptError::Server(error) => {
                use helenus_protocol::ErrorCode::{Bootstrapping, Overloaded, Server};
                let another = matches!(error.code, Overloaded | Bootstrapping | Server);
                (RequestErrorKind::Server(Arc::clone(error)), another)
            }
            AttemptError::ConnectionLost(error) => {
                (RequestErrorKind::ConnectionLost(Arc::clone(error)), true)
            }
            AttemptError::TimedOut => {
                let limit = limit.unwrap_or_default();
                (RequestErrorKind::Timeout { limit }, false)
            }
            AttemptError::Protocol(error) => (RequestErrorKind::Protocol(error.clone()), false),
            _ => (RequestErrorKind::NoNode, true),
        };
        tracing::debug!(%node, %error, "not prepared");
        attempts.push(Attempt {
            node,
            consistency,
            error,
        });
        if !matches!(kind, RequestErrorKind::NoNode) {
            last = kind;
        }
        if !goes_on {
            break;
        }
    }
    Err(RequestError::new(last, attempts))
}

/// Has all other connected nodes prepare the statement. Those that fail will say so when it is executed there.
async fn prepare_on_others(
    session: &SessionShared,
    done: &Arc<Node>,
    statement: &SimpleStatement,
    deadline: Option<Moment>,
) {
    // A node that does not answer is not waited for as long as the statement itself.
    let limit = Moment::of(crate::clock::now()).checked_add(session.cluster().config.control_timeout);
    let deadline = deadline.into_iter().chain(limit).min();
    let nodes: Vec<_> = session
        .pools()
        .iter()
        .map(|pool| Arc::clone(pool.node()))
        .collect();
    let others = nodes.iter().filter(|node| *node != done).map(|node| async move {
        if let Err(error) = prepare_on(session, node, statement, deadline).await {
            tracing::debug!(%node, %error, "not prepared");
        }
    });
    futures_util::future::join_all(others).await;
}

async fn prepare_on(
    session: &SessionShared,
    node: &Arc<Node>,
    statement: &SimpleStatement,
    deadline: Option<Moment>,
) -> Result<Prepared, AttemptError> {
    let options = statement.options();
    let pending = {
        let pools = session.pools();
        let pool = pools.of(node).ok_or(AttemptError::NoConnection)?;
        pool.submit(session.owner(), false, deadline, |context, out| {
            let envelope = RequestOptions {
                tracing: options.tracing,
                custom_payload: options.custom_payload.as_deref(),
                compression: context.compression,
            };
            encode_prepare(
                statement.text(),
                options.keyspace.as_deref(),
                &envelope,
                context,
                out,
            )
        })?
    };
    let envelope = pending.await.map_err(|failure| match failure {
        AttemptFailure::ConnectionLost(error) => AttemptError::ConnectionLost(error),
        AttemptFailure::NotSent(error) => AttemptError::NotSent(SubmitError::Closed(error)),
        AttemptFailure::TimedOut => AttemptError::TimedOut,
    })?;
    let decoded = ResponseEnvelope::decode(&envelope.header, envelope.body);
    match decoded.map_err(AttemptError::Protocol)?.response {
        Response::Result(ResultBody::Prepared(prepared)) => {
            session.meter().node(node).prepared();
            Ok(prepared)
        }
        Response::Error(error) => Err(AttemptError::Server(Arc::new(error))),
        _ => Err(AttemptError::Protocol(ProtocolError::Malformed(
            "PREPARE was answered with something else",
        ))),
    }
}

/// Appends the envelope of a PREPARE.
pub(crate) fn encode_prepare(
    text: &str,
    keyspace: Option<&str>,
    options: &RequestOptions<'_>,
    context: EncodeContext,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let message = Message::Prepare(Prepare { text, keyspace });
    encode_request(&message, context.version, context.stream, options, out)
}
