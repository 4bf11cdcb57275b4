//! Running requests: one executor for every kind of statement.
//!
//! ```text
//!   Session::start ─▶ Job (options, deadline, plan) ─▶ send to the first node ─▶ Execution::poll ─▶ answer ─▶ QueryResult
//!                                                                                      │ anything else
//!                                                                                      ▼
//!                                    slow: retries, other nodes, PREPARE again, schema agreement, USE everywhere
//! ```
//! The first attempt needs no box, no task and no timer of its own. Everything else goes on in a boxed future.
//! Invariants: an execution completes exactly once. One deadline covers all its attempts. Nothing is sent twice unless it
//! certainly was not run, or the retry policy says so and it is idempotent.

mod answer;
mod budget;
mod continuous;
mod encode;
mod job;
mod queue;
mod request;
mod retrying;
mod slow;
mod speculating;
mod switching;
mod throttle;

pub use request::Request;

pub(crate) use budget::Budget;
pub(crate) use continuous::Continuous;
pub use continuous::ContinuousPages;
pub(crate) use throttle::Throttle;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::cluster::Node;
use crate::connection::PendingResponse;
use crate::error::{AttemptError, RequestError, RequestErrorKind};
use crate::policy::SpeculativeExecutionPolicy;
use crate::result::QueryResult;
use crate::session::{PoolTable, SessionShared};
use crate::shard::Local;
use answer::Answer;
use job::Job;

type Output = Result<QueryResult, RequestError>;

/// A request that is under way: completes with its result. It was sent when this was made, whether it is polled or not, unless
/// all nodes had as many requests as they may have.
///
/// May be polled by any thread, with any waker, in or outside of a tokio runtime.
///
/// # Cancel safety
/// Dropping it gives up: nothing more is sent. What was sent may still be applied.
///
/// # Panics
/// When it is polled after it has completed.
#[must_use = "dropping it cancels the request"]
pub struct Execution(State);

#[expect(
    clippy::large_enum_variant,
    reason = "the large variant is the one that must not be boxed: the fast path"
)]
enum State {
    /// What was sent; nothing while the execution is made.
    First(Option<PendingResponse>, Job),
    /// With the node that it was sent to at first, when that was at once.
    Slow(Pin<Box<dyn Future<Output = Output> + Send>>, Option<Arc<Node>>),
    Failed(RequestError),
    Done,
}

impl Execution {
    /// Sends a request, by pools at hand.
    #[inline(always)]
    pub(crate) fn start(session: &Local<SessionShared>, pools: &PoolTable, request: Request) -> Self {
        // It is made where the caller wants it as long as this function has one end.
        let mut this = Self::new(session, pools, request);
        this.begin(session, pools);
        this
    }

    #[inline(always)]
    fn begin(&mut self, session: &Local<SessionShared>, pools: &PoolTable) {
        let State::First(pending, job) = &mut self.0 else {
            return;
        };
        if session.throttle().is_some() || job.request.switches_keyspace() {
            return self.enter_gate();
        }
        let sent = match session.is_closed() {
            true => Err(RequestErrorKind::SessionClosed),
            false => job.check().and_then(|()| job.send_first_by(pools, pending)),
        };
        match sent {
            Ok(()) => {
                if let Some(policy) = job.speculation() {
                    self.speculate(policy);
                }
            }
            Err(RequestErrorKind::NoNode) if queue::is_worth_waiting(job) => self.wait_for_room(),
            Err(kind) => self.fail(kind),
        }
    }

    /// It was not sent.
    #[cold]
    fn fail(&mut self, kind: RequestErrorKind) {
        if let State::First(_, job) = &mut self.0 {
            let mut error = job.fail(kind);
            job.watch.failed(&job.session, &mut error);
            *self = Self::failed(error);
        }
    }

    /// Nothing is sent yet. A function of its own, so that what it makes, which is large, is made in its place and not moved
    /// there.
    #[inline(never)]
    fn new(session: &Local<SessionShared>, pools: &PoolTable, request: Request) -> Self {
        Self(State::First(None, Job::new(session, pools, request)))
    }

