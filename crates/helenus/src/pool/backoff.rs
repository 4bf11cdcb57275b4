//! When to try again to reach a node.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use crate::policy::{ReconnectionPolicy, ReconnectionSchedule};

/// A connection that is lost sooner than this after it was opened counts as one that could not be opened.
const SHORT_LIFE: Duration = Duration::from_secs(1);

/// No policy has nodes tried more often.
const SHORTEST: Duration = Duration::from_millis(1);

/// When the next connection may be opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Retry {
    #[default]
    Now,
    At(Instant),
    /// The schedule has ended: when somebody says that the node is up.
    WhenUp,
}

/// Goes through the schedule of a reconnection policy.
pub(super) struct Backoff {
    policy: Arc<dyn ReconnectionPolicy>,
    schedule: Option<ReconnectionSchedule>,
    retry: Retry,
    opened_at: Option<Instant>,
}

impl Backoff {
    pub(super) fn new(policy: Arc<dyn ReconnectionPolicy>) -> Self {
        Self {
            policy,
            schedule: None,
            retry: Retry::Now,
            opened_at: None,
        }
    }

    /// A connection was opened.
    pub(super) fn opened(&mut self, now: Instant) {
        self.opened_at = Some(now);
        self.retry = Retry::Now;
    }

    /// After a connection was lost: at once, unless it had just been opened.
    pub(super) fn lost(&mut self, now: Instant) {
        match self.opened_at {
            Some(time) if now < time + SHORT_LIFE => self.failed(now),
            _ => {
                self.schedule = None;
                self.retry = Retry::Now;
            }
        }
    }

    /// A connection could not be opened.
    pub(super) fn failed(&mut self, now: Instant) {
        let schedule = self.schedule.get_or_insert_with(|| self.policy.schedule());
        let delay = schedule.next().map(|delay| delay.max(SHORTEST));
        // A delay beyond the end of time is none.
        let time = delay.and_then(|delay| now.checked_add(delay));
        self.retry = time.map_or(Retry::WhenUp, Retry::At);
    }

    /// The node is said to be up: a new schedule.
    pub(super) fn hurry(&mut self) {
        if self.retry != Retry::Now {
            self.schedule = None;
            self.retry = Retry::Now;
        }
    }

    /// Whether a connection may be opened now.
    pub(super) fn is_over(&self, now: Instant) -> bool {
        match self.retry {
            Retry::Now => true,
            Retry::At(time) => time <= now,
            Retry::WhenUp => false,
        }
    }

    pub(super) fn retry(&self) -> Retry {
        self.retry
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::ConstantReconnection;

    #[derive(Debug)]
    struct Twice;

    impl ReconnectionPolicy for Twice {
        fn schedule(&self) -> ReconnectionSchedule {
            Box::new([3, 5].map(Duration::from_secs).into_iter())
        }
    }

    #[test]
    fn a_schedule_that_ends_waits_until_the_node_is_up() {
        let now = Instant::now();
        let mut backoff = Backoff::new(Arc::new(Twice));
        assert!(backoff.is_over(now));
        backoff.failed(now);
        assert_eq!(backoff.retry(), Retry::At(now + Duration::from_secs(3)));
        backoff.failed(now);
        assert_eq!(backoff.retry(), Retry::At(now + Duration::from_secs(5)));
        assert!(!backoff.is_over(now) && backoff.is_over(now + Duration::from_secs(5)));
        backoff.failed(now);
        assert_eq!(backoff.retry(), Retry::WhenUp);
        assert!(!backoff.is_over(now + Duration::from_secs(1 << 20)));
        backoff.hurry();
        assert!(backoff.is_over(now));
        backoff.failed(now);
        assert_eq!(backoff.retry(), Retry::At(now + Duration::from_secs(3)));
    }

    #[test]
    fn a_connection_that_lived_is_replaced_at_once_and_one_that_did_not_later() {
        let now = Instant::now();
        let mut backoff = Backoff::new(Arc::new(Twice));
        backoff.opened(now);
        backoff.lost(now + Duration::from_millis(999));
        assert!(!backoff.is_over(now + Duration::from_secs(3)));
        backoff.opened(now);
        backoff.lost(now + Duration::from_secs(1));
        assert!(backoff.is_over(now));
    }

    #[test]
    fn no_policy_makes_it_spin_or_panic() {
        let now = Instant::now();
        for delay in [Duration::ZERO, Duration::MAX] {
            let mut backoff = Backoff::new(Arc::new(ConstantReconnection(delay)));
            backoff.failed(now);
            assert!(!backoff.is_over(now));
        }
    }
}
