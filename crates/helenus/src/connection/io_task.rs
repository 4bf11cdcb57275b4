//! The task that owns the reading end of a connection: it reads, hands out answers, flushes, and watches the time.
//!
//! One hand-written future for each connection; no task, timer, channel or box for each request. Each poll reads all
//! there is and completes the slots, so that the requests which follow are written together by the flush behind it.
//! Native protocol v3, v4 §2.3, v5 §2.4.1.3: stream ids below zero are the server's, -1 being events.
//! Invariant: when this future ends or is dropped the connection is closed, and nobody waits any more.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use helenus_protocol::{
    Envelope, InboundDecoder, ProtocolError, ReceivedEnvelope, Request, RequestOptions, Response,
    ResponseEnvelope, StreamId, encode_request,
};
use tokio::io::AsyncRead;
use tokio::time::Sleep;

use super::error::CloseCause;
use super::flushing::Turn;
use super::heartbeat::{Heartbeat, HeartbeatAction};
use super::lend::Nothing;
use super::pending::PendingResponse;
use super::read_buffer::ReadBuffers;
use super::shared::{Shared, Submitter};
use super::slab::Delivery;
use super::unseen;
use crate::clock::{self, Moment};

/// Reads before other tasks get their turn.
const READS_PER_POLL: usize = 16;
/// Deadlines are swept no more often than this.
const TICK: Duration = Duration::from_millis(10);

/// The I/O task of one connection.
pub(super) struct IoTask {
    shared: Arc<Shared>,
    read: Box<dyn AsyncRead + Send + Unpin>,
    decoder: InboundDecoder,
    buffers: ReadBuffers,
    heartbeat: Heartbeat,
    /// Kept until it is answered, so that it does not count as an orphan.
    heartbeat_request: Option<PendingResponse>,
    /// When the deadlines were swept last.
    swept: Option<Instant>,
    timer: Pin<Box<Sleep>>,
    /// When the timer fires; `None` when nothing waits for it.
    timer_at: Option<Instant>,
    turn: Turn,
    /// Whether there are other threads in the runtime.
    among_others: bool,
}

impl IoTask {
    /// To be called, and then spawned, within a runtime; `among_others` when that has several threads.
    pub(super) fn new(
        shared: Arc<Shared>,
        read: Box<dyn AsyncRead + Send + Unpin>,
        decoder: InboundDecoder,
        among_others: bool,
    ) -> Self {
        let now = clock::now();
        let config = &shared.config;
        let heartbeat = Heartbeat::new(config.heartbeat_interval, config.heartbeat_timeout, now);
        Self {
            shared,
            read,
            decoder,
            buffers: ReadBuffers::default(),
            heartbeat,
            heartbeat_request: None,
            swept: None,
            timer: Box::pin(tokio::time::sleep_until(now.into())),
            timer_at: None,
            turn: Turn::new(among_others),
            among_others,
        }
    }

    fn run(&mut self, cx: &mut Context<'_>) -> Result<(), CloseCause> {
        let answers = self.read(cx)?;
        if let Some(reason) = self.shared.drained() {
            return Err(CloseCause::Requested(reason));
        }
        if let Some(request) = &mut self.heartbeat_request
            && Pin::new(request).poll(cx).is_ready()
        {
            self.heartbeat_request = None;
        }
        self.watch_time(cx)?;
        let flushed = self.turn.end(&self.shared, answers, cx);
        if answers > 1 && !self.among_others {
            clock::begin_round(self.shared.read_at());
        }
        flushed.map_err(|error| CloseCause::Io(Arc::new(error)))
    }

    /// Reads what there is, and says how many answers it has handed out.
    fn read(&mut self, cx: &mut Context<'_>) -> Result<usize, CloseCause> {
        let mut answers = 0;
        for _ in 0..READS_PER_POLL {
            match self.buffers.poll_read(&mut *self.read, &mut self.decoder, cx) {
                Poll::Pending => return Ok(answers),
                Poll::Ready(Ok(0)) => return Err(CloseCause::ClosedByPeer),
                Poll::Ready(Ok(bytes)) => {
                    if let Some(meter) = &self.shared.config.meter {
                        meter.received(bytes);
                    }
                }
                Poll::Ready(Err(error)) => return Err(CloseCause::Io(Arc::new(error))),
            }
            let now = clock::now();
            self.heartbeat.handle_read(now);
            let moment = Moment::of(now);
            self.shared.note_read(moment);
            let shared = &self.shared;
            let give = |envelope: ReceivedEnvelope<'_>| hand_out(shared, envelope, moment);
            loop {
                let handed_out = match self.decoder.next_void() {
                    Some(void) => hand_out(shared, void.into(), moment),
                    None => match self.decoder.next_with(give).map_err(CloseCause::Protocol)? {
                        Some(handed_out) => handed_out,
                        None => break,
                    },
                };
                handed_out?;
                answers += 1;
            }
            self.buffers.handle_drained(&mut self.decoder, now);
        }
        // There may be more.
        cx.waker().wake_by_ref();
        Ok(answers)
    }

