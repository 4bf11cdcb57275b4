//! The one clock of deadlines and delays: monotonic, and tokio's, so that tests can step it by hand.
//!
//! Invariant: no deadline is taken from the time of day, which may jump.

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

#[inline]
fn nanoseconds(time: Duration) -> u64 {
    let seconds = time.as_secs().saturating_mul(1_000_000_000);
    seconds.saturating_add(u64::from(time.subsec_nanos()))
}

#[cfg(test)]
mod tests {
    use super::*;

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
