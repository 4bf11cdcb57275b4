use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Wake;
use std::time::{Duration, Instant};

use bytes::Bytes;
use helenus_protocol::{Direction, EnvelopeFlags, EnvelopeHeader, Opcode, ProtocolVersion, ReceivedBody};

use super::*;

#[derive(Default)]
struct WakeCount(AtomicUsize);

impl Wake for WakeCount {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl WakeCount {
    fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

fn answer(id: StreamId, body: &'static [u8]) -> Envelope {
    let body = Bytes::from_static(body);
    let header = EnvelopeHeader {
        version: ProtocolVersion::V4,
        direction: Direction::Response,
        flags: EnvelopeFlags::default(),
        stream: id.raw(),
        opcode: Opcode::Result,
        length: body.len(),
    };
    Envelope { header, body }
}

fn begin(slab: &Slab, free: &mut FreeIds, deadline: Option<Instant>) -> StreamId {
    let id = slab.take_id(free).expect("a free id");
    slab.begin(id, Owner::DRIVER, deadline.map(Moment::of));
    id
}

fn poll(slab: &Slab, id: StreamId, count: &Arc<WakeCount>) -> Poll<Outcome> {
    let waker = Waker::from(Arc::clone(count));
    slab.poll(id, &mut Context::from_waker(&waker))
}

/// Completes, wakes whoever waits, and says whether somebody was there.
fn complete(slab: &Slab, id: StreamId, body: &'static [u8]) -> Delivery {
    complete_at(slab, id, body, Instant::now())
}

fn complete_at(slab: &Slab, id: StreamId, body: &'static [u8], now: Instant) -> Delivery {
    match slab.complete(id, answer(id, body).into(), Moment::of(now)) {
        Delivery::Waiting(waker) | Delivery::Late(waker, _) => {
            if let Some(waker) = waker {
                waker.wake();
            }
            Delivery::Waiting(None)
        }
        other => other,
    }
}

#[test]
fn every_stream_id_is_given_out_once_and_then_none() {
    let (slab, mut free) = (Slab::new(true), FreeIds::new());
    let ids: HashSet<_> = std::iter::from_fn(|| slab.take_id(&mut free)).collect();
    assert_eq!(ids.len(), StreamId::COUNT);
    assert_eq!(slab.take_id(&mut free), None);
    // An id that was taken and not used comes back.
    let id = StreamId::new(4711).unwrap();
    slab.untake_id(&mut free, id);
    assert_eq!(slab.take_id(&mut free), Some(id));
    assert_eq!(slab.take_id(&mut free), None);
}

#[test]
fn every_index_has_a_place_of_its_own_in_the_chunks() {
    let mut expected = (0, 0);
    for index in 0..StreamId::COUNT {
        if expected.1 == chunk_length(expected.0) {
            expected = (expected.0 + 1, 0);
        }
        assert_eq!(place(index), expected);
        expected.1 += 1;
    }
    assert_eq!((expected.0 + 1, expected.1), (CHUNKS, chunk_length(CHUNKS - 1)));
}

#[test]
fn answer_wakes_and_reaches_the_one_who_waits_and_frees_the_id() {
    let (slab, mut free, count) = (Slab::new(true), FreeIds::new(), Arc::default());
    let id = begin(&slab, &mut free, None);
    assert_eq!(poll(&slab, id, &count), Poll::Pending);
    assert!(matches!(complete(&slab, id, b"a"), Delivery::Waiting(_)));
    assert_eq!(count.get(), 1);
    assert_ne!(slab.take_id(&mut free), Some(id), "not free before it was taken");
    assert_eq!(
        poll(&slab, id, &count),
        Poll::Ready(Outcome::Answer(answer(id, b"a")))
    );
    assert_eq!(slab.take_id(&mut free), Some(id));
}

#[test]
fn answers_of_all_lengths_arrive_whole_whether_the_slot_carries_them_or_not() {
    let bytes: Vec<u8> = (0..=u8::MAX).cycle().take(CARRIED + 1).collect();
    for carries in [true, false] {
        let (slab, mut free) = (Slab::new(carries), FreeIds::new());
        for length in [0, 1, NO_MEMORY, NO_MEMORY + 1, 300, CARRIED, CARRIED + 1, 7] {
            for cancels in [false, true] {
                let id = begin(&slab, &mut free, None);
                let Envelope { mut header, .. } = answer(id, b"");
                header.length = length;
                let envelope = Envelope {
                    header,
                    body: Bytes::copy_from_slice(&bytes[..length]),
                };
                let received = ReceivedEnvelope {
                    header,
                    body: ReceivedBody::Borrowed(&bytes[..length]),
                };
                let delivered = slab.complete(id, received, Moment::of(Instant::now()));
                assert!(matches!(delivered, Delivery::Waiting(None)));
                match cancels {
                    true => assert_eq!(slab.cancel(id), Cancelled::Unseen(envelope)),
                    false => assert_eq!(
                        poll(&slab, id, &Arc::default()),
                        Poll::Ready(Outcome::Answer(envelope))
                    ),
                }
            }
        }
    }
}

/// Memory that slots carry answers in, as they have it and as it is counted.
fn carriers(slab: &Slab) -> usize {
    let memory = slab.slots().map(|slot| slot.lock().carrier.capacity()).sum();
    assert_eq!(slab.carriers.load(Ordering::Relaxed), memory);
    memory
}

#[test]
fn memory_that_carries_answers_is_kept_for_the_next_one_and_given_back() {
    let (slab, mut free) = (Slab::new(true), FreeIds::new());
    let first = begin(&slab, &mut free, None);
    complete(&slab, first, &[7; 1000]);
    assert_eq!(carriers(&slab), 1024);
    slab.shrink();
    assert_eq!(carriers(&slab), 1024, "the answer is in it");
    let Poll::Ready(Outcome::Answer(taken)) = poll(&slab, first, &Arc::default()) else {
        panic!("not answered");
    };
    let second = begin(&slab, &mut free, None);
    assert_eq!(second, first);
    complete(&slab, second, &[8; 900]);
    assert_eq!(carriers(&slab), 1024);
    assert!(
        taken.body.iter().all(|byte| *byte == 7),
        "who has taken it has it alone"
    );
    assert!(poll(&slab, second, &Arc::default()).is_ready());
    slab.shrink();
    assert_eq!(carriers(&slab), 0);
}

#[test]
fn memory_that_carries_answers_is_bounded() {
    let (slab, mut free) = (Slab::new(true), FreeIds::new());
    static ANSWER: [u8; CARRIED] = [7; CARRIED];
    let ids: Vec<_> = (0..2 * CARRIERS / CARRIED)
        .map(|_| begin(&slab, &mut free, None))
        .collect();
    for id in &ids {
        complete(&slab, *id, &ANSWER);
    }
    assert_eq!(carriers(&slab), CARRIERS);
    for id in &ids {
        let answered = Poll::Ready(Outcome::Answer(answer(*id, &ANSWER)));
        assert_eq!(poll(&slab, *id, &Arc::default()), answered);
    }
    slab.shrink();
    assert_eq!(carriers(&slab), 0);
}

#[test]
fn only_the_last_waker_is_woken() {
    let (slab, mut free) = (Slab::new(true), FreeIds::new());
    let (first, last) = (Arc::default(), Arc::default());
    let id = begin(&slab, &mut free, None);
    assert_eq!(poll(&slab, id, &first), Poll::Pending);
    assert_eq!(poll(&slab, id, &last), Poll::Pending);
    complete(&slab, id, b"a");
    assert_eq!((first.get(), last.get()), (0, 1));
}

#[test]
fn fault_11_late_answer_after_a_timeout_is_dropped_and_only_then_the_id_is_free() {
    let (slab, mut free, count) = (Slab::new(true), FreeIds::new(), Arc::default());
    let now = Instant::now();
    let id = begin(&slab, &mut free, Some(now));
    assert_eq!(poll(&slab, id, &count), Poll::Pending);
    assert_eq!(slab.sweep(Moment::of(now)), None);
    assert_eq!(count.get(), 1);
    assert_eq!(poll(&slab, id, &count), Poll::Ready(Outcome::TimedOut));
    let other = begin(&slab, &mut free, None);
    assert_ne!(other, id);
    assert!(matches!(complete(&slab, id, b"late"), Delivery::Orphan(_)));
    assert_eq!(begin(&slab, &mut free, None), id);
    assert_eq!(poll(&slab, id, &count), Poll::Pending, "the late answer is gone");
}

#[test]
fn answer_between_the_sweep_and_the_poll_still_counts() {
    let (slab, mut free, count) = (Slab::new(true), FreeIds::new(), Arc::default());
    let now = Instant::now();
    let id = begin(&slab, &mut free, Some(now));
    slab.sweep(Moment::of(now));
    assert!(matches!(
        complete_at(&slab, id, b"just", now),
        Delivery::Waiting(_)
    ));
    assert_eq!(
        poll(&slab, id, &count),
        Poll::Ready(Outcome::Answer(answer(id, b"just")))
    );
}

#[test]
fn answer_after_the_deadline_is_a_timeout_without_any_sweep() {
    let (slab, mut free, count) = (Slab::new(true), FreeIds::new(), Arc::default());
    let now = Instant::now();
    let after = now + Duration::from_nanos(1);
    let id = begin(&slab, &mut free, Some(now));
    assert_eq!(poll(&slab, id, &count), Poll::Pending);
    assert!(matches!(
        complete_at(&slab, id, b"late", after),
        Delivery::Waiting(_)
    ));
    assert_eq!(count.get(), 1);
    assert_eq!(poll(&slab, id, &count), Poll::Ready(Outcome::Late));
    // Nothing is to come any more: the id is free, also when nobody had looked.
    assert_eq!(begin(&slab, &mut free, Some(now)), id);
    complete_at(&slab, id, b"late", after);
    assert_eq!(slab.cancel(id), Cancelled::Ended);
    assert_eq!(begin(&slab, &mut free, None), id);
}

#[test]
fn sweep_wakes_the_expired_and_tells_the_next_deadline() {
    let (slab, mut free) = (Slab::new(true), FreeIds::new());
    let now = Instant::now();
    let later = |seconds| now + Duration::from_secs(seconds);
    let counts: Vec<Arc<WakeCount>> = vec![Arc::default(); 4]
        .into_iter()
        .map(|_: Arc<WakeCount>| Arc::default())
        .collect();
    let deadlines = [Some(later(1)), None, Some(later(3)), Some(later(2))];
    for (count, deadline) in counts.iter().zip(deadlines) {
        let id = begin(&slab, &mut free, deadline);
        assert_eq!(poll(&slab, id, count), Poll::Pending);
    }
    assert_eq!(slab.sweep(Moment::of(now)), Some(Moment::of(later(1))));
    assert_eq!(slab.sweep(Moment::of(later(1))), Some(Moment::of(later(2))));
    assert_eq!(slab.sweep(Moment::of(later(2))), Some(Moment::of(later(3))));
    assert_eq!(slab.sweep(Moment::of(later(9))), None);
    assert_eq!(
        counts.iter().map(|count| count.get()).collect::<Vec<_>>(),
        [1, 0, 1, 1]
    );
}

#[test]
fn request_cancelled_in_any_state_leaves_its_id_to_others_in_due_time() {
    let (slab, mut free) = (Slab::new(true), FreeIds::new());
    // Waiting.
    let id = begin(&slab, &mut free, None);
    assert_eq!(slab.cancel(id), Cancelled::Orphaned);
    assert!(matches!(complete(&slab, id, b"late"), Delivery::Orphan(_)));
    assert_eq!(begin(&slab, &mut free, None), id);
    // Answered.
    complete(&slab, id, b"a");
    assert_eq!(slab.cancel(id), Cancelled::Unseen(answer(id, b"a")));
    assert_eq!(begin(&slab, &mut free, None), id);
    // Lost.
    slab.fail_all();
    assert_eq!(slab.cancel(id), Cancelled::Ended);
}

#[test]
fn answers_that_nobody_asked_for_are_unknown() {
    let (slab, mut free) = (Slab::new(true), FreeIds::new());
    let unknown = |id: StreamId| matches!(complete(&slab, id, b"?"), Delivery::Unknown);
    assert!(unknown(StreamId::new(0).unwrap()), "no chunk yet");
    let id = begin(&slab, &mut free, None);
    assert!(unknown(StreamId::new(1).unwrap()), "never given out");
    assert!(unknown(StreamId::new(i16::MAX).unwrap()));
    complete(&slab, id, b"a");
    assert!(unknown(id), "answered already");
}

#[test]
fn loss_of_the_connection_reaches_everybody_who_waits_once() {
    let (slab, mut free, count) = (Slab::new(true), FreeIds::new(), Arc::default());
    let answered = begin(&slab, &mut free, None);
    let waiting = begin(&slab, &mut free, None);
    assert_eq!(poll(&slab, waiting, &count), Poll::Pending);
    complete(&slab, answered, b"a");
    let unsent = begin(&slab, &mut free, None);
    slab.fail_unsent(unsent);
    slab.fail_all();
    slab.fail_all();
    assert_eq!(
        poll(&slab, unsent, &count),
        Poll::Ready(Outcome::Failed { sent: false })
    );
    assert_eq!(count.get(), 1);
    assert_eq!(
        poll(&slab, waiting, &count),
        Poll::Ready(Outcome::Failed { sent: true })
    );
    let outcome = Poll::Ready(Outcome::Answer(answer(answered, b"a")));
    assert_eq!(poll(&slab, answered, &count), outcome);
}

#[test]
fn a_connection_with_few_requests_in_flight_takes_a_kibibyte_for_them() {
    assert!(FIRST_CHUNK * size_of::<Slot>() <= 1024);
}

#[test]
fn an_evicted_request_ends_and_leaves_an_orphan_and_others_wait_on() {
    let (slab, mut free) = (Slab::new(true), FreeIds::new());
    let (first, second) = (Owner::new(), Owner::new());
    let mut begin = |owner| {
        let id = slab.take_id(&mut free).unwrap();
        slab.begin(id, owner, None);
        id
    };
    let (polled, unpolled, answered, other) = (begin(first), begin(first), begin(first), begin(second));
    let waker = std::task::Waker::noop();
    let mut cx = Context::from_waker(waker);
    for id in [polled, other] {
        assert!(slab.poll(id, &mut cx).is_pending());
    }
    let now = Moment::of(Instant::now());
    slab.complete(answered, answer(answered, b"a").into(), now);
    assert_eq!((slab.count(first), slab.count(second)), (2, 1));
    slab.evict(first);
    assert_eq!((slab.count(first), slab.count(second)), (0, 1));
    for id in [polled, unpolled] {
        assert_eq!(slab.poll(id, &mut cx), Poll::Ready(Outcome::Evicted));
        let late = slab.complete(id, answer(id, b"a").into(), now);
        assert!(matches!(late, Delivery::Orphan(_)), "{late:?}");
    }
    assert!(matches!(
        slab.poll(answered, &mut cx),
        Poll::Ready(Outcome::Answer(_))
    ));
    assert!(slab.poll(other, &mut cx).is_pending());
    // The ids are free again, and others' requests are not taken for those of the owner before.
    slab.begin(polled, second, None);
    slab.evict(first);
    assert!(slab.poll(polled, &mut cx).is_pending());
}

#[test]
fn an_answer_that_is_faster_than_whoever_was_evicted_is_the_outcome() {
    let (slab, mut free) = (Slab::new(true), FreeIds::new());
    let owner = Owner::new();
    let id = slab.take_id(&mut free).unwrap();
    slab.begin(id, owner, None);
    slab.evict(owner);
    let delivered = slab.complete(id, answer(id, b"a").into(), Moment::of(Instant::now()));
    assert!(matches!(delivered, Delivery::Waiting(None)), "{delivered:?}");
    assert!(matches!(slab.cancel(id), Cancelled::Unseen(_)));
}
