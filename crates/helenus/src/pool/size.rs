//! How many connections a pool wants: more while those it has are crowded, fewer again after a calm time.
//!
//! No clock: whoever asks brings the time.

use std::ops::RangeInclusive;
use std::time::Duration;

use tokio::time::Instant;

/// Within which limits, and when, pools of a cluster grow and shrink.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PoolConfig {
    /// Connections to each local node.
    pub(crate) local: RangeInclusive<usize>,
    /// Connections to each remote node.
    pub(crate) remote: RangeInclusive<usize>,
    /// Requests in flight on a connection with more of which another one is opened. Half of what a connection takes, if not
    /// said.
    pub(crate) grow_at: Option<usize>,
    /// A connection that was not needed for so long is closed.
    pub(crate) shrink_after: Duration,
}

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            local: 1..=4,
            remote: 1..=2,
            grow_at: None,
            shrink_after: Duration::from_secs(60),
        }
    }
}

/// The limits of one pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Of a local node.
    pub(crate) is_local: bool,
    pub(crate) min: usize,
    pub(crate) max: usize,
    pub(crate) grow_at: usize,
    pub(crate) shrink_after: Duration,
}

impl Limits {
    /// What satisfies both.
    pub(super) fn greater(self, other: Self) -> Self {
        Self {
            is_local: self.is_local || other.is_local,
            min: self.min.max(other.min),
            max: self.max.max(other.max),
            grow_at: self.grow_at.min(other.grow_at),
            shrink_after: self.shrink_after.max(other.shrink_after),
        }
    }
}

/// The number of connections that are wanted at the moment.
#[derive(Debug, Default)]
pub(super) struct Size {
    wanted: usize,
    /// Since when one connection less would do.
    calm_since: Option<Instant>,
}

impl Size {
    /// The number that is wanted now. `crowded`: a connection has more requests in flight than [`Limits::grow_at`].
    pub(super) fn update(&mut self, limits: Limits, crowded: bool, in_flight: usize, now: Instant) -> usize {
        self.wanted = self.wanted.clamp(limits.min, limits.max);
        if crowded && self.wanted < limits.max {
            self.wanted += 1;
            self.calm_since = None;
        } else if self.wanted > limits.min {
            // With room to spare, or a connection would come and go.
            let enough = (self.wanted - 1).saturating_mul(limits.grow_at) / 2;
            if in_flight > enough {
                self.calm_since = None;
            } else if now >= *self.calm_since.get_or_insert(now) + limits.shrink_after {
                self.wanted -= 1;
                self.calm_since = None;
            }
        }
        self.wanted
    }

    /// Another connection could not be opened: those that there are have to do.
    pub(super) fn settle_for(&mut self, count: usize, limits: Limits) {
        self.wanted = self.wanted.min(count.max(limits.min));
    }

    /// When to look again whether fewer would do.
    pub(super) fn next_look(&self, limits: Limits, now: Instant) -> Option<Instant> {
        let pause = (limits.shrink_after / 4).max(Duration::from_millis(1));
        (self.wanted > limits.min).then(|| now + pause)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits {
        is_local: true,
        min: 1,
        max: 3,
        grow_at: 100,
        shrink_after: Duration::from_secs(60),
    };

    #[test]
    fn a_pool_grows_while_it_is_crowded_and_shrinks_one_by_one_after_a_calm_time() {
        let start = Instant::now();
        let mut size = Size::default();
        let mut at = |seconds, crowded, in_flight| {
            size.update(LIMITS, crowded, in_flight, start + Duration::from_secs(seconds))
        };
        assert_eq!(at(0, false, 0), 1);
        assert_eq!(at(1, true, 101), 2);
        assert_eq!(at(2, true, 210), 3);
        assert_eq!(at(3, true, 400), 3, "the limit");
        // Two would do, from here on.
        assert_eq!(at(10, false, 100), 3);
        assert_eq!(at(69, false, 100), 3);
        assert_eq!(at(69, false, 101), 3, "not calm");
        assert_eq!(at(70, false, 50), 3);
        assert_eq!(at(130, false, 50), 2);
        assert_eq!(at(131, false, 50), 2);
        assert_eq!(at(191, false, 50), 1);
        assert_eq!(at(999, false, 0), 1);
    }

    #[test]
    fn a_pool_follows_its_limits() {
        let now = Instant::now();
        let mut size = Size::default();
        assert_eq!(size.update(LIMITS, true, 0, now), 2);
        assert!(size.next_look(LIMITS, now).is_some());
        let other = Limits {
            min: 4,
            max: 6,
            ..LIMITS
        };
        assert_eq!(size.update(other, false, 0, now), 4);
        assert!(size.next_look(other, now).is_none());
        assert_eq!(size.update(LIMITS, false, 0, now), 3);
        assert_eq!(size.update(LIMITS, true, 0, now), 3);
        size.settle_for(2, LIMITS);
        assert_eq!(size.update(LIMITS, false, 999, now), 2);
        size.settle_for(0, LIMITS);
        assert_eq!(size.update(LIMITS, false, 999, now), 1);
    }
}
