//! How connections end, and what keeps them from it: loss, violations, heartbeats, draining and closing.

use futures_util::FutureExt as _;
use helenus_protocol::{ErrorCode, Opcode, ProtocolError, ProtocolVersion, Response, ServerError};

use super::memory::{Server, connect};
use super::requests::{ask, block_on, cause, query, quiet, settle, text};
use super::*;

#[tokio::test(start_paused = true)]
async fn lost_connection_fails_everybody_with_its_cause() {
    let (connection, mut server) = connect(quiet());
    let pending: Vec<_> = (0..10).map(|_| ask(&connection, "x")).collect();
    settle().await;
    // An answer that has arrived is not lost.
    server.answer(pending[0].stream().raw(), "still here");
    server.close();
    assert!(matches!(
        connection.closed().await.cause,
        CloseCause::ClosedByPeer
    ));
    let mut pending = pending.into_iter();
    assert_eq!(text(pending.next().unwrap().await), "still here");
    for pending in pending {
        assert!(matches!(cause(pending.await), CloseCause::ClosedByPeer));
    }
    assert!(!connection.is_open());
    let refused = submit(&connection, &query("x")).unwrap_err();
    assert!(matches!(refused, SubmitError::Closed(error) if matches!(error.cause, CloseCause::ClosedByPeer)));
    settle().await;
    server.requests();
    assert!(server.is_abandoned(), "no descriptor is left, though a handle is");
}

#[tokio::test(start_paused = true)]
async fn requests_that_never_left_are_told_from_those_that_may_have() {
    let (connection, server) = connect(quiet());
    settle().await;
    // It takes the first request and a part of the second.
    server.set_room(30);
    let first = ask(&connection, "first");
    let (second, third) = (ask(&connection, "second"), ask(&connection, "third"));
    settle().await;
    let (fourth, fifth) = (ask(&connection, "fourth"), ask(&connection, "fifth"));
    settle().await;
    drop(fifth);
    connection.close(CloseReason::NodeRemoved);
    for pending in [first, second, third] {
        assert!(matches!(pending.await, Err(AttemptFailure::ConnectionLost(_))));
    }
    assert!(matches!(fourth.await, Err(AttemptFailure::NotSent(_))));
}

#[tokio::test(start_paused = true)]
async fn failed_write_closes_the_connection() {
    let (connection, server) = connect(quiet());
    settle().await;
    server.close();
    // Before the I/O task has noticed anything.
    let pending = ask(&connection, "x");
    assert!(matches!(cause(pending.await), CloseCause::Io(_)));
}

#[tokio::test(start_paused = true)]
async fn fault_12_protocol_violations_close_the_connection() {
    type Misbehaviour = (fn(&Server), fn(&CloseCause) -> bool);
    let misbehaviours: [Misbehaviour; 6] = [
        (
            |server| server.answer(7, "?"),
            |cause| matches!(cause, CloseCause::UnknownStream { stream: 7 }),
        ),
        (
            |server| server.answer(-3, "?"),
            |cause| matches!(cause, CloseCause::UnknownStream { stream: -3 }),
        ),
        (
            |server| {
                server.answer(0, "one");
                server.answer(0, "two");
            },
            |cause| matches!(cause, CloseCause::UnknownStream { stream: 0 }),
        ),
        (
            |server| server.send(0, ProtocolVersion::V3, Response::Ready),
            |cause| matches!(cause, CloseCause::Protocol(ProtocolError::VersionMismatch { .. })),
        ),
        (
            |server| server.send_bytes(&[0x84, 0, 0, 0, 8, 0xff, 0xff, 0xff, 0xff]),
            |cause| matches!(cause, CloseCause::Protocol(ProtocolError::InvalidLength { .. })),
        ),
        (
            |server| {
                let error = ServerError::new(ErrorCode::Protocol, "what was that?");
                server.send(-1, ProtocolVersion::V4, Response::Error(error));
            },
            |cause| matches!(cause, CloseCause::Server(_)),
        ),
    ];
    for (misbehave, expected) in misbehaviours {
        let (connection, server) = connect(quiet());
        let pending = [ask(&connection, "a"), ask(&connection, "b")];
        settle().await;
        misbehave(&server);
        let error = connection.closed().await;
        assert!(expected(&error.cause), "{error}");
        let [_, second] = pending;
        assert!(expected(&cause(second.await)));
        assert!(server.is_shut_down());
    }
}

