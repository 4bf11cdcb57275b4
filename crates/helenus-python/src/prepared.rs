//! What native code knows of a prepared statement: the core's statement, and the plans for its values and its rows.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};

use helenus::PreparedStatement;
use helenus_protocol::ColumnSpec;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};

use crate::cqltype::class_of;
use crate::decode::DecodePlan;
use crate::encode::{BindPlan, values_of_row};
use crate::noted::Noted;
use crate::request::PreparedOptions;
use crate::session::SessionContext;
use crate::{classes, raw};

/// The native side of a ``PreparedStatement``, kept as its ``_native`` attribute.
#[pyclass(name = "PreparedHandle", module = "cassandra._core", frozen)]
pub(crate) struct PreparedHandle {
    core: PreparedStatement,
    context: Arc<SessionContext>,
    bind_plan: BindPlan,
    decode_plan: Mutex<Option<Arc<DecodePlan>>>,
    custom_payload: Option<Py<PyDict>>,
}

/// The base class of ``PreparedStatement``: it notices assignments.
#[pyclass(name = "PreparedBase", module = "cassandra._core", subclass, frozen)]
#[derive(Default)]
pub(crate) struct PreparedBase(Noted<Arc<PreparedOptions>>);

impl PreparedBase {
    /// What requests ask of the statement, unless it has to be asked each time.
    pub(crate) fn options(
        &self,
        slf: &Bound<'_, Self>,
        work_out: impl FnOnce() -> PyResult<Option<PreparedOptions>>,
    ) -> Option<Arc<PreparedOptions>> {
        self.0.get(slf.as_any(), || Ok(work_out()?.map(Arc::new)))
    }
}

#[pymethods]
impl PreparedBase {
    #[new]
    #[pyo3(signature = (*_args, **_kwargs))]
    fn new(_args: &Bound<'_, PyTuple>, _kwargs: Option<&Bound<'_, PyDict>>) -> Self {
        Self::default()
    }

    /// So that a statement can be copied.
    fn __getnewargs__<'py>(&self, py: Python<'py>) -> Bound<'py, PyTuple> {
        PyTuple::empty(py)
    }

    fn __setattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyAny>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let outcome = raw::generic_set(slf.as_any(), name, value);
        slf.get().0.changed();
        outcome
    }

    fn __delattr__(slf: &Bound<'_, Self>, name: &Bound<'_, PyAny>) -> PyResult<()> {
        let outcome = raw::generic_delete(slf.as_any(), name);
        slf.get().0.changed();
        outcome
    }

    /// The ``__dict__`` of statements: who has it may assign attributes unnoticed.
    #[getter]
    fn _attributes<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.get().0.opened();
        raw::generic_dict(slf.as_any())
    }

    #[setter(_attributes)]
    fn set_attributes(slf: &Bound<'_, Self>, attributes: &Bound<'_, PyAny>) -> PyResult<()> {
        slf.get().0.opened();
        raw::set_generic_dict(slf.as_any(), attributes)
    }
}

impl PreparedHandle {
    pub(crate) fn new(
        py: Python<'_>,
        context: Arc<SessionContext>,
        core: PreparedStatement,
        custom_payload: Option<Py<PyDict>>,
    ) -> Self {
        let bind_plan = BindPlan::new(
            py,
            core.bind_columns().clone(),
            core.partition_key_indexes(),
            context.protocol_version,
        );
        Self {
            core,
            context,
            bind_plan,
            decode_plan: Mutex::default(),
            custom_payload,
        }
    }

    /// The core's statement.
    pub(crate) fn core(&self) -> &PreparedStatement {
        &self.core
    }

    /// How values are bound.
    pub(crate) fn bind_plan(&self) -> &BindPlan {
        &self.bind_plan
    }

    /// Whether running it can give rows.
    pub(crate) fn gives_rows(&self) -> bool {
        !self.core.result_columns().is_empty()
    }

    /// The plan for rows with these columns, made anew when they, or the classes of user-defined types, have changed.
    pub(crate) fn decode_plan(
        &self,
        py: Python<'_>,
        columns: &Arc<[ColumnSpec]>,
    ) -> PyResult<Arc<DecodePlan>> {
        let version = self.context.cluster.user_types_version.load(Ordering::Relaxed);
        let known = self
            .decode_plan
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if let Some(plan) = known
            && Arc::ptr_eq(plan.columns(), columns)
            && plan.user_types_version() == version
        {
            return Ok(plan);
        }
        let plan = Arc::new(self.context.decode_plan(py, columns)?);
        let before = self
            .decode_plan
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .replace(plan.clone());
        drop(before);
        Ok(plan)
    }

    fn metadata<'py>(&self, py: Python<'py>, columns: &[ColumnSpec]) -> PyResult<Bound<'py, PyList>> {
        let column_metadata = classes::column_metadata(py)?;
        let user_types = self.context.user_types(py);
        let list = PyList::empty(py);
        for column in columns {
            let class = class_of(py, &column.ty, Some(&user_types))?;
            let described = (&*column.keyspace, &*column.table, &*column.name, class);
            list.append(column_metadata.call1(described)?)?;
        }
        Ok(list)
    }
}

#[pymethods]
impl PreparedHandle {
    /// The id under which nodes know the statement.
    #[getter]
    fn query_id<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.core.id())
    }

    /// The bind markers, as ``cassandra.protocol.ColumnMetadata``.
    #[getter]
    fn column_metadata<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.metadata(py, self.core.bind_columns())
    }

    /// The columns of the rows, as ``cassandra.protocol.ColumnMetadata``; ``None`` for a statement that gives none.
    #[getter]
    fn result_metadata<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyList>>> {
        let columns = self.core.result_columns();
        (!columns.is_empty())
            .then(|| self.metadata(py, &columns))
            .transpose()
    }

    /// The id of these columns (protocol v5), or ``None``.
    #[getter]
    fn result_metadata_id<'py>(&self, py: Python<'py>) -> Option<Bound<'py, PyBytes>> {
        self.core.result_metadata_id().map(|id| PyBytes::new(py, &id))
    }

    /// Which bind markers make up the partition key, or ``None`` if the server did not say.
    #[getter]
    fn routing_key_indexes(&self) -> Option<Vec<u16>> {
        let indexes = self.core.partition_key_indexes();
        (!indexes.is_empty()).then(|| indexes.to_vec())
    }

    /// The protocol version by which values are serialized.
    #[getter]
    fn protocol_version(&self) -> u8 {
        self.context.protocol_version
    }

    /// The payload that came with PREPARED, or ``None``.
    #[getter]
    fn custom_payload(&self, py: Python<'_>) -> Option<Py<PyDict>> {
        self.custom_payload.as_ref().map(|payload| payload.clone_ref(py))
    }

    /// Serialize *values* for the bind markers: a list of ``bytes``, ``None`` and ``UNSET_VALUE``; ``None`` if their form or
    /// number needs the attention of ``BoundStatement.bind``.
    fn bind<'py>(&self, values: &Bound<'py, PyAny>) -> PyResult<Option<Bound<'py, PyList>>> {
        let py = values.py();
        self.bind_plan
            .bind(values)?
            .map(|row| values_of_row(py, &row))
            .transpose()
    }
}
