//! A request on its way: what was decided for it, its plan, and what became of its attempts.

use std::cell::Cell;
use std::num::NonZeroI32;
use std::sync::Arc;
use std::time::Duration;

use helenus_protocol::{ColumnSpec, ConsistencyLevel, SerializedRow};

use super::continuous::Paging;
use super::encode;
use super::request::{Request, Statement};
use super::speculating::Run;
use crate::clock::Moment;
use crate::cluster::Node;
use crate::connection::{EncodeContext, Lent, Nothing, PendingResponse, SubmitError};
use crate::error::{Attempt, AttemptError, RequestError, RequestErrorKind};
use crate::observe::{AttemptKind, Watch};
use crate::policy::{QueryPlan, RouteContext, SpeculativeExecutionPolicy};
use crate::pool::Pool;
use crate::profile::{ExecutionProfile, ProfileRef};
use crate::session::{PoolTable, SessionShared};
use crate::shard::Local;
use crate::statement::PreparedStatement;

/// All that belongs to one request, from its start to its end.
pub(super) struct Job {
    pub(super) session: Local<SessionShared>,
    pub(super) request: Request,
    pub(super) consistency: ConsistencyLevel,
    pub(super) serial_consistency: Option<ConsistencyLevel>,
    /// None: all rows in one page.
    page_size: Option<NonZeroI32>,
    pub(super) deadline: Option<Moment>,
    /// Its current node is that of the current attempt.
    pub(super) plan: QueryPlan,
    /// The columns, when the current attempt asked for rows without them.
    pub(super) columns: Option<Arc<[ColumnSpec]>>,
    /// Attempts that failed.
    pub(super) attempts: Attempts,
    pub(super) watch: Watch,
    /// The profile that was found by its name, from the beginning of the request to its end; `None` for that of the options,
    /// else the configured default.
    profile: Option<ExecutionProfile>,
    /// There is no profile of the name that was given.
    profile_is_unknown: bool,
    pub(super) role: Role,
}

/// Attempts in the order in which they failed. Most requests have none, and are smaller for it.
#[derive(Default)]
pub(super) struct Attempts(Option<Box<Failed>>);

struct Failed(Vec<Attempt>);

impl Attempts {
    pub(super) fn push(&mut self, attempt: Attempt) {
        let failed = self.0.get_or_insert_with(|| Box::new(Failed(Vec::new())));
        failed.0.push(attempt);
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    pub(super) fn iter(&self) -> std::slice::Iter<'_, Attempt> {
        self.0.as_ref().map_or(&[][..], |failed| &failed.0).iter()
    }

    #[inline]
    pub(super) fn take(&mut self) -> Vec<Attempt> {
        self.0.take().map_or_else(Vec::new, |failed| failed.0)
    }
}

/// Whether a job is a request of the ordinary kind.
pub(super) enum Role {
    /// It is.
    Only,
    /// There may be other executions of the same request: the way to what they share.
    Run(Box<Run>),
    /// It is answered by page after page.
    Pages(Box<Paging>),
}

/// What became of handing a request over, and the columns, if rows will come without them.
pub(super) type Submitted = (Result<(), AttemptError>, Option<Arc<[ColumnSpec]>>);

impl Job {
    /// Decides everything that the request and its statement leave to profile and session.
    ///
    /// Part of its callers, for it is large and is to be made where they want it.
    #[inline(always)]
    pub(super) fn new(session: &Local<SessionShared>, pools: &PoolTable, mut request: Request) -> Self {
        if let Some(budget) = session.budget() {
            budget.count_request();
        }
        if request.options().routing_key.is_some() {
            request.set_session_keyspace(session.keyspace());
        }
        let (found, profile_is_unknown) = find_profile(session, &request);
        let options = request.options();
        let profile = profile_of(found.as_ref(), session, &request);
        let consistency = options.consistency.unwrap_or_else(|| profile.consistency());
        let serial_consistency = options
            .serial_consistency
            .or_else(|| profile.serial_consistency());
        let page_size = options.page_size.unwrap_or_else(|| profile.page_size());
        let page_size = NonZeroI32::new(page_size.max(0));
        // One look at the clock for everything.
        let now = crate::clock::begin_request();
        let deadline = limit(profile, &request).and_then(|limit| now.checked_add(limit));
        let plan = plan(
            session,
            pools,
            &request,
            profile,
            (consistency, serial_consistency),
        );
        // The same for all attempts.
        request.timestamp = match request.timestamp.or(options.timestamp) {
            None if request.writes() => session.next_timestamp(now),
            given => given,
        };
        Self {
            consistency,
            serial_consistency,
            page_size,
            deadline,
            plan,
            columns: None,
            attempts: Attempts::default(),
            watch: Watch::start(
                session,
                &request,
                consistency,
                page_size.map(NonZeroI32::get),
                Some(now),
            ),
            profile: found,
            profile_is_unknown,
            role: Role::Only,
            session: session.clone(),
            request,
        }
    }

