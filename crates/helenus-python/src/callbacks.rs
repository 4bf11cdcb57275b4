//! What waits for the outcome of a future: callbacks, errbacks and coroutines.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

use crate::classes;

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

    /// Calls the function with `outcome` in front of its own arguments.
    pub(crate) fn call(&self, py: Python<'_>, outcome: &Bound<'_, PyAny>) -> PyResult<()> {
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

    /// As [`call`](Self::call); an exception is logged, for there is nobody to raise it to.
    pub(crate) fn call_logged(&self, py: Python<'_>, outcome: &Bound<'_, PyAny>) {
        let Err(error) = self.call(py, outcome) else {
            return;
        };
        let logged = classes::cluster_log(py).and_then(|log| {
            let keywords = PyDict::new(py);
            keywords.set_item(intern!(py, "exc_info"), error.value(py))?;
            let message = "callback %r raised an exception";
            log.call_method(intern!(py, "error"), (message, &self.function), Some(&keywords))
        });
        if let Err(error) = logged {
            error.write_unraisable(py, None);
        }
    }

    pub(crate) fn traverse(&self, visit: &PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.function)?;
        visit.call(&self.arguments)?;
        visit.call(&self.keywords)
    }
}

/// A coroutine that waits: its event loop, and the future of that loop.
pub(crate) struct Waiter {
    pub(crate) event_loop: Py<PyAny>,
    pub(crate) future: Py<PyAny>,
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
