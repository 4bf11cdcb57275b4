//! What the driver tells of itself: metrics, spans, and whatever request trackers make of it.
//!
//! ```text
//!   executor ──▶ Watch (one request) ──▶ NodeMeter, SessionMeter ──▶ Metrics (a snapshot) ──▶ exporters
//!   connections ─────────────────────▶ PoolMeter ─────────────────────▲
//!                        └─────────────▶ spans, RequestTracker (slow requests, ...), if anybody wants them
//! ```
//! A request that is answered at once costs a few additions to counters of its core. Everything else happens only on the way
//! of requests that are slow anyway, or when somebody asked for it.
//! Invariants: counts only grow while a session lives, also when nodes leave. What is switched off costs a branch. Values of
//! statements are never shown.

mod cause;
#[cfg(any(feature = "opentelemetry", feature = "prometheus"))]
mod export;
mod histogram;
mod meter;
mod metrics;
#[cfg(feature = "opentelemetry")]
mod opentelemetry;
#[cfg(feature = "prometheus")]
mod prometheus;
mod request_id;
mod slow_log;
mod span;
mod text;
mod tracker;
mod traffic;
mod watch;

pub use cause::CauseCounts;
pub use histogram::LatencyHistogram;
pub use metrics::{Counts, Metrics, NodeMetrics};
#[cfg(feature = "opentelemetry")]
pub use opentelemetry::OpenTelemetryMetrics;
#[cfg(feature = "prometheus")]
pub use prometheus::PrometheusCollector;
pub use request_id::{RandomRequestIds, RequestIdGenerator};
pub use slow_log::SlowQueryLog;
pub use tracker::{AttemptInfo, RequestEnd, RequestInfo, RequestTracker};

pub(crate) use cause::Cause;
pub(crate) use meter::{ClusterMeter, SessionMeter};
pub(crate) use traffic::PoolMeter;
pub(crate) use watch::{AttemptKind, Watch};

use std::sync::Arc;

/// What is observed, as the builder was told.
#[derive(Clone, Debug)]
pub(crate) struct ObserveOptions {
    /// Whether durations are measured.
    pub(crate) latency: bool,
    pub(crate) trackers: Arc<[Arc<dyn RequestTracker>]>,
    pub(crate) request_ids: Option<Arc<dyn RequestIdGenerator>>,
}

impl ObserveOptions {
    /// Whether there is something to do for each request.
    #[inline]
    pub(crate) fn watches_requests(&self) -> bool {
        !self.trackers.is_empty() || self.request_ids.is_some()
    }
}

impl Default for ObserveOptions {
    fn default() -> Self {
        Self {
            latency: true,
            trackers: Arc::default(),
            request_ids: None,
        }
    }
}
