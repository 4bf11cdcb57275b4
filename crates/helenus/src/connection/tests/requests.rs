//! Requests and answers, over a transport in memory and with time stepped by hand.

use std::panic::AssertUnwindSafe;

use helenus_protocol::{
    ConsistencyLevel, Event, Opcode, ProtocolVersion, Query, QueryParameters, Response, StatusChange,
};

use futures_util::FutureExt as _;

use super::memory::{connect, said};
use super::*;

pub(super) fn quiet() -> ConnectionConfig {
    ConnectionConfig {
        heartbeat_interval: None,
        ..ConnectionConfig::default()
    }
}

pub(super) fn query(text: &str) -> Request<'_> {
    Request::Query(Query {
        text,
        parameters: QueryParameters {
            consistency: ConsistencyLevel::One,
            ..QueryParameters::default()
        },
    })
}

pub(super) fn ask(connection: &Connection, text: &str) -> PendingResponse {
    submit(connection, &query(text)).unwrap()
}

pub(super) fn ask_for(connection: &Connection, text: &str, limit: Duration) -> PendingResponse {
    let deadline = tokio::time::Instant::now().into_std() + limit;
    submit_until(connection, Some(deadline), &query(text)).unwrap()
}

/// The text that the server answered with.
pub(super) fn text(answer: Result<Envelope, AttemptFailure>) -> String {
    let answer = answer.unwrap();
    match ResponseEnvelope::decode(&answer.header, answer.body)
        .unwrap()
        .response
    {
        Response::Authenticate { authenticator: text } => text,
        other => panic!("{other:?}"),
    }
}

/// Lets the I/O task run until it has nothing more to do.
pub(super) async fn settle() {
    for _ in 0..8 {
        tokio::task::yield_now().await;
    }
}

