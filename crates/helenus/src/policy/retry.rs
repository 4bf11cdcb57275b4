//! Retries: whether a failed attempt is followed by another one.
//!
//! A request that was not sent at all goes to the next node of its plan without asking; so does, on the same node, one whose
//! prepared statement the node does not know. Everything else is decided here.

use std::fmt;

use helenus_protocol::{ConsistencyLevel, ErrorCode, ErrorDetails, WriteType};

use crate::error::AttemptError;

/// Decides what follows a failed attempt.
pub trait RetryPolicy: fmt::Debug + Send + Sync {
    /// What to do.
    fn decide(&self, context: &RetryContext<'_>) -> RetryDecision;
}

/// What a retry policy is told.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct RetryContext<'a> {
    /// What went wrong: an ERROR, or a lost connection.
    pub error: &'a AttemptError,
    /// Whether running the statement twice has the same effect as running it once. Never true for statements that are
    /// seen to be conditional or to update counters.
    pub idempotent: bool,
    /// Consistency level of the attempt.
    pub consistency: ConsistencyLevel,
    /// Attempts that were sent before this one.
    pub retries: usize,
}

impl<'a> RetryContext<'a> {
    pub(crate) fn new(
        error: &'a AttemptError,
        idempotent: bool,
        consistency: ConsistencyLevel,
        retries: usize,
    ) -> Self {
        Self {
            error,
            idempotent,
            consistency,
            retries,
        }
    }
}

/// What follows a failed attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryDecision {
    /// The request fails with this error.
    Fail,
    /// The request succeeds with an empty result.
    Ignore,
    /// Another attempt on the same node, at another consistency level if one is given.
    SameNode(Option<ConsistencyLevel>),
    /// Another attempt on the next node of the plan, at another consistency level if one is given.
    NextNode(Option<ConsistencyLevel>),
}

/// Never makes another attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FallthroughRetryPolicy;

impl RetryPolicy for FallthroughRetryPolicy {
    fn decide(&self, _: &RetryContext<'_>) -> RetryDecision {
        RetryDecision::Fail
    }
}

/// Makes another attempt where that cannot apply a statement twice, and has a chance.
///
/// | what went wrong | idempotent | otherwise |
/// |---|---|---|
/// | coordinator is bootstrapping | next node | next node |
/// | UNAVAILABLE (nothing ran) | next node, once | next node, once |
/// | connection lost, OVERLOADED, server or truncate error | next node | fail |
/// | READ_TIMEOUT: enough replicas, without the data | same node, once | fail |
/// | WRITE_TIMEOUT of the batch log | same node, once | fail |
/// | everything else | fail | fail |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DefaultRetryPolicy;

impl RetryPolicy for DefaultRetryPolicy {
    fn decide(&self, context: &RetryContext<'_>) -> RetryDecision {
        let RetryContext {
            error,
            idempotent,
            retries,
            ..
        } = *context;
        let error = match error {
            AttemptError::Server(error) => error,
            AttemptError::ConnectionLost(_) if idempotent => return RetryDecision::NextNode(None),
            _ => return RetryDecision::Fail,
        };
        match error.code {
            ErrorCode::Bootstrapping => RetryDecision::NextNode(None),
            ErrorCode::Unavailable if retries == 0 => RetryDecision::NextNode(None),
            ErrorCode::Overloaded | ErrorCode::Server | ErrorCode::Truncate if idempotent => {
                RetryDecision::NextNode(None)
            }
            ErrorCode::ReadTimeout | ErrorCode::WriteTimeout if idempotent && retries == 0 => {
                match &error.details {
                    ErrorDetails::ReadTimeout {
                        received,
                        block_for,
                        data_present: false,
                        ..
                    } if received >= block_for => RetryDecision::SameNode(None),
                    ErrorDetails::WriteTimeout {
                        write_type: WriteType::BatchLog,
                        ..
                    } => RetryDecision::SameNode(None),
                    _ => RetryDecision::Fail,
                }
            }
            _ => RetryDecision::Fail,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use helenus_protocol::ServerError;

    use super::*;

    fn decide(code: ErrorCode, details: ErrorDetails, idempotent: bool, retries: usize) -> RetryDecision {
        let error = AttemptError::Server(Arc::new(ServerError {
            code,
            message: String::new(),
            details,
        }));
        DefaultRetryPolicy.decide(&RetryContext::new(
            &error,
            idempotent,
            ConsistencyLevel::One,
            retries,
        ))
    }

    #[test]
    fn promise_1_only_what_cannot_have_run_is_retried_without_idempotence() {
        for code in ErrorCode::KNOWN {
            let retried = decide(code, ErrorDetails::None, false, 0) != RetryDecision::Fail;
            let expected = matches!(code, ErrorCode::Bootstrapping | ErrorCode::Unavailable);
            assert_eq!(retried, expected, "{code}");
        }
        assert_eq!(
            decide(ErrorCode::Unavailable, ErrorDetails::None, true, 1),
            RetryDecision::Fail
        );
    }

    #[test]
    fn a_read_is_repeated_once_when_only_the_data_was_missing() {
        let timeout = |received, data_present| ErrorDetails::ReadTimeout {
            consistency: ConsistencyLevel::Quorum,
            received,
            block_for: 2,
            data_present,
        };
        let decide = |details, retries| decide(ErrorCode::ReadTimeout, details, true, retries);
        assert_eq!(decide(timeout(2, false), 0), RetryDecision::SameNode(None));
        assert_eq!(decide(timeout(2, false), 1), RetryDecision::Fail);
        assert_eq!(decide(timeout(1, false), 0), RetryDecision::Fail);
        assert_eq!(decide(timeout(2, true), 0), RetryDecision::Fail);
    }

    #[test]
    fn a_write_is_repeated_only_when_the_batch_log_was_late() {
        for (write_type, expected) in [
            (WriteType::BatchLog, RetryDecision::SameNode(None)),
            (WriteType::Simple, RetryDecision::Fail),
            (WriteType::Cas, RetryDecision::Fail),
            (WriteType::Counter, RetryDecision::Fail),
        ] {
            let details = ErrorDetails::WriteTimeout {
                consistency: ConsistencyLevel::One,
                received: 0,
                block_for: 1,
                write_type,
                contentions: None,
            };
            assert_eq!(decide(ErrorCode::WriteTimeout, details, true, 0), expected);
        }
    }
}