#[tokio::test(start_paused = true)]
async fn idle_connection_is_kept_alive_by_heartbeats() {
    let (connection, mut server) = connect(ConnectionConfig::default());
    for _ in 0..3 {
        tokio::time::advance(Duration::from_secs(30)).await;
        settle().await;
        let requests = server.requests();
        assert_eq!(
            requests.iter().map(|r| r.opcode).collect::<Vec<_>>(),
            [Opcode::Options]
        );
        server.send(
            requests[0].stream,
            ProtocolVersion::V4,
            Response::Supported(Default::default()),
        );
        settle().await;
        assert_eq!((connection.in_flight(), connection.orphans()), (0, 0));
    }
    assert!(connection.is_open());
}

#[tokio::test(start_paused = true)]
async fn fault_02_silent_server_loses_the_connection_within_interval_and_timeout() {
    let (connection, _server) = connect(ConnectionConfig::default());
    let start = tokio::time::Instant::now();
    let pending = ask(&connection, "x");
    assert!(matches!(
        cause(pending.await),
        CloseCause::HeartbeatTimeout { .. }
    ));
    assert!(
        start.elapsed() <= Duration::from_millis(40_010),
        "{:?}",
        start.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn fault_42_drain_waits_for_answers_and_takes_no_more_requests() {
    let (connection, server) = connect(quiet());
    let (wanted, unwanted) = (ask(&connection, "wanted"), ask(&connection, "unwanted"));
    drop(unwanted);
    let mut drained = std::pin::pin!(connection.drain(CloseReason::Shutdown, Duration::from_secs(9)));
    assert!(drained.as_mut().now_or_never().is_none());
    assert!(!connection.is_open());
    assert!(matches!(
        submit(&connection, &query("x")),
        Err(SubmitError::Draining)
    ));
    server.answer(wanted.stream().raw(), "here");
    drained.await;
    assert_eq!(text(wanted.await), "here");
    let error = connection.closed().await;
    assert!(matches!(
        error.cause,
        CloseCause::Requested(CloseReason::Shutdown)
    ));
    assert!(server.is_shut_down());
}

#[tokio::test(start_paused = true)]
async fn fault_42_drain_forces_the_end_at_its_limit() {
    let (connection, _server) = connect(quiet());
    let pending = ask(&connection, "never answered");
    let start = tokio::time::Instant::now();
    connection
        .drain(CloseReason::Surplus, Duration::from_secs(3))
        .await;
    assert!((Duration::from_secs(3)..Duration::from_secs(4)).contains(&start.elapsed()));
    assert!(matches!(
        cause(pending.await),
        CloseCause::Requested(CloseReason::Surplus)
    ));
}

#[tokio::test(start_paused = true)]
async fn closing_is_at_once_and_the_first_cause_stays() {
    let (connection, server) = connect(quiet());
    let pending = ask(&connection, "x");
    connection.close(CloseReason::NodeRemoved);
    connection.close(CloseReason::Shutdown);
    assert!(matches!(
        cause(pending.await),
        CloseCause::Requested(CloseReason::NodeRemoved)
    ));
    settle().await;
    assert!(server.is_shut_down() && server.is_abandoned());
}

#[tokio::test(start_paused = true)]
async fn last_handle_dropped_closes_when_the_last_answer_is_there() {
    let (connection, server) = connect(quiet());
    let pending = ask(&connection, "x");
    drop(connection.clone());
    drop(connection);
    settle().await;
    assert!(!server.is_shut_down());
    server.answer(pending.stream().raw(), "y");
    assert_eq!(text(pending.await), "y");
    settle().await;
    assert!(server.is_abandoned());
}

#[test]
fn end_of_the_runtime_fails_who_waits() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let (connection, pending) = runtime.block_on(async {
        let (connection, _server) = connect(quiet());
        let pending = ask(&connection, "x");
        (connection, pending)
    });
    drop(runtime);
    assert!(matches!(cause(block_on(pending)), CloseCause::RuntimeShutDown));
    assert!(!connection.is_open());
}
