//! Options of requests: conditions, timestamps, keyspaces, payloads, pages.

use std::collections::HashMap;
use std::sync::Arc;

use futures_util::StreamExt as _;
use helenus::policy::{RetryContext, RetryDecision, RetryPolicy};
use helenus::{
    AttemptError, BatchStatement, ConsistencyLevel, CqlRow, CqlValue, DeserializeRow, ErrorCode,
    ProtocolVersion, Request, SerializeError, SimpleStatement, Unset,
};

use crate::common::{VERSIONS, WIRES, ddl, fresh_keyspace, session, session_with};

#[tokio::test]
async fn a_conditional_statement_says_whether_it_was_applied() {
    let session = fresh_keyspace("it_lwt").await;
    ddl(&session, "CREATE TABLE t (k int PRIMARY KEY, v int)").await;
    let insert = session
        .prepare("INSERT INTO t (k, v) VALUES (?, ?) IF NOT EXISTS")
        .await
        .unwrap();
    assert!(insert.is_conditional());
    assert!(session.execute(&insert, (1, 10)).await.unwrap().was_applied());
    let refused = session.execute(&insert, (1, 20)).await.unwrap();
    assert!(!refused.was_applied());
    let row: CqlRow = refused.single_row().unwrap();
    assert_eq!(row[0], Some(CqlValue::Boolean(false)));
    assert_eq!(row[2], Some(CqlValue::Int(10)));
    let update = SimpleStatement::new("UPDATE t SET v = 30 WHERE k = 1 IF v = 10")
        .with_serial_consistency(helenus::ConsistencyLevel::LocalSerial);
    assert!(session.query(&update, ()).await.unwrap().was_applied());
    assert!(!session.query(&update, ()).await.unwrap().was_applied());
    let mut batch = BatchStatement::logged().with_serial_consistency(ConsistencyLevel::Serial);
    batch.add_prepared(&insert, (1, 0)).unwrap();
    assert!(!session.batch(&batch).await.unwrap().was_applied());
    // A read that sees what conditional statements have decided.
    let select =
        SimpleStatement::new("SELECT v FROM t WHERE k = 1").with_consistency(ConsistencyLevel::LocalSerial);
    let result = session.query(select, ()).await.unwrap();
    assert_eq!(result.single_row::<(i32,)>().unwrap(), (30,));
}

#[tokio::test]
async fn timestamps_of_statements_batches_and_the_generator_are_stored() {
    let session = fresh_keyspace("it_timestamps").await;
    ddl(&session, "CREATE TABLE t (k int PRIMARY KEY, v int)").await;
    let written = async |key: i32| {
        let result = session
            .query("SELECT writetime(v) FROM t WHERE k = ?", (key,))
            .await
            .unwrap();
        result.single_row::<(i64,)>().unwrap().0
    };
    let insert = session
        .prepare("INSERT INTO t (k, v) VALUES (?, 1)")
        .await
        .unwrap();
    session
        .execute(&insert.clone().with_timestamp(42), (1,))
        .await
        .unwrap();
    assert_eq!(written(1).await, 42);
    let mut batch = BatchStatement::unlogged().with_timestamp(43);
    batch.add_prepared(&insert, (2,)).unwrap();
    session.batch(&batch).await.unwrap();
    assert_eq!(written(2).await, 43);
    session
        .start(Request::prepared(&insert, (3,)).unwrap().with_timestamp(44))
        .await
        .unwrap();
    assert_eq!(written(3).await, 44);
    session.execute(&insert, (4,)).await.unwrap();
    session.execute(&insert, (5,)).await.unwrap();
    assert!(written(4).await < written(5).await);
}

#[tokio::test]
async fn now_in_seconds_decides_about_expiry_in_v5_and_is_refused_before() {
    let session = fresh_keyspace("it_now").await;
    ddl(&session, "CREATE TABLE t (k int PRIMARY KEY, v int)").await;
    session
        .query("INSERT INTO t (k, v) VALUES (1, 1) USING TTL 100", ())
        .await
        .unwrap();
    let select = SimpleStatement::new("SELECT v FROM t WHERE k = 1");
    assert_eq!(session.query(&select, ()).await.unwrap().row_count(), 1);
    let later = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap()
        .as_secs()
        + 1000;
    let select = select.with_now_in_seconds(i32::try_from(later).unwrap());
    assert_eq!(session.query(&select, ()).await.unwrap().row_count(), 0);
    let old = session_with(WIRES[2], "it_now").await;
    let error = old.query(&select, ()).await.unwrap_err();
    assert!(
        error
            .to_string()
            .starts_with("now_in_seconds cannot be sent in protocol v4"),
        "{error}"
    );
    assert_eq!(error.applied(), helenus::Applied::NotSent);
}

