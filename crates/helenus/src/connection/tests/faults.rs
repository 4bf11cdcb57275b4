//! Faults on real sockets: what a fake node does wrong must end in one clear way.

use helenus_protocol::{
    ConsistencyLevel, Opcode, ProtocolError, ProtocolVersion, Query, QueryParameters, Response,
};
use helenus_testkit::fake::{Action, Corruption, FakeNode, Gate, Reply, Script};

use ProtocolVersion::{V4, V5};

use super::*;

/// A connection to a node that does this to every QUERY.
async fn connect(version: ProtocolVersion, lz4: bool, actions: &[Action]) -> (FakeNode, Connection) {
    let script = Script::new().on_opcode(Opcode::Query, actions);
    let node = FakeNode::start(script).await.unwrap();
    let config = ConnectionConfig {
        version: VersionChoice::Explicit(version),
        compression: lz4.then_some(Compression::Lz4).into_iter().collect(),
        ..ConnectionConfig::default()
    };
    let endpoint = Endpoint::new(node.address());
    let connection = Connection::open(&endpoint, &Arc::new(config)).await.unwrap();
    (node, connection)
}

fn ask(connection: &Connection) -> PendingResponse {
    let query = Request::Query(Query {
        text: "SELECT",
        parameters: QueryParameters {
            consistency: ConsistencyLevel::One,
            ..QueryParameters::default()
        },
    });
    submit(connection, &query).unwrap()
}

async fn answer(connection: &Connection) -> Response {
    let answer = ask(connection).await.unwrap();
    ResponseEnvelope::decode(&answer.header, answer.body)
        .unwrap()
        .response
}

async fn loss(connection: &Connection) -> CloseCause {
    let failure = ask(connection).await.unwrap_err();
    let AttemptFailure::ConnectionLost(error) = failure else {
        panic!("{failure}")
    };
    assert!(!connection.is_open());
    error.cause.clone()
}

fn keyspace() -> Reply {
    Reply::set_keyspace("a_keyspace_with_a_name_that_is_not_short")
}

fn arrived(response: &Response) -> bool {
    matches!(
        response,
        Response::Result(helenus_protocol::ResultBody::SetKeyspace(_))
    )
}

#[tokio::test]
async fn fault_13_wrong_checksums_close_the_connection() {
    for lz4 in [false, true] {
        let corrupted = |part| [Action::ReplyCorrupted(part, keyspace())];
        let (_node, connection) = connect(V5, lz4, &corrupted(Corruption::HeaderChecksum)).await;
        let cause = loss(&connection).await;
        assert!(
            matches!(cause, CloseCause::Protocol(ProtocolError::HeaderChecksum { .. })),
            "{cause}"
        );
        let (_node, connection) = connect(V5, lz4, &corrupted(Corruption::Payload)).await;
        let cause = loss(&connection).await;
        assert!(
            matches!(cause, CloseCause::Protocol(ProtocolError::PayloadChecksum { .. })),
            "{cause}"
        );
    }
}

#[tokio::test]
async fn fault_15_uncompressed_answers_on_a_compressed_connection_are_accepted() {
    for version in [V4, V5] {
        let (_node, connection) = connect(version, true, &[Action::ReplyUncompressed(keyspace())]).await;
        assert!(arrived(&answer(&connection).await));
    }
}

#[tokio::test]
async fn fault_14_answers_in_pieces_of_any_size_arrive_whole() {
    for version in [V4, V5] {
        for size in [1, 2, 3, 7, 10, 50] {
            let reply = keyspace();
            let (_node, connection) = connect(version, false, &[Action::ReplyInPieces { size, reply }]).await;
            assert!(arrived(&answer(&connection).await));
        }
    }
}

#[tokio::test]
async fn fault_14_connection_cut_at_any_byte_of_an_answer_is_lost() {
    for version in [V4, V5] {
        for keep in 0..40 {
            let reply = keyspace();
            let (_node, connection) = connect(version, false, &[Action::ReplyCut { keep, reply }]).await;
            let cause = loss(&connection).await;
            assert!(
                matches!(cause, CloseCause::ClosedByPeer | CloseCause::Io(_)),
                "{cause}"
            );
        }
    }
}

