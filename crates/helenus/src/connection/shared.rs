//! What the handles of a connection, its waiting requests and its I/O task share; submitting.
//!
//! Submitting takes one short lock, the outbox: take a stream id, encode the envelope straight into the buffer of all
//! envelopes that wait to be written, decide who writes. When the connection is at rest the submitter writes at once, on
//! its own thread. Otherwise the I/O task is woken, once, and everybody else only appends: a batch of answers becomes a
//! batch of requests and one system call.
//! Invariants: the buffer of the outbox holds whole envelopes only. The writer is taken out while somebody writes, so two
//! can never. Envelopes in the outbox with nobody writing imply that the I/O task has been woken (`scheduled`), or that a
//! thread holds them (`held`, see [`hold`]). After
//! `Closed` is set nothing is begun, so [`Slab::fail_all`] reaches everybody.

use std::sync::{Arc, OnceLock, PoisonError};

use helenus_protocol::{Compression, EncodeError, ProtocolVersion, StreamId};
use tokio::sync::Notify;

use super::config::MAX_IN_FLIGHT;
use super::error::{CloseCause, CloseReason, ConnectionError, SubmitError};
use super::handshake::Established;
use super::hold;
use super::lend::Lend;
use super::outbox::{Outbox, State, Undo, streams};
use super::owner::Owner;
use super::slab::Slab;
use super::sync::{AtomicBool, AtomicIsize, AtomicU64, AtomicWaker, Mutex, MutexGuard, Ordering, fence};
use super::writer::Writer;
use super::{ConnectionConfig, Endpoint};
use crate::clock::Moment;
use crate::shard::CacheLine;

/// What an encoder of a request needs to know.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EncodeContext {
    /// The protocol version of the connection.
    pub(crate) version: ProtocolVersion,
    /// The stream id of the request.
    pub(crate) stream: StreamId,
    /// The compression of envelopes; `None` in v5, where segments are compressed.
    pub(crate) compression: Option<Compression>,
}

pub(super) struct Shared {
    pub(super) slab: Slab,
    sending: CacheLine<Sending>,
    /// Wakes the I/O task.
    pub(super) io_task: CacheLine<AtomicWaker>,
    received: CacheLine<Received>,
    /// Overdue answers. Below zero for a moment, when the answer is faster than the count of its orphan.
    orphans: AtomicIsize,
    worn_out: AtomicBool,
    /// Set with [`State::Draining`], so that the I/O task need not lock to see it.
    draining: AtomicBool,
    error: OnceLock<Arc<ConnectionError>>,
    /// Told when the connection drains or closes, when it is worn out, and when there is room again.
    pub(super) changed: Notify,
    pub(super) endpoint: Endpoint,
    pub(super) established: Established,
    pub(super) config: Arc<ConnectionConfig>,
    envelope_compression: Option<Compression>,
}

/// What each submit writes.
struct Sending {
    outbox: Mutex<Outbox>,
    /// Requests sent so far. Written under the outbox lock.
    submitted: AtomicU64,
}

/// What the I/O task writes.
#[derive(Default)]
struct Received {
    /// Answers received so far.
    answers: AtomicU64,
    /// When bytes were read last, a [`Moment`].
    read_at: AtomicU64,
}

/// Who submits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Submitter {
    /// A request; limits apply.
    Request(Owner),
    /// The connection itself, with a heartbeat.
    Heartbeat,
    /// Continuous paging that has begun: a connection that drains waits for it.
    Paging,
}

