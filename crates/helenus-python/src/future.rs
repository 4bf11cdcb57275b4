//! `ResponseFuture`: one request, its outcome, and everything that waits for it.
//!
//! The request itself is a [`Task`]; this class is its face in Python. Rows are decoded once, by the first thread that
//! asks, and the same list goes to `result()` and to callbacks. Locks are never held while Python code can run.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use helenus::{ContinuousPages, QueryResult, SchemaAgreement};
use pyo3::exceptions::PyBaseException;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

use crate::callbacks::{Callback, Waiter, Waiting};
use crate::made::Made;
use crate::request::{Execution, Outcome, OutgoingRequest};
use crate::result_set::ResultSet;
use crate::session::SessionContext;
use crate::wait::{Awaited, Deliveries, Interrupted, Settled, Task};
use crate::{classes, convert, errors, failures, raw};

/// What the drain thread knows of a future.
#[derive(Default)]
pub(crate) struct Face {
    awaited: AtomicBool,
    /// Set while something waits, so that the future lives until it is done, whoever else forgets it.
    future: Mutex<Option<Py<ResponseFuture>>>,
}

impl Settled<Outcome> for Face {
    fn is_awaited(&self) -> bool {
        self.awaited.load(Ordering::Acquire)
    }

    fn deliver(&self, py: Python<'_>, outcome: &Arc<Outcome>, deliveries: &mut Deliveries) {
        let future = lock(&self.future).take();
        self.awaited.store(false, Ordering::Release);
        if let Some(future) = future {
            ResponseFuture::settle(future.bind(py), outcome, deliveries);
        }
    }
}

type RequestTask = Task<Execution, Face>;

/// The outcome of a request, now or later. It is made by ``Session.execute_async``.
#[pyclass(
    name = "ResponseFuture",
    module = "cassandra.cluster",
    subclass,
    dict,
    weakref,
    frozen
)]
pub(crate) struct ResponseFuture {
    made: Made,
    session: Py<PyAny>,
    context: Arc<SessionContext>,
    request: Mutex<OutgoingRequest>,
    row_factory: Mutex<Py<PyAny>>,
    progress: Mutex<Progress>,
    settled: Mutex<Option<Decoded>>,
    waiting: Mutex<Waiting>,
    /// Ids of the traces of all pages so far.
    traces: Mutex<Vec<uuid::Uuid>>,
}

/// How far the request for the current page has come.
#[derive(Clone)]
enum Progress {
    NotSent,
    UnderWay(Arc<RequestTask>),
    /// It was run by somebody else, who has put the outcome here.
    Finished(Arc<Outcome>),
}

/// What the program gets for the current page.
enum Decoded {
    /// The rows in the form of the row factory; `None` where there are no rows.
    Rows(Py<PyAny>),
    Error(Py<PyBaseException>),
}

