//! The Python classes that values are made of, imported once each and kept.
//!
//! Importing is lazy, so that `import cassandra._core` costs nothing and modules of the package may import it first.

use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyString, PyType};

/// Declares one function for each class: its name, the module it is imported from, and its name there.
macro_rules! classes {
    ($($(#[$meta:meta])* $function:ident = $module:literal . $name:literal;)*) => {$(
        $(#[$meta])*
        pub(crate) fn $function(py: Python<'_>) -> PyResult<&Bound<'_, PyType>> {
            static CLASS: PyOnceLock<Py<PyType>> = PyOnceLock::new();
            CLASS.import(py, $module, $name)
        }
    )*};
}

classes! {
    authentication_failed = "cassandra"."AuthenticationFailed";
    connection_exception = "cassandra.connection"."ConnectionException";
    connection_shutdown = "cassandra.connection"."ConnectionShutdown";
    error_message = "cassandra.protocol"."ErrorMessage";
    no_host_available = "cassandra.cluster"."NoHostAvailable";
    operation_timed_out = "cassandra"."OperationTimedOut";
    unsupported_operation = "cassandra"."UnsupportedOperation";
    write_type = "cassandra"."WriteType";
    constant_reconnection_policy = "cassandra.policies"."ConstantReconnectionPolicy";
    dc_aware_round_robin_policy = "cassandra.policies"."DCAwareRoundRobinPolicy";
    default_load_balancing_policy = "cassandra.policies"."DefaultLoadBalancingPolicy";
    exponential_reconnection_policy = "cassandra.policies"."ExponentialReconnectionPolicy";
    fallthrough_retry_policy = "cassandra.policies"."FallthroughRetryPolicy";
    monotonic_timestamp_generator = "cassandra.timestamps"."MonotonicTimestampGenerator";
    constant_speculative_execution_policy = "cassandra.policies"."ConstantSpeculativeExecutionPolicy";
    no_speculative_execution_policy = "cassandra.policies"."NoSpeculativeExecutionPolicy";
    never_retry_policy = "cassandra.policies"."NeverRetryPolicy";
    retry_policy = "cassandra.policies"."RetryPolicy";
    round_robin_policy = "cassandra.policies"."RoundRobinPolicy";
    token_aware_policy = "cassandra.policies"."TokenAwarePolicy";
    white_list_round_robin_policy = "cassandra.policies"."WhiteListRoundRobinPolicy";
    bound_statement = "cassandra.query"."BoundStatement";
    prepared_statement = "cassandra.query"."PreparedStatement";
    simple_statement = "cassandra.query"."SimpleStatement";
    uuid = "uuid"."UUID";
    decimal = "decimal"."Decimal";
    ordered_dict = "collections"."OrderedDict";
    date = "cassandra.util"."Date";
    time = "cassandra.util"."Time";
    duration = "cassandra.util"."Duration";
    query_exhausted = "cassandra.cluster"."QueryExhausted";
    query_trace = "cassandra.query"."QueryTrace";
    sorted_set = "cassandra.util"."SortedSet";
    ordered_map_serialized_key = "cassandra.util"."OrderedMapSerializedKey";
    trace_unavailable = "cassandra.query"."TraceUnavailable";
    user_type = "cassandra.cqltypes"."UserType";
    batch_statement = "cassandra.query"."BatchStatement";
    cancelled_error = "asyncio"."CancelledError";
    invalid_state_error = "asyncio"."InvalidStateError";
    generic_alias = "types"."GenericAlias";
}

/// Declares one function for each module-level object that is no class.
macro_rules! objects {
    ($($(#[$meta:meta])* $function:ident = $module:literal . $name:literal;)*) => {$(
        $(#[$meta])*
        pub(crate) fn $function(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
            static OBJECT: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
            OBJECT.import(py, $module, $name)
        }
    )*};
}

objects! {
    /// `cassandra.protocol.ColumnMetadata`, a named tuple.
    column_metadata = "cassandra.protocol"."ColumnMetadata";
    /// `cassandra.protocol.error_classes`: classes of error messages by code.
    error_classes = "cassandra.protocol"."error_classes";
    /// `cassandra._protocol.columns.decode_with_handler`.
    decode_with_handler = "cassandra._protocol.columns"."decode_with_handler";
    /// `cassandra.query.bind_params`.
    bind_params = "cassandra.query"."bind_params";
    future_message = "cassandra._driver.futures"."message";
    future_encoded_size = "cassandra._driver.futures"."encoded_size";
    /// `cassandra.query.FETCH_SIZE_UNSET`.
    fetch_size_unset = "cassandra.query"."FETCH_SIZE_UNSET";
    /// `cassandra.cluster._NOT_SET`: an argument that was not given.
    not_set = "cassandra.cluster"."_NOT_SET";
    /// `cassandra.cluster.EXEC_PROFILE_DEFAULT`.
    exec_profile_default = "cassandra.cluster"."EXEC_PROFILE_DEFAULT";
    /// `cassandra.query.UNSET_VALUE`.
    unset_value = "cassandra.query"."UNSET_VALUE";
    /// `cassandra._core.resolve_futures`, called on the thread of an event loop.
    resolve_futures = "cassandra._core"."resolve_futures";
    /// `asyncio.get_running_loop`.
    running_loop = "asyncio"."get_running_loop";
    /// `contextvars.copy_context`.
    copy_context = "contextvars"."copy_context";
    /// `cassandra.query.tuple_factory`.
    tuple_factory = "cassandra.query"."tuple_factory";
    /// `cassandra.query.named_tuple_factory`.
    named_tuple_factory = "cassandra.query"."named_tuple_factory";
    /// `cassandra.query.dict_factory`.
    dict_factory = "cassandra.query"."dict_factory";
    /// `cassandra.query.ordered_dict_factory`.
    ordered_dict_factory = "cassandra.query"."ordered_dict_factory";
}

/// The logger `cassandra.cluster`.
pub(crate) fn cluster_log(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static LOG: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let log = LOG.get_or_try_init(py, || -> PyResult<Py<PyAny>> {
        Ok(py
            .import(intern!(py, "logging"))?
            .call_method1("getLogger", ("cassandra.cluster",))?
            .unbind())
    })?;
    Ok(log.bind(py))
}

/// `cassandra.cqltypes`, the module.
pub(crate) fn cqltypes(py: Python<'_>) -> PyResult<&Bound<'_, PyAny>> {
    static MODULE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let module = MODULE.get_or_try_init(py, || -> PyResult<Py<PyAny>> {
        Ok(py.import(intern!(py, "cassandra.cqltypes"))?.into_any().unbind())
    })?;
    Ok(module.bind(py))
}

/// Python's own string for `text`, the same object for the same text, so that dictionaries compare keys by address.
pub(crate) fn interned<'py>(py: Python<'py>, text: &str) -> Bound<'py, PyString> {
    PyString::intern(py, text)
}
