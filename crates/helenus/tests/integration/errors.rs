//! Errors as a real server gives them.

use helenus::{Applied, ConsistencyLevel, ErrorCode, ErrorDetails, SimpleStatement};

use crate::common::{VERSIONS, ddl, fresh_keyspace, session_with};

#[tokio::test]
async fn what_the_server_refuses_comes_with_its_code_and_words() {
    let setup = fresh_keyspace("it_errors").await;
    ddl(&setup, "CREATE TABLE t (k int PRIMARY KEY)").await;
    for wire in VERSIONS {
        let session = session_with(wire, "it_errors").await;
        for (text, code) in [
            ("SELEKT 1", ErrorCode::Syntax),
            ("SELECT * FROM nowhere", ErrorCode::Invalid),
            ("SELECT x FROM t", ErrorCode::Invalid),
            ("CREATE TABLE t (k int PRIMARY KEY)", ErrorCode::AlreadyExists),
        ] {
            let error = session.query(text, ()).await.unwrap_err();
            let server = error.server_error().unwrap();
            assert_eq!(server.code, code, "{error}");
            assert!(!server.message.is_empty());
            assert_eq!(error.applied(), Applied::No);
            let prepared = session.prepare(text).await;
            assert!(prepared.is_err() || code == ErrorCode::AlreadyExists, "{text}");
        }
        let error = session
            .query("CREATE TABLE t (k int PRIMARY KEY)", ())
            .await
            .unwrap_err();
        let expected = ErrorDetails::AlreadyExists {
            keyspace: "it_errors".to_owned(),
            table: "t".to_owned(),
        };
        assert_eq!(error.server_error().unwrap().details, expected);
    }
}

#[tokio::test]
async fn too_few_replicas_are_unavailable_and_nothing_was_applied() {
    let session = fresh_keyspace("it_unavailable").await;
    let replication = "{'class': 'SimpleStrategy', 'replication_factor': 3}";
    ddl(
        &session,
        &format!("ALTER KEYSPACE it_unavailable WITH replication = {replication}"),
    )
    .await;
    ddl(&session, "CREATE TABLE it_unavailable.t (k int PRIMARY KEY)").await;
    let statement = SimpleStatement::new("INSERT INTO it_unavailable.t (k) VALUES (1)")
        .with_consistency(ConsistencyLevel::All);
    let error = session.query(statement, ()).await.unwrap_err();
    assert_eq!(error.applied(), Applied::No);
    let ErrorDetails::Unavailable {
        consistency,
        required,
        alive,
    } = &error.server_error().unwrap().details
    else {
        panic!("{error}");
    };
    assert_eq!((*consistency, *required), (ConsistencyLevel::All, 3));
    assert!(*alive < 3);
}

#[tokio::test]
async fn a_user_defined_function_that_fails_names_itself() {
    let session = fresh_keyspace("it_functions").await;
    ddl(&session, "CREATE TABLE t (k int PRIMARY KEY)").await;
    session.query("INSERT INTO t (k) VALUES (1)", ()).await.unwrap();
    ddl(
        &session,
        "CREATE FUNCTION broken (x int) CALLED ON NULL INPUT RETURNS int LANGUAGE java \
         AS 'throw new RuntimeException(\"no\");'",
    )
    .await;
    let error = session.query("SELECT broken(k) FROM t", ()).await.unwrap_err();
    let expected = ErrorDetails::FunctionFailure {
        keyspace: "it_functions".to_owned(),
        function: "broken".to_owned(),
        arg_types: vec!["int".to_owned()],
    };
    assert_eq!(error.server_error().unwrap().details, expected);
}