impl Decoded {
    fn clone_ref(&self, py: Python<'_>) -> Self {
        match self {
            Self::Rows(rows) => Self::Rows(rows.clone_ref(py)),
            Self::Error(error) => Self::Error(error.clone_ref(py)),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl ResponseFuture {
    /// A future for `request`, which is not sent yet.
    pub(crate) fn new<'py>(
        py: Python<'py>,
        session: Py<PyAny>,
        context: Arc<SessionContext>,
        request: OutgoingRequest,
        row_factory: Py<PyAny>,
    ) -> PyResult<Bound<'py, Self>> {
        Self::with_progress(py, session, context, request, row_factory, Progress::NotSent)
    }

    /// A future for a request that has been run, and whose rows, if it has any, are decoded.
    pub(crate) fn finished<'py>(
        py: Python<'py>,
        session: Py<PyAny>,
        context: Arc<SessionContext>,
        request: OutgoingRequest,
        row_factory: Py<PyAny>,
        answer: QueryResult,
        rows: Py<PyAny>,
    ) -> PyResult<Bound<'py, Self>> {
        let traces = answer.tracing_id().into_iter().collect();
        let progress = Progress::Finished(Arc::new(Ok(answer)));
        let future = Self::with_progress(py, session, context, request, row_factory, progress)?;
        *lock(&future.get().traces) = traces;
        *lock(&future.get().settled) = Some(Decoded::Rows(rows));
        Ok(future)
    }

    fn with_progress<'py>(
        py: Python<'py>,
        session: Py<PyAny>,
        context: Arc<SessionContext>,
        request: OutgoingRequest,
        row_factory: Py<PyAny>,
        progress: Progress,
    ) -> PyResult<Bound<'py, Self>> {
        let future = Bound::new(
            py,
            Self {
                made: Made::new(),
                session,
                context,
                request: Mutex::new(request),
                row_factory: Mutex::new(row_factory),
                progress: Mutex::new(progress),
                settled: Mutex::new(None),
                waiting: Mutex::new(Waiting::default()),
                traces: Mutex::new(Vec::new()),
            },
        )?;
        // Nothing it holds leads back to it, unless the program gives it attributes: see `__setattr__`.
        raw::untrack(future.as_any());
        Ok(future)
    }

    /// Sends the request for the current page.
    pub(crate) fn send(slf: &Bound<'_, Self>) -> PyResult<()> {
        // It has been sent when it is started. The first poll leaves a waker and does not block: leaving the interpreter
        // for it would cost more, and hand the interpreter to whoever waits for it, every time.
        Self::start(slf)?.drive();
        Ok(())
    }

    /// Makes the task of the current page; whoever gets it polls it.
    fn start(slf: &Bound<'_, Self>) -> PyResult<Arc<RequestTask>> {
        let this = slf.get();
        let execution = lock(&this.request).start(&this.context)?;
        let face = Face::default();
        if lock(&this.waiting).is_awaited() {
            *lock(&face.future) = Some(slf.clone().unbind());
            face.awaited.store(true, Ordering::Release);
        }
        let task = Task::new(execution, this.context.queue.clone(), face);
        this.context.cluster.io.call_back();
        let before = std::mem::replace(&mut *lock(&this.progress), Progress::UnderWay(task.clone()));
        drop(before);
        Ok(task)
    }

    /// Sends the request if that has not been done, waits for the outcome and gives it as a result set.
    pub(crate) fn wait<'py>(
        slf: &Bound<'py, Self>,
        timeout: Option<Duration>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let progress = lock(&slf.get().progress).clone();
        let task = match progress {
            Progress::UnderWay(task) => task,
            Progress::NotSent => Self::start(slf)?,
            Progress::Finished(outcome) => return Self::give(slf, &outcome),
        };
        let outcome = match task.outcome() {
            Some(outcome) => outcome,
            None => {
                let deadline = timeout.map(|timeout| Instant::now() + timeout);
                match py.detach(|| task.wait(deadline)) {
                    Ok(Some(outcome)) => outcome,
                    Ok(None) => return Err(failures::wait_timed_out(py)),
                    Err(Interrupted(error)) => return Err(error),
                }
            }
        };
        Self::give(slf, &outcome)
    }

    /// What `result()` gives of a future that is done; a subclass may have a method of its own.
    pub(crate) fn outcome_of<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        if slf.is_exact_instance_of::<Self>() {
            Self::wait(slf, None)
        } else {
            slf.call_method0(intern!(slf.py(), "result"))
        }
    }

    /// The outcome as a result set, or as an exception.
    fn give<'py>(slf: &Bound<'py, Self>, outcome: &Arc<Outcome>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        match slf.get().decoded(py, outcome) {
            Decoded::Rows(rows) => {
                let set = ResultSet::over(slf.clone().into_any().unbind(), rows.bind(py))?;
                Ok(set.into_object(py)?.into_any())
            }
            Decoded::Error(error) => Err(PyErr::from_value(error.into_bound(py).into_any())),
        }
    }

    fn is_sent(&self) -> bool {
        !matches!(*lock(&self.progress), Progress::NotSent)
    }

    /// The outcome of the current page, if it has arrived.
    fn outcome(&self) -> Option<Arc<Outcome>> {
        match &*lock(&self.progress) {
            Progress::NotSent => None,
            Progress::UnderWay(task) => task.outcome(),
            Progress::Finished(outcome) => Some(outcome.clone()),
        }
    }

    /// The answer for the current page, if it has arrived and is no error.
    fn with_answer<T>(&self, read: impl FnOnce(&QueryResult) -> T) -> Option<T> {
        match &*self.outcome()? {
            Ok(answer) => Some(read(answer)),
            Err(_) => None,
        }
    }

    /// The rows or the exception of the current page, decoded once.
    fn decoded(&self, py: Python<'_>, outcome: &Arc<Outcome>) -> Decoded {
        if let Some(decoded) = &*lock(&self.settled) {
            return decoded.clone_ref(py);
        }
        let decoded = match self.decode(py, outcome) {
            Ok(rows) => Decoded::Rows(rows),
            Err(error) => Decoded::Error(error.into_value(py)),
        };
        let mut settled = lock(&self.settled);
        // Another thread may have decoded meanwhile: the first object stays, so that all see the same one.
        let kept = settled.get_or_insert(decoded).clone_ref(py);
        drop(settled);
        kept
    }

    fn decode(&self, py: Python<'_>, outcome: &Arc<Outcome>) -> PyResult<Py<PyAny>> {
        match &**outcome {
            Ok(answer) => {
                if let Some(trace) = answer.tracing_id() {
                    let mut traces = lock(&self.traces);
                    if traces.last() != Some(&trace) {
                        traces.push(trace);
                    }
                }
                let row_factory = lock(&self.row_factory).clone_ref(py);
                let plan = lock(&self.request).row_source(py);
                plan.rows(py, &self.context, answer, row_factory.bind(py))
            }
            Err(error) => Err(failures::request_failed(py, &self.context, error)),
        }
    }

    /// Hands the outcome to everything that waits for it, unless that has been done.
    fn settle(slf: &Bound<'_, Self>, outcome: &Arc<Outcome>, deliveries: &mut Deliveries) {
        let py = slf.py();
        let this = slf.get();
        let more_pages = this.leaves_more(outcome);
        let (callbacks, errbacks, waiters) = {
            let mut waiting = lock(&this.waiting);
            if std::mem::replace(&mut waiting.settled, true) {
                return;
            }
            let waiters = std::mem::take(&mut waiting.waiters);
            if more_pages {
                let clone = |list: &[Callback]| {
                    list.iter()
                        .map(|callback| callback.clone_ref(py))
                        .collect::<Vec<_>>()
                };
                (clone(&waiting.callbacks), clone(&waiting.errbacks), waiters)
            } else {
                // They can never run again.
                let callbacks = std::mem::take(&mut waiting.callbacks);
                (callbacks, std::mem::take(&mut waiting.errbacks), waiters)
            }
        };
        if !(callbacks.is_empty() && errbacks.is_empty()) {
            match this.decoded(py, outcome) {
                Decoded::Rows(rows) => {
                    for callback in callbacks {
                        callback.run_logged(rows.bind(py));
                    }
                }
                Decoded::Error(error) => {
                    for errback in errbacks {
                        errback.run_logged(error.bind(py).as_any());
                    }
                }
            }
        }
        for waiter in waiters {
            let added = deliveries.add(waiter.event_loop.bind(py), waiter.future.bind(py), slf);
            if let Err(error) = added {
                error.write_unraisable(py, Some(slf.as_any()));
            }
        }
        if more_pages {
            // There may be none by now: continuous paging was cancelled.
            this.forget_if_finished();
        }
    }

    /// Drops callbacks that can never run again, and with them the cycles that they may be part of.
    fn forget_if_finished(&self) {
        if self.more_pages() {
            return;
        }
        let (callbacks, errbacks) = {
            let mut waiting = lock(&self.waiting);
            if !waiting.settled {
                return;
            }
            (
                std::mem::take(&mut waiting.callbacks),
                std::mem::take(&mut waiting.errbacks),
            )
        };
        drop((callbacks, errbacks));
    }

    /// Whether pages may follow the one that `outcome` is.
    fn leaves_more(&self, outcome: &Outcome) -> bool {
        match outcome {
            Ok(answer) => lock(&self.request).more_pages(answer),
            Err(_) => false,
        }
    }

    fn more_pages(&self) -> bool {
        self.with_answer(|answer| lock(&self.request).more_pages(answer))
            .unwrap_or(false)
    }

    /// Registers what `add` puts on the list, and sees to it that the outcome is delivered.
    ///
    /// Returns the outcome if it had been delivered before: what was added then runs on this thread, now.
    fn register(slf: &Bound<'_, Self>, add: impl FnOnce(&mut Waiting)) -> PyResult<Option<Arc<Outcome>>> {
        let this = slf.get();
        // One that arrived before anything waited counts as delivered.
        if !lock(&this.waiting).settled
            && let Some(outcome) = this.outcome()
        {
            Self::settle_here(slf, &outcome)?;
        }
        let already = {
            let mut waiting = lock(&this.waiting);
            add(&mut waiting);
            waiting.settled
        };
        if already {
            return Ok(this.outcome());
        }
        let progress = lock(&this.progress).clone();
        let outcome = match progress {
            Progress::NotSent => return Ok(None),
            Progress::Finished(outcome) => outcome,
            Progress::UnderWay(task) => {
                let previous = lock(&task.face.future).replace(slf.clone().unbind());
                drop(previous);
                task.face.awaited.store(true, Ordering::Release);
                let Some(outcome) = task.outcome() else {
                    return Ok(None);
                };
                let future = lock(&task.face.future).take();
                drop(future);
                outcome
            }
        };
        // It arrived just now.
        Self::settle_here(slf, &outcome)?;
        Ok(None)
    }

    /// As [`settle`](Self::settle), on a thread that is no event loop's and not the drain's.
    fn settle_here(slf: &Bound<'_, Self>, outcome: &Arc<Outcome>) -> PyResult<()> {
        let mut deliveries = Deliveries::default();
        Self::settle(slf, outcome, &mut deliveries);
        deliveries.send(slf.py())
    }

    /// Callbacks may block: the drain thread runs them, not an event loop.
    fn leave_event_loop(slf: &Bound<'_, Self>) {
        if let Progress::UnderWay(task) = &*lock(&slf.get().progress) {
            task.deliver_on(None);
        }
    }

    /// The `Host` of the node that answered.
    fn host<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match self.outcome() {
            Some(outcome) => self.context.coordinator(py, &outcome),
            None => Ok(py.None().into_bound(py)),
        }
    }

    fn not_final(py: Python<'_>, what: &str) -> PyErr {
        errors::driver_exception(
            py,
            format!("{what} cannot be retrieved before ResponseFuture is finalized"),
        )
    }
}

