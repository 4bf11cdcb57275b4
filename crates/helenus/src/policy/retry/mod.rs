//! Retries: whether a failed attempt is followed by another one.
//!
//! A request that was not sent at all goes to the next node of its plan without asking; so does, on the same node, one whose
//! prepared statement the node does not know. Everything else is decided here.
//!
//! Invariant: a policy may forbid another attempt, not allow every one. One that might apply a statement twice is not made
//! whatever the policy says: see [`RetryDecision`].

mod backoff;
mod budget;
mod default;
mod downgrading;
mod write_type;

pub use backoff::ExponentialBackoffRetryPolicy;
pub use budget::RetryBudget;
pub use default::{DefaultRetryPolicy, RequestErrorRetryPolicy};
pub use downgrading::DowngradingConsistencyRetryPolicy;
pub use write_type::WriteTypeRetryPolicy;

use std::fmt;
use std::time::Duration;

use helenus_protocol::{ConsistencyLevel, ErrorDetails, WriteType};

use crate::error::AttemptError;

/// Decides what follows a failed attempt.
///
/// ```
/// use std::time::Duration;
/// use helenus::policy::{RetryCause, RetryContext, RetryDecision, RetryPolicy};
///
/// /// Asks the same node again, a little later, when replicas were too slow to read.
/// #[derive(Debug)]
/// struct PatientReads;
///
/// impl RetryPolicy for PatientReads {
///     fn decide(&self, context: &RetryContext<'_>) -> RetryDecision {
///         match context.cause() {
///             RetryCause::ReadTimeout { .. } if context.retries < 3 => {
///                 RetryDecision::same_node().after(Duration::from_millis(50))
///             }
///             _ => RetryDecision::Fail,
///         }
///     }
/// }
/// ```
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

/// What went wrong with an attempt, as far as policies tell it apart: native protocol v4 §9.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryCause<'a> {
    /// Replicas did not answer a read in time.
    ReadTimeout {
        /// Consistency level of the read.
        consistency: ConsistencyLevel,
        /// Replicas that were needed.
        required: i32,
        /// Replicas that answered.
        received: i32,
        /// Whether the one that was asked for the data, not only for a digest of it, did.
        data_retrieved: bool,
    },
    /// Replicas did not acknowledge a write in time. It may have been applied.
    WriteTimeout {
        /// Consistency level of the write.
        consistency: ConsistencyLevel,
        /// Replicas that were needed.
        required: i32,
        /// Replicas that acknowledged it.
        received: i32,
        /// What was written.
        write_type: &'a WriteType,
    },
    /// The coordinator knew that there are not enough replicas. Nothing was run.
    Unavailable {
        /// Consistency level of the request.
        consistency: ConsistencyLevel,
        /// Replicas that were needed.
        required: i32,
        /// Replicas that are up.
        alive: i32,
    },
    /// The connection was lost, or the coordinator answered another ERROR.
    RequestError,
}

impl<'a> RetryContext<'a> {
    /// The attempt that failed with `error`.
    pub fn new(
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

    /// What went wrong, with its figures.
    pub fn cause(&self) -> RetryCause<'a> {
        let AttemptError::Server(error) = self.error else {
            return RetryCause::RequestError;
        };
        match &error.details {
            ErrorDetails::ReadTimeout {
                consistency,
                received,
                block_for,
                data_present,
            } => RetryCause::ReadTimeout {
                consistency: *consistency,
                required: *block_for,
                received: *received,
                data_retrieved: *data_present,
            },
            ErrorDetails::WriteTimeout {
                consistency,
                received,
                block_for,
                write_type,
                ..
            } => RetryCause::WriteTimeout {
                consistency: *consistency,
                required: *block_for,
                received: *received,
                write_type,
            },
            ErrorDetails::Unavailable {
                consistency,
                required,
                alive,
            } => RetryCause::Unavailable {
                consistency: *consistency,
                required: *required,
                alive: *alive,
            },
            _ => RetryCause::RequestError,
        }
    }
}

/// What follows a failed attempt.
///
/// A [`Retry`](Self::Retry) is made only where the statement cannot be applied twice by it: the request is idempotent, or
/// the coordinator was bootstrapping, or it is the first UNAVAILABLE of the request. Otherwise the request fails, whatever the
/// policy says. So it does when a write of type CAS or COUNTER timed out. A statement that is safe to repeat has to be
/// marked as such: [`SimpleStatement::with_idempotence`](crate::SimpleStatement::with_idempotence).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RetryDecision {
    /// The request fails with this error.
    Fail,
    /// The request succeeds with an empty result.
    Ignore,
    /// Another attempt.
    Retry(Retry),
}

/// Another attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Retry {
    /// On the same node, as long as that takes requests, instead of the next one of the plan.
    pub same_node: bool,
    /// At the end of the plan, begin another one, made of what is known of the nodes by then, after a moment's wait; the request
    /// fails there when no decision since the beginning of the plan wished that. Plans of nodes that the program named, and those
    /// of speculative executions, are not begun again.
    pub replan: bool,
    /// At another consistency level than the attempt before.
    pub consistency: Option<ConsistencyLevel>,
    /// After waiting so long, within the request's time limit: when that ends before, the request fails at once.
    pub delay: Duration,
}

