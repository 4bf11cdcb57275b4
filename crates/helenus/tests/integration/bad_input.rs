//! What is wrong with an option, an address or a value: an error that names it, before anything is sent where that can be.

use std::collections::HashMap;
use std::net::TcpListener as StdListener;

use helenus::{
    Applied, BatchStatement, Cluster, Compression, ConfigurationError, ConnectErrorKind, ConsistencyLevel,
    ContactPointError, ErrorCode, ExecutionProfile, NamedValues, ProtocolVersion, RequestError,
    RequestErrorKind, RowsError, SerializeErrorKind, SessionError, SimpleStatement, Unset,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::common::{builder, ddl, fresh_keyspace, session};

/// The only cause of a session that could not be opened, which is about the only contact point.
fn only_cause(error: &SessionError) -> &ContactPointError {
    match error {
        SessionError::NoContactPoint(causes) if causes.len() == 1 => &causes[0],
        other => panic!("{other}"),
    }
}

#[test]
fn options_that_cannot_be_are_named_when_the_cluster_is_built() {
    let error = |builder: helenus::ClusterBuilder| builder.build().unwrap_err();
    assert_eq!(error(Cluster::builder()), ConfigurationError::NoContactPoints);
    let local = || Cluster::builder().contact_point("127.0.0.1");
    let profile = ExecutionProfile::builder().serial_consistency(ConsistencyLevel::Quorum);
    let v5 = ProtocolVersion::V5;
    for (builder, option) in [
        (
            Cluster::builder().contact_point("cql://127.0.0.1"),
            "contact_points",
        ),
        (
            Cluster::builder().contact_point("127.0.0.1:70000"),
            "contact_points",
        ),
        (local().port(0), "port"),
        (local().connections_per_node(0), "connections_per_node"),
        (
            local().max_requests_per_connection(40_000),
            "max_requests_per_connection",
        ),
        (
            local().connect_timeout(std::time::Duration::ZERO),
            "connect_timeout",
        ),
        (local().default_profile(profile.build()), "serial_consistency"),
        (
            local().protocol_version(v5).compression([Compression::Snappy]),
            "compression",
        ),
    ] {
        let error = error(builder).to_string();
        assert!(error.starts_with(&format!("{option}: ")), "{error}");
    }
}

#[tokio::test]
async fn a_port_that_nobody_listens_on_is_named() {
    // It was free a moment ago.
    let address = StdListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let cluster = Cluster::builder().contact_point(address).build().unwrap();
    let error = cluster.connect().await.unwrap_err();
    let ContactPointError::Connect(cause) = only_cause(&error) else {
        panic!("{error}");
    };
    assert!(matches!(cause.kind, ConnectErrorKind::Io(_)), "{cause}");
    assert!(error.to_string().contains(&address.to_string()), "{error}");
}

#[tokio::test]
async fn a_host_that_does_not_resolve_is_named_and_passed_over_if_there_is_another() {
    let name = "helenus-no-such-host.invalid";
    let cluster = Cluster::builder().contact_point(name).build().unwrap();
    let error = cluster.connect().await.unwrap_err();
    assert!(
        matches!(only_cause(&error), ContactPointError::Resolve { name: found, .. } if found == name),
        "{error}"
    );
    let both = builder().contact_point(name).build().unwrap();
    both.connect().await.unwrap();
}

#[tokio::test]
async fn a_server_that_is_no_cassandra_is_told_apart() {
    // Answers like a web server: one before it was asked, one after.
    for waits in [false, true] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                if waits {
                    let _ = stream.read(&mut [0; 64]).await;
                }
                let _ = stream
                    .write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
                    .await;
            }
        });
        let cluster = Cluster::builder().contact_point(address).build().unwrap();
        let error = cluster.connect().await.unwrap_err();
        let ContactPointError::Connect(cause) = only_cause(&error) else {
            panic!("{error}");
        };
        assert!(
            matches!(cause.kind, ConnectErrorKind::NotCassandra { .. }),
            "{cause}"
        );
        assert!(error.to_string().contains(&address.to_string()), "{error}");
        server.abort();
    }
}

