//! The log of slow requests.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::tracker::{RequestEnd, RequestInfo, RequestTracker};
use crate::error::RequestError;
use crate::result::QueryResult;

/// Logs requests that take longer than a threshold, as events of level WARN and target `helenus::slow_query`: their CQL
/// without literals and values, their latency, node and number of attempts. No more than so many in a second: 10 by default.
///
/// Set on the builder: [`ClusterBuilder::slow_query_log`](crate::ClusterBuilder::slow_query_log).
#[derive(Debug)]
pub struct SlowQueryLog {
    threshold: Duration,
    limiter: Mutex<Limiter>,
}

impl SlowQueryLog {
    /// Logs requests that take at least this long.
    pub fn new(threshold: Duration) -> Self {
        Self {
            threshold,
            limiter: Mutex::new(Limiter::new(10)),
        }
    }

    /// Logs at most so many in a second; how many more there were is told with the next one.
    #[must_use]
    pub fn with_most_per_second(mut self, count: u32) -> Self {
        self.limiter = Mutex::new(Limiter::new(count));
        self
    }

    fn log(&self, request: &RequestInfo<'_>, end: &RequestEnd<'_>, error: Option<&RequestError>) {
        if end.latency < self.threshold {
            return;
        }
        let mut limiter = self.limiter.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(suppressed) = limiter.allow(Instant::now()) else {
            return;
        };
        drop(limiter);
        tracing::warn!(
            target: "helenus::slow_query",
            latency_us = u64::try_from(end.latency.as_micros()).unwrap_or(u64::MAX),
            node = end.node.map(tracing::field::display),
            attempts = end.attempts,
            keyspace = request.keyspace(),
            consistency = %request.consistency(),
            request_id = request.request_id(),
            error = error.map(|error| tracing::field::display(error.kind())),
            suppressed,
            text = %request.text_without_literals(),
            "slow request"
        );
    }
}

impl RequestTracker for SlowQueryLog {
    fn on_success(&self, request: &RequestInfo<'_>, end: &RequestEnd<'_>, _: &QueryResult) {
        self.log(request, end, None);
    }

    fn on_error(&self, request: &RequestInfo<'_>, end: &RequestEnd<'_>, error: &RequestError) {
        self.log(request, end, Some(error));
    }
}

/// So many in each second.
#[derive(Debug)]
struct Limiter {
    most: u32,
    begun: Option<Instant>,
    count: u32,
    suppressed: u64,
}

impl Limiter {
    fn new(most: u32) -> Self {
        Self {
            most,
            begun: None,
            count: 0,
            suppressed: 0,
        }
    }

    /// How many were suppressed since the last one; `None` when this one is, too.
    fn allow(&mut self, now: Instant) -> Option<u64> {
        let over = |begun: Instant| now.saturating_duration_since(begun) >= Duration::from_secs(1);
        if self.begun.is_none_or(over) {
            self.begun = Some(now);
            self.count = 0;
        }
        if self.count >= self.most {
            self.suppressed += 1;
            return None;
        }
        self.count += 1;
        Some(std::mem::take(&mut self.suppressed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_so_many_are_logged_in_a_second_and_the_next_one_tells_how_many_there_were() {
        let mut limiter = Limiter::new(2);
        let start = Instant::now();
        let at = |millis| start + Duration::from_millis(millis);
        assert_eq!(limiter.allow(at(0)), Some(0));
        assert_eq!(limiter.allow(at(1)), Some(0));
        assert_eq!(limiter.allow(at(2)), None);
        assert_eq!(limiter.allow(at(999)), None);
        assert_eq!(limiter.allow(at(1000)), Some(2));
        assert_eq!(limiter.allow(at(1001)), Some(0));
        assert_eq!(limiter.allow(at(1002)), None);
    }
}
