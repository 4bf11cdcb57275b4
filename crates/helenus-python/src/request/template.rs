//! Requests of one prepared statement that is run many times in a row.

use std::sync::Arc;
use std::time::Duration;

use helenus::{ConsistencyLevel, QueryResult, Request, RequestOptions};
use pyo3::prelude::*;

use super::{
    OutgoingRequest, Rows, Said, Statement, decode, encrypts, native, prepared_request, statement_options,
};
use crate::classes;
use crate::columns::PageForm;
use crate::policy::{PlanSource, RetrySource};
use crate::prepared::PreparedHandle;
use crate::profile::{Overrides, ResolvedProfile};
use crate::session::{SessionBase, SessionContext};

/// A prepared statement that is run many times in a row: everything about its requests but the values.
pub(crate) struct Template {
    statement: Py<PyAny>,
    prepared: Py<PreparedHandle>,
    options: Arc<RequestOptions>,
    consistency: ConsistencyLevel,
    serial_consistency: Option<ConsistencyLevel>,
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
            consistency: said
                .overrides
                .consistency
                .unwrap_or_else(|| resolved.core().consistency()),
            serial_consistency: said
                .overrides
                .serial_consistency
                .or_else(|| resolved.core().serial_consistency()),
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
            // Many requests at once go by ordinary pages.
            continuous: false,
            pages: None,
            request,
            statement: Statement::Bound {
                prepared: self.statement.clone_ref(py),
                parameters: Some(parameters),
            },
            prepared: Some(self.prepared.clone_ref(py)),
            timeout: self.timeout,
            form: self.form,
            said: Said {
                options: Arc::clone(&self.options),
                consistency: self.consistency,
                serial_consistency: self.serial_consistency,
                timestamp: None,
            },
        }
    }
}
