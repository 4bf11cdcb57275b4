//! Streams: one slot for each stream id, in which the answer meets the one who waits for it.
//!
//! Native protocol v3 and v4 §2.3, v5 §2.4.1.3. A slot holds its state under a small lock of its own and sits on cache
//! lines of its own; slots come in chunks, so that a connection with few requests in flight stays small.
//!
//! ```text
//!              begin          poll               complete            poll
//!       Idle ────────▶ Idle ────────▶ Waiting ───────────▶ Done ───────────▶ Idle
//!      closed          open             │  cancel, or poll past the deadline       closed
//!                        as Waiting     ├────────────▶ Orphaned ──complete──▶ Idle
//!                                       ├─complete past the deadline─▶ Late ──poll, cancel─▶ Idle
//!                                       └─fail, fail_all─▶ Failed ──poll, cancel─▶ Idle
//! ```
//! Continuous paging takes a way of its own: see `pages`. A session that closes while others go on has its requests evicted
//! ([`Slab::evict`]): the waiting side finds that as it finds a deadline that has passed, and leaves an orphan.
//! A slot is open, or not, by its limit, which `begin` writes without the lock: nobody else looks at the slot before the
//! request has left, and then the node, or the lock of the outbox, stands between the two.
//! Memory is best given back by the thread that took it: allocators make threads wait for one another otherwise. Where who
//! waits may be another thread than the I/O task's, a short answer is therefore carried by the slot, in memory of its own, and
//! copied by who takes it.
//! Invariants: an id is given out again only when its slot is idle and closed, so an answer never reaches anybody but the
//! request that it belongs to. Each slot that was begun ends exactly once, by `poll` or by `cancel`. No waker is called
//! under a lock.

mod pages;

use std::ops::{Deref, DerefMut};
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use helenus_protocol::{Envelope, EnvelopeHeader, ReceivedEnvelope, StreamId};

use super::owner::Owner;
use super::sync::{AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering, ShortLock, ShortLockGuard};
use crate::clock::Moment;
use crate::shard::CacheLine;
use pages::PageQueue;
pub(super) use pages::{Closed, Paged, PagesEnd, Window};

/// The slots of one connection.
pub(super) struct Slab {
    /// Chunk 0 has the first [`FIRST_CHUNK`] slots; each further chunk as many as all before it.
    chunks: [OnceLock<Box<[Slot]>>; CHUNKS],
    /// Head of the chain of ids given back since [`Slab::take_id`] looked last. Whoever gives back pushes one id,
    /// whoever takes takes the whole chain: no id can leave and come back during a push.
    returned: CacheLine<AtomicU16>,
    /// How often continuous paging was begun.
    serials: AtomicU64,
    /// Whether slots carry short answers.
    carries: bool,
    /// Memory that they carry answers in. Written by the I/O task alone.
    carriers: AtomicUsize,
}

/// The ids that can be given out; its owner's lock guards it.
pub(super) struct FreeIds {
    head: u16,
    /// All ids from this one on were never given out.
    unused: u16,
}

/// What became of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The answer.
    Answer(Envelope),
    /// The deadline passed first. The slot is an orphan now.
    TimedOut,
    /// The answer came after the deadline, and was dropped.
    Late,
    /// The session closes. The slot is an orphan now.
    Evicted,
    /// The connection was lost first.
    Failed {
        /// Whether the request, or a part of it, may have left.
        sent: bool,
    },
}

/// What became of an answer.
#[derive(Debug)]
pub(super) enum Delivery {
    /// It lies in the slot; whoever waits is to be woken.
    Waiting(Option<Waker>),
    /// As Waiting, but too late: who waits is told that the time is up.
    Late(Option<Waker>, Envelope),
    /// Nobody waits any more: the id is free again.
    Orphan(Envelope),
    /// It belongs to continuous paging.
    Paging(Paged),
    /// No request with this id is open.
    Unknown,
}

/// What [`Slab::cancel`] left behind.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Cancelled {
    /// The answer is still to come; the id stays reserved.
    Orphaned,
    /// Nothing: the request had ended, and its id is free.
    Ended,
    /// The same, with an answer that nobody has seen.
    Unseen(Envelope),
}

