//! From what a program passes to `execute` to a request of the core.
//!
//! Values are bound here, on the caller's thread, so that an error names the column before anything is sent. The statement
//! object that a future shows as its `query` is made only when it is asked for.

mod special;
mod template;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use helenus::{
    BatchKind, BatchStatement, ConsistencyLevel, ContinuousPages, QueryResult, Request, RequestError,
    RequestOptions, SerializedRow, SimpleStatement, Timeout,
};
use pyo3::exceptions::{PyAttributeError, PyValueError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};

use crate::columns::{self, PageForm};
use crate::decode::{DecodePlan, RowShape};
use crate::encode::row_of_values;
use crate::noted;
use crate::prepared::{PreparedBase, PreparedHandle};
use crate::profile::{self, Overrides, ResolvedProfile};
use crate::result_set::ResultSet;
use crate::session::{SessionBase, SessionContext};
use crate::unasked::{Single, Unasked as _};
use crate::{classes, convert, errors};

pub(crate) use helenus::Execution;
use special::Special;
pub(crate) use template::Template;

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
    /// The node is to send page after page.
    continuous: bool,
    /// Those pages, when the first was asked for.
    pages: Option<ContinuousPages>,
    statement: Statement,
    prepared: Option<Py<PreparedHandle>>,
    timeout: Option<Duration>,
    /// What its pages become.
    form: PageForm,
    said: Said,
}

/// What a request says beside its statement, kept to be shown.
struct Said {
    options: Arc<RequestOptions>,
    consistency: ConsistencyLevel,
    serial_consistency: Option<ConsistencyLevel>,
    timestamp: Option<i64>,
}

impl Said {
    fn new(options: Arc<RequestOptions>, profile: &ResolvedProfile, timestamp: Option<i64>) -> Self {
        let core = profile.core();
        Self {
            consistency: options.consistency.unwrap_or_else(|| core.consistency()),
            serial_consistency: options.serial_consistency.or_else(|| core.serial_consistency()),
            options,
            timestamp,
        }
    }
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
        if let Some(pages) = &self.pages {
            context.check_process()?;
            return Ok(pages.next_page());
        }
        let request = if self.keep {
            self.request.clone()
        } else {
            self.request.take()
        };
        let request = request
            .ok_or_else(|| PyValueError::new_err("the request has been sent, and gives no further pages"))?;
        context.check_process()?;
        if self.continuous {
            self.pages = context.session.start_pages(&request);
            if let Some(pages) = &self.pages {
                return Ok(pages.next_page());
            }
        }
        Ok(context.session.start(request))
    }

    /// Whether pages may follow this one.
    pub(crate) fn more_pages(&self, answer: &QueryResult) -> bool {
        match &self.pages {
            Some(pages) => pages.has_more_pages(),
            None => answer.paging_state().is_some(),
        }
    }

    /// Continuous paging that is under way.
    pub(crate) fn pages(&self) -> Option<&ContinuousPages> {
        self.pages.as_ref()
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

    /// The arguments that `_driver.futures.message` wants to have behind the statement.
    pub(crate) fn message_arguments<'py>(&self, py: Python<'py>) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let said = &self.said;
        let options = &said.options;
        let paging_state = self.request.as_ref().and_then(|request| request.paging_state());
        let payload = match &options.custom_payload {
            Some(payload) => Some(convert::payload_to_python(py, payload)?),
            None => None,
        };
        Ok(vec![
            said.consistency.code().into_pyobject(py)?.into_any(),
            said.serial_consistency
                .map(|level| level.code())
                .into_pyobject(py)?
                .into_any(),
            options
                .page_size
                .filter(|rows| *rows > 0)
                .into_pyobject(py)?
                .into_any(),
            paging_state
                .map(|state| PyBytes::new(py, state))
                .into_pyobject(py)?
                .into_any(),
            said.timestamp.into_pyobject(py)?.into_any(),
            options.tracing.into_pyobject(py)?.to_owned().into_any(),
            payload.into_pyobject(py)?.into_any(),
            options.keyspace.as_deref().into_pyobject(py)?.into_any(),
        ])
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

