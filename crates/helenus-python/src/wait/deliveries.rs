//! Outcomes on their way to event loops: one wake-up for each loop and batch.
//!
//! `call_soon_threadsafe` writes a byte to the loop's pipe every time; a loop that waits for hundreds of requests would be
//! woken hundreds of times for what one wake-up can tell.

use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyList, PyTuple};

use super::awaited::{Awaited, Call, End, failed};
use crate::classes;
use crate::future::ResponseFuture;

/// Futures of event loops that can be resolved, by loop.
#[derive(Default)]
pub(crate) struct Deliveries {
    /// The loop whose thread this is: its futures are resolved at once.
    here: Option<Py<PyAny>>,
    /// What waits for those, to be called by whoever has this.
    calls: Vec<Call>,
    loops: Vec<(Py<PyAny>, Py<PyList>)>,
}

impl Deliveries {
    /// For use on the thread of `event_loop`.
    pub(crate) fn on(event_loop: Bound<'_, PyAny>) -> Self {
        Self {
            here: Some(event_loop.unbind()),
            calls: Vec::new(),
            loops: Vec::new(),
        }
    }

    /// What is to be called on this thread, in order.
    pub(crate) fn take_calls(&mut self) -> Vec<Call> {
        std::mem::take(&mut self.calls)
    }

    /// Leaves `response_future`, which is done, for `waiter`, a future of `event_loop`.
    pub(crate) fn add(
        &mut self,
        event_loop: &Bound<'_, PyAny>,
        waiter: &Bound<'_, Awaited>,
        response_future: &Bound<'_, ResponseFuture>,
    ) -> PyResult<()> {
        let py = event_loop.py();
        if self.here.as_ref().is_some_and(|here| here.is(event_loop)) {
            resolve(waiter, response_future, |call| self.calls.push(call));
            return Ok(());
        }
        let pair = PyTuple::new(py, [waiter.as_any(), response_future.as_any()])?;
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
        let (waiter, response_future): (Bound<'_, Awaited>, Bound<'_, ResponseFuture>) = pair.extract()?;
        let mut calls = Vec::new();
        resolve(&waiter, &response_future, |call| calls.push(call));
        for call in calls {
            call.schedule(waiter.get().event_loop.bind(py))?;
        }
    }
    Ok(())
}

/// Gives `waiter`, unless it was cancelled, the result of `response_future`, which is done.
pub(crate) fn resolve(
    waiter: &Bound<'_, Awaited>,
    response_future: &Bound<'_, ResponseFuture>,
    call: impl FnMut(Call),
) {
    if waiter.get().is_done() {
        return;
    }
    let py = waiter.py();
    let end = match ResponseFuture::outcome_of(response_future) {
        Ok(result) => End::Result(result.unbind()),
        Err(error) => failed(error.into_value(py).into_bound(py)),
    };
    Awaited::finish(waiter, end, call);
}
