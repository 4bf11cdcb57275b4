//! Every interleaving of those who hand envelopes to the writing side, by loom:
//! `RUSTFLAGS="--cfg helenus_loom" cargo test -p helenus --lib -- flushing::model`
//!
//! What runs is the connection itself but for its socket and its clock: the node is a buffer of limited room that answers
//! each envelope as soon as it has it whole. A wake-up that gets lost leaves somebody waiting for ever, which loom reports.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::Waker;

use bytes::Bytes;
use helenus_protocol::{
    Direction, Envelope, EnvelopeFlags, EnvelopeHeader, HEADER_LENGTH, Opcode, ProtocolVersion, StreamId,
};
use loom::future::block_on;
use loom::sync::Mutex;
use loom::thread;

use super::*;
use crate::clock::Moment;
use crate::connection::error::{AttemptFailure, CloseReason, SubmitError};
use crate::connection::handshake::Established;
use crate::connection::lend::Nothing;
use crate::connection::owner::Owner;
use crate::connection::pending::PendingResponse;
use crate::connection::shared::Submitter;
use crate::connection::slab::Delivery;
use crate::connection::transport::TransportWrite;
use crate::connection::{ConnectionConfig, Endpoint};

/// Length of the body of each request: its tag, repeated.
const BODY: usize = 3;
const ENVELOPE: usize = HEADER_LENGTH + BODY;
/// Room for the first request up to its tag.
const SCARCE: usize = HEADER_LENGTH + 1;
/// Room for everything.
const ENDLESS: usize = usize::MAX;

/// The node, with its end of the transport.
#[derive(Clone)]
struct Node(Arc<Mutex<Received>>);

struct Received {
    bytes: Vec<u8>,
    /// Bytes that it takes before it has to be read from.
    room: usize,
    /// Streams of envelopes that came whole and are not answered.
    unanswered: VecDeque<StreamId>,
    reader: Option<Waker>,
    writer: Option<Waker>,
    /// It answers nothing.
    mute: bool,
    shut_down: bool,
}

impl Node {
    fn new(room: usize) -> Self {
        Self(Arc::new(Mutex::new(Received {
            bytes: Vec::new(),
            room,
            unanswered: VecDeque::new(),
            reader: None,
            writer: None,
            mute: false,
            shut_down: false,
        })))
    }

    /// Answers that can be read; wakes the reader when there are more.
    fn answers(&self, cx: &mut Context<'_>) -> VecDeque<StreamId> {
        let mut received = self.0.lock().unwrap();
        leave(&mut received.reader, cx);
        std::mem::take(&mut received.unanswered)
    }

    /// Takes everything from now on.
    fn read_on(&self) {
        let mut received = self.0.lock().unwrap();
        received.room = ENDLESS;
        let writer = received.writer.take();
        drop(received);
        if let Some(writer) = writer {
            writer.wake();
        }
    }

    /// The tags of the requests that came, in their order. What came last need not be whole, but for its tag.
    fn tags(&self) -> Vec<u8> {
        let received = self.0.lock().unwrap();
        let requests = received.bytes.chunks(ENVELOPE).map(|request| {
            let tag = request[HEADER_LENGTH];
            if request.len() == ENVELOPE {
                let header = EnvelopeHeader::decode(request).unwrap();
                assert_eq!(header.length, BODY);
                assert_eq!(request[HEADER_LENGTH..], [tag; BODY], "whole");
            }
            tag
        });
        requests.collect()
    }

    fn is_shut_down(&self) -> bool {
        self.0.lock().unwrap().shut_down
    }
}

fn leave(place: &mut Option<Waker>, cx: &Context<'_>) {
    if !place.as_ref().is_some_and(|old| old.will_wake(cx.waker())) {
        *place = Some(cx.waker().clone());
    }
}

impl TransportWrite for Node {
    fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let mut received = self.0.lock().unwrap();
        assert!(!received.shut_down, "written after the end");
        let count = bytes.len().min(received.room);
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        received.room -= count;
        let before = received.bytes.len() / ENVELOPE;
        received.bytes.extend_from_slice(&bytes[..count]);
        let whole: Vec<_> = received
            .bytes
            .chunks_exact(ENVELOPE)
            .skip(before)
            .map(|request| StreamId::new(EnvelopeHeader::decode(request).unwrap().stream).unwrap())
            .collect();
        let mut reader = None;
        if !whole.is_empty() && !received.mute {
            received.unanswered.extend(whole);
            reader = received.reader.take();
        }
        drop(received);
        if let Some(reader) = reader {
            reader.wake();
        }
        Ok(count)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut received = self.0.lock().unwrap();
        if received.room > 0 {
            return Poll::Ready(Ok(()));
        }
        leave(&mut received.writer, cx);
        Poll::Pending
    }

    fn shutdown(&self) {
        self.0.lock().unwrap().shut_down = true;
    }
}

