//! What a policy works out once for each snapshot of the cluster.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwapOption;

use crate::cluster::ClusterState;

/// A value that belongs to the snapshot that was asked about last. Reading it takes no lock.
pub(super) struct PerState<T>(ArcSwapOption<Entry<T>>);

struct Entry<T> {
    version: u64,
    value: T,
}

impl<T> PerState<T> {
    /// Looks at the value for this snapshot, made if it is not there. Two threads may make it at once: one of the two stays.
    #[inline]
    pub(super) fn look<R>(
        &self,
        state: &ClusterState,
        make: impl FnOnce() -> T,
        look: impl FnOnce(&T) -> R,
    ) -> R {
        match &*self.0.load() {
            Some(entry) if entry.version == state.version() => look(&entry.value),
            _ => look(&self.make(state, make).value),
        }
    }

    #[cold]
    fn make(&self, state: &ClusterState, make: impl FnOnce() -> T) -> Arc<Entry<T>> {
        let entry = Arc::new(Entry {
            version: state.version(),
            value: make(),
        });
        self.0.store(Some(Arc::clone(&entry)));
        entry
    }
}

impl<T> Default for PerState<T> {
    fn default() -> Self {
        Self(ArcSwapOption::empty())
    }
}

impl<T> fmt::Debug for PerState<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PerState")
    }
}