impl Shared {
    /// `carries`: see [`Slab::new`].
    pub(super) fn new(
        endpoint: Endpoint,
        established: Established,
        config: Arc<ConnectionConfig>,
        writer: Writer,
        carries: bool,
    ) -> Self {
        let segments = established.version.features().segments;
        Self {
            slab: Slab::new(carries),
            sending: CacheLine(Sending {
                outbox: Mutex::new(Outbox::new(writer)),
                submitted: AtomicU64::new(0),
            }),
            io_task: CacheLine(AtomicWaker::new()),
            received: CacheLine(Received::default()),
            orphans: AtomicIsize::new(0),
            worn_out: AtomicBool::new(false),
            draining: AtomicBool::new(false),
            error: OnceLock::new(),
            changed: Notify::new(),
            endpoint,
            envelope_compression: established.compression.filter(|_| !segments),
            established,
            config,
        }
    }

    /// Sends a request: see [`Connection::submit`](super::Connection::submit). The answer is that of this stream, for whoever
    /// makes the [`PendingResponse`](super::PendingResponse) of it, as is to be done at once.
    pub(super) fn submit<E>(
        self: &Arc<Self>,
        submitter: Submitter,
        deadline: Option<Moment>,
        lent: &impl Lend,
        encode: E,
    ) -> Result<StreamId, SubmitError>
    where
        E: FnOnce(EncodeContext, &mut Vec<u8>) -> Result<(), EncodeError>,
    {
        let mut outbox = self.outbox();
        match outbox.state {
            State::Open => {}
            State::Draining(_) if submitter == Submitter::Paging => {}
            State::Draining(_) => return Err(SubmitError::Draining),
            State::Closed => return Err(self.closed_error()),
        }
        let in_flight = self.unanswered(&outbox);
        let mut owner = Owner::DRIVER;
        if let Submitter::Request(who) = submitter {
            self.room(&outbox, in_flight)?;
            owner = who;
        }
        let stream = self.slab.take_id(&mut outbox.free);
        let stream = stream.ok_or(SubmitError::StreamsExhausted)?;
        let context = EncodeContext {
            version: self.established.version,
            stream,
            compression: self.envelope_compression,
        };
        lent.ask(|| self.envelope_compression.is_none() && outbox.borrows() && !hold::is_on());
        Undo {
            start: outbox.buffer.len(),
            outbox: Some(&mut outbox),
            slab: &self.slab,
            stream,
        }
        .encode(context, encode)
        .map_err(SubmitError::Encode)?;

        // Nothing can have been answered before the flush below.
        self.slab.begin(stream, owner, deadline);
        outbox.submitted += 1;
        self.sending
            .0
            .submitted
            .store(outbox.submitted, Ordering::Release);
        let mut wake = false;
        if let Some(deadline) = deadline
            && outbox.sweep_at.is_none_or(|sweep_at| deadline < sweep_at)
        {
            outbox.sweep_at = Some(deadline);
            wake = true;
        }
        let mut writer = None;
        let mut hold = false;
        if let Some((at, row)) = lent.taken() {
            writer = outbox.take_borrowing_writer(at, row);
        } else if !outbox.scheduled {
            let holds = !outbox.blocked && hold::is_on();
            let writes = if holds {
                outbox.buffer.len() >= hold::FULL
            } else {
                in_flight == 0 && !outbox.blocked
            };
            if writes {
                writer = outbox.take_loaded_writer();
            }
            if writer.is_none() {
                hold = holds && !std::mem::replace(&mut outbox.held, true);
                if !holds {
                    outbox.scheduled = true;
                    wake = true;
                }
            }
        }
        drop(outbox);
        if let Some(writer) = writer {
            self.write_at_once(writer);
        }
        if hold {
            self.hold();
        }
        if wake {
            self.io_task.0.wake();
        }
        Ok(stream)
    }

    /// Bytes have been read: called before the answers in them are handed out.
    pub(super) fn note_read(&self, at: Moment) {
        self.received.0.read_at.store(at.into_raw(), Ordering::Relaxed);
    }

    /// When bytes were read last. For who has got an answer: when that was read, or a later read.
    #[inline]
    pub(super) fn read_at(&self) -> Moment {
        Moment::from_raw(self.received.0.read_at.load(Ordering::Relaxed))
    }

