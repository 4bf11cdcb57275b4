//! Locks and atomics that threads meet at, of the standard library; of loom where it walks through all interleavings.

#[cfg(not(all(test, helenus_loom)))]
pub(super) use {
    atomic_waker::AtomicWaker,
    std::sync::atomic::{
        AtomicBool, AtomicIsize, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    },
    std::sync::{Mutex, MutexGuard},
};

/// A lock that is held for a move or two and almost never met by two: given back by a mere store, where other locks have to
/// look for somebody who sleeps. Who meets it closed lets other threads run.
#[cfg(not(all(test, helenus_loom)))]
pub(super) type ShortLock<T> = spin::mutex::SpinMutex<T, spin::relax::Yield>;
#[cfg(not(all(test, helenus_loom)))]
pub(super) type ShortLockGuard<'a, T> = spin::mutex::SpinMutexGuard<'a, T, spin::relax::Yield>;

#[cfg(all(test, helenus_loom))]
pub(super) use {
    loom::sync::atomic::{
        AtomicBool, AtomicIsize, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    },
    loom::sync::{Mutex, MutexGuard},
    modelled::{AtomicWaker, ShortLock, ShortLockGuard},
};

#[cfg(all(test, helenus_loom))]
mod modelled {
    use std::task::Waker;

    use loom::sync::{Mutex, MutexGuard};

    /// A lock like any other.
    pub(crate) struct ShortLock<T>(Mutex<T>);

    pub(crate) type ShortLockGuard<'a, T> = MutexGuard<'a, T>;

    impl<T> ShortLock<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> ShortLockGuard<'_, T> {
            self.0.lock().unwrap()
        }
    }

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
