//! Continuous paging (DSE): one request that is answered by page after page.
//!
//! The first page comes as the result of any request does, with retries, other nodes and PREPARE again where that is needed.
//! Then the session of the connection is handed over to whoever reads on. Where a node could not be held back and pages were
//! dropped, they are asked for again, from where the last page that was read has ended.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use helenus_protocol::{
    ColumnSpec, ConsistencyLevel, Envelope, ProtocolError, Response, ResponseEnvelope, ResultBody,
};

use super::encode;
use super::job::{Job, Role, Submitted};
use super::request::{Request, Statement};
use super::{Execution, State, queue, retrying, speculating, throttle};
use crate::connection::{NoPage, PageLimits, PageSession, PendingResponse, SubmitError};
use crate::error::{Attempt, AttemptError, RequestError, RequestErrorKind};
use crate::policy::PlannedNode;
use crate::pool::Pool;
use crate::result::{Extras, QueryResult, RawRows};
use crate::session::{PoolTable, SessionShared};
use crate::shard::Local;
use crate::statement::ContinuousPaging;

/// Where a node cannot be held back (DSE_V1): bytes of a session that may wait even if they are more pages than may.
const WAITING_BYTES: usize = 16 << 20;

/// What a job needs that is answered by pages.
pub(super) struct Paging {
    options: ContinuousPaging,
    /// The session of the current attempt.
    session: Option<PageSession>,
    handover: Handover,
}

/// Where the job leaves its session behind, for whoever reads on.
type Handover = Arc<Mutex<Option<Pages>>>;

/// The pages behind the first one.
struct Pages {
    session: PageSession,
    /// Those of the first page, for pages that come without.
    columns: Option<Arc<[ColumnSpec]>>,
    coordinator: PlannedNode,
    consistency: ConsistencyLevel,
    limit: Option<Duration>,
}

/// All pages of a request.
pub(crate) struct Continuous {
    options: ContinuousPaging,
    request: Request,
    state: Reading,
}

enum Reading {
    /// The first page is on its way.
    First(Box<Execution>, Handover),
    Pages(Pages),
    Done,
}

impl Continuous {
    /// Sends a request, if it is to be answered by pages.
    pub(crate) fn start(session: &Local<SessionShared>, request: &Request) -> Option<Self> {
        let options = match request.options().continuous_paging {
            Some(own) => own?,
            None => *session.profile_of(request.options()).ok()?.continuous_paging()?,
        };
        // A USE has no pages, and a way of its own.
        if matches!(request.statement, Statement::Batch(_)) || request.switches_keyspace() {
            return None;
        }
        let mut this = Self {
            options,
            request: request.clone(),
            state: Reading::Done,
        };
        this.begin(session);
        Some(this)
    }

    fn begin(&mut self, session: &Local<SessionShared>) {
        let handover = Handover::default();
        let execution = start(session, self.request.clone(), self.options, Arc::clone(&handover));
        self.state = Reading::First(Box::new(execution), handover);
    }

    /// The next page; `None` behind the last one.
    pub(crate) fn poll_next(
        &mut self,
        session: &Local<SessionShared>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<QueryResult, RequestError>>> {
        loop {
            let page = match &mut self.state {
                Reading::Done => return Poll::Ready(None),
                Reading::First(execution, handover) => {
                    let page = ready!(std::pin::Pin::new(&mut **execution).poll(cx));
                    let pages = lock(handover).take();
                    self.state = pages.map_or(Reading::Done, Reading::Pages);
                    page
                }
                Reading::Pages(pages) => match ready!(pages.poll_next(cx)) {
                    Ok(page) => Ok(page),
                    Err(NoPage::End) => {
                        self.state = Reading::Done;
                        return Poll::Ready(None);
                    }
                    // The request says where.
                    Err(NoPage::Overrun) if self.request.paging_state().is_some() => {
                        self.begin(session);
                        continue;
                    }
                    Err(reason) => Err(pages.error(reason)),
                },
            };
            match &page {
                Ok(page) => {
                    self.request.set_paging_state(page.paging_state().cloned());
                    if self.options.max_pages > 0 {
                        self.options.max_pages -= 1;
                        if self.options.max_pages == 0 {
                            self.state = Reading::Done;
                        }
                    }
                }
                Err(_) => self.state = Reading::Done,
            }
            if let Reading::Pages(pages) = &self.state
                && pages.session.is_read()
            {
                self.state = Reading::Done;
            }
            return Poll::Ready(Some(page));
        }
    }

    /// Whether there are no further pages for certain.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self.state, Reading::Done)
    }
}

