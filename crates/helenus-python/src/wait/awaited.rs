//! What a coroutine waits for: a future as those of `asyncio`, that belongs to one event loop and is done once.
//!
//! `asyncio` takes any object for a future that has `_asyncio_future_blocking`, and asks for everything else by name. One of our
//! own is made without asking the loop in Python, is its own iterator, and knows which answers have come together: what waits
//! for them is called from one handle of the loop, in its own context each, where `asyncio.Future` makes a handle for each.
//! It has no `send`, `throw` or `close`: with them it would be taken for a coroutine, and a generator that waits does without.
//! Invariants: methods are called on the thread of the loop; no lock is held while Python code can run; after the end nothing changes but
//! what has been seen of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::{
    PyBaseException, PyKeyboardInterrupt, PyRuntimeError, PyStopIteration, PySystemExit, PyTypeError,
};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyTraceback, PyTuple, PyType};
use pyo3::{PyTraverseError, PyVisit};

use crate::classes;

/// One wait of one coroutine.
#[pyclass(name = "Awaited", module = "cassandra._core", frozen, weakref)]
pub(crate) struct Awaited {
    pub(super) event_loop: Py<PyAny>,
    /// It was handed to the task that is to wait for it, which has not taken it yet.
    blocking: AtomicBool,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    end: Option<End>,
    /// Nearly always the task alone.
    first: Option<Listener>,
    others: Vec<Listener>,
    /// It has failed, and nobody has asked how.
    unseen: bool,
}

/// How it ended.
pub(crate) enum End {
    Result(Py<PyAny>),
    Error(Py<PyBaseException>, Option<Py<PyTraceback>>),
    /// With what the canceller said.
    Cancelled(Option<Py<PyAny>>),
}

/// A function that is called with the future when that is done.
struct Listener {
    function: Py<PyAny>,
    context: Py<PyAny>,
}

/// A function to be called because of a future that is done.
pub(crate) struct Call {
    listener: Listener,
    future: Py<Awaited>,
}

impl Call {
    /// Calls it, as a handle of the event loop does.
    pub(crate) fn run(&self, py: Python<'_>, event_loop: Option<&Bound<'_, PyAny>>) -> PyResult<()> {
        let context = self.listener.context.bind(py);
        let called = context.call_method1(intern!(py, "run"), (&self.listener.function, &self.future));
        let Err(error) = called else {
            return Ok(());
        };
        let ends_the_loop =
            error.is_instance_of::<PySystemExit>(py) || error.is_instance_of::<PyKeyboardInterrupt>(py);
        let Some(event_loop) = event_loop.filter(|_| !ends_the_loop) else {
            return Err(error);
        };
        let told = PyDict::new(py);
        let message = format!(
            "Exception in callback {}",
            self.listener.function.bind(py).repr()?
        );
        told.set_item(intern!(py, "message"), message)?;
        told.set_item(intern!(py, "exception"), error.into_value(py))?;
        told.set_item(intern!(py, "future"), &self.future)?;
        event_loop.call_method1(intern!(py, "call_exception_handler"), (told,))?;
        Ok(())
    }

    /// Has the event loop call it.
    pub(crate) fn schedule(self, event_loop: &Bound<'_, PyAny>) -> PyResult<()> {
        let py = event_loop.py();
        let keywords = PyDict::new(py);
        keywords.set_item(intern!(py, "context"), self.listener.context)?;
        let arguments = (self.listener.function, self.future);
        event_loop.call_method(intern!(py, "call_soon"), arguments, Some(&keywords))?;
        Ok(())
    }
}

