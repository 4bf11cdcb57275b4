//! Speculative executions: asking another node before the first one has answered.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::cluster::Node;
use crate::executor::Request;

/// How long to wait after the execution on this node was started before another one is; `None` when there is to be no more.
pub type SpeculativeSchedule = Box<dyn FnMut(&Arc<Node>) -> Option<Duration> + Send>;

/// Starts further executions of a request that is idempotent, on further nodes of its plan, while earlier ones are not
/// answered. The first answer is the request's; the others are dropped.
///
/// Each execution retries for itself, and all share the plan and the time limit. One takes a token of the session's
/// [`RetryBudget`](super::RetryBudget). Requests that are not idempotent are never run speculatively.
pub trait SpeculativeExecutionPolicy: fmt::Debug + Send + Sync {
    /// A schedule for one request. It is asked after each execution that was started, the first one included.
    fn schedule(&self, request: &Request) -> SpeculativeSchedule;

    /// A request under this policy was answered after so long.
    fn record(&self, latency: Duration) {
        let _ = latency;
    }
}

/// Starts one more execution each time a fixed delay has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConstantSpeculativeExecution {
    delay: Duration,
    more: usize,
}

impl ConstantSpeculativeExecution {
    /// Each `delay`, at most so many executions beside the first one.
    pub const fn new(delay: Duration, more: usize) -> Self {
        Self { delay, more }
    }
}

impl SpeculativeExecutionPolicy for ConstantSpeculativeExecution {
    fn schedule(&self, _: &Request) -> SpeculativeSchedule {
        let Self {
            delay,
            more: mut left,
        } = *self;
        Box::new(move |_| {
            left = left.checked_sub(1)?;
            Some(delay)
        })
    }
}

/// Starts one more execution when a request takes longer than most did lately.
///
/// Latencies of the requests under this policy are counted in buckets, to 1/16 exact. Older ones count less: all counts are
/// halved each time there are 16,384. There is no speculation before 100 of them are known. The policy is to be shared by
/// requests that take about the same time; give others a profile with a policy of their own.
#[derive(Debug)]
pub struct PercentileSpeculativeExecution {
    percentile: f64,
    more: usize,
    latencies: Latencies,
}

impl PercentileSpeculativeExecution {
    /// After the latency that this percentage of requests does not reach, like 99.0; at most so many executions beside the
    /// first one. The percentage is taken as 0 to 100.
    pub fn new(percentile: f64, more: usize) -> Self {
        Self {
            percentile: if percentile.is_nan() {
                100.0
            } else {
                percentile.clamp(0.0, 100.0)
            },
            more,
            latencies: Latencies::default(),
        }
    }

    /// After how long another execution is started now; `None` while too little is known.
    pub fn delay(&self) -> Option<Duration> {
        self.latencies.percentile(self.percentile)
    }
}

impl SpeculativeExecutionPolicy for PercentileSpeculativeExecution {
    fn schedule(&self, _: &Request) -> SpeculativeSchedule {
        let (delay, mut left) = (self.delay(), self.more);
        Box::new(move |_| {
            left = left.checked_sub(1)?;
            delay
        })
    }

    fn record(&self, latency: Duration) {
        self.latencies.record(latency);
    }
}

/// 16 buckets for each octave of microseconds.
const SUB_BITS: u32 = 4;
const SUB_COUNT: u64 = 1 << SUB_BITS;
/// Up to 2^36 µs, 19 hours.
const BUCKETS: usize = 34 * SUB_COUNT as usize;
/// Fewer say too little about the slowest.
const FEWEST: u64 = 100;
/// With so many the counts are halved.
const MOST: u64 = 1 << 14;

/// Latencies, counted.
struct Latencies {
    counts: Box<[AtomicU64]>,
    total: AtomicU64,
}

impl Default for Latencies {
    fn default() -> Self {
        Self {
            counts: std::iter::repeat_with(AtomicU64::default).take(BUCKETS).collect(),
            total: AtomicU64::new(0),
        }
    }
}

impl Latencies {
    fn record(&self, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX);
        if let Some(count) = self.counts.get(bucket_of(micros).min(BUCKETS - 1)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        if self.total.fetch_add(1, Ordering::Relaxed) + 1 == MOST {
            self.halve();
        }
    }

