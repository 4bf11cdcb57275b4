//! Servers that ask for more than they get, and lengths that nobody should believe.

use std::sync::Arc;

use bytes::Bytes;
use helenus::{
    CloseCause, ConnectErrorKind, ContactPointError, ProtocolError, ProtocolVersion, RequestErrorKind,
    SessionError,
};
use helenus_testkit::fake::{Action, Authentication, FakeNode, Script, Verdict};

use crate::common::{builder, script, soon, until_it_works};

/// Why a session cannot be opened.
async fn refusal(node: &FakeNode, credentials: bool) -> (ConnectErrorKind, String) {
    let mut builder = builder(node);
    if credentials {
        builder = builder.credentials("cassandra", "secret");
    }
    let error = soon(builder.build().unwrap().connect()).await.unwrap_err();
    let text = error.to_string();
    match error {
        SessionError::NoContactPoint(causes) => match &causes[..] {
            [ContactPointError::Connect(cause)] => (cause.kind.clone(), text),
            other => panic!("{other:?}"),
        },
        other => panic!("{other}"),
    }
}

async fn node_that_asks(step: impl Fn(usize) -> Verdict + Send + Sync + 'static) -> FakeNode {
    let authentication = Authentication::Custom {
        authenticator: "org.apache.cassandra.auth.PasswordAuthenticator".to_owned(),
        step: Arc::new(move |round, _| step(round)),
    };
    FakeNode::start(Script::new().authentication(authentication))
        .await
        .unwrap()
}

#[tokio::test]
async fn fault_20_authentication_that_is_asked_for_and_not_configured_is_named() {
    let node = node_that_asks(|_| Verdict::Accept).await;
    let (kind, text) = refusal(&node, false).await;
    assert!(
        matches!(&kind, ConnectErrorKind::AuthenticationRequired { authenticator } if authenticator.ends_with("PasswordAuthenticator")),
        "{kind}"
    );
    assert!(text.contains(&node.address().to_string()), "{text}");
}

#[tokio::test]
async fn fault_20_a_server_that_never_stops_asking_is_given_up() {
    let node = node_that_asks(|_| Verdict::Challenge(Bytes::from_static(b"and?"))).await;
    let (kind, _) = refusal(&node, true).await;
    // Whichever gives up first: the provider, for whom PLAIN has one round, or the handshake.
    assert!(
        matches!(
            kind,
            ConnectErrorKind::TooManyChallenges { .. } | ConnectErrorKind::AuthProvider(_)
        ),
        "{kind}"
    );
}

#[tokio::test]
async fn fault_16_a_length_that_cannot_be_closes_the_connection_and_no_room_is_made_for_it() {
    for length in [
        [0x7F, 0xFF, 0xFF, 0xFF],
        [0xFF, 0xFF, 0xFF, 0xFF],
        [0x10, 0, 0, 1],
    ] {
        let header = [&[0x84, 0, 0, 0, 0x08][..], &length].concat();
        let hostile = vec![Action::Bytes(header.into())];
        let node = FakeNode::start(script().on_statement("HOSTILE", hostile))
            .await
            .unwrap();
        let driver = builder(&node)
            .protocol_version(ProtocolVersion::V4)
            .build()
            .unwrap();
        let session = driver.connect().await.unwrap();
        let error = soon(session.query("HOSTILE", ())).await.unwrap_err();
        let RequestErrorKind::ConnectionLost(lost) = error.kind() else {
            panic!("{error}");
        };
        assert!(
            matches!(
                lost.cause,
                CloseCause::Protocol(ProtocolError::InvalidLength { .. })
            ),
            "{error}"
        );
        until_it_works(&session).await;
    }
}