#[tokio::test]
async fn a_datacenter_or_a_keyspace_that_does_not_exist_is_named() {
    let cluster = builder().local_datacenter("it_nowhere").build().unwrap();
    let error = cluster.connect().await.unwrap_err();
    assert!(
        matches!(&error, SessionError::UnknownDatacenter { name, .. } if name == "it_nowhere"),
        "{error}"
    );

    let cluster = builder().build().unwrap();
    let error = cluster.connect_keyspace("it_nowhere").await.unwrap_err();
    let SessionError::Keyspace { keyspace, source } = &error else {
        panic!("{error}");
    };
    assert_eq!((&**keyspace, source.code), ("it_nowhere", ErrorCode::Invalid));

    let session = session().await;
    let error = session.use_keyspace("it_nowhere").await.unwrap_err();
    assert_eq!(error.server_error().unwrap().code, ErrorCode::Invalid);
    assert!(error.to_string().contains("it_nowhere"), "{error}");
    assert!(error.coordinator().is_some());
    let error = session.use_keyspace("").await.unwrap_err();
    assert!(
        matches!(
            error.kind(),
            RequestErrorKind::InvalidOption {
                option: "keyspace",
                ..
            }
        ),
        "{error}"
    );
}

#[tokio::test]
async fn a_protocol_version_that_was_asked_for_and_is_not_spoken_is_named() {
    let cluster = builder()
        .protocol_version(ProtocolVersion::DseV2)
        .build()
        .unwrap();
    let error = cluster.connect().await.unwrap_err();
    let ContactPointError::Connect(cause) = only_cause(&error) else {
        panic!("{error}");
    };
    assert!(
        matches!(cause.kind, ConnectErrorKind::NoCommonVersion { .. }),
        "{cause:?}"
    );
    assert!(error.to_string().contains("DSE_V2"), "{error}");
}

/// What was refused before it was sent, and why.
fn refused(error: RequestError) -> (SerializeErrorKind, String) {
    assert_eq!(error.applied(), Applied::NotSent, "{error}");
    assert!(error.attempts().is_empty());
    match error.kind() {
        RequestErrorKind::Serialize(cause) => (cause.kind().clone(), error.to_string()),
        _ => panic!("{error}"),
    }
}

#[tokio::test]
async fn values_that_do_not_fit_are_refused_with_the_name_of_their_column() {
    let session = fresh_keyspace("it_misfits").await;
    ddl(
        &session,
        "CREATE TABLE t (k int PRIMARY KEY, v vector<float, 3>, s smallint, a ascii, l list<tinyint>)",
    )
    .await;
    let insert = async |columns: &str| {
        let text = format!("INSERT INTO t ({columns}) VALUES (:one, :two)");
        session.prepare(text).await.unwrap()
    };
    let (vectors, shorts) = (insert("k, v").await, insert("k, s").await);
    let (ascii, lists) = (insert("k, a").await, insert("k, l").await);
    let vector = [1.0_f32, 2.0, 3.0];
    for (result, expected) in [
        (
            session.execute(&vectors, (1, &vector[..2])).await,
            "column 1 \"two\" (vector<float, 3>): has 2 elements instead of 3",
        ),
        (
            session.execute(&vectors, (1, [1.0_f32; 4])).await,
            "column 1 \"two\" (vector<float, 3>): has 4 elements instead of 3",
        ),
        (
            session
                .execute(&vectors, (1, [Some(1.0_f32), None, Some(3.0)]))
                .await,
            "column 1 \"two\" at [1] (float): null is not possible here",
        ),
        (
            session.execute(&shorts, (1, 40_000)).await,
            "column 1 \"two\" (smallint): 40000 is out of range",
        ),
        (
            session.execute(&shorts, (1_i64 << 40, 1_i16)).await,
            "column 0 \"one\" (int): 1099511627776 is out of range",
        ),
        (
            session.execute(&lists, (1, vec![1_i32, 2, 128])).await,
            "column 1 \"two\" at [2] (tinyint): 128 is out of range",
        ),
        (
            session.execute(&ascii, (1, "ä")).await,
            "column 1 \"two\" (ascii): the text has characters that are not ASCII",
        ),
        (
            session.execute(&shorts, ("x", 1_i16)).await,
            "column 0 \"one\" (int): takes no value of the Rust type str",
        ),
        (
            session.execute(&shorts, (1,)).await,
            "1 values for 2 bind markers",
        ),
        (
            session.execute(&shorts, (1, 2_i16, 3)).await,
            "3 values for 2 bind markers",
        ),
        (session.execute(&shorts, ()).await, "0 values for 2 bind markers"),
        (
            session.execute(&shorts, HashMap::from([("one", 1)])).await,
            "no value for the bind marker \"two\"",
        ),
        (
            session
                .execute(
                    &shorts,
                    NamedValues(&[("one", &1), ("two", &2_i16), ("three", &3)]),
                )
                .await,
            "no bind marker is called \"three\"",
        ),
    ] {
        let (_, error) = refused(result.unwrap_err());
        assert!(error.starts_with(expected), "{error}\ninstead of\n{expected}");
    }
    let mut batch = BatchStatement::logged();
    let error = batch.add_prepared(&shorts, (1, 40_000)).unwrap_err();
    assert_eq!(error.column().unwrap().name.as_ref(), "two");
    let unset = session.execute(&lists, (1, vec![Unset])).await;
    assert_eq!(refused(unset.unwrap_err()).0, SerializeErrorKind::Unset);
    let empty = session.query("SELECT * FROM t", ()).await.unwrap();
    assert_eq!(empty.row_count(), 0);
}