#[tokio::test]
async fn a_keyspace_for_one_request_is_of_v5_alone() {
    let setup = fresh_keyspace("it_per_request").await;
    ddl(&setup, "CREATE TABLE t (k int PRIMARY KEY)").await;
    let session = session().await;
    let statement = SimpleStatement::new("INSERT INTO t (k) VALUES (?)").with_keyspace("it_per_request");
    session.query(&statement, (1_i32,)).await.unwrap();
    let prepared = session.prepare(&statement).await.unwrap();
    assert_eq!(prepared.keyspace(), Some("it_per_request"));
    session.execute(&prepared, (2,)).await.unwrap();
    let mut batch = BatchStatement::logged().with_keyspace("it_per_request");
    batch.add_simple("INSERT INTO t (k) VALUES (3)", ()).unwrap();
    session.batch(&batch).await.unwrap();
    let rows = session.query_rows::<(i32,)>("SELECT k FROM it_per_request.t", ());
    assert_eq!(rows.collect_rows().await.unwrap().len(), 3);
    assert_eq!(session.keyspace(), None);
    let without = session
        .query("INSERT INTO t (k) VALUES (1)", ())
        .await
        .unwrap_err();
    assert!(
        without.to_string().contains("No keyspace has been specified"),
        "{without}"
    );
    let old = session_with(WIRES[2], "system").await;
    let error = old.query(&statement, (1_i32,)).await.unwrap_err();
    assert!(
        error.to_string().contains("cannot be sent in protocol v4"),
        "{error}"
    );
}

#[tokio::test]
async fn use_switches_the_whole_session_by_statement_and_by_method() {
    let first = fresh_keyspace("it_use_first").await;
    ddl(&first, "CREATE TABLE t (k int PRIMARY KEY)").await;
    let _second = fresh_keyspace("\"it_Use_second\"").await;
    let session = crate::common::builder()
        .connections_per_node(3)
        .build()
        .unwrap()
        .connect()
        .await
        .unwrap();
    let result = session.query("USE it_use_first", ()).await.unwrap();
    assert_eq!(result.keyspace(), Some("it_use_first"));
    assert_eq!(session.keyspace().as_deref(), Some("it_use_first"));
    // On each connection.
    let queries: Vec<_> = (0..30).map(|_| session.query("SELECT * FROM t", ())).collect();
    for query in queries {
        query.await.unwrap();
    }
    session.use_keyspace("it_Use_second").await.unwrap();
    assert_eq!(session.keyspace().as_deref(), Some("it_Use_second"));
    assert!(session.query("SELECT * FROM t", ()).await.is_err());
    let error = session.use_keyspace("no_such_keyspace").await.unwrap_err();
    assert!(error.to_string().contains("no_such_keyspace"), "{error}");
    assert_eq!(session.keyspace().as_deref(), Some("it_Use_second"));
}

#[tokio::test]
async fn a_custom_payload_travels_from_v4_on() {
    let payload = || {
        HashMap::from([
            ("key".to_owned(), Some(vec![1, 2, 3].into())),
            ("none".to_owned(), None),
        ])
    };
    for wire in VERSIONS {
        let session = session_with(wire, "system").await;
        let statement = SimpleStatement::new("SELECT key FROM local").with_custom_payload(payload());
        let result = session.query(statement, ()).await;
        match wire.version {
            ProtocolVersion::V3 => {
                let error = result.unwrap_err().to_string();
                assert!(
                    error.starts_with("a custom payload cannot be sent in protocol v3"),
                    "{error}"
                );
            }
            // The server's own query handler answers with none.
            _ => assert_eq!(result.unwrap().custom_payload(), None),
        }
    }
}

