//! `SessionBase`: the hot half of `Session`, which executes statements.
//!
//! `execute` is `execute_async` and a wait. A tracer that patches or overrides `execute_async` is honoured: both are then
//! reached through it.

use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use helenus::policy::{MonotonicTimestamps, TimestampGenerator as _};
use helenus::{Attempt, Node, PreparedStatement, RequestErrorKind, Session, SimpleStatement, Timeout};
use helenus_protocol::ColumnSpec;
use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyDict, PyList, PyTuple};
use pyo3::{PyTraverseError, PyVisit};

use crate::cluster::{ClusterContext, ClusterCore};
use crate::columns::{PageForm, PageFormCell};
use crate::decode::DecodePlan;
use crate::future::ResponseFuture;
use crate::made::Made;
use crate::noted::{self, Noted};
use crate::prepared::PreparedHandle;
use crate::profile::{self, ResolvedProfile};
use crate::request::{self, Call, Outcome};
use crate::wait::{CompletionQueue, Interrupted, block_on_io, wait_for};
use crate::{classes, convert, errors, failures, policy, raw};

/// What everything that belongs to a session needs to know of it.
pub(crate) struct SessionContext {
    pub(crate) session: Session,
    pub(crate) cluster: Arc<ClusterContext>,
    pub(crate) queue: Arc<CompletionQueue>,
    pub(crate) protocol_version: u8,
    /// The `Cluster`, which knows the hosts.
    owner: Py<PyAny>,
    /// The last protocol handler of the program's own.
    protocol_handler: Mutex<Option<Py<PyAny>>>,
}

impl SessionContext {
    /// The classes registered for user-defined types.
    pub(crate) fn user_types<'py>(&self, py: Python<'py>) -> Bound<'py, PyDict> {
        self.owner
            .bind(py)
            .getattr(intern!(py, "_user_types"))
            .ok()
            .and_then(|types| types.cast_into::<PyDict>().ok())
            .unwrap_or_else(|| PyDict::new(py))
    }

    /// The class that decodes pages of the form [`PageForm::Python`].
    pub(crate) fn protocol_handler(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        let handler = self
            .protocol_handler
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        handler.as_ref().map(|handler| handler.clone_ref(py))
    }

    /// A new plan for rows with these columns.
    pub(crate) fn decode_plan(&self, py: Python<'_>, columns: &Arc<[ColumnSpec]>) -> PyResult<DecodePlan> {
        let version = self.cluster.user_types_version.load(Ordering::Relaxed);
        let user_types = self.user_types(py);
        let plan = DecodePlan::new(py, columns.clone(), self.protocol_version, Some(&user_types))?;
        Ok(plan.with_user_types_version(version))
    }

    /// The `Host` of a node, or its address where the cluster has forgotten it.
    pub(crate) fn host<'py>(&self, py: Python<'py>, node: &Node) -> PyResult<Bound<'py, PyAny>> {
        let id = convert::uuid_to_python(py, &node.host_id())?;
        let host = self
            .owner
            .bind(py)
            .call_method1(intern!(py, "_host_by_id"), (id,))?;
        if host.is_none() {
            Ok(node.to_string().into_pyobject(py)?.into_any())
        } else {
            Ok(host)
        }
    }

    /// The `Host` that answered, or was tried last.
    pub(crate) fn coordinator<'py>(&self, py: Python<'py>, outcome: &Outcome) -> PyResult<Bound<'py, PyAny>> {
        let node = match outcome {
            Ok(answer) => Some(answer.coordinator()),
            Err(error) => error.coordinator(),
        };
        match node {
            Some(node) => self.host(py, node),
            None => Ok(py.None().into_bound(py)),
        }
    }

    /// The `Host`s that were tried, in order.
    pub(crate) fn attempted<'py>(&self, py: Python<'py>, outcome: &Outcome) -> PyResult<Bound<'py, PyList>> {
        let (attempts, last): (&[Attempt], Option<&Arc<Node>>) = match outcome {
            Ok(answer) => (answer.attempts(), Some(answer.coordinator())),
            Err(error) => (error.attempts(), None),
        };
        let hosts = attempts
            .iter()
            .map(|attempt| &attempt.node)
            .chain(last)
            .map(|node| self.host(py, node))
            .collect::<PyResult<Vec<_>>>()?;
        PyList::new(py, hosts)
    }

    /// The statement that nodes know under `id`, if a session of this cluster has prepared it.
    pub(crate) fn prepared(&self, id: &[u8]) -> Option<PreparedStatement> {
        self.cluster
            .prepared
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(id)
            .cloned()
    }

    /// Refuses to use what belongs to another process.
    pub(crate) fn check_process(&self) -> PyResult<()> {
        if self.cluster.is_inherited() {
            return Err(PyRuntimeError::new_err(
                "this session was connected before the process forked; connect a new one in the child",
            ));
        }
        Ok(())
    }
}

