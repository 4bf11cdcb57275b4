//! TLS with real Cassandra. Starts a cluster of its own: `cargo test -p helenus --test tls -- --ignored`.

use std::time::Duration;

use helenus::tls::{TlsError, TlsOptions};
use helenus::{Cluster, ClusterBuilder, ConnectErrorKind, ContactPointError, ProtocolVersion, SessionError};
use helenus_testkit::cassandra::{self, AddressPrefix, ClusterOptions, Progress, TlsMode};

fn refusal(error: SessionError) -> ConnectErrorKind {
    match error {
        SessionError::NoContactPoint(mut causes) => match causes.pop() {
            Some(ContactPointError::Connect(error)) => error.kind,
            other => panic!("{other:?}"),
        },
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "starts real Cassandra"]
async fn fault_22_a_real_node_that_asks_for_certificates_gets_them_and_none_is_believed_unseen() {
    let options = ClusterOptions::default()
        .address_prefix(AddressPrefix::Auto)
        .heap_mib(320)
        .progress(Progress::stderr())
        .authentication(true)
        .tls(TlsMode::Mutual);
    let node = tokio::task::spawn_blocking(|| cassandra::Cluster::start(options).unwrap());
    let node = node.await.unwrap();
    let description = node.describe();
    let file = |path: &Option<std::path::PathBuf>| path.clone().unwrap();
    let (username, password) = (
        description.username.clone().unwrap(),
        description.password.clone().unwrap(),
    );
    let builder = |tls: Option<TlsOptions>| -> ClusterBuilder {
        Cluster::builder()
            .contact_point(description.nodes[0].address.as_str())
            .credentials(username.clone(), password.clone())
            .connect_timeout(Duration::from_secs(10))
            .control_timeout(Duration::from_secs(20))
            .tls(tls)
    };
    let trusting = TlsOptions::new().authority_file(file(&description.tls_authority));
    let shown = trusting
        .clone()
        .client_certificate_files(file(&description.tls_certificate), file(&description.tls_key));

    for version in [ProtocolVersion::V5, ProtocolVersion::V4] {
        let cluster = builder(Some(shown.clone()))
            .protocol_version(version)
            .build()
            .unwrap();
        let session = cluster.connect().await.unwrap();
        let text = "x".repeat(1 << 20);
        let query = "CREATE KEYSPACE IF NOT EXISTS tls WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}";
        session.query(query, ()).await.unwrap();
        session
            .query("CREATE TABLE IF NOT EXISTS tls.t (k int PRIMARY KEY, v text)", ())
            .await
            .unwrap();
        let insert = session
            .prepare("INSERT INTO tls.t (k, v) VALUES (?, ?)")
            .await
            .unwrap();
        session.execute(&insert, (1, &text)).await.unwrap();
        let result = session
            .query("SELECT v FROM tls.t WHERE k = 1", ())
            .await
            .unwrap();
        let (found,): (String,) = result.single_row().unwrap();
        assert!(found == text);
        let result = session
            .query("SELECT ssl_enabled FROM system_views.clients", ())
            .await
            .unwrap();
        for row in result.rows::<(bool,)>().unwrap() {
            assert!(row.unwrap().0, "the server says so too");
        }
        cluster.close().await;
    }

    // Whether the refusal overtakes the first request or not.
    for _ in 0..20 {
        let error = builder(Some(trusting.clone()))
            .build()
            .unwrap()
            .connect()
            .await
            .unwrap_err();
        let kind = refusal(error);
        let told = matches!(&kind, ConnectErrorKind::Tls(error) if matches!(**error, TlsError::ClientCertificate { .. }));
        assert!(told, "{kind:?}");
    }
    let own = TlsOptions::new().authority_file(file(&description.tls_certificate));
    let error = builder(Some(own)).build().unwrap().connect().await.unwrap_err();
    let kind = refusal(error);
    let told = matches!(&kind, ConnectErrorKind::Tls(error) if matches!(**error, TlsError::UnknownAuthority));
    assert!(told, "{kind:?}");
    let error = builder(None).build().unwrap().connect().await.unwrap_err();
    // What a server that waits for TLS does with plain text differs by version: it closes, resets, or answers with an alert.
    let kind = refusal(error);
    assert!(!matches!(kind, ConnectErrorKind::Timeout { .. }), "{kind}");
    tokio::task::spawn_blocking(move || drop(node)).await.unwrap();
}
