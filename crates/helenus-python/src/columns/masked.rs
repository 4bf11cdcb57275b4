//! Masked arrays, made without their constructor: that looks for 5 µs what it may have been given, several times what it
//! takes to fill a column.
//!
//! An array is made as a masked one, and its mask is put where `numpy.ma` keeps it. No published interface names that
//! place, so it is tried out with the first array; should it be another one some day, the constructor is called.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyDict;

use super::numpy;

/// A masked array of these rows, of these dimensions each, which hold anything. It has no mask yet.
pub(super) fn empty<'py>(
    py: Python<'py>,
    (rows, dimensions): (usize, Option<usize>),
    dtype: &str,
) -> PyResult<Bound<'py, PyAny>> {
    static NEW: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let new = NEW.get_or_try_init(py, || -> PyResult<_> {
        Ok(py
            .import("numpy")?
            .getattr("ndarray")?
            .getattr("__new__")?
            .unbind())
    })?;
    let class = class(py)?;
    match dimensions {
        None => new.bind(py).call1((class, rows, dtype)),
        Some(dimensions) => new.bind(py).call1((class, (rows, dimensions), dtype)),
    }
}

/// A plain `array` seen as a masked one of this dtype, without a mask.
pub(super) fn view<'py>(array: &Bound<'py, PyAny>, dtype: &str) -> PyResult<Bound<'py, PyAny>> {
    let py = array.py();
    array.call_method1(intern!(py, "view"), (dtype, class(py)?))
}

/// The masked `array` with this mask, which nobody else knows.
pub(super) fn with_mask<'py>(
    array: Bound<'py, PyAny>,
    mask: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    static KEEPS_IT_THERE: PyOnceLock<bool> = PyOnceLock::new();
    let py = array.py();
    if *KEEPS_IT_THERE.get_or_try_init(py, || keeps_it_there(py))? {
        array.setattr(intern!(py, "_mask"), mask)?;
        return Ok(array);
    }
    let keywords = PyDict::new(py);
    keywords.set_item(intern!(py, "mask"), mask)?;
    class(py)?.call((array,), Some(&keywords))
}

/// Whether a mask that is set as we do it hides what it should.
fn keeps_it_there(py: Python<'_>) -> PyResult<bool> {
    let array = empty(py, (2, None), "i4")?;
    let mask = numpy::zeros(py)?.call1((2, "?"))?;
    mask.set_item(1, true)?;
    array.setattr(intern!(py, "_mask"), &mask)?;
    let hidden = array.call_method0("tolist")?.get_item(1)?.is_none();
    Ok(hidden && array.getattr("mask")?.call_method0("tolist")?.eq([false, true])?)
}

fn class(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static CLASS: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    CLASS.import(py, "numpy.ma", "MaskedArray")
}