#[tokio::test]
async fn values_that_do_not_fit_a_simple_statement_are_refused_by_the_server() {
    let session = fresh_keyspace("it_misfits_simple").await;
    ddl(&session, "CREATE TABLE t (k int PRIMARY KEY, v int)").await;
    let insert = "INSERT INTO t (k, v) VALUES (:k, :v)";
    let few = session.query(insert, (1,)).await;
    let long = session.query(insert, (1, 2_i64)).await;
    let unknown = session.query(insert, NamedValues(&[("k", &1), ("w", &2)])).await;
    for result in [few, long, unknown] {
        let error = result.unwrap_err();
        assert_eq!(error.server_error().unwrap().code, ErrorCode::Invalid, "{error}");
        assert_eq!(error.applied(), Applied::No);
        assert!(error.coordinator().is_some());
    }
}

#[tokio::test]
async fn a_serial_consistency_that_is_none_and_rows_of_other_types_are_errors() {
    let session = session().await;
    let statement = SimpleStatement::new("SELECT key FROM system.local")
        .with_serial_consistency(ConsistencyLevel::Quorum);
    let error = session.query(statement, ()).await.unwrap_err();
    assert!(
        matches!(
            error.kind(),
            RequestErrorKind::InvalidOption {
                option: "serial_consistency",
                ..
            }
        ),
        "{error}"
    );
    assert_eq!(error.applied(), Applied::NotSent);

    let result = session
        .query("SELECT key, native_protocol_version FROM system.local", ())
        .await
        .unwrap();
    let error = result.rows::<(String, i32)>().unwrap_err();
    assert!(
        error.to_string().contains("\"native_protocol_version\" (text)"),
        "{error}"
    );
    let error = result.rows::<(String,)>().unwrap_err();
    assert!(matches!(error, RowsError::Type(_)), "{error}");
    let nothing = session
        .query("SELECT key FROM system.local WHERE key = 'x'", ())
        .await;
    let nothing = nothing.unwrap();
    assert_eq!(
        nothing.first_row::<(String,)>().unwrap_err(),
        RowsError::Count { rows: 0 }
    );
    let rows = session.query_rows::<(i32,)>("SELECT key FROM system.local", ());
    let error = rows.collect_rows().await.unwrap_err().to_string();
    assert!(error.contains("\"key\" (text)"), "{error}");
}