#[pymethods]
impl ResponseFuture {
    /// Wait for the outcome.
    ///
    /// :param timeout: seconds to wait here; the request itself is bounded by its own time-out.
    /// :returns: a ``ResultSet``.
    /// :raises OperationTimedOut: the time is over.
    #[pyo3(signature = (timeout=None))]
    fn result<'py>(slf: &Bound<'py, Self>, timeout: Option<f64>) -> PyResult<Bound<'py, PyAny>> {
        let timeout = timeout
            .map(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)))
            .transpose();
        Self::wait(slf, timeout.map_err(|error| errors::value_error(&error))?)
    }

    /// Send the request, if that has not been done.
    #[pyo3(signature = (error_no_hosts=true))]
    fn send_request(slf: &Bound<'_, Self>, error_no_hosts: bool) -> PyResult<bool> {
        let _ = error_no_hosts;
        if !slf.get().is_sent() {
            Self::send(slf)?;
        }
        Ok(true)
    }

    /// Call *fn* with the rows of each page, then *args* and *kwargs*; at once if a page is there.
    ///
    /// :returns: the future itself.
    #[pyo3(signature = (r#fn, *args, **kwargs))]
    fn add_callback<'py>(
        slf: Bound<'py, Self>,
        r#fn: Bound<'py, PyAny>,
        args: Bound<'py, PyTuple>,
        kwargs: Option<Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, Self>> {
        let py = slf.py();
        Self::leave_event_loop(&slf);
        let callback = Callback::new(r#fn, args, kwargs);
        let own = callback.clone_ref(py);
        if let Some(outcome) = Self::register(&slf, |waiting| waiting.callbacks.push(own))? {
            slf.get().forget_if_finished();
            if let Decoded::Rows(rows) = slf.get().decoded(py, &outcome) {
                callback.run(rows.bind(py))?;
            }
        }
        Ok(slf)
    }

    /// Call *fn* with the exception that ends the request, then *args* and *kwargs*; at once if it has failed already.
    ///
    /// :returns: the future itself.
    #[pyo3(signature = (r#fn, *args, **kwargs))]
    fn add_errback<'py>(
        slf: Bound<'py, Self>,
        r#fn: Bound<'py, PyAny>,
        args: Bound<'py, PyTuple>,
        kwargs: Option<Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, Self>> {
        let py = slf.py();
        Self::leave_event_loop(&slf);
        let errback = Callback::new(r#fn, args, kwargs);
        let own = errback.clone_ref(py);
        if let Some(outcome) = Self::register(&slf, |waiting| waiting.errbacks.push(own))? {
            slf.get().forget_if_finished();
            if let Decoded::Error(error) = slf.get().decoded(py, &outcome) {
                errback.run(error.bind(py).as_any())?;
            }
        }
        Ok(slf)
    }

    /// Add a callback and an errback.
    #[pyo3(
        signature = (callback, errback, callback_args=None, callback_kwargs=None, errback_args=None, errback_kwargs=None),
        text_signature = "($self, callback, errback, callback_args=(), callback_kwargs=None, errback_args=(), errback_kwargs=None)"
    )]
    fn add_callbacks<'py>(
        slf: Bound<'py, Self>,
        callback: Bound<'py, PyAny>,
        errback: Bound<'py, PyAny>,
        callback_args: Option<Bound<'py, PyAny>>,
        callback_kwargs: Option<Bound<'py, PyDict>>,
        errback_args: Option<Bound<'py, PyAny>>,
        errback_kwargs: Option<Bound<'py, PyDict>>,
    ) -> PyResult<()> {
        let py = slf.py();
        let tuple = |arguments: Option<Bound<'py, PyAny>>| match arguments {
            Some(arguments) => PyTuple::new(py, arguments.try_iter()?.collect::<PyResult<Vec<_>>>()?),
            None => Ok(PyTuple::empty(py)),
        };
        let callback = Callback::new(callback, tuple(callback_args)?, callback_kwargs);
        let errback = Callback::new(errback, tuple(errback_args)?, errback_kwargs);
        Self::leave_event_loop(&slf);
        let own = (callback.clone_ref(py), errback.clone_ref(py));
        let add = |waiting: &mut Waiting| {
            waiting.callbacks.push(own.0);
            waiting.errbacks.push(own.1);
        };
        if let Some(outcome) = Self::register(&slf, add)? {
            slf.get().forget_if_finished();
            match slf.get().decoded(py, &outcome) {
                Decoded::Rows(rows) => callback.run(rows.bind(py))?,
                Decoded::Error(error) => errback.run(error.bind(py).as_any())?,
            }
        }
        Ok(())
    }

    /// Forget all callbacks and errbacks.
    fn clear_callbacks(&self) {
        let (callbacks, errbacks) = {
            let mut waiting = lock(&self.waiting);
            (
                std::mem::take(&mut waiting.callbacks),
                std::mem::take(&mut waiting.errbacks),
            )
        };
        drop((callbacks, errbacks));
    }

    fn __await__<'py>(slf: Bound<'py, Self>) -> PyResult<Bound<'py, Awaited>> {
        let py = slf.py();
        let event_loop = classes::running_loop(py)?.call0()?;
        let awaited = Awaited::new(&event_loop)?;
        if !slf.get().is_sent() {
            Self::send(&slf)?;
        }
        if slf.get().outcome().is_some() {
            crate::wait::resolve(&awaited, &slf, drop);
            return Ok(awaited);
        }
        let queue = crate::wait::queue_of(slf.get().context.cluster.io, &event_loop)?;
        let waiter = Waiter {
            event_loop: event_loop.unbind(),
            future: awaited.clone().unbind(),
        };
        if let Progress::UnderWay(task) = &*lock(&slf.get().progress)
            && !lock(&slf.get().waiting).has_callbacks()
        {
            task.deliver_on(queue);
        }
        let add = |waiting: &mut Waiting| {
            // Nothing takes it off the list of a future that is settled.
            if !waiting.settled {
                waiting.waiters.push(waiter);
            }
        };
        if Self::register(&slf, add)?.is_some() {
            crate::wait::resolve(&awaited, &slf, drop);
        }
        Ok(awaited)
    }

    /// Whether another page can be fetched.
    #[getter]
    fn has_more_pages(&self) -> bool {
        self.more_pages()
    }

    /// Ask for the next page. Callbacks run again when it arrives.
    ///
    /// :raises QueryExhausted: there is none.
    fn start_fetching_next_page(slf: &Bound<'_, Self>) -> PyResult<()> {
        let py = slf.py();
        let this = slf.get();
        if !this.more_pages() {
            return Err(PyErr::from_type(classes::query_exhausted(py)?.clone(), ()));
        }
        let state = this.with_answer(|answer| answer.paging_state().cloned());
        if let Some(state) = state.flatten() {
            lock(&this.request).go_on_from(state);
        }
        let before = lock(&this.settled).take();
        drop(before);
        lock(&this.waiting).settled = false;
        Self::send(slf)
    }

    /// The session that runs the request.
    #[getter]
    fn session(&self, py: Python<'_>) -> Py<PyAny> {
        self.session.clone_ref(py)
    }

    /// The statement.
    #[getter]
    fn query<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let source = lock(&self.request).statement_source(py);
        let statement = source.make(py)?;
        let before = lock(&self.request).keep_statement(&statement);
        drop(before);
        Ok(statement)
    }

    /// The request as a message of ``cassandra.protocol``: made to be looked at, the core encodes requests itself.
    #[getter]
    fn message<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let mut arguments = vec![slf.get().query(py)?];
        arguments.extend(lock(&slf.get().request).message_arguments(py)?);
        classes::future_message(py)?.call1(PyTuple::new(py, arguments)?)
    }

    /// Bytes of the request as an envelope, before compression; ``None`` while it has not been sent.
    #[getter]
    fn request_encoded_size<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        if !slf.get().is_sent() {
            return Ok(None);
        }
        let py = slf.py();
        let size = classes::future_encoded_size(py)?;
        size.call1((Self::message(slf)?, slf.get().context.protocol_version))
            .map(Some)
    }

    fn __str__(slf: &Bound<'_, Self>) -> PyResult<String> {
        Self::__repr__(slf)
    }

    /// The prepared statement, if it is one.
    #[getter]
    fn prepared_statement(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        lock(&self.request).prepared_statement(py)
    }

    /// Makes rows of the column names and the values; it may be exchanged until the answer is there.
    #[getter]
    fn row_factory(&self, py: Python<'_>) -> Py<PyAny> {
        lock(&self.row_factory).clone_ref(py)
    }

    #[setter]
    fn set_row_factory(&self, row_factory: Py<PyAny>) {
        let before = std::mem::replace(&mut *lock(&self.row_factory), row_factory);
        drop(before);
    }

    /// Seconds for the whole request, by the name that older programs know.
    #[getter]
    fn default_timeout(&self) -> Option<f64> {
        self.timeout()
    }

    /// Seconds for the whole request, ``None`` for no limit.
    #[getter]
    fn timeout(&self) -> Option<f64> {
        lock(&self.request).timeout().map(|timeout| timeout.as_secs_f64())
    }

    /// The node that answered, a ``Host``, or ``None`` while there is no answer.
    #[getter]
    fn coordinator_host<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.host(py)
    }

    #[getter(_current_host)]
    fn current_host<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        self.host(py)
    }

    /// The nodes that were tried, in order.
    #[getter]
    fn attempted_hosts<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        match self.outcome() {
            Some(outcome) => self.context.attempted(py, &outcome),
            None => Ok(PyList::empty(py)),
        }
    }

    /// Whether all nodes had the new schema after the statement changed it; ``True`` for all other statements.
    #[getter]
    fn is_schema_agreed(&self) -> bool {
        self.with_answer(|answer| answer.schema_agreement() != Some(SchemaAgreement::NotReached))
            .unwrap_or(true)
    }

    /// Warnings of the server, or ``None``.
    ///
    /// :raises DriverException: there is no answer yet.
    #[getter]
    fn warnings<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyList>>> {
        if self.outcome().is_none() {
            return Err(Self::not_final(py, "warnings"));
        }
        self.with_answer(|answer| {
            let warnings = answer.warnings();
            (!warnings.is_empty()).then(|| PyList::new(py, warnings))
        })
        .flatten()
        .transpose()
    }

    /// The payload that came with the answer, or ``None``.
    ///
    /// :raises DriverException: there is no answer yet.
    #[getter]
    fn custom_payload<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyDict>>> {
        if self.outcome().is_none() {
            return Err(Self::not_final(py, "custom_payload"));
        }
        self.with_answer(|answer| {
            answer
                .custom_payload()
                .map(|payload| convert::payload_to_python(py, payload))
        })
        .flatten()
        .transpose()
    }

    #[getter(_col_names)]
    fn column_names<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyList>>> {
        let Some(outcome) = self.outcome() else {
            return Ok(None);
        };
        let plan = lock(&self.request).row_source(py);
        plan.column_names(py, &outcome)
    }

    #[getter(_col_types)]
    fn column_types<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyList>>> {
        let Some(outcome) = self.outcome() else {
            return Ok(None);
        };
        let plan = lock(&self.request).row_source(py);
        plan.column_types(py, &self.context, &outcome)
    }

    #[getter(_paging_state)]
    fn paging_state<'py>(&self, py: Python<'py>) -> Option<Bound<'py, pyo3::types::PyBytes>> {
        self.with_answer(|answer| {
            answer
                .paging_state()
                .map(|state| pyo3::types::PyBytes::new(py, state))
        })
        .flatten()
    }

    #[getter(_continuous_paging_session)]
    fn continuous_paging_session(&self) -> Option<ContinuousPagingSession> {
        let pages = lock(&self.request).pages().cloned();
        pages.map(ContinuousPagingSession)
    }

    /// Ids of the traces of the pages so far.
    fn get_query_trace_ids<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let traces = lock(&self.traces).clone();
        traces
            .iter()
            .map(|trace| convert::uuid_to_python(py, trace))
            .collect()
    }

    /// The trace of the last page, read from the server, or ``None`` if it was not traced.
    ///
    /// :param max_wait: seconds to wait until it is complete; ``None``: ``Session.max_trace_wait``.
    /// :raises TraceUnavailable: there is no answer yet, or the trace was not complete in time.
    #[pyo3(signature = (max_wait=None, query_cl=None), text_signature = "($self, max_wait=None, query_cl=10)")]
    fn get_query_trace<'py>(
        slf: &Bound<'py, Self>,
        max_wait: Option<Bound<'py, PyAny>>,
        query_cl: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let ids = Self::trace_ids(slf)?;
        match ids.last() {
            Some(id) => Self::read_trace(slf, id, max_wait.as_ref(), query_cl.as_ref()),
            None => Ok(py.None().into_bound(py)),
        }
    }

    /// The traces of all pages so far.
    #[pyo3(signature = (max_wait_per=None, query_cl=None), text_signature = "($self, max_wait_per=None, query_cl=10)")]
    fn get_all_query_traces<'py>(
        slf: &Bound<'py, Self>,
        max_wait_per: Option<Bound<'py, PyAny>>,
        query_cl: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Vec<Bound<'py, PyAny>>> {
        Self::trace_ids(slf)?
            .iter()
            .map(|id| Self::read_trace(slf, id, max_wait_per.as_ref(), query_cl.as_ref()))
            .collect()
    }

    fn __setattr__(
        slf: &Bound<'_, Self>,
        name: Bound<'_, PyString>,
        value: Bound<'_, PyAny>,
    ) -> PyResult<()> {
        // An attribute may lead back to the future: from now on the collector must see it.
        raw::track(slf.as_any());
        raw::generic_set(slf.as_any(), name.as_any(), &value)
    }

    fn __delattr__(slf: &Bound<'_, Self>, name: Bound<'_, PyString>) -> PyResult<()> {
        raw::generic_delete(slf.as_any(), name.as_any())
    }

    fn __repr__(slf: &Bound<'_, Self>) -> PyResult<String> {
        let py = slf.py();
        let this = slf.get();
        let (result, exception) = match &*lock(&this.settled) {
            Some(Decoded::Rows(rows)) => (rows.clone_ref(py).into_bound(py), py.None().into_bound(py)),
            Some(Decoded::Error(error)) => (
                PyString::new(py, "(no result yet)").into_any(),
                error.clone_ref(py).into_bound(py).into_any(),
            ),
            None => (
                PyString::new(py, "(no result yet)").into_any(),
                py.None().into_bound(py),
            ),
        };
        let query = slf.getattr(intern!(py, "query"))?;
        Ok(format!(
            "<ResponseFuture: query='{}' result={} exception={} coordinator_host={}>",
            query.str()?,
            result.str()?,
            exception.str()?,
            this.host(py)?.str()?,
        ))
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if !self.made.is_complete() {
            return Ok(());
        }
        visit.call(&self.session)?;
        if let Ok(waiting) = self.waiting.try_lock() {
            for callback in waiting.callbacks.iter().chain(&waiting.errbacks) {
                callback.traverse(&visit)?;
            }
        }
        if let Ok(row_factory) = self.row_factory.try_lock() {
            visit.call(&*row_factory)?;
        }
        Ok(())
    }
}