/// Host id; of each open connection, requests in flight and those of them that nobody waits for any more.
type Connections<'py> = (Bound<'py, PyAny>, Vec<(usize, usize)>);

/// Statements by id. They are few: one for each text that a program prepares.
pub(crate) type PreparedById = Mutex<HashMap<Bytes, PreparedStatement>>;

/// The base class of ``Session``.
#[pyclass(
    name = "SessionBase",
    module = "cassandra._core",
    subclass,
    dict,
    weakref,
    frozen
)]
pub(crate) struct SessionBase {
    made: Made,
    context: OnceLock<Arc<SessionContext>>,
    profiles: OnceLock<Py<PyDict>>,
    /// Set once an option of requests has been set on the session itself.
    legacy_profile: Mutex<Option<Py<PyAny>>>,
    /// ``(fn, args, kwargs)``, called with each future before it is sent.
    request_init_callbacks: OnceLock<Py<PyList>>,
    timestamps: MonotonicTimestamps,
    page_form: PageFormCell,
    noted: Noted<SessionOptions>,
}

/// What requests ask of the session.
#[derive(Clone, Copy)]
struct SessionOptions {
    /// See [`SessionBase::is_native`].
    is_native: bool,
    /// Rows in a page.
    page_size: i32,
    /// Whether the session's own generator makes timestamps, or the servers do; `None`: that is asked each time.
    own_timestamps: Option<bool>,
}

/// Where the timestamps of requests come from.
pub(crate) enum Timestamps<'py> {
    /// The server makes them.
    Server,
    /// The session's own generator, in native code.
    Native,
    /// A function of the program.
    Python(Bound<'py, PyAny>),
}

/// An argument that may be left out, where `None` means something.
pub(crate) enum Given<T> {
    No,
    Yes(T),
}

impl<'py> FromPyObject<'_, 'py> for Given<Timeout> {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if object.is(classes::not_set(object.py())?) {
            return Ok(Self::No);
        }
        profile::timeout(&object, "timeout").map(Self::Yes)
    }
}

impl SessionBase {
    /// What the session works with.
    pub(crate) fn context(&self) -> PyResult<&Arc<SessionContext>> {
        self.context
            .get()
            .ok_or_else(|| PyRuntimeError::new_err("the session is not connected"))
    }

    /// Whether somebody wants to see each future before it is sent.
    pub(crate) fn has_listeners(&self, py: Python<'_>) -> bool {
        self.request_init_callbacks
            .get()
            .is_some_and(|listeners| !listeners.bind(py).is_empty())
    }

    /// The profile of a request that names `name`, or no profile.
    pub(crate) fn profile<'py>(
        slf: &Bound<'py, Self>,
        name: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, ResolvedProfile>> {
        let py = slf.py();
        let this = slf.get();
        let default = classes::exec_profile_default(py)?;
        if let Some(name) = name
            && !name.is(default)
        {
            return profile::resolve(&slf.call_method1(intern!(py, "_profile_for_request"), (name,))?);
        }
        let legacy = this
            .legacy_profile
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .map(|profile| profile.clone_ref(py));
        if let Some(profile) = legacy {
            return profile::resolve(profile.bind(py));
        }
        let profiles = this
            .profiles
            .get()
            .ok_or_else(|| PyRuntimeError::new_err("the session is not connected"))?;
        let profile = profiles
            .bind(py)
            .get_item(default)?
            .ok_or_else(|| PyRuntimeError::new_err("the cluster has no default profile"))?;
        profile::resolve(&profile)
    }

