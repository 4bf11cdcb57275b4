//! Opening connections to fake nodes, healthy and otherwise.

use helenus_protocol::{
    ConsistencyLevel, ErrorCode, Event, EventKind, Opcode, ProtocolVersion, Query, QueryParameters, Response,
    StatusChange,
};
use helenus_testkit::fake::{Action, Authentication, FakeNode, Gate, Reply, Script, Verdict};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use ProtocolVersion::{DseV1, DseV2, V3, V4, V5};

use super::*;
use crate::auth::PlainTextAuth;

async fn open(node: &FakeNode, config: ConnectionConfig) -> Result<Connection, ConnectError> {
    Connection::open(&Endpoint::new(node.address()), &Arc::new(config)).await
}

async fn open_error(node: &FakeNode, config: ConnectionConfig) -> ConnectError {
    open(node, config).await.expect_err("it must not open")
}

fn explicit(version: ProtocolVersion) -> ConnectionConfig {
    ConnectionConfig {
        version: VersionChoice::Explicit(version),
        ..ConnectionConfig::default()
    }
}

/// A query of this many bytes that is answered with Void.
async fn works_with(connection: &Connection, length: usize) {
    let text = "x".repeat(length);
    let query = Request::Query(Query {
        text: &text,
        parameters: QueryParameters {
            consistency: ConsistencyLevel::One,
            ..QueryParameters::default()
        },
    });
    let answer = submit(connection, &query).unwrap().await.unwrap();
    let answer = ResponseEnvelope::decode(&answer.header, answer.body).unwrap();
    assert!(matches!(answer.response, Response::Result(_)), "{answer:?}");
}

#[tokio::test]
async fn every_version_works_with_every_compression_and_every_size() {
    for version in [V3, V4, V5, DseV1, DseV2] {
        for compression in [None, Some(Compression::Lz4), Some(Compression::Snappy)] {
            let node = FakeNode::start(Script::new().versions([version])).await.unwrap();
            let config = ConnectionConfig {
                compression: compression.into_iter().collect(),
                ..explicit(version)
            };
            let connection = open(&node, config).await.unwrap();
            assert_eq!(connection.version(), version);
            let expected = compression.filter(|c| version != V5 || *c == Compression::Lz4);
            assert_eq!(connection.compression(), expected, "{version}");
            for length in [1, 1000, 140_000, 2_000_000] {
                works_with(&connection, length).await;
            }
            assert!(connection.server_options().contains_key("CQL_VERSION"));
        }
    }
}

#[tokio::test]
async fn highest_common_version_is_found() {
    for (versions, expected) in [
        (vec![V3, V4, V5], V5),
        (vec![V3, V4], V4),
        (vec![V3], V3),
        (vec![V3, V4, DseV1, DseV2], DseV2),
    ] {
        let node = FakeNode::start(Script::new().versions(versions.clone()))
            .await
            .unwrap();
        let connection = open(&node, ConnectionConfig::default()).await.unwrap();
        assert_eq!(connection.version(), expected, "{versions:?}");
        works_with(&connection, 10).await;
    }
}

#[tokio::test]
async fn explicit_version_that_the_server_refuses_is_an_error() {
    let node = FakeNode::start(Script::new().versions([V3, V4])).await.unwrap();
    let error = open_error(&node, explicit(V5)).await;
    assert!(
        matches!(&error.kind, ConnectErrorKind::NoCommonVersion { tried, .. } if tried == "v5"),
        "{error}"
    );
    assert_eq!(node.accepted_count(), 1);
}

#[tokio::test]
async fn beta_server_falls_back_to_v4() {
    let beta = "Beta version of the protocol used (5/v5-beta), but USE_BETA flag is unset";
    let script = Script::new().handler(move |request| {
        let refused = request.version() == V5;
        refused.then(|| {
            vec![
                Action::Reply(Reply::error(ErrorCode::Protocol, beta)),
                Action::Close,
            ]
        })
    });
    let node = FakeNode::start(script).await.unwrap();
    let connection = open(&node, ConnectionConfig::default()).await.unwrap();
    assert_eq!(connection.version(), V4);
}

