//! How a node does, as far as its connections show: whether it answers, and how long it has been back.
//!
//! No clock: whoever asks brings the time. What is kept is looked at and changed by requests of all threads at once, without
//! a lock; a look that comes in between may be wrong for as long as it takes.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::policy::Demotion;

/// With more requests in flight than this a node that answers none of them is conspicuous.
const FEW: usize = 10;
/// So long without an answer it is called silent.
const SILENCE: Duration = Duration::from_millis(200);
/// So long after it came back it is no longer called fresh.
const FRESH: Duration = Duration::from_secs(60);

/// Times are milliseconds since `epoch`, plus one; 0 is none.
#[derive(Debug)]
pub(super) struct Health {
    epoch: Instant,
    /// Answers at the time of `unanswered_since`.
    answers: AtomicU64,
    unanswered_since: AtomicU64,
    fresh_since: AtomicU64,
}

impl Health {
    pub(super) fn new(epoch: Instant) -> Self {
        Self {
            epoch,
            answers: AtomicU64::new(0),
            unanswered_since: AtomicU64::new(0),
            fresh_since: AtomicU64::new(0),
        }
    }

    /// The node came up, other than at the start of the session.
    pub(super) fn came_up(&self, now: Instant) {
        self.fresh_since.store(self.stamp(now), Ordering::Relaxed);
    }

    /// What is to be held against the node that has so many requests in flight and has given so many answers.
    #[inline]
    pub(super) fn demotion(
        &self,
        in_flight: usize,
        answers: u64,
        now: impl Fn() -> Instant,
    ) -> Option<Demotion> {
        if in_flight > FEW {
            if self.is_silent(answers, now()) {
                return Some(Demotion::Silent);
            }
        } else if self.unanswered_since.load(Ordering::Relaxed) != 0 {
            self.unanswered_since.store(0, Ordering::Relaxed);
        }
        match self.fresh_since.load(Ordering::Relaxed) {
            0 => None,
            since => self.fresh(since, now()),
        }
    }

    fn is_silent(&self, answers: u64, now: Instant) -> bool {
        let now = self.stamp(now);
        let since = self.unanswered_since.load(Ordering::Relaxed);
        if since == 0 || self.answers.load(Ordering::Relaxed) != answers {
            self.answers.store(answers, Ordering::Relaxed);
            self.unanswered_since.store(now, Ordering::Relaxed);
            return false;
        }
        u128::from(now.saturating_sub(since)) >= SILENCE.as_millis()
    }

    #[cold]
    fn fresh(&self, since: u64, now: Instant) -> Option<Demotion> {
        let age = Duration::from_millis(self.stamp(now).saturating_sub(since));
        if age < FRESH {
            return Some(Demotion::Fresh(age));
        }
        self.fresh_since.store(0, Ordering::Relaxed);
        None
    }

    fn stamp(&self, now: Instant) -> u64 {
        let since = now.saturating_duration_since(self.epoch).as_millis();
        u64::try_from(since).unwrap_or(u64::MAX - 1) + 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_answers_nothing_is_silent_until_it_answers_or_has_few_requests() {
        let start = Instant::now();
        let health = Health::new(start);
        let at = |in_flight, answers, millis| {
            health.demotion(in_flight, answers, || start + Duration::from_millis(millis))
        };
        assert_eq!(at(11, 5, 0), None);
        assert_eq!(at(11, 5, 199), None);
        assert_eq!(at(11, 5, 200), Some(Demotion::Silent));
        assert_eq!(at(11, 6, 300), None, "it has answered");
        assert_eq!(at(11, 6, 499), None);
        assert_eq!(at(50, 6, 500), Some(Demotion::Silent));
        assert_eq!(at(10, 6, 501), None, "ten may be slow ones");
        assert_eq!(at(11, 6, 900), None, "the time counts from here");
        assert_eq!(at(11, 6, 1100), Some(Demotion::Silent));
    }

    #[test]
    fn a_node_that_came_up_is_fresh_for_a_minute() {
        let start = Instant::now();
        let health = Health::new(start);
        let at = |seconds| health.demotion(0, 0, || start + Duration::from_secs(seconds));
        assert_eq!(at(0), None);
        health.came_up(start + Duration::from_secs(10));
        assert_eq!(at(11), Some(Demotion::Fresh(Duration::from_secs(1))));
        assert_eq!(at(69), Some(Demotion::Fresh(Duration::from_secs(59))));
        assert_eq!(at(70), None);
        assert_eq!(at(11), None, "it is forgotten");
    }
}
