//! Parking a thread until a future is done, with an eye on Ctrl-C.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use tokio::runtime::Handle;

/// How long a thread parks before it looks for signals. Python's handlers run on its main thread only when that is
/// asked; a signal that arrives does not end the park.
const SIGNAL_CHECK: Duration = Duration::from_millis(100);

/// A Python signal handler raised (`KeyboardInterrupt`).
#[derive(Debug)]
pub(crate) struct Interrupted(pub(crate) PyErr);

/// Unparks a thread. The future it belongs to is polled by that thread alone.
struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
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
    /// Unparks this thread.
    static UNPARK: Waker = Waker::from(Arc::new(Unpark(thread::current())));
}

/// Polls `future` on the calling thread, which is detached from the interpreter, until it is done. An interrupt drops it.
pub(crate) fn wait_for<F: Future + Unpin>(mut future: F) -> Result<F::Output, Interrupted> {
    UNPARK.with(|waker| {
        let mut context = Context::from_waker(waker);
        let mut poll = || match Pin::new(&mut future).poll(&mut context) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        };
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
    runtime: &Handle,
    future: impl Future<Output = T> + Send + 'static,
) -> PyResult<T> {
    let task = runtime.spawn(future);
    py.detach(|| match wait_for(task) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(PyRuntimeError::new_err(format!("the I/O thread failed: {error}"))),
        Err(Interrupted(error)) => Err(error),
    })
}
