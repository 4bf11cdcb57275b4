//! The gate of a session through which requests go when they are throttled: see [`RequestThrottle`].
//!
//! Requests go through in the order in which they began to wait. A place in the queue is given back when its request goes
//! through, gives up or is dropped; so is the turn of one that gives up or is dropped: whoever comes next gets it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until};

use super::job::Job;
use super::{Output, queue, slow, speculating};
use crate::cluster::Node;
use crate::connection::PendingResponse;
use crate::error::{RequestError, RequestErrorKind};
use crate::policy::RequestThrottle;

/// A request on its way through the gate, and the node that it was sent to if that was at once.
pub(super) type Started = (BoxFuture<'static, Output>, Option<Arc<Node>>);

/// Sends a request if it is its turn, or puts it in the queue.
pub(super) fn start(mut job: Job) -> Result<Started, RequestError> {
    let ready = match job.session.is_closed() {
        true => Err(RequestErrorKind::SessionClosed),
        false => job.check(),
    };
    let entry = ready.map(|()| {
        let _entered = job.session.cluster().runtime().map(Handle::enter);
        job.session.throttle().map(Throttle::enter)
    });
    let pass = match entry {
        Ok(None) => None,
        Ok(Some(Entry::Pass(pass))) => Some(pass),
        Ok(Some(Entry::Wait(waiting))) => return Ok((Box::pin(wait(job, waiting)), None)),
        Ok(Some(Entry::Full(waiting))) => {
            return Err(fail(&mut job, RequestErrorKind::Throttled { waiting }));
        }
        Err(kind) => return Err(fail(&mut job, kind)),
    };
    let pending = send(&mut job)?;
    let node = pending.as_ref().and(job.node()).cloned();
    Ok((Box::pin(go_on(job, pending, pass)), node))
}

/// Sends it; `None` when it has to wait until a node has room.
fn send(job: &mut Job) -> Result<Option<PendingResponse>, RequestError> {
    match job.send_next() {
        Ok(pending) => Ok(Some(pending)),
        Err(RequestErrorKind::NoNode) if queue::is_worth_waiting(job) => Ok(None),
        Err(kind) => Err(fail(job, kind)),
    }
}

pub(super) fn fail(job: &mut Job, kind: RequestErrorKind) -> RequestError {
    let mut error = job.fail(kind);
    job.watch.failed(&job.session, &mut error);
    error
}

/// Waits for the request's turn.
async fn wait(mut job: Job, waiting: Waiting) -> Output {
    let Ok(runtime) = job.session.cluster().runtime().cloned() else {
        return Err(fail(&mut job, RequestErrorKind::SessionClosed));
    };
    let pass = waiting.turn(&runtime, job.time_left()).await;
    if job.session.is_closed() {
        return Err(fail(&mut job, RequestErrorKind::SessionClosed));
    }
    let Some(pass) = pass else {
        let mut error = job.timed_out();
        job.watch.failed(&job.session, &mut error);
        return Err(error);
    };
    // The first one is as old as the wait.
    job.plan_anew();
    let pending = send(&mut job)?;
    go_on(job, pending, Some(pass)).await
}

/// Runs a request that was sent, and gives its pass back at its end.
async fn go_on(job: Job, pending: Option<PendingResponse>, pass: Option<Pass>) -> Output {
    let output = match (pending, job.speculation()) {
        (None, _) => slow::run_when_there_is_room(job).await,
        (Some(pending), Some(policy)) => speculating::run(job, pending, policy).await,
        (Some(pending), None) => speculating::after(job, pending).await,
    };
    drop(pass);
    output
}

/// The gate.
#[derive(Debug)]
pub(crate) struct Throttle {
    /// A permit for each request that may be under way.
    concurrent: Option<Arc<Semaphore>>,
    rate: Option<Arc<Mutex<Rate>>>,
    most: usize,
    waiting: Arc<AtomicUsize>,
    refused: AtomicU64,
}

/// The right to send a request; to be kept until it ends.
#[derive(Debug)]
pub(super) struct Pass {
    _permit: Option<OwnedSemaphorePermit>,
}

/// What a request gets at the gate.
#[derive(Debug)]
pub(super) enum Entry {
    /// It may go.
    Pass(Pass),
    /// It has to wait.
    Wait(Waiting),
    /// Too many wait already: so many.
    Full(usize),
}

/// A place in the queue.
#[derive(Debug)]
pub(super) struct Waiting {
    concurrent: Option<Arc<Semaphore>>,
    /// A permit that was there, while the rate is what it waits for.
    permit: Option<OwnedSemaphorePermit>,
    turn: Option<Turn>,
    _place: Place,
}

/// A turn of the rate, given back unless it is used.
#[derive(Debug)]
struct Turn {
    rate: Arc<Mutex<Rate>>,
    due: Instant,
    used: bool,
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.used {
            lock(&self.rate).give_back(self.due);
        }
    }
}

