//! Latencies in microseconds, counted in buckets of which each octave has 16: a value is known to 6 %.
//!
//! [`Buckets`] is written by requests, one set for each core; [`LatencyHistogram`] is what was read from all of them.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// 16 buckets for each octave; below 16 µs one for each microsecond.
const SUB_BITS: u32 = 4;
const SUB_COUNT: u64 = 1 << SUB_BITS;
/// Longer latencies, over 134 s, count as this one.
const LONGEST: u64 = (1 << 27) - 1;
const BUCKETS: usize = bucket_of(LONGEST) + 1;

const fn bucket_of(micros: u64) -> usize {
    if micros < SUB_COUNT {
        return micros as usize;
    }
    let octave = micros.ilog2() - SUB_BITS;
    let within = (micros >> octave) & (SUB_COUNT - 1);
    (((octave as u64 + 1) << SUB_BITS) + within) as usize
}

/// The longest latency that belongs to a bucket.
const fn upper_bound(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < SUB_COUNT {
        return bucket;
    }
    let octave = (bucket >> SUB_BITS) - 1;
    ((SUB_COUNT + (bucket & (SUB_COUNT - 1)) + 1) << octave) - 1
}

/// The whole microseconds of a time.
#[inline]
pub(super) fn micros(time: Duration) -> u64 {
    time.as_secs()
        .saturating_mul(1_000_000)
        .saturating_add(u64::from(time.subsec_micros()))
}

/// What the requests of one core count in.
#[derive(Debug)]
pub(super) struct Buckets {
    sum: AtomicU64,
    counts: [AtomicU64; BUCKETS],
}

impl Default for Buckets {
    fn default() -> Self {
        Self {
            sum: AtomicU64::new(0),
            counts: [const { AtomicU64::new(0) }; BUCKETS],
        }
    }
}

impl Buckets {
    #[inline]
    pub(super) fn record(&self, micros: u64) {
        self.sum.fetch_add(micros, Ordering::Relaxed);
        if let Some(count) = self.counts.get(bucket_of(micros.min(LONGEST))) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The same, of buckets that no other thread writes.
    #[inline]
    pub(super) fn record_alone(&self, micros: u64) {
        let add =
            |count: &AtomicU64, more| count.store(count.load(Ordering::Relaxed) + more, Ordering::Relaxed);
        add(&self.sum, micros);
        if let Some(count) = self.counts.get(bucket_of(micros.min(LONGEST))) {
            add(count, 1);
        }
    }
}

/// How long requests took, in microseconds: counts by latency, of which each is known to 6 %.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct LatencyHistogram {
    /// Nothing until something is counted.
    counts: Vec<u64>,
    count: u64,
    sum: u64,
}

impl LatencyHistogram {
    pub(super) fn add(&mut self, buckets: &Buckets) {
        self.counts.resize(BUCKETS, 0);
        self.sum += buckets.sum.load(Ordering::Relaxed);
        for (to, from) in self.counts.iter_mut().zip(&buckets.counts) {
            let count = from.load(Ordering::Relaxed);
            *to += count;
            self.count += count;
        }
    }

    /// Adds what another one has counted.
    pub fn merge(&mut self, other: &Self) {
        if other.counts.is_empty() {
            return;
        }
        self.counts.resize(BUCKETS, 0);
        for (to, from) in self.counts.iter_mut().zip(&other.counts) {
            *to += from;
        }
        self.count += other.count;
        self.sum += other.sum;
    }

    /// How many latencies were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// All latencies together.
    pub fn sum(&self) -> Duration {
        Duration::from_micros(self.sum)
    }

    /// Their mean; `None` when there are none.
    pub fn mean(&self) -> Option<Duration> {
        self.sum.checked_div(self.count).map(Duration::from_micros)
    }

