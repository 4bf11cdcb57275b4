//! Memory for large arrays, used again when they are gone.
//!
//! The C library gives blocks of this size back to the system when they are freed and gets them anew, so that a program
//! which reads one page after the other pays for every memory page of every array: half of the time of a column of
//! vectors. Memory is a `bytearray`, kept here and lent to an array; it is free when nobody but this holds it.

use std::sync::{Mutex, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyByteArray;

use crate::raw;

/// From how many bytes on the C library asks the system.
const LARGE: usize = 128 << 10;
/// How many bytes are kept, those of arrays that are in use included.
const KEPT: usize = 16 << 20;

/// The oldest first. No Python code runs while it is locked.
static MEMORY: Mutex<Vec<Py<PyByteArray>>> = Mutex::new(Vec::new());

/// Memory for an array of `length` bytes, which hold anything; `None` for arrays that are better off with NumPy's own.
pub(super) fn lend(py: Python<'_>, length: usize) -> PyResult<Option<Bound<'_, PyByteArray>>> {
    if !(LARGE..=KEPT / 2).contains(&length) {
        return Ok(None);
    }
    let mut kept = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
    let free = kept.iter().map(|memory| memory.bind(py)).find(|memory| {
        // not much more than is asked for, which the array would hold on to
        (length..=2 * length).contains(&memory.len()) && raw::is_unshared(memory.as_any())
    });
    if let Some(free) = free {
        return Ok(Some(free.clone()));
    }
    let memory = PyByteArray::new_with(py, length, |_| Ok(()))?;
    let mut total = length + kept.iter().map(|memory| memory.bind(py).len()).sum::<usize>();
    while total > KEPT && !kept.is_empty() {
        total -= kept.remove(0).bind(py).len();
    }
    kept.push(memory.clone().unbind());
    Ok(Some(memory))
}
