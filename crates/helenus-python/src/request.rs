//! From what a program passes to `execute` to a request of the core.
//!
//! Values are bound here, on the caller's thread, so that an error names the column before anything is sent. The statement
//! object that a future shows as its `query` is made only when it is asked for.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use helenus::{
    BatchKind, BatchStatement, ProtocolVersion, QueryResult, Request, RequestError, RequestOptions,
    SerializedRow, SimpleStatement, Timeout,
};
use pyo3::exceptions::{PyAttributeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyString};

use crate::columns::{self, PageForm};
use crate::decode::{DecodePlan, RowShape};
use crate::encode::row_of_values;
use crate::policy::{self, PlanSource, RetryAdapter, RetrySource};
use crate::prepared::PreparedHandle;
use crate::profile::{self, Overrides, ResolvedProfile};
use crate::result_set::ResultSet;
use crate::session::{SessionBase, SessionContext};
use crate::unasked::{Single, Unasked as _};
use crate::{classes, convert, errors};

pub(crate) use helenus::Execution;

/// What a request came to.
pub(crate) type Outcome = Result<QueryResult, RequestError>;

/// The arguments of `execute` and `execute_async`, but the session.
pub(crate) struct Call<'a, 'py> {
    pub(crate) query: &'a Bound<'py, PyAny>,
    pub(crate) parameters: Option<&'a Bound<'py, PyAny>>,
    pub(crate) trace: bool,
    pub(crate) custom_payload: Option<&'a Bound<'py, PyAny>>,
    /// `None`: that of the profile.
    pub(crate) timeout: Option<Timeout>,
    pub(crate) paging_state: Option<&'a Bound<'py, PyAny>>,
    pub(crate) host: Option<&'a Bound<'py, PyAny>>,
    pub(crate) execute_as: Option<&'a Bound<'py, PyAny>>,
}

/// A request with what is needed to show its statement, to decode its rows and to ask for its next page.
pub(crate) struct OutgoingRequest {
    /// The request, until it is started. Kept after that where pages may follow.
    request: Option<Request>,
    keep: bool,
    statement: Statement,
    prepared: Option<Py<PreparedHandle>>,
    timeout: Option<Duration>,
    /// What its pages become.
    form: PageForm,
}

/// The statement as the program passed it.
enum Statement {
    /// A statement object.
    Made(Py<PyAny>),
    /// CQL text with its parameters filled in.
    Text(Py<PyString>),
    /// A `PreparedStatement` and the parameters that were bound to it.
    Bound {
        prepared: Py<PyAny>,
        parameters: Option<Py<PyAny>>,
    },
}

/// A copy of what the statement is made of, to be used without a lock.
pub(crate) struct StatementSource(Statement);

impl Statement {
    fn clone_ref(&self, py: Python<'_>) -> Self {
        match self {
            Self::Made(statement) => Self::Made(statement.clone_ref(py)),
            Self::Text(text) => Self::Text(text.clone_ref(py)),
            Self::Bound { prepared, parameters } => Self::Bound {
                prepared: prepared.clone_ref(py),
                parameters: parameters.as_ref().map(|parameters| parameters.clone_ref(py)),
            },
        }
    }
}

impl StatementSource {
    /// The statement object.
    pub(crate) fn make<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        match &self.0 {
            Statement::Made(statement) => Ok(statement.clone_ref(py).into_bound(py)),
            Statement::Text(text) => classes::simple_statement(py)?.call1((text,)),
            Statement::Bound { prepared, parameters } => {
                let parameters = parameters
                    .as_ref()
                    .map_or_else(|| py.None(), |values| values.clone_ref(py));
                prepared.bind(py).call_method1(intern!(py, "bind"), (parameters,))
            }
        }
    }
}

/// The plan by which the rows of a request are decoded.
pub(crate) struct RowSource(Option<Py<PreparedHandle>>, PageForm);

impl RowSource {
    /// The rows of `answer` as `row_factory` wants them; `None` where it has no rows.
    pub(crate) fn rows(
        &self,
        py: Python<'_>,
        context: &SessionContext,
        answer: &QueryResult,
        row_factory: &Bound<'_, PyAny>,
    ) -> PyResult<Py<PyAny>> {
        match decode(py, self.0.as_ref(), self.1, context, answer, row_factory)? {
            Rows::None => Ok(py.None()),
            Rows::Listed { rows, .. } => Ok(rows.into_any().unbind()),
            Rows::Made(rows) => Ok(rows.unbind()),
        }
    }

