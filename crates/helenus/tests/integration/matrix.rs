//! The main job, on every protocol version with every compression that it knows.

use std::collections::HashMap;

use futures_util::StreamExt as _;
use helenus::{BatchStatement, Compression, ConsistencyLevel, NamedValues, ProtocolVersion, SimpleStatement};

use crate::common::{WIRES, builder, ddl, fresh_keyspace, session_with};

#[tokio::test]
async fn values_written_in_any_way_are_read_on_all_pages() {
    let keyspace = "it_matrix";
    let setup = fresh_keyspace(keyspace).await;
    ddl(
        &setup,
        "CREATE TABLE t (p int, c int, v text, PRIMARY KEY (p, c))",
    )
    .await;
    ddl(
        &setup,
        "CREATE TABLE b (p int, c int, v blob, PRIMARY KEY (p, c))",
    )
    .await;
    for (partition, wire) in (0_i32..).zip(WIRES) {
        let session = session_with(wire, keyspace).await;
        let insert = session
            .prepare("INSERT INTO t (p, c, v) VALUES (?, ?, ?)")
            .await
            .unwrap();
        let long = "long enough to be worth a compression ".repeat(50);
        for row in 0..50 {
            session.execute(&insert, (partition, row, &long)).await.unwrap();
        }
        let mut batch = BatchStatement::logged().with_consistency(ConsistencyLevel::One);
        for row in 50..60 {
            batch.add_prepared(&insert, (partition, row, "prepared")).unwrap();
            let text = "INSERT INTO t (p, c, v) VALUES (?, ?, ?)";
            batch.add_simple(text, (partition, row + 10, "simple")).unwrap();
        }
        session.batch(&batch).await.unwrap();

        let select = SimpleStatement::new("SELECT c, v FROM t WHERE p = ?").with_page_size(7);
        let rows = session
            .query_rows::<(i32, String)>(&select, (partition,))
            .collect_rows()
            .await
            .unwrap();
        let keys: Vec<_> = rows.iter().map(|row| row.0).collect();
        assert_eq!(keys, (0..70).collect::<Vec<_>>(), "{wire:?}");
        assert!(rows[..50].iter().all(|row| row.1 == long), "{wire:?}");

        let prepared = session.prepare(select).await.unwrap();
        let rows = session.execute_rows::<(i32, String)>(&prepared, (partition,));
        let count = rows.map(Result::unwrap).count().await;
        assert_eq!(count, 70, "{wire:?}");

        let named = NamedValues(&[("part", &partition), ("row", &55_i32)]);
        let one = session
            .query("SELECT v FROM t WHERE p = :part AND c = :row", named)
            .await
            .unwrap();
        assert_eq!(one.single_row::<(&str,)>().unwrap(), ("prepared",));

        // A mebibyte: many segments of v5 both ways. Once as compression likes it, once as it does not.
        let even: Vec<u8> = vec![7; 1 << 20];
        let mut state = 1_u64;
        let noise: Vec<u8> = std::iter::repeat_with(|| {
            // A linear congruential generator, the constants of MMIX.
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            state.to_be_bytes()[0]
        })
        .take(1 << 20)
        .collect();
        let insert = session
            .prepare("INSERT INTO b (p, c, v) VALUES (?, ?, ?)")
            .await
            .unwrap();
        for (key, blob) in [(0, even), (1, noise)] {
            session.execute(&insert, (partition, key, &blob)).await.unwrap();
            let found = session
                .query("SELECT v FROM b WHERE p = ? AND c = ?", (partition, key))
                .await
                .unwrap();
            assert!(found.single_row::<(&[u8],)>().unwrap().0 == blob, "{wire:?}");
        }
        session.close().await;
    }
}

#[tokio::test]
async fn many_requests_at_once_get_each_their_own_answer() {
    let keyspace = "it_matrix_many";
    let setup = fresh_keyspace(keyspace).await;
    ddl(&setup, "CREATE TABLE t (k int PRIMARY KEY, v text)").await;
    for wire in WIRES {
        let session = session_with(wire, keyspace).await;
        let insert = session
            .prepare("INSERT INTO t (k, v) VALUES (?, ?)")
            .await
            .unwrap();
        let select = session.prepare("SELECT k, v FROM t WHERE k = ?").await.unwrap();
        let writes = (0..500).map(|key| session.execute(&insert, (key, format!("value {key}"))));
        for result in futures_util::future::join_all(writes).await {
            result.unwrap();
        }
        let reads: Vec<_> = (0..500).map(|key| session.execute(&select, (key,))).collect();
        for (key, read) in (0..500).zip(reads) {
            let result = read.await.unwrap();
            let row: (i32, &str) = result.single_row().unwrap();
            assert_eq!(row, (key, &*format!("value {key}")), "{wire:?}");
        }
        assert_eq!(session.connections().in_flight, 0);
    }
}

#[tokio::test]
async fn the_server_sees_the_protocol_version_and_the_compression_that_were_asked_for() {
    for wire in WIRES {
        let id = uuid::Uuid::new_v4().to_string();
        let builder = builder()
            .protocol_version(wire.version)
            .compression(wire.compression)
            .startup_option("CLIENT_ID", &id);
        let session = builder.build().unwrap().connect().await.unwrap();
        let seen = session
            .query_rows::<(i32, HashMap<String, String>)>(
                "SELECT protocol_version, client_options FROM system_views.clients",
                (),
            )
            .collect_rows()
            .await
            .unwrap();
        let compression = wire.compression.map(Compression::name);
        let mine: Vec<_> = seen
            .iter()
            .filter(|(_, options)| options.get("CLIENT_ID") == Some(&id))
            .collect();
        // One connection to the node, and the control connection.
        assert_eq!(mine.len(), 2, "{wire:?}: {seen:?}");
        for (version, options) in mine {
            assert_eq!(*version, i32::from(wire.version.number()));
            assert_eq!(
                options.get("COMPRESSION").map(String::as_str),
                compression,
                "{wire:?}"
            );
            assert_eq!(options.get("DRIVER_NAME").map(String::as_str), Some("Helenus"));
        }
    }
}

#[tokio::test]
async fn the_first_compression_that_protocol_and_server_know_is_taken() {
    let both = [Compression::Snappy, Compression::Lz4];
    for (version, expected) in [(ProtocolVersion::V5, "lz4"), (ProtocolVersion::V4, "snappy")] {
        let id = uuid::Uuid::new_v4().to_string();
        let builder = builder().protocol_version(version).compression(both);
        let cluster = builder.startup_option("CLIENT_ID", &id).build().unwrap();
        let session = cluster.connect().await.unwrap();
        let seen = session
            .query_rows::<(HashMap<String, String>,)>("SELECT client_options FROM system_views.clients", ())
            .collect_rows()
            .await
            .unwrap();
        let mut mine = seen
            .iter()
            .filter(|(options,)| options.get("CLIENT_ID") == Some(&id));
        assert!(mine.clone().count() > 0);
        assert!(
            mine.all(|(options,)| options.get("COMPRESSION").is_some_and(|name| name == expected)),
            "{seen:?}"
        );
    }
}
