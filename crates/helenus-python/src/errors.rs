//! The errors that the binding itself raises, and the map from the core's errors to Python's exceptions.

use std::fmt::Display;

use pyo3::exceptions::{
    PyArithmeticError, PyAttributeError, PyLookupError, PyOverflowError, PyTypeError, PyUnicodeError,
    PyValueError,
};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyType;

/// A `ValueError` with the text of `error`.
pub(crate) fn value_error(error: &impl Display) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// A statement can carry 65,535 values.
pub(crate) fn too_many_values() -> PyErr {
    PyValueError::new_err("a statement can carry at most 65535 values")
}

/// `cassandra.DriverException` with `message`.
pub(crate) fn driver_exception(py: Python<'_>, message: String) -> PyErr {
    static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    match CLASS.import(py, "cassandra", "DriverException") {
        Ok(class) => PyErr::from_type(class.clone(), message),
        Err(error) => error,
    }
}

/// A cell that no decoder accepts: the column, its type and the reason.
pub(crate) fn undecodable_column(
    py: Python<'_>,
    column: &str,
    class: &Bound<'_, PyAny>,
    error: PyErr,
) -> PyErr {
    let type_name = class
        .call_method0("cql_parameterized_type")
        .and_then(|name| name.extract::<String>())
        .unwrap_or_else(|_| class.to_string());
    let reason = error.value(py).to_string();
    let raised = driver_exception(
        py,
        format!("Failed decoding result column \"{column}\" of type {type_name}: {reason}"),
    );
    raised.set_cause(py, Some(error));
    raised
}

/// A value that its column cannot hold: `TypeError` or `ValueError` with the column's name, as `BoundStatement.bind` raises
/// them. Other errors (of encoding text, of the program's own code) speak for themselves.
pub(crate) fn invalid_argument(
    py: Python<'_>,
    column: &str,
    class: &Bound<'_, PyAny>,
    value: &Bound<'_, PyAny>,
    error: PyErr,
) -> PyErr {
    static STRUCT_ERROR: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    let wrong_type = error.is_instance_of::<PyTypeError>(py)
        || error.is_instance_of::<PyAttributeError>(py)
        || error.is_instance_of::<PyOverflowError>(py)
        || STRUCT_ERROR
            .import(py, "struct", "error")
            .is_ok_and(|struct_error| error.is_instance(py, struct_error));
    let wrong_value = error.is_instance_of::<PyValueError>(py)
        || error.is_instance_of::<PyArithmeticError>(py)
        || error.is_instance_of::<PyLookupError>(py);
    if error.is_instance_of::<PyUnicodeError>(py) || !(wrong_type || wrong_value) {
        return error;
    }
    let message = format!(
        "Received an argument of invalid type for column \"{column}\". Expected: {class}, Got: {}; ({})",
        value.get_type(),
        error.value(py),
    );
    let raised = if wrong_type {
        PyTypeError::new_err(message)
    } else {
        PyValueError::new_err(message)
    };
    raised.set_cause(py, Some(error));
    raised
}
