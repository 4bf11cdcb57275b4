//! Reconnection: how long to wait before the next try to reach a node.

use std::fmt;
use std::time::Duration;

use rand::Rng as _;

/// How long to wait between tries, one delay after the other. When it ends there are no more tries until the server says that
/// the node is up; the control connection, which would hear that, repeats the last delay instead.
pub type ReconnectionSchedule = Box<dyn Iterator<Item = Duration> + Send>;

/// Makes a schedule for each node that cannot be reached; a success ends it.
pub trait ReconnectionPolicy: fmt::Debug + Send + Sync {
    /// A new schedule.
    fn schedule(&self) -> ReconnectionSchedule;
}

/// Doubles the delay with each try, up to a maximum, and varies each by 15 % so that clients do not come in step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExponentialReconnection {
    base: Duration,
    max: Duration,
}

impl ExponentialReconnection {
    /// From `base` to `max`. A `max` below `base` counts as `base`.
    pub fn new(base: Duration, max: Duration) -> Self {
        Self {
            base,
            max: max.max(base),
        }
    }
}

impl Default for ExponentialReconnection {
    /// From 1 s to 60 s.
    fn default() -> Self {
        Self::new(Duration::from_secs(1), Duration::from_secs(60))
    }
}

impl ReconnectionPolicy for ExponentialReconnection {
    fn schedule(&self) -> ReconnectionSchedule {
        let Self { base, max } = *self;
        let mut next = base;
        Box::new(std::iter::from_fn(move || {
            let delay = next;
            next = next.saturating_mul(2).min(max);
            let varied = delay.mul_f64(rand::rng().random_range(0.85..=1.15));
            Some(varied.clamp(base, max))
        }))
    }
}

/// Waits equally long each time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConstantReconnection(pub Duration);

impl ReconnectionPolicy for ConstantReconnection {
    fn schedule(&self) -> ReconnectionSchedule {
        Box::new(std::iter::repeat(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_within_their_limits_and_vary() {
        let (base, max) = (Duration::from_millis(100), Duration::from_secs(2));
        let policy = ExponentialReconnection::new(base, max);
        let mut expected = base;
        let delays: Vec<_> = policy.schedule().take(40).collect();
        for delay in &delays {
            assert!(*delay >= base && *delay <= max, "{delay:?}");
            assert!(
                *delay >= expected.mul_f64(0.84) && *delay <= expected.mul_f64(1.16),
                "{delay:?}"
            );
            expected = (expected * 2).min(max);
        }
        assert_ne!(delays[10..], policy.schedule().take(40).collect::<Vec<_>>()[10..]);
    }

    #[test]
    fn a_schedule_survives_the_largest_durations() {
        let policy = ExponentialReconnection::new(Duration::from_secs(1), Duration::from_secs(u64::MAX / 4));
        assert_eq!(policy.schedule().take(200).count(), 200);
    }
}