impl Awaited {
    /// A future of `event_loop`.
    pub(crate) fn new<'py>(event_loop: &Bound<'py, PyAny>) -> PyResult<Bound<'py, Self>> {
        let made = Self {
            event_loop: event_loop.clone().unbind(),
            blocking: AtomicBool::new(false),
            state: Mutex::default(),
        };
        Bound::new(event_loop.py(), made)
    }

    pub(crate) fn is_done(&self) -> bool {
        self.lock().end.is_some()
    }

    /// Ends it, unless it has ended, and gives what is to be called now.
    pub(crate) fn finish(slf: &Bound<'_, Self>, end: End, mut call: impl FnMut(Call)) -> bool {
        let (first, others) = {
            let mut state = slf.get().lock();
            if state.end.is_some() {
                return false;
            }
            state.unseen = matches!(end, End::Error(..));
            state.end = Some(end);
            (state.first.take(), std::mem::take(&mut state.others))
        };
        for listener in first.into_iter().chain(others) {
            call(Call {
                listener,
                future: slf.clone().unbind(),
            });
        }
        true
    }

    /// As [`finish`](Self::finish); what is to be called is left to the event loop.
    fn finish_soon(slf: &Bound<'_, Self>, end: End) -> PyResult<bool> {
        let mut calls = Vec::new();
        let finished = Self::finish(slf, end, |call| calls.push(call));
        let event_loop = slf.get().event_loop.bind(slf.py());
        for call in calls {
            call.schedule(event_loop)?;
        }
        Ok(finished)
    }

    /// The result, or the error to be raised; `None` while it is not done.
    fn outcome(&self, py: Python<'_>) -> Option<PyResult<Py<PyAny>>> {
        let mut state = self.lock();
        state.unseen = false;
        Some(match state.end.as_mut()? {
            End::Result(result) => Ok(result.clone_ref(py)),
            End::Error(error, traceback) => {
                let error = error.clone_ref(py);
                let traceback = traceback.take();
                drop(state);
                // Not longer by each who asks.
                let error = error.into_bound(py);
                if let Err(error) = error.setattr(intern!(py, "__traceback__"), traceback) {
                    return Some(Err(error));
                }
                Err(PyErr::from_value(error.into_any()))
            }
            End::Cancelled(message) => {
                let message = message.as_ref().map(|message| message.clone_ref(py));
                drop(state);
                Err(cancelled_error(py, message).map_or_else(|error| error, PyErr::from_value))
            }
        })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn cancelled_error(py: Python<'_>, message: Option<Py<PyAny>>) -> PyResult<Bound<'_, PyAny>> {
    let class = classes::cancelled_error(py)?;
    match message {
        Some(message) => class.call1((message,)),
        None => class.call0(),
    }
}

fn invalid_state(py: Python<'_>, message: &'static str) -> PyErr {
    match classes::invalid_state_error(py) {
        Ok(class) => PyErr::from_type(class.clone(), message),
        Err(error) => error,
    }
}

/// Ends the iteration with `result`, which `await` gives.
fn returned(py: Python<'_>, result: Py<PyAny>) -> PyErr {
    let bound = result.bind(py);
    if bound.is_instance_of::<PyTuple>() || bound.is_instance_of::<PyBaseException>() {
        PyStopIteration::new_err((result,))
    } else {
        // Python makes the exception only if somebody looks at it.
        PyStopIteration::new_err(result)
    }
}

#[pymethods]
impl Awaited {
    #[classmethod]
    fn __class_getitem__<'py>(
        class: &Bound<'py, PyType>,
        item: Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = class.py();
        classes::generic_alias(py)?.call1((class, item))
    }

    fn __await__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__<'py>(slf: Bound<'py, Self>) -> PyResult<Bound<'py, Self>> {
        let py = slf.py();
        match slf.get().outcome(py) {
            Some(outcome) => Err(returned(py, outcome?)),
            None if slf.get().blocking.swap(true, Ordering::Relaxed) => {
                Err(PyRuntimeError::new_err("await wasn't used with future"))
            }
            None => Ok(slf),
        }
    }

    #[getter(_asyncio_future_blocking)]
    fn blocking(&self) -> bool {
        self.blocking.load(Ordering::Relaxed)
    }

    #[setter(_asyncio_future_blocking)]
    fn set_blocking(&self, blocking: bool) {
        self.blocking.store(blocking, Ordering::Relaxed);
    }

    /// The event loop that it belongs to.
    fn get_loop(&self, py: Python<'_>) -> Py<PyAny> {
        self.event_loop.clone_ref(py)
    }

    #[getter(_loop)]
    fn its_loop(&self, py: Python<'_>) -> Py<PyAny> {
        self.event_loop.clone_ref(py)
    }

    #[getter(_state)]
    fn state(&self) -> &'static str {
        match self.lock().end {
            None => "PENDING",
            Some(End::Cancelled(_)) => "CANCELLED",
            Some(End::Result(_) | End::Error(..)) => "FINISHED",
        }
    }

    #[getter(_callbacks)]
    fn callbacks<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyList>>> {
        let pairs: Vec<(Py<PyAny>, Py<PyAny>)> = {
            let state = self.lock();
            let all = state.first.iter().chain(&state.others);
            all.map(|listener| (listener.function.clone_ref(py), listener.context.clone_ref(py)))
                .collect()
        };
        if pairs.is_empty() {
            Ok(None)
        } else {
            PyList::new(py, pairs).map(Some)
        }
    }

    #[getter(_result)]
    fn kept_result(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        match &self.lock().end {
            Some(End::Result(result)) => Some(result.clone_ref(py)),
            _ => None,
        }
    }

    #[getter(_exception)]
    fn kept_exception(&self, py: Python<'_>) -> Option<Py<PyBaseException>> {
        match &self.lock().end {
            Some(End::Error(error, _)) => Some(error.clone_ref(py)),
            _ => None,
        }
    }

    #[getter(_cancel_message)]
    fn cancel_message(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        match &self.lock().end {
            Some(End::Cancelled(message)) => message.as_ref().map(|message| message.clone_ref(py)),
            _ => None,
        }
    }

    #[getter(_log_traceback)]
    fn unseen(&self) -> bool {
        self.lock().unseen
    }

    #[setter(_log_traceback)]
    fn set_unseen(&self, unseen: bool) -> PyResult<()> {
        if unseen {
            return Err(pyo3::exceptions::PyValueError::new_err(
                "_log_traceback can only be set to False",
            ));
        }
        self.lock().unseen = false;
        Ok(())
    }

    /// The exception of a future that was cancelled.
    fn _make_cancelled_error<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        cancelled_error(py, self.cancel_message(py))
    }

    /// Whether it has ended.
    fn done(&self) -> bool {
        self.is_done()
    }

    /// Whether it was cancelled.
    fn cancelled(&self) -> bool {
        matches!(self.lock().end, Some(End::Cancelled(_)))
    }

    /// The result.
    ///
    /// :raises InvalidStateError: there is none yet.
    /// :raises CancelledError: it was cancelled.
    fn result(&self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        self.outcome(py)
            .unwrap_or_else(|| Err(invalid_state(py, "Result is not set.")))
    }

    /// The exception, or ``None`` if there is a result.
    ///
    /// :raises InvalidStateError: it is not done.
    /// :raises CancelledError: it was cancelled.
    fn exception(&self, py: Python<'_>) -> PyResult<Option<Py<PyBaseException>>> {
        let mut state = self.lock();
        state.unseen = false;
        match &state.end {
            None => Err(invalid_state(py, "Exception is not set.")),
            Some(End::Result(_)) => Ok(None),
            Some(End::Error(error, _)) => Ok(Some(error.clone_ref(py))),
            Some(End::Cancelled(_)) => {
                drop(state);
                Err(PyErr::from_value(self._make_cancelled_error(py)?))
            }
        }
    }

    /// Wait no longer. What was sent goes on.
    ///
    /// :returns: whether it was not done.
    #[pyo3(signature = (msg=None))]
    fn cancel(slf: &Bound<'_, Self>, msg: Option<Py<PyAny>>) -> PyResult<bool> {
        slf.get().lock().unseen = false;
        Self::finish_soon(slf, End::Cancelled(msg))
    }

    /// Have the event loop call *fn* with this future when it is done.
    #[pyo3(signature = (r#fn, /, *, context=None))]
    fn add_done_callback(slf: &Bound<'_, Self>, r#fn: Py<PyAny>, context: Option<Py<PyAny>>) -> PyResult<()> {
        let py = slf.py();
        let context = match context {
            Some(context) => context,
            None => classes::copy_context(py)?.call0()?.unbind(),
        };
        let listener = Listener {
            function: r#fn,
            context,
        };
        let mut state = slf.get().lock();
        if state.end.is_some() {
            drop(state);
            let future = slf.clone().unbind();
            return Call { listener, future }.schedule(slf.get().event_loop.bind(py));
        }
        if state.first.is_none() && state.others.is_empty() {
            state.first = Some(listener);
        } else {
            state.others.push(listener);
        }
        Ok(())
    }

    /// Forget all callbacks that are equal to *fn*.
    ///
    /// :returns: their number.
    #[pyo3(signature = (r#fn, /))]
    fn remove_done_callback(&self, py: Python<'_>, r#fn: Bound<'_, PyAny>) -> PyResult<usize> {
        let all: Vec<Listener> = {
            let mut state = self.lock();
            let first = state.first.take();
            first
                .into_iter()
                .chain(std::mem::take(&mut state.others))
                .collect()
        };
        let before = all.len();
        let mut kept = Vec::with_capacity(before);
        let mut compared = Ok(());
        for listener in all {
            // Comparing runs code of the program.
            match listener.function.bind(py).eq(&r#fn) {
                Ok(true) => {}
                Ok(false) => kept.push(listener),
                Err(error) => {
                    kept.push(listener);
                    compared = Err(error);
                }
            }
        }
        let removed = before - kept.len();
        let mut state = self.lock();
        kept.extend(state.first.take());
        kept.append(&mut state.others);
        state.others = kept;
        compared.map(|()| removed)
    }

    /// End it with a result.
    ///
    /// :raises InvalidStateError: it has ended.
    #[pyo3(signature = (result, /))]
    fn set_result(slf: &Bound<'_, Self>, result: Py<PyAny>) -> PyResult<()> {
        if Self::finish_soon(slf, End::Result(result))? {
            Ok(())
        } else {
            Err(invalid_state(slf.py(), "invalid state"))
        }
    }

    /// End it with an exception, or an instance of a class of exceptions.
    ///
    /// :raises InvalidStateError: it has ended.
    #[pyo3(signature = (exception, /))]
    fn set_exception(slf: &Bound<'_, Self>, exception: Bound<'_, PyAny>) -> PyResult<()> {
        let exception = match exception.cast_into::<PyType>() {
            Ok(class) => class.call0()?,
            Err(instance) => instance.into_inner(),
        };
        let error = exception
            .cast_into::<PyBaseException>()
            .map_err(|_| PyTypeError::new_err("invalid exception object"))?;
        if error.is_instance_of::<PyStopIteration>() {
            return Err(PyTypeError::new_err(
                "StopIteration interacts badly with generators and cannot be raised into a Future",
            ));
        }
        if Self::finish_soon(slf, failed(error))? {
            Ok(())
        } else {
            Err(invalid_state(slf.py(), "invalid state"))
        }
    }

    fn __repr__(&self) -> String {
        format!("<Awaited {}>", self.state().to_lowercase())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        visit.call(&self.event_loop)?;
        let Ok(state) = self.state.try_lock() else {
            return Ok(());
        };
        for listener in state.first.iter().chain(&state.others) {
            visit.call(&listener.function)?;
            visit.call(&listener.context)?;
        }
        match &state.end {
            Some(End::Result(result)) => visit.call(result),
            Some(End::Error(error, traceback)) => {
                visit.call(error)?;
                visit.call(traceback)
            }
            Some(End::Cancelled(message)) => visit.call(message),
            None => Ok(()),
        }
    }

    fn __clear__(&self) {
        let (first, others) = {
            let mut state = self.lock();
            (state.first.take(), std::mem::take(&mut state.others))
        };
        drop((first, others));
    }
}

/// The end by an exception, whose traceback is kept as it is now.
pub(crate) fn failed(error: Bound<'_, PyBaseException>) -> End {
    let traceback = error
        .getattr(intern!(error.py(), "__traceback__"))
        .ok()
        .and_then(|traceback| traceback.cast_into::<PyTraceback>().ok())
        .map(Bound::unbind);
    End::Error(error.unbind(), traceback)
}

impl Drop for Awaited {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Some(End::Error(error, _)) = state.end.take_if(|_| state.unseen) else {
            return;
        };
        Python::attach(|py| {
            let tell = || -> PyResult<()> {
                let told = PyDict::new(py);
                told.set_item(intern!(py, "message"), "Future exception was never retrieved")?;
                told.set_item(intern!(py, "exception"), error)?;
                let handler = intern!(py, "call_exception_handler");
                self.event_loop.bind(py).call_method1(handler, (told,))?;
                Ok(())
            };
            // An exception may be on its way through here.
            let pending = PyErr::take(py);
            if let Err(error) = tell() {
                error.write_unraisable(py, None);
            }
            if let Some(pending) = pending {
                pending.restore(py);
            }
        });
    }
}