/// Small: a session may have thousands of connections that nothing but heartbeats are sent on.
const FIRST_CHUNK: usize = if cfg!(all(test, helenus_loom)) { 2 } else { 8 };
const CHUNKS: usize = (StreamId::COUNT / FIRST_CHUNK).ilog2() as usize + 1;
/// No id: one above the highest.
const NONE: u16 = StreamId::COUNT as u16;

/// The limit of a slot that waits for no answer. No [`Moment`] is this number.
const CLOSED: u64 = 0;
/// The limit of a slot whose answer has all the time, or has been seen. No [`Moment`] is this number.
const NO_LIMIT: u64 = u64::MAX;

/// Answers up to this length are carried by their slots; longer ones share the read buffer.
const CARRIED: usize = 8 * 1024;
/// Memory that the slots of a connection carry answers in at most. Further answers get memory of their own.
const CARRIERS: usize = 1024 * 1024;
/// Answers up to this length need no memory: RESULT of kind Void (v4 §4.2.5.1).
const NO_MEMORY: usize = 4;

#[repr(align(128))]
struct Slot {
    state: ShortLock<Held>,
    /// Until when the answer is to come, a [`Moment`]; [`CLOSED`], [`NO_LIMIT`].
    limit: AtomicU64,
    /// Whose request it is, as written by `begin`.
    owner: AtomicU32,
    /// The next id in a chain of free ids.
    next: AtomicU16,
}

/// What the lock of a slot guards.
struct Held {
    state: State,
    /// What a carried answer lies in; kept for the next one.
    carrier: Vec<u8>,
}

impl Deref for Held {
    type Target = State;

    #[inline]
    fn deref(&self) -> &State {
        &self.state
    }
}

impl DerefMut for Held {
    #[inline]
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

enum State {
    /// Nobody has asked for an answer yet, if the slot is open.
    Idle,
    Waiting(Waker),
    /// As Waiting; a sweep has seen the limit pass, and has woken who waits.
    Expired,
    /// As Waiting; who waits was woken to be told that the session closes.
    Evicted,
    Done(Envelope),
    /// As Done, with an answer whose body lies in the carrier.
    Carried(EnvelopeHeader),
    /// As Done, with an answer that came after the limit.
    Late,
    Orphaned,
    Failed {
        sent: bool,
    },
    /// All answers are pages, until the last one.
    Pages(Box<PageQueue>),
    /// As Pages, and nobody wants them any more.
    Abandoned {
        /// Whose pages they are.
        serial: u64,
    },
    /// The answer to a REVISE is to come.
    Revision(pages::Revision),
}

impl FreeIds {
    pub(super) fn new() -> Self {
        Self {
            head: NONE,
            unused: 0,
        }
    }
}

impl Slab {
    /// `carries` when threads other than the I/O task's wait for answers.
    pub(super) fn new(carries: bool) -> Self {
        Self {
            chunks: [const { OnceLock::new() }; CHUNKS],
            returned: CacheLine(AtomicU16::new(NONE)),
            serials: AtomicU64::new(0),
            carries,
            carriers: AtomicUsize::new(0),
        }
    }

    /// Takes a free id; `None` when all are taken. Grows the slab where needed.
    pub(super) fn take_id(&self, free: &mut FreeIds) -> Option<StreamId> {
        if free.head == NONE && self.returned.0.load(Ordering::Relaxed) != NONE {
            free.head = self.returned.0.swap(NONE, Ordering::Acquire);
        }
        let id = free.head;
        if id != NONE {
            let id = stream_id(id)?;
            free.head = self.slot(id)?.next.load(Ordering::Relaxed);
            return Some(id);
        }
        let id = stream_id(free.unused)?;
        let (chunk, _) = place(id.index());
        self.chunks.get(chunk)?.get_or_init(|| new_chunk(chunk));
        free.unused += 1;
        Some(id)
    }

    /// Undoes [`Slab::take_id`], for an id that was not begun.
    pub(super) fn untake_id(&self, free: &mut FreeIds, id: StreamId) {
        if let Some(slot) = self.slot(id) {
            slot.next.store(free.head, Ordering::Relaxed);
            free.head = id.raw().unsigned_abs();
        }
    }

    /// A request is about to be sent with this id, just taken.
    #[inline]
    pub(super) fn begin(&self, id: StreamId, owner: Owner, deadline: Option<Moment>) {
        if let Some(slot) = self.slot(id) {
            slot.owner.store(owner.into_raw(), Ordering::Relaxed);
            let limit = deadline.map_or(NO_LIMIT, Moment::into_raw);
            slot.limit.store(limit, Ordering::Release);
        }
    }

