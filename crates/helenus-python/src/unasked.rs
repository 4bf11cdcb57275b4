//! Requests that have succeeded and whose `ResponseFuture` nobody has asked for: most futures of `execute` and of
//! `execute_concurrent` are never looked at, and a future weighs more than all the rest of a result.

use std::sync::Arc;

use helenus::QueryResult;
use pyo3::prelude::*;

use crate::future::ResponseFuture;
use crate::request::OutgoingRequest;
use crate::session::SessionContext;

/// What a future can be made of.
pub(crate) trait Unasked: Send + Sync {
    /// The answer to the request.
    fn answer(&self) -> &QueryResult;

    /// Whether pages may follow.
    fn more_pages(&self) -> bool {
        self.answer().paging_state().is_some()
    }

    /// Makes the future. `rows` is what its callbacks get: the decoded rows, or `None`.
    fn into_future(self: Box<Self>, py: Python<'_>, rows: Py<PyAny>) -> PyResult<Bound<'_, ResponseFuture>>;
}

/// One request, with all that belongs to it.
pub(crate) struct Single {
    pub(crate) session: Py<PyAny>,
    pub(crate) context: Arc<SessionContext>,
    pub(crate) row_factory: Py<PyAny>,
    pub(crate) outgoing: OutgoingRequest,
    pub(crate) answer: QueryResult,
}

impl Unasked for Single {
    fn answer(&self) -> &QueryResult {
        &self.answer
    }

    fn more_pages(&self) -> bool {
        self.outgoing.more_pages(&self.answer)
    }

    fn into_future(self: Box<Self>, py: Python<'_>, rows: Py<PyAny>) -> PyResult<Bound<'_, ResponseFuture>> {
        ResponseFuture::finished(
            py,
            self.session,
            self.context,
            self.outgoing,
            self.row_factory,
            self.answer,
            rows,
        )
    }
}
