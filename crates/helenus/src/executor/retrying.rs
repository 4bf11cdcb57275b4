//! What follows a failed attempt: what the retry policy says, within what is safe and what the session can afford.
//!
//! Promise: only unsent requests, IS_BOOTSTRAPPING and UNPREPARED get another attempt whatever the idempotence, and UNAVAILABLE
//! one. Everything else needs an idempotent request. Conditional statements and counters are never run again when it is not
//! known whether they were run.

use std::sync::Arc;
use std::time::Duration;

use helenus_protocol::{ErrorCode, ErrorDetails, ServerError, WriteType};

use super::job::Job;
use crate::error::{AttemptError, RequestErrorKind};
use crate::policy::{Retry, RetryContext, RetryDecision};
use crate::runtime::sleep;

/// What follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// The request fails.
    Fail,
    /// It fails because there is no token for the attempt that the policy wants.
    BudgetExhausted,
    /// It succeeds with an empty result.
    Ignore,
    /// Another attempt.
    Retry(Retry),
}

impl Next {
    /// The decision that was carried out.
    pub(super) fn decision(self) -> RetryDecision {
        match self {
            Self::Fail | Self::BudgetExhausted => RetryDecision::Fail,
            Self::Ignore => RetryDecision::Ignore,
            Self::Retry(retry) => RetryDecision::Retry(retry),
        }
    }
}

const NEXT_NODE: Retry = Retry {
    same_node: false,
    replan: false,
    consistency: None,
    delay: Duration::ZERO,
};

/// Decides what follows an attempt that failed, and was not noted yet.
pub(super) fn decide(job: &Job, error: &AttemptError, retries: usize) -> Next {
    match error {
        AttemptError::Protocol(_)
        | AttemptError::Prepare(_)
        | AttemptError::TimedOut
        | AttemptError::Superseded => return Next::Fail,
        // Certainly not run: the next node, whatever the policy.
        AttemptError::NoConnection | AttemptError::NotSent(_) => return Next::Retry(NEXT_NODE),
        AttemptError::Server(_) | AttemptError::ConnectionLost(_) => {}
    }
    let idempotent = job.request.is_idempotent();
    let context = RetryContext::new(error, idempotent, job.consistency, retries);
    let own = job.request.options().retry_policy.as_ref();
    let policy = own.unwrap_or_else(|| job.profile().retry_policy());
    let decision = policy.decide(&context);
    tracing::debug!(node = ?job.node(), %error, ?decision, "attempt failed");
    let retry = match decision {
        RetryDecision::Fail => return Next::Fail,
        RetryDecision::Ignore => return Next::Ignore,
        RetryDecision::Retry(retry) => retry,
    };
    let code = match error {
        AttemptError::Server(error) => Some(error.code),
        _ => None,
    };
    if !may_run_again(job, error, idempotent) {
        tracing::debug!(node = ?job.node(), %error, "no other attempt: the statement could be applied twice");
        return Next::Fail;
    }
    let charged = code.is_some_and(|code| code != ErrorCode::Bootstrapping);
    match job.session.budget() {
        Some(budget) if charged && !budget.take() => {
            tracing::debug!(node = ?job.node(), %error, "no other attempt: the retry budget is used up");
            Next::BudgetExhausted
        }
        _ => Next::Retry(retry),
    }
}

/// Whether another attempt is within the promise.
fn may_run_again(job: &Job, error: &AttemptError, idempotent: bool) -> bool {
    let AttemptError::Server(error) = error else {
        return idempotent;
    };
    match error.code {
        ErrorCode::Bootstrapping => true,
        ErrorCode::Unavailable => {
            idempotent || !job.attempts.iter().any(|attempt| is_unavailable(&attempt.error))
        }
        _ => idempotent && !runs_once(error),
    }
}

fn is_unavailable(error: &AttemptError) -> bool {
    matches!(error, AttemptError::Server(error) if error.code == ErrorCode::Unavailable)
}

/// Whether the server says that it was a conditional write or a counter, and may have been applied.
fn runs_once(error: &ServerError) -> bool {
    let (ErrorDetails::WriteTimeout { write_type, .. } | ErrorDetails::WriteFailure { write_type, .. }) =
        &error.details
    else {
        return error.code == ErrorCode::CasWriteUnknown;
    };
    matches!(write_type, WriteType::Cas | WriteType::Counter)
}

/// The kind of the error that ends a request with this attempt.
pub(super) fn kind_of(error: &AttemptError) -> RequestErrorKind {
    match error {
        AttemptError::Server(error) | AttemptError::Prepare(error) => {
            RequestErrorKind::Server(Arc::clone(error))
        }
        AttemptError::ConnectionLost(error) => RequestErrorKind::ConnectionLost(Arc::clone(error)),
        AttemptError::Protocol(error) => RequestErrorKind::Protocol(error.clone()),
        AttemptError::NoConnection
        | AttemptError::NotSent(_)
        | AttemptError::TimedOut
        | AttemptError::Superseded => RequestErrorKind::NoNode,
    }
}

/// Whether nodes may be asked that are no longer in the plan: not when the program named them, nor when other executions of the
/// request share it.
pub(super) fn may_replan(job: &Job) -> bool {
    job.run().is_none() && job.request.options().plan.is_none()
}

/// Waits, unless the request's time ends before.
pub(super) async fn pause(job: &Job, delay: Duration) -> bool {
    if delay.is_zero() {
        return true;
    }
    let in_time = job.time_left().is_none_or(|left| delay < left);
    let Ok(runtime) = job.session.cluster().runtime() else {
        return false;
    };
    if in_time {
        sleep(runtime, delay).await;
    }
    in_time
}
