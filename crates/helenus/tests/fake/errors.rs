//! What the server says went wrong with a request, and what the driver makes of it.

use helenus::Applied;
use helenus_protocol::{ErrorCode, ErrorDetails, Opcode};
use helenus_testkit::fake::{FakeNode, Reply};

use crate::common::{INSERT, script, session};

#[tokio::test]
async fn promise_4_an_error_of_the_server_comes_with_its_node_and_fields() {
    let details = ErrorDetails::AlreadyExists {
        keyspace: "ks".to_owned(),
        table: "t".to_owned(),
    };
    let reply = Reply::error_with(ErrorCode::AlreadyExists, "exists", details.clone());
    let node = FakeNode::start(script().on_statement("X", vec![reply.into()]))
        .await
        .unwrap();
    let error = session(&node).await.query("X", ()).await.unwrap_err();
    let server = error.server_error().unwrap();
    assert_eq!(
        (server.code, &server.details),
        (ErrorCode::AlreadyExists, &details)
    );
    assert_eq!(error.applied(), Applied::No);
    assert_eq!(error.coordinator().unwrap().address(), Some(node.address()));
    let text = error.to_string();
    assert_eq!(
        text,
        format!("already exists: exists (from {}; not applied)", node.address())
    );
}

#[tokio::test]
async fn a_statement_that_a_node_forgot_is_prepared_again() {
    let node = FakeNode::start(script()).await.unwrap();
    let session = session(&node).await;
    let insert = session.prepare(INSERT).await.unwrap();
    node.forget_prepared();
    session.execute(&insert, (1, "x")).await.unwrap();
    assert_eq!(node.count(Opcode::Prepare), 2);
    assert_eq!(node.count(Opcode::Execute), 2);

    node.forget_prepared();
    let mut batch = helenus::BatchStatement::logged();
    batch.add_prepared(&insert, (1, "x")).unwrap();
    session.batch(&batch).await.unwrap();
    assert_eq!(node.count(Opcode::Prepare), 3);
}
