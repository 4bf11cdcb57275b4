//! Values one at a time, by the name of their server class: what tests compare with other implementations.

use std::sync::Arc;

use bytes::Bytes;
use helenus_protocol::{ColumnSpec, CqlType};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};

use crate::classes;
use crate::columns::{self, PageForm};
use crate::decode::{DecodePlan, RowShape};
use crate::encode::BindPlan;
use crate::errors;

fn column(class_name: &str) -> PyResult<Arc<[ColumnSpec]>> {
    let ty = CqlType::parse_class_name(class_name).map_err(|error| errors::value_error(&error))?;
    Ok([ColumnSpec {
        keyspace: "".into(),
        table: "".into(),
        name: "value".into(),
        ty: ty.without_frozen(),
    }]
    .into())
}

/// The bytes of *value* as a value of the type with this server class name, or ``None`` for null.
///
/// :raises ValueError: the name is no type.
#[pyfunction]
#[pyo3(signature = (class_name, value, protocol_version))]
pub(crate) fn encode_value<'py>(
    class_name: &str,
    value: Bound<'py, PyAny>,
    protocol_version: u8,
) -> PyResult<Option<Bound<'py, PyBytes>>> {
    let py = value.py();
    let plan = BindPlan::new(py, column(class_name)?, &[], protocol_version);
    let row = plan
        .bind(PyTuple::new(py, [value])?.as_any())?
        .ok_or_else(|| errors::value_error(&"the value cannot be bound"))?;
    Ok(row.value(0).map(|bytes| PyBytes::new(py, bytes)))
}

/// The object for *data* (``None``: null) as a value of the type with this server class name.
///
/// :raises ValueError: the name is no type.
#[pyfunction]
#[pyo3(signature = (class_name, data, protocol_version, user_types=None))]
pub(crate) fn decode_value<'py>(
    py: Python<'py>,
    class_name: &str,
    data: Option<&[u8]>,
    protocol_version: u8,
    user_types: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let plan = DecodePlan::new(py, column(class_name)?, protocol_version, user_types)?;
    let mut content = Vec::new();
    helenus_protocol::write::bytes(&mut content, data, "value")
        .map_err(|error| errors::value_error(&error))?;
    plan.list(py, &content, 1, RowShape::Tuple)?
        .get_item(0)?
        .get_item(0)
}

fn columns_of(columns: Vec<(String, String)>) -> PyResult<Arc<[ColumnSpec]>> {
    columns
        .into_iter()
        .map(|(name, class_name)| {
            let ty = CqlType::parse_class_name(&class_name).map_err(|error| errors::value_error(&error))?;
            Ok(ColumnSpec {
                keyspace: "".into(),
                table: "".into(),
                name: name.into(),
                ty: ty.without_frozen(),
            })
        })
        .collect()
}

/// A page of rows, given as the bytes of its cells, made into objects by *row_factory*.
#[pyfunction]
pub(crate) fn decode_rows<'py>(
    py: Python<'py>,
    columns: Vec<(String, String)>,
    content: &[u8],
    row_count: usize,
    row_factory: Option<Bound<'py, PyAny>>,
    protocol_version: u8,
) -> PyResult<Bound<'py, PyAny>> {
    let plan = DecodePlan::new(py, columns_of(columns)?, protocol_version, None)?;
    let row_factory = match row_factory {
        Some(row_factory) => row_factory,
        None => classes::named_tuple_factory(py)?.clone(),
    };
    plan.rows(py, content, row_count, &row_factory)
}

/// A page of rows, given as the bytes of its cells, in the form of a protocol handler: ``"rows"`` (a list of tuples),
/// ``"lazy"``, ``"numpy"`` or ``"numpy columns"``.
///
/// :raises ValueError: there is no such form.
#[pyfunction]
#[pyo3(signature = (columns, content, row_count, form, protocol_version, user_types=None))]
pub(crate) fn decode_page<'py>(
    py: Python<'py>,
    columns: Vec<(String, String)>,
    content: &[u8],
    row_count: usize,
    form: &str,
    protocol_version: u8,
    user_types: Option<&Bound<'py, PyDict>>,
) -> PyResult<Bound<'py, PyAny>> {
    let form = PageForm::named(form)?;
    let plan = DecodePlan::new(py, columns_of(columns)?, protocol_version, user_types)?;
    let content = Bytes::copy_from_slice(content);
    let row_factory = classes::tuple_factory(py)?;
    columns::page(py, Arc::new(plan), &content, row_count, form, row_factory)
}