fn lock(rate: &Mutex<Rate>) -> MutexGuard<'_, Rate> {
    rate.lock().unwrap_or_else(PoisonError::into_inner)
}

#[derive(Debug)]
struct Place(Arc<AtomicUsize>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Throttle {
    pub(crate) fn new(limits: RequestThrottle) -> Self {
        Self {
            concurrent: limits
                .concurrent
                .map(|most| Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS)))),
            rate: limits
                .per_second
                .map(|per_second| Arc::new(Mutex::new(Rate::new(per_second, limits.burst)))),
            most: limits.waiting,
            waiting: Arc::default(),
            refused: AtomicU64::new(0),
        }
    }

    /// To be called within the runtime, whose clock counts.
    pub(super) fn enter(&self) -> Entry {
        // Those who wait for permits get them first: while there is one, nobody does.
        let permit = match &self.concurrent {
            None => None,
            Some(all) => match Arc::clone(all).try_acquire_owned() {
                Ok(permit) => Some(permit),
                Err(_) => return self.wait(None, self.concurrent.clone()),
            },
        };
        self.wait(permit, None)
    }

    /// Goes on to the rate, with a permit or in wait for one.
    fn wait(&self, permit: Option<OwnedSemaphorePermit>, concurrent: Option<Arc<Semaphore>>) -> Entry {
        let now = Instant::now();
        let mut rate = self.rate.as_deref().map(lock);
        let is_early = rate.as_mut().is_some_and(|rate| rate.due(now) > now);
        if concurrent.is_none() && !is_early {
            if let Some(rate) = &mut rate {
                rate.take(now);
            }
            return Entry::Pass(Pass { _permit: permit });
        }
        let waiting = self.waiting.fetch_add(1, Ordering::AcqRel);
        let place = Place(Arc::clone(&self.waiting));
        if waiting >= self.most {
            self.refused.fetch_add(1, Ordering::Relaxed);
            return Entry::Full(waiting);
        }
        let due = rate.as_mut().map(|rate| rate.take(now));
        let turn = self.rate.as_ref().zip(due).map(|(rate, due)| Turn {
            rate: Arc::clone(rate),
            due,
            used: false,
        });
        Entry::Wait(Waiting {
            concurrent,
            permit,
            turn,
            _place: place,
        })
    }

    /// Lets nobody wait any longer.
    pub(crate) fn close(&self) {
        if let Some(concurrent) = &self.concurrent {
            concurrent.close();
        }
    }

    /// How many requests wait.
    pub(crate) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// How many did not find a place.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

impl Waiting {
    /// Waits for the request's turn; `None` when its time ends before, or the gate is closed.
    pub(super) async fn turn(self, runtime: &Handle, limit: Option<Duration>) -> Option<Pass> {
        let end = {
            let _entered = runtime.enter();
            limit.and_then(|limit| Instant::now().checked_add(limit))
        };
        let turn = async {
            let permit = match self.concurrent {
                Some(all) => Some(all.acquire_owned().await.ok()?),
                None => self.permit,
            };
            if let Some(mut turn) = self.turn {
                timer(runtime, turn.due).await;
                turn.used = true;
            }
            Some(Pass { _permit: permit })
        };
        let Some(end) = end else {
            return turn.await;
        };
        tokio::select! {
            biased;
            pass = turn => pass,
            () = timer(runtime, end) => None,
        }
    }
}

