//! What the driver tells of itself: metrics.
//!
//! ```text
//!   executor ──▶ Watch (one request) ──▶ NodeMeter, SessionMeter ──▶ Metrics (a snapshot) ──▶ exporters
//! ```
//! A request that is answered at once costs a few additions to counters of its core. Everything else happens only on the way
//! of requests that are slow anyway, or when somebody asked for it.
//! Invariants: counts only grow while a session lives, also when nodes leave. What is switched off costs a branch.

mod cause;
mod histogram;
mod meter;
mod metrics;
mod watch;

pub use cause::CauseCounts;
pub use histogram::LatencyHistogram;
pub use metrics::{Counts, Metrics, NodeMetrics};

pub(crate) use cause::Cause;
pub(crate) use meter::{ClusterMeter, NodeMeter, SessionMeter};
pub(crate) use watch::{AttemptKind, Watch};

/// What is observed, as the builder was told.
#[derive(Clone, Debug)]
pub(crate) struct ObserveOptions {
    /// Whether durations are measured.
    pub(crate) latency: bool,
}

impl Default for ObserveOptions {
    fn default() -> Self {
        Self { latency: true }
    }
}
