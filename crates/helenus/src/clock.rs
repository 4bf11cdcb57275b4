//! The one clock of deadlines and delays: monotonic, and tokio's, so that tests can step it by hand.
//!
//! A look at the clock takes as long as a twentieth of a small request. Requests that follow one upon the other on the thread
//! of their connection's I/O task, in answer to what that has just handed out, share one by eights (see [`Round`]).
//! Invariant: no deadline is taken from the time of day, which may jump.

use std::cell::Cell;
use std::num::NonZeroU64;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// This moment. Outside of tests with stepped time this is `Instant::now`.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// An instant as one number, which fits into an atomic and takes no arithmetic of seconds and nanoseconds: a request has to
/// do with half a dozen of them. Never 0, nor the highest number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(NonZeroU64);

/// How long before the first look at it the clock of moments begins: clocks of tests may stand behind the system's.
const BEFORE: Duration = Duration::from_secs(24 * 60 * 60);
/// 584 years from the beginning on there is no moment.
const LAST: u64 = u64::MAX - 1;

/// Where moments are counted from: before all of them.
#[inline]
fn beginning() -> Instant {
    static BEGINNING: OnceLock<Instant> = OnceLock::new();
    *BEGINNING.get_or_init(|| {
        let now = Instant::now();
        now.checked_sub(BEFORE).unwrap_or(now)
    })
}

impl Moment {
    /// The moment of this instant.
    #[inline]
    pub(crate) fn of(instant: Instant) -> Self {
        Self::after(nanoseconds(instant.saturating_duration_since(beginning())))
    }

    /// The instant of this moment.
    pub(crate) fn instant(self) -> Instant {
        beginning() + Duration::from_nanos(self.0.get())
    }

    /// This long after it; `None` when that is never.
    #[inline]
    pub(crate) fn checked_add(self, time: Duration) -> Option<Self> {
        let sum = self.0.get().checked_add(nanoseconds(time))?;
        (sum <= LAST).then(|| Self::after(sum))
    }

    /// The time from `earlier` to this one; none when it is not earlier.
    #[inline]
    pub(crate) fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.get().saturating_sub(earlier.0.get()))
    }

    /// The same in whole microseconds.
    #[inline]
    pub(crate) fn micros_since(self, earlier: Self) -> u64 {
        self.0.get().saturating_sub(earlier.0.get()) / 1_000
    }

    /// As a number that an atomic can hold.
    #[inline]
    pub(crate) fn into_raw(self) -> u64 {
        self.0.get()
    }

    /// The moment that was made into this number; the first one when that was none.
    #[inline]
    pub(crate) fn from_raw(raw: u64) -> Self {
        Self::after(raw)
    }

    #[inline]
    fn after(nanoseconds: u64) -> Self {
        Self(NonZeroU64::new(nanoseconds.min(LAST)).unwrap_or(NonZeroU64::MIN))
    }
}

/// One turn of a runtime with one thread, from the answers that an I/O task has handed out to its next poll: whoever they
/// woke runs now, and sends the next request.
#[derive(Clone, Copy)]
struct Round {
    moment: Moment,
    /// The [`tick`] of that look at the clock. What runs in between may take long: another tick, another look.
    tick: Option<i64>,
    /// Requests that may still share it.
    left: u32,
}

/// Requests that share a look at the clock. So one begins at most as much earlier as the seven before it take.
const SHARED_BY: u32 = 8;

thread_local! {
    static ROUND: Cell<Option<Round>> = const { Cell::new(None) };
}

/// Answers that were read at this moment have been handed out on this thread, the only one of its runtime.
pub(crate) fn begin_round(moment: Moment) {
    let left = SHARED_BY;
    // A thread that is ending looks each time.
    let _ = ROUND.try_with(|round| {
        round.set(Some(Round {
            moment,
            tick: tick(),
            left,
        }))
    });
}

/// What was woken has run.
pub(crate) fn end_round() {
    let _ = ROUND.try_with(|round| round.set(None));
}

/// When a request begins: this moment, or that of one shortly before it in the same round.
#[inline]
pub(crate) fn begin_request() -> Moment {
    let shared = ROUND.try_with(|current| {
        let mut round = current.get()?;
        if round.left == 0 || round.tick.is_none() || round.tick != tick() {
            round.moment = Moment::of(now());
            round.tick = tick();
            round.left = SHARED_BY;
        }
        round.left -= 1;
        current.set(Some(round));
        Some(round.moment)
    });
    match shared {
        Ok(Some(moment)) => moment,
        _ => Moment::of(now()),
    }
}

/// A clock that costs next to nothing and counts in steps of a few milliseconds; `None` where there is none.
#[cfg(target_os = "linux")]
#[inline]
fn tick() -> Option<i64> {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::MonotonicCoarse);
    Some(time.tv_sec.wrapping_mul(1_000_000_000).wrapping_add(time.tv_nsec))
}

#[cfg(not(target_os = "linux"))]
fn tick() -> Option<i64> {
    None
}

#[inline]
fn nanoseconds(time: Duration) -> u64 {
    let seconds = time.as_secs().saturating_mul(1_000_000_000);
    seconds.saturating_add(u64::from(time.subsec_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Elsewhere each request looks.
    #[test]
    #[cfg(target_os = "linux")]
    fn requests_of_a_round_share_a_look_at_the_clock_by_eights() {
        // Whoever is interrupted, or meets the end of a tick, tries again.
        let (began, moments) = loop {
            let (before, began) = (tick(), Moment::of(now()));
            begin_round(began);
            let moments: Vec<_> = (0..100 * SHARED_BY).map(|_| begin_request()).collect();
            if tick() == before {
                break (began, moments);
            }
        };
        assert!(moments.is_sorted());
        let shared = moments.chunks(SHARED_BY as usize);
        assert!(
            shared
                .clone()
                .all(|eight| eight.iter().all(|moment| *moment == eight[0]))
        );
        let looks: Vec<_> = shared.map(|eight| eight[0]).collect();
        assert_eq!(looks[0], began);
        assert!(looks.is_sorted_by(|earlier, later| earlier < later));
        end_round();
        assert!(begin_request() < begin_request());
    }

    #[test]
    fn a_round_that_takes_long_has_further_looks_at_the_clock() {
        begin_round(Moment::of(now()));
        for _ in 0..3 {
            let before = Moment::of(now());
            std::thread::sleep(Duration::from_millis(15));
            let begun = begin_request();
            assert!(begun.since(before) >= Duration::from_millis(15));
        }
        end_round();
    }

    #[test]
    fn a_round_is_that_of_one_thread() {
        let began = Moment::of(now());
        begin_round(began);
        let other = std::thread::spawn(begin_request).join().unwrap();
        assert!(other > began);
        end_round();
    }

    #[test]
    fn moments_are_instants_in_the_same_order_and_as_far_apart() {
        let now = Instant::now();
        let moment = Moment::of(now);
        assert_eq!(moment.instant(), now);
        let time = Duration::new(3, 7);
        assert_eq!(Moment::of(now + time), moment.checked_add(time).unwrap());
        assert_eq!(Moment::of(now + time).since(moment), time);
        assert_eq!(moment.since(Moment::of(now + time)), Duration::ZERO);
        assert_eq!(Moment::of(now + time).micros_since(moment), 3_000_000);
        assert!(moment < Moment::of(now + Duration::from_nanos(1)));
        assert_eq!(Moment::from_raw(moment.into_raw()), moment);
        assert_eq!(moment.checked_add(Duration::MAX), None);
        assert_eq!(moment.checked_add(Duration::from_nanos(u64::MAX - 2)), None);
    }
}
