//! The drain thread of a cluster: polls what became ready, runs callbacks, and tells when nodes have changed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pyo3::prelude::*;

use super::Deliveries;
use crate::cluster::ClusterContext;

/// How often the nodes are looked at. The look costs a few loads; Python hears of it only when something is different.
const LOOK: Duration = Duration::from_secs(1);

/// The body of the drain thread. `Cluster` runs it on a thread that Python made, which enters the interpreter cheaply.
#[pyclass(name = "CompletionDrain", module = "cassandra._core", frozen)]
pub(crate) struct CompletionDrain {
    context: Arc<ClusterContext>,
}

impl CompletionDrain {
    /// The drain of the cluster's queue.
    pub(crate) fn new(context: Arc<ClusterContext>) -> Self {
        Self { context }
    }
}

#[pymethods]
impl CompletionDrain {
    /// Deliver completions until the queue is closed and empty; call *nodes_changed* when nodes came, went or changed.
    fn run(&self, py: Python<'_>, nodes_changed: Py<PyAny>) {
        let context = &self.context;
        py.detach(|| {
            let mut batch = Vec::new();
            let mut seen = context.nodes_fingerprint();
            let mut next_look = Instant::now() + LOOK;
            while context.queue.take_batch(&mut batch, LOOK) {
                batch.retain(|entry| entry.clone().advance());
                let now = Instant::now();
                let mut changed = false;
                if now >= next_look {
                    next_look = now + LOOK;
                    let fingerprint = context.nodes_fingerprint();
                    changed = fingerprint != seen;
                    seen = fingerprint;
                }
                if batch.is_empty() && !changed {
                    continue;
                }
                Python::attach(|py| {
                    let mut deliveries = Deliveries::default();
                    for entry in batch.drain(..) {
                        entry.deliver(py, &mut deliveries);
                    }
                    if let Err(error) = deliveries.send(py) {
                        error.write_unraisable(py, None);
                    }
                    if changed && let Err(error) = nodes_changed.call0(py) {
                        error.write_unraisable(py, Some(nodes_changed.bind(py)));
                    }
                });
            }
        });
    }
}