/// What an ordinary `PreparedStatement` says about its requests, as long as nobody changes it.
pub(crate) struct PreparedOptions {
    native: Py<PreparedHandle>,
    consistency: Option<ConsistencyLevel>,
    serial_consistency: Option<ConsistencyLevel>,
    /// `None`: that of the session.
    page_size: Option<i32>,
    idempotent: Option<bool>,
}

impl PreparedOptions {
    /// What `statement` says, unless it has to be asked each time.
    fn of(statement: &Bound<'_, PreparedBase>) -> Option<Arc<Self>> {
        let statement_object = statement.as_any();
        statement
            .get()
            .options(statement, || Self::work_out(statement_object))
    }

    fn work_out(statement: &Bound<'_, PyAny>) -> PyResult<Option<Self>> {
        let py = statement.py();
        let names = [
            intern!(py, "_native"),
            intern!(py, "column_encryption_policy"),
            intern!(py, "consistency_level"),
            intern!(py, "serial_consistency_level"),
            intern!(py, "fetch_size"),
            intern!(py, "is_idempotent"),
            intern!(py, "keyspace"),
            intern!(py, "retry_policy"),
            intern!(py, "custom_payload"),
        ];
        if !noted::are_plain(&statement.get_type(), &names)? {
            return Ok(None);
        }
        let fetch_size = statement.getattr(intern!(py, "fetch_size"))?;
        let says_size = !fetch_size.is(classes::fetch_size_unset(py)?);
        if says_size && !noted::is_fixed(&fetch_size) {
            return Ok(None);
        }
        for name in [
            intern!(py, "consistency_level"),
            intern!(py, "serial_consistency_level"),
            intern!(py, "is_idempotent"),
            intern!(py, "keyspace"),
        ] {
            if !noted::is_fixed(&statement.getattr(name)?) {
                return Ok(None);
            }
        }
        let said = statement_options(statement, Overrides::default())?;
        if said.retry_policy.is_some() || said.custom_payload.is_some() || encrypts(statement)? {
            return Ok(None);
        }
        let Overrides {
            consistency,
            serial_consistency,
            page_size,
            idempotent,
            ..
        } = said.overrides;
        Ok(Some(Self {
            native: native(statement)?.unbind(),
            consistency,
            serial_consistency,
            page_size: says_size.then_some(page_size),
            idempotent,
        }))
    }

    fn over<'py>(&self, defaults: Overrides) -> StatementOptions<'py> {
        StatementOptions {
            overrides: Overrides {
                consistency: self.consistency,
                serial_consistency: self.serial_consistency,
                page_size: self.page_size.unwrap_or(defaults.page_size),
                idempotent: self.idempotent,
                ..defaults
            },
            retry_policy: None,
            custom_payload: None,
            // That of a prepared statement is where it was prepared.
            keyspace: None,
        }
    }
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

    if let Ok(statement) = query.cast::<PreparedBase>() {
        let known = PreparedOptions::of(statement);
        let prepared = match &known {
            Some(known) => known.native.bind(py).clone(),
            None => native(query)?,
        };
        let row = match prepared
            .get()
            .bind_plan()
            .bind(call.parameters.unwrap_or(&py.None().into_bound(py)))?
        {
            Some(row) if known.is_some() || !encrypts(query)? => row,
            _ => {
                let bound = query.call_method1(intern!(py, "bind"), (call.parameters,))?;
                row_of_values(&bound.getattr(intern!(py, "values"))?)?
            }
        };
        let options = match known {
            Some(known) => known.over(defaults),
            None => statement_options(query, defaults)?,
        };
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
    let timestamp = session.get().timestamp(session)?;
    let said = Said::new(Arc::clone(&options), resolved, timestamp);
    let mut request = request.with_options(options);
    if let Some(timestamp) = timestamp {
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
        continuous: resolved.core().continuous_paging().is_some(),
        pages: None,
        statement: outgoing,
        prepared: prepared.map(Bound::unbind),
        timeout,
        form: session.get().page_form(),
        said,
    })
}