#[tokio::test]
async fn unset_values_leave_columns_as_they_are_from_v4_on() {
    let setup = fresh_keyspace("it_unset").await;
    ddl(&setup, "CREATE TABLE t (k int PRIMARY KEY, v int)").await;
    for wire in VERSIONS {
        let session = session_with(wire, "it_unset").await;
        let insert = session
            .prepare("INSERT INTO t (k, v) VALUES (?, ?)")
            .await
            .unwrap();
        session.execute(&insert, (1, 5)).await.unwrap();
        let unset = session.execute(&insert, (1, Unset)).await;
        if wire.version == ProtocolVersion::V3 {
            let error = unset.unwrap_err().to_string();
            assert!(
                error.starts_with("an unset value cannot be sent in protocol v3"),
                "{error}"
            );
        } else {
            unset.unwrap();
        }
        let result = session.query("SELECT v FROM t WHERE k = 1", ()).await.unwrap();
        assert_eq!(result.single_row::<(i32,)>().unwrap(), (5,));
    }
}

#[tokio::test]
async fn counters_are_updated_alone_and_in_batches() {
    let session = fresh_keyspace("it_counters").await;
    ddl(&session, "CREATE TABLE t (k int PRIMARY KEY, n counter)").await;
    let update = session
        .prepare("UPDATE t SET n = n + ? WHERE k = ?")
        .await
        .unwrap();
    session.execute(&update, (5_i64, 1)).await.unwrap();
    let mut batch = BatchStatement::counter();
    batch
        .add_prepared(&update, (10_i64, 1))
        .unwrap()
        .add_prepared(&update, (1_i64, 2))
        .unwrap()
        .add_simple("UPDATE t SET n = n - 7 WHERE k = 3", ())
        .unwrap();
    session.batch(&batch).await.unwrap();
    let mut rows = session
        .query_rows::<(i32, i64)>("SELECT k, n FROM t", ())
        .collect_rows()
        .await
        .unwrap();
    rows.sort_unstable();
    assert_eq!(rows, [(1, 15), (2, 1), (3, -7)]);
}

#[tokio::test]
async fn paging_goes_on_in_another_session_from_a_kept_state() {
    let session = fresh_keyspace("it_paging").await;
    ddl(&session, "CREATE TABLE t (p int, c int, PRIMARY KEY (p, c))").await;
    let insert = session
        .prepare("INSERT INTO t (p, c) VALUES (0, ?)")
        .await
        .unwrap();
    for row in 0..25 {
        session.execute(&insert, (row,)).await.unwrap();
    }
    for wire in VERSIONS {
        let select = Arc::new(SimpleStatement::new("SELECT c FROM t WHERE p = 0").with_page_size(10));
        let request = || -> Result<Request, SerializeError> { Request::simple(&*select, ()) };
        let first = session_with(wire, "it_paging").await;
        let page = first.start(request().unwrap()).await.unwrap();
        assert_eq!(page.row_count(), 10);
        let state = page.paging_state().cloned();
        first.close().await;
        let second = session_with(wire, "it_paging").await;
        let mut pages = second.pages(request().unwrap().with_paging_state(state));
        let mut keys = Vec::new();
        while let Some(page) = pages.next_page().await {
            let page = page.unwrap();
            keys.extend(page.rows::<(i32,)>().unwrap().map(|row| row.unwrap().0));
        }
        assert_eq!(keys, (10..25).collect::<Vec<_>>());
        let all = second
            .query(SimpleStatement::new("SELECT c FROM t").with_page_size(0), ())
            .await
            .unwrap();
        assert_eq!((all.row_count(), all.paging_state()), (25, None));
    }
}

#[tokio::test]
async fn warnings_of_the_server_come_with_the_result() {
    let session = fresh_keyspace("it_warnings").await;
    ddl(&session, "CREATE TABLE t (k int PRIMARY KEY, v text)").await;
    // An unlogged batch over many partitions, or of more than 5 KiB, is warned of.
    let insert = session
        .prepare("INSERT INTO t (k, v) VALUES (?, ?)")
        .await
        .unwrap();
    let mut batch = BatchStatement::logged();
    for key in 0..20 {
        batch.add_prepared(&insert, (key, "x".repeat(1000))).unwrap();
    }
    let result = session.batch(&batch).await.unwrap();
    assert!(!result.warnings().is_empty());
}

/// Goes on at consistency ONE when there are too few replicas.
#[derive(Debug)]
struct LowerConsistency;

impl RetryPolicy for LowerConsistency {
    fn decide(&self, context: &RetryContext<'_>) -> RetryDecision {
        match context.error {
            AttemptError::Server(error) if error.code == ErrorCode::Unavailable => {
                RetryDecision::same_node().at(ConsistencyLevel::One)
            }
            _ => RetryDecision::Fail,
        }
    }
}

