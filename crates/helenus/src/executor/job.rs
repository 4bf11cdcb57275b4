//! A request on its way: what was decided for it, its plan, and what became of its attempts.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, Instant};

use helenus_protocol::{ColumnSpec, ConsistencyLevel};

use super::encode;
use super::request::{Request, Statement};
use crate::cluster::Node;
use crate::connection::{PendingResponse, SubmitError};
use crate::error::{Attempt, AttemptError, RequestError, RequestErrorKind};
use crate::observe::{AttemptKind, Watch};
use crate::policy::{QueryPlan, RouteContext};
use crate::pool::Pool;
use crate::profile::ExecutionProfile;
use crate::session::SessionShared;
use crate::shard::Local;

/// All that belongs to one request, from its start to its end.
pub(super) struct Job {
    pub(super) session: Local<SessionShared>,
    pub(super) request: Request,
    pub(super) consistency: ConsistencyLevel,
    pub(super) serial_consistency: Option<ConsistencyLevel>,
    pub(super) page_size: Option<i32>,
    pub(super) deadline: Option<Instant>,
    pub(super) plan: QueryPlan,
    /// The node of the current attempt.
    pub(super) node: Option<Arc<Node>>,
    /// The columns, when the current attempt asked for rows without them.
    pub(super) columns: Option<Arc<[ColumnSpec]>>,
    /// Attempts that failed.
    pub(super) attempts: Vec<Attempt>,
    pub(super) watch: Watch,
}

/// What became of handing a request over, and the columns, if rows will come without them.
type Submitted = (Result<PendingResponse, AttemptError>, Option<Arc<[ColumnSpec]>>);

impl Job {
    /// Decides everything that the request and its statement leave to profile and session.
    #[inline]
    pub(super) fn new(session: &Local<SessionShared>, mut request: Request) -> Self {
        if let Some(budget) = session.budget() {
            budget.count_request();
        }
        let options = request.options();
        let profile = profile(session, &request);
        let consistency = options.consistency.unwrap_or_else(|| profile.consistency());
        let serial_consistency = options
            .serial_consistency
            .or_else(|| profile.serial_consistency());
        let page_size = options.page_size.unwrap_or_else(|| profile.page_size());
        let page_size = (page_size > 0).then_some(page_size);
        let limit = limit(session, &request);
        let now = limit.map(|_| crate::clock::now());
        let deadline = now.zip(limit).and_then(|(now, limit)| now.checked_add(limit));
        let plan = plan(session, &request, profile, (consistency, serial_consistency));
        // The same for all attempts.
        request.timestamp = match request.timestamp.or(options.timestamp) {
            None if request.writes() => session.next_timestamp(),
            given => given,
        };
        Self {
            consistency,
            serial_consistency,
            page_size,
            deadline,
            plan,
            node: None,
            columns: None,
            attempts: Vec::new(),
            watch: Watch::start(session, &request, consistency, page_size, now),
            session: session.clone(),
            request,
        }
    }

    /// Whether the options make sense.
    ///
    /// # Errors
    /// [`RequestErrorKind::InvalidOption`].
    #[inline]
    pub(super) fn check(&self) -> Result<(), RequestErrorKind> {
        match self.serial_consistency.filter(|level| !level.is_serial()) {
            None => Ok(()),
            Some(level) => Err(RequestErrorKind::InvalidOption {
                option: "serial_consistency",
                reason: format!("{level} is not SERIAL or LOCAL_SERIAL"),
            }),
        }
    }

    /// Sends the request to the next node of the plan that takes it.
    ///
    /// # Errors
    /// [`RequestErrorKind::NoNode`] at the end of the plan; [`RequestErrorKind::Encode`] when no node will ever take it.
    pub(super) fn send_next(&mut self) -> Result<PendingResponse, RequestErrorKind> {
        while let Some(node) = self.plan.next() {
            self.node = Some(node);
            if let Some(pending) = self.send_again()? {
                return Ok(pending);
            }
        }
        Err(RequestErrorKind::NoNode)
    }

    /// Sends the request to the current node; `None` when that cannot take it.
    ///
    /// # Errors
    /// As [`Job::send_next`].
    pub(super) fn send_again(&mut self) -> Result<Option<PendingResponse>, RequestErrorKind> {
        let (submitted, columns) = self.submit();
        self.columns = columns;
        match submitted {
            Ok(pending) => {
                if let Some(node) = &self.node {
                    self.watch
                        .sent(&self.session, node, self.consistency, AttemptKind::Next);
                }
                Ok(Some(pending))
            }
            Err(AttemptError::NotSent(SubmitError::Encode(error))) => Err(RequestErrorKind::Encode(error)),
            Err(error) => {
                self.push(error);
                Ok(None)
            }
        }
    }

