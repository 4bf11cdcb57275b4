//! Outcomes on their way to event loops: one wake-up for each loop and batch.
//!
//! `call_soon_threadsafe` writes a byte to the loop's pipe every time; a loop that waits for hundreds of requests would be
//! woken hundreds of times for what one wake-up can tell.

use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use crate::classes;

/// Futures of event loops that can be resolved, by loop.
#[derive(Default)]
pub(crate) struct Deliveries {
    /// The loop whose thread this is: its futures are resolved at once.
    here: Option<Py<PyAny>>,
    loops: Vec<(Py<PyAny>, Py<PyList>)>,
}

impl Deliveries {
    /// For use on the thread of `event_loop`.
    pub(crate) fn on(event_loop: Bound<'_, PyAny>) -> Self {
        Self {
            here: Some(event_loop.unbind()),
            loops: Vec::new(),
        }
    }

    /// Leaves `response_future`, which is done, for `waiter`, a future of `event_loop`.
    pub(crate) fn add(
        &mut self,
        event_loop: &Bound<'_, PyAny>,
        waiter: &Bound<'_, PyAny>,
        response_future: &Bound<'_, PyAny>,
    ) -> PyResult<()> {
        let py = event_loop.py();
        if self.here.as_ref().is_some_and(|here| here.is(event_loop)) {
            return resolve(py, waiter, response_future);
        }
        let pair = PyTuple::new(py, [waiter, response_future])?;
        if let Some((_, pairs)) = self.loops.iter().find(|(known, _)| known.is(event_loop)) {
            return pairs.bind(py).append(pair);
        }
        let pairs = PyList::new(py, [pair])?;
        self.loops.push((event_loop.clone().unbind(), pairs.unbind()));
        Ok(())
    }

    /// Wakes each loop once. A loop that is closed by now has nobody left who waits.
    pub(crate) fn send(self, py: Python<'_>) -> PyResult<()> {
        for (event_loop, pairs) in self.loops {
            let sent = event_loop.bind(py).call_method1(
                intern!(py, "call_soon_threadsafe"),
                (classes::resolve_futures(py)?, pairs),
            );
            match sent {
                Err(error) if error.is_instance_of::<PyRuntimeError>(py) => {}
                other => drop(other?),
            }
        }
        Ok(())
    }
}

/// Give each future of a pair the result of the response future beside it. Runs on the thread of their event loop.
#[pyfunction]
pub(crate) fn resolve_futures(pairs: &Bound<'_, PyList>) -> PyResult<()> {
    let py = pairs.py();
    for pair in pairs {
        let (waiter, response_future): (Bound<'_, PyAny>, Bound<'_, PyAny>) = pair.extract()?;
        resolve(py, &waiter, &response_future)?;
    }
    Ok(())
}

/// Gives `waiter`, unless it was cancelled, the result of `response_future`, which is done.
pub(crate) fn resolve(
    py: Python<'_>,
    waiter: &Bound<'_, PyAny>,
    response_future: &Bound<'_, PyAny>,
) -> PyResult<()> {
    if waiter.call_method0(intern!(py, "done"))?.is_truthy()? {
        return Ok(());
    }
    match response_future.call_method0(intern!(py, "result")) {
        Ok(result) => waiter.call_method1(intern!(py, "set_result"), (result,))?,
        Err(error) => waiter.call_method1(intern!(py, "set_exception"), (error.into_value(py),))?,
    };
    Ok(())
}
