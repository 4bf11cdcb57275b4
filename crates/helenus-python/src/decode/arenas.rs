//! Memory of lists of numbers that the next page needs again.
//!
//! A page of vectors fills megabytes and is then gone as a whole, and what is free as a whole is given back to the system,
//! so that every page pays for its memory anew: a third of the time of reading vectors as lists. There are two who give back:
//!
//! - The interpreter's allocator does with each arena (1 MiB) whose last object is gone. A number that is left standing in
//!   each of the last arenas keeps them.
//! - The C library, which has the lists themselves, does with the end of its heap, if that is large beside the largest block
//!   that the program ever had from it for a while. Having had one once keeps it.

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, Once, PoisonError};

use pyo3::prelude::*;
use pyo3::types::PyFloat;

/// One of so many numbers stays: two or more in an arena, as a float takes 24 or 32 bytes.
const EVERY: usize = 16_384;
/// So many stay in all, which keeps 16 MiB where arenas are full of numbers and twice that at most.
const STANDING: usize = 32;

/// The block that the C library is asked for, and never touched: twice as much then stays at the end of its heap.
const BLOCK: usize = 4 << 20;

static MADE: AtomicUsize = AtomicUsize::new(0);
/// By the number of the float modulo their count. No Python code runs while it is locked.
static KEPT: Mutex<[Option<Py<PyFloat>>; STANDING]> = Mutex::new([const { None }; STANDING]);

/// Takes note that so many numbers have been made just now.
#[inline]
pub(super) fn made(py: Python<'_>, count: usize) {
    let before = MADE.fetch_add(count, Ordering::Relaxed);
    if before / EVERY != before.wrapping_add(count) / EVERY {
        keep(py, before / EVERY);
    }
}

#[cold]
fn keep(py: Python<'_>, number: usize) {
    static HAD_A_BLOCK: Once = Once::new();
    HAD_A_BLOCK.call_once(|| drop(black_box(Vec::<u8>::with_capacity(BLOCK))));
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    kept[number % STANDING] = Some(PyFloat::new(py, 0.0).unbind());
}
