//! How a node does, as far as its connections show: whether it answers, how fast, and how long it has been back.
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
/// Answers after which the time that they take is worked out anew.
const WINDOW: u64 = 16;
/// Nothing is said of what went on for longer than this in microseconds.
const LONG: u64 = 10_000_000;
/// Where there are many requests and few answers, it is worked out after this time in microseconds.
const SHORT: u64 = 50_000;
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
    window: Window,
}

/// The answers since some moment, from which follows how long they take.
#[derive(Debug, Default)]
struct Window {
    /// Microseconds since the epoch of the health.
    since: AtomicU64,
    /// Answers and requests in flight at that moment.
    answers: AtomicU64,
    in_flight: AtomicU64,
    /// In microseconds, of the window before; 0 when nothing is known.
    latency: AtomicU64,
}

impl Health {
    pub(super) fn new(epoch: Instant) -> Self {
        Self {
            epoch,
            answers: AtomicU64::new(0),
            unanswered_since: AtomicU64::new(0),
            fresh_since: AtomicU64::new(0),
            window: Window::default(),
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

    /// How long the node takes for an answer, in microseconds, about; 0 when nothing is known, as when it has few requests.
    ///
    /// By Little's law: what is in flight on average, over the answers by time. So no request needs a clock.
    #[inline]
    pub(super) fn latency(&self, in_flight: usize, answers: u64, now: impl Fn() -> Instant) -> u64 {
        let count = answers.wrapping_sub(self.window.answers.load(Ordering::Relaxed));
        if count >= WINDOW || in_flight > FEW {
            let now = now().saturating_duration_since(self.epoch).as_micros();
            self.window
                .next(in_flight as u64, answers, u64::try_from(now).unwrap_or(u64::MAX));
        }
        self.window.latency.load(Ordering::Relaxed)
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

impl Window {
    fn next(&self, in_flight: u64, answers: u64, now: u64) {
        let time = now.saturating_sub(self.since.load(Ordering::Relaxed));
        let count = answers.wrapping_sub(self.answers.load(Ordering::Relaxed));
        if count < WINDOW {
            let begins_idle = self.in_flight.load(Ordering::Relaxed) == 0;
            if begins_idle && in_flight > FEW as u64 {
                self.since.store(now, Ordering::Relaxed);
                self.answers.store(answers, Ordering::Relaxed);
                self.in_flight.store(in_flight, Ordering::Relaxed);
            } else if time >= SHORT {
                // As long as it lasts it cannot be shorter.
                let so_far = in_flight.min(self.in_flight.load(Ordering::Relaxed));
                let least = so_far.saturating_mul(time) / count.max(1);
                self.latency.fetch_max(least.min(LONG), Ordering::Relaxed);
            }
            return;
        }
        let before = self.in_flight.swap(in_flight, Ordering::Relaxed);
        self.since.store(now, Ordering::Relaxed);
        self.answers.store(answers, Ordering::Relaxed);
        let latency = match before == 0 || time > LONG {
            // It may have been idle meanwhile: what was known loses its weight.
            true => self.latency.load(Ordering::Relaxed) / 2,
            false => (before + in_flight).saturating_mul(time) / count.max(1).saturating_mul(2),
        };
        self.latency.store(latency, Ordering::Relaxed);
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
    fn the_time_of_answers_follows_from_their_number_and_from_what_is_in_flight() {
        let start = Instant::now();
        let health = Health::new(start);
        let at = |in_flight, answers, millis| {
            health.latency(in_flight, answers, || start + Duration::from_millis(millis))
        };
        assert_eq!(at(4, 15, 1), 0, "too few answers");
        assert_eq!(at(4, 16, 2), 0, "none was in flight before");
        // 20 answers in 100 ms, 4 in flight: 20 ms each.
        assert_eq!(at(4, 36, 102), 20_000);
        // Many requests, and no answer: as long as it lasts, for all of them.
        assert_eq!(at(12, 36, 151), 20_000);
        assert_eq!(at(12, 36, 152), 200_000);
        // 24 answers in 58 ms, 2 in flight on average.
        assert_eq!(at(0, 60, 160), 4_833);
        assert_eq!(at(0, 80, 170), 2_416, "it may have been idle");
        assert_eq!(at(3, 100, 180), 1_208);
        assert_eq!(at(3, 200, 10_181), 604, "too long ago");
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
