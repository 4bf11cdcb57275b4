//! What the driver observes, and whom it tells.

use std::sync::Arc;

use super::ClusterBuilder;
use crate::observe::{RequestIdGenerator, RequestTracker, SlowQueryLog};

impl ClusterBuilder {
    /// Whether the durations of requests are measured: see [`Metrics`](crate::Metrics). True by default. A request that is answered
    /// at once ends when its answer was read from the socket, not when the program looks at it.
    pub fn measure_latency(mut self, measure: bool) -> Self {
        self.observe.latency = measure;
        self
    }

    /// Has each request told to this tracker. There may be several; they are told in the order in which they were added.
    pub fn request_tracker(mut self, tracker: Arc<dyn RequestTracker>) -> Self {
        let others = self.observe.trackers.iter().cloned();
        self.observe.trackers = others.chain([tracker]).collect();
        self
    }

    /// Logs slow requests.
    pub fn slow_query_log(self, log: SlowQueryLog) -> Self {
        self.request_tracker(Arc::new(log))
    }

    /// Gives each request an id, which is sent in its custom payload under the key `request-id` (protocol v4 and later), and
    /// stands in its errors, spans and logs. None by default.
    pub fn request_ids(mut self, generator: impl Into<Option<Arc<dyn RequestIdGenerator>>>) -> Self {
        self.observe.request_ids = generator.into();
        self
    }
}
