//! Timestamps of mutations, made by the client so that its own writes are ordered as it made them.

use std::fmt;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Gives each request that has no timestamp of its own one. A request keeps it over all its attempts.
pub trait TimestampGenerator: fmt::Debug + Send + Sync {
    /// Microseconds since the epoch; `None` leaves it to the server.
    fn next(&self) -> Option<i64>;
}

/// The system's clock, except that every timestamp is greater than the one before, even when the clock stands still or jumps
/// back.
#[derive(Debug, Default)]
pub struct MonotonicTimestamps {
    last: AtomicI64,
}

impl MonotonicTimestamps {
    /// A generator. Share one between sessions that write the same rows.
    pub fn new() -> Self {
        Self::default()
    }

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
        let clock = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Some(self.next_after(i64::try_from(clock.as_micros()).unwrap_or(i64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fault_47_timestamps_grow_even_when_the_clock_jumps_back() {
        let timestamps = MonotonicTimestamps::new();
        let clock = [1_000, 1_000, 2_000, 500, 500, 2_001, 3_000];
        let made: Vec<_> = clock.map(|now| timestamps.next_after(now)).to_vec();
        assert_eq!(made, [1_000, 1_001, 2_000, 2_001, 2_002, 2_003, 3_000]);
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
