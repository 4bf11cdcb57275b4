//! From the core's errors to the exceptions of the package.
//!
//! ```text
//! SessionError (connect)             NoHostAvailable, errors by endpoint, or by Host for a keyspace
//! RequestError::Server               the exception of the ERROR's code, as cassandra.protocol makes it
//!              ::Timeout             OperationTimedOut, errors by endpoint
//!              ::ConnectionLost      ConnectionShutdown
//!              after the last node   NoHostAvailable, errors by Host: another node was to be tried, and there is none
//!              ::Encode              UnsupportedOperation
//!              everything else       DriverException
//! ```

use std::sync::Arc;

use helenus::{
    Applied, Attempt, AttemptError, ConnectError, ConnectErrorKind, ContactPointError, Node, NodeFailure,
    RequestError, RequestErrorKind, SessionError,
};
use helenus_protocol::{ErrorDetails, Failures, ServerError};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::errors::driver_exception;
use crate::session::SessionContext;
use crate::{classes, convert};

/// What the published driver says for each node that did not answer in time.
const TIMED_OUT: &str = "Client request timeout. See Session.execute[_async](timeout)";

fn raised(class: PyResult<&Bound<'_, pyo3::types::PyType>>, message: String) -> PyErr {
    match class {
        Ok(class) => PyErr::from_type(class.clone(), message),
        Err(error) => error,
    }
}

/// The exception for a session that could not be opened.
pub(crate) fn connect_failed(py: Python<'_>, error: &SessionError) -> PyErr {
    let made = match error {
        SessionError::NoContactPoint(points) | SessionError::NoNode(points) => no_contact_point(py, points),
        SessionError::Keyspace { source, .. } => server_error(py, source),
        other => Ok(driver_exception(py, other.to_string())),
    };
    made.unwrap_or_else(|error| error)
}

/// The exception for a session that could not be opened on the nodes of a cluster that was found.
pub(crate) fn session_failed(
    py: Python<'_>,
    error: &SessionError,
    cluster: &Bound<'_, PyAny>,
    keyspace: Option<&str>,
    nodes: &[Arc<Node>],
) -> PyErr {
    let (SessionError::Keyspace { source, .. }, Some(keyspace)) = (error, keyspace) else {
        return connect_failed(py, error);
    };
    let made = || -> PyResult<PyErr> {
        let errors = PyDict::new(py);
        for node in nodes {
            let id = convert::uuid_to_python(py, &node.host_id())?;
            let host = cluster.call_method1(intern!(py, "_host_by_id"), (id,))?;
            errors.set_item(host, server_error(py, source)?.into_value(py))?;
        }
        let message = format!("Unable to connect to any servers using keyspace '{keyspace}'");
        let class = classes::no_host_available(py)?;
        Ok(PyErr::from_type(class.clone(), (message, errors.unbind())))
    };
    made().unwrap_or_else(|error| error)
}

fn no_contact_point(py: Python<'_>, points: &[ContactPointError]) -> PyResult<PyErr> {
    let errors = PyDict::new(py);
    for point in points {
        let (name, cause) = match point {
            ContactPointError::Resolve { name, source } => (
                name.clone(),
                raised(classes::connection_exception(py), source.to_string()),
            ),
            ContactPointError::Connect(error) => (error.endpoint.to_string(), connect_error(py, error)?),
            other => {
                let name = match other {
                    ContactPointError::Discovery { endpoint, .. }
                    | ContactPointError::Ignored { endpoint } => endpoint.clone(),
                    _ => String::new(),
                };
                (name, driver_exception(py, other.to_string()))
            }
        };
        errors.set_item(name, cause.into_value(py))?;
    }
    let class = classes::no_host_available(py)?;
    Ok(PyErr::from_type(
        class.clone(),
        ("Unable to connect to any servers", errors.unbind()),
    ))
}

/// The exception for a connection that could not be opened.
fn connect_error(py: Python<'_>, error: &ConnectError) -> PyResult<PyErr> {
    Ok(match &error.kind {
        ConnectErrorKind::AuthenticationFailed(server) => raised(
            classes::authentication_failed(py),
            format!(
                "Failed to authenticate to {}: {}",
                error.endpoint,
                summary(py, server)
            ),
        ),
        ConnectErrorKind::AuthenticationRequired { .. } | ConnectErrorKind::AuthProvider(_) => {
            raised(classes::authentication_failed(py), error.to_string())
        }
        ConnectErrorKind::Io(source) => PyErr::from(std::io::Error::new(source.kind(), error.to_string())),
        ConnectErrorKind::Timeout { .. } => timed_out(py, &error.endpoint.to_string(), error.to_string())?,
        _ => connection_error(py, error.to_string(), &error.endpoint.to_string())?,
    })
}