    /// There may be further executions of it.
    #[cold]
    fn speculate(&mut self, policy: Arc<dyn SpeculativeExecutionPolicy>) {
        if let State::First(Some(pending), job) = std::mem::replace(&mut self.0, State::Done) {
            let node = job.node().cloned();
            self.0 = State::Slow(Box::pin(speculating::run(job, pending, policy)), node);
        }
    }

    /// It is sent when it is its turn, or when it has the connections for itself, if not now.
    #[cold]
    fn enter_gate(&mut self) {
        if let State::First(None, job) = std::mem::replace(&mut self.0, State::Done) {
            let start = match job.request.switches_keyspace() {
                true => switching::start,
                false => throttle::start,
            };
            self.0 = match start(job) {
                Ok((future, node)) => State::Slow(future, node),
                Err(error) => State::Failed(error),
            };
        }
    }

    /// A request that failed before it was sent.
    pub(crate) fn failed(error: RequestError) -> Self {
        Self(State::Failed(error))
    }

    /// No node has room for the first attempt.
    #[cold]
    fn wait_for_room(&mut self) {
        if let State::First(_, job) = std::mem::replace(&mut self.0, State::Done) {
            self.0 = State::Slow(Box::pin(slow::run_when_there_is_room(job)), None);
        }
    }

    /// The first attempt did not end the request.
    #[cold]
    fn go_on(&mut self, answer: Answer) {
        if let State::First(_, job) = std::mem::replace(&mut self.0, State::Done) {
            self.0 = State::Slow(Box::pin(slow::run(job, answer)), None);
        }
    }

    /// The node that the request was sent to at once, until that attempt has ended; in a session with a throttle, and with
    /// speculative executions, until the request has ended. `None` while it waits to be sent.
    pub fn first_node(&self) -> Option<&Arc<Node>> {
        match &self.0 {
            State::First(_, job) => job.node(),
            State::Slow(_, node) => node.as_ref(),
            _ => None,
        }
    }
}

impl Future for Execution {
    type Output = Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Output> {
        let this = self.get_mut();
        loop {
            match &mut this.0 {
                State::First(Some(pending), job) => {
                    let Poll::Ready(mut outcome) = pending.poll_answer(cx) else {
                        return Poll::Pending;
                    };
                    if let Ok(envelope) = &mut outcome
                        && let Some(plain) = answer::plain(job, envelope)
                    {
                        match plain {
                            Ok(result) => {
                                job.watch.succeeded_at_once(&job.session, pending, &result);
                                this.0 = State::Done;
                                return Poll::Ready(Ok(result));
                            }
                            Err(error) => this.go_on(Answer::Failed(AttemptError::Protocol(error))),
                        }
                        continue;
                    }
                    match answer::understand(job, outcome) {
                        Answer::Done(result) => {
                            job.watch.succeeded_at_once(&job.session, pending, &result);
                            this.0 = State::Done;
                            return Poll::Ready(Ok(result));
                        }
                        other => this.go_on(other),
                    }
                }
                // Not given away before the request was sent.
                State::First(None, job) => this.0 = State::Failed(job.fail(RequestErrorKind::NoNode)),
                State::Slow(future, _) => {
                    let Poll::Ready(output) = future.as_mut().poll(cx) else {
                        return Poll::Pending;
                    };
                    this.0 = State::Done;
                    return Poll::Ready(output);
                }
                State::Failed(_) => {
                    let State::Failed(error) = std::mem::replace(&mut this.0, State::Done) else {
                        continue;
                    };
                    return Poll::Ready(Err(error));
                }
                State::Done => panic!("an execution was polled after it had completed"),
            }
        }
    }
}

impl fmt::Debug for Execution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.0 {
            State::First(..) => "first attempt",
            State::Slow(..) => "under way",
            State::Failed(_) => "failed",
            State::Done => "done",
        };
        f.debug_tuple("Execution").field(&state).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_pointer_width = "64")]
    fn a_request_is_small_for_whoever_awaits_it_moves_it() {
        assert!(size_of::<Execution>() <= 256, "{}", size_of::<Execution>());
    }
}