fn timer(runtime: &Handle, time: Instant) -> tokio::time::Sleep {
    let _entered = runtime.enter();
    sleep_until(time)
}

/// When requests may begin: spaced out evenly, but for a burst after a pause.
#[derive(Debug)]
struct Rate {
    interval: Duration,
    /// How far the schedule may lag behind the clock.
    burst: Duration,
    /// When the next one is due, but for those of `free`.
    next: Option<Instant>,
    /// Turns before that one which were given back.
    free: BTreeSet<Instant>,
}

impl Rate {
    fn new(per_second: u32, burst: Option<u32>) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        let burst = burst.unwrap_or(per_second / 10).max(1);
        Self {
            interval,
            burst: interval * (burst - 1),
            next: None,
            free: BTreeSet::new(),
        }
    }

    /// When a request that comes now is due; it may be in the past.
    fn due(&mut self, now: Instant) -> Instant {
        let idle = now.checked_sub(self.burst).unwrap_or(now);
        if !self.free.is_empty() {
            self.free = self.free.split_off(&idle);
        }
        let next = || self.next.map_or(idle, |next| next.max(idle));
        self.free.first().copied().unwrap_or_else(next)
    }

    /// Its turn is taken: at this time.
    fn take(&mut self, now: Instant) -> Instant {
        let due = self.due(now);
        if !self.free.remove(&due) {
            self.next = Some(due + self.interval);
        }
        due
    }

    /// Nobody used this turn.
    fn give_back(&mut self, due: Instant) {
        self.free.insert(due);
        while let Some(last) = self.free.last().copied()
            && self.next == Some(last + self.interval)
        {
            self.free.remove(&last);
            self.next = Some(last);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_of_a_rate_are_spaced_out_after_a_burst() {
        let start = Instant::now() + Duration::from_secs(100);
        let mut rate = Rate::new(10, Some(3));
        let mut begin = |now: Instant| {
            let due = rate.take(now).max(now);
            (due - start).as_millis()
        };
        let at_once: Vec<_> = (0..6).map(|_| begin(start)).collect();
        assert_eq!(at_once, [0, 0, 0, 100, 200, 300]);
        let later = start + Duration::from_secs(10);
        let at_once: Vec<_> = (0..4).map(|_| begin(later)).collect();
        assert_eq!(at_once, [10_000, 10_000, 10_000, 10_100]);
    }

    #[test]
    fn turns_that_are_given_back_go_to_those_who_come_next() {
        let start = Instant::now() + Duration::from_secs(100);
        let mut rate = Rate::new(10, Some(1));
        let turns: Vec<_> = (0..5).map(|_| rate.take(start)).collect();
        rate.give_back(turns[2]);
        rate.give_back(turns[4]);
        assert_eq!(rate.take(start), turns[2]);
        assert_eq!(rate.take(start), turns[4]);
        assert_eq!(rate.take(start), turns[4] + Duration::from_millis(100));
        // One whose time has passed is of no use any more.
        rate.give_back(turns[1]);
        rate.give_back(turns[3]);
        assert_eq!(rate.take(turns[2]), turns[3]);
        // All of them: as if nobody had come.
        let mut rate = Rate::new(10, Some(1));
        let turns: Vec<_> = (0..5).map(|_| rate.take(start)).collect();
        for turn in [1, 3, 4, 2] {
            rate.give_back(turns[turn]);
        }
        assert_eq!((rate.next, rate.free.len()), (Some(turns[1]), 0));
    }

    #[test]
    fn a_place_is_given_back() {
        let throttle = Throttle::new(RequestThrottle::new().max_concurrent(1).max_waiting(1));
        let Entry::Pass(pass) = throttle.enter() else {
            panic!("there was a permit");
        };
        let Entry::Wait(waiting) = throttle.enter() else {
            panic!("there was a place");
        };
        assert!(matches!(throttle.enter(), Entry::Full(1)));
        assert_eq!((throttle.waiting(), throttle.refused()), (1, 1));
        drop(waiting);
        assert_eq!(throttle.waiting(), 0);
        drop(pass);
        assert!(matches!(throttle.enter(), Entry::Pass(_)));
    }
}
