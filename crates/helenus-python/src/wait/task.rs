//! One request in flight, and who polls it.
//!
//! Invariants: the future is polled outside of the lock, by one thread at a time; a wake-up during a poll leads to
//! another poll; a wake-up at rest unparks the thread that waits, or else queues the task, once; after completion the
//! outcome never changes, and every thread that waits is unparked.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

use pyo3::Python;

use super::deliveries::Deliveries;
use super::loops::LoopQueue;
use super::park::{Interrupted, wait_interruptibly};
use super::queue::{CompletionQueue, Queued};
use crate::runtime::Alarm;

/// What happens when a task is done: implemented by the face of the task that Python sees.
pub(crate) trait Settled<T>: Send + Sync + Sized + 'static {
    /// Whether Python code waits for the outcome: callbacks, or a coroutine.
    fn is_awaited(&self) -> bool;

    /// Hands the outcome to what waits for it.
    fn deliver(&self, py: Python<'_>, outcome: &Arc<T>, deliveries: &mut Deliveries);
}

/// A request's future with the threads that wait for it.
pub(crate) struct Task<F: Future, S> {
    state: Mutex<State<F>>,
    queue: Arc<CompletionQueue>,
    /// What Python knows about it.
    pub(crate) face: S,
}

struct State<F: Future> {
    phase: Phase<F>,
    /// The thread that polls after a wake-up. Without one the drain thread does.
    driver: Option<Thread>,
    /// Other threads that wait for the outcome.
    waiters: Vec<Thread>,
    /// Where the task is queued when it is woken, instead of the drain thread's queue.
    event_loop: Option<Arc<LoopQueue>>,
    queued: bool,
}

enum Phase<F: Future> {
    Idle(F),
    Polling { woken: bool },
    Done(Arc<F::Output>),
}

