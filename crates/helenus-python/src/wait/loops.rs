//! Event loops that wait for requests: each has a queue of its own, which it empties itself.
//!
//! One byte wakes a loop, and only if its queue was empty: whatever arrives until the loop gets to it comes along. No other
//! thread has to enter the interpreter for it. Loops that cannot watch a socket are served by the drain thread.
//! Invariant: the byte is taken before the queue is, so that an entry never waits without one.

use std::collections::VecDeque;
use std::io::{Read as _, Write as _};
#[cfg(unix)]
use std::os::{fd::AsRawFd as _, unix::net::UnixStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyWeakrefReference;

use super::awaited::Call;
use super::deliveries::Deliveries;
use super::queue::Queued;
use crate::runtime::{Alarm, Io};

/// What became ready for one event loop.
pub(crate) struct LoopQueue {
    entries: Mutex<Vec<Arc<dyn Queued>>>,
    io: &'static Io,
    #[cfg(unix)]
    sender: UnixStream,
}

impl LoopQueue {
    /// Adds an entry, from any thread, and wakes the loop if nothing else has.
    pub(crate) fn push(self: &Arc<Self>, entry: Arc<dyn Queued>) {
        let was_empty = {
            let mut entries = lock(&self.entries);
            entries.push(entry);
            entries.len() == 1
        };
        if was_empty {
            Alarm::EventLoop(self.clone()).ring_in_turn();
        }
    }

    /// Wakes the loop.
    pub(crate) fn ring(&self) {
        // A full socket wakes the loop as well, and one that nobody reads any more needs no waking.
        #[cfg(unix)]
        let _ = (&self.sender).write(&[0]);
    }
}

/// Called by the event loop when its queue has entries.
#[cfg(unix)]
#[pyclass(name = "LoopReader", module = "cassandra._core", frozen)]
struct LoopReader {
    event_loop: Py<PyWeakrefReference>,
    queue: Arc<LoopQueue>,
    receiver: UnixStream,
    woken: Py<Woken>,
}

#[cfg(unix)]
#[pymethods]
impl LoopReader {
    fn __call__(&self, py: Python<'_>) -> PyResult<()> {
        let mut bytes = [0; 64];
        while matches!((&self.receiver).read(&mut bytes), Ok(count) if count == bytes.len()) {}
        let entries = std::mem::take(&mut *lock(&self.queue.entries));
        let Some(event_loop) = self.event_loop.bind(py).upgrade() else {
            return Ok(());
        };
        let mut deliveries = Deliveries::on(event_loop.clone());
        for entry in entries {
            if entry.clone().advance() {
                entry.deliver(py, &mut deliveries);
            }
        }
        let calls = deliveries.take_calls();
        let many = calls.len() > 1;
        deliveries.send(py)?;
        if event_loop.call_method0(intern!(py, "get_debug"))?.is_truthy()? {
            // It tells which of them is slow.
            for call in calls {
                call.schedule(&event_loop)?;
            }
            return Ok(());
        }
        let woken = self.woken.bind(py);
        lock(&woken.get().calls).extend(calls);
        if many {
            // What they leave if they end the loop, or run it within, is not lost.
            event_loop.call_method1(intern!(py, "call_soon"), (woken,))?;
        }
        // What coroutines send leaves together.
        let _holding = many.then(|| self.queue.io.hold());
        woken.get().run(py, &event_loop)
    }
}

/// What waits for answers that have come, in order.
#[cfg(unix)]
#[pyclass(name = "Woken", module = "cassandra._core", frozen)]
struct Woken {
    event_loop: Py<PyWeakrefReference>,
    calls: Mutex<VecDeque<Call>>,
}

#[cfg(unix)]
impl Woken {
    fn run(&self, py: Python<'_>, event_loop: &Bound<'_, PyAny>) -> PyResult<()> {
        loop {
            let next = lock(&self.calls).pop_front();
            let Some(call) = next else {
                return Ok(());
            };
            call.run(py, Some(event_loop))?;
        }
    }
}

#[cfg(unix)]
#[pymethods]
impl Woken {
    /// Calls what is left; behind each there is a handle for those after it, as any may end the loop or run it within.
    fn __call__(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let Some(event_loop) = slf.get().event_loop.bind(py).upgrade() else {
            return Ok(());
        };
        loop {
            let (next, more) = {
                let mut calls = lock(&slf.get().calls);
                (calls.pop_front(), !calls.is_empty())
            };
            let Some(call) = next else {
                return Ok(());
            };
            if more {
                event_loop.call_method1(intern!(py, "call_soon"), (slf,))?;
            }
            call.run(py, Some(&event_loop))?;
        }
    }
}

/// A loop that was met, and its queue if it can have one.
struct Known {
    event_loop: Py<PyWeakrefReference>,
    queue: Option<Arc<LoopQueue>>,
}

/// Few: a program has one loop for each thread at most, and those that are gone are forgotten.
static KNOWN: Mutex<Vec<Known>> = Mutex::new(Vec::new());

/// The queue of `event_loop`, which runs on this thread; `None` if it cannot have one.
pub(crate) fn queue_of(io: &'static Io, event_loop: &Bound<'_, PyAny>) -> PyResult<Option<Arc<LoopQueue>>> {
    let py = event_loop.py();
    {
        let known = lock(&KNOWN);
        let found = known.iter().find(|known| {
            let known = known.event_loop.bind(py).upgrade();
            known.is_some_and(|known| known.is(event_loop))
        });
        if let Some(known) = found {
            return Ok(known.queue.clone());
        }
    }
    let weak = PyWeakrefReference::new(event_loop)?;
    let queue = watch(io, event_loop, &weak)?;
    let gone: Vec<Known> = {
        let mut known = lock(&KNOWN);
        known.push(Known {
            event_loop: weak.unbind(),
            queue: queue.clone(),
        });
        known
            .extract_if(.., |known| known.event_loop.bind(py).upgrade().is_none())
            .collect()
    };
    drop(gone);
    Ok(queue)
}

/// Makes a queue that `event_loop` watches.
#[cfg(unix)]
fn watch(
    io: &'static Io,
    event_loop: &Bound<'_, PyAny>,
    weak: &Bound<'_, PyWeakrefReference>,
) -> PyResult<Option<Arc<LoopQueue>>> {
    let py = event_loop.py();
    let (sender, receiver) = UnixStream::pair()?;
    sender.set_nonblocking(true)?;
    receiver.set_nonblocking(true)?;
    let queue = Arc::new(LoopQueue {
        entries: Mutex::default(),
        io,
        sender,
    });
    let descriptor = receiver.as_raw_fd();
    let woken = Woken {
        event_loop: weak.clone().unbind(),
        calls: Mutex::default(),
    };
    let reader = LoopReader {
        woken: Py::new(py, woken)?,
        event_loop: weak.clone().unbind(),
        queue: queue.clone(),
        receiver,
    };
    let reader = Bound::new(py, reader)?;
    // A loop of another kind (a proactor) has no such method, or refuses.
    let watched = event_loop.call_method1(intern!(py, "add_reader"), (descriptor, reader));
    Ok(watched.is_ok().then_some(queue))
}

#[cfg(not(unix))]
fn watch(
    _: &'static Io,
    _: &Bound<'_, PyAny>,
    _: &Bound<'_, PyWeakrefReference>,
) -> PyResult<Option<Arc<LoopQueue>>> {
    Ok(None)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