    /// Sends the request to the current node, in whose line it is the first, by its pool. A refusal is not noted.
    ///
    /// # Errors
    /// [`RequestErrorKind::Encode`].
    pub(super) fn send_in_turn(
        &mut self,
        pool: &Pool,
    ) -> Result<Result<PendingResponse, AttemptError>, RequestErrorKind> {
        let (submitted, columns) = self.submit_to(pool, true);
        self.columns = columns;
        match submitted {
            Err(AttemptError::NotSent(SubmitError::Encode(error))) => Err(RequestErrorKind::Encode(error)),
            submitted => {
                if let (Ok(_), Some(node)) = (&submitted, &self.node) {
                    self.watch
                        .sent(&self.session, node, self.consistency, AttemptKind::Next);
                }
                Ok(submitted)
            }
        }
    }

    /// Hands the request to a connection of the current node. With it come the columns, if rows will come without them.
    #[inline]
    fn submit(&self) -> Submitted {
        let pools = self.session.pools();
        let Some(pool) = self.node.as_ref().and_then(|node| pools.of(node)) else {
            return (Err(AttemptError::NoConnection), None);
        };
        self.submit_to(pool, false)
    }

    #[inline]
    fn submit_to(&self, pool: &Pool, in_turn: bool) -> Submitted {
        let Statement::Prepared(statement) = &self.request.statement else {
            let submitted = pool.submit(in_turn, self.deadline, |context, out| {
                encode::encode(self, None, context, out)
            });
            return (submitted, None);
        };
        let core = statement.core();
        let metadata = core.result();
        let skips = Cell::new(false);
        let submitted = pool.submit(in_turn, self.deadline, |context, out| {
            skips.set(encode::skips_metadata(core, &metadata, context.version));
            encode::encode(self, Some(&metadata), context, out)
        });
        let columns = skips.get().then(|| Arc::clone(&metadata.columns));
        (submitted, columns)
    }

    /// Notes what became of the current attempt.
    pub(super) fn push(&mut self, error: AttemptError) {
        if let Some(node) = &self.node {
            tracing::debug!(%node, %error, "attempt failed");
            self.watch.attempt_failed(&self.session, node, &error);
            self.attempts.push(Attempt {
                node: Arc::clone(node),
                consistency: self.consistency,
                error,
            });
        }
    }

    /// The error that ends the request.
    pub(super) fn fail(&mut self, kind: RequestErrorKind) -> RequestError {
        RequestError::new(kind, std::mem::take(&mut self.attempts))
    }

    /// The error for a request whose time ran out, the current attempt noted before.
    pub(super) fn timed_out(&mut self) -> RequestError {
        let kind = self.timeout();
        self.fail(kind)
    }

    pub(super) fn timeout(&self) -> RequestErrorKind {
        let limit = limit(&self.session, &self.request).unwrap_or_default();
        RequestErrorKind::Timeout { limit }
    }

    /// The profile that the request runs with.
    pub(super) fn profile(&self) -> &ExecutionProfile {
        profile(&self.session, &self.request)
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if !self.watch.has_ended() {
            self.watch.cancelled(&self.session);
        }
    }
}

fn profile<'a>(session: &'a SessionShared, request: &'a Request) -> &'a ExecutionProfile {
    let own = request.options().profile.as_ref();
    own.unwrap_or_else(|| session.default_profile())
}

/// The time that the request may take, all attempts together.
fn limit(session: &SessionShared, request: &Request) -> Option<Duration> {
    match request.options().timeout {
        Some(timeout) => timeout.limit(),
        None => profile(session, request).timeout(),
    }
}

fn plan(
    session: &SessionShared,
    request: &Request,
    profile: &ExecutionProfile,
    (consistency, serial_consistency): (ConsistencyLevel, Option<ConsistencyLevel>),
) -> QueryPlan {
    match &request.options().plan {
        Some(nodes) => QueryPlan::list(Arc::clone(nodes)),
        None => {
            let context = RouteContext::new(request, consistency, serial_consistency, session);
            profile.load_balancing().plan(&context, &session.cluster().look())
        }
    }
}
