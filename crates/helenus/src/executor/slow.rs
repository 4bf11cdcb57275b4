//! Everything that a request needs beyond a first attempt that succeeds.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use helenus_protocol::{ErrorDetails, ServerError};
use uuid::Uuid;

use super::answer::{self, Answer};
use super::job::{Job, Role};
use super::queue;
use super::request::Statement;
use super::retrying::{self, Next};
use crate::connection::PendingResponse;
use crate::error::{AttemptError, RequestError, RequestErrorKind};
use crate::result::{Extras, QueryResult};
use crate::session::{agreement, prepare_again};
use crate::statement::{BatchItem, PreparedStatement};

/// How often one statement is prepared again on one node on UNPREPARED, before that is an error.
const REPREPARE_ROUNDS: usize = 2;

/// How long is waited when all nodes of a plan were asked, before they are asked again.
const BETWEEN_PLANS: Duration = Duration::from_millis(100);

/// Goes on from the answer to the first attempt.
pub(super) async fn run(mut job: Job, answer: Answer) -> Result<QueryResult, RequestError> {
    let ended = go_on(&mut job, answer).await;
    end(&mut job, ended)
}

/// Sends the request when a node has room for it again, and goes on from there.
pub(super) async fn run_when_there_is_room(mut job: Job) -> Result<QueryResult, RequestError> {
    let ended = match queue::wait_for_room(&mut job).await {
        Ok(pending) => {
            let answer = answer::understand(&mut job, pending.await);
            go_on(&mut job, answer).await
        }
        Err(kind) => Err(job.fail(kind)),
    };
    end(&mut job, ended)
}

fn end(job: &mut Job, mut ended: Result<QueryResult, RequestError>) -> Result<QueryResult, RequestError> {
    match &mut ended {
        // The request goes on, or ends with another execution.
        _ if job.run().is_some() => {}
        Ok(result) => {
            job.hand_pages_over(result);
            job.watch.succeeded(&job.session, result);
        }
        Err(error) => job.watch.failed(&job.session, error),
    }
    ended
}

async fn go_on(job: &mut Job, mut answer: Answer) -> Result<QueryResult, RequestError> {
    let mut past = Past::default();
    let mut rounds = Rounds::default();
    loop {
        let error = match answer {
            Answer::Done(result) => return Ok(result),
            Answer::SchemaChanged(mut result, change) => {
                let agreement = agreement::wait_after(&job.session, result.coordinator()).await;
                // Whoever changes the schema finds the change in its metadata.
                job.session.cluster().schema_changed(change.clone()).await;
                result.set_schema_change(change, agreement);
                return Ok(result);
            }
            Answer::KeyspaceSet(mut result, keyspace) => {
                if job.request.switches_keyspace() {
                    job.session.switch_keyspace(&keyspace).await;
                } else {
                    if job.session.begin_unseen_switch(result.coordinator()).await {
                        job.session.switch_keyspace(&keyspace).await;
                    }
                    job.session.end_switch();
                }
                result.set_keyspace(keyspace);
                return Ok(result);
            }
            Answer::Unexpected(found) => return Err(job.fail(RequestErrorKind::UnexpectedAnswer { found })),
            Answer::Unprepared(error) => match reprepare(job, &mut rounds, &error).await? {
                Reprepared::Again(pending) => {
                    answer = answer::understand(job, pending.await);
                    continue;
                }
                Reprepared::Failed(error) => error,
            },
            Answer::Failed(error) => error,
        };
        answer = match next_step(job, error, &mut past).await? {
            Step::Wait(pending) => answer::understand(job, pending.await),
            Step::Ignore => match job.plan.current_planned() {
                Some(node) => {
                    let extras = Extras {
                        attempts: job.attempts.take(),
                        ..Extras::default()
                    };
                    Answer::Done(QueryResult::new(node, None, extras))
                }
                None => return Err(job.fail(RequestErrorKind::NoNode)),
            },
        };
    }
}

/// What earlier attempts have left.
#[derive(Default)]
struct Past {
    /// How many of them were sent.
    retries: usize,
    /// Another plan is to follow this one.
    replan: bool,
}

/// What follows a failed attempt, if not the end.
enum Step {
    /// Another attempt.
    Wait(PendingResponse),
    /// An empty result.
    Ignore,
}

async fn next_step(job: &mut Job, error: AttemptError, past: &mut Past) -> Result<Step, RequestError> {
    if let AttemptError::TimedOut = error {
        job.push(error);
        return Err(job.timed_out());
    }
    let was_sent = !matches!(error, AttemptError::NoConnection | AttemptError::NotSent(_));
    let kind = retrying::kind_of(&error);
    let next = retrying::decide(job, &error, past.retries);
    if let Some(node) = job.plan.current() {
        let decision = next.decision();
        match &job.role {
            Role::Run(run) => run.observe(|watch| watch.decided(&job.session, node, &error, decision)),
            _ => job.watch.decided(&job.session, node, &error, decision),
        }
    }
    job.push(error);
    let retry = match next {
        _ if job.session.is_closed() => return Err(job.fail(kind)),
        Next::Fail => return Err(job.fail(kind)),
        Next::BudgetExhausted => return Err(job.fail(kind).with_exhausted_budget()),
        Next::Ignore => return Ok(Step::Ignore),
        Next::Retry(retry) => retry,
    };
    if !retrying::pause(job, retry.delay).await || job.session.is_closed() {
        return Err(job.fail(kind));
    }
    past.retries += usize::from(was_sent);
    past.replan |= retry.replan;
    if let Some(consistency) = retry.consistency {
        job.consistency = consistency;
    }
    let mut sent = match retry.same_node {
        true => job.send_again().map_err(|kind| job.fail(kind))?,
        false => None,
    };
    if sent.is_none() {
        sent = match job.send_next() {
            Ok(pending) => Some(pending),
            Err(RequestErrorKind::NoNode) if queue::is_worth_waiting(job) => {
                match queue::wait_for_room(job).await {
                    Ok(pending) => Some(pending),
                    Err(RequestErrorKind::NoNode) => None,
                    Err(kind) => return Err(job.fail(kind)),
                }
            }
            // The plan has ended: what went wrong before is what the user has to know.
            Err(RequestErrorKind::NoNode) => None,
            Err(kind) => return Err(job.fail(kind)),
        };
    }
    if sent.is_none() && std::mem::take(&mut past.replan) && retrying::may_replan(job) {
        sent = send_by_another_plan(job).await?;
    }
    sent.map(Step::Wait)
        .ok_or_else(|| job.fail(kind).with_exhausted_plan())
}

