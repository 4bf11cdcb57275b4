//! Waiting longer from attempt to attempt.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng as _;

use super::{DefaultRetryPolicy, RetryCause, RetryContext, RetryDecision, RetryPolicy};

/// Makes the attempts that another policy decides on after a delay, which doubles from one to the next; and makes more of
/// them, on the same nodes again if need be, for a cluster that is busy now may not be in a moment.
///
/// After UNAVAILABLE, an error of the coordinator or a lost connection the next node is asked; after a timeout of replicas
/// the same one. Each delay is varied by 10 %, so that clients do not come in step. Only idempotent requests get more than
/// what the other policy gives them. Delays count against the time limit of the request.
///
/// ```
/// use std::time::Duration;
/// use helenus::policy::ExponentialBackoffRetryPolicy;
///
/// // At most 4 more attempts: after about 20 ms, 40 ms, 80 ms and 100 ms.
/// let policy = ExponentialBackoffRetryPolicy::new(4)
///     .with_delays(Duration::from_millis(20), Duration::from_millis(100));
/// ```
#[derive(Clone, Debug)]
pub struct ExponentialBackoffRetryPolicy {
    child: Arc<dyn RetryPolicy>,
    max_retries: usize,
    base: Duration,
    max: Duration,
}

impl ExponentialBackoffRetryPolicy {
    /// Over [`DefaultRetryPolicy`], with at most so many more attempts, after 100 ms and up to 10 s.
    pub fn new(max_retries: usize) -> Self {
        Self {
            child: Arc::new(DefaultRetryPolicy),
            max_retries,
            base: Duration::from_millis(100),
            max: Duration::from_secs(10),
        }
    }

    /// From `base`, doubled with each attempt, up to `max`. A `max` below `base` counts as `base`.
    #[must_use]
    pub fn with_delays(mut self, base: Duration, max: Duration) -> Self {
        self.base = base;
        self.max = max.max(base);
        self
    }

    /// Over another policy than the default one.
    #[must_use]
    pub fn over(mut self, child: Arc<dyn RetryPolicy>) -> Self {
        self.child = child;
        self
    }

    fn delay(&self, retries: usize) -> Duration {
        let doubled = u32::try_from(retries)
            .ok()
            .and_then(|retries| 2_u32.checked_pow(retries));
        let delay = doubled.map_or(self.max, |factor| self.base.saturating_mul(factor).min(self.max));
        delay
            .mul_f64(rand::rng().random_range(0.9..=1.1))
            .clamp(self.base, self.max)
    }
}

impl RetryPolicy for ExponentialBackoffRetryPolicy {
    fn decide(&self, context: &RetryContext<'_>) -> RetryDecision {
        if context.retries >= self.max_retries {
            return RetryDecision::Fail;
        }
        let decision = self.child.decide(context);
        let next = RetryDecision::next_node();
        let plain = [RetryDecision::Fail, next, next.replanned()].contains(&decision);
        let decision = match context.cause() {
            // Replicas need time, whoever asks them; and there are only so many nodes.
            RetryCause::ReadTimeout { .. } | RetryCause::WriteTimeout { .. }
                if context.idempotent && plain =>
            {
                RetryDecision::same_node()
            }
            RetryCause::Unavailable { .. } if context.idempotent && plain => next,
            // The other policy knows which of them may be different elsewhere.
            _ => decision,
        };
        let decision = decision.after(self.delay(context.retries));
        match context.idempotent {
            true => decision.replanned(),
            false => decision,
        }
    }
}

#[cfg(test)]
mod tests {
    use helenus_protocol::{ErrorCode, ErrorDetails};

    use super::super::Retry;
    use super::super::test_support::{decide, read_timeout};
    use super::*;

    fn retry(code: ErrorCode, details: ErrorDetails, idempotent: bool, retries: usize) -> Option<Retry> {
        let policy = ExponentialBackoffRetryPolicy::new(40)
            .with_delays(Duration::from_millis(20), Duration::from_millis(100));
        match decide(&policy, code, details, idempotent, retries) {
            RetryDecision::Retry(retry) => Some(retry),
            _ => None,
        }
    }

    #[test]
    fn delays_double_up_to_the_maximum() {
        let millis = |retries| {
            let retry = retry(ErrorCode::Overloaded, ErrorDetails::None, true, retries).unwrap();
            assert!(!retry.same_node);
            retry.delay.as_micros()
        };
        for _ in 0..100 {
            assert!((20_000..=22_000).contains(&millis(0)));
            assert!((36_000..=44_000).contains(&millis(1)));
            assert!((72_000..=88_000).contains(&millis(2)));
            assert!((90_000..=100_000).contains(&millis(3)));
            assert!((90_000..=100_000).contains(&millis(39)));
        }
        assert!(retry(ErrorCode::Overloaded, ErrorDetails::None, true, 40).is_none());
    }

    #[test]
    fn more_attempts_are_for_idempotent_requests() {
        let timeout = |idempotent| retry(ErrorCode::ReadTimeout, read_timeout(1, 2, false), idempotent, 3);
        assert!(timeout(true).unwrap().same_node);
        assert!(timeout(false).is_none());
        let first = retry(ErrorCode::ReadTimeout, read_timeout(1, 2, true), true, 0);
        assert!(
            first.unwrap().same_node,
            "the next node would wait for the same replicas"
        );
        assert!(retry(ErrorCode::Syntax, ErrorDetails::None, true, 0).is_none());
    }
}
