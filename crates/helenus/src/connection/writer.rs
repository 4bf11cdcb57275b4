//! The writing end of a connection: whoever holds it, and nobody else, writes to the transport.
//!
//! Envelopes are encoded into the outbox; a flush takes them from there by swapping buffers, wraps them into segments
//! where the protocol version has them (v5 §2), and writes as much as the transport takes.
//! Invariant: bytes leave in the order in which they were loaded, each exactly once.

use std::io::{self, IoSlice};
use std::sync::Arc;

use helenus_protocol::{SegmentEncoder, SerializedRow};

use super::transport::TransportWrite;

/// The writing end, with what was taken from the outbox and is not yet written.
pub(super) struct Writer {
    transport: Box<dyn TransportWrite>,
    segments: Option<SegmentEncoder>,
    /// Envelopes still to be wrapped into segments.
    envelopes: Vec<u8>,
    /// Bytes for the transport, of which `written` are done.
    out: Vec<u8>,
    written: usize,
    /// Values that are written from where they are, and where in `out` they belong.
    borrowed: Option<(usize, Arc<SerializedRow>)>,
    /// Bytes written that were not counted yet.
    uncounted: usize,
}

impl Writer {
    pub(super) fn new(transport: Box<dyn TransportWrite>, segments: Option<SegmentEncoder>) -> Self {
        Self {
            transport,
            segments,
            envelopes: Vec::new(),
            out: Vec::new(),
            written: 0,
            borrowed: None,
            uncounted: 0,
        }
    }

    pub(super) fn transport(&self) -> &dyn TransportWrite {
        &*self.transport
    }

    /// Whether everything that was loaded has been written and flushed.
    pub(super) fn is_drained(&self) -> bool {
        self.envelopes.is_empty() && self.out.is_empty()
    }

    /// Bytes loaded and not yet written.
    pub(super) fn unwritten(&self) -> usize {
        self.envelopes.len() + self.len() - self.written
    }

    /// Bytes for the transport, written or not.
    fn len(&self) -> usize {
        let borrowed = self.borrowed.as_ref();
        self.out.len() + borrowed.map_or(0, |(_, row)| row.values().bytes.len())
    }

    /// Whether bytes leave as they are, so that they can be written from elsewhere.
    pub(super) fn borrows(&self) -> bool {
        self.segments.is_none()
    }

    /// Writes these values, too, which belong there in what was loaded.
    pub(super) fn borrow(&mut self, at: usize, row: Arc<SerializedRow>) {
        debug_assert!(self.borrows() && at <= self.out.len());
        self.borrowed = Some((at, row));
    }

    /// Takes everything from `buffer`, and leaves an empty one that was used before.
    pub(super) fn load(&mut self, buffer: &mut Vec<u8>) {
        debug_assert!(self.is_drained(), "loaded before the last load was written");
        match self.segments {
            Some(_) => std::mem::swap(&mut self.envelopes, buffer),
            None => std::mem::swap(&mut self.out, buffer),
        }
    }

    /// Writes until everything is written.
    ///
    /// # Errors
    /// What the transport says; after [`io::ErrorKind::WouldBlock`] the call may be repeated.
    pub(super) fn write(&mut self) -> io::Result<()> {
        if let Some(segments) = &mut self.segments
            && !self.envelopes.is_empty()
        {
            segments.encode(&self.envelopes, &mut self.out);
            self.envelopes.clear();
        }
        let length = self.len();
        while self.written < length {
            let written = match &self.borrowed {
                None => self.transport.try_write(&self.out[self.written..]),
                Some((at, row)) => {
                    let (before, behind) = self.out.split_at(*at);
                    let parts = without([before, row.values().bytes, behind], self.written);
                    self.transport.try_write_vectored(&parts.map(IoSlice::new))
                }
            };
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    self.written += count;
                    self.uncounted += count;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.transport.try_flush()?;
        self.out.clear();
        self.borrowed = None;
        self.written = 0;
        Ok(())
    }

    /// Bytes that were written since it was asked last.
    pub(super) fn take_uncounted(&mut self) -> usize {
        std::mem::take(&mut self.uncounted)
    }

    /// Gives back the memory that bursts needed.
    pub(super) fn shrink(&mut self) {
        if self.is_drained() {
            self.envelopes = Vec::new();
            self.out = Vec::new();
        }
    }
}

/// What is left of these bytes, one behind the other, without the first `done`.
fn without(parts: [&[u8]; 3], mut done: usize) -> [&[u8]; 3] {
    parts.map(|part| {
        let skipped = done.min(part.len());
        done -= skipped;
        &part[skipped..]
    })
}
