//! Every interleaving of those who share a slot, by loom:
//! `RUSTFLAGS="--cfg helenus_loom" cargo test -p helenus --lib slab::model`

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use helenus_protocol::{Direction, EnvelopeFlags, EnvelopeHeader, Opcode, ProtocolVersion};
use loom::future::block_on;
use loom::thread;

use super::*;

fn answer(id: StreamId) -> Envelope {
    let header = EnvelopeHeader {
        version: ProtocolVersion::V4,
        direction: Direction::Response,
        flags: EnvelopeFlags::default(),
        stream: id.raw(),
        opcode: Opcode::Result,
        length: 0,
    };
    let body = Bytes::new();
    Envelope { header, body }
}

fn begun(deadline: Option<Instant>) -> (Arc<Slab>, FreeIds, StreamId) {
    let (slab, mut free) = (Arc::new(Slab::new(true)), FreeIds::new());
    let id = slab.take_id(&mut free).expect("a free id");
    slab.begin(id, Owner::DRIVER, deadline.map(Moment::of));
    (slab, free, id)
}

/// The I/O task: delivers, and wakes.
fn deliver(slab: &Slab, id: StreamId) -> Delivery {
    deliver_at(slab, id, Instant::now())
}

fn deliver_at(slab: &Slab, id: StreamId, now: Instant) -> Delivery {
    match slab.complete(id, answer(id).into(), Moment::of(now)) {
        Delivery::Waiting(waker) | Delivery::Late(waker, _) => {
            if let Some(waker) = waker {
                waker.wake();
            }
            Delivery::Waiting(None)
        }
        other => other,
    }
}

fn wait(slab: &Slab, id: StreamId) -> Outcome {
    block_on(std::future::poll_fn(|cx| slab.poll(id, cx)))
}

#[test]
fn answer_always_reaches_the_one_who_waits() {
    loom::model(|| {
        let (slab, mut free, id) = begun(None);
        let io = thread::spawn({
            let slab = Arc::clone(&slab);
            move || assert!(matches!(deliver(&slab, id), Delivery::Waiting(_)))
        });
        assert_eq!(wait(&slab, id), Outcome::Answer(answer(id)));
        io.join().unwrap();
        assert_eq!(slab.take_id(&mut free), Some(id));
    });
}

#[test]
fn fault_43_cancelling_beside_the_answer_frees_the_id_exactly_once() {
    loom::model(|| {
        let (slab, mut free, id) = begun(None);
        let io = thread::spawn({
            let slab = Arc::clone(&slab);
            move || matches!(deliver(&slab, id), Delivery::Orphan(_))
        });
        let orphaned = slab.cancel(id) == Cancelled::Orphaned;
        assert_eq!(io.join().unwrap(), orphaned);
        assert_eq!(slab.take_id(&mut free), Some(id));
        assert_ne!(slab.take_id(&mut free), Some(id));
    });
}

#[test]
fn promise_3_deadline_beside_the_answer_ends_in_one_of_them() {
    loom::model(|| {
        let now = Instant::now();
        let (slab, mut free, id) = begun(Some(now));
        let io = thread::spawn({
            let slab = Arc::clone(&slab);
            move || {
                slab.sweep(Moment::of(now));
                matches!(deliver_at(&slab, id, now), Delivery::Orphan(_))
            }
        });
        let outcome = wait(&slab, id);
        let orphan = io.join().unwrap();
        assert_eq!(orphan, outcome == Outcome::TimedOut);
        assert_eq!(slab.take_id(&mut free), Some(id));
    });
}

#[test]
fn answer_past_the_deadline_is_a_timeout_whoever_sees_it_first() {
    loom::model(|| {
        let now = Instant::now();
        let (slab, mut free, id) = begun(Some(now));
        let io = thread::spawn({
            let slab = Arc::clone(&slab);
            move || {
                slab.sweep(Moment::of(now));
                matches!(
                    deliver_at(&slab, id, now + Duration::from_nanos(1)),
                    Delivery::Orphan(_)
                )
            }
        });
        let expected = match wait(&slab, id) {
            Outcome::TimedOut => true,
            Outcome::Late => false,
            other => panic!("{other:?}"),
        };
        assert_eq!(io.join().unwrap(), expected);
        assert_eq!(slab.take_id(&mut free), Some(id));
    });
}

#[test]
fn fault_42_loss_of_the_connection_ends_every_wait() {
    loom::model(|| {
        let (slab, mut free, first) = begun(None);
        let second = slab.take_id(&mut free).unwrap();
        slab.begin(second, Owner::DRIVER, None);
        let closer = thread::spawn({
            let slab = Arc::clone(&slab);
            move || {
                deliver(&slab, first);
                slab.fail_all();
            }
        });
        assert_eq!(wait(&slab, second), Outcome::Failed { sent: true });
        assert_eq!(wait(&slab, first), Outcome::Answer(answer(first)));
        closer.join().unwrap();
    });
}

#[test]
fn promise_2_ids_given_back_by_two_threads_while_one_takes_are_neither_lost_nor_doubled() {
    loom::model(|| {
        let (slab, mut free, first) = begun(None);
        let second = slab.take_id(&mut free).unwrap();
        slab.begin(second, Owner::DRIVER, None);
        let enders = [first, second].map(|id| {
            deliver(&slab, id);
            let slab = Arc::clone(&slab);
            thread::spawn(move || assert_eq!(wait(&slab, id), Outcome::Answer(answer(id))))
        });
        let taken = slab.take_id(&mut free).unwrap();
        for ender in enders {
            ender.join().unwrap();
        }
        let mut ids = vec![taken];
        ids.extend(
            [slab.take_id(&mut free), slab.take_id(&mut free)]
                .into_iter()
                .flatten(),
        );
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 3, "each id once");
        assert!(ids.contains(&first) && ids.contains(&second));
    });
}

#[test]
fn evicting_beside_the_answer_ends_in_one_of_them() {
    loom::model(|| {
        let (slab, mut free) = (Arc::new(Slab::new(true)), FreeIds::new());
        let (id, owner) = (slab.take_id(&mut free).unwrap(), Owner::new());
        slab.begin(id, owner, None);
        let evicts = thread::spawn({
            let slab = Arc::clone(&slab);
            move || slab.evict(owner)
        });
        let io = thread::spawn({
            let slab = Arc::clone(&slab);
            move || matches!(deliver(&slab, id), Delivery::Orphan(_))
        });
        let outcome = wait(&slab, id);
        evicts.join().unwrap();
        assert_eq!(io.join().unwrap(), outcome == Outcome::Evicted);
        assert_eq!(slab.take_id(&mut free), Some(id));
    });
}

#[test]
fn evicting_reaches_nobody_who_has_the_id_after_the_owner() {
    loom::model(|| {
        let (slab, mut free) = (Arc::new(Slab::new(true)), FreeIds::new());
        let (id, owner) = (slab.take_id(&mut free).unwrap(), Owner::new());
        slab.begin(id, owner, None);
        deliver(&slab, id);
        let evicts = thread::spawn({
            let slab = Arc::clone(&slab);
            move || slab.evict(owner)
        });
        assert_eq!(wait(&slab, id), Outcome::Answer(answer(id)));
        assert_eq!(slab.take_id(&mut free), Some(id));
        slab.begin(id, Owner::new(), None);
        deliver(&slab, id);
        assert_eq!(wait(&slab, id), Outcome::Answer(answer(id)));
        evicts.join().unwrap();
    });
}