    /// How many rows a page is to have; `None`: all.
    #[inline]
    pub(super) fn page_size(&self) -> Option<i32> {
        self.page_size.map(NonZeroI32::get)
    }

    /// The node of the current attempt.
    #[inline]
    pub(super) fn node(&self) -> Option<&Arc<Node>> {
        self.plan.current()
    }

    /// Its way to what other executions of the same request share with it, if there are any.
    #[inline]
    pub(super) fn run(&self) -> Option<&Run> {
        match &self.role {
            Role::Run(run) => Some(run),
            _ => None,
        }
    }

    /// Makes another plan, of what is known of the nodes now.
    pub(super) fn plan_anew(&mut self) {
        self.plan = plan(
            &self.session,
            &self.session.pools(),
            &self.request,
            self.profile(),
            (self.consistency, self.serial_consistency),
        );
    }

    /// Whether the options make sense.
    ///
    /// # Errors
    /// [`RequestErrorKind::InvalidOption`], [`RequestErrorKind::UnknownProfile`].
    #[inline]
    pub(super) fn check(&self) -> Result<(), RequestErrorKind> {
        if self.profile_is_unknown {
            let name = self
                .request
                .options()
                .profile
                .as_ref()
                .and_then(|profile| profile.name());
            return Err(RequestErrorKind::UnknownProfile {
                name: name.unwrap_or_default().to_owned(),
            });
        }
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
        let pools = self.session.pools();
        if let Role::Pages(_) = self.role {
            return self.send_next_for_pages(&pools);
        }
        self.send_next_by(&pools)
    }

    /// The same, by pools at hand.
    pub(super) fn send_next_by(&mut self, pools: &PoolTable) -> Result<PendingResponse, RequestErrorKind> {
        while self.plan.go_on() {
            if let Some(pending) = self.send_again_by(pools)? {
                return Ok(pending);
            }
        }
        Err(RequestErrorKind::NoNode)
    }

    /// As [`Job::send_next_by`] of a request that was not sent before, in the place of the caller down to the connection: what
    /// waits for the answer is made where it stays.
    #[inline(always)]
    pub(super) fn send_first_by(
        &mut self,
        pools: &PoolTable,
        into: &mut Option<PendingResponse>,
    ) -> Result<(), RequestErrorKind> {
        if self.plan.go_on() {
            let submitted = self.submit(pools, into);
            if self.note(submitted)? {
                return Ok(());
            }
        }
        *into = Some(self.send_next_by(pools)?);
        Ok(())
    }

    /// Sends the request to the current node; `None` when that cannot take it.
    ///
    /// # Errors
    /// As [`Job::send_next`].
    pub(super) fn send_again(&mut self) -> Result<Option<PendingResponse>, RequestErrorKind> {
        let pools = self.session.pools();
        if let Role::Pages(_) = self.role {
            return self.send_again_for_pages(&pools);
        }
        self.send_again_by(&pools)
    }

    #[inline(never)]
    fn send_again_by(&mut self, pools: &PoolTable) -> Result<Option<PendingResponse>, RequestErrorKind> {
        let mut sent = None;
        let submitted = self.submit(pools, &mut sent);
        self.note(submitted)?;
        Ok(sent)
    }

