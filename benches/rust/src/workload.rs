//! What clients do. The statements come from the canned responder, by the command line.

use clap::ValueEnum;

/// A workload; see docs/performance.md.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Workload {
    /// Insert of an int and a text of 100 bytes.
    W1,
    /// Select of one such row.
    W2,
    /// 50,000 rows of ten columns in pages of 5,000.
    W3,
    /// The same, five columns of fixed width.
    W3n,
    /// Rows with a vector of 768 floats, in pages of 250.
    W4,
    /// Select of one blob of 1 MiB.
    W7r,
    /// Insert of one blob of 1 MiB.
    W7w,
    /// Connecting and closing.
    W6,
    /// Select of one row of many columns of int.
    Ints,
    /// Select of one row of many columns of text.
    Texts,
    /// One page of rows of int and text of 100 bytes.
    Page,
}

impl Workload {
    /// Rows in a page; what a client asks for.
    pub(crate) fn page_size(self) -> i32 {
        match self {
            Self::W4 => 250,
            Self::Page => 100_000,
            _ => 5_000,
        }
    }
}

/// Keys that a loaded server has rows for: 0 up to this.
pub(crate) const KEYS: u64 = 1_000;

/// Text of [`Workload::W1`].
pub(crate) const TEXT: &str =
    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

/// Length of the blob of [`Workload::W7w`].
pub(crate) const LARGE: usize = 1 << 20;

/// The key of the request with this number.
pub(crate) fn key(number: u64) -> i32 {
    // Below KEYS.
    (number % KEYS) as i32
}
