//! TLS: what is believed, what is shown, and what is refused.

use std::sync::Arc;
use std::time::{Duration, Instant};

use helenus::tls::{TlsError, TlsOptions};
use helenus::{
    Cluster, ClusterBuilder, ConfigurationError, ConnectErrorKind, ContactPointError, NativeType, Session,
    SessionError,
};
use helenus_testkit::fake::{FakeNode, Statement, cell};
use helenus_testkit::tls_front::{Identity, TestAuthority, TlsFront, Validity};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::common::{INSERT, SELECT, script, ty};

/// A fake node behind TLS.
struct Server {
    node: FakeNode,
    front: TlsFront,
}

impl Server {
    async fn start(identity: &Identity, clients: Option<&TestAuthority>) -> Self {
        let node = FakeNode::start(script()).await.unwrap();
        let front = TlsFront::start(node.address(), identity, clients).await.unwrap();
        Self { node, front }
    }

    fn builder(&self, tls: TlsOptions) -> ClusterBuilder {
        Cluster::builder().contact_point(self.front.address()).tls(tls)
    }

    async fn connect(&self, tls: TlsOptions) -> Result<Session, SessionError> {
        self.builder(tls).build().unwrap().connect().await
    }

    /// The error that it ends with, nothing having been sent beyond the handshake.
    async fn refused(&self, tls: TlsOptions) -> Arc<TlsError> {
        let error = self.connect(tls).await.unwrap_err();
        assert_eq!(self.node.received().len(), 0, "nothing reaches the node");
        match kind(&error) {
            ConnectErrorKind::Tls(error) => Arc::clone(error),
            other => panic!("{other}"),
        }
    }
}

fn kind(error: &SessionError) -> &ConnectErrorKind {
    match error {
        SessionError::NoContactPoint(causes) => match causes.as_slice() {
            [ContactPointError::Connect(error)] => &error.kind,
            other => panic!("{other:?}"),
        },
        other => panic!("{other}"),
    }
}

fn trusting(authority: &TestAuthority) -> TlsOptions {
    TlsOptions::new().authority_pem(authority.pem())
}

#[tokio::test]
async fn requests_and_large_answers_go_through_tls() {
    let authority = TestAuthority::new("authority");
    let server = Server::start(&authority.server(&["127.0.0.1"], Validity::Now), None).await;
    let session = server.connect(trusting(&authority)).await.unwrap();
    let insert = session.prepare(INSERT).await.unwrap();
    let text = "x".repeat(3 << 20);
    for length in [1, 100, 16 * 1024, 200_000, text.len()] {
        session.execute(&insert, (1_i32, &text[..length])).await.unwrap();
        let received = server.node.received().pop().unwrap();
        assert!(received.body().len() > length, "all of it arrives");
    }
    let many = (0..200).map(|key| session.execute(&insert, (key, "value")));
    for result in futures_util::future::join_all(many).await {
        result.unwrap();
    }
    let large = "SELECT v FROM ks.large";
    let columns = [("v", ty(NativeType::Text))];
    let statement = Statement::new(large)
        .columns(columns)
        .page([vec![cell::text(&text)]]);
    server.node.put_statement(statement);
    let answers = (0..4).map(|_| session.query(large, ()));
    for answer in futures_util::future::join_all(answers).await {
        let (found,): (String,) = answer.unwrap().single_row().unwrap();
        assert!(found == text);
    }
    let mut rows = session.query_rows::<(i32, String)>(SELECT, ());
    let mut keys = Vec::new();
    while let Some(row) = rows.next_row().await {
        keys.push(row.unwrap().0);
    }
    assert_eq!(keys, [1, 2, 3]);
    session.close().await;
}

