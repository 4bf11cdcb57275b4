//! What the tests share: the node, the combinations of protocol version and compression, and keyspaces of their own.

use std::ops::Deref;
use std::time::Duration;

use helenus::{Cluster, ClusterBuilder, Compression, ProtocolVersion, Session};
use helenus_testkit::cassandra::shared;

/// A protocol version and a compression to speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wire {
    pub(crate) version: ProtocolVersion,
    pub(crate) compression: Option<Compression>,
}

/// All combinations that there are.
pub(crate) const WIRES: [Wire; 8] = [
    wire(ProtocolVersion::V5, None),
    wire(ProtocolVersion::V5, Some(Compression::Lz4)),
    wire(ProtocolVersion::V4, None),
    wire(ProtocolVersion::V4, Some(Compression::Lz4)),
    wire(ProtocolVersion::V4, Some(Compression::Snappy)),
    wire(ProtocolVersion::V3, None),
    wire(ProtocolVersion::V3, Some(Compression::Lz4)),
    wire(ProtocolVersion::V3, Some(Compression::Snappy)),
];

/// One for each protocol version.
pub(crate) const VERSIONS: [Wire; 3] = [WIRES[0], WIRES[2], WIRES[5]];

const fn wire(version: ProtocolVersion, compression: Option<Compression>) -> Wire {
    Wire { version, compression }
}

pub(crate) fn builder() -> ClusterBuilder {
    let profile = helenus::ExecutionProfile::builder()
        .timeout(Duration::from_secs(30))
        .build();
    Cluster::builder()
        .contact_points(shared().contact_points().iter().copied())
        .connect_timeout(Duration::from_secs(20))
        .control_timeout(Duration::from_secs(20))
        .default_profile(profile)
}

/// A session of any protocol version.
pub(crate) async fn session() -> Session {
    builder().build().unwrap().connect().await.unwrap()
}

/// A session that speaks in this way, and in this keyspace.
pub(crate) async fn session_with(wire: Wire, keyspace: &str) -> Session {
    let builder = builder()
        .protocol_version(wire.version)
        .compression(wire.compression);
    let session = builder.build().unwrap().connect_keyspace(keyspace).await.unwrap();
    assert_eq!(session.state().protocol_version(), Some(wire.version));
    session
}

/// A session that works in a keyspace of its own, which is gone when this is dropped, also by a panic.
#[derive(Debug)]
pub(crate) struct Keyspace {
    session: Session,
    name: String,
}

impl Deref for Keyspace {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl Drop for Keyspace {
    fn drop(&mut self) {
        let text = format!("DROP KEYSPACE IF EXISTS {}", self.name);
        let dropped = std::thread::spawn(move || {
            // The test's own runtime is at work for this call, and may be about to end.
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.unwrap().block_on(async {
                let session = session().await;
                ddl(&session, &text).await;
                session.cluster().close().await;
            });
        });
        let dropped = dropped.join();
        assert!(
            dropped.is_ok() || std::thread::panicking(),
            "keyspace {} is still there",
            self.name
        );
    }
}

/// Makes an empty keyspace of this name (as CQL, with quotes where it needs them), and a session that works in it.
pub(crate) async fn fresh_keyspace(name: &str) -> Keyspace {
    let session = session().await;
    ddl(&session, &format!("DROP KEYSPACE IF EXISTS {name}")).await;
    let replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}";
    ddl(
        &session,
        &format!("CREATE KEYSPACE {name} WITH replication = {replication}"),
    )
    .await;
    let keyspace = Keyspace {
        session,
        name: name.to_owned(),
    };
    keyspace.use_keyspace(name.trim_matches('"')).await.unwrap();
    keyspace
}

/// Changes the schema, and waits until all nodes know.
pub(crate) async fn ddl(session: &Session, text: &str) {
    let result = session.query(text, ()).await;
    let result = result.unwrap_or_else(|error| panic!("{text}: {error}"));
    if result.schema_change().is_some() {
        assert_eq!(result.schema_agreement(), Some(helenus::SchemaAgreement::Reached));
    }
}
