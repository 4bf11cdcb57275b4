//! Small conversions between the core's values and Python's.

use bytes::Bytes;
use helenus_protocol::CustomPayload;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use uuid::Uuid;

use crate::classes;

/// A `uuid.UUID`.
pub(crate) fn uuid_to_python<'py>(py: Python<'py>, uuid: &Uuid) -> PyResult<Bound<'py, PyAny>> {
    let keywords = PyDict::new(py);
    keywords.set_item("int", uuid.as_u128())?;
    classes::uuid(py)?.call((), Some(&keywords))
}

/// A custom payload as a dictionary from text to bytes or ``None``.
pub(crate) fn payload_to_python<'py>(
    py: Python<'py>,
    payload: &CustomPayload,
) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, value) in payload {
        dict.set_item(name, value.as_ref().map(|value| PyBytes::new(py, value)))?;
    }
    Ok(dict)
}

/// Adds the entries of a mapping from text to bytes or ``None`` to `payload`.
pub(crate) fn extend_payload(payload: &mut CustomPayload, mapping: &Bound<'_, PyAny>) -> PyResult<()> {
    let py = mapping.py();
    let dict = PyDict::new(py);
    dict.call_method1("update", (mapping,))?;
    for (name, value) in dict.iter() {
        let name: String = name.extract()?;
        let value = if value.is_none() {
            None
        } else {
            let bytes: Vec<u8> = match value.extract::<&str>() {
                Ok(text) => text.as_bytes().to_vec(),
                Err(_) => value.extract().map_err(|_| {
                    PyTypeError::new_err(format!("custom_payload: the value of {name:?} is not bytes"))
                })?,
            };
            Some(Bytes::from(bytes))
        };
        payload.insert(name, value);
    }
    Ok(())
}
