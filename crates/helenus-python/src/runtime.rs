//! The I/O thread: one tokio runtime on one thread for the whole process, which never enters the interpreter.
//!
//! It is started with the first cluster. A child that `fork` makes has no such thread; it starts one of its own, and
//! leaves what it inherited alone.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use tokio::runtime::{Builder, Handle};

/// How many forks lie between the first process and this one.
static GENERATION: AtomicU64 = AtomicU64::new(0);

/// The runtime of this process, with the generation that started it.
static RUNTIME: Mutex<Option<(u64, Handle)>> = Mutex::new(None);

/// Says which process this is, counted in forks.
pub(crate) fn generation() -> u64 {
    GENERATION.load(Ordering::Relaxed)
}

/// Note that this process is a child made by ``fork``. Registered with ``os.register_at_fork``.
#[pyfunction]
pub(crate) fn forked() {
    GENERATION.fetch_add(1, Ordering::Relaxed);
}

/// The runtime of this process.
pub(crate) fn handle() -> PyResult<Handle> {
    let mut known = RUNTIME.lock().unwrap_or_else(PoisonError::into_inner);
    let generation = generation();
    if let Some((started, handle)) = &*known
        && *started == generation
    {
        return Ok(handle.clone());
    }
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| PyRuntimeError::new_err(format!("the I/O runtime cannot be started: {error}")))?;
    let handle = runtime.handle().clone();
    std::thread::Builder::new()
        .name("helenus-io".to_owned())
        .spawn(move || runtime.block_on(std::future::pending::<()>()))
        .map_err(|error| PyRuntimeError::new_err(format!("the I/O thread cannot be started: {error}")))?;
    if let Some(inherited) = known.replace((generation, handle.clone())) {
        // It belongs to a thread of the parent.
        std::mem::forget(inherited);
    }
    Ok(handle)
}
