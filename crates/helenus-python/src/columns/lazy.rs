//! Rows that are decoded when they are asked for.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use pyo3::prelude::*;

use crate::decode::DecodePlan;

/// An iterator over the rows of a page, as tuples. The bytes of the page are kept until the last row has been made.
#[pyclass(name = "LazyRows", module = "cassandra._core", frozen)]
pub(crate) struct LazyRows {
    plan: Arc<DecodePlan>,
    rest: Mutex<Rest>,
}

struct Rest {
    content: Bytes,
    row_count: usize,
}

impl LazyRows {
    pub(crate) fn new(plan: Arc<DecodePlan>, content: Bytes, row_count: usize) -> Self {
        Self {
            plan,
            rest: Mutex::new(Rest { content, row_count }),
        }
    }

    /// Takes the bytes of the next row from the rest, so that a row is decoded once whoever asks.
    fn take_row(&self, py: Python<'_>) -> PyResult<Option<Bytes>> {
        let mut rest = self.rest.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(left) = rest.row_count.checked_sub(1) else {
            return Ok(None);
        };
        match self.plan.row_length(&rest.content) {
            Ok(length) => {
                rest.row_count = left;
                let row = rest.content.split_to(length);
                if left == 0 {
                    rest.content = Bytes::new();
                }
                Ok(Some(row))
            }
            Err(column) => {
                rest.row_count = 0;
                rest.content = Bytes::new();
                drop(rest);
                Err(self.plan.cut_short(py, column))
            }
        }
    }
}

#[pymethods]
impl LazyRows {
    fn __iter__(slf: Py<Self>) -> Py<Self> {
        slf
    }

    fn __next__<'py>(&self, py: Python<'py>) -> PyResult<Option<Bound<'py, PyAny>>> {
        match self.take_row(py)? {
            Some(row) => self.plan.tuple(py, &row).map(Some),
            None => Ok(None),
        }
    }
}
