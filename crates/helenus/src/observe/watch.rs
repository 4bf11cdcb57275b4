//! A request as it is observed, from its start to its end.
//!
//! A part of the executor's job, which says what happens; here it is counted. A request whose only attempt is answered by a
//! result needs neither memory nor a lock.
//! Invariant: each request ends once, by success, failure, or because nobody waits for it any more.

use std::sync::Arc;
use std::time::Instant;

use super::{Cause, NodeMeter};
use crate::cluster::Node;
use crate::error::{AttemptError, RequestError};
use crate::policy::RetryDecision;
use crate::result::QueryResult;
use crate::session::SessionShared;

/// Why an attempt is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AttemptKind {
    /// It is the first one, or follows one that failed.
    Next,
    /// Another one has not been answered yet.
    Speculative,
}

/// What is noted of one request.
#[derive(Debug)]
pub(crate) struct Watch {
    /// When it began, if anybody wants to know.
    started: Option<Instant>,
    /// Attempts sent.
    sent: u32,
    ended: bool,
    /// Of the second and later attempts those that are under way.
    later: Vec<(Arc<Node>, Instant)>,
}

impl Watch {
    /// A request begins. `now` is the time if it was read already.
    #[inline]
    pub(crate) fn start(session: &SessionShared, now: Option<Instant>) -> Self {
        let times = session.meter().times();
        Self {
            started: times.then(|| now.unwrap_or_else(Instant::now)),
            sent: 0,
            ended: false,
            later: Vec::new(),
        }
    }

    /// An attempt was sent to this node.
    #[inline]
    pub(crate) fn sent(&mut self, session: &SessionShared, node: &Arc<Node>, kind: AttemptKind) {
        self.sent += 1;
        if self.sent > 1 {
            self.sent_again(session, node, kind);
        }
    }

    #[cold]
    fn sent_again(&mut self, session: &SessionShared, node: &Arc<Node>, kind: AttemptKind) {
        if kind == AttemptKind::Speculative {
            session.meter().node(node).speculated();
        }
        if self.started.is_some() {
            self.later.push((Arc::clone(node), Instant::now()));
        }
    }

    /// The attempt at this node failed, or could not even be sent.
    #[cold]
    pub(crate) fn attempt_failed(&mut self, session: &SessionShared, node: &Arc<Node>, error: &AttemptError) {
        session.meter().node(node).failed(Cause::of_attempt(error));
        self.take_later(node);
    }

    /// What the retry policy said about an attempt that failed at this node.
    #[cold]
    pub(crate) fn decided(
        &mut self,
        session: &SessionShared,
        node: &Arc<Node>,
        error: &AttemptError,
        decision: RetryDecision,
    ) {
        let meter = session.meter().node(node);
        let cause = Cause::of_attempt(error);
        match decision {
            RetryDecision::Fail => {}
            RetryDecision::Ignore => meter.ignored(cause),
            RetryDecision::Retry(_) => meter.retried(cause),
        }
    }

    /// The request ends: its only attempt was answered by a result, on a connection with this meter.
    #[inline]
    pub(crate) fn succeeded_at_once(
        &mut self,
        session: &SessionShared,
        meter: Option<&Arc<NodeMeter>>,
        result: &QueryResult,
    ) {
        let Some(meter) = meter.filter(|_| self.sent == 1) else {
            return self.succeeded(session, result);
        };
        self.ended = true;
        meter.answered_at_once(self.started.map(|started| started.elapsed()));
    }

    /// The request ends with a result.
    #[cold]
    pub(crate) fn succeeded(&mut self, session: &SessionShared, result: &QueryResult) {
        self.ended = true;
        let node = result.coordinator();
        let started = match self.sent {
            1 => self.started,
            _ => self.take_later(node).or(self.started),
        };
        let latency = started.map(|started| started.elapsed());
        session.meter().node(node).answered(latency);
        session.meter().succeeded(self.started);
    }

    /// The request ends with an error.
    #[cold]
    pub(crate) fn failed(&mut self, session: &SessionShared, error: &RequestError) {
        self.ended = true;
        session
            .meter()
            .failed(Cause::of_request(error.kind()), self.started);
    }

    /// Whether it has ended.
    #[inline]
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// The request ends: nobody waits for it any more.
    #[cold]
    pub(crate) fn cancelled(&mut self, session: &SessionShared) {
        self.ended = true;
        session.meter().cancelled();
    }

    /// When the attempt at this node began, if it was not the first one; it is over.
    fn take_later(&mut self, node: &Arc<Node>) -> Option<Instant> {
        let at = self.later.iter().position(|(known, _)| known == node)?;
        Some(self.later.swap_remove(at).1)
    }
}
