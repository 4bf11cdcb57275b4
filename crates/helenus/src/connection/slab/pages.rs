//! Continuous paging (DSE): a slot that takes page after page, until the last one.
//!
//! ```text
//!           begin_pages        last page, error, overrun + cancel answered           close_pages
//!       Idle ─────────▶ Pages ──────────────────────────────────────▶ Pages, ended ─────────────▶ Idle
//!                         │ close_pages                                                             ▲
//!                         └──────────▶ Abandoned ── last page, error, cancel answered ──────────────┘
//! ```
//! DSE protocol v1 and v2: all pages have the stream id of the request; the last one says so. REVISE has a stream id of its
//! own, and is answered: it acts on a session by its stream id, and here by its serial number, too, for the id may belong to
//! somebody else by then.
//! Invariants: the id is given back only after the node has ended the session or has answered the cancel. A queue holds no
//! more pages than its window lets in.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use helenus_protocol::{Envelope, Opcode, ResponseEnvelope, StreamId};

use super::{Held, NO_LIMIT, Ordering, Outcome, ShortLockGuard, Slab, Slot, State};
use crate::clock::Moment;

/// How many pages may wait to be read.
#[derive(Clone, Copy, Debug)]
pub(in crate::connection) struct Window {
    /// Pages that may wait, and be on their way where the node heeds that.
    pub(in crate::connection) pages: u32,
    /// Pages in all; 0 is no limit.
    pub(in crate::connection) all: u32,
    /// Whether the node sends only what it was asked for (DSE_V2).
    pub(in crate::connection) asked: bool,
    /// Where the node sends as fast as it can: bytes that may wait even if they are more pages than may.
    pub(in crate::connection) bytes: usize,
}

impl Window {
    /// Pages that the node may send before it is asked for more.
    pub(in crate::connection) fn first(&self) -> u32 {
        match self.all {
            0 => self.pages,
            all => self.pages.min(all),
        }
    }
}

/// The pages that wait to be read.
pub(super) struct PageQueue {
    pages: VecDeque<Envelope>,
    bytes: usize,
    waker: Option<Waker>,
    window: Window,
    /// Pages that the node was asked for, and those that came.
    requested: u32,
    received: u32,
    /// Why there will be no further pages.
    end: Option<PagesEnd>,
    /// The node sends no more: the id may be given back.
    released: bool,
    /// A cancel was sent.
    cancelled: bool,
    /// The time for the next page ran out.
    expired: bool,
    serial: u64,
}

/// Why there are no further pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::connection) enum PagesEnd {
    /// The node has sent the last one.
    Complete,
    /// They were not read as fast as they came; what came later was dropped.
    Overrun,
    /// Time ran out.
    TimedOut,
    /// The connection was lost; and whether the request may have left it.
    Failed {
        /// See above.
        sent: bool,
    },
}

/// A REVISE that was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Revision {
    of: StreamId,
    serial: u64,
    cancels: bool,
}

/// What became of an answer that belongs to continuous paging.
#[derive(Debug, Default)]
pub(in crate::connection) struct Paged {
    pub(in crate::connection) waker: Option<Waker>,
    /// Requests that it has ended.
    pub(in crate::connection) answers: usize,
    /// Requests that it has ended and nobody waited for.
    pub(in crate::connection) orphans: usize,
    /// The session whose pages are not read: to be cancelled.
    pub(in crate::connection) overrun: Option<u64>,
}

/// What a reader has to do beside taking a page.
#[derive(Debug, Default, PartialEq, Eq)]
pub(in crate::connection) struct Asked {
    /// Ask for so many pages more.
    pub(in crate::connection) more: u32,
    /// A limit was set: it has to be watched.
    pub(in crate::connection) limited: bool,
}

/// What [`Slab::close_pages`] left behind.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::connection) enum Closed {
    /// Nothing.
    Ended,
    /// Pages may still come; the session is to be cancelled unless it was.
    Abandoned {
        /// Whether a cancel was sent before.
        cancelled: bool,
    },
}

impl Slab {
    /// A request with this id, just taken and not yet begun, will be answered by pages. Says its serial number.
    pub(in crate::connection) fn begin_pages(&self, id: StreamId, window: Window) -> u64 {
        let serial = self.serials.fetch_add(1, Ordering::Relaxed);
        if let Some(slot) = self.slot(id) {
            **slot.lock() = State::Pages(Box::new(PageQueue::new(window, serial)));
        }
        serial
    }