#[tokio::test]
async fn fault_12_answer_on_an_unknown_stream_closes_the_connection() {
    let (_node, connection) = connect(V4, false, &[Action::ReplyOnStream(99, keyspace())]).await;
    let cause = loss(&connection).await;
    assert!(
        matches!(cause, CloseCause::UnknownStream { stream: 99 }),
        "{cause}"
    );
}

#[tokio::test]
async fn answer_in_another_version_closes_the_connection() {
    let (_node, connection) = connect(V4, false, &[Action::ReplyInVersion(V5, keyspace())]).await;
    let cause = loss(&connection).await;
    assert!(matches!(cause, CloseCause::Protocol(_)), "{cause}");
}

#[tokio::test]
async fn fault_04_garbage_close_and_reset_lose_the_connection() {
    let garbage = Action::Bytes(bytes::Bytes::from_static(b"complete nonsense, and a lot of it"));
    for (action, version) in [
        (garbage.clone(), V4),
        (garbage, V5),
        (Action::Close, V4),
        (Action::Reset, V4),
    ] {
        let (_node, connection) = connect(version, false, &[action]).await;
        let others: Vec<_> = (0..5).map(|_| ask(&connection)).collect();
        for pending in others {
            assert!(matches!(pending.await, Err(AttemptFailure::ConnectionLost(_))));
        }
        assert!(matches!(
            connection.submit(None, |_, _| Ok(())),
            Err(SubmitError::Closed(_))
        ));
    }
}

#[tokio::test]
async fn fault_08_server_that_stops_reading_fills_a_bounded_buffer_and_gets_it_all_when_it_reads_again() {
    let gate = Gate::new();
    let script = Script::new().first(
        1,
        |request| request.opcode() == Opcode::Query,
        [Action::StopReading(gate.clone()), Action::Default],
    );
    let node = FakeNode::start(script).await.unwrap();
    let config = ConnectionConfig {
        write_buffer_limit: 256 * 1024,
        max_in_flight: 32_767,
        connector: Arc::new(transport::TcpConnector::new(transport::TcpOptions {
            send_buffer: Some(16 * 1024),
            ..transport::TcpOptions::default()
        })),
        ..ConnectionConfig::default()
    };
    let endpoint = Endpoint::new(node.address());
    let connection = Connection::open(&endpoint, &Arc::new(config)).await.unwrap();
    ask(&connection).await.unwrap();
    let text = "x".repeat(32 * 1024);
    let query = Request::Query(Query {
        text: &text,
        parameters: QueryParameters {
            consistency: ConsistencyLevel::One,
            ..QueryParameters::default()
        },
    });
    let mut pending = Vec::new();
    loop {
        match submit(&connection, &query) {
            Ok(request) => pending.push(request),
            Err(SubmitError::WriteBufferFull) => break,
            Err(error) => panic!("{error}"),
        }
        tokio::task::yield_now().await;
    }
    gate.open();
    for request in pending {
        request.await.unwrap();
    }
    assert!(submit(&connection, &query).unwrap().await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_on_several_workers_get_all_their_answers() {
    for (version, lz4) in [(V4, false), (V4, true), (V5, false), (V5, true)] {
        let (_node, connection) = connect(version, lz4, &[Action::Reply(keyspace())]).await;
        let tasks = (0..50).map(|_| {
            let connection = connection.clone();
            tokio::spawn(async move {
                for _ in 0..40 {
                    assert!(arrived(&answer(&connection).await));
                }
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            task.await.unwrap();
        }
        assert_eq!((connection.in_flight(), connection.orphans()), (0, 0));
        let pending = ask(&connection);
        connection
            .drain(CloseReason::Shutdown, Duration::from_secs(10))
            .await;
        assert!(pending.await.is_ok());
    }
}