    /// What requests ask of the session, unless it has to be asked each time.
    fn options(slf: &Bound<'_, Self>) -> Option<SessionOptions> {
        let work_out = || {
            let py = slf.py();
            let page_size = intern!(py, "default_fetch_size");
            let use_timestamp = intern!(py, "use_client_timestamp");
            let generator = intern!(py, "timestamp_generator");
            if !noted::are_plain(&slf.get_type(), &[page_size, use_timestamp, generator])? {
                return Ok(None);
            }
            let page_size = slf.getattr(page_size)?;
            let use_timestamp = slf.getattr(use_timestamp)?;
            if !(noted::is_fixed(&page_size) && noted::is_fixed(&use_timestamp)) {
                return Ok(None);
            }
            Ok(Some(SessionOptions {
                is_native: Self::ask_whether_native(slf)?,
                page_size: request::page_size(&page_size)?,
                own_timestamps: match Self::ask_for_timestamps(slf)? {
                    Timestamps::Server => Some(false),
                    Timestamps::Native => Some(true),
                    Timestamps::Python(_) => None,
                },
            }))
        };
        slf.get().noted.get(slf.as_any(), work_out)
    }

    /// Rows in a page of statements that say nothing else.
    pub(crate) fn default_page_size(&self, slf: &Bound<'_, Self>) -> PyResult<i32> {
        if let Some(options) = Self::options(slf) {
            return Ok(options.page_size);
        }
        request::page_size(&slf.getattr(intern!(slf.py(), "default_fetch_size"))?)
    }

    /// The timestamp of the next request, in microseconds; `None` leaves it to the server.
    pub(crate) fn timestamp(&self, slf: &Bound<'_, Self>) -> PyResult<Option<i64>> {
        self.next_timestamp(&Self::timestamps(slf)?)
    }

    /// Where the timestamps of requests come from, as the session says now.
    pub(crate) fn timestamps<'py>(slf: &Bound<'py, Self>) -> PyResult<Timestamps<'py>> {
        match Self::options(slf).and_then(|options| options.own_timestamps) {
            Some(true) => Ok(Timestamps::Native),
            Some(false) => Ok(Timestamps::Server),
            None => Self::ask_for_timestamps(slf),
        }
    }

    fn ask_for_timestamps<'py>(slf: &Bound<'py, Self>) -> PyResult<Timestamps<'py>> {
        let py = slf.py();
        if !slf.getattr(intern!(py, "use_client_timestamp"))?.is_truthy()? {
            return Ok(Timestamps::Server);
        }
        let generator = slf.getattr(intern!(py, "timestamp_generator"))?;
        let class = generator.get_type();
        Ok(if class.is(classes::monotonic_timestamp_generator(py)?) {
            Timestamps::Native
        } else if generator.is_none() {
            Timestamps::Server
        } else {
            Timestamps::Python(generator)
        })
    }

    /// The next timestamp of this source, in microseconds.
    pub(crate) fn next_timestamp(&self, timestamps: &Timestamps<'_>) -> PyResult<Option<i64>> {
        match timestamps {
            Timestamps::Server => Ok(None),
            Timestamps::Native => Ok(self.timestamps.next()),
            Timestamps::Python(generator) => generator.call0()?.extract().map(Some),
        }
    }

    /// A future for the request, not sent yet; listeners have heard of it.
    pub(crate) fn prepare_future<'py>(
        slf: &Bound<'py, Self>,
        execution_profile: Option<&Bound<'py, PyAny>>,
        call: &Call<'_, 'py>,
    ) -> PyResult<Bound<'py, ResponseFuture>> {
        let py = slf.py();
        let this = slf.get();
        let context = this.context()?;
        let profile = Self::profile(slf, execution_profile)?;
        let outgoing = request::build(slf, context, &profile, call)?;
        let row_factory = profile.get().row_factory(py);
        let session = slf.clone().into_any().unbind();
        let future = ResponseFuture::new(py, session, context.clone(), outgoing, row_factory)?;
        if let Some(listeners) = this.request_init_callbacks.get()
            && !listeners.bind(py).is_empty()
        {
            for listener in listeners.bind(py).to_tuple() {
                let (function, args, kwargs): (Bound<'_, PyAny>, Bound<'_, PyTuple>, Bound<'_, PyDict>) =
                    listener.extract()?;
                let mut arguments = vec![future.clone().into_any()];
                arguments.extend(args.iter());
                function.call(PyTuple::new(py, arguments)?, Some(&kwargs))?;
            }
        }
        Ok(future)
    }

    /// Waits until a statement is prepared.
    fn prepare_now(
        py: Python<'_>,
        context: &Arc<SessionContext>,
        statement: SimpleStatement,
    ) -> PyResult<PreparedStatement> {
        let session = context.session.clone();
        block_on_io(
            py,
            context.cluster.io,
            async move { session.prepare(statement).await },
        )?
        .map_err(|error| failures::request_failed(py, context, &error))
    }

    /// Runs a request on this thread, from its statement to its rows.
    fn run<'py>(
        slf: &Bound<'py, Self>,
        profile: &Bound<'py, ResolvedProfile>,
        call: &Call<'_, 'py>,
        form: PageForm,
    ) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let context = slf.get().context()?;
        let mut outgoing = request::build(slf, context, profile, call)?.with_form(form);
        let waited = py.detach(|| {
            let execution = outgoing.start(context)?;
            PyResult::Ok(wait_for(context.cluster.io, execution))
        });
        let answer = match waited? {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => return Err(failures::request_failed(py, context, &error)),
            Err(Interrupted(error)) => return Err(error),
        };
        let row_factory = profile.get().row_factory(py);
        let session = slf.clone().into_any().unbind();
        let set = outgoing.result_set(py, session, context, row_factory, answer)?;
        Ok(set.into_any())
    }

    /// What pages of rows become.
    pub(crate) fn page_form(&self) -> PageForm {
        self.page_form.get()
    }

    /// Whether `execute_async` is the native one: nobody overrode it in a class, or put another on the instance.
    pub(crate) fn is_native(slf: &Bound<'_, Self>) -> PyResult<bool> {
        match Self::options(slf) {
            Some(options) => Ok(options.is_native),
            None => Self::ask_whether_native(slf),
        }
    }

    fn ask_whether_native(slf: &Bound<'_, Self>) -> PyResult<bool> {
        static NATIVE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let py = slf.py();
        let name = intern!(py, "execute_async");
        let native = NATIVE.get_or_try_init(py, || -> PyResult<Py<PyAny>> {
            Ok(py.get_type::<Self>().getattr(name)?.unbind())
        })?;
        if !slf.get_type().getattr(name)?.is(native) {
            return Ok(false);
        }
        let dict = raw::generic_dict(slf.as_any())?.cast_into::<PyDict>()?;
        Ok(!dict.contains(name)?)
    }
}

