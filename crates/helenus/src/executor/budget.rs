//! The retry budget of a session: see [`RetryBudget`].
//!
//! Requests only count themselves, each core for itself. What they bring is worked out when a retry asks.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::policy::RetryBudget;
use crate::shard::{CacheLine, Shards};

/// How long tokens last.
const LASTING: Duration = Duration::from_secs(10);
/// The rate of requests is worked out anew at most this often.
const RATE_OVER: Duration = Duration::from_secs(1);

/// The tokens of a session.
#[derive(Debug)]
pub(crate) struct Budget {
    requests: Shards<CacheLine<AtomicU64>>,
    bucket: Mutex<Bucket>,
    refused: AtomicU64,
}

impl Budget {
    pub(crate) fn new(limits: RetryBudget) -> Self {
        Self {
            requests: Shards::default(),
            bucket: Mutex::new(Bucket::new(limits, crate::clock::now())),
            refused: AtomicU64::new(0),
        }
    }

    /// Counts a request. One that is lost because two threads share a part is of no weight.
    #[inline]
    pub(crate) fn count_request(&self) {
        let requests = &self.requests.mine().0;
        requests.store(
            requests.load(Ordering::Relaxed).wrapping_add(1),
            Ordering::Relaxed,
        );
    }

    /// Takes a token, if there is one.
    pub(crate) fn take(&self) -> bool {
        let requests = self
            .requests
            .iter()
            .map(|part| part.0.load(Ordering::Relaxed))
            .sum();
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = bucket.take(crate::clock::now(), requests);
        drop(bucket);
        if !taken {
            self.refused.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }

    /// How often there was none.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }
}

/// The tokens, without clock and counters.
#[derive(Debug)]
struct Bucket {
    limits: RetryBudget,
    tokens: f64,
    /// When tokens were added last, and how many requests there had been.
    filled: (Instant, u64),
    /// The same for the rate.
    measured: (Instant, u64),
    /// Requests in a second.
    rate: f64,
}

impl Bucket {
    fn new(limits: RetryBudget, now: Instant) -> Self {
        Self {
            limits,
            tokens: limits.minimum * LASTING.as_secs_f64(),
            filled: (now, 0),
            measured: (now, 0),
            rate: 0.0,
        }
    }

    fn take(&mut self, now: Instant, requests: u64) -> bool {
        let since = |(then, seen): (Instant, u64)| {
            let seconds = now.saturating_duration_since(then).as_secs_f64();
            (seconds, requests.saturating_sub(seen) as f64)
        };
        let (seconds, fresh) = since(self.measured);
        if seconds >= RATE_OVER.as_secs_f64() {
            self.rate = fresh / seconds;
            self.measured = (now, requests);
        }
        let RetryBudget { share, minimum } = self.limits;
        let most = LASTING.as_secs_f64() * (minimum + share * self.rate);
        let (seconds, fresh) = since(self.filled);
        self.filled = (now, requests);
        self.tokens = (self.tokens + minimum * seconds + share * fresh).min(most.max(1.0));
        let taken = self.tokens >= 1.0;
        if taken {
            self.tokens -= 1.0;
        }
        taken
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many of `wanted` retries there are tokens for, all at once.
    fn granted(bucket: &mut Bucket, now: Instant, requests: u64, wanted: usize) -> usize {
        (0..wanted).filter(|_| bucket.take(now, requests)).count()
    }

    #[test]
    fn retries_are_a_share_of_requests_and_a_minimum_for_each_second() {
        let start = Instant::now();
        let mut bucket = Bucket::new(RetryBudget::new(0.2), start);
        assert_eq!(granted(&mut bucket, start, 0, 1000), 100);
        // One second later, after 50 requests: 10, and a fifth of them.
        let second = start + Duration::from_secs(1);
        assert_eq!(granted(&mut bucket, second, 50, 1000), 20);
        assert_eq!(granted(&mut bucket, second, 54, 1000), 0);
        assert_eq!(granted(&mut bucket, second, 55, 1000), 1);
    }

    #[test]
    fn what_is_not_needed_lasts_for_ten_seconds() {
        let start = Instant::now();
        let mut bucket = Bucket::new(RetryBudget::new(0.2).with_minimum(0.0), start);
        assert_eq!(granted(&mut bucket, start, 0, 10), 0);
        // 1000 requests in each second, for a minute.
        let minute = start + Duration::from_secs(60);
        assert_eq!(granted(&mut bucket, minute, 60_000, 100_000), 2_000);
        assert_eq!(
            granted(&mut bucket, minute + Duration::from_secs(60), 60_000, 10),
            0
        );
    }

    #[test]
    fn nothing_is_granted_without_a_share_and_a_minimum() {
        let start = Instant::now();
        let mut bucket = Bucket::new(RetryBudget::new(0.0).with_minimum(0.0), start);
        assert_eq!(
            granted(&mut bucket, start + Duration::from_secs(9), 1_000_000, 10),
            0
        );
    }
}
