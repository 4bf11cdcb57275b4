//! What waits for the outcome of a future: callbacks, errbacks and coroutines.
//!
//! A callback that is added to a future that is done runs at once, and may add the next one to another that is done: a chain
//! of them would overflow the thread's stack, which a program that has raised Python's own limit is not kept from. So they
//! are called within each other to a depth ([`DEEPEST`]) that few programs reach;
//! those beyond it run as soon as the callback at that depth has returned, in the order in which they would have run.

use std::cell::{Cell, RefCell};

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

use crate::classes;
use crate::wait::Awaited;

/// A function with the arguments that follow the outcome.
pub(crate) struct Callback {
    function: Py<PyAny>,
    arguments: Py<PyTuple>,
    keywords: Option<Py<PyDict>>,
}

impl Callback {
    pub(crate) fn new(
        function: Bound<'_, PyAny>,
        arguments: Bound<'_, PyTuple>,
        keywords: Option<Bound<'_, PyDict>>,
    ) -> Self {
        Self {
            function: function.unbind(),
            arguments: arguments.unbind(),
            keywords: keywords
                .filter(|keywords| !keywords.is_empty())
                .map(Bound::unbind),
        }
    }

    pub(crate) fn clone_ref(&self, py: Python<'_>) -> Self {
        Self {
            function: self.function.clone_ref(py),
            arguments: self.arguments.clone_ref(py),
            keywords: self.keywords.as_ref().map(|keywords| keywords.clone_ref(py)),
        }
    }

    /// Calls the function as [`call`](Self::call) does, or leaves that to a callback that is running, where too many run
    /// within each other on this thread.
    pub(crate) fn run(self, outcome: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = outcome.py();
        let Some(level) = Level::enter() else {
            let left = Left {
                callback: self,
                outcome: outcome.clone().unbind(),
            };
            LEFT.with_borrow_mut(|all| all.push(left));
            return Ok(());
        };
        let called = self.call(py, outcome);
        if level.is_deepest() {
            Self::run_those_left(py, called)
        } else {
            called
        }
    }

    /// As [`run`](Self::run); an exception is logged, for there is nobody to raise it to.
    pub(crate) fn run_logged(self, outcome: &Bound<'_, PyAny>) {
        let py = outcome.py();
        let name = self.function.clone_ref(py);
        if let Err(error) = self.run(outcome) {
            log(name.bind(py), &error);
        }
    }

    /// Runs what was left to the callback that has ended as `called`. Of several exceptions the first is raised.
    fn run_those_left(py: Python<'_>, called: PyResult<()>) -> PyResult<()> {
        let mut outcome = called;
        // As if each had run when it was added: those that it adds itself come before those that were added after it.
        let mut from = 0;
        loop {
            let next = LEFT.with_borrow_mut(|all| {
                let from_here = from.min(all.len());
                all[from_here..].reverse();
                let next = all.pop();
                from = all.len();
                next
            });
            let Some(Left {
                callback,
                outcome: argument,
            }) = next
            else {
                return outcome;
            };
            if let Err(error) = callback.call(py, argument.bind(py)) {
                match &outcome {
                    Ok(()) => outcome = Err(error),
                    Err(_) => log(callback.function.bind(py), &error),
                }
            }
        }
    }

    /// Calls the function with `outcome` in front of its own arguments.
    fn call(&self, py: Python<'_>, outcome: &Bound<'_, PyAny>) -> PyResult<()> {
        let function = self.function.bind(py);
        let own = self.arguments.bind(py);
        let keywords = self.keywords.as_ref().map(|keywords| keywords.bind(py));
        if own.is_empty() && keywords.is_none() {
            function.call1((outcome,))?;
        } else {
            let mut arguments = Vec::with_capacity(own.len() + 1);
            arguments.push(outcome.clone());
            arguments.extend(own.iter());
            function.call(PyTuple::new(py, arguments)?, keywords)?;
        }
        Ok(())
    }

    pub(crate) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.function)?;
        visit.call(&self.arguments)?;
        visit.call(&self.keywords)
    }
}

/// Writes an exception of a callback to the log of the cluster.
fn log(function: &Bound<'_, PyAny>, error: &PyErr) {
    let py = function.py();
    let logged = classes::cluster_log(py).and_then(|log| {
        let keywords = PyDict::new(py);
        keywords.set_item(intern!(py, "exc_info"), error.value(py))?;
        let message = "callback %r raised an exception";
        log.call_method(intern!(py, "error"), (message, function), Some(&keywords))
    });
    if let Err(error) = logged {
        error.write_unraisable(py, None);
    }
}

/// How many callbacks run within each other on one thread: a level takes 1 KiB of its stack or so, and 3 of the 1,500 native calls that
/// Python 3.12 lets one make of another.
const DEEPEST: u32 = 200;

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    /// What the deepest callback has been left with.
    static LEFT: RefCell<Vec<Left>> = const { RefCell::new(Vec::new()) };
}

/// A callback that is to run, and what with.
struct Left {
    callback: Callback,
    outcome: Py<PyAny>,
}

/// A callback that runs on this thread, within others.
struct Level(u32);

impl Level {
    /// Goes one level deeper, if that is not too deep.
    fn enter() -> Option<Self> {
        let level = DEPTH.get() + 1;
        if level > DEEPEST {
            return None;
        }
        DEPTH.set(level);
        Some(Self(level))
    }

    fn is_deepest(&self) -> bool {
        self.0 == DEEPEST
    }
}

impl Drop for Level {
    fn drop(&mut self) {
        DEPTH.set(DEPTH.get() - 1);
    }
}

/// A coroutine that waits: its event loop, and the future of that loop.
pub(crate) struct Waiter {
    pub(crate) event_loop: Py<PyAny>,
    pub(crate) future: Py<Awaited>,
}

/// All that waits for one future.
#[derive(Default)]
pub(crate) struct Waiting {
    /// The outcome of the current page has been handed out.
    pub(crate) settled: bool,
    /// Called with the rows of every page.
    pub(crate) callbacks: Vec<Callback>,
    /// Called with the exception that ends the request.
    pub(crate) errbacks: Vec<Callback>,
    /// Resolved once.
    pub(crate) waiters: Vec<Waiter>,
}

impl Waiting {
    /// Whether functions of the program wait, not only coroutines.
    pub(crate) fn has_callbacks(&self) -> bool {
        !(self.callbacks.is_empty() && self.errbacks.is_empty())
    }

    /// Whether the drain thread has something to do for the current page.
    pub(crate) fn is_awaited(&self) -> bool {
        let nothing = self.callbacks.is_empty() && self.errbacks.is_empty() && self.waiters.is_empty();
        !(self.settled || nothing)
    }
}
