use ProtocolVersion::{V4, V5};
use helenus_protocol::{Event, StatusChange};

use super::*;
use crate::connection::VersionChoice;

/// A handshake with its server played by the test.
struct Play {
    handshake: Handshake,
    negotiation: Negotiation,
    version: ProtocolVersion,
}

impl Play {
    fn new(config: ConnectionConfig, version: ProtocolVersion) -> Self {
        let mut play = Self {
            negotiation: Negotiation::begin(&config.version).0,
            handshake: Handshake::new(Arc::new(config), version).unwrap(),
            version,
        };
        assert_eq!(play.sent().0, Opcode::Options);
        play
    }

    /// In the place of SUPPORTED, and on to STARTUP.
    fn supported(&mut self, compressions: &[&str]) -> (Opcode, Vec<u8>) {
        let options = [("COMPRESSION", compressions), ("CQL_VERSION", &["3.4.7"])];
        let options =
            options.map(|(key, values)| (key.to_owned(), values.iter().map(|v| (*v).to_owned()).collect()));
        self.answer(Response::Supported(options.into())).unwrap();
        if !self.version.features().segments {
            assert!(matches!(self.action(), Action::ChangeFraming(_)));
        }
        self.sent()
    }

    fn answer(&mut self, response: Response) -> Result<(), HandshakeError> {
        self.answer_in(self.version, 0, response)
    }

    fn answer_in(
        &mut self,
        version: ProtocolVersion,
        stream: i16,
        response: Response,
    ) -> Result<(), HandshakeError> {
        let envelope = ResponseEnvelope {
            tracing_id: None,
            warnings: Vec::new(),
            custom_payload: None,
            response,
        };
        let mut bytes = Vec::new();
        envelope.encode(version, stream, None, &mut bytes).unwrap();
        let header = helenus_protocol::EnvelopeHeader::decode(&bytes).unwrap();
        let body = Bytes::from(bytes).slice(9..);
        self.handshake
            .handle_envelope(Envelope { header, body }, &mut self.negotiation)
    }

    fn action(&mut self) -> Action {
        self.handshake.poll_action().expect("an action")
    }

    /// Opcode and body of the next envelope sent.
    fn sent(&mut self) -> (Opcode, Vec<u8>) {
        let Action::Send(bytes) = self.action() else {
            panic!("nothing was sent")
        };
        let header = helenus_protocol::EnvelopeHeader::decode(&bytes).unwrap();
        assert_eq!((header.version, header.stream), (self.version, 0));
        (header.opcode, bytes[9..].to_vec())
    }

    fn finished(&mut self) -> Established {
        let action = self.action();
        let Action::Finish(established) = action else {
            panic!("not finished: {action:?}")
        };
        assert!(self.handshake.poll_action().is_none());
        established
    }
}

fn error(code: ErrorCode, message: &str) -> Response {
    Response::Error(ServerError::new(code, message))
}

fn failure(result: Result<(), HandshakeError>) -> ConnectErrorKind {
    match result {
        Err(HandshakeError::Failed(kind)) => kind,
        other => panic!("{other:?}"),
    }
}

#[test]
fn v4_startup_carries_driver_name_and_the_compression_preferred() {
    let config = ConnectionConfig {
        compression: vec![Compression::Snappy, Compression::Lz4],
        startup: helenus_protocol::Startup::new().with("DRIVER_NAME", "Helenus"),
        ..ConnectionConfig::default()
    };
    let mut play = Play::new(config, V4);
    let (opcode, body) = play.supported(&["lz4", "snappy"]);
    assert_eq!(opcode, Opcode::Startup);
    // [string map] of three, v4 §4.1.1.
    let expected =
        b"\0\x03\0\x0bCQL_VERSION\0\x053.0.0\0\x0bDRIVER_NAME\0\x07Helenus\0\x0bCOMPRESSION\0\x06snappy";
    assert_eq!(body, expected);
    play.answer(Response::Ready).unwrap();
    let established = play.finished();
    assert_eq!(
        (established.version, established.compression),
        (V4, Some(Compression::Snappy))
    );
    assert_eq!(established.server_options["CQL_VERSION"], ["3.4.7"]);
}

