//! Connecting, as an operation that is done again and again: its time and its CPU time.
//!
//! Memory is that of the process once it has connected for the first time and is idle.

use std::time::Instant;

use crate::measure::{Clock, Measurement, rss_kib};
use crate::{Failure, Plan};

/// Connects and lets go until the plan's time is over. What `connect` returns is held while memory is looked at.
pub(crate) async fn measure<S, F>(plan: &Plan, connect: impl Fn() -> F) -> Result<Measurement, Failure>
where
    F: Future<Output = Result<S, Failure>>,
{
    let first = connect().await?;
    let idle = rss_kib();
    drop(first);
    let mut clock = Clock::new(plan.warm_up(), plan.duration());
    loop {
        let since = Instant::now();
        let session = connect().await?;
        clock.latency(since);
        drop(session);
        // Tasks of the session that was let go end here, within what is measured.
        tokio::task::yield_now().await;
        if !clock.tick(1) {
            return Ok(clock.finish().idle(idle));
        }
    }
}
