//! Metrics for OpenTelemetry, by the crate `opentelemetry`. With the feature `opentelemetry`.

use std::sync::Arc;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Histogram, Meter};

use super::export::{EXPORTED, Labels};
use super::tracker::{RequestEnd, RequestInfo, RequestTracker};
use super::{Cause, Metrics};
use crate::error::RequestError;
use crate::result::QueryResult;

/// Upper bounds of the buckets, in seconds, as the conventions for database clients have them.
const BOUNDS: [f64; 9] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

/// Metrics of the driver for a meter of the crate `opentelemetry`.
///
/// As a request tracker it records `db.client.operation.duration` of each request, with the attributes of OpenTelemetry's
/// conventions; [`OpenTelemetryMetrics::observe`] has everything else read when it is collected.
///
/// ```no_run
/// # async fn run(meter: opentelemetry::metrics::Meter) -> Result<(), Box<dyn std::error::Error>> {
/// use std::sync::Arc;
/// use helenus::{Cluster, OpenTelemetryMetrics};
///
/// let cluster = Cluster::builder()
///     .contact_point("127.0.0.1")
///     .request_tracker(Arc::new(OpenTelemetryMetrics::new(&meter)))
///     .build()?;
/// let session = cluster.connect().await?;
/// OpenTelemetryMetrics::observe(&meter, move || session.metrics());
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct OpenTelemetryMetrics {
    duration: Histogram<f64>,
}

impl OpenTelemetryMetrics {
    /// Records the durations of requests.
    pub fn new(meter: &Meter) -> Self {
        let duration = meter
            .f64_histogram("db.client.operation.duration")
            .with_unit("s")
            .with_description("Duration of database client operations")
            .with_boundaries(BOUNDS.to_vec())
            .build();
        Self { duration }
    }

    /// Has the other metrics read from `source` whenever the meter collects: `session.metrics()` or `cluster.metrics()`.
    pub fn observe(meter: &Meter, source: impl Fn() -> Metrics + Send + Sync + 'static) {
        let source: Arc<dyn Fn() -> Metrics + Send + Sync> = Arc::new(source);
        for exported in &EXPORTED {
            let (source, points) = (Arc::clone(&source), exported.points);
            if points.is_gauge() {
                meter
                    .i64_observable_up_down_counter(exported.name)
                    .with_unit(exported.unit)
                    .with_description(exported.help)
                    .with_callback(move |instrument| {
                        for (labels, count) in points.of(&source()) {
                            instrument.observe(i64::try_from(count).unwrap_or(i64::MAX), &attributes(labels));
                        }
                    })
                    .build();
            } else {
                meter
                    .u64_observable_counter(exported.name)
                    .with_unit(exported.unit)
                    .with_description(exported.help)
                    .with_callback(move |instrument| {
                        for (labels, count) in points.of(&source()) {
                            instrument.observe(count, &attributes(labels));
                        }
                    })
                    .build();
            }
        }
    }

    fn record(&self, request: &RequestInfo<'_>, end: &RequestEnd<'_>, cause: Option<Cause>) {
        let mut attributes = vec![
            KeyValue::new("db.system.name", "cassandra"),
            KeyValue::new("db.operation.name", request.operation()),
        ];
        if let Some(keyspace) = request.keyspace() {
            attributes.push(KeyValue::new("db.namespace", keyspace.to_owned()));
        }
        if let Some(address) = end.node.and_then(|node| node.address()) {
            attributes.push(KeyValue::new("server.address", address.ip().to_string()));
            attributes.push(KeyValue::new("server.port", i64::from(address.port())));
        }
        if let Some(cause) = cause {
            attributes.push(KeyValue::new("error.type", cause.name()));
        }
        self.duration.record(end.latency.as_secs_f64(), &attributes);
    }
}

fn attributes(labels: Labels) -> Vec<KeyValue> {
    let attribute = |(name, value): (&'static str, String)| match (name, value.parse::<i64>()) {
        ("server.port", Ok(port)) => KeyValue::new(name, port),
        _ => KeyValue::new(name, value),
    };
    labels.into_iter().map(attribute).collect()
}

impl RequestTracker for OpenTelemetryMetrics {
    fn on_success(&self, request: &RequestInfo<'_>, end: &RequestEnd<'_>, _: &QueryResult) {
        self.record(request, end, None);
    }

    fn on_error(&self, request: &RequestInfo<'_>, end: &RequestEnd<'_>, error: &RequestError) {
        self.record(request, end, Some(Cause::of_request(error.kind())));
    }
}