#[tokio::test]
async fn fault_22_unknown_authorities_expired_certificates_and_wrong_names_are_three_errors() {
    let authority = TestAuthority::new("authority");
    let other = TestAuthority::new("another authority");
    let good = authority.server(&["127.0.0.1"], Validity::Now);
    let server = Server::start(&good, None).await;
    let error = server.refused(trusting(&other)).await;
    assert!(matches!(*error, TlsError::UnknownAuthority), "{error}");

    for (validity, expected) in [
        (Validity::Past, "has expired"),
        (Validity::Future, "not valid yet"),
    ] {
        let server = Server::start(&authority.server(&["127.0.0.1"], validity), None).await;
        let error = server.refused(trusting(&authority)).await;
        assert!(error.to_string().contains(expected), "{error}");
    }

    let named = Server::start(&authority.server(&["db.example.com"], Validity::Now), None).await;
    let error = named.refused(trusting(&authority)).await;
    assert!(matches!(*error, TlsError::WrongName { .. }), "{error}");
    assert!(error.to_string().contains("127.0.0.1"), "{error}");
    let named_so = trusting(&authority).server_name("db.example.com");
    named.connect(named_so).await.unwrap().close().await;
}

#[tokio::test]
async fn checks_that_are_switched_off_are_those_and_no_others() {
    let authority = TestAuthority::new("authority");
    let other = TestAuthority::new("another authority");
    let named = Server::start(&authority.server(&["db.example.com"], Validity::Now), None).await;
    let any_name = |authority| trusting(authority).danger_accept_any_name();
    let error = named.refused(any_name(&other)).await;
    assert!(matches!(*error, TlsError::UnknownAuthority), "{error}");
    named.connect(any_name(&authority)).await.unwrap().close().await;

    let expired = Server::start(&authority.server(&["127.0.0.1"], Validity::Past), None).await;
    let error = expired.refused(any_name(&authority)).await;
    assert!(matches!(*error, TlsError::Expired { .. }), "{error}");
    let anything = trusting(&other).danger_accept_any_certificate();
    expired.connect(anything).await.unwrap().close().await;
}

#[tokio::test]
async fn fault_22_a_server_without_tls_is_an_error_and_gets_no_plain_text() {
    let node = FakeNode::start(script()).await.unwrap();
    let tls = TlsOptions::new().danger_accept_any_certificate();
    let cluster = Cluster::builder()
        .contact_point(node.address())
        .tls(tls)
        .connect_timeout(Duration::from_secs(5))
        .build()
        .unwrap();
    let error = cluster.connect().await.unwrap_err();
    let ConnectErrorKind::Tls(tls) = kind(&error) else {
        panic!("{error}");
    };
    assert!(tls.to_string().contains("is TLS switched on there?"), "{error}");
    assert_eq!(node.received().len(), 0);
}

#[tokio::test]
async fn fault_22_a_client_without_the_certificate_that_is_asked_for_is_told_so() {
    let authority = TestAuthority::new("authority");
    let identity = authority.server(&["127.0.0.1"], Validity::Now);
    let server = Server::start(&identity, Some(&authority)).await;
    let error = server.refused(trusting(&authority)).await;
    assert!(matches!(*error, TlsError::ClientCertificate { .. }), "{error}");
    let foreign = TestAuthority::new("another authority").client("somebody");
    let shown = trusting(&authority).client_certificate_pem(foreign.certificate_pem(), foreign.key_pem());
    let error = server.refused(shown).await;
    assert!(matches!(*error, TlsError::ClientCertificate { .. }), "{error}");
    let client = authority.client("somebody");
    let shown = trusting(&authority).client_certificate_pem(client.certificate_pem(), client.key_pem());
    server.connect(shown).await.unwrap().close().await;
    let seen = server.front.clients();
    assert_eq!(seen.last().unwrap().as_deref(), Some(client.certificate_der()));
}