/// The exception for what went wrong with a connection to a node, as a conviction policy sees it.
pub(crate) fn node_failure(py: Python<'_>, failure: &NodeFailure) -> PyResult<PyErr> {
    match failure {
        NodeFailure::NotOpened(error) => connect_error(py, error),
        NodeFailure::Lost(error) => connection_error(py, error.to_string(), &error.endpoint.to_string()),
        other => connection_error(py, other.to_string(), ""),
    }
}

fn timed_out(py: Python<'_>, endpoint: &str, reason: String) -> PyResult<PyErr> {
    let errors = PyDict::new(py);
    errors.set_item(endpoint, reason)?;
    let class = classes::operation_timed_out(py)?;
    Ok(PyErr::from_type(
        class.clone(),
        (errors.unbind(), endpoint.to_owned()),
    ))
}

fn connection_error(py: Python<'_>, message: String, endpoint: &str) -> PyResult<PyErr> {
    Ok(PyErr::from_type(
        classes::connection_shutdown(py)?.clone(),
        (message, endpoint.to_owned()),
    ))
}

/// What the published driver says about an ERROR, without the brackets.
fn summary(py: Python<'_>, error: &ServerError) -> String {
    error_message(py, error)
        .and_then(|message| message.call_method0("summary_msg")?.extract())
        .unwrap_or_else(|_| error.to_string())
}

/// The error message object of `cassandra.protocol` for an ERROR.
fn error_message<'py>(py: Python<'py>, error: &ServerError) -> PyResult<Bound<'py, PyAny>> {
    let code = error.code.code();
    let class = match classes::error_classes(py)?.call_method1(intern!(py, "get"), (code,))? {
        class if class.is_none() => classes::error_message(py)?.clone().into_any(),
        class => class,
    };
    let keywords = PyDict::new(py);
    keywords.set_item("code", code)?;
    keywords.set_item("message", &error.message)?;
    keywords.set_item("info", details(py, &error.details)?)?;
    class.call((), Some(&keywords))
}

/// The fields of an ERROR as `cassandra.protocol` names them.
fn details<'py>(py: Python<'py>, details: &ErrorDetails) -> PyResult<Bound<'py, PyAny>> {
    let info = PyDict::new(py);
    let set = |name: &str, value: Bound<'py, PyAny>| info.set_item(name, value);
    let number = |value: i32| -> PyResult<Bound<'py, PyAny>> { Ok(value.into_pyobject(py)?.into_any()) };
    let level = |level: helenus::ConsistencyLevel| -> PyResult<Bound<'py, PyAny>> {
        Ok(level.code().into_pyobject(py)?.into_any())
    };
    match details {
        ErrorDetails::Unavailable {
            consistency,
            required,
            alive,
        } => {
            set("consistency", level(*consistency)?)?;
            set("required_replicas", number(*required)?)?;
            set("alive_replicas", number(*alive)?)?;
        }
        ErrorDetails::WriteTimeout {
            consistency,
            received,
            block_for,
            write_type,
            ..
        } => {
            set("consistency", level(*consistency)?)?;
            set("received_responses", number(*received)?)?;
            set("required_responses", number(*block_for)?)?;
            set("write_type", write_type_number(py, write_type)?)?;
        }
        ErrorDetails::ReadTimeout {
            consistency,
            received,
            block_for,
            data_present,
        } => {
            set("consistency", level(*consistency)?)?;
            set("received_responses", number(*received)?)?;
            set("required_responses", number(*block_for)?)?;
            info.set_item("data_retrieved", *data_present)?;
        }
        ErrorDetails::ReadFailure {
            consistency,
            received,
            block_for,
            failures,
            data_present,
        } => {
            set("consistency", level(*consistency)?)?;
            set("received_responses", number(*received)?)?;
            set("required_responses", number(*block_for)?)?;
            set_failures(py, &info, failures)?;
            info.set_item("data_retrieved", *data_present)?;
        }
        ErrorDetails::WriteFailure {
            consistency,
            received,
            block_for,
            failures,
            write_type,
        } => {
            set("consistency", level(*consistency)?)?;
            set("received_responses", number(*received)?)?;
            set("required_responses", number(*block_for)?)?;
            set_failures(py, &info, failures)?;
            set("write_type", write_type_number(py, write_type)?)?;
        }
        ErrorDetails::FunctionFailure {
            keyspace,
            function,
            arg_types,
        } => {
            info.set_item("keyspace", keyspace)?;
            info.set_item("function", function)?;
            info.set_item("arg_types", arg_types)?;
        }
        ErrorDetails::CasWriteUnknown {
            consistency,
            received,
            block_for,
        } => {
            set("consistency", level(*consistency)?)?;
            set("received_responses", number(*received)?)?;
            set("required_responses", number(*block_for)?)?;
        }
        ErrorDetails::AlreadyExists { keyspace, table } => {
            info.set_item("keyspace", keyspace)?;
            info.set_item("table", table)?;
        }
        ErrorDetails::Unprepared { id } => return Ok(PyBytes::new(py, id).into_any()),
        _ => return Ok(py.None().into_bound(py)),
    }
    Ok(info.into_any())
}

