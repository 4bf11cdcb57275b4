//! Values that are too large to be copied once more: a request lends them to the connection, which writes them from where
//! they are.
//!
//! That is possible when nothing waits to be written, so that the values go out at once, between the two halves of their
//! envelope. Otherwise, and where segments or compression change the bytes in any case, they are copied like all others.

use std::cell::Cell;
use std::sync::Arc;

use helenus_protocol::SerializedRow;

/// Values from so many bytes on are lent.
pub(crate) const LARGE: usize = 64 * 1024;

/// Whether a request has values to lend.
pub(crate) trait Lend {
    /// The encoder is about to be called; whether it may leave the values out.
    fn ask(&self, wanted: impl FnOnce() -> bool);

    /// The values, if the encoder left them out, and where they belong.
    fn taken(&self) -> Option<(usize, Arc<SerializedRow>)>;
}

/// Most have none.
pub(crate) struct Nothing;

impl Lend for Nothing {
    #[inline]
    fn ask(&self, _: impl FnOnce() -> bool) {}

    #[inline]
    fn taken(&self) -> Option<(usize, Arc<SerializedRow>)> {
        None
    }
}

/// The values of a request that may be written from where they are.
pub(crate) struct Lent<'a> {
    row: &'a Arc<SerializedRow>,
    wanted: Cell<bool>,
    at: Cell<Option<usize>>,
}

impl<'a> Lent<'a> {
    pub(crate) fn new(row: &'a Arc<SerializedRow>) -> Self {
        Self {
            row,
            wanted: Cell::new(false),
            at: Cell::new(None),
        }
    }

    /// For the encoder: whether it may leave the values out.
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted.get()
    }

    /// From the encoder: the values were left out, and belong there in the buffer.
    pub(crate) fn belong_at(&self, at: usize) {
        self.at.set(Some(at));
    }
}

impl Lend for Lent<'_> {
    fn ask(&self, wanted: impl FnOnce() -> bool) {
        self.wanted.set(wanted());
        self.at.set(None);
    }

    fn taken(&self) -> Option<(usize, Arc<SerializedRow>)> {
        let at = self.at.take()?;
        Some((at, Arc::clone(self.row)))
    }
}