    /// The latency that this part of all, from 0 to 1, does not exceed: 0.5 is the median, 1 the longest. `None` when there
    /// are none.
    pub fn quantile(&self, part: f64) -> Option<Duration> {
        let rank = (part.clamp(0.0, 1.0) * self.count as f64).ceil().max(1.0) as u64;
        let mut below = 0;
        self.buckets().find_map(|(latency, count)| {
            below += count;
            (below >= rank).then_some(latency)
        })
    }

    /// How many latencies were not longer than this, as far as the buckets tell.
    pub fn count_at_most(&self, latency: Duration) -> u64 {
        let limit = micros(latency);
        let within = self.buckets().take_while(|(bound, _)| micros(*bound) <= limit);
        within.map(|(_, count)| count).sum()
    }

    /// The buckets that are not empty: the longest latency that belongs to each, and how many there were, in ascending
    /// order.
    pub fn buckets(&self) -> impl Iterator<Item = (Duration, u64)> {
        let counts = self.counts.iter().enumerate().filter(|(_, count)| **count > 0);
        counts.map(|(bucket, count)| (Duration::from_micros(upper_bound(bucket)), *count))
    }
}

impl fmt::Debug for LatencyHistogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LatencyHistogram")
            .field("count", &self.count)
            .field("median", &self.quantile(0.5))
            .field("longest", &self.quantile(1.0))
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(latencies: impl IntoIterator<Item = u64>) -> LatencyHistogram {
        let buckets = Buckets::default();
        for (index, latency) in latencies.into_iter().enumerate() {
            match index % 2 {
                0 => buckets.record(latency),
                _ => buckets.record_alone(latency),
            }
        }
        let mut histogram = LatencyHistogram::default();
        histogram.add(&buckets);
        histogram
    }

    #[test]
    fn each_latency_belongs_to_a_bucket_no_wider_than_a_sixteenth_of_it() {
        let mut before = None;
        for bucket in 0..BUCKETS {
            let bound = upper_bound(bucket);
            assert_eq!(bucket_of(bound), bucket);
            let first = before.map_or(0, |before: u64| before + 1);
            assert_eq!(bucket_of(first), bucket);
            assert!((bound - first) * SUB_COUNT <= first, "{first} to {bound}");
            before = Some(bound);
        }
        assert_eq!(before, Some(LONGEST));
    }

    #[test]
    fn quantiles_mean_and_sum_are_those_of_the_latencies() {
        let histogram = histogram(1..=1000);
        assert_eq!((histogram.count(), histogram.sum().as_micros()), (1000, 500_500));
        assert_eq!(histogram.mean(), Some(Duration::from_micros(500)));
        for (part, exact) in [
            (0.0, 1.0),
            (0.01, 10.0),
            (0.5, 500.0),
            (0.99, 990.0),
            (1.0, 1000.0),
        ] {
            let found = histogram.quantile(part).unwrap().as_micros() as f64;
            assert!((exact..=exact * 1.0625).contains(&found), "{part}: {found}");
        }
        assert_eq!(histogram.count_at_most(Duration::from_micros(15)), 15);
        assert_eq!(histogram.count_at_most(Duration::from_secs(1)), 1000);
        assert_eq!(LatencyHistogram::default().quantile(0.5), None);
        assert_eq!(LatencyHistogram::default().mean(), None);
    }

    #[test]
    fn a_latency_beyond_the_last_bucket_is_counted_there() {
        let histogram = histogram([u64::from(u32::MAX)]);
        assert_eq!(histogram.quantile(1.0), Some(Duration::from_micros(LONGEST)));
        assert_eq!(histogram.sum(), Duration::from_micros(u64::from(u32::MAX)));
    }

    #[test]
    fn merging_adds_up() {
        let mut one = histogram([5, 100]);
        one.merge(&histogram([5]));
        one.merge(&LatencyHistogram::default());
        let mut none = LatencyHistogram::default();
        none.merge(&one);
        assert_eq!(none, histogram([5, 5, 100]));
    }
}