#[tokio::test]
async fn password_is_checked_and_a_wrong_one_is_an_authentication_error() {
    for version in [V4, V5] {
        let script = Script::new().authentication(Authentication::Password {
            username: "cassandra".to_owned(),
            password: "secret".to_owned(),
        });
        let node = FakeNode::start(script).await.unwrap();
        let with = |auth: Option<PlainTextAuth>| ConnectionConfig {
            auth_provider: auth.map(|auth| Arc::new(auth) as _),
            ..explicit(version)
        };
        let right = PlainTextAuth::new("cassandra", "secret");
        works_with(&open(&node, with(Some(right))).await.unwrap(), 10).await;
        let wrong = PlainTextAuth::new("cassandra", "guess");
        let error = open_error(&node, with(Some(wrong))).await;
        assert!(
            matches!(error.kind, ConnectErrorKind::AuthenticationFailed(_)),
            "{error}"
        );
        assert_eq!(error.step, ConnectStep::Authentication);
        assert!(!format!("{error:?}").contains("guess"));
        let error = open_error(&node, with(None)).await;
        assert!(
            matches!(error.kind, ConnectErrorKind::AuthenticationRequired { .. }),
            "{error}"
        );
    }
}

#[tokio::test]
async fn endless_challenges_are_given_up() {
    #[derive(Debug)]
    struct Patient;
    impl crate::auth::AuthProvider for Patient {
        fn authenticator<'a>(
            &'a self,
            _: &'a Endpoint,
            _: &'a str,
        ) -> crate::auth::AuthFuture<'a, Box<dyn crate::auth::Authenticator>> {
            Box::pin(std::future::ready(Ok(Box::new(Self) as _)))
        }
    }
    impl crate::auth::Authenticator for Patient {
        fn initial_response(&mut self) -> crate::auth::AuthFuture<'_, Option<Vec<u8>>> {
            Box::pin(std::future::ready(Ok(None)))
        }
        fn evaluate_challenge<'a>(
            &'a mut self,
            _: Option<&'a [u8]>,
        ) -> crate::auth::AuthFuture<'a, Option<Vec<u8>>> {
            self.initial_response()
        }
    }
    let script = Script::new().authentication(Authentication::Custom {
        authenticator: "Endless".to_owned(),
        step: Arc::new(|_, _| Verdict::Challenge("again".into())),
    });
    let node = FakeNode::start(script).await.unwrap();
    let config = ConnectionConfig {
        auth_provider: Some(Arc::new(Patient)),
        ..ConnectionConfig::default()
    };
    let error = open_error(&node, config).await;
    assert!(
        matches!(error.kind, ConnectErrorKind::TooManyChallenges { .. }),
        "{error}"
    );
}

#[tokio::test]
async fn keyspace_is_set_before_the_connection_is_handed_out() {
    let script = Script::new().handler(|request| {
        let text = request.text()?;
        (text == "USE \"Ks\"").then(|| vec![Action::Reply(Reply::set_keyspace("Ks"))])
    });
    let node = FakeNode::start(script).await.unwrap();
    let config = ConnectionConfig {
        keyspace: Some("Ks".to_owned()),
        ..ConnectionConfig::default()
    };
    open(&node, config).await.unwrap();
    assert_eq!(node.count(Opcode::Query), 1);
}

#[tokio::test]
async fn events_asked_for_arrive() {
    let node = FakeNode::start(Script::new()).await.unwrap();
    let (events, mut listener) = crate::connection::events();
    let config = ConnectionConfig {
        events: Some(events),
        event_kinds: vec![EventKind::StatusChange],
        ..ConnectionConfig::default()
    };
    let _connection = open(&node, config).await.unwrap();
    let event = Event::StatusChange {
        change: StatusChange::Up,
        address: ([127, 0, 0, 9], 9042).into(),
    };
    node.push_event(&event).await;
    assert_eq!(listener.recv().await, Some(Heard::Event(event)));
}