#[tokio::test]
async fn results_and_errors_tell_what_happened_on_which_node() {
    let session = fresh_keyspace("it_history").await;
    ddl(&session, "CREATE TABLE t (k int PRIMARY KEY, v int)").await;
    let insert =
        SimpleStatement::new("INSERT INTO t (k) VALUES (1)").with_consistency(ConsistencyLevel::Three);
    let error = session.query(&insert, ()).await.unwrap_err();
    assert_eq!(error.server_error().unwrap().code, ErrorCode::Unavailable);
    assert_eq!(error.attempts().len(), 1);
    assert_eq!(error.attempts()[0].consistency, ConsistencyLevel::Three);

    let lower = insert.with_retry_policy(Arc::new(LowerConsistency));
    let result = session.query(&lower, ()).await.unwrap();
    let [attempt] = result.attempts() else {
        panic!("{:?}", result.attempts());
    };
    assert_eq!(attempt.consistency, ConsistencyLevel::Three);
    assert_eq!(attempt.node.host_id(), result.coordinator().host_id());
    assert!(
        matches!(&attempt.error, AttemptError::Server(error) if error.code == ErrorCode::Unavailable),
        "{}",
        attempt.error
    );
    assert_eq!(session.query("SELECT k FROM t", ()).await.unwrap().row_count(), 1);
}

#[tokio::test]
async fn a_profile_says_what_its_statements_leave_open() {
    let session = fresh_keyspace("it_profile").await;
    ddl(&session, "CREATE TABLE t (k int PRIMARY KEY, v int)").await;
    let insert = session
        .prepare("INSERT INTO t (k, v) VALUES (?, 0)")
        .await
        .unwrap()
        .with_idempotence(true);
    for key in 0..20 {
        session.execute(&insert, (key,)).await.unwrap();
    }
    let profile = session.default_profile().to_builder().page_size(6).build();
    let select = SimpleStatement::new("SELECT k FROM t").with_profile(profile.clone());
    let page = session.query(&select, ()).await.unwrap();
    assert_eq!(page.row_count(), 6);
    let page = session.query(select.with_page_size(7), ()).await.unwrap();
    assert_eq!(page.row_count(), 7);
    let three = profile.to_builder().consistency(ConsistencyLevel::Three).build();
    let update = |statement: SimpleStatement| session.query(statement.with_profile(three.clone()), ());
    let text = "UPDATE t SET v = 1 WHERE k = 1";
    let error = update(SimpleStatement::new(text)).await.unwrap_err();
    assert_eq!(error.server_error().unwrap().code, ErrorCode::Unavailable);
    update(SimpleStatement::new(text).with_consistency(ConsistencyLevel::One))
        .await
        .unwrap();
}

#[tokio::test]
async fn rows_of_all_pages_are_a_stream() {
    #[derive(Debug, DeserializeRow)]
    struct Row {
        v: String,
        c: i32,
    }
    let setup = fresh_keyspace("it_stream").await;
    ddl(
        &setup,
        "CREATE TABLE t (p int, c int, v text, PRIMARY KEY (p, c))",
    )
    .await;
    let insert = setup
        .prepare("INSERT INTO t (p, c, v) VALUES (0, ?, ?)")
        .await
        .unwrap();
    for key in 0..95 {
        setup.execute(&insert, (key, key.to_string())).await.unwrap();
    }
    for wire in VERSIONS {
        let session = session_with(wire, "it_stream").await;
        let select = session
            .prepare("SELECT * FROM t WHERE p = ?")
            .await
            .unwrap()
            .with_page_size(10);
        let rows = session.execute_rows::<Row>(&select, (0,));
        let sum: i32 = rows
            .map(|row| row.unwrap())
            .filter(|row| std::future::ready(row.v == row.c.to_string()))
            .map(|row| row.c)
            .fold(0, async |sum, key| sum + key)
            .await;
        assert_eq!(sum, (0..95).sum::<i32>(), "{wire:?}");
        // Somebody who has seen enough lets the rest be.
        let rows = session.execute_rows::<Row>(&select, (0,)).take(15);
        assert_eq!(rows.count().await, 15, "{wire:?}");
        session.query("SELECT key FROM system.local", ()).await.unwrap();
    }
}