    /// An answer has arrived on this stream, not after `now`.
    #[inline(always)]
    pub(super) fn complete(&self, id: StreamId, answer: ReceivedEnvelope<'_>, now: Moment) -> Delivery {
        let Some(slot) = self.slot(id) else {
            return Delivery::Unknown;
        };
        let mut state = slot.lock();
        let limit = slot.limit.load(Ordering::Acquire);
        let (State::Idle | State::Waiting(_) | State::Expired | State::Evicted) = &**state else {
            return self.complete_unawaited(id, slot, state, answer.into_envelope());
        };
        if limit == CLOSED {
            return Delivery::Unknown;
        }
        slot.limit.store(NO_LIMIT, Ordering::Relaxed);
        let waker = |before| match before {
            State::Waiting(waker) => Some(waker),
            _ => None,
        };
        if limit < now.into_raw() {
            let before = std::mem::replace(&mut **state, State::Late);
            return Delivery::Late(waker(before), answer.into_envelope());
        }
        let length = answer.body.len();
        let done = if self.carries && length > NO_MEMORY && self.can_carry(&mut state.carrier, length) {
            state.carrier.clear();
            state.carrier.extend_from_slice(&answer.body);
            State::Carried(answer.header)
        } else {
            State::Done(answer.into_envelope())
        };
        Delivery::Waiting(waker(std::mem::replace(&mut **state, done)))
    }

    /// Whether an answer of this length fits into a carrier, which may grow for it. For the I/O task.
    #[inline]
    fn can_carry(&self, carrier: &mut Vec<u8>, length: usize) -> bool {
        length <= carrier.capacity() || self.grow(carrier, length)
    }

    #[cold]
    fn grow(&self, carrier: &mut Vec<u8>, length: usize) -> bool {
        let size = length.next_power_of_two();
        let others = self
            .carriers
            .load(Ordering::Relaxed)
            .saturating_sub(carrier.capacity());
        if length > CARRIED || others + size > CARRIERS {
            return false;
        }
        *carrier = Vec::with_capacity(size);
        self.carriers
            .store(others + carrier.capacity(), Ordering::Relaxed);
        true
    }

    /// The same on a stream on which nobody waits for a single answer.
    #[cold]
    fn complete_unawaited(
        &self,
        id: StreamId,
        slot: &Slot,
        mut state: ShortLockGuard<'_, Held>,
        answer: Envelope,
    ) -> Delivery {
        match &**state {
            State::Orphaned => {
                slot.close(&mut state);
                drop(state);
                self.give_back(id, slot);
                Delivery::Orphan(answer)
            }
            State::Pages(_) | State::Abandoned { .. } | State::Revision(_) => {
                Delivery::Paging(self.complete_paging(id, slot, state, answer))
            }
            _ => Delivery::Unknown,
        }
    }

    /// Asks for the outcome, and leaves a waker when there is none yet. Not to be called again after `Ready`.
    #[inline(always)]
    pub(super) fn poll(&self, id: StreamId, cx: &mut Context<'_>) -> Poll<Outcome> {
        let Some(slot) = self.slot(id) else {
            return Poll::Ready(Outcome::Failed { sent: true });
        };
        let mut state = slot.lock();
        match &mut **state {
            State::Idle if slot.is_open() => {
                **state = State::Waiting(cx.waker().clone());
                Poll::Pending
            }
            State::Waiting(waker) => {
                waker.clone_from(cx.waker());
                Poll::Pending
            }
            State::Expired => {
                slot.orphan(&mut state);
                Poll::Ready(Outcome::TimedOut)
            }
            State::Evicted => {
                slot.orphan(&mut state);
                Poll::Ready(Outcome::Evicted)
            }
            State::Done(_) => {
                let State::Done(answer) = slot.close(&mut state) else {
                    return Poll::Ready(Outcome::Failed { sent: true });
                };
                drop(state);
                self.give_back(id, slot);
                Poll::Ready(Outcome::Answer(answer))
            }
            State::Carried(header) => {
                let header = *header;
                let body = Bytes::copy_from_slice(&state.carrier);
                slot.close(&mut state);
                drop(state);
                self.give_back(id, slot);
                Poll::Ready(Outcome::Answer(Envelope { header, body }))
            }
            State::Late => {
                slot.close(&mut state);
                drop(state);
                self.give_back(id, slot);
                Poll::Ready(Outcome::Late)
            }
            // The connection is gone: nobody takes ids any more.
            State::Failed { sent } => {
                let sent = *sent;
                slot.close(&mut state);
                Poll::Ready(Outcome::Failed { sent })
            }
            State::Pages(queue) => queue.poll_first(cx),
            State::Idle | State::Orphaned | State::Abandoned { .. } | State::Revision(_) => {
                Poll::Ready(Outcome::Failed { sent: true })
            }
        }
    }

