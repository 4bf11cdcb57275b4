//! A request as it is observed, from its start to its end.
//!
//! A part of the executor's job, which says what happens; from here it goes to counters, spans and trackers. A request whose
//! only attempt is answered by a result, and that nobody watches closely, needs neither memory nor a lock.
//! Invariant: each request ends once, by success, failure, or because nobody waits for it any more.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use helenus_protocol::{ConsistencyLevel, CustomPayload};
use tracing::Span;

use super::request_id::PAYLOAD_KEY;
use super::tracker::{AttemptInfo, RequestEnd, RequestInfo, RequestTracker};
use super::{Cause, span};
use crate::clock::Moment;
use crate::cluster::Node;
use crate::connection::PendingResponse;
use crate::error::{AttemptError, RequestError};
use crate::executor::Request;
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
    started: Option<Moment>,
    /// Attempts sent.
    sent: u32,
    ended: bool,
    /// What only some requests need.
    more: Option<Box<More>>,
}

#[derive(Debug, Default)]
struct More {
    /// Attempts under way: all of them when the request is watched closely, else all but the first.
    attempts: Vec<UnderWay>,
    speculative: u32,
    closely: Option<Closely>,
}

#[derive(Debug)]
struct UnderWay {
    node: Arc<Node>,
    started: Instant,
    number: u32,
    speculative: bool,
    span: Span,
}

/// A request that somebody watches.
#[derive(Debug)]
struct Closely {
    /// Without its values.
    request: Request,
    consistency: ConsistencyLevel,
    page_size: Option<i32>,
    keyspace: Option<Arc<str>>,
    id: Option<Arc<str>>,
    /// That of the request with its id.
    payload: Option<CustomPayload>,
    trackers: Arc<[Arc<dyn RequestTracker>]>,
    span: Span,
}

impl Closely {
    fn info(&self) -> RequestInfo<'_> {
        RequestInfo {
            request: &self.request,
            keyspace: self.keyspace.as_deref(),
            id: self.id.as_deref(),
            consistency: self.consistency,
            page_size: self.page_size,
        }
    }

    fn tell(&self, what: impl Fn(&dyn RequestTracker, &RequestInfo<'_>)) {
        let info = self.info();
        for tracker in self.trackers.iter() {
            what(&**tracker, &info);
        }
    }
}

impl Watch {
    /// A request begins. `now` is the time if it was read already.
    #[inline]
    pub(crate) fn start(
        session: &SessionShared,
        request: &Request,
        consistency: ConsistencyLevel,
        page_size: Option<i32>,
        now: Option<Moment>,
    ) -> Self {
        let options = session.meter().options();
        let closely = options.watches_requests() || span::wanted();
        let more = match closely {
            true => Some(watch_closely(session, request, consistency, page_size)),
            false => None,
        };
        Self {
            started: (options.latency || closely).then(|| now.unwrap_or_else(|| Moment::of(Instant::now()))),
            sent: 0,
            ended: false,
            more,
        }
    }

    /// For one of several executions of a request, which is watched as a whole.
    pub(crate) fn none() -> Self {
        Self {
            started: None,
            sent: 0,
            ended: true,
            more: None,
        }
    }

    /// The custom payload to be sent instead of the request's own, which is part of it.
    #[inline]
    pub(crate) fn payload(&self) -> Option<&CustomPayload> {
        self.more.as_ref()?.closely.as_ref()?.payload.as_ref()
    }

    /// An attempt was sent to this node.
    #[inline]
    pub(crate) fn sent(
        &mut self,
        session: &SessionShared,
        node: &Arc<Node>,
        consistency: ConsistencyLevel,
        kind: AttemptKind,
    ) {
        self.sent += 1;
        if self.sent > 1 || self.more.is_some() {
            self.note_sent(session, node, consistency, kind);
        }
    }

    #[cold]
    fn note_sent(
        &mut self,
        session: &SessionShared,
        node: &Arc<Node>,
        consistency: ConsistencyLevel,
        kind: AttemptKind,
    ) {
        let speculative = kind == AttemptKind::Speculative;
        let more = self.more.get_or_insert_default();
        if speculative {
            session.meter().node(node).speculated();
            more.speculative += 1;
        }
        let request = more.closely.as_ref().map(|closely| &closely.span);
        let span = request.map_or_else(Span::none, |request| {
            span::of_attempt(request, node, consistency, self.sent, speculative)
        });
        more.attempts.push(UnderWay {
            node: Arc::clone(node),
            started: self
                .started
                .filter(|_| self.sent == 1)
                .map_or_else(Instant::now, Moment::instant),
            number: self.sent,
            speculative,
            span,
        });
    }

