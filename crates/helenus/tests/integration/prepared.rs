//! Prepared statements whose table changes, or that the server forgets.

use helenus::{BatchStatement, CqlRow, CqlUserDefined, CqlValue, RequestErrorKind};

use crate::common::{VERSIONS, ddl, fresh_keyspace, session_with};

#[tokio::test]
async fn a_prepared_select_star_has_the_right_columns_after_alter_table() {
    for wire in VERSIONS {
        let keyspace = format!("it_alter_{}", wire.version.number());
        let setup = fresh_keyspace(&keyspace).await;
        ddl(&setup, "CREATE TABLE t (k int PRIMARY KEY, v int)").await;
        let session = session_with(wire, &keyspace).await;
        session
            .query("INSERT INTO t (k, v) VALUES (1, 2)", ())
            .await
            .unwrap();
        let select = session.prepare("SELECT * FROM t").await.unwrap();
        let insert = session
            .prepare("INSERT INTO t (k, v) VALUES (?, ?)")
            .await
            .unwrap();
        let read = async || {
            let result = session.execute(&select, ()).await.unwrap();
            let names: Vec<String> = result
                .columns()
                .iter()
                .map(|column| column.name.to_string())
                .collect();
            (names, result.single_row::<CqlRow>().unwrap().0)
        };
        let int = |value| Some(CqlValue::Int(value));
        assert_eq!(
            read().await,
            (vec!["k".to_owned(), "v".to_owned()], vec![int(1), int(2)]),
            "{wire:?}"
        );
        // By another session: this one hears nothing of it.
        ddl(&setup, "ALTER TABLE t ADD a text").await;
        for _ in 0..3 {
            let (names, row) = read().await;
            assert_eq!(names, ["k", "a", "v"], "{wire:?}");
            assert_eq!(row, [int(1), None, int(2)], "{wire:?}");
        }
        ddl(&setup, "ALTER TABLE t DROP v").await;
        let (names, row) = read().await;
        assert_eq!(
            (names, row),
            (vec!["k".to_owned(), "a".to_owned()], vec![int(1), None]),
            "{wire:?}"
        );
        // What its markers stand for is gone.
        let error = session.execute(&insert, (1, 2)).await.unwrap_err();
        assert!(error.server_error().is_some(), "{wire:?}: {error}");
        assert_eq!(error.applied(), helenus::Applied::No);
    }
}

#[tokio::test]
async fn a_statement_is_prepared_again_after_its_table_was_made_anew() {
    for wire in VERSIONS {
        let keyspace = format!("it_forget_{}", wire.version.number());
        let setup = fresh_keyspace(&keyspace).await;
        let create = "CREATE TABLE t (k int PRIMARY KEY, v int)";
        ddl(&setup, create).await;
        let session = session_with(wire, &keyspace).await;
        let insert = session
            .prepare("INSERT INTO t (k, v) VALUES (?, ?)")
            .await
            .unwrap();
        let select = session.prepare("SELECT k, v FROM t").await.unwrap();
        session.execute(&insert, (1, 1)).await.unwrap();
        for _ in 0..2 {
            ddl(&setup, "DROP TABLE t").await;
            ddl(&setup, create).await;
            session.execute(&insert, (2, 2)).await.unwrap();
            let result = session.execute(&select, ()).await.unwrap();
            assert_eq!(result.single_row::<(i32, i32)>().unwrap(), (2, 2), "{wire:?}");
        }
        ddl(&setup, "DROP TABLE t").await;
        let error = session.execute(&insert, (3, 3)).await.unwrap_err();
        assert!(
            matches!(error.kind(), RequestErrorKind::Server(_)),
            "{wire:?}: {error}"
        );
    }
}