    fn watch_time(&mut self, cx: &mut Context<'_>) -> Result<(), CloseCause> {
        loop {
            let not_before = self.swept.map(|swept| swept + TICK);
            let sweep_at = self
                .shared
                .sweep_at()
                .map(Moment::instant)
                .map(|at| not_before.map_or(at, |first| at.max(first)));
            let timeouts = [
                sweep_at,
                self.heartbeat.poll_timeout(),
                self.buffers.poll_timeout(),
            ];
            let next = timeouts.into_iter().flatten().min();
            // A timer that fires too early does no harm: heartbeats move with each read, the timer does not.
            if let Some(next) = next
                && self.timer_at.is_none_or(|at| next < at)
            {
                self.timer.as_mut().reset(next.into());
                self.timer_at = Some(next);
            }
            if self.timer_at.is_none() || self.timer.as_mut().poll(cx).is_pending() {
                return Ok(());
            }
            self.timer_at = None;
            self.handle_timeout(clock::now(), sweep_at)?;
        }
    }

    fn handle_timeout(&mut self, now: Instant, sweep_at: Option<Instant>) -> Result<(), CloseCause> {
        if sweep_at.is_some_and(|at| at <= now) {
            self.shared.sweep(Moment::of(now));
            self.swept = Some(now);
        }
        self.buffers.handle_timeout(now);
        match self.heartbeat.handle_timeout(now) {
            None => {}
            Some(HeartbeatAction::Send) => {
                self.shared.shrink();
                self.buffers.shrink(&mut self.decoder);
                self.send_heartbeat();
            }
            Some(HeartbeatAction::GiveUp) => {
                return Err(CloseCause::HeartbeatTimeout {
                    timeout: self.heartbeat.timeout(),
                });
            }
        }
        Ok(())
    }

    fn send_heartbeat(&mut self) {
        let sent = self
            .shared
            .submit(Submitter::Heartbeat, None, &Nothing, |context, out| {
                let options = RequestOptions::default();
                encode_request(&Request::Options, context.version, context.stream, &options, out)
            });
        match sent {
            Ok(stream) => {
                tracing::trace!(node = %self.shared.endpoint, %stream, "heartbeat sent");
                self.heartbeat_request = Some(PendingResponse::new(Arc::clone(&self.shared), stream));
                // It is polled, and flushed if need be, in the next round.
                self.shared.io_task.0.wake();
            }
            // Every stream id is taken by answers that are due: any byte of them will do for a heartbeat.
            Err(error) => tracing::debug!(node = %self.shared.endpoint, %error, "no heartbeat sent"),
        }
    }
}

/// Gives an answer to who waits for it.
#[inline(always)]
fn hand_out(shared: &Arc<Shared>, envelope: ReceivedEnvelope<'_>, now: Moment) -> Result<(), CloseCause> {
    let header = &envelope.header;
    let expected = shared.established.version;
    if header.version != expected {
        let found = header.version;
        return Err(CloseCause::Protocol(ProtocolError::VersionMismatch {
            expected,
            found,
        }));
    }
    let Some(stream) = StreamId::new(header.stream) else {
        return hand_out_unasked(shared, envelope.into_envelope());
    };
    match shared.slab.complete(stream, envelope, now) {
        Delivery::Waiting(waker) => {
            shared.count_answer(false);
            if let Some(waker) = waker {
                waker.wake();
            }
            Ok(())
        }
        Delivery::Late(waker, answer) => {
            shared.count_answer(false);
            if let Some(waker) = waker {
                waker.wake();
            }
            check_unseen(shared, &answer)
        }
        Delivery::Orphan(answer) => {
            tracing::debug!(node = %shared.endpoint, %stream, "late answer discarded");
            shared.count_answer(true);
            check_unseen(shared, &answer)
        }
        Delivery::Paging(paged) => {
            shared.paged(stream, paged);
            Ok(())
        }
        Delivery::Unknown => Err(CloseCause::UnknownStream { stream: stream.raw() }),
    }
}

/// An answer that nobody sees says that the connection must not go on.
#[cold]
fn check_unseen(shared: &Shared, answer: &Envelope) -> Result<(), CloseCause> {
    match shared.is_open() {
        true => unseen::check(answer),
        // It takes no more requests, and what it has was sent before.
        false => Ok(()),
    }
}

/// What the server sends of itself: events, and errors that belong to no request.
fn hand_out_unasked(shared: &Shared, envelope: Envelope) -> Result<(), CloseCause> {
    let stream = envelope.header.stream;
    let response = ResponseEnvelope::decode(&envelope.header, envelope.body).map_err(CloseCause::Protocol)?;
    match response.response {
        Response::Event(event) => {
            if let Some(events) = &shared.config.events {
                events.send(event);
            }
            Ok(())
        }
        Response::Error(error) => Err(CloseCause::Server(Arc::new(error))),
        _ => Err(CloseCause::UnknownStream { stream }),
    }
}

impl Future for IoTask {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.get_mut();
        clock::end_round();
        // First of all: whatever is asked for from here on wakes this task again.
        this.shared.io_task.0.register(cx.waker());
        if this.shared.error().is_some() {
            return Poll::Ready(());
        }
        match this.run(cx) {
            Ok(()) => Poll::Pending,
            Err(cause) => {
                this.shared.close(cause);
                Poll::Ready(())
            }
        }
    }
}

impl Drop for IoTask {
    fn drop(&mut self) {
        // Of no effect when it was closed already.
        self.shared.close(CloseCause::RuntimeShutDown);
    }
}
