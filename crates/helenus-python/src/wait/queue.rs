//! The completion queue of a cluster: what became ready while nobody waited for it.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::Python;

use super::deliveries::Deliveries;
use crate::runtime::Alarm;

/// Something that wants the attention of the drain thread.
pub(crate) trait Queued: Send + Sync {
    /// Does what can be done without the interpreter. Returns whether Python code waits for the outcome.
    fn advance(self: Arc<Self>) -> bool;

    /// Runs what waits for the outcome; the thread is attached to the interpreter. Errors are its own to report. What
    /// can be handed over once for the whole batch is left in `deliveries`.
    fn deliver(self: Arc<Self>, py: Python<'_>, deliveries: &mut Deliveries);
}

/// A queue with many producers and one consumer, which is woken only if it sleeps.
#[derive(Default)]
pub(crate) struct CompletionQueue {
    state: Mutex<State>,
    ready: Condvar,
}

#[derive(Default)]
struct State {
    entries: Vec<Arc<dyn Queued>>,
    asleep: bool,
    closed: bool,
}

impl CompletionQueue {
    /// Adds an entry and wakes the drain thread if it sleeps. After `close` the entry is dropped.
    pub(crate) fn push(self: &Arc<Self>, entry: Arc<dyn Queued>) {
        let mut state = self.lock();
        if state.closed {
            return;
        }
        state.entries.push(entry);
        if std::mem::take(&mut state.asleep) {
            drop(state);
            Alarm::Drain(self.clone()).ring_in_turn();
        }
    }

    /// Wakes the drain thread.
    pub(crate) fn ring(&self) {
        self.ready.notify_one();
    }

    /// Moves everything that is queued into `batch`, which is empty, waiting up to `patience` until there is something.
    ///
    /// Returns `false` once the queue is closed and nothing is left.
    pub(crate) fn take_batch(&self, batch: &mut Vec<Arc<dyn Queued>>, patience: Duration) -> bool {
        let mut state = self.lock();
        if state.entries.is_empty() && !state.closed {
            state.asleep = true;
            state = self
                .ready
                .wait_timeout_while(state, patience, |state| state.entries.is_empty() && !state.closed)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
            state.asleep = false;
        }
        std::mem::swap(&mut state.entries, batch);
        !(batch.is_empty() && state.closed)
    }

    /// Lets the drain thread end when it has done what is queued.
    pub(crate) fn close(&self) {
        self.lock().closed = true;
        self.ready.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    struct Entry;
    impl Queued for Entry {
        fn advance(self: Arc<Self>) -> bool {
            false
        }
        fn deliver(self: Arc<Self>, _: Python<'_>, _: &mut Deliveries) {}
    }

    #[test]
    fn a_batch_is_all_that_was_queued() {
        let queue = Arc::new(CompletionQueue::default());
        queue.push(Arc::new(Entry));
        queue.push(Arc::new(Entry));
        let mut batch = Vec::new();
        assert!(queue.take_batch(&mut batch, PATIENCE));
        assert_eq!(batch.len(), 2);
    }

    #[test]
    fn a_closed_queue_hands_out_what_is_left_and_then_ends() {
        let queue = Arc::new(CompletionQueue::default());
        queue.push(Arc::new(Entry));
        queue.close();
        queue.push(Arc::new(Entry));
        let mut batch = Vec::new();
        assert!(queue.take_batch(&mut batch, PATIENCE));
        assert_eq!(batch.len(), 1);
        assert!(!queue.take_batch(&mut Vec::new(), PATIENCE));
    }

    #[test]
    fn a_sleeping_consumer_is_woken() {
        let queue = Arc::new(CompletionQueue::default());
        let consumer = std::thread::spawn({
            let queue = queue.clone();
            move || {
                let mut batch = Vec::new();
                queue.take_batch(&mut batch, PATIENCE);
                batch.len()
            }
        });
        queue.push(Arc::new(Entry));
        assert!(consumer.join().unwrap() >= 1);
    }
}