    /// Names of the columns; `None` where there are no rows.
    pub(crate) fn column_names<'py>(
        &self,
        py: Python<'py>,
        outcome: &Outcome,
    ) -> PyResult<Option<Bound<'py, PyList>>> {
        let Ok(answer) = outcome else { return Ok(None) };
        let Some(rows) = answer.raw_rows() else {
            return Ok(None);
        };
        let names = rows
            .columns
            .iter()
            .map(|column| classes::interned(py, &column.name));
        PyList::new(py, names.collect::<Vec<_>>()).map(Some)
    }

    /// Classes of the columns; `None` where there are no rows.
    pub(crate) fn column_types<'py>(
        &self,
        py: Python<'py>,
        context: &SessionContext,
        outcome: &Outcome,
    ) -> PyResult<Option<Bound<'py, PyList>>> {
        let Ok(answer) = outcome else { return Ok(None) };
        let Some(rows) = answer.raw_rows() else {
            return Ok(None);
        };
        decode_plan(py, self.0.as_ref(), context, &rows.columns)?
            .column_types(py)
            .map(Some)
    }
}

/// The rows of an answer.
pub(crate) enum Rows<'py> {
    /// It has none.
    None,
    /// As a row factory of `cassandra.query` gives them.
    Listed {
        rows: Bound<'py, PyList>,
        /// Nothing but the list itself could be changed to hold something else.
        frozen: bool,
    },
    /// What a row factory of the program returned.
    Made(Bound<'py, PyAny>),
}

/// The rows of `answer` as `row_factory` wants them.
pub(crate) fn decode<'py>(
    py: Python<'py>,
    prepared: Option<&Py<PreparedHandle>>,
    form: PageForm,
    context: &SessionContext,
    answer: &QueryResult,
    row_factory: &Bound<'py, PyAny>,
) -> PyResult<Rows<'py>> {
    let Some(raw) = answer.raw_rows() else {
        return Ok(Rows::None);
    };
    if form == PageForm::Python
        && let Some(handler) = context.protocol_handler(py)
    {
        let user_types = context.user_types(py);
        let version = context.protocol_version;
        let made = columns::handler::page(handler.bind(py), version, &user_types, raw, row_factory)?;
        return Ok(Rows::Made(made));
    }
    let plan = decode_plan(py, prepared, context, &raw.columns)?;
    Ok(match RowShape::of(row_factory)? {
        Some(shape) if matches!(form, PageForm::Rows) => Rows::Listed {
            rows: plan.list(py, &raw.content, raw.row_count, shape)?,
            frozen: plan.is_atomic() && matches!(shape, RowShape::Tuple | RowShape::NamedTuple),
        },
        _ => Rows::Made(columns::page(
            py,
            plan,
            &raw.content,
            raw.row_count,
            form,
            row_factory,
        )?),
    })
}

fn decode_plan(
    py: Python<'_>,
    prepared: Option<&Py<PreparedHandle>>,
    context: &SessionContext,
    columns: &Arc<[helenus::ColumnSpec]>,
) -> PyResult<Arc<DecodePlan>> {
    match prepared {
        Some(prepared) => prepared.get().decode_plan(py, columns),
        None => Ok(Arc::new(context.decode_plan(py, columns)?)),
    }
}

impl OutgoingRequest {
    /// Starts the request: it is sent when this returns.
    pub(crate) fn start(&mut self, context: &SessionContext) -> PyResult<Execution> {
        let request = if self.keep {
            self.request.clone()
        } else {
            self.request.take()
        };
        let request = request
            .ok_or_else(|| PyValueError::new_err("the request has been sent, and gives no further pages"))?;
        context.check_process()?;
        Ok(context.session.start(request))
    }

    /// The next start asks for the page behind `paging_state`.
    pub(crate) fn go_on_from(&mut self, paging_state: Bytes) {
        self.request = self
            .request
            .take()
            .map(|request| request.with_paging_state(paging_state));
    }

    pub(crate) fn statement_source(&self, py: Python<'_>) -> StatementSource {
        StatementSource(self.statement.clone_ref(py))
    }