impl ResponseFuture {
    fn trace_ids<'py>(slf: &Bound<'py, Self>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let py = slf.py();
        let Some(outcome) = slf.get().outcome() else {
            let message = "Trace information was not available. The ResponseFuture is not done.";
            return Err(PyErr::from_type(classes::trace_unavailable(py)?.clone(), message));
        };
        drop(slf.get().decoded(py, &outcome));
        slf.get().get_query_trace_ids(py)
    }

    fn read_trace<'py>(
        slf: &Bound<'py, Self>,
        id: &Bound<'py, PyAny>,
        max_wait: Option<&Bound<'py, PyAny>>,
        query_cl: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let session = slf.get().session.bind(py);
        let trace = classes::query_trace(py)?.call1((id, session))?;
        let max_wait = match max_wait.filter(|max_wait| !max_wait.is_none()) {
            Some(max_wait) => max_wait.clone(),
            None => session.getattr(intern!(py, "max_trace_wait"))?,
        };
        let keywords = PyDict::new(py);
        keywords.set_item(
            intern!(py, "query_cl"),
            match query_cl {
                Some(level) => level.clone(),
                None => 10_u8.into_pyobject(py)?.into_any(),
            },
        )?;
        trace.call_method(intern!(py, "populate"), (max_wait,), Some(&keywords))?;
        Ok(trace)
    }
}

/// Pages that a node sends without being asked for each.
#[pyclass(module = "cassandra._core", frozen)]
struct ContinuousPagingSession(ContinuousPages);

#[pymethods]
impl ContinuousPagingSession {
    /// Have the node stop.
    fn cancel(&self) {
        self.0.cancel();
    }
}
