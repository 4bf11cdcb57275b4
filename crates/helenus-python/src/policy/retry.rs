//! Retry policies: built-in classes have twins; any other is asked, on the thread that polls the request.

use std::fmt;
use std::sync::Arc;

use helenus::policy::{
    FallthroughRetryPolicy, RequestErrorRetryPolicy, RetryCause, RetryContext, RetryDecision, RetryPolicy,
};
use helenus::{AttemptError, ConsistencyLevel};
use helenus_protocol::{ErrorCode, ErrorDetails, WriteType};
use pyo3::intern;
use pyo3::prelude::*;

use crate::classes;
use crate::failures;

/// Where decisions come from.
pub(crate) enum RetrySource {
    /// The core's policy, set on the profile.
    Core,
    /// A Python object, which is told the statement: the core gets an adapter for each request.
    Python(Py<PyAny>),
}

impl RetrySource {
    /// The source for `policy`, and the core's policy for its profile.
    pub(crate) fn of(policy: &Bound<'_, PyAny>) -> PyResult<(Self, Arc<dyn RetryPolicy>)> {
        match twin(policy)? {
            Some(twin) => Ok((Self::Core, twin)),
            None => Ok((
                Self::Python(policy.clone().unbind()),
                Arc::new(FallthroughRetryPolicy),
            )),
        }
    }
}

/// The core's policy that does what `policy` does, if its class is exactly a built-in one.
fn twin(policy: &Bound<'_, PyAny>) -> PyResult<Option<Arc<dyn RetryPolicy>>> {
    let py = policy.py();
    let class = policy.get_type();
    Ok(if policy.is_none() || class.is(classes::retry_policy(py)?) {
        Some(Arc::new(Documented))
    } else if class.is(classes::fallthrough_retry_policy(py)?) {
        Some(Arc::new(FallthroughRetryPolicy))
    } else if class.is(classes::never_retry_policy(py)?) {
        Some(Arc::new(RequestErrorRetryPolicy))
    } else {
        None
    })
}

/// `RetryPolicy`: replicas that were late are asked again only in the two cases that its documentation names.
#[derive(Debug)]
struct Documented;

impl RetryPolicy for Documented {
    fn decide(&self, context: &RetryContext<'_>) -> RetryDecision {
        let first = context.idempotent && context.retries == 0;
        match context.cause() {
            RetryCause::ReadTimeout {
                required,
                received,
                data_retrieved: false,
                ..
            } if first && received >= required => RetryDecision::same_node(),
            RetryCause::WriteTimeout {
                write_type: WriteType::BatchLog,
                ..
            } if first => RetryDecision::same_node(),
            RetryCause::ReadTimeout { .. } | RetryCause::WriteTimeout { .. } => RetryDecision::Fail,
            RetryCause::Unavailable { .. } if context.retries == 0 => RetryDecision::next_node(),
            RetryCause::Unavailable { .. } => RetryDecision::Fail,
            // Each node is asked once, for NoHostAvailable then tells of each.
            _ => RequestErrorRetryPolicy.decide(context),
        }
    }
}

/// A Python `RetryPolicy` with the statement that it is asked about.
pub(crate) struct RetryAdapter {
    policy: Py<PyAny>,
    statement: Py<PyAny>,
}

impl RetryAdapter {
    /// The core's policy for a request whose statement, or whose profile, brings `policy`.
    pub(crate) fn for_request(
        policy: &Bound<'_, PyAny>,
        statement: &Bound<'_, PyAny>,
    ) -> PyResult<Arc<dyn RetryPolicy>> {
        match twin(policy)? {
            Some(twin) => Ok(twin),
            None => Ok(Arc::new(Self {
                policy: policy.clone().unbind(),
                statement: statement.clone().unbind(),
            })),
        }
    }

    fn ask(&self, py: Python<'_>, context: &RetryContext<'_>) -> PyResult<RetryDecision> {
        let policy = self.policy.bind(py);
        let statement = self.statement.bind(py);
        let level = context.consistency.code();
        let retries = context.retries;
        let answer = match context.error {
            AttemptError::Server(error) => match &error.details {
                ErrorDetails::ReadTimeout {
                    consistency,
                    received,
                    block_for,
                    data_present,
                } => policy.call_method1(
                    intern!(py, "on_read_timeout"),
                    (
                        statement,
                        consistency.code(),
                        *block_for,
                        *received,
                        *data_present,
                        retries,
                    ),
                )?,
                ErrorDetails::WriteTimeout {
                    consistency,
                    received,
                    block_for,
                    write_type,
                    ..
                } => policy.call_method1(
                    intern!(py, "on_write_timeout"),
                    (
                        statement,
                        consistency.code(),
                        failures::write_type_number(py, write_type)?,
                        *block_for,
                        *received,
                        retries,
                    ),
                )?,
                ErrorDetails::Unavailable {
                    consistency,
                    required,
                    alive,
                } => policy.call_method1(
                    intern!(py, "on_unavailable"),
                    (statement, consistency.code(), *required, *alive, retries),
                )?,
                _ if is_request_error(error.code) => {
                    let exception = failures::server_error(py, error)?.into_value(py);
                    policy.call_method1(
                        intern!(py, "on_request_error"),
                        (statement, level, exception, retries),
                    )?
                }
                _ => return Ok(RetryDecision::Fail),
            },
            other => {
                let class = classes::connection_shutdown(py)?.clone();
                let exception = PyErr::from_type(class, other.to_string()).into_value(py);
                policy.call_method1(
                    intern!(py, "on_request_error"),
                    (statement, level, exception, retries),
                )?
            }
        };
        decision(&answer)
    }
}

/// Errors of a coordinator that may be different on another one.
fn is_request_error(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::Overloaded | ErrorCode::Bootstrapping | ErrorCode::Truncate | ErrorCode::Server
    )
}

/// `(decision, consistency level)` as the numbers of `RetryPolicy`.
fn decision(answer: &Bound<'_, PyAny>) -> PyResult<RetryDecision> {
    let (decision, level): (u8, Option<u16>) = answer.extract()?;
    let level = level.and_then(|code| ConsistencyLevel::from_code(code).ok());
    Ok(match decision {
        0 => RetryDecision::same_node().at(level),
        2 => RetryDecision::Ignore,
        3 => RetryDecision::next_node().at(level),
        _ => RetryDecision::Fail,
    })
}

impl fmt::Debug for RetryAdapter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryAdapter").finish_non_exhaustive()
    }
}

impl RetryPolicy for RetryAdapter {
    fn decide(&self, context: &RetryContext<'_>) -> RetryDecision {
        Python::attach(|py| match self.ask(py, context) {
            Ok(decision) => decision,
            Err(error) => {
                // A policy that raises decides nothing; its error must not be lost.
                error.write_unraisable(py, Some(self.policy.bind(py)));
                RetryDecision::Fail
            }
        })
    }
}
