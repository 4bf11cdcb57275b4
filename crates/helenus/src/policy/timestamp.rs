//! Timestamps of mutations, made by the client so that its own writes are ordered as it made them.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::clock::Moment;

/// Gives each request that has no timestamp of its own one. A request keeps it over all its attempts.
pub trait TimestampGenerator: fmt::Debug + Send + Sync {
    /// Microseconds since the epoch; `None` leaves it to the server.
    fn next(&self) -> Option<i64>;

    /// The same, for a caller who has just looked at the monotonic clock: looking at a clock is a good part of what a request
    /// costs.
    fn next_at(&self, now: Instant) -> Option<i64> {
        let _ = now;
        self.next()
    }
}

/// Where a session has its timestamps from.
#[derive(Clone, Debug)]
pub(crate) enum Timestamps {
    /// Its cluster's own generator.
    Monotonic(Arc<MonotonicTimestamps>),
    /// One that the program has given.
    Other(Arc<dyn TimestampGenerator>),
    /// It leaves them to the servers.
    OfServers,
}

impl Default for Timestamps {
    fn default() -> Self {
        Self::Monotonic(Arc::default())
    }
}

impl Timestamps {
    /// The next one, at this moment.
    #[inline]
    pub(crate) fn next_at(&self, now: Moment) -> Option<i64> {
        match self {
            Self::Monotonic(generator) => Some(generator.next_at_moment(now)),
            Self::Other(generator) => generator.next_at(now.instant()),
            Self::OfServers => None,
        }
    }
}

/// The system's clock, except that every timestamp is greater than the one before, even when the clock stands still or jumps
/// back.
#[derive(Debug)]
pub struct MonotonicTimestamps {
    last: AtomicI64,
    /// The system's clock when the monotonic clock stood at its beginning, as of the last look at both; in microseconds, as
    /// the next one.
    origin: AtomicI64,
    /// When both were looked at.
    looked: AtomicI64,
}

/// Microseconds for which the system's clock is taken to run as the monotonic clock does. After a jump of it timestamps
/// follow within this time.
const TRUSTED: i64 = 10_000;

impl Default for MonotonicTimestamps {
    fn default() -> Self {
        Self {
            last: AtomicI64::new(0),
            origin: AtomicI64::new(0),
            // The first look is still to come.
            looked: AtomicI64::new(i64::MIN),
        }
    }
}

impl MonotonicTimestamps {
    /// A generator. Share one between sessions that write the same rows.
    pub fn new() -> Self {
        Self::default()
    }

    /// The system's clock at this instant, by `look` when the last look at it was too long ago.
    #[inline]
    fn clock_at(&self, now: Moment, look: impl FnOnce() -> i64) -> i64 {
        // Far from 292,000 years.
        let since = (now.into_raw() / 1_000) as i64;
        let looked = self.looked.load(Ordering::Acquire);
        if since.wrapping_sub(looked) as u64 <= TRUSTED as u64 {
            return self.origin.load(Ordering::Relaxed) + since;
        }
        let clock = look();
        self.origin.store(clock - since, Ordering::Relaxed);
        self.looked.store(since, Ordering::Release);
        clock
    }

    /// As [`TimestampGenerator::next_at`].
    #[inline]
    pub(crate) fn next_at_moment(&self, now: Moment) -> i64 {
        self.next_after(self.clock_at(now, system_clock))
    }

    #[inline]
    fn next_after(&self, clock: i64) -> i64 {
        let mut last = self.last.load(Ordering::Relaxed);
        loop {
            let next = clock.max(last.saturating_add(1));
            match self
                .last
                .compare_exchange_weak(last, next, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => return next,
                Err(changed) => last = changed,
            }
        }
    }
}

impl TimestampGenerator for MonotonicTimestamps {
    fn next(&self) -> Option<i64> {
        Some(self.next_after(system_clock()))
    }

    fn next_at(&self, now: Instant) -> Option<i64> {
        Some(self.next_at_moment(Moment::of(now)))
    }
}

fn system_clock() -> i64 {
    let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(clock.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn fault_47_timestamps_grow_even_when_the_clock_jumps_back() {
        let timestamps = MonotonicTimestamps::new();
        let clock = [1_000, 1_000, 2_000, 500, 500, 2_001, 3_000];
        let made: Vec<_> = clock.map(|now| timestamps.next_after(now)).to_vec();
        assert_eq!(made, [1_000, 1_001, 2_000, 2_001, 2_002, 2_003, 3_000]);
    }

    #[test]
    fn between_two_looks_at_the_systems_clock_time_goes_by_as_the_monotonic_clock_says() {
        let timestamps = MonotonicTimestamps::new();
        let start = Moment::of(Instant::now());
        let after = |micros| start.checked_add(Duration::from_micros(micros)).unwrap();
        let unasked = || panic!("it was looked at a moment ago");
        assert_eq!(timestamps.clock_at(after(0), || 5_000_000), 5_000_000);
        assert_eq!(timestamps.clock_at(after(1), unasked), 5_000_001);
        assert_eq!(timestamps.clock_at(after(10_000), unasked), 5_010_000);
        // A jump back, and one ahead, are followed.
        assert_eq!(timestamps.clock_at(after(10_001), || 1_000_000), 1_000_000);
        assert_eq!(timestamps.clock_at(after(10_011), unasked), 1_000_010);
        assert_eq!(timestamps.clock_at(after(20_002), || 9_000_000), 9_000_000);
        // Another thread's clock was read before that look.
        assert_eq!(timestamps.clock_at(after(20_001), || 9_000_001), 9_000_001);
    }

    #[test]
    fn timestamps_of_both_kinds_are_those_of_the_system() {
        let timestamps = MonotonicTimestamps::new();
        for _ in 0..100 {
            let before = system_clock();
            let made = timestamps.next_at(Instant::now()).unwrap();
            assert!(made.abs_diff(before) < 1_000_000, "{made} at {before}");
            assert!(timestamps.next().unwrap() > made);
        }
    }

    #[test]
    fn no_two_threads_get_the_same_timestamp() {
        let timestamps = MonotonicTimestamps::new();
        let mut all: Vec<i64> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| (0..1000).filter_map(|_| timestamps.next()).collect::<Vec<_>>()))
                .collect();
            threads
                .into_iter()
                .flat_map(|thread| thread.join().unwrap())
                .collect()
        });
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 4000);
    }
}