#[tokio::test]
async fn a_statement_of_a_user_defined_type_sees_its_new_fields() {
    for wire in VERSIONS {
        let keyspace = format!("it_alter_type_{}", wire.version.number());
        let setup = fresh_keyspace(&keyspace).await;
        ddl(&setup, "CREATE TYPE u (a int)").await;
        ddl(&setup, "CREATE TABLE t (k int PRIMARY KEY, v u)").await;
        let session = session_with(wire, &keyspace).await;
        session
            .query("INSERT INTO t (k, v) VALUES (1, {a: 1})", ())
            .await
            .unwrap();
        let select = session.prepare("SELECT v FROM t WHERE k = 1").await.unwrap();
        let fields = async || {
            let result = session.execute(&select, ()).await.unwrap();
            match result.single_row::<CqlRow>().unwrap().0.remove(0) {
                Some(CqlValue::UserDefined(value)) => value.fields.len(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(fields().await, 1);
        ddl(&setup, "ALTER TYPE u ADD b text").await;
        session
            .query("INSERT INTO t (k, v) VALUES (1, {a: 1, b: 'x'})", ())
            .await
            .unwrap();
        assert_eq!(fields().await, 2, "{wire:?}");
    }
}

#[tokio::test]
async fn partition_keys_are_known_from_v4_on() {
    let setup = fresh_keyspace("it_keys").await;
    ddl(
        &setup,
        "CREATE TABLE t (a int, b text, c int, PRIMARY KEY ((a, b), c))",
    )
    .await;
    for wire in VERSIONS {
        let session = session_with(wire, "it_keys").await;
        let insert = session
            .prepare("INSERT INTO t (c, b, a) VALUES (?, ?, ?)")
            .await
            .unwrap();
        let request = helenus::Request::prepared(&insert, (3, "xy", 1)).unwrap();
        let expected: &[u8] = &[0, 4, 0, 0, 0, 1, 0, 0, 2, b'x', b'y', 0];
        match wire.version {
            helenus::ProtocolVersion::V3 => assert!(request.routing_key().is_none()),
            _ => assert_eq!(request.routing_key().as_deref(), Some(expected)),
        }
    }
}

#[tokio::test]
async fn statements_of_a_batch_that_the_server_forgot_are_prepared_again() {
    for wire in VERSIONS {
        let keyspace = format!("it_forget_batch_{}", wire.version.number());
        let setup = fresh_keyspace(&keyspace).await;
        let create = |table| format!("CREATE TABLE {table} (k int PRIMARY KEY, v int)");
        let session = session_with(wire, &keyspace).await;
        let mut inserts = Vec::new();
        for table in ["t", "u", "w"] {
            ddl(&setup, &create(table)).await;
            let text = format!("INSERT INTO {table} (k, v) VALUES (?, ?)");
            inserts.push(session.prepare(text).await.unwrap());
        }
        for table in ["t", "w"] {
            ddl(&setup, &format!("DROP TABLE {table}")).await;
            ddl(&setup, &create(table)).await;
        }
        let mut batch = BatchStatement::logged();
        for insert in &inserts {
            batch.add_prepared(insert, (1, 2)).unwrap();
        }
        let result = session.batch(&batch).await.unwrap();
        assert!(result.attempts().is_empty(), "{wire:?}");
        for table in ["t", "u", "w"] {
            let result = session
                .query(format!("SELECT k, v FROM {table}"), ())
                .await
                .unwrap();
            assert_eq!(result.single_row::<(i32, i32)>().unwrap(), (1, 2), "{wire:?}");
        }
    }
}

#[tokio::test]
async fn values_bound_for_a_type_that_is_another_now_are_not_sent() {
    for wire in VERSIONS {
        let keyspace = format!("it_retyped_{}", wire.version.number());
        let setup = fresh_keyspace(&keyspace).await;
        ddl(&setup, "CREATE TABLE t (k int PRIMARY KEY, v int)").await;
        let session = session_with(wire, &keyspace).await;
        let text = "INSERT INTO t (k, v) VALUES (?, ?)";
        let insert = session.prepare(text).await.unwrap();
        ddl(&setup, "DROP TABLE t").await;
        ddl(&setup, "CREATE TABLE t (k int PRIMARY KEY, v text)").await;
        // The four bytes of an int would be a text, too.
        let error = session.execute(&insert, (1, 2)).await.unwrap_err();
        assert!(
            matches!(error.kind(), RequestErrorKind::BindMarkerChanged { marker, .. } if marker == "v"),
            "{wire:?}: {error}"
        );
        assert_eq!(error.applied(), helenus::Applied::No);
        assert_eq!(session.query("SELECT * FROM t", ()).await.unwrap().row_count(), 0);
        let insert = session.prepare(text).await.unwrap();
        session.execute(&insert, (1, "two")).await.unwrap();
    }
}

#[tokio::test]
async fn a_bound_user_defined_type_may_get_more_fields() {
    for wire in VERSIONS {
        let keyspace = format!("it_grown_type_{}", wire.version.number());
        let setup = fresh_keyspace(&keyspace).await;
        ddl(&setup, "CREATE TYPE u (a int)").await;
        ddl(
            &setup,
            "CREATE TABLE t (k int PRIMARY KEY, v frozen<list<frozen<u>>>)",
        )
        .await;
        let session = session_with(wire, &keyspace).await;
        let insert = session
            .prepare("INSERT INTO t (k, v) VALUES (1, ?)")
            .await
            .unwrap();
        ddl(&setup, "ALTER TYPE u ADD b text").await;
        let value = CqlUserDefined::new([("a", Some(CqlValue::Int(1)))]);
        session.execute(&insert, (vec![value],)).await.unwrap();
        let result = session.query("SELECT v FROM t", ()).await.unwrap();
        let (values,): (Vec<CqlUserDefined>,) = result.single_row().unwrap();
        assert_eq!(values[0].field("a"), Some(&CqlValue::Int(1)), "{wire:?}");
        assert_eq!(values[0].fields.len(), 2, "{wire:?}");
    }
}