impl<F, S> Task<F, S>
where
    F: Future + Unpin + Send + 'static,
    F::Output: Send + Sync + 'static,
    S: Settled<F::Output>,
{
    /// Puts `future`, not polled yet, into a task whose completion goes to `queue` if no thread waits for it.
    pub(crate) fn new(future: F, queue: Arc<CompletionQueue>, face: S) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                phase: Phase::Idle(future),
                driver: None,
                waiters: Vec::new(),
                event_loop: None,
                queued: false,
            }),
            queue,
            face,
        })
    }

    /// The outcome, if the task is done.
    pub(crate) fn outcome(&self) -> Option<Arc<F::Output>> {
        match &self.lock().phase {
            Phase::Done(outcome) => Some(outcome.clone()),
            Phase::Idle(_) | Phase::Polling { .. } => None,
        }
    }

    /// Polls the future if nobody else does. Returns the outcome if the task is done.
    ///
    /// If Python code waits for an outcome that arrived now, the drain thread delivers it.
    pub(crate) fn drive(self: &Arc<Self>) -> Option<Arc<F::Output>> {
        let (outcome, arrived) = self.poll_future()?;
        if arrived && self.face.is_awaited() {
            self.request_delivery();
        }
        Some(outcome)
    }

    /// Polls the future if nobody else does. Returns the outcome, and whether this call brought it.
    fn poll_future(self: &Arc<Self>) -> Option<(Arc<F::Output>, bool)> {
        let mut state = self.lock();
        loop {
            let mut future = match std::mem::replace(&mut state.phase, Phase::Polling { woken: false }) {
                Phase::Idle(future) => future,
                Phase::Done(outcome) => {
                    state.phase = Phase::Done(outcome.clone());
                    return Some((outcome, false));
                }
                Phase::Polling { woken } => {
                    state.phase = Phase::Polling { woken };
                    return None;
                }
            };
            drop(state);
            let waker = Waker::from(self.clone());
            let polled = Pin::new(&mut future).poll(&mut Context::from_waker(&waker));
            state = self.lock();
            match polled {
                Poll::Ready(outcome) => {
                    let outcome = Arc::new(outcome);
                    state.phase = Phase::Done(outcome.clone());
                    let driver = state.driver.take();
                    let waiters = std::mem::take(&mut state.waiters);
                    drop(state);
                    drop(future);
                    let this = thread::current().id();
                    for thread in driver.into_iter().chain(waiters) {
                        if thread.id() != this {
                            thread.unpark();
                        }
                    }
                    return Some((outcome, true));
                }
                Poll::Pending => {
                    let woken = matches!(state.phase, Phase::Polling { woken: true });
                    state.phase = Phase::Idle(future);
                    if !woken {
                        return None;
                    }
                }
            }
        }
    }

    /// Waits until the task is done or `deadline` has passed; the calling thread is detached from the interpreter.
    ///
    /// Returns `None` if the deadline came first. The request itself goes on.
    pub(crate) fn wait(
        self: &Arc<Self>,
        deadline: Option<Instant>,
    ) -> Result<Option<Arc<F::Output>>, Interrupted> {
        {
            let mut state = self.lock();
            if let Phase::Done(outcome) = &state.phase {
                return Ok(Some(outcome.clone()));
            }
            let this = thread::current();
            if state.driver.is_none() {
                state.driver = Some(this);
            } else {
                state.waiters.push(this);
            }
        }
        let waited = wait_interruptibly(deadline, || self.drive());
        if !matches!(waited, Ok(Some(_))) {
            self.stop_waiting();
        }
        waited
    }

    /// This thread no longer waits. A wake-up that it was given may not have been acted on: the queue takes over.
    fn stop_waiting(self: &Arc<Self>) {
        let this = thread::current().id();
        let mut state = self.lock();
        state.waiters.retain(|thread| thread.id() != this);
        if state.driver.as_ref().is_some_and(|driver| driver.id() == this) {
            state.driver = state.waiters.pop();
            match &state.driver {
                Some(next) => next.unpark(),
                None if !state.queued => {
                    state.queued = true;
                    drop(state);
                    self.queue.push(self.clone());
                }
                None => {}
            }
        }
    }

    /// Lets an event loop deliver the outcome, or the drain thread.
    pub(crate) fn deliver_on(self: &Arc<Self>, event_loop: Option<Arc<LoopQueue>>) {
        let mut state = self.lock();
        let same = match (&state.event_loop, &event_loop) {
            (Some(before), Some(after)) => Arc::ptr_eq(before, after),
            (None, None) => true,
            _ => false,
        };
        if same {
            return;
        }
        let before = std::mem::replace(&mut state.event_loop, event_loop.clone());
        // The loop in whose queue it is may have ended. Another entry does no harm.
        let queued = state.queued;
        drop(state);
        drop(before);
        match event_loop {
            Some(event_loop) if queued => event_loop.push(self.clone()),
            None if queued => self.queue.push(self.clone()),
            _ => {}
        }
    }

    /// Makes sure that the drain thread looks at a task that is done: something started to wait for it.
    pub(crate) fn request_delivery(self: &Arc<Self>) {
        let mut state = self.lock();
        if !state.queued {
            state.queued = true;
            drop(state);
            self.queue.push(self.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<F>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<F, S> Wake for Task<F, S>
where
    F: Future + Unpin + Send + 'static,
    F::Output: Send + Sync + 'static,
    S: Settled<F::Output>,
{
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut state = self.lock();
        match &mut state.phase {
            Phase::Polling { woken } => *woken = true,
            Phase::Done(_) => {}
            Phase::Idle(_) => {
                if let Some(driver) = &state.driver {
                    let driver = driver.clone();
                    drop(state);
                    Alarm::Thread(driver).ring_in_turn();
                } else if !state.queued {
                    state.queued = true;
                    let event_loop = state.event_loop.clone();
                    drop(state);
                    match event_loop {
                        Some(event_loop) => event_loop.push(self.clone()),
                        None => self.queue.push(self.clone()),
                    }
                }
            }
        }
    }
}

impl<F, S> Queued for Task<F, S>
where
    F: Future + Unpin + Send + 'static,
    F::Output: Send + Sync + 'static,
    S: Settled<F::Output>,
{
    fn advance(self: Arc<Self>) -> bool {
        self.lock().queued = false;
        self.poll_future().is_some() && self.face.is_awaited()
    }

    fn deliver(self: Arc<Self>, py: Python<'_>, deliveries: &mut Deliveries) {
        if let Some(outcome) = self.outcome() {
            self.face.deliver(py, &outcome, deliveries);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::time::Duration;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    struct Nothing;
    impl Settled<u32> for Nothing {
        fn is_awaited(&self) -> bool {
            false
        }
        fn deliver(&self, _: Python<'_>, _: &Arc<u32>, _: &mut Deliveries) {}
    }

    /// Ready when `done` is set; the waker of the last poll is left in `waker`.
    #[derive(Clone, Default)]
    struct Manual {
        done: Arc<AtomicBool>,
        waker: Arc<Mutex<Option<Waker>>>,
        polls: Arc<AtomicUsize>,
    }

    impl Manual {
        fn finish(&self) {
            self.done.store(true, Ordering::SeqCst);
            if let Some(waker) = self.waker.lock().unwrap().take() {
                waker.wake();
            }
        }
    }

    impl Future for Manual {
        type Output = u32;
        fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<u32> {
            self.polls.fetch_add(1, Ordering::SeqCst);
            *self.waker.lock().unwrap() = Some(context.waker().clone());
            if self.done.load(Ordering::SeqCst) {
                Poll::Ready(7)
            } else {
                Poll::Pending
            }
        }
    }

    fn task() -> (Manual, Arc<Task<Manual, Nothing>>, Arc<CompletionQueue>) {
        let manual = Manual::default();
        let queue = Arc::new(CompletionQueue::default());
        (manual.clone(), Task::new(manual, queue.clone(), Nothing), queue)
    }

    #[test]
    fn with_nobody_waiting_a_wake_up_queues_the_task_once() {
        let (manual, task, queue) = task();
        assert!(task.drive().is_none());
        manual.finish();
        Wake::wake_by_ref(&task);
        let mut batch = Vec::new();
        assert!(queue.take_batch(&mut batch, PATIENCE));
        assert_eq!(batch.len(), 1);
        assert!(!batch.pop().unwrap().advance(), "no Python code waits");
        assert_eq!(task.outcome().as_deref(), Some(&7));
    }

    #[test]
    fn a_waiting_thread_is_woken_and_the_queue_is_not_used() {
        let (manual, task, queue) = task();
        assert!(task.drive().is_none());
        let waiting = thread::spawn({
            let task = task.clone();
            move || task.wait(None).unwrap().as_deref().copied()
        });
        while task.lock().driver.is_none() {
            thread::yield_now();
        }
        manual.finish();
        assert_eq!(waiting.join().unwrap(), Some(7));
        queue.close();
        assert!(!queue.take_batch(&mut Vec::new(), PATIENCE), "nothing was queued");
    }

    #[test]
    fn all_threads_that_wait_get_the_outcome() {
        let (manual, task, _queue) = task();
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let task = task.clone();
                thread::spawn(move || task.wait(None).unwrap().as_deref().copied())
            })
            .collect();
        while task.lock().waiters.len() < 2 || manual.polls.load(Ordering::SeqCst) == 0 {
            thread::yield_now();
        }
        manual.finish();
        for thread in threads {
            assert_eq!(thread.join().unwrap(), Some(7));
        }
    }

    #[test]
    fn a_thread_that_gives_up_leaves_the_task_to_the_queue() {
        let (manual, task, queue) = task();
        let soon = Instant::now() + Duration::from_millis(1);
        assert!(task.wait(Some(soon)).unwrap().is_none());
        let mut batch = Vec::new();
        assert!(queue.take_batch(&mut batch, PATIENCE));
        manual.finish();
        assert!(!batch.pop().unwrap().advance());
        assert!(task.outcome().is_some());
    }
}
