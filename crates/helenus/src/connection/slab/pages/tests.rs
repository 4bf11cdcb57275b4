use bytes::Bytes;
use helenus_protocol::{Direction, EnvelopeFlags, EnvelopeHeader, ProtocolVersion};

use super::super::{Delivery, FreeIds};
use super::*;
use crate::connection::Owner;

/// A page of no rows and this many bytes behind them.
fn page(id: StreamId, last: bool, bytes: usize) -> Envelope {
    let flags: u32 = 0x4000_0004 | if last { 0x8000_0000 } else { 0 };
    let mut body = Vec::new();
    for number in [2, flags, 0, 1, 0] {
        body.extend_from_slice(&number.to_be_bytes());
    }
    body.resize(body.len() + bytes, 0);
    envelope(id, Opcode::Result, body)
}

fn envelope(id: StreamId, opcode: Opcode, body: Vec<u8>) -> Envelope {
    let header = EnvelopeHeader {
        version: ProtocolVersion::DseV2,
        direction: Direction::Response,
        flags: EnvelopeFlags::default(),
        stream: id.raw(),
        opcode,
        length: body.len(),
    };
    let body = Bytes::from(body);
    Envelope { header, body }
}

fn void(id: StreamId) -> Envelope {
    envelope(id, Opcode::Result, vec![0, 0, 0, 1])
}

fn window(pages: u32, asked: bool) -> Window {
    Window {
        pages,
        all: 0,
        asked,
        bytes: if asked { 0 } else { 1000 },
    }
}

fn begin(slab: &Slab, free: &mut FreeIds, window: Window) -> (StreamId, u64) {
    let id = slab.take_id(free).expect("a free id");
    let serial = slab.begin_pages(id, window);
    slab.begin(id, Owner::DRIVER, None);
    (id, serial)
}

fn begin_revision(slab: &Slab, free: &mut FreeIds, (of, serial): (StreamId, u64), cancels: bool) -> StreamId {
    let id = slab.take_id(free).expect("a free id");
    slab.begin_revision(id, of, serial, cancels);
    slab.begin(id, Owner::DRIVER, None);
    id
}

fn complete(slab: &Slab, answer: Envelope) -> Paged {
    let id = StreamId::new(answer.header.stream).expect("a stream id");
    match slab.complete(id, answer.into(), Moment::from_raw(1)) {
        Delivery::Paging(paged) => paged,
        other => panic!("{other:?}"),
    }
}

fn read(slab: &Slab, id: StreamId) -> (Option<Result<usize, PagesEnd>>, u32) {
    let (next, asked) = slab.poll_pages(id, &mut Context::from_waker(Waker::noop()), None);
    let next = match next {
        Poll::Ready(next) => Some(next.map(|page| page.body.len())),
        Poll::Pending => None,
    };
    (next, asked.more)
}

#[test]
fn a_node_is_asked_for_more_when_half_of_the_room_is_free_and_never_for_more_than_that() {
    let (slab, mut free) = (Slab::new(true), FreeIds::new());
    let (id, _) = begin(&slab, &mut free, window(4, true));
    let (mut sent, mut allowed, mut taken) = (0, 4_u32, 0);
    for round in 0..100 {
        // It sends whatever it may, by fits and starts.
        let now = (allowed - sent).min(1 + round % 3);
        for _ in 0..now {
            complete(&slab, page(id, false, 10));
        }
        sent += now;
        let (next, more) = read(&slab, id);
        taken += u32::from(next.is_some());
        allowed += more;
        assert!(allowed - taken <= 4, "{allowed} allowed, {taken} taken");
    }
    assert!(taken > 50, "{taken} taken");
}

#[test]
fn a_node_that_cannot_be_held_back_is_cancelled_when_the_room_is_full() {
    let (slab, mut free) = (Slab::new(true), FreeIds::new());
    let session = begin(&slab, &mut free, window(4, false));
    let id = session.0;
    let mut kept = 0;
    let overrun = loop {
        let paged = complete(&slab, page(id, false, 280));
        match paged.overrun {
            None => kept += 1,
            Some(serial) => break serial,
        }
    };
    assert_eq!(
        (kept, overrun),
        (4, session.1),
        "1000 bytes or four pages, whichever is more"
    );
    let cancel = begin_revision(&slab, &mut free, session, true);
    assert_eq!(complete(&slab, page(id, false, 280)).overrun, None);
    for _ in 0..kept {
        assert_eq!(read(&slab, id), (Some(Ok(300)), 0));
    }
    assert_eq!(read(&slab, id).0, Some(Err(PagesEnd::Overrun)));
    let paged = complete(&slab, void(cancel));
    assert_eq!((paged.answers, paged.orphans), (1, 1));
    assert_eq!(slab.close_pages(id), Closed::Ended);
}

#[test]
fn the_answer_to_a_cancel_ends_its_own_session_and_no_later_one_with_the_same_id() {
    let (slab, mut free) = (Slab::new(true), FreeIds::new());
    let first = begin(&slab, &mut free, window(4, true));
    assert_eq!(slab.close_pages(first.0), Closed::Abandoned { cancelled: false });
    let cancel = begin_revision(&slab, &mut free, first, true);
    // The last page was on its way already.
    assert_eq!(complete(&slab, page(first.0, false, 1)).orphans, 0);
    assert_eq!(complete(&slab, page(first.0, true, 1)).orphans, 1);
    let second = begin(&slab, &mut free, window(4, true));
    assert_eq!(second.0, first.0);
    assert_eq!(slab.close_pages(second.0), Closed::Abandoned { cancelled: false });
    let paged = complete(&slab, void(cancel));
    assert_eq!((paged.answers, paged.orphans), (0, 1), "the cancel alone");
    let cancel = begin_revision(&slab, &mut free, second, true);
    assert_eq!(complete(&slab, void(cancel)).orphans, 2);
    assert_eq!(slab.take_id(&mut free), Some(second.0));
}

#[test]
fn a_refused_cancel_does_not_give_the_id_back() {
    let (slab, mut free) = (Slab::new(true), FreeIds::new());
    let session = begin(&slab, &mut free, window(4, true));
    slab.close_pages(session.0);
    let cancel = begin_revision(&slab, &mut free, session, true);
    let refusal = envelope(cancel, Opcode::Error, vec![0, 0, 0, 0, 0, 0]);
    assert_eq!(complete(&slab, refusal).orphans, 1);
    assert_eq!(complete(&slab, page(session.0, false, 1)).orphans, 0);
    assert_eq!(complete(&slab, page(session.0, true, 1)).orphans, 1);
}

#[test]
fn a_node_that_will_not_send_more_says_why_behind_the_pages_that_came() {
    let (slab, mut free) = (Slab::new(true), FreeIds::new());
    let session = begin(&slab, &mut free, window(2, true));
    complete(&slab, page(session.0, false, 1));
    let more = begin_revision(&slab, &mut free, session, false);
    let refusal = envelope(more, Opcode::Error, vec![0; 6]);
    assert_eq!(complete(&slab, refusal).answers, 1);
    assert_eq!(read(&slab, session.0).0, Some(Ok(21)));
    assert_eq!(read(&slab, session.0).0, Some(Ok(6)));
    assert_eq!(read(&slab, session.0).0, Some(Err(PagesEnd::Complete)));
    assert_eq!(
        slab.close_pages(session.0),
        Closed::Abandoned { cancelled: false }
    );
}