    /// Keeps the statement object that was made, so that it is the same one from now on.
    #[must_use = "what it replaces is to be dropped outside of the lock"]
    pub(crate) fn keep_statement(&mut self, statement: &Bound<'_, PyAny>) -> impl Sized + use<> {
        std::mem::replace(&mut self.statement, Statement::Made(statement.clone().unbind()))
    }

    /// The `PreparedStatement`, if it is one.
    pub(crate) fn prepared_statement(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        match &self.statement {
            Statement::Bound { prepared, .. } => Some(prepared.clone_ref(py)),
            Statement::Made(statement) if self.prepared.is_some() => statement
                .bind(py)
                .getattr(intern!(py, "prepared_statement"))
                .ok()
                .map(Bound::unbind),
            _ => None,
        }
    }

    pub(crate) fn row_source(&self, py: Python<'_>) -> RowSource {
        let prepared = self.prepared.as_ref().map(|prepared| prepared.clone_ref(py));
        RowSource(prepared, self.form)
    }

    /// The same with pages in this form.
    pub(crate) fn with_form(mut self, form: PageForm) -> Self {
        self.form = form;
        self
    }

    /// The result set for `answer`; its future is made when something asks for it.
    ///
    /// # Errors
    /// When the rows cannot be decoded.
    pub(crate) fn result_set<'py>(
        self,
        py: Python<'py>,
        session: Py<PyAny>,
        context: &Arc<SessionContext>,
        row_factory: Py<PyAny>,
        mut answer: QueryResult,
    ) -> PyResult<Bound<'py, ResultSet>> {
        let rows = decode(
            py,
            self.prepared.as_ref(),
            self.form,
            context,
            &answer,
            row_factory.bind(py),
        )?;
        answer.release_rows();
        let single = |answer| Single {
            session,
            context: context.clone(),
            row_factory,
            outgoing: self,
            answer,
        };
        if let Rows::Made(rows) = rows {
            let future = Box::new(single(answer)).into_future(py, rows.clone().unbind())?;
            return ResultSet::over(future.into_any().unbind(), &rows)?.into_object(py);
        }
        ResultSet::before_future(py, Box::new(single(answer)), rows)
    }

    /// The limit of the whole request.
    pub(crate) fn timeout(&self) -> Option<Duration> {
        self.timeout
    }
}

/// What a statement object says about its request.
struct StatementOptions<'py> {
    overrides: Overrides,
    retry_policy: Option<Bound<'py, PyAny>>,
    custom_payload: Option<Bound<'py, PyAny>>,
    keyspace: Option<String>,
}

/// Reads the attributes that statements have in common.
fn statement_options<'py>(
    statement: &Bound<'py, PyAny>,
    mut overrides: Overrides,
) -> PyResult<StatementOptions<'py>> {
    let py = statement.py();
    let level = statement.getattr(intern!(py, "consistency_level"))?;
    overrides.consistency = profile::optional_consistency(&level, "consistency_level")?;
    let serial = statement.getattr(intern!(py, "serial_consistency_level"))?;
    overrides.serial_consistency = profile::optional_consistency(&serial, "serial_consistency_level")?;
    let fetch_size = statement.getattr(intern!(py, "fetch_size"))?;
    if !fetch_size.is(classes::fetch_size_unset(py)?) {
        overrides.page_size = page_size(&fetch_size)?;
    }
    // A statement that says nothing is idempotent only if it reads: the core sees that.
    let idempotent = statement.getattr(intern!(py, "is_idempotent"))?.is_truthy()?;
    overrides.idempotent = idempotent.then_some(true);
    let present = |value: Bound<'py, PyAny>| (!value.is_none()).then_some(value);
    let keyspace = statement.getattr(intern!(py, "keyspace"))?;
    Ok(StatementOptions {
        overrides,
        retry_policy: present(statement.getattr(intern!(py, "retry_policy"))?),
        custom_payload: present(statement.getattr(intern!(py, "custom_payload"))?),
        keyspace: keyspace.extract()?,
    })
}

/// Rows in a page; `None` puts all rows in one page.
pub(crate) fn page_size(value: &Bound<'_, PyAny>) -> PyResult<i32> {
    if value.is_none() {
        return Ok(0);
    }
    value
        .extract()
        .map_err(|_| PyValueError::new_err(format!("fetch_size: {value} is not a number of rows")))
}