fn connection(node: &Node, config: ConnectionConfig) -> Arc<Shared> {
    let established = Established {
        version: ProtocolVersion::V4,
        compression: None,
        server_options: Default::default(),
    };
    let endpoint = Endpoint::new(([127, 0, 0, 1], 9042).into());
    let writer = Writer::new(Box::new(node.clone()), None);
    Arc::new(Shared::new(
        endpoint,
        established,
        Arc::new(config),
        writer,
        false,
    ))
}

/// Sends a request whose body is this tag.
fn submit(shared: &Arc<Shared>, tag: u8) -> Result<PendingResponse, SubmitError> {
    let stream = shared.submit(
        Submitter::Request(Owner::DRIVER),
        None,
        &Nothing,
        |context, out| {
            let header = EnvelopeHeader {
                version: context.version,
                direction: Direction::Request,
                flags: EnvelopeFlags::default(),
                stream: context.stream.raw(),
                opcode: Opcode::Query,
                length: BODY,
            };
            header.encode(out);
            out.extend_from_slice(&[tag; BODY]);
            Ok(())
        },
    )?;
    Ok(PendingResponse::new(Arc::clone(shared), stream))
}

/// The I/O task, without deadlines and heartbeats: until so many answers have come, or the connection is closed.
fn io_task(shared: &Arc<Shared>, node: &Node, mut turn: Turn, expected: u64) {
    block_on(poll_fn(|cx| {
        shared.io_task.0.register(cx.waker());
        if shared.error().is_some() {
            return Poll::Ready(());
        }
        let answers = node.answers(cx);
        for stream in &answers {
            hand_out(shared, *stream);
        }
        if shared.answers() == expected {
            return Poll::Ready(());
        }
        if let Some(reason) = shared.drained() {
            shared.close(CloseCause::Requested(reason));
            return Poll::Ready(());
        }
        turn.end(shared, answers.len(), cx)
            .expect("the transport takes it");
        Poll::Pending
    }));
}

fn hand_out(shared: &Shared, stream: StreamId) {
    let header = EnvelopeHeader {
        version: ProtocolVersion::V4,
        direction: Direction::Response,
        flags: EnvelopeFlags::default(),
        stream: stream.raw(),
        opcode: Opcode::Result,
        length: 0,
    };
    let body = Bytes::new();
    let now = Moment::of(std::time::Instant::now());
    match shared
        .slab
        .complete(stream, Envelope { header, body }.into(), now)
    {
        Delivery::Waiting(waker) | Delivery::Late(waker, _) => {
            shared.count_answer(false);
            if let Some(waker) = waker {
                waker.wake();
            }
        }
        Delivery::Orphan(_) => shared.count_answer(true),
        Delivery::Unknown => assert!(shared.error().is_some(), "answered twice"),
        Delivery::Paging(_) => panic!("nobody asked for pages"),
    }
}

/// Walks through all interleavings in which threads are interrupted at most twice where they need not be.
fn model(run: impl Fn() + Send + Sync + 'static) {
    model_within(2, run);
}

fn model_within(interruptions: usize, run: impl Fn() + Send + Sync + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(interruptions);
    builder.check(run);
}

/// Requests of two threads, to a node that has this much room until it reads on.
fn two_submitters(room: usize, runs_next: bool, firsts: &'static [u8], seconds: &'static [u8]) {
    let node = Node::new(room);
    let shared = connection(&node, ConnectionConfig::default());
    let submitters = [firsts, seconds].map(|tags| {
        let shared = Arc::clone(&shared);
        thread::spawn(move || -> Vec<_> { tags.iter().map(|tag| submit(&shared, *tag).unwrap()).collect() })
    });
    if room < ENDLESS {
        let node = node.clone();
        thread::spawn(move || node.read_on());
    }
    let expected = firsts.len() + seconds.len();
    io_task(&shared, &node, Turn::new(runs_next), expected as u64);
    let pending = submitters.map(|submitter| submitter.join().unwrap());
    let tags = node.tags();
    assert_eq!(tags.len(), expected, "each once");
    for sent in [firsts, seconds] {
        let came: Vec<_> = tags.iter().copied().filter(|tag| sent.contains(tag)).collect();
        assert_eq!(came, sent, "in the order of their thread");
    }
    assert_eq!(shared.in_flight(), 0);
    drop(pending);
}