    /// Nobody waits for the answer any more. To be called instead of, not after, the `poll` that ends it.
    pub(super) fn cancel(&self, id: StreamId) -> Cancelled {
        let Some(slot) = self.slot(id) else {
            return Cancelled::Ended;
        };
        let mut state = slot.lock();
        match &**state {
            State::Idle | State::Waiting(_) | State::Expired | State::Evicted if slot.is_open() => {
                let old = slot.orphan(&mut state);
                drop(state);
                drop(old);
                Cancelled::Orphaned
            }
            State::Done(_) | State::Carried(_) | State::Late => {
                let unseen = match slot.close(&mut state) {
                    State::Done(answer) => Some(answer),
                    State::Carried(header) => {
                        let body = Bytes::copy_from_slice(&state.carrier);
                        Some(Envelope { header, body })
                    }
                    _ => None,
                };
                drop(state);
                self.give_back(id, slot);
                unseen.map_or(Cancelled::Ended, Cancelled::Unseen)
            }
            State::Failed { .. } => {
                slot.close(&mut state);
                Cancelled::Ended
            }
            _ => Cancelled::Ended,
        }
    }

    /// Wakes everybody whose deadline is not after `now`, and says which deadline is the next.
    pub(super) fn sweep(&self, now: Moment) -> Option<Moment> {
        let now = now.into_raw();
        let mut next = NO_LIMIT;
        for slot in self.slots() {
            match slot.limit.load(Ordering::Acquire) {
                CLOSED | NO_LIMIT => continue,
                limit if limit > now => {
                    next = next.min(limit);
                    continue;
                }
                _ => {}
            }
            let mut state = slot.lock();
            if slot.limit.load(Ordering::Acquire) > now {
                // An answer came in between, and perhaps another request.
                next = next.min(slot.limit.load(Ordering::Acquire));
                continue;
            }
            if let State::Idle | State::Waiting(_) = &**state
                && slot.is_open()
            {
                let old = std::mem::replace(&mut **state, State::Expired);
                drop(state);
                if let State::Waiting(waker) = old {
                    waker.wake();
                }
            } else if let State::Pages(queue) = &mut **state {
                slot.limit.store(NO_LIMIT, Ordering::Relaxed);
                let waker = queue.expire();
                drop(state);
                if let Some(waker) = waker {
                    waker.wake();
                }
            }
        }
        (next != NO_LIMIT).then(|| Moment::from_raw(next))
    }

    /// How many requests of this owner are to be answered, and are waited for.
    pub(super) fn count(&self, owner: Owner) -> usize {
        let of_owner = |slot: &&Slot| {
            slot.is_of(owner)
                && match &**slot.lock() {
                    State::Idle | State::Waiting(_) => slot.is_of(owner),
                    State::Pages(queue) => !queue.has_ended(),
                    _ => false,
                }
        };
        self.slots().filter(of_owner).count()
    }

