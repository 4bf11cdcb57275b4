//! Speculative executions of one request: several runs side by side, of which the first answer counts.
//!
//! All share the query plan, the deadline and a log of their attempts. Invariant: the request completes once; what the other
//! runs sent is dropped, and their stream ids come back when the late answers do.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use helenus_protocol::ConsistencyLevel;
use tokio::runtime::Handle;

use super::job::{Job, Role};
use super::{Output, answer, slow};
use crate::cluster::Node;
use crate::connection::PendingResponse;
use crate::error::{Attempt, AttemptError, RequestError, RequestErrorKind};
use crate::observe::Watch;
use crate::policy::{QueryPlan, SpeculativeExecutionPolicy};
use crate::runtime::sleep;
use crate::session::SessionShared;
use crate::shard::Local;

/// What all runs of a request share.
#[derive(Debug)]
struct Log {
    plan: Mutex<QueryPlan>,
    entries: Mutex<Entries>,
    /// The request as it is observed, with the attempts of all runs.
    watch: Mutex<Watch>,
}

#[derive(Debug, Default)]
struct Entries {
    failed: Vec<Attempt>,
    /// What each run waits for.
    under_way: Vec<Option<(Arc<Node>, ConsistencyLevel)>>,
}

/// One run's way to the log.
#[derive(Clone, Debug)]
pub(super) struct Run {
    log: Arc<Log>,
    number: usize,
}