    /// A REVISE with this id, just taken and not yet begun, is about another session.
    pub(in crate::connection) fn begin_revision(
        &self,
        id: StreamId,
        of: StreamId,
        serial: u64,
        cancels: bool,
    ) {
        if let Some(slot) = self.slot(id) {
            **slot.lock() = State::Revision(Revision { of, serial, cancels });
        }
    }

    /// The next page, or the end. When there is neither, leaves a waker, and a limit if there is none.
    pub(in crate::connection) fn poll_pages(
        &self,
        id: StreamId,
        cx: &mut Context<'_>,
        limit: Option<Moment>,
    ) -> (Poll<Result<Envelope, PagesEnd>>, Asked) {
        let mut asked = Asked::default();
        let lost = PagesEnd::Failed { sent: true };
        let Some(slot) = self.slot(id) else {
            return (Poll::Ready(Err(lost)), asked);
        };
        let mut state = slot.lock();
        let State::Pages(queue) = &mut **state else {
            return (Poll::Ready(Err(lost)), asked);
        };
        let next = queue.next();
        asked.more = queue.ask();
        if let Some(next) = next {
            return (Poll::Ready(next), asked);
        }
        queue.waker = Some(cx.waker().clone());
        if let Some(limit) = limit
            && slot.limit.load(Ordering::Relaxed) == NO_LIMIT
        {
            slot.limit.store(limit.into_raw(), Ordering::Release);
            asked.limited = true;
        }
        (Poll::Pending, asked)
    }

    /// Whether the last page has been read.
    pub(in crate::connection) fn pages_are_read(&self, id: StreamId) -> bool {
        let read = |slot: &Slot| match &**slot.lock() {
            State::Pages(queue) => queue.pages.is_empty() && queue.end == Some(PagesEnd::Complete),
            _ => true,
        };
        self.slot(id).is_none_or(read)
    }

    /// Pages that were to be asked for were not.
    pub(in crate::connection) fn unask_pages(&self, id: StreamId, pages: u32) {
        if let Some(slot) = self.slot(id)
            && let State::Pages(queue) = &mut **slot.lock()
        {
            queue.requested = queue.requested.saturating_sub(pages);
        }
    }

    /// Nobody wants the pages any more. To be called once for each session.
    pub(in crate::connection) fn close_pages(&self, id: StreamId) -> Closed {
        let Some(slot) = self.slot(id) else {
            return Closed::Ended;
        };
        let mut state = slot.lock();
        let State::Pages(queue) = &**state else {
            return Closed::Ended;
        };
        let (cancelled, serial) = (queue.cancelled, queue.serial);
        if queue.released {
            let old = slot.close(&mut state);
            drop(state);
            drop(old);
            self.give_back(id, slot);
            return Closed::Ended;
        }
        let old = std::mem::replace(&mut **state, State::Abandoned { serial });
        slot.limit.store(NO_LIMIT, Ordering::Relaxed);
        drop(state);
        drop(old);
        Closed::Abandoned { cancelled }
    }

    /// An answer has arrived on a stream of continuous paging, whose slot is locked.
    #[cold]
    pub(super) fn complete_paging(
        &self,
        id: StreamId,
        slot: &Slot,
        mut state: ShortLockGuard<'_, Held>,
        answer: Envelope,
    ) -> Paged {
        match &mut **state {
            State::Pages(queue) => {
                slot.limit.store(NO_LIMIT, Ordering::Relaxed);
                queue.push(answer)
            }
            State::Abandoned { .. } => {
                let mut paged = Paged::default();
                if is_last(&answer) {
                    slot.close(&mut state);
                    drop(state);
                    self.give_back(id, slot);
                    paged.orphans = 1;
                }
                paged
            }
            State::Revision(revision) => {
                let revision = *revision;
                slot.close(&mut state);
                drop(state);
                self.give_back(id, slot);
                self.complete_revision(revision, answer)
            }
            _ => Paged::default(),
        }
    }

    fn complete_revision(&self, revision: Revision, answer: Envelope) -> Paged {
        let mut paged = Paged::default();
        match revision.cancels {
            // Nobody waits for it.
            true => paged.orphans = 1,
            false => paged.answers = 1,
        }
        let Some(slot) = self.slot(revision.of) else {
            return paged;
        };
        let refused = answer.header.opcode == Opcode::Error;
        let mut state = slot.lock();
        match &mut **state {
            State::Pages(queue) if queue.serial == revision.serial && !queue.released => {
                match (revision.cancels, refused) {
                    (true, false) => {
                        queue.released = true;
                        paged.answers += 1;
                    }
                    // The node keeps the session and will not go on with it: the reader is told why.
                    (false, true) if queue.end.is_none() => {
                        queue.push_end(answer, PagesEnd::Complete);
                        paged.waker = queue.waker.take();
                    }
                    _ => {}
                }
            }
            State::Abandoned { serial } if *serial == revision.serial && revision.cancels && !refused => {
                slot.close(&mut state);
                drop(state);
                self.give_back(revision.of, slot);
                paged.orphans += 1;
            }
            _ => {}
        }
        paged
    }
}