    /// Requests of this outbox that are not answered.
    fn unanswered(&self, outbox: &Outbox) -> u64 {
        outbox.submitted - self.received.0.answers.load(Ordering::Acquire)
    }

    /// Whether there is room for another request.
    fn room(&self, outbox: &Outbox, in_flight: u64) -> Result<(), SubmitError> {
        if outbox.buffer.len() + outbox.unwritten >= self.config.write_buffer_limit {
            return Err(SubmitError::WriteBufferFull);
        }
        if in_flight >= self.config.max_in_flight.min(MAX_IN_FLIGHT) as u64 {
            return Err(SubmitError::StreamsExhausted);
        }
        Ok(())
    }

    /// Whether there is room now, after somebody had been told that there is none.
    pub(super) fn take_refused(&self, outbox: &mut Outbox) -> bool {
        let room = outbox.refused && self.room(outbox, self.unanswered(outbox)).is_ok();
        outbox.refused = outbox.refused && !room;
        room
    }

    /// Whether a request would be looked at now: there is room, or it would be refused for another reason. When not,
    /// [`Shared::changed`] is told as soon as it is.
    pub(super) fn has_room(&self) -> bool {
        let mut outbox = self.outbox();
        let open = matches!(outbox.state, State::Open);
        let waits = open && self.room(&outbox, self.unanswered(&outbox)).is_err();
        outbox.refused |= waits;
        !waits
    }

    /// When the deadlines are to be swept.
    pub(super) fn sweep_at(&self) -> Option<Moment> {
        self.outbox().sweep_at
    }

    /// Wakes everybody whose deadline is not after `now`.
    pub(super) fn sweep(&self, now: Moment) {
        // From here on a new deadline is seen either by the sweep, or by its own submit, which finds nothing set.
        self.outbox().sweep_at = None;
        let next = self.slab.sweep(now);
        let mut outbox = self.outbox();
        outbox.sweep_at = match (outbox.sweep_at, next) {
            (Some(new), Some(next)) => Some(new.min(next)),
            (new, next) => new.or(next),
        };
    }

    /// An answer has arrived; `orphan` when nobody waited for it any more. To be called before anybody is woken for it.
    pub(super) fn count_answer(&self, orphan: bool) {
        if orphan {
            self.orphans.fetch_sub(1, Ordering::Relaxed);
        }
        // The I/O task alone writes it.
        let answered = self.received.0.answers.load(Ordering::Relaxed) + 1;
        self.received.0.answers.store(answered, Ordering::Release);
    }

    /// Somebody gave up waiting: the answer is overdue.
    pub(super) fn count_orphan(&self) {
        let orphans = self.orphans.fetch_add(1, Ordering::Relaxed) + 1;
        if orphans.max(0).unsigned_abs() > self.config.max_orphans
            && !self.worn_out.swap(true, Ordering::Relaxed)
        {
            tracing::debug!(node = %self.endpoint, orphans, "too many overdue answers");
            self.changed.notify_waiters();
        }
        // Either this sees that it drains, or the I/O task, woken by `drain`, sees the orphan.
        fence(Ordering::SeqCst);
        if self.draining.load(Ordering::Acquire) {
            self.io_task.0.wake();
        }
    }

    /// Takes no more requests, and closes for this reason when nobody waits for an answer any more.
    pub(super) fn drain(&self, reason: CloseReason) {
        let mut outbox = self.outbox();
        if let State::Open = outbox.state {
            outbox.state = State::Draining(reason);
            self.draining.store(true, Ordering::Release);
            fence(Ordering::SeqCst);
        }
        drop(outbox);
        self.changed.notify_waiters();
        self.io_task.0.wake();
    }

    /// The reason to close now, when the connection drains and nobody waits any more.
    pub(super) fn drained(&self) -> Option<CloseReason> {
        if !self.draining.load(Ordering::Acquire) {
            return None;
        }
        let outbox = self.outbox();
        match outbox.state {
            State::Draining(reason) if self.waiting() == 0 => Some(reason),
            _ => None,
        }
    }