impl RetryDecision {
    /// Another attempt on the next node of the plan, at once and as the one before.
    pub const fn next_node() -> Self {
        Self::Retry(Retry {
            same_node: false,
            replan: false,
            consistency: None,
            delay: Duration::ZERO,
        })
    }

    /// Another attempt on the same node, at once and as the one before.
    pub const fn same_node() -> Self {
        Self::Retry(Retry {
            same_node: true,
            replan: false,
            consistency: None,
            delay: Duration::ZERO,
        })
    }

    /// The same; when all nodes of the plan were asked, they are asked again.
    #[must_use]
    pub fn replanned(self) -> Self {
        self.changed(|retry| retry.replan = true)
    }

    /// The same, at this consistency level if one is given.
    #[must_use]
    pub fn at(self, level: impl Into<Option<ConsistencyLevel>>) -> Self {
        self.changed(|retry| retry.consistency = level.into())
    }

    /// The same, after waiting so long.
    #[must_use]
    pub fn after(self, delay: Duration) -> Self {
        self.changed(|retry| retry.delay = delay)
    }

    fn changed(mut self, change: impl FnOnce(&mut Retry)) -> Self {
        if let Self::Retry(retry) = &mut self {
            change(retry);
        }
        self
    }
}

/// Never makes another attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FallthroughRetryPolicy;

impl RetryPolicy for FallthroughRetryPolicy {
    fn decide(&self, _: &RetryContext<'_>) -> RetryDecision {
        RetryDecision::Fail
    }
}

#[cfg(test)]
mod test_support {
    use std::sync::Arc;

    use helenus_protocol::{ErrorCode, ServerError};

    use super::*;

    /// What a policy makes of this ERROR to an attempt at QUORUM.
    pub(super) fn decide(
        policy: &dyn RetryPolicy,
        code: ErrorCode,
        details: ErrorDetails,
        idempotent: bool,
        retries: usize,
    ) -> RetryDecision {
        let error = AttemptError::Server(Arc::new(ServerError {
            code,
            message: String::new(),
            details,
        }));
        let context = RetryContext::new(&error, idempotent, ConsistencyLevel::Quorum, retries);
        policy.decide(&context)
    }

    pub(super) fn read_timeout(received: i32, block_for: i32, data_present: bool) -> ErrorDetails {
        ErrorDetails::ReadTimeout {
            consistency: ConsistencyLevel::Quorum,
            received,
            block_for,
            data_present,
        }
    }

    pub(super) fn write_timeout(received: i32, write_type: WriteType) -> ErrorDetails {
        ErrorDetails::WriteTimeout {
            consistency: ConsistencyLevel::Quorum,
            received,
            block_for: 2,
            write_type,
            contentions: None,
        }
    }

    pub(super) fn unavailable(required: i32, alive: i32) -> ErrorDetails {
        ErrorDetails::Unavailable {
            consistency: ConsistencyLevel::Quorum,
            required,
            alive,
        }
    }

    #[test]
    fn a_policy_is_told_the_figures_of_what_went_wrong() {
        let error = |details| {
            AttemptError::Server(Arc::new(ServerError {
                code: ErrorCode::Server,
                message: String::new(),
                details,
            }))
        };
        let consistency = ConsistencyLevel::Quorum;
        let context = |error| RetryContext::new(error, false, ConsistencyLevel::One, 0);
        let read = error(read_timeout(1, 2, true));
        let expected = RetryCause::ReadTimeout {
            consistency,
            required: 2,
            received: 1,
            data_retrieved: true,
        };
        assert_eq!(context(&read).cause(), expected);
        let write = error(write_timeout(1, WriteType::Counter));
        let expected = RetryCause::WriteTimeout {
            consistency,
            required: 2,
            received: 1,
            write_type: &WriteType::Counter,
        };
        assert_eq!(context(&write).cause(), expected);
        let few = error(unavailable(3, 1));
        let expected = RetryCause::Unavailable {
            consistency,
            required: 3,
            alive: 1,
        };
        assert_eq!(context(&few).cause(), expected);
        let other = error(ErrorDetails::None);
        assert_eq!(context(&other).cause(), RetryCause::RequestError);
        assert_eq!(context(&AttemptError::TimedOut).cause(), RetryCause::RequestError);
    }

    #[test]
    fn a_decision_keeps_what_was_said_before() {
        let decision = RetryDecision::same_node()
            .at(ConsistencyLevel::One)
            .replanned()
            .after(Duration::from_millis(3));
        let expected = Retry {
            same_node: true,
            replan: true,
            consistency: Some(ConsistencyLevel::One),
            delay: Duration::from_millis(3),
        };
        assert_eq!(decision, RetryDecision::Retry(expected));
        assert_eq!(RetryDecision::Fail.at(ConsistencyLevel::One), RetryDecision::Fail);
        assert_eq!(RetryDecision::Fail.replanned(), RetryDecision::Fail);
    }
}
