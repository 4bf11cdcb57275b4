//! What tells snapshots apart.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that no other snapshot has: a copy, made to be changed, gets one of its own.
#[derive(Debug)]
pub(super) struct Version(u64);

impl Version {
    pub(super) fn number(&self) -> u64 {
        self.0
    }
}

impl Default for Version {
    fn default() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl Clone for Version {
    fn clone(&self) -> Self {
        Self::default()
    }
}
