//! Retries of writes by what was written.

use std::sync::Arc;

use helenus_protocol::WriteType;

use super::{DefaultRetryPolicy, RetryCause, RetryContext, RetryDecision, RetryPolicy};

/// Repeats idempotent writes that timed out, on the same node, if their type is one of a list; what else goes wrong is
/// another policy's business.
///
/// Writes of type CAS and COUNTER are never repeated, whatever the list says.
///
/// ```
/// use helenus::WriteType;
/// use helenus::policy::WriteTypeRetryPolicy;
///
/// let policy = WriteTypeRetryPolicy::new([WriteType::Simple, WriteType::BatchLog]).with_max_retries(2);
/// ```
#[derive(Clone, Debug)]
pub struct WriteTypeRetryPolicy {
    child: Arc<dyn RetryPolicy>,
    repeated: Vec<WriteType>,
    max_retries: usize,
}

impl WriteTypeRetryPolicy {
    /// Repeats writes of these types once; the rest is up to [`DefaultRetryPolicy`].
    pub fn new(repeated: impl IntoIterator<Item = WriteType>) -> Self {
        Self {
            child: Arc::new(DefaultRetryPolicy),
            repeated: repeated.into_iter().collect(),
            max_retries: 1,
        }
    }

    /// How often a write is repeated. Once by default.
    #[must_use]
    pub fn with_max_retries(mut self, retries: usize) -> Self {
        self.max_retries = retries;
        self
    }

    /// Leaves the rest to another policy than the default one.
    #[must_use]
    pub fn over(mut self, child: Arc<dyn RetryPolicy>) -> Self {
        self.child = child;
        self
    }
}

impl RetryPolicy for WriteTypeRetryPolicy {
    fn decide(&self, context: &RetryContext<'_>) -> RetryDecision {
        let RetryCause::WriteTimeout { write_type, .. } = context.cause() else {
            return self.child.decide(context);
        };
        let once_only = matches!(write_type, WriteType::Cas | WriteType::Counter);
        let repeats = context.idempotent
            && !once_only
            && context.retries < self.max_retries
            && self.repeated.contains(write_type);
        match repeats {
            true => RetryDecision::same_node(),
            false => RetryDecision::Fail,
        }
    }
}

#[cfg(test)]
mod tests {
    use helenus_protocol::{ErrorCode, ErrorDetails};

    use super::super::test_support::{decide, write_timeout};
    use super::*;

    #[test]
    fn only_idempotent_writes_of_the_list_are_repeated() {
        let policy = WriteTypeRetryPolicy::new([WriteType::Simple, WriteType::Counter]).with_max_retries(2);
        let write = |write_type, idempotent, retries| {
            let details = write_timeout(0, write_type);
            decide(&policy, ErrorCode::WriteTimeout, details, idempotent, retries)
        };
        assert_eq!(write(WriteType::Simple, true, 1), RetryDecision::same_node());
        assert_eq!(write(WriteType::Simple, true, 2), RetryDecision::Fail);
        assert_eq!(write(WriteType::Simple, false, 0), RetryDecision::Fail);
        assert_eq!(write(WriteType::BatchLog, true, 0), RetryDecision::Fail);
        assert_eq!(write(WriteType::Counter, true, 0), RetryDecision::Fail);
        let other = decide(&policy, ErrorCode::Overloaded, ErrorDetails::None, true, 0);
        assert_eq!(other, RetryDecision::next_node());
    }
}
