//! Whose request it is, on connections that several sessions share.

use std::sync::atomic::{AtomicU32, Ordering};

/// Whose request it is: a session's, or the driver's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Owner(u32);

impl Owner {
    /// The driver itself.
    pub(crate) const DRIVER: Self = Self(0);

    /// Somebody else.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed).max(1))
    }

    pub(super) fn into_raw(self) -> u32 {
        self.0
    }
}