/// The text of `query` with the parameters in the places of `%s` and `%(name)s`.
fn fill_in<'py>(
    query: Bound<'py, PyString>,
    parameters: Option<&Bound<'py, PyAny>>,
    encoder: impl FnOnce() -> PyResult<Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyString>> {
    match parameters {
        Some(parameters) if parameters.is_truthy()? => {
            let py = query.py();
            let filled = classes::bind_params(py)?.call1((query, parameters, encoder()?))?;
            Ok(filled.cast_into()?)
        }
        _ => Ok(query),
    }
}

/// Makes the request that `call` describes.
pub(crate) fn build<'py>(
    session: &Bound<'py, SessionBase>,
    context: &Arc<SessionContext>,
    profile: &Bound<'py, ResolvedProfile>,
    call: &Call<'_, 'py>,
) -> PyResult<OutgoingRequest> {
    let py = session.py();
    let base = session.get();
    let defaults = Overrides {
        page_size: base.default_page_size(session)?,
        timeout: call.timeout,
        tracing: call.trace,
        ..Overrides::default()
    };
    let encoder = || session.getattr(intern!(py, "encoder"));
    let query = call.query;

    if let Ok(text) = query.cast::<PyString>() {
        let text = fill_in(text.clone(), call.parameters, encoder)?;
        let request = simple_request(&text)?;
        let outgoing = Statement::Text(text.unbind());
        return finish(
            context, session, profile, call, defaults, None, outgoing, None, request,
        );
    }

    let class = query.get_type();
    if class.is(classes::prepared_statement(py)?) || query.is_instance(classes::prepared_statement(py)?)? {
        let prepared = native(query)?;
        let row = match prepared
            .get()
            .bind_plan()
            .bind(call.parameters.unwrap_or(&py.None().into_bound(py)))?
        {
            Some(row) if !encrypts(query)? => row,
            _ => {
                let bound = query.call_method1(intern!(py, "bind"), (call.parameters,))?;
                row_of_values(&bound.getattr(intern!(py, "values"))?)?
            }
        };
        let options = statement_options(query, defaults)?;
        let outgoing = Statement::Bound {
            prepared: query.clone().unbind(),
            parameters: call.parameters.map(|parameters| parameters.clone().unbind()),
        };
        let request = prepared_request(&prepared, row)?;
        return finish(
            context,
            session,
            profile,
            call,
            defaults,
            Some(options),
            outgoing,
            Some(prepared),
            request,
        );
    }

    let options = statement_options(query, defaults)?;
    if query.is_instance(classes::bound_statement(py)?)? {
        let prepared = native(&query.getattr(intern!(py, "prepared_statement"))?)?;
        let row = row_of_values(&query.getattr(intern!(py, "values"))?)?;
        let request = prepared_request(&prepared, row)?;
        let outgoing = Statement::Made(query.clone().unbind());
        return finish(
            context,
            session,
            profile,
            call,
            defaults,
            Some(options),
            outgoing,
            Some(prepared),
            request,
        );
    }
    if query.is_instance(classes::batch_statement(py)?)? {
        let request = Request::batch(batch(context, query)?);
        let outgoing = Statement::Made(query.clone().unbind());
        return finish(
            context,
            session,
            profile,
            call,
            defaults,
            Some(options),
            outgoing,
            None,
            request,
        );
    }
    let text = query
        .getattr(intern!(py, "query_string"))?
        .cast_into::<PyString>()?;
    let text = fill_in(text, call.parameters, encoder)?;
    let request = simple_request(&text)?;
    let outgoing = Statement::Made(query.clone().unbind());
    finish(
        context,
        session,
        profile,
        call,
        defaults,
        Some(options),
        outgoing,
        None,
        request,
    )
}

/// A prepared statement that is run many times in a row: everything about its requests but the values.
pub(crate) struct Template {
    statement: Py<PyAny>,
    prepared: Py<PreparedHandle>,
    options: Arc<RequestOptions>,
    timeout: Option<Duration>,
    form: PageForm,
}