#[test]
fn v5_never_takes_snappy_and_changes_its_framing_after_ready() {
    let config = || ConnectionConfig {
        compression: vec![Compression::Snappy, Compression::Lz4],
        ..ConnectionConfig::default()
    };
    let mut play = Play::new(config(), V5);
    play.supported(&["snappy", "lz4"]);
    play.answer(Response::Ready).unwrap();
    assert!(matches!(
        play.action(),
        Action::ChangeFraming(Some(Compression::Lz4))
    ));
    assert_eq!(play.finished().compression, Some(Compression::Lz4));

    let mut play = Play::new(config(), V5);
    play.supported(&["snappy"]);
    play.answer(Response::Ready).unwrap();
    assert!(matches!(play.action(), Action::ChangeFraming(None)));
    assert_eq!(play.finished().compression, None);
}

#[test]
fn authentication_goes_through_its_rounds_with_the_framing_changed_before() {
    let mut play = Play::new(ConnectionConfig::default(), V5);
    play.supported(&[]);
    let class = "org.apache.cassandra.auth.PasswordAuthenticator".to_owned();
    play.answer(Response::Authenticate {
        authenticator: class.clone(),
    })
    .unwrap();
    assert!(matches!(play.action(), Action::ChangeFraming(None)));
    assert!(matches!(play.action(), Action::Authenticate { class: asked } if asked == class));
    play.handshake.handle_token(Some(b"one")).unwrap();
    assert_eq!(play.sent(), (Opcode::AuthResponse, b"\0\0\0\x03one".to_vec()));
    play.answer(Response::AuthChallenge(Some(Bytes::from_static(b"two?"))))
        .unwrap();
    assert!(matches!(play.action(), Action::Challenge(Some(token)) if token == "two?"));
    play.handshake.handle_token(None).unwrap();
    assert_eq!(play.sent(), (Opcode::AuthResponse, b"\xff\xff\xff\xff".to_vec()));
    play.answer(Response::AuthSuccess(Some(Bytes::from_static(b"bye"))))
        .unwrap();
    assert!(matches!(play.action(), Action::Accepted(Some(token)) if token == "bye"));
    play.finished();
}

#[test]
fn fault_20_endless_challenges_are_cut_off() {
    let mut play = Play::new(ConnectionConfig::default(), V4);
    play.supported(&[]);
    play.answer(Response::Authenticate {
        authenticator: "x".to_owned(),
    })
    .unwrap();
    for _ in 0..MAX_CHALLENGES {
        play.answer(Response::AuthChallenge(None)).unwrap();
    }
    let kind = failure(play.answer(Response::AuthChallenge(None)));
    assert!(matches!(
        kind,
        ConnectErrorKind::TooManyChallenges {
            limit: MAX_CHALLENGES
        }
    ));
}

#[test]
fn refused_credentials_are_an_authentication_error() {
    let mut play = Play::new(ConnectionConfig::default(), V4);
    play.supported(&[]);
    play.answer(Response::Authenticate {
        authenticator: "x".to_owned(),
    })
    .unwrap();
    let kind = failure(play.answer(error(ErrorCode::Authentication, "wrong password")));
    assert!(matches!(kind, ConnectErrorKind::AuthenticationFailed(_)));
}

