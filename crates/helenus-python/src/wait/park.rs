//! Parking a thread until a future is done, with an eye on Ctrl-C.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use crate::runtime::{self, Io};

/// How long a thread parks before it looks for signals. Python's handlers run on its main thread only when that is
/// asked; a signal that arrives does not end the park.
const SIGNAL_CHECK: Duration = Duration::from_millis(100);

/// A Python signal handler raised (`KeyboardInterrupt`).
#[derive(Debug)]
pub(crate) struct Interrupted(pub(crate) PyErr);

/// A thread that waits for a future which it alone polls: what wakes it, however it waits.
pub(crate) struct Sleeper {
    thread: Thread,
    woken: AtomicBool,
    /// The thread drives the runtime while it waits.
    driving: AtomicBool,
    root: Mutex<Option<Waker>>,
}

impl Sleeper {
    fn new() -> Self {
        Self {
            thread: thread::current(),
            woken: AtomicBool::new(false),
            driving: AtomicBool::new(false),
            root: Mutex::default(),
        }
    }

    pub(crate) fn unpark(&self) {
        self.thread.unpark();
    }

    pub(crate) fn is_woken(&self) -> bool {
        self.woken.load(Ordering::SeqCst)
    }

    /// Says whether the thread drives the runtime. To be followed by a look at [`is_woken`](Self::is_woken).
    pub(crate) fn driving(&self, driving: bool) {
        self.driving.store(driving, Ordering::SeqCst);
    }

    /// Keeps what wakes the thread while it drives the runtime.
    pub(crate) fn keep_root(&self, waker: &Waker) {
        runtime::keep(&mut self.root(), waker);
    }

    /// Wakes the thread while it drives the runtime.
    pub(crate) fn wake_root(&self) {
        if let Some(root) = &*self.root() {
            root.wake_by_ref();
        }
    }

    fn root(&self) -> MutexGuard<'_, Option<Waker>> {
        self.root.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::SeqCst);
        // Costs nothing when the thread is not parked.
        self.thread.unpark();
        if self.driving.load(Ordering::SeqCst) {
            self.wake_root();
        }
    }
}

/// Parks the calling thread, which is detached from the interpreter, until `ready` gives a value or `deadline` passes.
///
/// `ready` is called at least once, then after every wake-up. Signal handlers run in between.
pub(crate) fn wait_interruptibly<T>(
    deadline: Option<Instant>,
    mut ready: impl FnMut() -> Option<T>,
) -> Result<Option<T>, Interrupted> {
    let mut next_check = None;
    loop {
        if let Some(value) = ready() {
            return Ok(Some(value));
        }
        helenus::release_held();
        let now = Instant::now();
        let next_check = next_check.get_or_insert_with(|| now + SIGNAL_CHECK);
        if deadline.is_some_and(|deadline| deadline <= now) {
            return Ok(None);
        }
        if now >= *next_check {
            Python::attach(|py| py.check_signals()).map_err(Interrupted)?;
            *next_check = now + SIGNAL_CHECK;
        }
        let until = deadline.map_or(*next_check, |deadline| deadline.min(*next_check));
        thread::park_timeout(until.saturating_duration_since(now));
    }
}

thread_local! {
    /// This thread, and its waker.
    static SLEEPER: (Arc<Sleeper>, Waker) = {
        let sleeper = Arc::new(Sleeper::new());
        (sleeper.clone(), Waker::from(sleeper))
    };
}

/// Polls `future` on the calling thread, which is detached from the interpreter, until it is done. An interrupt drops it.
///
/// The thread parks, or is lent the runtime. It polls the future outside of the runtime in both cases: policies of the
/// program may be called, and may run requests.
pub(crate) fn wait_for<F: Future + Unpin>(io: &'static Io, mut future: F) -> Result<F::Output, Interrupted> {
    SLEEPER.with(|(sleeper, waker)| {
        let mut context = Context::from_waker(waker);
        let mut poll = || match Pin::new(&mut future).poll(&mut context) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        };
        let wait = io.begin_wait();
        if let Some(loan) = wait.borrow(sleeper) {
            loop {
                sleeper.woken.store(false, Ordering::SeqCst);
                if let Some(output) = poll() {
                    return Ok(output);
                }
                if !loan.drive(sleeper) {
                    break;
                }
            }
        }
        loop {
            if let Some(output) = wait_interruptibly(None, &mut poll)? {
                return Ok(output);
            }
        }
    })
}

/// Runs `future` on the I/O thread and waits for it. An interrupt leaves it to itself.
///
/// For the rare calls (connect, prepare, shut down); requests go through [`Task`](super::Task).
pub(crate) fn block_on_io<T: Send + 'static>(
    py: Python<'_>,
    io: &'static Io,
    future: impl Future<Output = T> + Send + 'static,
) -> PyResult<T> {
    io.call_back();
    let task = io.handle().spawn(future);
    py.detach(|| match wait_for(io, task) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(PyRuntimeError::new_err(format!("the I/O thread failed: {error}"))),
        Err(Interrupted(error)) => Err(error),
    })
}
