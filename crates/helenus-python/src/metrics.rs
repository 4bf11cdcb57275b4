//! What a cluster counted, as `cassandra.metrics` wants to have it.

use helenus::Metrics;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// The counts of `metrics` by the names of `cassandra.metrics.Metrics`; under `latencies` the longest latency of each bucket,
/// in seconds, and how many belong there; under `latency_sum` all of them together.
pub(crate) fn to_python<'py>(py: Python<'py>, metrics: &Metrics) -> PyResult<Bound<'py, PyDict>> {
    let counts = &metrics.total;
    let by_name = |name: &str| counts.errors.get(name);
    let named = by_name("write_timeout") + by_name("read_timeout") + by_name("unavailable");
    let lost = by_name("connection_lost");
    let stats = PyDict::new(py);
    stats.set_item("write_timeouts", by_name("write_timeout"))?;
    stats.set_item("read_timeouts", by_name("read_timeout"))?;
    stats.set_item("unavailables", by_name("unavailable"))?;
    stats.set_item("other_errors", counts.errors.total() - named - lost)?;
    stats.set_item("retries", counts.retries.total())?;
    stats.set_item("ignores", counts.ignores.total())?;
    stats.set_item("open_connections", counts.open_connections)?;
    stats.set_item(
        "connection_errors",
        counts.connections_lost + counts.connection_errors,
    )?;
    let mut latency = metrics.latency.clone();
    latency.merge(&metrics.failed_latency);
    let buckets: Vec<(f64, u64)> = latency
        .buckets()
        .map(|(longest, count)| (longest.as_secs_f64(), count))
        .collect();
    stats.set_item("latencies", buckets)?;
    stats.set_item("latency_sum", latency.sum().as_secs_f64())?;
    Ok(stats)
}