fn set_failures(py: Python<'_>, info: &Bound<'_, PyDict>, failures: &Failures) -> PyResult<()> {
    info.set_item("failures", failures.count())?;
    match failures {
        Failures::Count(_) => info.set_item("error_code_map", py.None()),
        Failures::ByNode(nodes) => {
            let reasons = PyDict::new(py);
            for (node, reason) in nodes {
                reasons.set_item(node.to_string(), reason.0)?;
            }
            info.set_item("error_code_map", reasons)
        }
    }
}

/// The number of `cassandra.WriteType`; a word that it does not know stays a word.
pub(crate) fn write_type_number<'py>(
    py: Python<'py>,
    write_type: &helenus_protocol::WriteType,
) -> PyResult<Bound<'py, PyAny>> {
    let name = write_type.name();
    let numbers = classes::write_type(py)?.getattr(intern!(py, "name_to_value"))?;
    numbers.call_method1(intern!(py, "get"), (name, name))
}

/// The exception for an ERROR of the coordinator.
pub(crate) fn server_error(py: Python<'_>, error: &ServerError) -> PyResult<PyErr> {
    let exception = error_message(py, error)?.call_method0(intern!(py, "to_exception"))?;
    Ok(PyErr::from_value(exception))
}

/// The exception for a request that failed.
pub(crate) fn request_failed(py: Python<'_>, context: &SessionContext, error: &RequestError) -> PyErr {
    let made = exception(py, context, error);
    if let Ok(made) = &made {
        annotate(py, made, error);
    }
    made.unwrap_or_else(|error| error)
}

fn exception(py: Python<'_>, context: &SessionContext, error: &RequestError) -> PyResult<PyErr> {
    if error.is_plan_exhausted() {
        let errors = PyDict::new(py);
        for attempt in error.attempts() {
            let host = context.host(py, &attempt.node)?;
            errors.set_item(host, attempt_exception(py, attempt)?.into_value(py))?;
        }
        return no_host_available(py, errors);
    }
    match error.kind() {
        RequestErrorKind::Server(server) => server_error(py, server),
        RequestErrorKind::Timeout { .. } => {
            let errors = PyDict::new(py);
            for attempt in error.attempts() {
                let reason = match &attempt.error {
                    AttemptError::TimedOut => TIMED_OUT.to_owned(),
                    other => other.to_string(),
                };
                errors.set_item(attempt.node.to_string(), reason)?;
            }
            let last = error
                .coordinator()
                .map(|node| context.host(py, node))
                .transpose()?
                .map(Bound::unbind);
            let class = classes::operation_timed_out(py)?;
            Ok(PyErr::from_type(class.clone(), (errors.unbind(), last)))
        }
        RequestErrorKind::ConnectionLost(lost) => {
            connection_error(py, lost.to_string(), &lost.endpoint.to_string())
        }
        RequestErrorKind::SessionClosed => {
            let errors = PyDict::new(py);
            for node in context.session.state().nodes().iter() {
                let cause = raised(classes::connection_exception(py), "Pool is shutdown".to_owned());
                errors.set_item(context.host(py, node)?, cause.into_value(py))?;
            }
            no_host_available(py, errors)
        }
        RequestErrorKind::Encode(_) | RequestErrorKind::InvalidOption { .. } => {
            Ok(raised(classes::unsupported_operation(py), error.to_string()))
        }
        _ => Ok(driver_exception(py, error.to_string())),
    }
}

/// No node took the request, for these reasons.
fn no_host_available(py: Python<'_>, errors: Bound<'_, PyDict>) -> PyResult<PyErr> {
    let class = classes::no_host_available(py)?;
    let message = "Unable to complete the operation against any hosts";
    Ok(PyErr::from_type(class.clone(), (message, errors.unbind())))
}

/// The exception that one attempt ended with.
pub(crate) fn attempt_exception(py: Python<'_>, attempt: &Attempt) -> PyResult<PyErr> {
    let endpoint = attempt.node.to_string();
    match &attempt.error {
        AttemptError::Server(server) | AttemptError::Prepare(server) => server_error(py, server),
        AttemptError::TimedOut => timed_out(py, &endpoint, TIMED_OUT.to_owned()),
        other => connection_error(py, other.to_string(), &endpoint),
    }
}

/// Tells, on the exception itself, whether the statement may have been applied.
fn annotate(py: Python<'_>, exception: &PyErr, error: &RequestError) {
    let applied = match error.applied() {
        Applied::NotSent => "not sent",
        Applied::No => "not applied",
        Applied::Maybe => "may have been applied",
    };
    // An exception class without a dictionary does without it.
    let _ = exception.value(py).setattr(intern!(py, "applied"), applied);
}

/// The wait of `ResponseFuture.result(timeout=...)` is over; the request itself goes on.
pub(crate) fn wait_timed_out(py: Python<'_>) -> PyErr {
    match classes::operation_timed_out(py) {
        Ok(class) => PyErr::from_type(class.clone(), ()),
        Err(error) => error,
    }
}