    /// Closes the connection: from any thread, at once. The first cause stays.
    pub(super) fn close(&self, cause: CloseCause) {
        let mut outbox = self.outbox();
        if let State::Closed = outbox.state {
            return;
        }
        outbox.state = State::Closed;
        let wanted = matches!(cause, CloseCause::Requested(_) | CloseCause::RuntimeShutDown);
        if let Some(meter) = self.config.meter.as_ref().filter(|_| !wanted) {
            meter.connection_lost();
        }
        let error = Arc::new(ConnectionError {
            endpoint: self.endpoint.clone(),
            cause,
        });
        tracing::debug!(node = %self.endpoint, cause = %error.cause, "connection closed");
        // Set under the lock: whoever sees `Closed` finds the error.
        let _ = self.error.set(error);
        let writer = outbox.writer.take();
        let unsent = std::mem::take(&mut outbox.buffer);
        drop(outbox);
        if let Some(writer) = writer {
            writer.transport().shutdown();
        }
        for stream in streams(&unsent) {
            self.slab.fail_unsent(stream);
        }
        self.slab.fail_all();
        self.changed.notify_waiters();
        self.io_task.0.wake();
    }

    /// Why the connection is closed; `None` while it is open.
    pub(super) fn error(&self) -> Option<&Arc<ConnectionError>> {
        self.error.get()
    }

    /// Why the connection was lost, for somebody whose slot says so.
    pub(super) fn lost(&self) -> Arc<ConnectionError> {
        self.error.get().cloned().unwrap_or_else(|| {
            Arc::new(ConnectionError {
                endpoint: self.endpoint.clone(),
                cause: CloseCause::ClosedByPeer,
            })
        })
    }

    /// Why a request ended whose session closes, while the connection goes on.
    #[cold]
    pub(super) fn closed_for_session(&self) -> Arc<ConnectionError> {
        Arc::new(ConnectionError {
            endpoint: self.endpoint.clone(),
            cause: CloseCause::Requested(CloseReason::Shutdown),
        })
    }

    fn closed_error(&self) -> SubmitError {
        SubmitError::Closed(self.lost())
    }

    /// Waits until this happened; whoever makes it happen tells [`Shared::changed`].
    pub(super) async fn wait_for<T>(&self, happened: impl Fn(&Shared) -> Option<T>) -> T {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // Registered before the look, so that nothing is missed.
            changed.as_mut().enable();
            if let Some(value) = happened(self) {
                return value;
            }
            changed.await;
        }
    }

    /// Whether requests are taken.
    pub(super) fn is_open(&self) -> bool {
        self.error.get().is_none() && !self.draining.load(Ordering::Acquire)
    }

    /// Requests sent and not answered, overdue ones included.
    pub(super) fn in_flight(&self) -> usize {
        // In this order: an answer counted in between may make the difference too small, never negative.
        let answered = self.received.0.answers.load(Ordering::Acquire);
        let submitted = self.sending.0.submitted.load(Ordering::Acquire);
        submitted.saturating_sub(answered) as usize
    }

    /// Answers received so far.
    pub(super) fn answers(&self) -> u64 {
        self.received.0.answers.load(Ordering::Relaxed)
    }

    /// Overdue answers.
    pub(super) fn orphans(&self) -> usize {
        self.orphans.load(Ordering::Relaxed).max(0).unsigned_abs()
    }

    /// Requests that somebody waits for.
    fn waiting(&self) -> usize {
        self.in_flight().saturating_sub(self.orphans())
    }

    pub(super) fn is_worn_out(&self) -> bool {
        self.worn_out.load(Ordering::Relaxed)
    }

    pub(super) fn outbox(&self) -> MutexGuard<'_, Outbox> {
        // An encoder that panics leaves the outbox as it was: see `Undo`.
        self.sending
            .0
            .outbox
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