#[tokio::test]
async fn fault_23_a_peer_that_stalls_in_the_handshake_is_given_up_at_the_one_deadline() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let peer = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut all = Vec::new();
        // Reads and never answers, until the client goes.
        let _ = stream.read_to_end(&mut all).await;
        all
    });
    let limit = Duration::from_secs(1);
    let cluster = Cluster::builder()
        .contact_point(address)
        .tls(TlsOptions::new().danger_accept_any_certificate())
        .connect_timeout(limit)
        .build()
        .unwrap();
    let before = Instant::now();
    let error = cluster.connect().await.unwrap_err();
    assert!(before.elapsed() >= limit);
    assert!(
        matches!(kind(&error), ConnectErrorKind::Timeout { limit: found } if *found == limit),
        "{error}"
    );
    let sent = peer.await.unwrap();
    // A handshake record, TLS 1.x: nothing else was said.
    assert_eq!(sent[..2], [0x16, 0x03]);
}

#[tokio::test]
async fn fault_24_a_client_certificate_that_is_renewed_on_disk_is_shown_by_new_connections() {
    let authority = TestAuthority::new("authority");
    let identity = authority.server(&["127.0.0.1"], Validity::Now);
    let server = Server::start(&identity, Some(&authority)).await;
    let directory = std::env::temp_dir().join(format!("helenus-renewed-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let (chain, key) = (directory.join("client.pem"), directory.join("client.key"));
    let write = |identity: &Identity| {
        // As those do who renew certificates: a new file takes the place of the old one.
        for (path, text) in [(&chain, identity.certificate_pem()), (&key, identity.key_pem())] {
            let new = path.with_extension("new");
            std::fs::write(&new, text).unwrap();
            std::fs::rename(&new, path).unwrap();
        }
    };
    let (first, second) = (authority.client("first"), authority.client("second"));
    write(&first);
    let tls = trusting(&authority).client_certificate_files(&chain, &key);
    let cluster = server.builder(tls).build().unwrap();
    let session = cluster.connect().await.unwrap();
    let first_der = || Some(first.certificate_der().to_vec());
    let seen = server.front.clients();
    assert!(seen.iter().all(|shown| *shown == first_der()), "{}", seen.len());

    // Half of the new pair: the old one counts.
    std::fs::write(&key, second.key_pem()).unwrap();
    // Sessions in the same keyspace would share connections.
    let another = cluster.connect_keyspace("another").await.unwrap();
    let seen = server.front.clients();
    assert_eq!(*seen.last().unwrap(), first_der());

    write(&second);
    let third = cluster.connect_keyspace("third").await.unwrap();
    let seen = server.front.clients();
    assert_eq!(seen.last().unwrap().as_deref(), Some(second.certificate_der()));
    for session in [session, another, third] {
        session.close().await;
    }
    std::fs::remove_dir_all(&directory).unwrap();
}

#[test]
fn files_that_cannot_be_used_are_named_before_anything_is_sent() {
    let built = |tls| Cluster::builder().contact_point("127.0.0.1").tls(tls).build();
    let reason = |tls| match built(tls).unwrap_err() {
        ConfigurationError::Tls { reason } => reason,
        other => panic!("{other}"),
    };
    let missing = reason(TlsOptions::new().authority_file("no/such/file.pem"));
    assert!(
        missing.starts_with("no/such/file.pem cannot be read"),
        "{missing}"
    );
    let empty = reason(TlsOptions::new().authority_pem("hello"));
    assert!(empty.contains("no certificate"), "{empty}");
    let authority = TestAuthority::new("authority");
    let (one, other) = (authority.client("one"), authority.client("other"));
    let pair = trusting(&authority).client_certificate_pem(one.certificate_pem(), other.key_pem());
    assert!(reason(pair).contains("with its key"));
    let name = reason(trusting(&authority).server_name("no name"));
    assert!(name.contains("\"no name\""), "{name}");
    let config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(rustls::RootCertStore::empty())
            .with_no_client_auth();
    let mixed = TlsOptions::from_rustls(Arc::new(config)).only_tls_1_3();
    assert!(matches!(built(mixed), Err(ConfigurationError::Conflict { .. })));
}

#[test]
fn keys_do_not_show() {
    let key = TestAuthority::new("authority").client("somebody");
    let tls = TlsOptions::new().client_certificate_pem(key.certificate_pem(), key.key_pem());
    let shown = format!("{tls:?}");
    assert!(!shown.contains("BEGIN"), "{shown}");
}
