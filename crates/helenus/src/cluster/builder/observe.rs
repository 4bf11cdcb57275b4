//! What the driver observes.

use super::ClusterBuilder;

impl ClusterBuilder {
    /// Whether the durations of requests are measured: see [`Metrics`](crate::Metrics). True by default; each request then reads
    /// the clock once more.
    pub fn measure_latency(mut self, measure: bool) -> Self {
        self.observe.latency = measure;
        self
    }
}