    /// The attempt at this node failed, or could not even be sent.
    #[cold]
    pub(crate) fn attempt_failed(&mut self, session: &SessionShared, node: &Arc<Node>, error: &AttemptError) {
        let cause = Cause::of_attempt(error);
        session.meter().node(node).failed(cause);
        let ended = self.take(node);
        if let Some(ended) = &ended {
            span::record_error(&ended.span, cause);
        }
        self.tell_attempt(node, ended.as_ref(), Some(error));
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

    /// The request ends: its only attempt, which was waited for here, was answered by a result.
    #[inline]
    pub(crate) fn succeeded_at_once(
        &mut self,
        session: &SessionShared,
        attempt: &PendingResponse,
        result: &QueryResult,
    ) {
        let Some(meter) = attempt.meter().filter(|_| self.sent == 1) else {
            return self.succeeded(session, result);
        };
        let started = self.started.filter(|_| session.meter().options().latency);
        let latency = started.map(|started| attempt.answered_at().micros_since(started));
        if !meter.answered_at_once(session.owner(), latency) {
            // Its session has left the pool meanwhile.
            session
                .meter()
                .node(result.coordinator())
                .answered_at_once(latency);
        }
        self.ended = true;
        if self.more.is_some() {
            self.tell_success(result);
        }
    }

    /// The request ends with a result.
    #[cold]
    pub(crate) fn succeeded(&mut self, session: &SessionShared, result: &QueryResult) {
        self.ended = true;
        let meter = session.meter();
        // One that was ignored was not answered.
        let ignored = result
            .attempts()
            .last()
            .is_some_and(|last| last.node == *result.coordinator());
        if !ignored || self.under_way(result.coordinator()).is_some() {
            let started = self
                .under_way(result.coordinator())
                .map(|attempt| attempt.started);
            let latency = started
                .or_else(|| self.started())
                .map(|started| started.elapsed());
            let latency = latency.filter(|_| meter.options().latency);
            meter.node(result.coordinator()).answered(latency);
        }
        meter.succeeded(self.started());
        if self.more.is_some() {
            self.tell_success(result);
        }
    }

    #[cold]
    fn tell_success(&mut self, result: &QueryResult) {
        let node = result.coordinator();
        if let Some(ended) = self.take(node) {
            self.tell_attempt(node, Some(&ended), None);
        }
        self.tell_end(Some(node), |tracker, info, end| {
            tracker.on_success(info, end, result)
        });
        if let Some(span) = self.span()
            && let Some(rows) = result.raw_rows()
        {
            span.record("db.response.returned_rows", rows.row_count);
        }
    }

    /// The request ends with an error, which is told the request's id.
    #[cold]
    pub(crate) fn failed(&mut self, session: &SessionShared, error: &mut RequestError) {
        self.ended = true;
        let cause = Cause::of_request(error.kind());
        session.meter().failed(cause, self.started());
        let Some(closely) = self.more.as_ref().and_then(|more| more.closely.as_ref()) else {
            return;
        };
        if let Some(id) = &closely.id {
            error.set_request_id(Arc::clone(id));
        }
        span::record_error(&closely.span, cause);
        if let Some(answer) = error.server_error() {
            let code = tracing::field::display(format_args!("{:#06x}", answer.code.code())).to_string();
            closely.span.record("db.response.status_code", code);
        }
        let error = &*error;
        self.tell_end(error.coordinator(), |tracker, info, end| {
            tracker.on_error(info, end, error)
        });
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
        if let Some(span) = self.span() {
            span.record("error.type", "cancelled");
        }
        let last = self.more.as_ref().and_then(|more| more.attempts.last());
        let node = last.map(|attempt| Arc::clone(&attempt.node));
        self.tell_end(node.as_ref(), |tracker, info, end| tracker.on_cancel(info, end));
    }

    /// When it began.
    fn started(&self) -> Option<Instant> {
        self.started.map(Moment::instant)
    }

    fn span(&self) -> Option<&Span> {
        Some(&self.more.as_ref()?.closely.as_ref()?.span)
    }

    fn tell_attempt(&self, node: &Arc<Node>, ended: Option<&UnderWay>, error: Option<&AttemptError>) {
        let Some(closely) = self.more.as_ref().and_then(|more| more.closely.as_ref()) else {
            return;
        };
        let attempt = AttemptInfo {
            node,
            number: ended.map_or(self.sent, |ended| ended.number),
            speculative: ended.is_some_and(|ended| ended.speculative),
            latency: ended.map_or(Duration::ZERO, |ended| ended.started.elapsed()),
            error,
        };
        closely.tell(|tracker, info| tracker.on_attempt(info, &attempt));
    }

    fn tell_end(
        &self,
        node: Option<&Arc<Node>>,
        what: impl Fn(&dyn RequestTracker, &RequestInfo<'_>, &RequestEnd<'_>),
    ) {
        let Some(more) = &self.more else {
            return;
        };
        let Some(closely) = &more.closely else {
            return;
        };
        span::record_end(&closely.span, node, self.sent, more.speculative);
        let end = RequestEnd {
            node,
            latency: self.started().map_or(Duration::ZERO, |started| started.elapsed()),
            attempts: self.sent,
        };
        closely.tell(|tracker, info| what(tracker, info, &end));
    }

    fn under_way(&self, node: &Arc<Node>) -> Option<&UnderWay> {
        let attempts = &self.more.as_ref()?.attempts;
        attempts.iter().find(|attempt| attempt.node == *node)
    }

    /// The attempt at this node, which is over.
    fn take(&mut self, node: &Arc<Node>) -> Option<UnderWay> {
        let attempts = &mut self.more.as_mut()?.attempts;
        let at = attempts.iter().position(|attempt| attempt.node == *node)?;
        Some(attempts.swap_remove(at))
    }
}

#[cold]
fn watch_closely(
    session: &SessionShared,
    request: &Request,
    consistency: ConsistencyLevel,
    page_size: Option<i32>,
) -> Box<More> {
    let options = session.meter().options();
    let id: Option<Arc<str>> = options.request_ids.as_ref().map(|ids| ids.next_id().into());
    let payload = id.as_ref().map(|id| {
        let own = request.options().custom_payload.as_deref();
        let mut payload = own.cloned().unwrap_or_default();
        payload.insert(PAYLOAD_KEY.to_owned(), Some(Bytes::from(id.to_string())));
        payload
    });
    let mut closely = Closely {
        request: request.without_values(),
        consistency,
        page_size,
        keyspace: session.keyspace(),
        id,
        payload,
        trackers: Arc::clone(&options.trackers),
        span: Span::none(),
    };
    if span::wanted() {
        closely.span = span::of_request(&closely.info());
    }
    closely.tell(|tracker, info| tracker.on_start(info));
    Box::new(More {
        closely: Some(closely),
        ..More::default()
    })
}
