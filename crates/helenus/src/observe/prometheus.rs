//! Metrics for Prometheus, by the crate `prometheus-client`. With the feature `prometheus`.

use std::fmt;
use std::time::Duration;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Registry;

use super::export::{EXPORTED, labels_of};
use super::{LatencyHistogram, Metrics};

/// Upper bounds of the buckets of histograms, in seconds, as OpenTelemetry's conventions have them.
const BOUNDS: [f64; 9] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

/// Metrics of the driver for a registry of the crate `prometheus-client`, read when they are asked for.
///
/// ```no_run
/// # async fn serve(session: helenus::Session) -> Result<(), std::fmt::Error> {
/// use prometheus_client::registry::Registry;
///
/// let mut registry = Registry::default();
/// registry.register_collector(Box::new(helenus::PrometheusCollector::new(move || session.metrics())));
/// let mut text = String::new();
/// prometheus_client::encoding::text::encode(&mut text, &registry)?;
/// # Ok(())
/// # }
/// ```
pub struct PrometheusCollector {
    source: Box<dyn Fn() -> Metrics + Send + Sync>,
}

impl PrometheusCollector {
    /// Collects what `source` gives: `session.metrics()` or `cluster.metrics()`.
    pub fn new(source: impl Fn() -> Metrics + Send + Sync + 'static) -> Self {
        Self {
            source: Box::new(source),
        }
    }
}

impl fmt::Debug for PrometheusCollector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrometheusCollector").finish_non_exhaustive()
    }
}

impl Metrics {
    /// The metrics in the text format of Prometheus (OpenMetrics 1.0), whole.
    ///
    /// # Errors
    /// None but those of the encoder, which writes to memory.
    pub fn to_prometheus(&self) -> Result<String, fmt::Error> {
        let metrics = self.clone();
        let mut registry = Registry::default();
        registry.register_collector(Box::new(PrometheusCollector::new(move || metrics.clone())));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry)?;
        Ok(text)
    }
}

/// A name as Prometheus writes it.
fn prometheus_name(name: &str) -> String {
    name.replace('.', "_")
}

impl Collector for PrometheusCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let metrics = (self.source)();
        for exported in &EXPORTED {
            let mut name = prometheus_name(exported.name);
            if exported.unit == "By" {
                name.push_str("_bytes");
            }
            let kind = match exported.points.is_gauge() {
                true => MetricType::Gauge,
                false => MetricType::Counter,
            };
            let mut family = encoder.encode_descriptor(&name, exported.help, None, kind)?;
            for (labels, count) in exported.points.of(&metrics) {
                let labels: Vec<_> = labels
                    .into_iter()
                    .map(|(name, value)| (prometheus_name(name), value))
                    .collect();
                let now = i64::try_from(count).unwrap_or(i64::MAX);
                match (labels.is_empty(), exported.points.is_gauge()) {
                    (true, true) => family.encode_gauge(&now)?,
                    (true, false) => family.encode_counter::<NoLabelSet, _, u64>(&count, None)?,
                    (false, true) => family.encode_family(&labels)?.encode_gauge(&now)?,
                    (false, false) => family
                        .encode_family(&labels)?
                        .encode_counter::<NoLabelSet, _, u64>(&count, None)?,
                }
            }
        }
        let help = "Duration of requests, all attempts together";
        let name = "db_client_operation_duration_seconds";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for (outcome, latency) in [
            ("success", &metrics.latency),
            ("failure", &metrics.failed_latency),
        ] {
            let labels = [("db_system_name", "cassandra"), ("outcome", outcome)];
            encode_histogram(family.encode_family(&labels)?, latency)?;
        }
        let help = "Duration of attempts that were answered";
        let name = "helenus_attempt_duration_seconds";
        let mut family = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
        for known in &metrics.nodes {
            let labels: Vec<_> = labels_of(known)
                .into_iter()
                .map(|(name, value)| (prometheus_name(name), value))
                .collect();
            encode_histogram(family.encode_family(&labels)?, &known.counts.latency)?;
        }
        Ok(())
    }
}

fn encode_histogram(
    mut metric: prometheus_client::encoding::MetricEncoder<'_>,
    latency: &LatencyHistogram,
) -> Result<(), fmt::Error> {
    let mut below = 0;
    let mut buckets: Vec<_> = BOUNDS
        .iter()
        .map(|bound| {
            let at_most = latency.count_at_most(Duration::from_secs_f64(*bound));
            let count = at_most - below;
            below = at_most;
            (*bound, count)
        })
        .collect();
    buckets.push((f64::INFINITY, latency.count() - below));
    let sum = latency.sum().as_secs_f64();
    metric.encode_histogram::<NoLabelSet>(sum, latency.count(), &buckets, None)
}