impl Template {
    /// The template for `statement`; `None` if its requests have to be made one by one.
    pub(crate) fn of<'py>(
        session: &Bound<'py, SessionBase>,
        profile: &Bound<'py, ResolvedProfile>,
        statement: &Bound<'py, PyAny>,
    ) -> PyResult<Option<Self>> {
        let py = session.py();
        if !statement.get_type().is(classes::prepared_statement(py)?) || encrypts(statement)? {
            return Ok(None);
        }
        let prepared = native(statement)?;
        let defaults = Overrides {
            page_size: session.get().default_page_size(session)?,
            ..Overrides::default()
        };
        let said = statement_options(statement, defaults)?;
        let resolved = profile.get();
        let special = said.retry_policy.is_some()
            || said.custom_payload.is_some()
            || !matches!(resolved.plans, PlanSource::Core)
            || !matches!(resolved.retries, RetrySource::Core);
        if special {
            return Ok(None);
        }
        Ok(Some(Self {
            statement: statement.clone().unbind(),
            prepared: prepared.unbind(),
            options: resolved.options(said.overrides),
            timeout: resolved.core().timeout(),
            form: session.get().page_form(),
        }))
    }

    /// Whether this is the template for `statement`.
    pub(crate) fn is_of(&self, statement: &Bound<'_, PyAny>) -> bool {
        self.statement.is(statement)
    }

    /// A request with these values; `None` if their form needs the attention of `BoundStatement.bind`.
    pub(crate) fn request<'py>(
        &self,
        parameters: &Bound<'py, PyAny>,
        timestamp: Option<i64>,
    ) -> PyResult<Option<Request>> {
        let prepared = self.prepared.bind(parameters.py());
        let Some(row) = prepared.get().bind_plan().bind(parameters)? else {
            return Ok(None);
        };
        let request = prepared_request(prepared, row)?.with_options(self.options.clone());
        Ok(Some(match timestamp {
            Some(timestamp) => request.with_timestamp(timestamp),
            None => request,
        }))
    }

    /// What its pages become.
    pub(crate) fn form(&self) -> PageForm {
        self.form
    }

    /// Whether its requests can give rows.
    pub(crate) fn gives_rows(&self) -> bool {
        self.prepared.get().gives_rows()
    }

    /// The rows of `answer`, if it has any.
    pub(crate) fn decode<'py>(
        &self,
        context: &SessionContext,
        answer: &QueryResult,
        row_factory: &Bound<'py, PyAny>,
    ) -> PyResult<Rows<'py>> {
        decode(
            row_factory.py(),
            Some(&self.prepared),
            self.form,
            context,
            answer,
            row_factory,
        )
    }

    /// A request with these parameters in full. Further pages can be asked for if `request` is kept.
    pub(crate) fn outgoing(
        &self,
        py: Python<'_>,
        parameters: Py<PyAny>,
        request: Option<Request>,
    ) -> OutgoingRequest {
        OutgoingRequest {
            keep: request.is_some(),
            request,
            statement: Statement::Bound {
                prepared: self.statement.clone_ref(py),
                parameters: Some(parameters),
            },
            prepared: Some(self.prepared.clone_ref(py)),
            timeout: self.timeout,
            form: self.form,
        }
    }
}

/// The native side of a `PreparedStatement`.
pub(crate) fn native<'py>(prepared: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PreparedHandle>> {
    let py = prepared.py();
    prepared
        .getattr(intern!(py, "_native"))?
        .cast_into()
        .map_err(|_| {
            PyAttributeError::new_err(
                "the statement was not prepared by Session.prepare, so no node knows it",
            )
        })
}

fn encrypts(prepared: &Bound<'_, PyAny>) -> PyResult<bool> {
    Ok(!prepared
        .getattr(intern!(prepared.py(), "column_encryption_policy"))?
        .is_none())
}

fn simple_request(text: &Bound<'_, PyString>) -> PyResult<Request> {
    let statement = Arc::new(SimpleStatement::new(text.to_str()?));
    Ok(Request::simple_serialized(statement, SerializedRow::EMPTY))
}

fn prepared_request(prepared: &Bound<'_, PreparedHandle>, row: SerializedRow) -> PyResult<Request> {
    Request::prepared_serialized(prepared.get().core().clone(), row)
        .map_err(|error| errors::value_error(&error))
}

