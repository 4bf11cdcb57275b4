//! `execute_concurrent`: many requests, so many under way at once, one crossing into the interpreter for a batch of answers.
//!
//! The calling thread does everything. Attached, it binds as many requests as may start and turns answers into results;
//! detached, it sends them, waits, and takes all answers that have arrived. Nothing else runs Python or polls.

use std::collections::VecDeque;
use std::future::Future as _;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};

use helenus::{QueryResult, Request};
use pyo3::exceptions::{PyException, PyRuntimeError};
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyIterator, PyList, PyTuple, PyType};

use crate::columns::PageForm;
use crate::decode::RowShape;
use crate::future::ResponseFuture;
use crate::profile::ResolvedProfile;
use crate::request::{self, Call, Execution, Outcome, OutgoingRequest, Template};
use crate::result_set::ResultSet;
use crate::session::{SessionBase, SessionContext, Timestamps};
use crate::unasked::Unasked;
use crate::wait::{Interrupted, wait_interruptibly};
use crate::{failures, raw};

/// Which requests were woken, and the thread that polls them.
struct Woken {
    slots: Mutex<Vec<usize>>,
    thread: Mutex<Option<Thread>>,
}

impl Woken {
    fn wake(&self, slot: usize) {
        let first = {
            let mut slots = lock(&self.slots);
            slots.push(slot);
            slots.len() == 1
        };
        // The thread takes everything at once: only the first one has to wake it.
        if first && let Some(thread) = &*lock(&self.thread) {
            thread.unpark();
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Wakes the request in one slot.
struct SlotWaker {
    woken: Arc<Woken>,
    slot: usize,
}

impl Wake for SlotWaker {
    fn wake(self: Arc<Self>) {
        self.woken.wake(self.slot);
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.wake(self.slot);
    }
}

/// A place for one request under way.
struct Slot {
    waker: Waker,
    running: Option<(Execution, Started)>,
}

/// A request on its way, without its execution.
struct Started {
    number: usize,
    what: What,
}

enum What {
    /// One of many with the same statement.
    Of {
        many: Arc<Many>,
        parameters: Py<PyAny>,
        /// Until it is started; after that where further pages may follow.
        request: Option<Request>,
    },
    Single(Box<OutgoingRequest>),
}

impl Started {
    fn start(&mut self, context: &SessionContext) -> PyResult<Execution> {
        match &mut self.what {
            What::Single(outgoing) => outgoing.start(context),
            What::Of { many, request, .. } => {
                let kept = request.clone().filter(|_| many.template.gives_rows());
                let request = std::mem::replace(request, kept);
                let request = request.ok_or_else(|| PyRuntimeError::new_err("the request has been sent"))?;
                Ok(context.session.start(request))
            }
        }
    }
}

/// What requests with the same statement share: also their results, for as long as one of them lives.
struct Many {
    session: Py<PyAny>,
    context: Arc<SessionContext>,
    row_factory: Py<PyAny>,
    template: Template,
}

/// A request of many that has succeeded, and has no further pages.
struct OneOfMany {
    many: Arc<Many>,
    parameters: Py<PyAny>,
    answer: QueryResult,
}

impl Unasked for OneOfMany {
    fn answer(&self) -> &QueryResult {
        &self.answer
    }

    fn into_future(self: Box<Self>, py: Python<'_>, rows: Py<PyAny>) -> PyResult<Bound<'_, ResponseFuture>> {
        let many = &self.many;
        ResponseFuture::finished(
            py,
            many.session.clone_ref(py),
            many.context.clone(),
            many.template.outgoing(py, self.parameters, None),
            many.row_factory.clone_ref(py),
            self.answer,
            rows,
        )
    }
}

/// How many statements are remembered with what their requests share.
const KEPT_STATEMENTS: usize = 8;

/// Everything that changes while the run goes on.
struct Run {
    slots: Vec<Slot>,
    free: Vec<usize>,
    /// Results in order from number `emitted` on; `None` for those that are still awaited.
    results: VecDeque<Option<Py<PyAny>>>,
    emitted: usize,
    started: usize,
    exhausted: bool,
    /// What ended the run: nothing follows.
    over: bool,
    /// Statements met lately.
    many: Vec<Arc<Many>>,
}

/// The results of ``execute_concurrent``, in the order of the statements.
#[pyclass(name = "ConcurrentResults", module = "cassandra._core", frozen)]
pub(crate) struct ConcurrentResults {
    session: Py<SessionBase>,
    context: Arc<SessionContext>,
    profile: Py<ResolvedProfile>,
    statements: Py<PyIterator>,
    fail_fast: bool,
    result_class: Py<PyType>,
    /// The rows are lists that are made here, not by a function of the program.
    builtin_rows: bool,
    woken: Arc<Woken>,
    run: Mutex<Option<Box<Run>>>,
}

/// Run *statements*, an iterable of statements with their parameters, *concurrency* at once.
///
/// :returns: an iterator over instances of *result_class*, or ``None`` where ``execute_async`` of the session is not the native
///     one or listeners want to see each future.
#[pyfunction]
pub(crate) fn execute_concurrent<'py>(
    session: &Bound<'py, PyAny>,
    statements: &Bound<'py, PyAny>,
    concurrency: usize,
    fail_fast: bool,
    execution_profile: &Bound<'py, PyAny>,
    result_class: &Bound<'py, PyType>,
) -> PyResult<Option<ConcurrentResults>> {
    let Ok(session) = session.cast::<SessionBase>() else {
        return Ok(None);
    };
    if !SessionBase::is_native(session)? || session.get().has_listeners(session.py()) {
        return Ok(None);
    }
    let profile = SessionBase::profile(session, Some(execution_profile))?;
    let woken = Arc::new(Woken {
        slots: Mutex::default(),
        thread: Mutex::default(),
    });
    let run = Run {
        slots: Vec::new(),
        free: Vec::new(),
        results: VecDeque::new(),
        emitted: 0,
        started: 0,
        exhausted: false,
        over: false,
        many: Vec::new(),
    };
    let mut run = Box::new(run);
    let builtin_rows = RowShape::of(profile.get().row_factory(session.py()).bind(session.py()))?.is_some();
    run.add_slots(concurrency, &woken);
    Ok(Some(ConcurrentResults {
        context: session.get().context()?.clone(),
        session: session.clone().unbind(),
        profile: profile.unbind(),
        statements: statements.try_iter()?.unbind(),
        fail_fast,
        result_class: result_class.clone().unbind(),
        builtin_rows,
        woken,
        run: Mutex::new(Some(run)),
    }))
}

impl Run {
    /// Makes room for more requests at once. Slots are made as they are needed: a concurrency of a million costs nothing.
    fn add_slots(&mut self, concurrency: usize, woken: &Arc<Woken>) {
        let count = concurrency.min(4096);
        for slot in 0..count {
            let waker = Waker::from(Arc::new(SlotWaker {
                woken: woken.clone(),
                slot,
            }));
            self.slots.push(Slot { waker, running: None });
        }
        self.free.extend((0..count).rev());
    }

    fn in_flight(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    fn put(&mut self, number: usize, result: Py<PyAny>) {
        if let Some(place) = self.results.get_mut(number - self.emitted) {
            *place = Some(result);
        }
    }
}

impl ConcurrentResults {
    /// The next result in order; `None` at the end.
    fn advance<'py>(&self, py: Python<'py>, run: &mut Run, eager: bool) -> PyResult<Option<Py<PyAny>>> {
        loop {
            if let Some(Some(_)) = run.results.front() {
                run.emitted += 1;
                return Ok(run.results.pop_front().flatten());
            }
            if run.over || (run.exhausted && run.in_flight() == 0) {
                return Ok(None);
            }
            let ready = self.bind(py, run, eager)?;
            let finished = self.send_and_wait(py, run, ready)?;
            self.take(py, run, finished, eager)?;
        }
    }

    /// Binds as many requests as may start.
    fn bind(&self, py: Python<'_>, run: &mut Run, eager: bool) -> PyResult<Vec<Started>> {
        let session = self.session.bind(py);
        let mut statements = self.statements.bind(py).clone();
        let timestamps = SessionBase::timestamps(session)?;
        let mut ready = Vec::with_capacity(run.free.len());
        while !run.exhausted && ready.len() < run.free.len() {
            let Some(pair) = statements.next() else {
                run.exhausted = true;
                break;
            };
            let (statement, parameters): (Bound<'_, PyAny>, Bound<'_, PyAny>) = pair?.extract()?;
            let number = run.started;
            run.started += 1;
            run.results.push_back(None);
            match self.request(session, run, &timestamps, &statement, parameters) {
                Ok(what) => ready.push(Started { number, what }),
                Err(error) if error.is_instance_of::<PyException>(py) => {
                    let result = self.failure(py, error, eager)?;
                    run.put(number, result);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(ready)
    }

    fn request<'py>(
        &self,
        session: &Bound<'py, SessionBase>,
        run: &mut Run,
        timestamps: &Timestamps<'py>,
        statement: &Bound<'py, PyAny>,
        parameters: Bound<'py, PyAny>,
    ) -> PyResult<What> {
        if let Some(many) = self.many(session, run, statement)? {
            let timestamp = session.get().next_timestamp(timestamps)?;
            if let Some(request) = many.template.request(&parameters, timestamp)? {
                return Ok(What::Of {
                    many: many.clone(),
                    parameters: parameters.unbind(),
                    request: Some(request),
                });
            }
        }
        let call = Call {
            query: statement,
            parameters: (!parameters.is_none()).then_some(&parameters),
            trace: false,
            custom_payload: None,
            timeout: None,
            paging_state: None,
            host: None,
            execute_as: None,
        };
        let profile = self.profile.bind(session.py());
        let outgoing = request::build(session, &self.context, profile, &call)?;
        Ok(What::Single(Box::new(outgoing)))
    }

    /// What requests with this statement share; `None` if they have to be made one by one.
    fn many<'r>(
        &self,
        session: &Bound<'_, SessionBase>,
        run: &'r mut Run,
        statement: &Bound<'_, PyAny>,
    ) -> PyResult<Option<&'r Arc<Many>>> {
        let py = session.py();
        let known = run.many.iter().position(|many| many.template.is_of(statement));
        let index = match known {
            Some(index) => index,
            None => {
                let Some(template) = Template::of(session, self.profile.bind(py), statement)? else {
                    return Ok(None);
                };
                if run.many.len() >= KEPT_STATEMENTS {
                    run.many.remove(0);
                }
                run.many.push(Arc::new(Many {
                    session: session.clone().into_any().unbind(),
                    context: self.context.clone(),
                    row_factory: self.profile.get().row_factory(py),
                    template,
                }));
                run.many.len() - 1
            }
        };
        Ok(run.many.get(index))
    }

    /// Sends what is ready, waits until something has finished, and takes everything that has.
    fn send_and_wait(
        &self,
        py: Python<'_>,
        run: &mut Run,
        ready: Vec<Started>,
    ) -> PyResult<Vec<(Started, Outcome)>> {
        let Run { slots, free, .. } = run;
        let (context, woken) = (&self.context, &self.woken);
        context.check_process()?;
        py.detach(|| {
            context.cluster.io.call_back();
            *lock(&woken.thread) = Some(thread::current());
            let mut finished = Vec::new();
            for mut started in ready {
                let execution = started.start(context)?;
                // `ready` is no longer than `free`
                let Some(slot) = free.pop() else { break };
                slots[slot].running = Some((execution, started));
                poll(slots, free, slot, &mut finished);
            }
            if !finished.is_empty() || free.len() == slots.len() {
                return Ok(finished);
            }
            let mut taken = Vec::new();
            let waited = wait_interruptibly(None, || {
                std::mem::swap(&mut taken, &mut *lock(&woken.slots));
                for slot in taken.drain(..) {
                    poll(slots, free, slot, &mut finished);
                }
                (!finished.is_empty()).then_some(())
            });
            match waited {
                Ok(_) => Ok(finished),
                Err(Interrupted(error)) => Err(error),
            }
        })
    }

    /// Turns answers into results.
    fn take(
        &self,
        py: Python<'_>,
        run: &mut Run,
        finished: Vec<(Started, Outcome)>,
        eager: bool,
    ) -> PyResult<()> {
        for (started, outcome) in finished {
            let number = started.number;
            let made = match outcome {
                Ok(answer) => self.success(py, started.what, answer),
                Err(error) => Err(failures::request_failed(py, &self.context, &error)),
            };
            let result = match made {
                Ok(result) => result,
                Err(error) => self.failure(py, error, eager)?,
            };
            run.put(number, result);
        }
        Ok(())
    }

    /// The result of a request that succeeded.
    fn success(&self, py: Python<'_>, what: What, mut answer: QueryResult) -> PyResult<Py<PyAny>> {
        let row_factory = self.profile.get().row_factory(py);
        let session = || self.session.clone_ref(py).into_any();
        let set = match what {
            What::Single(outgoing) => {
                outgoing.result_set(py, session(), &self.context, row_factory, answer)?
            }
            What::Of {
                many,
                parameters,
                request,
            } => {
                let is_list = self.builtin_rows && many.template.form() == PageForm::Rows;
                if answer.paging_state().is_some() || !is_list {
                    let outgoing = many.template.outgoing(py, parameters, request);
                    outgoing.result_set(py, session(), &self.context, row_factory, answer)?
                } else {
                    let rows = many
                        .template
                        .decode(&self.context, &answer, row_factory.bind(py))?;
                    answer.release_rows();
                    let unasked = OneOfMany {
                        many,
                        parameters,
                        answer,
                    };
                    ResultSet::before_future(py, Box::new(unasked), rows)?
                }
            }
        };
        let tracked = raw::is_tracked(set.as_any());
        let result = self.result(py, true, set.into_any())?;
        if !tracked {
            raw::untrack(result.bind(py));
        }
        Ok(result)
    }

    /// The result of a request that failed, or its exception where the run is to end with the first one.
    fn failure(&self, py: Python<'_>, error: PyErr, eager: bool) -> PyResult<Py<PyAny>> {
        if self.fail_fast && eager {
            return Err(error);
        }
        self.result(py, false, error.into_value(py).into_bound(py).into_any())
    }

    fn result<'py>(&self, py: Python<'py>, success: bool, what: Bound<'py, PyAny>) -> PyResult<Py<PyAny>> {
        let success = PyBool::new(py, success).to_owned().into_any();
        Ok(raw::tuple_subclass(self.result_class.bind(py), [success, what].into_iter())?.unbind())
    }

    /// Runs `work` on the run, which no other thread has meanwhile. After an error the run is over.
    fn with_run<T>(&self, work: impl FnOnce(&mut Run) -> PyResult<T>) -> PyResult<T> {
        let mut run = lock(&self.run)
            .take()
            .ok_or_else(|| PyRuntimeError::new_err("the results are being taken by another thread"))?;
        let outcome = work(&mut run);
        if outcome.is_err() {
            run.over = true;
            // Dropping the executions cancels what is still under way.
            run.slots.clear();
            run.free.clear();
        }
        *lock(&self.run) = Some(run);
        outcome
    }
}

/// Polls the request in a slot, if there is one; a finished one leaves the slot.
fn poll(slots: &mut [Slot], free: &mut Vec<usize>, slot: usize, finished: &mut Vec<(Started, Outcome)>) {
    let Some(Slot { waker, running }) = slots.get_mut(slot) else {
        return;
    };
    let Some((execution, _)) = running else { return };
    if let Poll::Ready(outcome) = Pin::new(execution).poll(&mut Context::from_waker(waker))
        && let Some((_, started)) = running.take()
    {
        free.push(slot);
        finished.push((started, outcome));
    }
}

#[pymethods]
impl ConcurrentResults {
    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<Py<PyAny>>> {
        self.with_run(|run| {
            let result = self.advance(py, run, false)?;
            if self.fail_fast
                && let Some(result) = &result
            {
                let result = result.bind(py).cast::<PyTuple>()?;
                if !result.get_item(0)?.is_truthy()? {
                    return Err(PyErr::from_value(result.get_item(1)?));
                }
            }
            Ok(result)
        })
    }

    /// Wait for all results.
    ///
    /// :raises Exception: the first that a request failed with, if the run is to end with it.
    fn collect<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.with_run(|run| {
            let results = PyList::empty(py);
            while let Some(result) = self.advance(py, run, true)? {
                results.append(result)?;
            }
            Ok(results)
        })
    }
}