#[tokio::test]
async fn one_deadline_covers_connect_and_handshake() {
    let never = Gate::new();
    let script = Script::new().on_opcode(Opcode::Startup, [Action::Hold(never)]);
    let node = FakeNode::start(script).await.unwrap();
    let config = ConnectionConfig {
        connect_timeout: Duration::from_millis(30),
        ..ConnectionConfig::default()
    };
    let error = open_error(&node, config).await;
    assert!(matches!(error.kind, ConnectErrorKind::Timeout { .. }), "{error}");
    assert_eq!(error.step, ConnectStep::Startup);
    node.wait_until(|node| node.connection_count() == 0).await;
}

#[tokio::test]
async fn nobody_listening_is_an_io_error() {
    let mut node = FakeNode::start(Script::new()).await.unwrap();
    node.stop().await;
    let error = open_error(&node, ConnectionConfig::default()).await;
    assert!(matches!(error.kind, ConnectErrorKind::Io(_)), "{error}");
    assert_eq!(error.step, ConnectStep::Connecting);
}

/// A peer that answers the first bytes with these and closes.
async fn error_of_a_peer_that_says(bytes: &'static [u8]) -> ConnectError {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = Endpoint::new(listener.local_addr().unwrap());
    let peer = tokio::spawn(async move {
        let (mut socket, _) = listener.accept().await.unwrap();
        let mut asked = [0; 9];
        socket.read_exact(&mut asked).await.unwrap();
        socket.write_all(bytes).await.unwrap();
    });
    let error = Connection::open(&endpoint, &Arc::new(explicit(V4))).await;
    peer.await.unwrap();
    error.expect_err("it must not open")
}

#[tokio::test]
async fn peers_that_are_no_cassandra_are_told_from_others() {
    for (bytes, said) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], "HTTP"),
        (&[0x15, 0x03, 0x03, 0x00, 0x02, 0x02, 0x46], "TLS"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH"),
        (b"complete nonsense", "63, 6f, 6d"),
    ] {
        let error = error_of_a_peer_that_says(bytes).await;
        let ConnectErrorKind::NotCassandra { reason } = &error.kind else {
            panic!("{error}")
        };
        assert!(reason.contains(said), "{error}");
    }
    let error = error_of_a_peer_that_says(b"").await;
    assert!(matches!(error.kind, ConnectErrorKind::ClosedByPeer), "{error}");
    // Cassandra 2.0, which speaks version 2 at most.
    let error = error_of_a_peer_that_says(&[0x82, 0, 0, 0, 0, 0, 0, 0, 0]).await;
    assert!(
        matches!(error.kind, ConnectErrorKind::NoCommonVersion { .. }),
        "{error}"
    );
}

#[cfg(unix)]
#[tokio::test]
async fn unix_domain_sockets_carry_connections_too() {
    let node = FakeNode::start(Script::new()).await.unwrap();
    let directory = std::env::temp_dir().join(format!("helenus-{}", uuid::Uuid::new_v4()));
    std::fs::create_dir(&directory).unwrap();
    let path = directory.join("socket");
    let listener = tokio::net::UnixListener::bind(&path).unwrap();
    let address = node.address();
    tokio::spawn(async move {
        let (mut client, _) = listener.accept().await.unwrap();
        let mut server = tokio::net::TcpStream::connect(address).await.unwrap();
        tokio::io::copy_bidirectional(&mut client, &mut server).await
    });
    let endpoint = Endpoint::unix(&path);
    let connection = Connection::open(&endpoint, &Arc::new(explicit(V5)))
        .await
        .unwrap();
    works_with(&connection, 100_000).await;
    std::fs::remove_dir_all(&directory).unwrap();
}