/// The pages of a request with continuous paging, each as an execution of its own. For other faces of the driver. Dropping it,
/// and all executions, has the node stop.
#[derive(Clone)]
pub struct ContinuousPages {
    session: Local<SessionShared>,
    reading: Arc<Mutex<Continuous>>,
}

impl ContinuousPages {
    pub(crate) fn start(session: &Local<SessionShared>, request: &Request) -> Option<Self> {
        let reading = Continuous::start(session, request)?;
        Some(Self {
            session: session.clone(),
            reading: Arc::new(Mutex::new(reading)),
        })
    }

    fn reading(&self) -> std::sync::MutexGuard<'_, Continuous> {
        self.reading.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next page. One execution is to be polled at a time.
    pub fn next_page(&self) -> Execution {
        let this = self.clone();
        let next = std::future::poll_fn(move |cx| this.reading().poll_next(&this.session, cx));
        let page = async move {
            next.await.unwrap_or_else(|| {
                let found = "no further page".to_owned();
                Err(RequestError::not_sent(RequestErrorKind::UnexpectedAnswer {
                    found,
                }))
            })
        };
        Execution(State::Slow(Box::pin(page), None))
    }

    /// Whether there may be further pages.
    pub fn has_more_pages(&self) -> bool {
        !self.reading().is_done()
    }

    /// Has the node stop: there are no further pages.
    pub fn cancel(&self) {
        let before = std::mem::replace(&mut self.reading().state, Reading::Done);
        drop(before);
    }
}

impl fmt::Debug for ContinuousPages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reading().fmt(f)
    }
}

impl Pages {
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Result<QueryResult, NoPage>> {
        let page = ready!(self.session.poll_page(cx, self.limit));
        Poll::Ready(page.and_then(|envelope| self.read(envelope)))
    }

    fn read(&self, envelope: Envelope) -> Result<QueryResult, NoPage> {
        let decoded = ResponseEnvelope::decode(&envelope.header, envelope.body).map_err(NoPage::Protocol)?;
        let rows = match decoded.response {
            Response::Result(ResultBody::Rows(rows)) => rows,
            Response::Error(error) => return Err(NoPage::Server(Arc::new(error))),
            _ => return Err(NoPage::Protocol(ProtocolError::Malformed("a page that is none"))),
        };
        let columns = rows.metadata.columns.or_else(|| self.columns.clone());
        let columns = columns.filter(|columns| columns.len() == rows.metadata.column_count);
        let columns = columns.ok_or(NoPage::Protocol(ProtocolError::Malformed(
            "a page with other columns than the first one",
        )))?;
        let rows = RawRows {
            columns,
            row_count: rows.row_count,
            content: rows.content,
            paging_state: rows.metadata.paging_state,
        };
        let extras = Extras {
            tracing_id: decoded.tracing_id,
            warnings: decoded.warnings,
            custom_payload: decoded.custom_payload,
            ..Extras::default()
        };
        Ok(QueryResult::new(self.coordinator.clone(), Some(rows), extras))
    }

    fn error(&self, reason: NoPage) -> RequestError {
        let error = match reason {
            NoPage::TimedOut => AttemptError::TimedOut,
            NoPage::Lost(error) => AttemptError::ConnectionLost(error),
            NoPage::NotAsked(error) => AttemptError::NotSent(error),
            NoPage::Server(error) => AttemptError::Server(error),
            NoPage::Protocol(error) => AttemptError::Protocol(error),
            NoPage::End | NoPage::Overrun => AttemptError::Protocol(ProtocolError::Malformed(
                "pages came faster than they were read, and do not say where to go on",
            )),
        };
        let kind = match error {
            AttemptError::TimedOut => RequestErrorKind::Timeout {
                limit: self.limit.unwrap_or_default(),
            },
            _ => retrying::kind_of(&error),
        };
        let attempt = Attempt {
            node: Arc::clone(&self.coordinator),
            consistency: self.consistency,
            error,
        };
        RequestError::new(kind, vec![attempt])
    }
}

