//! The extension module `cassandra._core`: what stands between the Python package and the Rust driver.
//!
//! ```text
//!   Session.execute ─▶ session ─▶ request ─▶ encode ─▶ helenus::Session::start
//!                         │                                    │ Execution
//!                         ▼                                    ▼
//!                      future ◀── wait: Task, CompletionQueue, drain thread
//!                         ▼
//!                      decode ─▶ ResultSet
//! ```
//! The binding is thin: convert in, detach from the interpreter, call the core, convert out. Nothing on the path of a
//! request runs Python code that the program did not write, and the thread that owns the sockets never takes the
//! interpreter lock.

mod callbacks;
mod classes;
mod cluster;
mod codec;
mod columns;
mod concurrent;
mod convert;
mod cqltype;
mod declined;
mod decode;
mod encode;
mod errors;
mod failures;
mod future;
mod made;
mod metrics;
mod noted;
mod policy;
mod prepared;
mod profile;
mod raw;
mod request;
mod result_set;
mod runtime;
mod schema;
mod session;
mod sockopts;
mod unasked;
mod wait;

use pyo3::prelude::*;

/// The native part of the `cassandra` package.
#[pymodule]
#[pyo3(name = "_core")]
mod core_module {
    #[pymodule_export]
    use crate::cluster::{ClusterCore, Node};
    #[pymodule_export]
    use crate::codec::{decode_page, decode_rows, decode_value, encode_value};
    #[pymodule_export]
    use crate::columns::LazyRows;
    #[pymodule_export]
    use crate::concurrent::{ConcurrentResults, execute_concurrent};
    #[pymodule_export]
    use crate::future::ResponseFuture;
    #[pymodule_export]
    use crate::prepared::{PreparedBase, PreparedHandle};
    #[pymodule_export]
    use crate::profile::{ResolvedProfile, resolve_profile};
    #[pymodule_export]
    use crate::result_set::ResultSet;
    #[pymodule_export]
    use crate::runtime::forked;
    #[pymodule_export]
    use crate::schema::{KeyspaceSnapshot, SchemaSnapshot};
    #[pymodule_export]
    use crate::session::SessionBase;
    #[pymodule_export]
    use crate::wait::{CompletionDrain, resolve_futures};
}