/// The core's batch for a `BatchStatement`.
fn batch(context: &SessionContext, statement: &Bound<'_, PyAny>) -> PyResult<BatchStatement> {
    let py = statement.py();
    let kind: u8 = statement
        .getattr(intern!(py, "batch_type"))?
        .getattr(intern!(py, "value"))?
        .extract()?;
    let mut batch = BatchStatement::new(match kind {
        0 => BatchKind::Logged,
        1 => BatchKind::Unlogged,
        2 => BatchKind::Counter,
        other => {
            return Err(PyValueError::new_err(format!(
                "batch_type: {other} is not a BatchType"
            )));
        }
    });
    for entry in statement
        .getattr(intern!(py, "_statements_and_parameters"))?
        .try_iter()?
    {
        let (is_prepared, what, values): (bool, Bound<'_, PyAny>, Bound<'_, PyAny>) = entry?.extract()?;
        let row = row_of_values(&values)?;
        let added = if is_prepared {
            let id = what.cast::<PyBytes>()?;
            let prepared = context.prepared(id.as_bytes()).ok_or_else(|| {
                PyValueError::new_err(
                    "the batch holds a statement that no session of this cluster has prepared",
                )
            })?;
            batch.add_prepared_serialized(&prepared, row).map(drop)
        } else {
            let text = what.cast::<PyString>()?.to_str()?;
            batch.add_simple_serialized(text, row).map(drop)
        };
        added.map_err(|error| errors::value_error(&error))?;
    }
    Ok(batch)
}

/// Adds options, timestamp and paging state.
#[expect(
    clippy::too_many_arguments,
    reason = "the last step of one function, which all its branches share"
)]
fn finish<'py>(
    context: &Arc<SessionContext>,
    session: &Bound<'py, SessionBase>,
    profile: &Bound<'py, ResolvedProfile>,
    call: &Call<'_, 'py>,
    defaults: Overrides,
    statement: Option<StatementOptions<'py>>,
    outgoing: Statement,
    prepared: Option<Bound<'py, PreparedHandle>>,
    request: Request,
) -> PyResult<OutgoingRequest> {
    let py = profile.py();
    let resolved = profile.get();
    let overrides = statement
        .as_ref()
        .map_or(defaults, |statement| statement.overrides);
    let special = Special::of(
        py,
        context,
        resolved,
        call,
        statement.as_ref(),
        &outgoing,
        &request,
    )?;
    let options = match special {
        None => resolved.options(overrides),
        Some(special) => Arc::new(special.apply(overrides.options(resolved.core()))),
    };
    let timeout = match overrides.timeout {
        Some(timeout) => timeout.limit(),
        None => resolved.core().timeout(),
    };
    let mut request = request.with_options(options);
    if let Some(timestamp) = session.get().timestamp(session)? {
        request = request.with_timestamp(timestamp);
    }
    if let Some(state) = call.paging_state.filter(|state| !state.is_none()) {
        request = request.with_paging_state(Bytes::copy_from_slice(state.extract()?));
    }
    let keep = match &prepared {
        Some(prepared) => prepared.get().gives_rows(),
        None => request.batch_statement().is_none(),
    };
    Ok(OutgoingRequest {
        request: Some(request),
        keep,
        statement: outgoing,
        prepared: prepared.map(Bound::unbind),
        timeout,
        form: session.get().page_form(),
    })
}

/// What few requests have, and what cannot be shared with other requests.
#[derive(Default)]
struct Special {
    payload: Option<helenus::CustomPayload>,
    keyspace: Option<Arc<str>>,
    retry_policy: Option<Arc<dyn helenus::policy::RetryPolicy>>,
    /// Keyspace and key of the partition, as the statement says.
    partition: Option<(Arc<str>, Bytes)>,
    target: Option<uuid::Uuid>,
    plan: Option<Arc<[Arc<helenus::Node>]>>,
}

