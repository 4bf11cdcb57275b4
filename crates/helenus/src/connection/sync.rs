//! Locks and atomics that threads meet at, of the standard library; of loom where it walks through all interleavings.

#[cfg(not(all(test, helenus_loom)))]
pub(super) use {
    atomic_waker::AtomicWaker,
    std::sync::atomic::{AtomicBool, AtomicIsize, AtomicU16, AtomicU64, Ordering, fence},
    std::sync::{Mutex, MutexGuard},
};

#[cfg(all(test, helenus_loom))]
pub(super) use {
    loom::sync::atomic::{AtomicBool, AtomicIsize, AtomicU16, AtomicU64, Ordering, fence},
    loom::sync::{Mutex, MutexGuard},
    modelled::AtomicWaker,
};

#[cfg(all(test, helenus_loom))]
mod modelled {
    use std::task::Waker;

    use loom::sync::Mutex;

    /// What `atomic_waker` promises, by a lock.
    pub(crate) struct AtomicWaker(Mutex<Option<Waker>>);

    impl AtomicWaker {
        pub(crate) fn new() -> Self {
            Self(Mutex::new(None))
        }

        pub(crate) fn register(&self, waker: &Waker) {
            let mut registered = self.0.lock().unwrap();
            if !registered.as_ref().is_some_and(|old| old.will_wake(waker)) {
                *registered = Some(waker.clone());
            }
        }

        pub(crate) fn wake(&self) {
            let waker = self.0.lock().unwrap().take();
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}