    /// Notes what became of handing the request over, and says whether the current node has taken it.
    #[inline(always)]
    pub(super) fn note(&mut self, (submitted, columns): Submitted) -> Result<bool, RequestErrorKind> {
        self.columns = columns;
        match submitted {
            Ok(()) => {
                self.note_sent();
                Ok(true)
            }
            Err(AttemptError::NotSent(SubmitError::Encode(error))) => Err(RequestErrorKind::Encode(error)),
            Err(error) => {
                self.push(error);
                Ok(false)
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
        let mut sent = None;
        let (submitted, columns) = match self.role {
            Role::Pages(_) => self.submit_for_pages(pool, true, &mut sent),
            _ => self.submit_to(pool, true, &mut sent),
        };
        self.columns = columns;
        match submitted {
            Err(AttemptError::NotSent(SubmitError::Encode(error))) => Err(RequestErrorKind::Encode(error)),
            Err(error) => Ok(Err(error)),
            Ok(()) => {
                self.note_sent();
                // It is there.
                Ok(sent.ok_or(AttemptError::NoConnection))
            }
        }
    }

    /// The request was sent to the current node.
    #[inline(always)]
    fn note_sent(&mut self) {
        let Some(node) = self.plan.current() else {
            return;
        };
        let Role::Run(run) = &self.role else {
            return self
                .watch
                .sent(&self.session, node, self.consistency, AttemptKind::Next);
        };
        let kind = match run.is_speculative() && self.attempts.is_empty() {
            true => AttemptKind::Speculative,
            false => AttemptKind::Next,
        };
        run.sent(node, self.consistency);
        run.observe(|watch| watch.sent(&self.session, node, self.consistency, kind));
    }

    /// Hands the request to a connection of the current node. With it come the columns, if rows will come without them.
    #[inline(always)]
    fn submit(&self, pools: &PoolTable, into: &mut Option<PendingResponse>) -> Submitted {
        let Some(pool) = self.node().and_then(|node| pools.of(node)) else {
            return (Err(AttemptError::NoConnection), None);
        };
        self.submit_to(pool, false, into)
    }

    #[inline(always)]
    fn submit_to(&self, pool: &Pool, in_turn: bool, into: &mut Option<PendingResponse>) -> Submitted {
        let owner = self.session.owner();
        let Statement::Prepared(statement) = &self.request.statement else {
            if self.request.switches_keyspace() {
                return self.submit_switching(pool, in_turn, into);
            }
            let encode = |context, out: &mut Vec<u8>| encode::encode(self, context, out);
            let submitted = pool.submit_lending(owner, in_turn, self.deadline, &Nothing, encode, into);
            return (submitted, None);
        };
        if let Some(large) = self.request.large() {
            return self.submit_large(pool, in_turn, (statement, large), into);
        }
        let prepared = (&**statement.core(), &self.request.values);
        if prepared.0.switches_keyspace {
            return self.submit_switching(pool, in_turn, into);
        }
        let metadata = prepared.0.known_result();
        let skips = Cell::new(false);
        let encode = |context: EncodeContext, out: &mut Vec<u8>| {
            let metadata = metadata.as_ref().map(|metadata| &***metadata);
            let skip = metadata
                .is_some_and(|metadata| encode::skips_metadata(prepared.0, metadata, context.version));
            skips.set(skip);
            encode::encode_prepared(self, prepared, metadata, skip, None, context, out)
        };
        let submitted = pool.submit_lending(owner, in_turn, self.deadline, &Nothing, encode, into);
        let skipped = metadata.filter(|_| skips.get());
        let columns = skipped.map(|metadata| metadata.columns_for(statement));
        (submitted, columns)
    }

    /// The same for a USE.
    #[cold]
    fn submit_switching(&self, pool: &Pool, in_turn: bool, into: &mut Option<PendingResponse>) -> Submitted {
        let encode = |context: EncodeContext, out: &mut Vec<u8>| {
            let Statement::Prepared(statement) = &self.request.statement else {
                return encode::encode(self, context, out);
            };
            let core = &**statement.core();
            let metadata = core.known_result();
            let metadata = metadata.as_ref().map(|metadata| &***metadata);
            let prepared = (core, &self.request.values);
            encode::encode_prepared(self, prepared, metadata, false, None, context, out)
        };
        let submitted = pool.submit(self.session.owner(), in_turn, self.deadline, encode);
        let sent = submitted.map(|pending| *into = Some(pending.switching()));
        (sent, None)
    }

    /// The same for values that are too large to be copied again.
    #[cold]
    fn submit_large(
        &self,
        pool: &Pool,
        in_turn: bool,
        (statement, values): (&PreparedStatement, &Arc<SerializedRow>),
        into: &mut Option<PendingResponse>,
    ) -> Submitted {
        let prepared = (&**statement.core(), &**values);
        let metadata = prepared.0.known_result();
        let known = metadata.as_ref().map(|known| &***known);
        let lent = Lent::new(values);
        let owner = self.session.owner();
        let skips = Cell::new(false);
        let encode = |context: EncodeContext, out: &mut Vec<u8>| {
            let skip = known.is_some_and(|known| encode::skips_metadata(prepared.0, known, context.version));
            skips.set(skip);
            encode::encode_prepared(self, prepared, known, skip, Some(&lent), context, out)
        };
        let submitted = pool.submit_lending(owner, in_turn, self.deadline, &lent, encode, into);
        let skipped = known.filter(|_| skips.get());
        (submitted, skipped.map(|known| known.columns_for(statement)))
    }

    /// Notes what became of the current attempt.
    pub(super) fn push(&mut self, error: AttemptError) {
        if let Some(node) = self.plan.current() {
            tracing::debug!(%node, %error, "attempt failed");
            match &self.role {
                Role::Run(run) => run.observe(|watch| watch.attempt_failed(&self.session, node, &error)),
                _ => self.watch.attempt_failed(&self.session, node, &error),
            }
            let attempt = Attempt {
                node: Arc::clone(node),
                consistency: self.consistency,
                error,
            };
            if let Some(run) = self.run() {
                run.failed(&attempt);
            }
            self.attempts.push(attempt);
        }
    }

    /// The error that ends the request.
    pub(super) fn fail(&mut self, kind: RequestErrorKind) -> RequestError {
        RequestError::new(kind, self.attempts.take())
    }

    /// The error for a request whose time ran out, the current attempt noted before.
    pub(super) fn timed_out(&mut self) -> RequestError {
        let kind = self.timeout();
        self.fail(kind)
    }

    pub(super) fn timeout(&self) -> RequestErrorKind {
        let limit = self.limit().unwrap_or_default();
        RequestErrorKind::Timeout { limit }
    }

    /// The time that the request may take, all attempts together.
    pub(super) fn limit(&self) -> Option<Duration> {
        limit(self.profile(), &self.request)
    }

    /// The profile that the request runs with.
    pub(super) fn profile(&self) -> &ExecutionProfile {
        profile_of(self.profile.as_ref(), &self.session, &self.request)
    }

    /// What starts further executions, if anything does and the request is one that may be run twice.
    #[inline]
    pub(super) fn speculation(&self) -> Option<Arc<dyn SpeculativeExecutionPolicy>> {
        let policy = match &self.request.options().speculative_execution {
            Some(own) => own.as_ref(),
            None => self.profile().speculative_execution(),
        };
        let wanted = |_: &&_| {
            self.request.is_idempotent()
                && !matches!(self.role, Role::Pages(_))
                // One node is enough to say whether there is such a keyspace: all others follow.
                && !self.request.switches_keyspace()
        };
        policy.filter(wanted).map(Arc::clone)
    }

    /// How long the request may still take, all attempts together.
    pub(super) fn time_left(&self) -> Option<Duration> {
        self.deadline
            .map(|deadline| deadline.since(Moment::of(crate::clock::now())))
    }

    /// Another execution of the same request, which takes its nodes from the plan that both share.
    pub(super) fn another(&self, run: Option<Run>) -> Self {
        Self {
            session: self.session.clone(),
            request: self.request.clone(),
            consistency: self.consistency,
            serial_consistency: self.serial_consistency,
            page_size: self.page_size,
            deadline: self.deadline,
            plan: run.as_ref().map_or_else(QueryPlan::empty, Run::plan),
            columns: None,
            attempts: Attempts::default(),
            watch: Watch::none(),
            profile: self.profile.clone(),
            profile_is_unknown: self.profile_is_unknown,
            role: run.map_or(Role::Only, |run| Role::Run(Box::new(run))),
        }
    }
}

impl Drop for Job {
    fn drop(&mut self) {
        if !self.watch.has_ended() {
            self.watch.cancelled(&self.session);
        }
    }
}

/// The profile that the request runs with, when it is one that has to be looked for, and whether it was looked for in vain.
#[inline]
fn find_profile(session: &SessionShared, request: &Request) -> (Option<ExecutionProfile>, bool) {
    let profiles = &session.cluster().profiles;
    match &request.options().profile {
        Some(ProfileRef::Profile(_)) => (None, false),
        Some(ProfileRef::Named(name)) => {
            let found = profiles.get(name);
            let is_unknown = found.is_none();
            (found, is_unknown)
        }
        None => (profiles.replaced_default(), false),
    }
}

/// The profile that a request runs with, if `found` is the one that was looked for.
fn profile_of<'a>(
    found: Option<&'a ExecutionProfile>,
    session: &'a SessionShared,
    request: &'a Request,
) -> &'a ExecutionProfile {
    match (found, &request.options().profile) {
        (Some(profile), _) | (None, Some(ProfileRef::Profile(profile))) => profile,
        _ => session.default_profile(),
    }
}

/// The time that the request may take, all attempts together.
fn limit(profile: &ExecutionProfile, request: &Request) -> Option<Duration> {
    match request.options().timeout {
        Some(timeout) => timeout.limit(),
        None => profile.timeout(),
    }
}

fn plan(
    session: &SessionShared,
    pools: &PoolTable,
    request: &Request,
    profile: &ExecutionProfile,
    (consistency, serial_consistency): (ConsistencyLevel, Option<ConsistencyLevel>),
) -> QueryPlan {
    match &request.options().plan {
        Some(nodes) => QueryPlan::list(Arc::clone(nodes)),
        None => {
            let context = RouteContext::new(request, consistency, serial_consistency, session);
            let own = request.options().load_balancing.as_ref();
            let policy = own.unwrap_or_else(|| profile.load_balancing());
            policy.plan(&context, pools.state())
        }
    }
}