impl Special {
    fn of<'py>(
        py: Python<'py>,
        context: &Arc<SessionContext>,
        profile: &ResolvedProfile,
        call: &Call<'_, 'py>,
        statement: Option<&StatementOptions<'py>>,
        outgoing: &Statement,
        request: &Request,
    ) -> PyResult<Option<Self>> {
        let mut special = Self::default();
        let mut any = false;
        let statement_payload = statement.and_then(|statement| statement.custom_payload.as_ref());
        let call_payload = call.custom_payload.filter(|payload| !payload.is_none());
        let execute_as = call.execute_as.filter(|user| !user.is_none());
        if statement_payload.is_some() || call_payload.is_some() || execute_as.is_some() {
            let mut payload = helenus::CustomPayload::default();
            for mapping in statement_payload.into_iter().chain(call_payload) {
                convert::extend_payload(&mut payload, mapping)?;
            }
            if let Some(user) = execute_as {
                let entry = PyDict::new(py);
                entry.set_item("ProxyExecute", user)?;
                convert::extend_payload(&mut payload, entry.as_any())?;
            }
            special.payload = (!payload.is_empty()).then_some(payload);
            any = true;
        }
        // Before v5 the keyspace of a statement only helps to route it.
        let speaks = ProtocolVersion::from_number(context.protocol_version)
            .is_some_and(|version| version.features().keyspace_per_request);
        if speaks && request.prepared_statement().is_none() && request.batch_statement().is_none() {
            special.keyspace = statement
                .and_then(|statement| statement.keyspace.as_deref())
                .map(Arc::from);
            any |= special.keyspace.is_some();
        }
        let retry = statement.and_then(|statement| statement.retry_policy.as_ref());
        let profile_retry = match &profile.retries {
            RetrySource::Core => None,
            RetrySource::Python(policy) => Some(policy.bind(py)),
        };
        if let Some(policy) = retry.or(profile_retry) {
            let object = StatementSource(outgoing.clone_ref(py)).make(py)?;
            special.retry_policy = Some(RetryAdapter::for_request(policy, &object)?);
            any = true;
        }
        if let Statement::Made(object) = outgoing
            && matches!(profile.plans, PlanSource::Core)
        {
            let object = object.bind(py);
            if request.routing_key().is_none() {
                special.partition = Self::partition(context, statement, object)?;
                any |= special.partition.is_some();
            }
            if profile.heeds_targets {
                let address = object.getattr_opt(intern!(py, "target_host"))?;
                if let Some(address) = address.filter(|address| !address.is_none()) {
                    let node = policy::node_at(&address, &context.session.state())?;
                    special.target = node.map(|node| node.host_id());
                    any |= special.target.is_some();
                }
            }
        }
        special.plan = Self::plan(py, context, profile, call, outgoing)?;
        any |= special.plan.is_some();
        Ok(any.then_some(special))
    }

    /// Keyspace and key of the partition that a statement says it is about.
    fn partition(
        context: &Arc<SessionContext>,
        statement: Option<&StatementOptions<'_>>,
        object: &Bound<'_, PyAny>,
    ) -> PyResult<Option<(Arc<str>, Bytes)>> {
        let key = object.getattr(intern!(object.py(), "routing_key"))?;
        let Ok(key) = key.cast::<PyBytes>() else {
            return Ok(None);
        };
        let own = statement.and_then(|statement| statement.keyspace.as_deref().map(Arc::from));
        let keyspace: Option<Arc<str>> = own.or_else(|| context.session.keyspace());
        Ok(keyspace.map(|keyspace| (keyspace, Bytes::copy_from_slice(key.as_bytes()))))
    }

    /// The nodes to try, where a host is named or the policy is written in Python.
    fn plan<'py>(
        py: Python<'py>,
        context: &Arc<SessionContext>,
        profile: &ResolvedProfile,
        call: &Call<'_, 'py>,
        outgoing: &Statement,
    ) -> PyResult<Option<Arc<[Arc<helenus::Node>]>>> {
        let state = || context.session.state();
        if let Some(host) = call.host.filter(|host| !host.is_none()) {
            let node = policy::node_of(host, &state())?
                .ok_or_else(|| PyValueError::new_err(format!("host: {host} is not a node of the cluster")))?;
            return Ok(Some([node].into()));
        }
        if !matches!(profile.plans, PlanSource::Python(..)) {
            return Ok(None);
        }
        let object = StatementSource(outgoing.clone_ref(py)).make(py)?;
        let keyspace = context.session.keyspace();
        profile.plans.plan(py, &state(), keyspace.as_deref(), &object)
    }

    fn apply(self, mut options: RequestOptions) -> RequestOptions {
        options.custom_payload = self.payload.map(Arc::new);
        options.keyspace = self.keyspace;
        options.retry_policy = self.retry_policy;
        options.plan = self.plan;
        options.target = self.target;
        if let Some((keyspace, key)) = self.partition {
            options.routing_keyspace = Some(keyspace);
            options.routing_key = Some(key);
        }
        options
    }
}
