//! Functions of NumPy, which is imported when the first of them is asked for.

use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;

macro_rules! functions {
    ($($name:ident),*) => {$(
        pub(super) fn $name(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
            static FUNCTION: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
            FUNCTION.import(py, "numpy", stringify!($name))
        }
    )*};
}

functions!(empty, frombuffer, zeros);