#[pymethods]
impl SessionBase {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self {
            made: Made::new(),
            context: OnceLock::new(),
            profiles: OnceLock::new(),
            legacy_profile: Mutex::new(None),
            request_init_callbacks: OnceLock::new(),
            timestamps: MonotonicTimestamps::new(),
            page_form: PageFormCell::default(),
            noted: Noted::default(),
        }
    }

    fn __setattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let outcome = raw::generic_set(slf.as_any(), name, value);
        slf.get().noted.changed();
        outcome
    }

    fn __delattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyAny>) -> PyResult<()> {
        let outcome = raw::generic_delete(slf.as_any(), name);
        slf.get().noted.changed();
        outcome
    }

    /// The ``__dict__`` of sessions: who has it may assign attributes unnoticed.
    #[getter]
    fn _attributes<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.get().noted.opened();
        raw::generic_dict(slf.as_any())
    }

    #[setter(_attributes)]
    fn set_attributes(slf: &Bound<'_, Self>, attributes: &Bound<'_, PyAny>) -> PyResult<()> {
        slf.get().noted.opened();
        raw::set_generic_dict(slf.as_any(), attributes)
    }

    /// Open the session's connections.
    ///
    /// :raises NoHostAvailable: no node can be connected to.
    fn _connect(
        &self,
        py: Python<'_>,
        core: &Bound<'_, ClusterCore>,
        cluster: Py<PyAny>,
        profiles: Py<PyDict>,
        keyspace: Option<String>,
    ) -> PyResult<()> {
        let cluster_context = core.get().context.clone();
        let io = cluster_context.io;
        let to_open = cluster_context.cluster.clone();
        let wanted = keyspace.clone();
        let opened = block_on_io(py, io, async move {
            match keyspace {
                Some(keyspace) => to_open.connect_keyspace(keyspace).await,
                None => to_open.connect().await,
            }
        })?;
        let session = opened.map_err(|error| {
            let nodes = cluster_context.cluster.state().nodes().clone();
            failures::session_failed(py, &error, cluster.bind(py), wanted.as_deref(), &nodes)
        })?;
        let version = session.state().protocol_version();
        let context = SessionContext {
            queue: cluster_context.queue.clone(),
            cluster: cluster_context,
            protocol_version: version.map_or(4, helenus::ProtocolVersion::number),
            session,
            owner: cluster,
            protocol_handler: Mutex::new(None),
        };
        let connected = self.context.set(Arc::new(context)).is_ok()
            && self.profiles.set(profiles).is_ok()
            && self
                .request_init_callbacks
                .set(PyList::empty(py).unbind())
                .is_ok();
        if connected {
            Ok(())
        } else {
            Err(PyRuntimeError::new_err("the session is connected already"))
        }
    }

    #[getter]
    fn _request_init_callbacks(&self, py: Python<'_>) -> PyResult<Py<PyList>> {
        self.request_init_callbacks
            .get()
            .map(|listeners| listeners.clone_ref(py))
            .ok_or_else(|| PyRuntimeError::new_err("the session is not connected"))
    }

    #[getter]
    fn _legacy_profile(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        let profile = self.legacy_profile.lock().unwrap_or_else(PoisonError::into_inner);
        profile.as_ref().map(|profile| profile.clone_ref(py))
    }

    #[setter(_legacy_profile)]
    fn set_legacy_profile(&self, profile: Option<Py<PyAny>>) {
        let before = std::mem::replace(
            &mut *self.legacy_profile.lock().unwrap_or_else(PoisonError::into_inner),
            profile,
        );
        drop(before);
    }

    /// Make the pages of requests from now on ``"rows"``, ``"lazy"``, ``"numpy"``, ``"numpy columns"``, or ``"python"``:
    /// what *handler* makes of them.
    fn _set_page_form(&self, form: &str, handler: Py<PyAny>) -> PyResult<()> {
        let form = PageForm::named(form)?;
        if form == PageForm::Python {
            let known = &self.context()?.protocol_handler;
            let before = known
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .replace(handler);
            drop(before);
        }
        self.page_form.set(form);
        Ok(())
    }

    /// The protocol version that the session speaks.
    #[getter]
    fn _protocol_version(&self) -> PyResult<u8> {
        Ok(self.context()?.protocol_version)
    }

    /// The keyspace that the session works in, or ``None``.
    #[getter]
    fn _keyspace(&self) -> Option<String> {
        self.context
            .get()?
            .session
            .keyspace()
            .map(|keyspace| keyspace.to_string())
    }

    /// Run *query* and wait for its first page.
    ///
    /// :param query: CQL text, a statement, or a prepared statement.
    /// :param parameters: a sequence or a mapping of values.
    /// :param timeout: seconds, all attempts together; ``None`` waits forever.
    /// :param trace: whether the server traces the request.
    /// :param execution_profile: a profile or the name of one.
    /// :param paging_state: where another request left off.
    /// :param host: the only ``Host`` to ask.
    /// :param execute_as: the user to run as (DSE).
    /// :returns: a ``ResultSet``.
    /// :raises NoHostAvailable: no node could take the request.
    /// :raises OperationTimedOut: time ran out; the statement may still be applied.
    #[pyo3(
        signature = (query, parameters=None, timeout=Given::No, trace=false, custom_payload=None, execution_profile=None, paging_state=None, host=None, execute_as=None),
        text_signature = "($self, query, parameters=None, timeout=..., trace=False, custom_payload=None, execution_profile=..., paging_state=None, host=None, execute_as=None)"
    )]
    #[expect(clippy::too_many_arguments, reason = "the published signature")]
    fn execute<'py>(
        slf: &Bound<'py, Self>,
        query: &Bound<'py, PyAny>,
        parameters: Option<Bound<'py, PyAny>>,
        timeout: Given<Timeout>,
        trace: bool,
        custom_payload: Option<Bound<'py, PyAny>>,
        execution_profile: Option<Bound<'py, PyAny>>,
        paging_state: Option<Bound<'py, PyAny>>,
        host: Option<Bound<'py, PyAny>>,
        execute_as: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let timeout = match timeout {
            Given::No => None,
            Given::Yes(timeout) => Some(timeout),
        };
        if !Self::is_native(slf)? {
            let py = slf.py();
            let timeout = match timeout {
                None => classes::not_set(py)?.clone(),
                Some(timeout) => timeout
                    .limit()
                    .map(|limit| limit.as_secs_f64())
                    .into_pyobject(py)?,
            };
            let execution_profile = match execution_profile {
                Some(profile) => profile,
                None => classes::exec_profile_default(py)?.clone(),
            };
            let arguments = (
                query,
                parameters,
                trace,
                custom_payload,
                timeout,
                execution_profile,
                paging_state,
                host,
                execute_as,
            );
            let future = slf.call_method1(intern!(py, "execute_async"), arguments)?;
            return future.call_method0(intern!(py, "result"));
        }
        let call = Call {
            query,
            parameters: parameters.as_ref(),
            trace,
            custom_payload: custom_payload.as_ref(),
            timeout,
            paging_state: paging_state.as_ref(),
            host: host.as_ref(),
            execute_as: execute_as.as_ref(),
        };
        if slf.get().has_listeners(slf.py()) {
            let future = Self::prepare_future(slf, execution_profile.as_ref(), &call)?;
            return ResponseFuture::wait(&future, None);
        }
        let profile = Self::profile(slf, execution_profile.as_ref())?;
        Self::run(slf, &profile, &call, slf.get().page_form())
    }

    /// Send *query* and return at once with a ``ResponseFuture``. The arguments are those of ``execute``.
    #[pyo3(
        signature = (query, parameters=None, trace=false, custom_payload=None, timeout=Given::No, execution_profile=None, paging_state=None, host=None, execute_as=None),
        text_signature = "($self, query, parameters=None, trace=False, custom_payload=None, timeout=..., execution_profile=..., paging_state=None, host=None, execute_as=None)"
    )]
    #[expect(clippy::too_many_arguments, reason = "the published signature")]
    fn execute_async<'py>(
        slf: &Bound<'py, Self>,
        query: &Bound<'py, PyAny>,
        parameters: Option<Bound<'py, PyAny>>,
        trace: bool,
        custom_payload: Option<Bound<'py, PyAny>>,
        timeout: Given<Timeout>,
        execution_profile: Option<Bound<'py, PyAny>>,
        paging_state: Option<Bound<'py, PyAny>>,
        host: Option<Bound<'py, PyAny>>,
        execute_as: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, ResponseFuture>> {
        let call = Call {
            query,
            parameters: parameters.as_ref(),
            trace,
            custom_payload: custom_payload.as_ref(),
            timeout: match timeout {
                Given::No => None,
                Given::Yes(timeout) => Some(timeout),
            },
            paging_state: paging_state.as_ref(),
            host: host.as_ref(),
            execute_as: execute_as.as_ref(),
        };
        let future = Self::prepare_future(slf, execution_profile.as_ref(), &call)?;
        ResponseFuture::send(&future)?;
        Ok(future)
    }

    /// Run *query* with *profile*, whatever mode the session is in: for the driver's own questions.
    fn _execute_with_profile<'py>(
        slf: &Bound<'py, Self>,
        profile: &Bound<'py, PyAny>,
        query: &Bound<'py, PyAny>,
        parameters: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let profile = profile::resolve(profile)?;
        let call = Call {
            query,
            parameters: parameters.as_ref(),
            trace: false,
            custom_payload: None,
            timeout: None,
            paging_state: None,
            host: None,
            execute_as: None,
        };
        // The driver's own questions are rows, whatever the session's protocol handler makes of them.
        Self::run(slf, &profile, &call, PageForm::Rows)
    }

    /// Let a node parse *query*.
    #[pyo3(signature = (query, keyspace=None, custom_payload=None))]
    fn _prepare<'py>(
        slf: &Bound<'py, Self>,
        query: &str,
        keyspace: Option<String>,
        custom_payload: Option<Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PreparedHandle>> {
        let py = slf.py();
        let context = slf.get().context()?.clone();
        context.check_process()?;
        let profile = Self::profile(slf, None)?;
        let mut statement = SimpleStatement::new(query).with_profile(profile.get().core().clone());
        if let Some(keyspace) = keyspace {
            statement = statement.with_keyspace(keyspace);
        }
        if let Some(mapping) = custom_payload.filter(|payload| !payload.is_none()) {
            let mut payload = helenus::CustomPayload::default();
            convert::extend_payload(&mut payload, &mapping)?;
            statement = statement.with_custom_payload(payload);
        }
        let prepared = Self::prepare_now(py, &context, statement)?;
        let known = &context.cluster.prepared;
        let before = known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(prepared.id().clone(), prepared.clone());
        drop(before);
        Bound::new(py, PreparedHandle::new(py, context, prepared, None))
    }

    /// Let this node parse *query*, too.
    #[pyo3(signature = (host, query, keyspace=None))]
    fn _prepare_on<'py>(
        slf: &Bound<'py, Self>,
        host: &Bound<'py, PyAny>,
        query: &str,
        keyspace: Option<String>,
    ) -> PyResult<()> {
        let py = slf.py();
        let context = slf.get().context()?.clone();
        context.check_process()?;
        let Some(node) = policy::node_of(host, &context.session.state())? else {
            // It has left meanwhile.
            return Ok(());
        };
        let profile = Self::profile(slf, None)?;
        let mut statement = SimpleStatement::new(query).with_profile(profile.get().core().clone());
        let options = statement.options_mut();
        options.plan = Some([node].into());
        options.keyspace = keyspace.map(Arc::from);
        Self::prepare_now(py, &context, statement).map(drop)
    }

    /// Make *keyspace* that of all connections.
    fn _use_keyspace(&self, py: Python<'_>, keyspace: String) -> PyResult<()> {
        let context = self.context()?.clone();
        context.check_process()?;
        let session = context.session.clone();
        block_on_io(py, context.cluster.io, async move {
            session.use_keyspace(&keyspace).await
        })?
        .map_err(|error| match error.kind() {
            RequestErrorKind::InvalidOption { .. } => errors::value_error(&error),
            _ => failures::request_failed(py, &context, &error),
        })
    }

    /// Close the session's connections; requests in flight are given a moment to finish.
    fn _close(&self, py: Python<'_>) -> PyResult<()> {
        let Some(context) = self.context.get() else {
            return Ok(());
        };
        if context.cluster.is_inherited() {
            return Ok(());
        }
        let session = context.session.clone();
        block_on_io(py, context.cluster.io, async move { session.close().await })
    }

    /// Close the session's connections without waiting for it.
    fn _close_in_background(&self) {
        if let Some(context) = self.context.get()
            && !context.cluster.is_inherited()
        {
            let session = context.session.clone();
            context
                .cluster
                .io
                .handle()
                .spawn(async move { session.close().await });
        }
    }

    /// Open connections, and requests in flight on them.
    fn _connection_counts(&self) -> PyResult<(usize, usize)> {
        let counts = self.context()?.session.connections();
        Ok((counts.open, counts.in_flight))
    }

    /// For each node that gets connections, by its host id: of each open connection, the requests in flight and those of
    /// them that nobody waits for any more.
    fn _connections_by_node<'py>(&self, py: Python<'py>) -> PyResult<Vec<Connections<'py>>> {
        let pools = self.context()?.session.connections_by_node();
        let pools = pools.into_iter().map(|(node, counts)| {
            let counts = counts.iter().map(|counts| (counts.in_flight, counts.overdue));
            Ok((convert::uuid_to_python(py, &node.host_id())?, counts.collect()))
        });
        pools.collect()
    }

    /// Connect to what only this profile asks.
    ///
    /// :param pool_wait_timeout: seconds to wait until that is done.
    fn _add_profile(
        &self,
        py: Python<'_>,
        profile: &Bound<'_, PyAny>,
        pool_wait_timeout: Option<f64>,
    ) -> PyResult<()> {
        let context = self.context()?;
        context.check_process()?;
        let core = profile::resolve(profile)?.get().core().clone();
        context.session.add_profile(core);
        let limit = pool_wait_timeout.map(|seconds| Duration::try_from_secs_f64(seconds.max(0.0)));
        let limit = match limit.transpose().map_err(|error| errors::value_error(&error))? {
            Some(limit) => limit,
            None => return Ok(()),
        };
        let session = context.session.clone();
        block_on_io(py, context.cluster.io, async move {
            session.wait_for_connections(limit).await;
        })
    }

    /// Connect to what policies want to be connected to now.
    fn _review_distances(&self) -> PyResult<()> {
        self.context()?.session.review_distances();
        Ok(())
    }

    fn __traverse__(&self, visit: PyVisit<'_>) -> Result<(), PyTraverseError> {
        if !self.made.is_complete() {
            return Ok(());
        }
        if let Some(profiles) = self.profiles.get() {
            visit.call(profiles)?;
        }
        if let Some(listeners) = self.request_init_callbacks.get() {
            visit.call(listeners)?;
        }
        if let Ok(profile) = self.legacy_profile.try_lock() {
            visit.call(&*profile)?;
        }
        Ok(())
    }
}