    /// Requests of this owner need not be waited for any longer: whoever waits is told. Their ids come back with the answers.
    /// To be called when nothing is begun for the owner any more.
    pub(super) fn evict(&self, owner: Owner) {
        for slot in self.slots().filter(|slot| slot.is_of(owner)) {
            let mut state = slot.lock();
            if !slot.is_of(owner) {
                continue;
            }
            let waker = match &mut **state {
                State::Idle | State::Waiting(_) => match std::mem::replace(&mut **state, State::Evicted) {
                    State::Waiting(waker) => Some(waker),
                    _ => None,
                },
                State::Pages(queue) => queue.evict(),
                _ => None,
            };
            drop(state);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }

    /// Gives back the memory that answers were carried in. For the I/O task.
    pub(super) fn shrink(&self) {
        if self.carriers.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut kept = 0;
        for slot in self.slots() {
            let mut state = slot.lock();
            if !slot.is_open() {
                state.carrier = Vec::new();
            }
            kept += state.carrier.capacity();
        }
        self.carriers.store(kept, Ordering::Relaxed);
    }

    /// The connection is lost, and this request has never left it.
    pub(super) fn fail_unsent(&self, id: StreamId) {
        if let Some(slot) = self.slot(id) {
            slot.fail(false);
        }
    }

    /// The connection is lost: everybody who waits is told. No request may be begun any more.
    pub(super) fn fail_all(&self) {
        for slot in self.slots() {
            slot.fail(true);
        }
    }

    fn give_back(&self, id: StreamId, slot: &Slot) {
        let id = id.raw().unsigned_abs();
        let mut head = self.returned.0.load(Ordering::Relaxed);
        loop {
            slot.next.store(head, Ordering::Relaxed);
            let pushed =
                self.returned
                    .0
                    .compare_exchange_weak(head, id, Ordering::Release, Ordering::Relaxed);
            match pushed {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    #[inline(always)]
    fn slot(&self, id: StreamId) -> Option<&Slot> {
        let (chunk, offset) = place(id.index());
        self.chunks.get(chunk)?.get()?.get(offset)
    }

    fn slots(&self) -> impl Iterator<Item = &Slot> {
        self.chunks.iter().filter_map(OnceLock::get).flatten()
    }
}

impl Slot {
    #[inline(always)]
    fn lock(&self) -> ShortLockGuard<'_, Held> {
        self.state.lock()
    }

    /// Whether it is open for a request of this owner.
    fn is_of(&self, owner: Owner) -> bool {
        // The owner is written first.
        self.is_open() && self.owner.load(Ordering::Relaxed) == owner.into_raw()
    }

    /// Whether an answer is to come, or was not taken yet.
    fn is_open(&self) -> bool {
        self.limit.load(Ordering::Acquire) != CLOSED
    }

    /// The request has ended: its id may be given out again.
    fn close(&self, state: &mut State) -> State {
        self.limit.store(CLOSED, Ordering::Relaxed);
        std::mem::replace(state, State::Idle)
    }

    /// The request has ended, and its answer is still to come.
    fn orphan(&self, state: &mut State) -> State {
        self.limit.store(NO_LIMIT, Ordering::Relaxed);
        std::mem::replace(state, State::Orphaned)
    }

    fn fail(&self, sent: bool) {
        if !self.is_open() {
            return;
        }
        let mut state = self.lock();
        if let State::Idle | State::Waiting(_) | State::Expired | State::Evicted = &**state
            && self.is_open()
        {
            let old = std::mem::replace(&mut **state, State::Failed { sent });
            self.limit.store(NO_LIMIT, Ordering::Relaxed);
            drop(state);
            if let State::Waiting(waker) = old {
                waker.wake();
            }
        } else if let State::Pages(queue) = &mut **state {
            let waker = queue.fail(sent);
            drop(state);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
    }
}

fn stream_id(id: u16) -> Option<StreamId> {
    i16::try_from(id).ok().and_then(StreamId::new)
}

/// Chunk, and place in the chunk, of the slot with this index.
fn place(index: usize) -> (usize, usize) {
    match index / FIRST_CHUNK {
        0 => (0, index),
        above => {
            let chunk = above.ilog2() as usize + 1;
            (chunk, index - chunk_length(chunk))
        }
    }
}

/// Slots in this chunk; also, from chunk 1 on, the index of its first slot.
fn chunk_length(chunk: usize) -> usize {
    FIRST_CHUNK << chunk.saturating_sub(1)
}

fn new_chunk(chunk: usize) -> Box<[Slot]> {
    let slot = || Slot {
        state: ShortLock::new(Held {
            state: State::Idle,
            carrier: Vec::new(),
        }),
        limit: AtomicU64::new(CLOSED),
        owner: AtomicU32::new(Owner::DRIVER.into_raw()),
        next: AtomicU16::new(NONE),
    };
    std::iter::repeat_with(slot).take(chunk_length(chunk)).collect()
}

#[cfg(test)]
#[cfg(helenus_loom)]
mod model;
#[cfg(test)]
#[cfg(not(helenus_loom))]
mod tests;