pub(super) fn cause(failure: Result<Envelope, AttemptFailure>) -> CloseCause {
    match failure {
        Err(AttemptFailure::ConnectionLost(error)) => error.cause.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn each_request_gets_its_own_answer_in_whatever_order() {
    let (connection, mut server) = connect(quiet());
    let pending: Vec<_> = ["a", "b", "c"].map(|text| ask(&connection, text)).into();
    settle().await;
    assert_eq!(connection.in_flight(), 3);
    for request in server.requests().into_iter().rev() {
        server.answer(request.stream, &request.text);
    }
    for (pending, expected) in pending.into_iter().zip(["a", "b", "c"]) {
        assert_eq!(text(pending.await), expected);
    }
    assert_eq!(connection.in_flight(), 0);
}

#[tokio::test(start_paused = true)]
async fn first_request_is_written_at_once_and_a_burst_by_one_write() {
    let (connection, mut server) = connect(quiet());
    settle().await;
    let first = ask(&connection, "first");
    assert_eq!(server.requests().len(), 1, "before the I/O task ran");
    let burst: Vec<_> = (0..100).map(|_| ask(&connection, "burst")).collect();
    assert_eq!(server.requests().len(), 0);
    settle().await;
    assert_eq!(server.requests().len(), 100);
    assert_eq!(server.writes(), 2);
    drop((first, burst));
}

#[tokio::test(start_paused = true)]
async fn requests_may_be_sent_and_awaited_outside_of_the_runtime() {
    let (connection, mut server) = connect(quiet());
    let asking = std::thread::spawn({
        let connection = connection.clone();
        move || text(block_on(ask(&connection, "outside")))
    });
    let mut requests = Vec::new();
    while requests.is_empty() {
        settle().await;
        requests = server.requests();
    }
    server.answer(requests[0].stream, "answer");
    while !asking.is_finished() {
        settle().await;
    }
    assert_eq!(asking.join().unwrap(), "answer");
}

/// A waiting thread, parked.
pub(super) fn block_on<F: Future + Unpin>(mut future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = std::task::Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut cx = std::task::Context::from_waker(&waker);
    loop {
        if let std::task::Poll::Ready(output) = std::pin::Pin::new(&mut future).poll(&mut cx) {
            return output;
        }
        std::thread::park();
    }
}

#[tokio::test(start_paused = true)]
async fn late_answer_after_a_timeout_never_reaches_another_request() {
    let (connection, mut server) = connect(quiet());
    let slow = ask_for(&connection, "slow", Duration::from_millis(100));
    let before = tokio::time::Instant::now();
    let stream = slow.stream();
    assert!(matches!(slow.await, Err(AttemptFailure::TimedOut)));
    let waited = before.elapsed();
    assert!(
        waited >= Duration::from_millis(100) && waited < Duration::from_millis(120),
        "{waited:?}"
    );
    assert_eq!((connection.orphans(), connection.in_flight()), (1, 1));

    let next = ask(&connection, "next");
    assert_ne!(next.stream(), stream);
    settle().await;
    server.answer(stream.raw(), "late");
    server.answer(next.stream().raw(), "in time");
    assert_eq!(text(next.await), "in time");
    assert_eq!((connection.orphans(), connection.in_flight()), (0, 0));
    // The ids are free again, and nothing of the late answer is left.
    assert_eq!(server.requests().len(), 2);
    let again = [ask(&connection, "again"), ask(&connection, "and again")];
    assert!(again.iter().any(|pending| pending.stream() == stream));
    settle().await;
    for request in server.requests() {
        server.answer(request.stream, &request.text);
    }
    let [first, second] = again;
    assert_eq!(
        (text(first.await), text(second.await)),
        ("again".to_owned(), "and again".to_owned())
    );
}

#[tokio::test(start_paused = true)]
async fn earlier_deadline_of_a_later_request_is_kept() {
    let (connection, _server) = connect(quiet());
    let long = ask_for(&connection, "long", Duration::from_secs(60));
    settle().await;
    let start = tokio::time::Instant::now();
    let short = ask_for(&connection, "short", Duration::from_millis(5));
    assert!(matches!(short.await, Err(AttemptFailure::TimedOut)));
    assert!(start.elapsed() <= Duration::from_millis(20));
    assert!(matches!(long.await, Err(AttemptFailure::TimedOut)));
    assert!(start.elapsed() >= Duration::from_secs(59));
}

#[tokio::test(start_paused = true)]
async fn answer_after_the_deadline_is_a_timeout_that_leaves_no_orphan() {
    let (connection, mut server) = connect(quiet());
    let limit = Duration::from_micros(1);
    let late = ask_for(&connection, "late", limit);
    let stream = late.stream();
    // The paused clock stands still but for this, and no timer is so fine.
    tokio::time::advance(2 * limit).await;
    server.answer(stream.raw(), "late");
    assert!(matches!(late.await, Err(AttemptFailure::TimedOut)));
    assert_eq!((connection.orphans(), connection.in_flight()), (0, 0));
    let next = ask(&connection, "next");
    assert_eq!((next.stream(), server.requests().len()), (stream, 2));
}

#[tokio::test(start_paused = true)]
async fn a_limit_below_the_tick_is_kept() {
    let (connection, _server) = connect(quiet());
    for _ in 0..3 {
        tokio::time::advance(Duration::from_millis(20)).await;
        let start = tokio::time::Instant::now();
        let pending = ask_for(&connection, "short", Duration::from_millis(2));
        assert!(matches!(pending.await, Err(AttemptFailure::TimedOut)));
        assert!(
            start.elapsed() <= Duration::from_millis(4),
            "{:?}",
            start.elapsed()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn cancelled_request_becomes_an_orphan_until_its_answer_comes() {
    let (connection, mut server) = connect(quiet());
    let pending = ask(&connection, "x");
    let stream = pending.stream();
    drop(pending);
    assert_eq!((connection.orphans(), connection.in_flight()), (1, 1));
    assert_eq!(server.requests().len(), 1);
    server.answer(stream.raw(), "for nobody");
    settle().await;
    assert_eq!((connection.orphans(), connection.in_flight()), (0, 0));
    // Cancelled between the answer and the poll: no orphan.
    let pending = ask(&connection, "y");
    server.answer(pending.stream().raw(), "y");
    settle().await;
    drop(pending);
    assert_eq!((connection.orphans(), connection.in_flight()), (0, 0));
    assert!(connection.is_open());
}

#[tokio::test(start_paused = true)]
async fn too_many_orphans_ask_for_a_replacement() {
    let (connection, _server) = connect(ConnectionConfig {
        max_orphans: 2,
        ..quiet()
    });
    drop([ask(&connection, "a"), ask(&connection, "b")]);
    assert!(!connection.is_worn_out());
    let mut worn_out = std::pin::pin!(connection.worn_out());
    assert!(worn_out.as_mut().now_or_never().is_none());
    drop(ask(&connection, "c"));
    worn_out.await;
    assert!(connection.is_worn_out() && connection.is_open());
}

#[tokio::test(start_paused = true)]
async fn exhausted_stream_ids_refuse_a_request_and_come_back() {
    let (connection, mut server) = connect(ConnectionConfig {
        max_in_flight: 3,
        ..quiet()
    });
    let mut pending: Vec<_> = ["a", "b", "c"].map(|text| ask(&connection, text)).into();
    assert!(matches!(
        submit(&connection, &query("d")),
        Err(SubmitError::StreamsExhausted)
    ));
    // An orphan still holds its id.
    drop(pending.pop());
    assert!(matches!(
        submit(&connection, &query("d")),
        Err(SubmitError::StreamsExhausted)
    ));
    settle().await;
    let last = server.requests().pop().unwrap();
    server.answer(last.stream, "for nobody");
    settle().await;
    assert!(submit(&connection, &query("d")).is_ok());
}

#[tokio::test(start_paused = true)]
async fn all_but_one_of_the_stream_ids_can_be_in_flight_at_once() {
    let (connection, mut server) = connect(ConnectionConfig {
        max_in_flight: usize::MAX,
        write_buffer_limit: usize::MAX,
        heartbeat_interval: Some(Duration::from_secs(30)),
        ..ConnectionConfig::default()
    });
    let pending: Vec<_> = (0..32_767).map(|_| ask(&connection, "x")).collect();
    assert!(matches!(
        submit(&connection, &query("x")),
        Err(SubmitError::StreamsExhausted)
    ));
    settle().await;
    let requests = server.requests();
    assert_eq!(requests.len(), 32_767);
    // The last id is for a heartbeat.
    tokio::time::advance(Duration::from_secs(31)).await;
    settle().await;
    assert_eq!(server.requests()[0].opcode, Opcode::Options);
    for request in requests {
        server.answer(request.stream, "y");
    }
    for pending in pending {
        assert_eq!(text(pending.await), "y");
    }
}

#[tokio::test(start_paused = true)]
async fn server_that_stops_reading_meets_a_bounded_buffer_and_deadlines() {
    let (connection, mut server) = connect(ConnectionConfig {
        write_buffer_limit: 1000,
        ..quiet()
    });
    server.set_room(10);
    let mut pending = Vec::new();
    let refused = loop {
        let deadline = tokio::time::Instant::now().into_std() + Duration::from_millis(50);
        match submit_until(&connection, Some(deadline), &query("SELECT")) {
            Ok(request) => pending.push(request),
            Err(error) => break error,
        }
        settle().await;
    };
    assert!(matches!(refused, SubmitError::WriteBufferFull));
    let size = 9 + 4 + 6 + 2 + 1;
    assert!(
        (1000 / size..=1000 / size + 2).contains(&pending.len()),
        "{}",
        pending.len()
    );
    // It reads again: everything arrives whole.
    server.set_room(usize::MAX);
    settle().await;
    assert_eq!(server.requests().len(), pending.len());
    assert!(submit(&connection, &query("SELECT")).is_ok());
    for request in pending {
        assert!(matches!(request.await, Err(AttemptFailure::TimedOut)));
    }
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_room_is_told_when_there_is_some() {
    let config = ConnectionConfig {
        write_buffer_limit: 100,
        max_in_flight: 10,
        ..quiet()
    };
    let (connection, mut server) = connect(config);
    settle().await;
    assert!(connection.room().now_or_never().is_some());
    // The buffer is full, and the server reads again.
    server.set_room(0);
    let mut pending: Vec<_> = std::iter::from_fn(|| submit(&connection, &query("SELECT")).ok()).collect();
    assert!(pending.len() < 10);
    let mut room = Box::pin(connection.room());
    assert!(room.as_mut().now_or_never().is_none());
    server.set_room(usize::MAX);
    room.await;
    // All stream ids are taken, and an answer arrives.
    pending.extend(std::iter::from_fn(|| submit(&connection, &query("SELECT")).ok()));
    settle().await;
    pending.extend(std::iter::from_fn(|| submit(&connection, &query("SELECT")).ok()));
    assert_eq!(pending.len(), 10);
    let mut room = Box::pin(connection.room());
    assert!(room.as_mut().now_or_never().is_none());
    server.answer(0, "x");
    room.await;
    // It closes.
    pending.push(ask(&connection, "x"));
    let mut room = Box::pin(connection.room());
    assert!(room.as_mut().now_or_never().is_none());
    connection.close(CloseReason::Shutdown);
    room.await;
    assert!(matches!(
        submit(&connection, &query("x")),
        Err(SubmitError::Closed(_))
    ));
    assert_eq!(server.requests().len(), 10, "the last was closed away");
}

#[tokio::test(start_paused = true)]
async fn encoder_that_fails_or_panics_leaves_the_connection_as_it_was() {
    let (connection, mut server) = connect(quiet());
    let failed = connection.submit(None, |_, out| {
        out.extend_from_slice(b"half an envelo");
        Err(EncodeError::TooLarge {
            what: "body",
            length: 1,
            limit: 0,
        })
    });
    assert!(matches!(failed, Err(SubmitError::Encode(_))));
    let panicked = std::panic::catch_unwind(AssertUnwindSafe(|| {
        connection.submit(None, |_, out| {
            out.extend_from_slice(b"half an envelo");
            panic!("in the encoder")
        })
    }));
    assert!(panicked.is_err());
    assert_eq!(connection.in_flight(), 0);
    let pending = ask(&connection, "whole");
    assert_eq!(pending.stream().raw(), 0, "both ids came back");
    assert_eq!(server.requests()[0].text, "whole");
}

#[tokio::test(start_paused = true)]
async fn answers_cut_at_every_byte_arrive_whole() {
    let (connection, mut server) = connect(quiet());
    let mut bytes = Vec::new();
    for stream in [0, 1] {
        let envelope = ResponseEnvelope {
            tracing_id: None,
            warnings: Vec::new(),
            custom_payload: None,
            response: said(format!("answer {stream}")),
        };
        envelope
            .encode(ProtocolVersion::V4, stream, None, &mut bytes)
            .unwrap();
    }
    for cut in 0..=bytes.len() {
        let pending = [ask(&connection, "0"), ask(&connection, "1")];
        settle().await;
        assert_eq!(server.requests().len(), 2);
        server.send_bytes(&bytes[..cut]);
        settle().await;
        server.send_bytes(&bytes[cut..]);
        for pending in pending {
            let expected = format!("answer {}", pending.stream());
            assert_eq!(text(pending.await), expected);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn events_go_to_their_listener_and_disturb_no_request() {
    let (events, mut listener) = crate::connection::events();
    let (connection, server) = connect(ConnectionConfig {
        events: Some(events),
        ..quiet()
    });
    let pending = ask(&connection, "x");
    let event = Event::StatusChange {
        change: StatusChange::Down,
        address: ([127, 0, 0, 3], 9042).into(),
    };
    server.send(-1, ProtocolVersion::V4, Response::Event(event.clone()));
    server.answer(pending.stream().raw(), "y");
    assert_eq!(listener.recv().await, Some(Heard::Event(event.clone())));
    assert_eq!(text(pending.await), "y");
    // Nobody listens any more: no reason to close.
    drop(listener);
    server.send(-1, ProtocolVersion::V4, Response::Event(event));
    settle().await;
    assert!(connection.is_open());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_workers_and_foreign_threads_share_a_connection() {
    let (connection, mut server) = connect(ConnectionConfig {
        max_in_flight: 32_767,
        ..quiet()
    });
    let (done, mut all_done) = tokio::sync::mpsc::channel::<()>(1);
    for task in 0..20 {
        let (connection, done) = (connection.clone(), done.clone());
        let work = async move {
            for request in 0..200 {
                let expected = format!("{task} {request}");
                assert_eq!(text(ask(&connection, &expected).await), expected);
            }
            drop(done);
        };
        match task % 2 {
            0 => drop(tokio::spawn(work)),
            _ => drop(std::thread::spawn(move || block_on(Box::pin(work)))),
        }
    }
    drop(done);
    loop {
        for request in server.requests() {
            server.answer(request.stream, &request.text);
        }
        tokio::select! {
            biased;
            _ = all_done.recv() => break,
            () = tokio::task::yield_now() => {}
        }
    }
    assert_eq!((connection.in_flight(), connection.orphans()), (0, 0));
}
