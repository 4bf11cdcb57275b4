//! The one clock of deadlines and delays: monotonic, and tokio's, so that tests can step it by hand.
//!
//! Invariant: no deadline is taken from the time of day, which may jump.

use std::time::Instant;

/// This moment. Outside of tests with stepped time this is `Instant::now`.
pub(crate) fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
