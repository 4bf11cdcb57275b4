//! What a connection has still to send: small answers in one buffer, large ones as shared slices, in order.

use std::collections::VecDeque;
use std::io::{self, IoSlice, Write};

use bytes::{Buf, Bytes};

/// How many slices one write takes.
const SLICES: usize = 32;

/// Bytes to be sent.
#[derive(Default)]
pub(super) struct Outbox {
    /// Goes first.
    queue: VecDeque<Bytes>,
    /// Goes last. Keeps its room from batch to batch.
    buffer: Vec<u8>,
    /// How much of `buffer` has been sent.
    sent: usize,
}

impl Outbox {
    /// Where small answers are appended.
    pub(super) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.buffer
    }

    /// Appends a slice without copying it.
    pub(super) fn push(&mut self, bytes: Bytes) {
        if self.buffer.len() > self.sent {
            let mut before = Bytes::from(std::mem::take(&mut self.buffer));
            before.advance(self.sent);
            self.queue.push_back(before);
        }
        self.buffer.clear();
        self.sent = 0;
        self.queue.push_back(bytes);
    }

    /// Bytes that are left.
    pub(super) fn len(&self) -> usize {
        self.queue.iter().map(Bytes::len).sum::<usize>() + self.buffer.len() - self.sent
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.buffer.len() == self.sent
    }

    /// Writes what the socket takes. Returns whether everything is sent.
    ///
    /// # Errors
    /// [`io::Error`] of the socket, but not that it would block.
    pub(super) fn flush(&mut self, socket: &mut impl Write) -> io::Result<bool> {
        while !self.is_empty() {
            let written = if self.queue.is_empty() {
                socket.write(&self.buffer[self.sent..])
            } else {
                let rest = &self.buffer[self.sent..];
                let slices: Vec<IoSlice<'_>> = self
                    .queue
                    .iter()
                    .take(SLICES)
                    .map(|bytes| &bytes[..])
                    .chain((self.queue.len() <= SLICES).then_some(rest))
                    .map(IoSlice::new)
                    .collect();
                socket.write_vectored(&slices)
            };
            match written {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => self.advance(count),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        self.buffer.clear();
        self.sent = 0;
        Ok(true)
    }

    fn advance(&mut self, mut count: usize) {
        while let Some(front) = self.queue.front_mut() {
            if count < front.len() {
                front.advance(count);
                return;
            }
            count -= front.len();
            self.queue.pop_front();
        }
        self.sent += count;
    }
}
