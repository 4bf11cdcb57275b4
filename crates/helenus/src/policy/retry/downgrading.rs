//! Less consistency rather than none.

use helenus_protocol::{ConsistencyLevel, WriteType};

use super::{DefaultRetryPolicy, RetryCause, RetryContext, RetryDecision, RetryPolicy};

/// Asks once more, of as many replicas as there are, when there are not enough for the consistency level that was asked for.
///
/// What is read or written this way is **weaker than the program asked for**: a read may miss a write that was acknowledged.
/// It is for programs that would rather have an old answer than none, and that never count on QUORUM plus QUORUM.
///
/// | what went wrong | what follows |
/// |---|---|
/// | READ_TIMEOUT, too few replicas | the highest of THREE, TWO and ONE that answered, same node, once |
/// | READ_TIMEOUT without the data | same level, same node, once |
/// | UNAVAILABLE | the highest of THREE, TWO and ONE that is alive, next node, once |
/// | WRITE_TIMEOUT of a single write or logged batch, some replica has it | success: hints and repair bring it to the others |
/// | WRITE_TIMEOUT of an unlogged batch | the highest of THREE, TWO and ONE that answered, same node, once |
/// | WRITE_TIMEOUT of the batch log | same level, same node, once |
/// | requests at SERIAL or LOCAL_SERIAL, CAS and counters | fail |
/// | everything else | as [`DefaultRetryPolicy`] |
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DowngradingConsistencyRetryPolicy;

impl RetryPolicy for DowngradingConsistencyRetryPolicy {
    fn decide(&self, context: &RetryContext<'_>) -> RetryDecision {
        let cause = context.cause();
        if let RetryCause::RequestError = cause {
            return DefaultRetryPolicy.decide(context);
        }
        if context.retries > 0 || context.consistency.is_serial() {
            return RetryDecision::Fail;
        }
        match cause {
            RetryCause::ReadTimeout {
                required,
                received,
                data_retrieved,
                consistency,
            } => match (received < required, data_retrieved) {
                _ if consistency.is_serial() => RetryDecision::Fail,
                (true, _) => at_most(received, RetryDecision::same_node()),
                (false, false) => RetryDecision::same_node(),
                (false, true) => RetryDecision::Fail,
            },
            RetryCause::WriteTimeout {
                received, write_type, ..
            } => match write_type {
                WriteType::Simple | WriteType::Batch if received > 0 => RetryDecision::Ignore,
                WriteType::UnloggedBatch => at_most(received, RetryDecision::same_node()),
                WriteType::BatchLog => RetryDecision::same_node(),
                _ => RetryDecision::Fail,
            },
            RetryCause::Unavailable {
                alive, consistency, ..
            } => match consistency.is_serial() {
                true => RetryDecision::Fail,
                false => at_most(alive, RetryDecision::next_node()),
            },
            RetryCause::RequestError => RetryDecision::Fail,
        }
    }
}

/// The decision at the highest level that so many replicas can give.
fn at_most(replicas: i32, decision: RetryDecision) -> RetryDecision {
    decision.at(match replicas {
        3.. => ConsistencyLevel::Three,
        2 => ConsistencyLevel::Two,
        1 => ConsistencyLevel::One,
        _ => return RetryDecision::Fail,
    })
}

#[cfg(test)]
mod tests {
    use helenus_protocol::{ErrorCode, ErrorDetails};

    use super::super::test_support::{decide, read_timeout, unavailable, write_timeout};
    use super::*;

    fn after(code: ErrorCode, details: ErrorDetails, retries: usize) -> RetryDecision {
        decide(&DowngradingConsistencyRetryPolicy, code, details, true, retries)
    }

    #[test]
    fn a_read_is_repeated_at_the_level_that_answered() {
        let read = |details, retries| after(ErrorCode::ReadTimeout, details, retries);
        let same = RetryDecision::same_node();
        assert_eq!(read(read_timeout(1, 2, true), 0), same.at(ConsistencyLevel::One));
        assert_eq!(read(read_timeout(2, 3, true), 0), same.at(ConsistencyLevel::Two));
        assert_eq!(
            read(read_timeout(4, 5, false), 0),
            same.at(ConsistencyLevel::Three)
        );
        assert_eq!(read(read_timeout(0, 2, false), 0), RetryDecision::Fail);
        assert_eq!(read(read_timeout(2, 2, false), 0), same);
        assert_eq!(read(read_timeout(1, 2, true), 1), RetryDecision::Fail);
    }

    #[test]
    fn unavailable_goes_on_with_the_replicas_that_are_alive() {
        let next = RetryDecision::next_node();
        let few = |alive| after(ErrorCode::Unavailable, unavailable(2, alive), 0);
        assert_eq!(few(1), next.at(ConsistencyLevel::One));
        assert_eq!(few(0), RetryDecision::Fail);
    }

    #[test]
    fn a_write_that_some_replica_has_is_a_success_unless_it_is_none_to_repeat() {
        let write =
            |received, write_type| after(ErrorCode::WriteTimeout, write_timeout(received, write_type), 0);
        assert_eq!(write(1, WriteType::Simple), RetryDecision::Ignore);
        assert_eq!(write(0, WriteType::Simple), RetryDecision::Fail);
        assert_eq!(write(1, WriteType::Batch), RetryDecision::Ignore);
        let same = RetryDecision::same_node();
        assert_eq!(write(1, WriteType::UnloggedBatch), same.at(ConsistencyLevel::One));
        assert_eq!(write(0, WriteType::BatchLog), same);
        assert_eq!(write(1, WriteType::Cas), RetryDecision::Fail);
        assert_eq!(write(1, WriteType::Counter), RetryDecision::Fail);
    }
}