    /// Old latencies count less. Latencies that are recorded meanwhile may be lost.
    fn halve(&self) {
        let mut total = 0;
        for count in &self.counts {
            let half = count.load(Ordering::Relaxed) / 2;
            count.store(half, Ordering::Relaxed);
            total += half;
        }
        self.total.store(total, Ordering::Relaxed);
    }

    /// The upper end of the bucket in which this percentage is reached.
    fn percentile(&self, percentile: f64) -> Option<Duration> {
        let counts: Vec<_> = self
            .counts
            .iter()
            .map(|count| count.load(Ordering::Relaxed))
            .collect();
        let total: u64 = counts.iter().sum();
        if total < FEWEST {
            return None;
        }
        let wanted = (percentile / 100.0 * total as f64).ceil().max(1.0);
        let mut seen = 0;
        let bucket = counts.iter().position(|count| {
            seen += count;
            seen as f64 >= wanted
        });
        Some(Duration::from_micros(upper_end(bucket.unwrap_or(BUCKETS - 1))))
    }
}

impl fmt::Debug for Latencies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Latencies")
            .field("total", &self.total)
            .finish_non_exhaustive()
    }
}

fn bucket_of(micros: u64) -> usize {
    if micros < SUB_COUNT {
        return micros as usize;
    }
    let octave = micros.ilog2() - SUB_BITS;
    let within = (micros >> octave) & (SUB_COUNT - 1);
    ((u64::from(octave + 1) << SUB_BITS) + within) as usize
}

/// The first latency that no longer belongs to a bucket.
fn upper_end(bucket: usize) -> u64 {
    let bucket = bucket as u64 + 1;
    if bucket <= SUB_COUNT {
        return bucket;
    }
    let octave = (bucket >> SUB_BITS) - 1;
    (SUB_COUNT + (bucket & (SUB_COUNT - 1))) << octave
}

#[cfg(test)]
mod tests {
    use helenus_protocol::SerializedRow;

    use super::*;
    use crate::statement::SimpleStatement;

    fn schedule(policy: &dyn SpeculativeExecutionPolicy) -> Vec<Duration> {
        let statement = Arc::new(SimpleStatement::new("SELECT"));
        let mut schedule = policy.schedule(&Request::simple_serialized(statement, SerializedRow::EMPTY));
        let node = Node::for_tests(1, "dc1");
        std::iter::from_fn(|| schedule(&node)).collect()
    }

    #[test]
    fn a_constant_delay_comes_as_often_as_it_was_said() {
        let delay = Duration::from_millis(7);
        assert_eq!(
            schedule(&ConstantSpeculativeExecution::new(delay, 2)),
            [delay, delay]
        );
        assert!(schedule(&ConstantSpeculativeExecution::new(delay, 0)).is_empty());
    }

    #[test]
    fn a_percentile_is_the_latency_that_so_many_do_not_reach() {
        let policy = PercentileSpeculativeExecution::new(99.0, 1);
        for millis in 1..100 {
            policy.record(Duration::from_millis(millis));
        }
        assert!(schedule(&policy).is_empty(), "99 are too few");
        policy.record(Duration::from_millis(100));
        let delay = schedule(&policy)[0];
        assert!(
            (99.0..=99.0 * 17.0 / 16.0 + 0.1).contains(&(delay.as_secs_f64() * 1000.0)),
            "{delay:?}"
        );
    }

    #[test]
    fn old_latencies_are_forgotten() {
        let policy = PercentileSpeculativeExecution::new(90.0, 1);
        for _ in 0..MOST {
            policy.record(Duration::from_secs(1));
        }
        for _ in 0..16 * MOST {
            policy.record(Duration::from_millis(1));
        }
        assert!(policy.delay().unwrap() < Duration::from_millis(2));
    }

    #[test]
    fn every_latency_has_a_bucket_whose_upper_end_is_beyond_it() {
        for micros in (0..64).chain([1 << 20, (1 << 20) + 12_345, (1 << 35) + 1]) {
            let end = upper_end(bucket_of(micros));
            assert!(
                end > micros && end as f64 <= micros as f64 * 17.0 / 16.0 + 1.0,
                "{micros} {end}"
            );
        }
        let latencies = Latencies::default();
        latencies.record(Duration::MAX);
        assert_eq!(latencies.total.load(Ordering::Relaxed), 1);
    }
}
