//! The main job, on every version of Cassandra: what its oldest and its newest have in common.

use std::collections::BTreeMap;
use std::net::IpAddr;

use helenus::{
    BatchStatement, CqlDate, CqlDuration, CqlTime, CqlTimestamp, CqlValue, NamedValues, ProtocolVersion,
    SchemaAgreement, SimpleStatement,
};
use uuid::Uuid;

use crate::common::{VERSIONS, WIRES, builder, ddl, fresh_keyspace, session, session_with};

#[tokio::test]
async fn a_session_speaks_v5_unless_told_otherwise_and_knows_its_nodes() {
    let session = session().await;
    let state = session.state();
    assert_eq!(state.protocol_version(), Some(ProtocolVersion::V5));
    let result = session
        .query(
            "SELECT release_version, data_center, host_id FROM system.local",
            (),
        )
        .await
        .unwrap();
    let (version, datacenter, host_id): (&str, &str, Uuid) = result.single_row().unwrap();
    let node = state.node(host_id).unwrap();
    assert_eq!(node.release_version(), Some(version));
    assert_eq!(node.datacenter(), Some(datacenter));
    assert_eq!(state.local_datacenter(), Some(datacenter));
    assert_eq!(result.coordinator().host_id(), host_id);
    assert!(result.attempts().is_empty() && result.warnings().is_empty());
    session.close().await;
    assert!(session.is_closed());
}

#[tokio::test]
async fn rows_are_written_and_read_in_every_way() {
    let setup = fresh_keyspace("it_smoke").await;
    let created = setup
        .query("CREATE TABLE t (p int, c int, v text, PRIMARY KEY (p, c))", ())
        .await
        .unwrap();
    assert_eq!(created.schema_agreement(), Some(SchemaAgreement::Reached));
    for (partition, wire) in (0_i32..).zip(WIRES) {
        let session = session_with(wire, "it_smoke").await;
        session
            .query(
                "INSERT INTO t (p, c, v) VALUES (?, ?, ?)",
                (partition, 0_i32, "position"),
            )
            .await
            .unwrap();
        let named = NamedValues(&[("v", &"name"), ("p", &partition), ("c", &1_i32)]);
        session
            .query("INSERT INTO t (p, c, v) VALUES (:p, :c, :v)", named)
            .await
            .unwrap();
        let insert = session
            .prepare("INSERT INTO t (p, c, v) VALUES (?, ?, ?)")
            .await
            .unwrap();
        session
            .execute(&insert, (partition, 2, "prepared"))
            .await
            .unwrap();
        let mut batch = BatchStatement::logged();
        for key in 3..25 {
            batch.add_prepared(&insert, (partition, key, "batch")).unwrap();
        }
        batch
            .add_simple("DELETE FROM t WHERE p = ? AND c = 24", (partition,))
            .unwrap();
        // The batch's own timestamp is one for all: a deletion wins over an insertion.
        session.batch(&batch).await.unwrap();

        let select = SimpleStatement::new("SELECT c, v FROM t WHERE p = ?").with_page_size(10);
        let select = session.prepare(select).await.unwrap();
        let rows = session
            .execute_rows::<(i32, String)>(&select, (partition,))
            .collect_rows()
            .await
            .unwrap();
        let keys: Vec<_> = rows.iter().map(|row| row.0).collect();
        assert_eq!(keys, (0..24).collect::<Vec<_>>(), "{wire:?}");
        let values: Vec<_> = rows[..4].iter().map(|row| &*row.1).collect();
        assert_eq!(values, ["position", "name", "prepared", "batch"], "{wire:?}");
    }
}

#[tokio::test]
async fn types_that_every_version_has_make_the_round_trip() {
    let setup = fresh_keyspace("it_smoke_types").await;
    ddl(&setup, "CREATE TYPE pair (a int, b text)").await;
    ddl(
        &setup,
        "CREATE TABLE t (k int PRIMARY KEY, d double, n text, x blob, u uuid, i inet, ts timestamp, \
         da date, ti time, du duration, l list<int>, m map<text, int>, tu tuple<int, text>, ud pair)",
    )
    .await;
    type Row = (
        f64,
        String,
        Vec<u8>,
        Uuid,
        IpAddr,
        CqlTimestamp,
        CqlDate,
        CqlTime,
        CqlDuration,
        Vec<i32>,
        BTreeMap<String, i32>,
        (i32, String),
    );
    let row: Row = (
        -1.5,
        "grüße 🦀".to_owned(),
        vec![0, 255],
        Uuid::from_u128(7),
        "2001:db8::1".parse().unwrap(),
        CqlTimestamp(-1),
        CqlDate::from_days(20_000),
        CqlTime::MAX,
        CqlDuration::new(-1, -2, -3),
        vec![3, 1, 3],
        BTreeMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)]),
        (5, "five".to_owned()),
    );
    let names = "d, n, x, u, i, ts, da, ti, du, l, m, tu";
    for wire in VERSIONS {
        let session = session_with(wire, "it_smoke_types").await;
        let insert = format!("INSERT INTO t (k, {names}, ud) VALUES (1, {}?)", "?, ".repeat(12));
        let insert = session.prepare(insert).await.unwrap();
        let pair = helenus::CqlUserDefined::new([
            ("a", Some(CqlValue::Int(1))),
            ("b", Some(CqlValue::Text("x".to_owned()))),
        ]);
        let r = row.clone();
        let values = (
            r.0, r.1, r.2, r.3, r.4, r.5, r.6, r.7, r.8, r.9, r.10, r.11, &pair,
        );
        session.execute(&insert, values).await.unwrap();
        let result = session.query(format!("SELECT {names} FROM t"), ()).await.unwrap();
        assert_eq!(result.single_row::<Row>().unwrap(), row, "{wire:?}");
        let result = session.query("SELECT ud FROM t", ()).await.unwrap();
        let (read,): (helenus::CqlUserDefined,) = result.single_row().unwrap();
        assert_eq!((&*read.name, &read.fields), ("pair", &pair.fields), "{wire:?}");
    }
}

/// Vectors came with Cassandra 5; before, the server has no such type and says so.
#[tokio::test]
async fn vectors_are_there_from_cassandra_5_on() {
    let setup = fresh_keyspace("it_smoke_vectors").await;
    let state = setup.state();
    let version = state.nodes()[0].release_version().unwrap();
    let major: u32 = version.split('.').next().unwrap().parse().unwrap();
    let created = setup
        .query("CREATE TABLE t (k int PRIMARY KEY, v vector<float, 3>)", ())
        .await;
    if major < 5 {
        let error = created.unwrap_err();
        assert!(error.server_error().is_some(), "{error}");
        return;
    }
    created.unwrap();
    let vector = vec![0.5_f32, -1.0, 3.25];
    for wire in VERSIONS {
        let session = session_with(wire, "it_smoke_vectors").await;
        let insert = session
            .prepare("INSERT INTO t (k, v) VALUES (?, ?)")
            .await
            .unwrap();
        session.execute(&insert, (1, &vector)).await.unwrap();
        let result = session.query("SELECT v FROM t", ()).await.unwrap();
        assert_eq!(result.single_row::<(Vec<f32>,)>().unwrap().0, vector, "{wire:?}");
    }
}

#[tokio::test]
async fn a_keyspace_that_does_not_exist_is_named() {
    let cluster = builder().build().unwrap();
    let error = cluster.connect_keyspace("it_smoke_nowhere").await.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("keyspace \"it_smoke_nowhere\" cannot be used"),
        "{error}"
    );
}