impl PageQueue {
    fn new(window: Window, serial: u64) -> Self {
        Self {
            pages: VecDeque::new(),
            bytes: 0,
            waker: None,
            requested: window.first(),
            window,
            received: 0,
            end: None,
            released: false,
            cancelled: false,
            expired: false,
            serial,
        }
    }

    /// What the request is answered by first.
    pub(super) fn poll_first(&mut self, cx: &mut Context<'_>) -> Poll<Outcome> {
        match self.next() {
            Some(Ok(page)) => Poll::Ready(Outcome::Answer(page)),
            Some(Err(PagesEnd::Failed { sent })) => Poll::Ready(Outcome::Failed { sent }),
            Some(Err(_)) => Poll::Ready(Outcome::Late),
            None => {
                self.waker = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    fn next(&mut self) -> Option<Result<Envelope, PagesEnd>> {
        if let Some(page) = self.pages.pop_front() {
            self.bytes -= page.body.len();
            return Some(Ok(page));
        }
        match (self.end, self.expired) {
            (Some(end), _) => Some(Err(end)),
            (None, true) => Some(Err(PagesEnd::TimedOut)),
            (None, false) => None,
        }
    }

    /// How many pages the node is to be asked for now: as many as there is room for, when that is half of it.
    fn ask(&mut self) -> u32 {
        if !self.window.asked || self.end.is_some() {
            return 0;
        }
        let waiting = u32::try_from(self.pages.len()).unwrap_or(u32::MAX);
        let coming = self.requested.saturating_sub(self.received);
        let free = self.window.pages.saturating_sub(waiting.saturating_add(coming));
        let left = match self.window.all {
            0 => u32::MAX,
            all => all.saturating_sub(self.requested),
        };
        let more = free.min(left).min(u32::MAX - self.requested);
        if free < self.window.pages.div_ceil(2) {
            return 0;
        }
        self.requested += more;
        more
    }

    fn push(&mut self, answer: Envelope) -> Paged {
        let mut paged = Paged::default();
        if self.released {
            // The node has said before that there are no more.
            return paged;
        }
        if is_last(&answer) {
            self.released = true;
            paged.answers = 1;
            if self.end.is_none() {
                self.push_end(answer, PagesEnd::Complete);
            }
            paged.waker = self.waker.take();
            return paged;
        }
        if self.end.is_some() {
            return paged;
        }
        self.received = self.received.saturating_add(1);
        // A node that sends more than it was asked for is held to the same.
        if self.pages.len() >= self.window.pages as usize && self.bytes >= self.window.bytes {
            self.end = Some(PagesEnd::Overrun);
            self.cancelled = true;
            paged.overrun = Some(self.serial);
            return paged;
        }
        self.expired = false;
        self.bytes += answer.body.len();
        self.pages.push_back(answer);
        paged.waker = self.waker.take();
        paged
    }

    fn push_end(&mut self, answer: Envelope, end: PagesEnd) {
        self.bytes += answer.body.len();
        self.pages.push_back(answer);
        self.end = Some(end);
    }

    /// The time for the next page has run out.
    pub(super) fn expire(&mut self) -> Option<Waker> {
        self.expired = self.pages.is_empty();
        self.waker.take()
    }

    /// Whether no further pages will come.
    pub(super) fn has_ended(&self) -> bool {
        self.end.is_some() || self.expired
    }

    /// Nobody is to wait for further pages: as if time had run out.
    pub(super) fn evict(&mut self) -> Option<Waker> {
        self.end.get_or_insert(PagesEnd::TimedOut);
        self.waker.take()
    }

    /// The connection is lost.
    pub(super) fn fail(&mut self, sent: bool) -> Option<Waker> {
        self.released = true;
        self.end.get_or_insert(PagesEnd::Failed { sent });
        self.waker.take()
    }
}

/// Whether nothing follows an answer of a session: the last page, an error, or no page at all. One that cannot be read ends
/// it, too: its reader will say so.
fn is_last(answer: &Envelope) -> bool {
    match ResponseEnvelope::continuous_page(&answer.header, &answer.body) {
        Ok(Some((_, last))) => last,
        Ok(None) | Err(_) => true,
    }
}

#[cfg(test)]
#[cfg(not(helenus_loom))]
mod tests;