impl Log {
    fn with<T>(&self, change: impl FnOnce(&mut Entries) -> T) -> T {
        change(&mut self.entries.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn observe<T>(&self, what: impl FnOnce(&mut Watch) -> T) -> T {
        what(&mut self.watch.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn new_run(self: &Arc<Self>) -> Run {
        let number = self.with(|entries| {
            entries.under_way.push(None);
            entries.under_way.len() - 1
        });
        Run {
            log: Arc::clone(self),
            number,
        }
    }

    /// The attempts of all runs; those that are under way in other runs than `winner` are superseded now.
    fn end(&self, winner: Option<usize>) -> Vec<Attempt> {
        self.with(|entries| {
            let mut attempts = std::mem::take(&mut entries.failed);
            for (number, under_way) in entries.under_way.iter_mut().enumerate() {
                if let Some((node, consistency)) = under_way.take()
                    && winner != Some(number)
                {
                    attempts.push(Attempt {
                        node,
                        consistency,
                        error: AttemptError::Superseded,
                    });
                }
            }
            attempts
        })
    }
}

impl Run {
    /// The plan: what one run takes from it, no other gets.
    pub(super) fn plan(&self) -> QueryPlan {
        let log = Arc::clone(&self.log);
        QueryPlan::lazy(std::iter::from_fn(move || {
            log.plan.lock().unwrap_or_else(PoisonError::into_inner).next()
        }))
    }

    /// What is observed of the request.
    pub(super) fn observe<T>(&self, what: impl FnOnce(&mut Watch) -> T) -> T {
        self.log.observe(what)
    }

    /// Whether it is not the first one.
    pub(super) fn is_speculative(&self) -> bool {
        self.number > 0
    }

    /// The request was sent to this node.
    pub(super) fn sent(&self, node: &Arc<Node>, consistency: ConsistencyLevel) {
        self.log.with(|entries| {
            if let Some(under_way) = entries.under_way.get_mut(self.number) {
                *under_way = Some((Arc::clone(node), consistency));
            }
        });
    }

    /// An attempt failed.
    pub(super) fn failed(&self, attempt: &Attempt) {
        self.log.with(|entries| {
            entries.failed.push(attempt.clone());
            if let Some(under_way) = entries.under_way.get_mut(self.number) {
                *under_way = None;
            }
        });
    }
}

type Runs = FuturesUnordered<Pin<Box<dyn Future<Output = (usize, Output)> + Send>>>;

/// Tells of the end of the request, also when nobody waits for it any more.
struct Whole {
    session: Local<SessionShared>,
    log: Arc<Log>,
}

impl Whole {
    fn end(&self, output: &mut Output) {
        self.log.observe(|watch| match output {
            Ok(result) => watch.succeeded(&self.session, result),
            Err(error) => watch.failed(&self.session, error),
        });
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        self.log.observe(|watch| {
            if !watch.has_ended() {
                watch.cancelled(&self.session);
            }
        });
    }
}

/// Runs a request whose first attempt was sent.
pub(super) async fn run(
    mut job: Job,
    pending: PendingResponse,
    policy: Arc<dyn SpeculativeExecutionPolicy>,
) -> Output {
    let Ok(runtime) = job.session.cluster().runtime().cloned() else {
        return after(job, pending).await;
    };
    let watch = std::mem::replace(&mut job.watch, Watch::none());
    if let Some(payload) = watch.payload().cloned() {
        let mut options = job.request.options().clone();
        options.custom_payload = Some(Arc::new(payload));
        job.request.options = Some(Arc::new(options));
    }
    let node = job.node().cloned();
    let plan = std::mem::replace(&mut job.plan, QueryPlan::empty());
    if let Some(node) = &node {
        job.plan.stand_at(node);
    }
    let log = Arc::new(Log {
        plan: Mutex::new(plan),
        entries: Mutex::default(),
        watch: Mutex::new(watch),
    });
    let whole = Whole {
        session: job.session.clone(),
        log: Arc::clone(&log),
    };
    let mut output = run_several(job, pending, &policy, &log, &runtime).await;
    whole.end(&mut output);
    output
}

async fn run_several(
    mut job: Job,
    pending: PendingResponse,
    policy: &Arc<dyn SpeculativeExecutionPolicy>,
    log: &Arc<Log>,
    runtime: &Handle,
) -> Output {
    let begun = crate::clock::now();
    let mut schedule = policy.schedule(&job.request);
    let template = job.another(None);
    let first = log.new_run();
    for attempt in job.attempts.iter() {
        first.failed(attempt);
    }
    let node = job.node().cloned();
    if let Some(node) = &node {
        first.sent(node, job.consistency);
    }
    let mut next = |node: Option<&Arc<Node>>| {
        let delay = schedule(node?)?;
        Some(Box::pin(sleep(runtime, delay)))
    };
    let mut timer = next(node.as_ref());
    job.plan = first.plan();
    if let Some(node) = &node {
        job.plan.stand_at(node);
    }
    job.role = Role::Run(Box::new(first));
    let mut runs = Runs::new();
    runs.push(numbered(job, pending, 0));
    let mut exhausted = None;
    loop {
        let due = async {
            match &mut timer {
                Some(timer) => timer.as_mut().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            ended = runs.next() => match ended {
                Some((number, Ok(mut result))) => {
                    policy.record(crate::clock::now().saturating_duration_since(begun));
                    result.set_attempts(log.end(Some(number)));
                    return Ok(result);
                }
                // Others may still find a node that answers.
                Some((_, Err(error))) if error.is_plan_exhausted() && !runs.is_empty() => exhausted = Some(error),
                Some((_, Err(error))) => return Err(error.with_attempts(log.end(None))),
                None => {
                    let error = exhausted.unwrap_or_else(|| RequestError::not_sent(RequestErrorKind::NoNode));
                    return Err(error.with_attempts(log.end(None)));
                }
            },
            () = due => timer = match start(&template, log) {
                Some((job, pending)) => {
                    tracing::debug!(node = ?job.node(), "speculative execution");
                    let timer = next(job.node());
                    let number = job.run().map_or(0, |run| run.number);
                    runs.push(numbered(job, pending, number));
                    timer
                }
                None => None,
            },
        }
    }
}

/// Starts one more run; `None` when there is no token, or no node, for it.
fn start(template: &Job, log: &Arc<Log>) -> Option<(Job, PendingResponse)> {
    if template.session.is_closed() || !template.session.budget().is_none_or(|budget| budget.take()) {
        return None;
    }
    let mut job = template.another(Some(log.new_run()));
    let pending = job.send_next().ok()?;
    Some((job, pending))
}

fn numbered(
    job: Job,
    pending: PendingResponse,
    number: usize,
) -> Pin<Box<dyn Future<Output = (usize, Output)> + Send>> {
    Box::pin(async move { (number, after(job, pending).await) })
}

/// Waits for the answer to an attempt, and goes on from there.
pub(super) async fn after(mut job: Job, pending: PendingResponse) -> Output {
    let answer = answer::understand(&mut job, pending.await);
    slow::run(job, answer).await
}