/// Sends a request that is answered by pages. The execution gives the first one.
fn start(
    session: &Local<SessionShared>,
    request: Request,
    options: ContinuousPaging,
    handover: Handover,
) -> Execution {
    let mut job = Job::new(session, &session.pools(), request);
    job.role = Role::Pages(Box::new(Paging {
        options,
        session: None,
        handover,
    }));
    let checked = options.check(job.page_size());
    if checked.is_ok() && session.throttle().is_some() {
        return Execution(match throttle::start(job) {
            Ok((future, node)) => State::Slow(future, node),
            Err(error) => State::Failed(error),
        });
    }
    let sent = match session.is_closed() {
        true => Err(RequestErrorKind::SessionClosed),
        false => checked.and_then(|()| job.check()).and_then(|()| job.send_next()),
    };
    Execution(match sent {
        Ok(pending) => {
            let node = job.node().cloned();
            State::Slow(Box::pin(speculating::after(job, pending)), node)
        }
        Err(RequestErrorKind::NoNode) if queue::is_worth_waiting(&job) => {
            State::Slow(Box::pin(super::slow::run_when_there_is_room(job)), None)
        }
        Err(kind) => {
            let mut error = job.fail(kind);
            job.watch.failed(session, &mut error);
            State::Failed(error)
        }
    })
}

impl Job {
    /// As [`Job::send_next_by`].
    pub(super) fn send_next_for_pages(
        &mut self,
        pools: &PoolTable,
    ) -> Result<PendingResponse, RequestErrorKind> {
        while self.plan.go_on() {
            if let Some(pending) = self.send_again_for_pages(pools)? {
                return Ok(pending);
            }
        }
        Err(RequestErrorKind::NoNode)
    }

    /// As [`Job::send_again`].
    pub(super) fn send_again_for_pages(
        &mut self,
        pools: &PoolTable,
    ) -> Result<Option<PendingResponse>, RequestErrorKind> {
        let mut sent = None;
        let submitted = match self.node().and_then(|node| pools.of(node)) {
            Some(pool) => self.submit_for_pages(pool, false, &mut sent),
            None => (Err(AttemptError::NoConnection), None),
        };
        self.note(submitted)?;
        Ok(sent)
    }

    /// Hands the request to a connection of this pool, and keeps the session.
    pub(super) fn submit_for_pages(
        &mut self,
        pool: &Pool,
        in_turn: bool,
        into: &mut Option<PendingResponse>,
    ) -> Submitted {
        let Role::Pages(paging) = &mut self.role else {
            return (Err(AttemptError::NotSent(SubmitError::Draining)), None);
        };
        // That of the attempt before.
        paging.session = None;
        let options = paging.options;
        let limits = PageLimits {
            waiting: options.max_queue_size,
            all: options.max_pages,
            waiting_bytes: WAITING_BYTES,
        };
        let skips = std::cell::Cell::new(false);
        let statement = match &self.request.statement {
            Statement::Prepared(statement) => Some(statement),
            _ => None,
        };
        let metadata = statement.and_then(|statement| statement.core().known_result());
        let submitted = pool.submit_pages(
            self.session.owner(),
            in_turn,
            self.deadline,
            &limits,
            |context, out| {
                if let (Some(statement), Some(metadata)) = (statement, &metadata) {
                    skips.set(encode::skips_metadata(
                        statement.core(),
                        metadata,
                        context.version,
                    ));
                }
                let next_pages = limits.first();
                encode::encode_pages(
                    self,
                    metadata.as_deref().map(|metadata| &**metadata),
                    options,
                    next_pages,
                    context,
                    out,
                )
            },
        );
        let columns = match (skips.get(), statement, &metadata) {
            (true, Some(statement), Some(metadata)) => Some(metadata.columns_for(statement)),
            _ => None,
        };
        let submitted = submitted.map(|(pending, session)| {
            if let Role::Pages(paging) = &mut self.role {
                paging.session = Some(session);
            }
            *into = Some(pending);
        });
        (submitted, columns)
    }

    /// Leaves the session behind, if the request is answered by pages, of which this is the first.
    pub(super) fn hand_pages_over(&mut self, first: &QueryResult) {
        let (consistency, limit) = (self.consistency, self.limit());
        let Role::Pages(paging) = &mut self.role else {
            return;
        };
        if let Some(session) = paging.session.take() {
            *lock(&paging.handover) = Some(Pages {
                session,
                columns: first.raw_rows().map(|rows| Arc::clone(&rows.columns)),
                coordinator: PlannedNode::from(Arc::clone(first.coordinator())),
                consistency,
                limit,
            });
        }
    }
}

fn lock(handover: &Handover) -> std::sync::MutexGuard<'_, Option<Pages>> {
    handover.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for Continuous {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            Reading::First(..) => "first page",
            Reading::Pages(_) => "under way",
            Reading::Done => "done",
        };
        f.debug_tuple("Continuous").field(&state).finish()
    }
}
