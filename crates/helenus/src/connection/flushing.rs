//! The writing side of a connection: who writes what stands in the outbox, and when.
//!
//! Whoever takes the writer out of the outbox writes, off the lock; others append to the buffer in the meantime. A
//! submitter that found the connection at rest writes its own envelope, and no more: what was appended behind it is the
//! I/O task's, which has been woken for it.
//! Invariant: envelopes in the outbox, or bytes held back by the transport, with nobody writing imply that the I/O task has
//! been woken, or waits for the transport.

use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::error::CloseCause;
use super::shared::Shared;
use super::writer::Writer;

/// When the I/O task flushes: at once, or after those who are about to submit.
#[derive(Debug)]
pub(super) struct Turn {
    /// On a runtime of several workers this task is woken to run next, ahead of the other tasks that are about to
    /// submit.
    runs_next: bool,
    /// The tasks that are about to submit were let go first: now it is time to write.
    yielded: bool,
}

impl Turn {
    pub(super) fn new(runs_next: bool) -> Self {
        Self {
            runs_next,
            yielded: false,
        }
    }

    /// Ends a poll of the I/O task that handed out so many answers.
    ///
    /// # Errors
    /// The transport's.
    pub(super) fn end(&mut self, shared: &Shared, answers: usize, cx: &mut Context<'_>) -> io::Result<()> {
        // Whoever got an answer may well send another request: they leave together.
        let mut waits = answers > 1;
        if self.yielded {
            // When it is blocked the transport wakes this task.
            shared.flush(cx)?;
        } else {
            waits |= self.runs_next && shared.flush_is_scheduled();
            if !waits {
                shared.flush(cx)?;
            }
        }
        self.yielded = waits;
        if waits {
            shared.schedule_flush();
            cx.waker().wake_by_ref();
        }
        Ok(())
    }
}

impl Shared {
    /// Writes on the thread of the submitter.
    pub(super) fn write_at_once(&self, mut writer: Box<Writer>) {
        let written = writer.write();
        self.count_sent(&mut writer);
        let mut outbox = self.outbox();
        let wake = match written {
            Ok(()) => outbox.scheduled,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                outbox.blocked = true;
                outbox.scheduled = true;
                true
            }
            Err(error) => {
                drop(outbox);
                writer.transport().shutdown();
                self.close(CloseCause::Io(Arc::new(error)));
                return;
            }
        };
        outbox.put_back(writer);
        let room = self.take_refused(&mut outbox);
        drop(outbox);
        if wake {
            self.io_task.0.wake();
        }
        if room {
            self.changed.notify_waiters();
        }
    }

    /// Writes what there is, on the I/O task.
    ///
    /// # Errors
    /// The transport's.
    pub(super) fn flush(&self, cx: &mut Context<'_>) -> io::Result<()> {
        let mut room = false;
        let flushed = self.flush_all(cx, &mut room);
        if room {
            self.changed.notify_waiters();
        }
        flushed
    }

    fn flush_all(&self, cx: &mut Context<'_>, room: &mut bool) -> io::Result<()> {
        loop {
            let mut outbox = self.outbox();
            *room |= self.take_refused(&mut outbox);
            // Whoever holds requests writes them. Otherwise this would run after that thread, a request or two at a time.
            let held = outbox.held && !outbox.scheduled;
            if (outbox.buffer.is_empty() || held) && !outbox.undrained {
                outbox.scheduled = false;
                return Ok(());
            }
            let Some(mut writer) = outbox.take_loaded_writer() else {
                // Another thread writes, and wakes this task when it is done if `scheduled` is set.
                return Ok(());
            };
            outbox.scheduled = false;
            drop(outbox);

            let blocked = loop {
                match writer.write() {
                    Ok(()) => break false,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    Err(error) => {
                        writer.transport().shutdown();
                        return Err(error);
                    }
                }
                match writer.transport().poll_write_ready(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) => {
                        writer.transport().shutdown();
                        return Err(error);
                    }
                    Poll::Pending => break true,
                }
            };
            self.count_sent(&mut writer);
            let mut outbox = self.outbox();
            outbox.blocked = blocked;
            outbox.put_back(writer);
            if blocked {
                *room |= self.take_refused(&mut outbox);
                return Ok(());
            }
        }
    }

    fn count_sent(&self, writer: &mut Writer) {
        let bytes = writer.take_uncounted();
        if let Some(meter) = &self.config.meter {
            meter.sent(bytes);
        }
    }

    /// The I/O task is about to flush: who submits until then need neither write nor wake it.
    pub(super) fn schedule_flush(&self) {
        self.outbox().scheduled = true;
    }

    /// Whether a flush was asked for and not done.
    pub(super) fn flush_is_scheduled(&self) -> bool {
        self.outbox().scheduled
    }

    /// Gives back memory, on a connection that is idle.
    pub(super) fn shrink(&self) {
        let mut outbox = self.outbox();
        if outbox.buffer.is_empty() {
            outbox.buffer = Vec::new();
        }
        if let Some(writer) = &mut outbox.writer {
            writer.shrink();
        }
        drop(outbox);
        self.slab.shrink();
    }
}

#[cfg(test)]
#[cfg(helenus_loom)]
mod model;