#[test]
fn events_and_keyspace_are_set_up_before_the_connection_is_open() {
    let (events, _keep) = crate::connection::events();
    let config = ConnectionConfig {
        keyspace: Some("My \"ks\"".to_owned()),
        events: Some(events),
        event_kinds: vec![helenus_protocol::EventKind::StatusChange],
        ..ConnectionConfig::default()
    };
    let mut play = Play::new(config, V4);
    play.supported(&[]);
    play.answer(Response::Ready).unwrap();
    assert_eq!(
        play.sent(),
        (Opcode::Register, b"\0\x01\0\x0dSTATUS_CHANGE".to_vec())
    );
    // An event may be faster than the answer.
    let event = Event::StatusChange {
        change: StatusChange::Up,
        address: std::net::SocketAddr::from(([127, 0, 0, 2], 9042)),
    };
    play.answer_in(V4, -1, Response::Event(event.clone())).unwrap();
    assert!(matches!(play.action(), Action::Event(told) if told == event));
    play.answer(Response::Ready).unwrap();
    let (opcode, body) = play.sent();
    assert_eq!(opcode, Opcode::Query);
    assert!(body.starts_with(b"\0\0\0\x0fUSE \"My \"\"ks\"\"\"\0\x01"));
    play.answer(Response::Result(ResultBody::SetKeyspace("My \"ks\"".to_owned())))
        .unwrap();
    play.finished();
}

#[test]
fn missing_keyspace_is_the_servers_error() {
    let config = ConnectionConfig {
        keyspace: Some("nowhere".to_owned()),
        ..ConnectionConfig::default()
    };
    let mut play = Play::new(config, V4);
    play.supported(&[]);
    play.answer(Response::Ready).unwrap();
    play.sent();
    let kind = failure(play.answer(error(ErrorCode::Invalid, "Keyspace 'nowhere' does not exist")));
    assert!(matches!(kind, ConnectErrorKind::Server(error) if error.code == ErrorCode::Invalid));
    assert_eq!(play.handshake.step(), ConnectStep::UseKeyspace);
}

#[test]
fn error_in_another_version_or_about_the_version_refuses_it() {
    let mut play = Play::new(ConnectionConfig::default(), V5);
    let result = play.answer_in(V4, 0, error(ErrorCode::Protocol, "something"));
    assert!(matches!(result, Err(HandshakeError::Refused { .. })));
    let beta = "Beta version of the protocol used (5/v5-beta), but USE_BETA flag is unset";
    let mut play = Play::new(ConnectionConfig::default(), V5);
    let result = play.answer(error(ErrorCode::Protocol, beta));
    assert!(matches!(result, Err(HandshakeError::Refused { answer }) if answer == beta));
}

#[test]
fn better_version_that_the_server_lists_is_asked_for() {
    let config = ConnectionConfig {
        version: VersionChoice::Negotiate(vec![V5, V4]),
        ..ConnectionConfig::default()
    };
    let (mut negotiation, _) = Negotiation::begin(&VersionChoice::Negotiate(vec![V4]));
    assert_eq!(
        negotiation.better_than(V4, &["5/v5".to_owned()]),
        None,
        "v5 is not allowed there"
    );
    let mut play = Play::new(config, V4);
    play.negotiation = Negotiation::begin(&VersionChoice::Negotiate(vec![ProtocolVersion::DseV2, V4])).0;
    let options = [(
        "PROTOCOL_VERSIONS".to_owned(),
        vec!["4/v4".to_owned(), "66/dse-v2".to_owned()],
    )];
    let result = play.answer(Response::Supported(options.into()));
    assert!(matches!(
        result,
        Err(HandshakeError::Better(ProtocolVersion::DseV2))
    ));
}

#[test]
fn messages_out_of_place_end_the_handshake() {
    let mut play = Play::new(ConnectionConfig::default(), V4);
    let kind = failure(play.answer(Response::Ready));
    assert!(matches!(kind, ConnectErrorKind::UnexpectedMessage { found } if found == "Ready"));
    let mut play = Play::new(ConnectionConfig::default(), V4);
    let kind = failure(play.answer_in(V5, 0, Response::Supported(ServerOptions::new())));
    assert!(matches!(
        kind,
        ConnectErrorKind::Protocol(ProtocolError::VersionMismatch { .. })
    ));
    let kind = failure(play.answer_in(V4, 7, Response::Supported(ServerOptions::new())));
    assert!(matches!(
        kind,
        ConnectErrorKind::Protocol(ProtocolError::InvalidStreamId { id: 7 })
    ));
}
