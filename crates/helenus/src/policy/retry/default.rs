//! The retry policy of programs that choose none, and what is left of it when only coordinators are in the way.

use helenus_protocol::{ErrorCode, ErrorDetails, WriteType};

use super::{RetryContext, RetryDecision, RetryPolicy};
use crate::error::AttemptError;

/// Makes another attempt where that cannot apply a statement twice, and has a chance.
///
/// | what went wrong | idempotent | otherwise |
/// |---|---|---|
/// | coordinator is bootstrapping | next node | next node |
/// | UNAVAILABLE (nothing ran) | next node | next node, once |
/// | connection lost | next node, in rounds | fail |
/// | OVERLOADED, server or truncate error | next node | fail |
/// | READ_TIMEOUT: enough replicas, without the data | same node, once | fail |
/// | WRITE_TIMEOUT of the batch log | same node, once | fail |
/// | other READ_TIMEOUT and WRITE_TIMEOUT | next node, in rounds | fail |
/// | everything else | fail | fail |
///
/// A replica that was killed or hangs lets reads and writes of other coordinators time out until they notice: the next one
/// mostly has other replicas in mind. In rounds: when all nodes of the plan were asked they are asked again
/// ([`Retry::replan`](super::Retry::replan)), up to ten attempts and within the time limit: replicas that have just come back
/// may still be unknown to each of the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DefaultRetryPolicy;

/// Attempts after which no other one follows a timeout of replicas, and no other round a lost connection.
const MOST_ATTEMPTS: usize = 10;

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
            AttemptError::ConnectionLost(_) if idempotent => {
                return in_rounds(retries).unwrap_or(RetryDecision::next_node());
            }
            _ => return RetryDecision::Fail,
        };
        match error.code {
            ErrorCode::Bootstrapping => RetryDecision::next_node(),
            // Another one may know of replicas that have just come back.
            ErrorCode::Unavailable if idempotent || retries == 0 => RetryDecision::next_node(),
            ErrorCode::Overloaded | ErrorCode::Server | ErrorCode::Truncate if idempotent => {
                RetryDecision::next_node()
            }
            ErrorCode::ReadTimeout | ErrorCode::WriteTimeout if idempotent => {
                after_timeout(&error.details, retries)
            }
            _ => RetryDecision::Fail,
        }
    }
}

/// What follows when replicas did not do in time what is idempotent.
fn after_timeout(details: &ErrorDetails, retries: usize) -> RetryDecision {
    match details {
        ErrorDetails::ReadTimeout {
            received,
            block_for,
            data_present: false,
            ..
        } if received >= block_for => match retries {
            0 => RetryDecision::same_node(),
            _ => RetryDecision::Fail,
        },
        ErrorDetails::WriteTimeout { write_type, .. } => match write_type {
            WriteType::BatchLog if retries == 0 => RetryDecision::same_node(),
            WriteType::Simple | WriteType::Batch | WriteType::UnloggedBatch => {
                in_rounds(retries).unwrap_or(RetryDecision::Fail)
            }
            _ => RetryDecision::Fail,
        },
        ErrorDetails::ReadTimeout { .. } => in_rounds(retries).unwrap_or(RetryDecision::Fail),
        _ => RetryDecision::Fail,
    }
}

/// Another attempt, on a node that was asked before if need be; not after too many.
fn in_rounds(retries: usize) -> Option<RetryDecision> {
    (retries + 1 < MOST_ATTEMPTS).then(|| RetryDecision::next_node().replanned())
}

/// As [`DefaultRetryPolicy`] where a connection was lost or a coordinator could not do its work; never after UNAVAILABLE or a
/// timeout of replicas, which then are the program's to handle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestErrorRetryPolicy;

impl RetryPolicy for RequestErrorRetryPolicy {
    fn decide(&self, context: &RetryContext<'_>) -> RetryDecision {
        use ErrorCode::{ReadTimeout, Unavailable, WriteTimeout};
        match context.error {
            AttemptError::Server(error) if matches!(error.code, Unavailable | ReadTimeout | WriteTimeout) => {
                RetryDecision::Fail
            }
            AttemptError::ConnectionLost(_) if context.idempotent => RetryDecision::next_node(),
            _ => DefaultRetryPolicy.decide(context),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_support::{decide, read_timeout, write_timeout};
    use super::*;

    #[test]
    fn promise_1_only_what_cannot_have_run_is_retried_without_idempotence() {
        for code in ErrorCode::KNOWN {
            let decision = decide(&DefaultRetryPolicy, code, ErrorDetails::None, false, 0);
            let expected = matches!(code, ErrorCode::Bootstrapping | ErrorCode::Unavailable);
            assert_eq!(decision != RetryDecision::Fail, expected, "{code}");
        }
        let unavailable = |idempotent, retries| {
            let code = ErrorCode::Unavailable;
            decide(&DefaultRetryPolicy, code, ErrorDetails::None, idempotent, retries)
        };
        assert_eq!(unavailable(false, 1), RetryDecision::Fail);
        assert_eq!(unavailable(true, 1), RetryDecision::next_node());
    }

    #[test]
    fn a_read_is_repeated_on_the_same_node_when_only_the_data_was_missing_and_else_on_the_next() {
        let decide = |details, retries| {
            decide(
                &DefaultRetryPolicy,
                ErrorCode::ReadTimeout,
                details,
                true,
                retries,
            )
        };
        assert_eq!(decide(read_timeout(2, 2, false), 0), RetryDecision::same_node());
        assert_eq!(decide(read_timeout(2, 2, false), 1), RetryDecision::Fail);
        for few in [
            read_timeout(1, 2, false),
            read_timeout(1, 2, true),
            read_timeout(2, 2, true),
        ] {
            for retries in 0..9 {
                let next = RetryDecision::next_node().replanned();
                assert_eq!(decide(few.clone(), retries), next);
            }
            assert_eq!(decide(few, 9), RetryDecision::Fail);
        }
    }

    #[test]
    fn a_write_is_repeated_unless_it_is_conditional_or_counts() {
        for (write_type, expected) in [
            (WriteType::BatchLog, RetryDecision::same_node()),
            (WriteType::Simple, RetryDecision::next_node().replanned()),
            (WriteType::UnloggedBatch, RetryDecision::next_node().replanned()),
            (WriteType::Cas, RetryDecision::Fail),
            (WriteType::Counter, RetryDecision::Fail),
        ] {
            let details = write_timeout(0, write_type);
            let found = decide(&DefaultRetryPolicy, ErrorCode::WriteTimeout, details, true, 0);
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn trouble_of_replicas_can_be_left_to_the_program() {
        use ErrorCode::{Overloaded, ReadTimeout, Unavailable, WriteTimeout};
        for (code, expected) in [
            (Overloaded, RetryDecision::next_node()),
            (Unavailable, RetryDecision::Fail),
            (ReadTimeout, RetryDecision::Fail),
            (WriteTimeout, RetryDecision::Fail),
        ] {
            let details = match code {
                ReadTimeout => read_timeout(2, 2, false),
                _ => ErrorDetails::None,
            };
            assert_eq!(decide(&RequestErrorRetryPolicy, code, details, true, 0), expected);
        }
    }
}
