//! Keeping cores apart: what each request counts or writes exists once for each core, on cache lines of its own.
//!
//! A line that all cores write moves from one to the next with each request, at 50 to 100 ns a time, and bounds the
//! requests of a second whatever the number of cores. Threads choose their part once, in turn; a runtime with a worker for
//! each core gives each worker a part of its own. Two threads may share a part: it is as right, only slower. As many threads as
//! there are parts can know that a part is theirs alone.

use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

/// A value that shares no cache line with its neighbours. Two lines, as they are fetched in pairs.
#[derive(Debug, Default)]
#[repr(align(128))]
pub(crate) struct CacheLine<T>(pub(crate) T);

/// More parts would cost more memory than they save time.
const MOST: usize = 64;

/// How many parts there are. Asking the system takes it many files of control groups, so that is done once.
fn parts() -> usize {
    static PARTS: OnceLock<usize> = OnceLock::new();
    *PARTS.get_or_init(|| {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        cores.next_power_of_two().min(MOST)
    })
}

/// A value for each core.
#[derive(Clone)]
pub(crate) struct Shards<T>(Box<[T]>);

impl<T> Shards<T> {
    /// As many values as this machine has cores, up to the next power of two.
    pub(crate) fn new(make: impl FnMut() -> T) -> Self {
        Self(std::iter::repeat_with(make).take(parts()).collect())
    }

    /// The value of this thread.
    #[inline]
    pub(crate) fn mine(&self) -> &T {
        self.mine_alone().0
    }

    /// The same, and whether this is the one thread that may say so of this value. What is then written by it alone, beside
    /// what all write, needs no instruction that keeps other cores out.
    #[inline]
    pub(crate) fn mine_alone(&self) -> (&T, bool) {
        let (thread, count) = (number_of_thread(), self.0.len());
        // Their number is a power of two.
        (&self.0[thread & (count - 1)], thread < count)
    }
}

impl<T> Shards<T> {
    /// The values of all threads.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.0.iter()
    }
}

impl<T: Default> Default for Shards<T> {
    fn default() -> Self {
        Self::new(T::default)
    }
}

impl<T: fmt::Debug> fmt::Debug for Shards<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.mine().fmt(f)
    }
}

/// A reference to something shared, counted by the threads of one part only.
pub(crate) struct Local<T>(Arc<CacheLine<Arc<T>>>);

impl<T> Local<T> {
    /// References to `value` for all threads.
    pub(crate) fn shards(value: &Arc<T>) -> Shards<Self> {
        Shards::new(|| Self(Arc::new(CacheLine(Arc::clone(value)))))
    }
}

impl<T> Clone for Local<T> {
    #[inline]
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<T> Deref for Local<T> {
    type Target = Arc<T>;

    #[inline]
    fn deref(&self) -> &Arc<T> {
        &self.0.0
    }
}

/// A number that stays with the thread; threads are numbered in the order in which they ask.
pub(crate) fn number_of_thread() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static NUMBER: usize = THREADS.fetch_add(1, Ordering::Relaxed);
    }
    // A thread that is ending has none any more, and must not take another's.
    NUMBER.try_with(|number| *number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_keeps_its_part_and_others_have_theirs() {
        let shards = Shards::new(|| CacheLine(AtomicUsize::new(0)));
        let mine: *const _ = shards.mine();
        assert!(std::ptr::eq(mine, shards.mine()));
        let count = shards.0.len();
        assert!(count.is_power_of_two());
        std::thread::scope(|scope| {
            for _ in 0..4 * count {
                scope.spawn(|| shards.mine().0.fetch_add(1, Ordering::Relaxed));
            }
        });
        let total: usize = shards.0.iter().map(|part| part.0.load(Ordering::Relaxed)).sum();
        assert_eq!(total, 4 * count);
    }

    #[test]
    fn only_one_thread_has_a_part_alone() {
        let shards = Shards::new(|| (AtomicUsize::new(0), AtomicUsize::new(0)));
        std::thread::scope(|scope| {
            for _ in 0..4 * shards.0.len() {
                scope.spawn(|| {
                    let ((alone, shared), is_alone) = shards.mine_alone();
                    let count = if is_alone { alone } else { shared };
                    count.fetch_add(1, Ordering::Relaxed);
                });
            }
        });
        let total = |of: fn(&(AtomicUsize, AtomicUsize)) -> &AtomicUsize| {
            shards
                .iter()
                .map(|part| of(part).load(Ordering::Relaxed))
                .sum::<usize>()
        };
        assert!(shards.iter().all(|(alone, _)| alone.load(Ordering::Relaxed) <= 1));
        assert_eq!(total(|part| &part.0) + total(|part| &part.1), 4 * shards.0.len());
    }

    #[test]
    fn local_references_count_apart_and_keep_the_value_alive() {
        let value = Arc::new(7);
        let shards = Local::shards(&value);
        let before = Arc::strong_count(&value);
        let local = shards.mine().clone();
        assert_eq!(Arc::strong_count(&value), before);
        drop(shards);
        assert_eq!(Arc::strong_count(&value), 2);
        drop(local);
        assert_eq!(Arc::strong_count(&value), 1);
    }
}