#[test]
fn envelopes_of_two_threads_leave_whole_each_once_and_in_order() {
    model(|| two_submitters(ENDLESS, false, b"ab", b"x"));
}

#[test]
fn envelopes_leave_each_once_when_the_io_task_lets_others_submit_first() {
    model(|| two_submitters(ENDLESS, true, b"a", b"x"));
}

#[test]
fn envelopes_leave_whole_when_the_transport_takes_a_part_of_one() {
    // Four threads: more interruptions would take minutes.
    model_within(1, || two_submitters(SCARCE, false, b"a", b"x"));
}

/// Sends two requests, and closes the connection meanwhile.
fn close_beside_submit(room: usize) {
    let node = Node::new(room);
    let shared = connection(&node, ConnectionConfig::default());
    let submitter = thread::spawn({
        let shared = Arc::clone(&shared);
        move || b"ab".map(|tag| (tag, submit(&shared, tag)))
    });
    let closer = thread::spawn({
        let shared = Arc::clone(&shared);
        move || shared.close(CloseCause::Requested(CloseReason::Dropped))
    });
    io_task(&shared, &node, Turn::new(false), u64::MAX);
    closer.join().unwrap();
    let submitted = submitter.join().unwrap();
    assert!(node.is_shut_down());
    let tags = node.tags();
    for (tag, submitted) in submitted {
        let came = tags.contains(&tag);
        match submitted.map(block_on) {
            Ok(Ok(_)) => assert!(came, "answered"),
            // It may have come, or not.
            Ok(Err(AttemptFailure::ConnectionLost(_))) => {}
            Ok(Err(AttemptFailure::NotSent(_))) | Err(SubmitError::Closed(_)) => assert!(!came, "not sent"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn fault_42_closing_while_somebody_writes_ends_the_transport_and_every_wait() {
    model(|| close_beside_submit(ENDLESS));
}

#[test]
fn fault_42_closing_while_the_transport_is_blocked_ends_the_transport_and_every_wait() {
    model(|| close_beside_submit(SCARCE));
}

#[test]
fn draining_ends_when_the_last_one_gives_up_waiting() {
    model(|| {
        let node = Node::new(ENDLESS);
        node.0.lock().unwrap().mute = true;
        let shared = connection(&node, ConnectionConfig::default());
        let pending = submit(&shared, b'a').unwrap();
        let waiter = thread::spawn(move || drop(pending));
        let drainer = thread::spawn({
            let shared = Arc::clone(&shared);
            move || shared.drain(CloseReason::Dropped)
        });
        io_task(&shared, &node, Turn::new(false), u64::MAX);
        waiter.join().unwrap();
        drainer.join().unwrap();
        assert!(node.is_shut_down());
    });
}

/// Two requests, of which the second finds no room while the first is on its way.
fn wait_for_room(room: usize, config: ConnectionConfig) {
    let node = Node::new(room);
    let shared = connection(&node, config);
    let submitter = thread::spawn({
        let shared = Arc::clone(&shared);
        move || {
            let first = submit(&shared, b'a').unwrap();
            let second = loop {
                match submit(&shared, b'b') {
                    Ok(second) => break second,
                    Err(SubmitError::WriteBufferFull | SubmitError::StreamsExhausted) => {}
                    Err(other) => panic!("{other}"),
                }
                block_on(shared.wait_for(|shared| shared.has_room().then_some(())));
            };
            [first, second]
        }
    });
    let reader = thread::spawn({
        let node = node.clone();
        move || node.read_on()
    });
    io_task(&shared, &node, Turn::new(false), 2);
    drop(submitter.join().unwrap());
    reader.join().unwrap();
    assert_eq!(node.tags(), b"ab");
}

#[test]
fn who_waits_for_room_in_the_buffer_is_told_when_there_is_some() {
    model(|| {
        let write_buffer_limit = 1;
        wait_for_room(
            SCARCE,
            ConnectionConfig {
                write_buffer_limit,
                ..ConnectionConfig::default()
            },
        );
    });
}

#[test]
fn who_waits_for_a_stream_id_is_told_when_there_is_one() {
    model(|| {
        let max_in_flight = 1;
        wait_for_room(
            ENDLESS,
            ConnectionConfig {
                max_in_flight,
                ..ConnectionConfig::default()
            },
        );
    });
}
