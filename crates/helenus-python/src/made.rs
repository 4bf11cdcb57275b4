//! A mark that the contents of a Python object are in place, for its `__traverse__`.
//!
//! Python tracks an object from its allocation on, and allocating its `__dict__` comes next, which may start the collector:
//! `__traverse__` is then called on memory that is all zeros, where a reference that can never be null is null, and an
//! initialized `OnceLock` seems to be one. Invariant: a class with a `__dict__` and a `__traverse__` has a field of this type,
//! and its `__traverse__` begins by asking it.

/// False in memory that is all zeros, true in every value that was made.
#[derive(Debug)]
pub(crate) struct Made(bool);

impl Made {
    /// The mark of an object that is being made.
    pub(crate) fn new() -> Self {
        Self(true)
    }

    /// Whether the contents around this mark are in place.
    pub(crate) fn is_complete(&self) -> bool {
        self.0
    }
}
