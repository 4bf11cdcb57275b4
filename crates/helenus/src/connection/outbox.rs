//! What waits to be written, and the ids to write it with; guarded by one lock.
//!
//! Invariants: the buffer holds whole envelopes only, outside of the lock. The writer is taken out while somebody writes, so two can never.

use std::sync::Arc;

use helenus_protocol::{EncodeError, EnvelopeHeader, HEADER_LENGTH, SerializedRow, StreamId};

use super::error::CloseReason;
use super::shared::EncodeContext;
use super::slab::{FreeIds, Slab};
use super::writer::Writer;
use crate::clock::Moment;

/// What one lock guards.
pub(super) struct Outbox {
    pub(super) state: State,
    pub(super) buffer: Vec<u8>,
    /// `None` while somebody writes, and when the connection is closed.
    pub(super) writer: Option<Box<Writer>>,
    /// Bytes that left `buffer` and were not yet written, as of the last time that somebody looked.
    pub(super) unwritten: usize,
    /// The writer has something to write, or the transport holds something back.
    pub(super) undrained: bool,
    /// The I/O task has been woken to flush and did not do it yet.
    pub(super) scheduled: bool,
    /// A thread holds requests in the buffer, and the connection stands in its list: see [`hold`](super::hold).
    pub(super) held: bool,
    /// The transport took no more: only the I/O task writes, when the transport is ready again.
    pub(super) blocked: bool,
    /// A request was refused for want of room, and somebody may wait for it.
    pub(super) refused: bool,
    pub(super) free: FreeIds,
    pub(super) submitted: u64,
    /// The I/O task sweeps the deadlines at this time, or earlier.
    pub(super) sweep_at: Option<Moment>,
}

/// How far a connection is on its way.
#[derive(Clone, Copy)]
pub(super) enum State {
    Open,
    Draining(CloseReason),
    Closed,
}

impl Outbox {
    /// The outbox of a connection that has just been opened.
    pub(super) fn new(writer: Writer) -> Self {
        Self {
            state: State::Open,
            buffer: Vec::new(),
            writer: Some(Box::new(writer)),
            unwritten: 0,
            undrained: false,
            scheduled: false,
            held: false,
            blocked: false,
            refused: false,
            free: FreeIds::new(),
            submitted: 0,
            sweep_at: None,
        }
    }

    /// Takes the writer out, with everything in it that waits to be written.
    pub(super) fn take_loaded_writer(&mut self) -> Option<Box<Writer>> {
        let mut writer = self.writer.take()?;
        if writer.is_drained() {
            writer.load(&mut self.buffer);
        }
        self.unwritten = writer.unwritten();
        self.undrained = !writer.is_drained();
        Some(writer)
    }

    /// Whether the writer is at rest, with nothing before it, and takes bytes as they are: then it can write values from where
    /// they are.
    pub(super) fn borrows(&self) -> bool {
        let at_rest =
            self.buffer.is_empty() && !self.undrained && !self.scheduled && !self.blocked && !self.held;
        at_rest && self.writer.as_ref().is_some_and(|writer| writer.borrows())
    }

    /// Takes the writer out, with the one envelope that waits to be written and the values that belong into it; after
    /// [`Outbox::borrows`] was true.
    pub(super) fn take_borrowing_writer(
        &mut self,
        at: usize,
        row: Arc<SerializedRow>,
    ) -> Option<Box<Writer>> {
        let mut writer = self.writer.take()?;
        writer.load(&mut self.buffer);
        writer.borrow(at, row);
        self.unwritten = writer.unwritten();
        self.undrained = true;
        Some(writer)
    }

    /// Gives the writer back, or ends it when the connection was closed in the meantime.
    pub(super) fn put_back(&mut self, writer: Box<Writer>) {
        if let State::Closed = self.state {
            // Closed in the meantime, by somebody who had no writer to shut down.
            writer.transport().shutdown();
            return;
        }
        self.unwritten = writer.unwritten();
        self.undrained = !writer.is_drained();
        self.writer = Some(writer);
    }
}

/// The stream ids of whole envelopes, one behind the other.
pub(super) fn streams(mut envelopes: &[u8]) -> impl Iterator<Item = StreamId> {
    std::iter::from_fn(move || {
        let header = EnvelopeHeader::decode(envelopes).ok()?;
        envelopes = envelopes.get(HEADER_LENGTH + header.length..)?;
        StreamId::new(header.stream)
    })
}

/// Takes back what a failed, or panicking, encoder left behind.
pub(super) struct Undo<'a> {
    pub(super) outbox: Option<&'a mut Outbox>,
    pub(super) slab: &'a Slab,
    pub(super) start: usize,
    pub(super) stream: StreamId,
}

impl Undo<'_> {
    #[inline(always)]
    pub(super) fn encode<E>(mut self, context: EncodeContext, encode: E) -> Result<(), EncodeError>
    where
        E: FnOnce(EncodeContext, &mut Vec<u8>) -> Result<(), EncodeError>,
    {
        if let Some(outbox) = &mut self.outbox {
            encode(context, &mut outbox.buffer)?;
            self.outbox = None;
        }
        Ok(())
    }
}

impl Drop for Undo<'_> {
    fn drop(&mut self) {
        if let Some(outbox) = &mut self.outbox {
            outbox.buffer.truncate(self.start);
            self.slab.untake_id(&mut outbox.free, self.stream);
        }
    }
}
