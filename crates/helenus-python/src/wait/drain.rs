//! The drain thread of a cluster: polls what became ready, runs callbacks, and tells when nodes have changed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use helenus::ClusterEvent;
use pyo3::prelude::*;

use super::queue::Queued;
use super::{CompletionQueue, Deliveries};
use crate::cluster::ClusterContext;

/// How often the nodes are looked at without any news of them, for what no event tells: nodes that nobody connects to and that
/// are said to be down. The look costs a few loads; Python hears of it only when something is different.
const LOOK: Duration = Duration::from_secs(1);

/// Whether there is news of the nodes. In the queue it wakes the drain.
#[derive(Default)]
struct News(AtomicBool);

impl News {
    fn told(self: &Arc<Self>, queue: &Arc<CompletionQueue>) {
        // Once is enough until somebody has looked.
        if !self.0.swap(true, Ordering::AcqRel) {
            queue.push(Arc::clone(self) as Arc<dyn Queued>);
        }
    }

    fn taken(&self) -> bool {
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::AcqRel)
    }
}

impl Queued for News {
    fn advance(self: Arc<Self>) -> bool {
        false
    }

    fn deliver(self: Arc<Self>, _: Python<'_>, _: &mut Deliveries) {}
}

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
        let news = Arc::new(News::default());
        // It ends when the cluster is closed.
        let mut events = context.cluster.subscribe();
        let (queue, teller) = (Arc::clone(&context.queue), Arc::clone(&news));
        context.io.handle().spawn(async move {
            while let Some(event) = events.next().await {
                if !matches!(event, ClusterEvent::Schema { .. }) {
                    teller.told(&queue);
                }
            }
        });
        py.detach(|| {
            let mut batch = Vec::new();
            let mut seen = context.nodes_fingerprint();
            let mut next_look = Instant::now() + LOOK;
            while context.queue.take_batch(&mut batch, LOOK) {
                batch.retain(|entry| entry.clone().advance());
                let now = Instant::now();
                let mut changed = false;
                if news.taken() || now >= next_look {
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
                    // What callbacks send leaves together.
                    let holding = (batch.len() > 1).then(|| context.io.hold());
                    for entry in batch.drain(..) {
                        entry.deliver(py, &mut deliveries);
                    }
                    drop(holding);
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