/// Sends the request to the first node of another plan that takes it; `None` when none does.
#[cold]
async fn send_by_another_plan(job: &mut Job) -> Result<Option<PendingResponse>, RequestError> {
    if !retrying::pause(job, BETWEEN_PLANS).await || job.session.is_closed() {
        return Ok(None);
    }
    job.plan_anew();
    match job.send_next() {
        Ok(pending) => Ok(Some(pending)),
        Err(RequestErrorKind::NoNode) => Ok(None),
        Err(kind) => Err(job.fail(kind)),
    }
}

/// How often statements were prepared again for this request, by node and id.
#[derive(Default)]
struct Rounds(Vec<(Uuid, Bytes, usize)>);

impl Rounds {
    /// Counts one more round for this statement on this node.
    fn count(&mut self, host_id: Uuid, id: &Bytes) -> usize {
        let known = self
            .0
            .iter_mut()
            .find(|(node, known, _)| *node == host_id && known == id);
        match known {
            Some((_, _, count)) => {
                *count += 1;
                *count
            }
            None => {
                self.0.push((host_id, id.clone(), 1));
                1
            }
        }
    }
}

enum Reprepared {
    /// The request was sent again.
    Again(PendingResponse),
    /// The attempt failed after all.
    Failed(AttemptError),
}

/// Prepares the statement again, on the node that does not know it, and sends the request again.
async fn reprepare(
    job: &mut Job,
    rounds: &mut Rounds,
    error: &Arc<ServerError>,
) -> Result<Reprepared, RequestError> {
    let ErrorDetails::Unprepared { id } = &error.details else {
        return Ok(Reprepared::Failed(AttemptError::Server(Arc::clone(error))));
    };
    let Some(statement) = statement_of(&job.request.statement, id) else {
        // The server does not know an id that was not sent.
        return Ok(Reprepared::Failed(AttemptError::Server(Arc::clone(error))));
    };
    let host_id = job.node().map_or(Uuid::nil(), |node| node.host_id());
    let round = rounds.count(host_id, statement.id());
    if round > REPREPARE_ROUNDS {
        job.push(AttemptError::Server(Arc::clone(error)));
        return Err(job.fail(RequestErrorKind::Unprepared { rounds: round - 1 }));
    }
    tracing::debug!(node = ?job.node(), text = statement.text(), round, "prepared again");
    let pool = job.node().and_then(|node| {
        let pools = job.session.pools();
        pools.shared(node).cloned()
    });
    let prepared = match pool {
        Some(pool) => prepare_again(&pool, job.session.owner(), statement.core(), job.deadline).await,
        None => Err(AttemptError::NoConnection),
    };
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err(error) => return Ok(Reprepared::Failed(error)),
    };
    if prepared.id != *statement.id() {
        job.push(AttemptError::Server(Arc::clone(error)));
        job.session.cached.give_up(statement.core());
        let no_keyspace = || "none".to_owned();
        return Err(job.fail(RequestErrorKind::PreparedIdChanged {
            prepared_in: statement
                .core()
                .prepared_in()
                .map_or_else(no_keyspace, str::to_owned),
            session_in: job
                .session
                .keyspace()
                .map_or_else(no_keyspace, |name| name.to_string()),
        }));
    }
    if let Some((before, now)) = statement.core().changed_marker(&prepared) {
        job.push(AttemptError::Server(Arc::clone(error)));
        job.session.cached.give_up(statement.core());
        return Err(job.fail(RequestErrorKind::BindMarkerChanged {
            marker: before.name.to_string(),
            before: Box::new(before.ty.clone()),
            now: Box::new(now.ty.clone()),
        }));
    }
    statement.core().update(&prepared);
    if let Some(node) = job.node() {
        job.session.meter().node(node).reprepared();
    }
    match job.send_again() {
        Ok(Some(pending)) => Ok(Reprepared::Again(pending)),
        // Noted already; nothing was run.
        Ok(None) => match job.send_next() {
            Ok(pending) => Ok(Reprepared::Again(pending)),
            Err(kind) => Err(job.fail(kind)),
        },
        Err(kind) => Err(job.fail(kind)),
    }
}

/// The prepared statement that the server means.
fn statement_of(statement: &Statement, id: &[u8]) -> Option<PreparedStatement> {
    match statement {
        Statement::Simple(_) => None,
        Statement::Prepared(statement) => Some(statement.clone()),
        Statement::Batch(batch) => batch.items().iter().find_map(|item| match item {
            BatchItem::Prepared(statement, _) if *statement.id() == *id => Some(statement.clone()),
            _ => None,
        }),
    }
}
