//! What goes wrong with requests, and what the driver makes of it.

use std::time::Duration;

use helenus::{Applied, AttemptError, RequestErrorKind, SimpleStatement};
use helenus_protocol::{ErrorCode, ErrorDetails, Opcode};
use helenus_testkit::fake::{Action, FakeCluster, FakeNode, Gate, Reply};

use crate::common::{INSERT, builder, cluster_builder, script, session};

#[tokio::test]
async fn an_error_of_the_server_comes_with_its_node_and_fields() {
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
async fn a_late_answer_is_a_timeout_and_reaches_nobody_else() {
    let gate = Gate::new();
    let held = vec![Action::Hold(gate.clone()), Action::Default];
    let node = FakeNode::start(script().on_statement("SLOW", held))
        .await
        .unwrap();
    let session = session(&node).await;
    let statement = SimpleStatement::new("SLOW").with_timeout(Duration::from_millis(20));
    let error = session.query(statement, ()).await.unwrap_err();
    assert!(error.is_timeout());
    assert_eq!(error.applied(), Applied::Maybe);
    assert!(matches!(error.attempts()[0].error, AttemptError::TimedOut));
    assert_eq!(session.connections().overdue, 1);
    gate.open();
    session.query("FAST", ()).await.unwrap();
    while session.connections().overdue > 0 {
        session.query("FAST", ()).await.unwrap();
    }
    assert_eq!(session.connections().in_flight, 0);
}

#[tokio::test]
async fn only_idempotent_statements_go_elsewhere_when_a_connection_is_lost() {
    let cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let session = cluster_builder(&cluster)
        .build()
        .unwrap()
        .connect()
        .await
        .unwrap();
    for node in cluster.nodes() {
        let first = |received: &helenus_testkit::fake::Received| received.text() == Some("X");
        node.change_script(|script| script.first(1, first, vec![Action::Close]));
    }
    let lost = session.query("X", ()).await.unwrap_err();
    assert!(
        matches!(lost.kind(), RequestErrorKind::ConnectionLost(_)),
        "{lost}"
    );
    assert_eq!(lost.applied(), Applied::Maybe);
    let saved = session
        .query(SimpleStatement::new("X").with_idempotence(true), ())
        .await;
    // The other node closes once, too; then the plan may have ended before the first came back.
    match saved {
        Ok(result) => assert_eq!(result.attempts().len(), 1),
        Err(error) => assert_eq!(error.attempts().len(), 2, "{error}"),
    }
}

#[tokio::test]
async fn an_idempotent_statement_survives_the_loss_of_its_node() {
    let cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let session = cluster_builder(&cluster)
        .build()
        .unwrap()
        .connect()
        .await
        .unwrap();
    cluster
        .node(0)
        .change_script(|script| script.on_statement("X", vec![Action::Reset]));
    let statement = SimpleStatement::new("X").with_idempotence(true);
    for _ in 0..4 {
        let result = session.query(&statement, ()).await.unwrap();
        assert_eq!(result.coordinator().address(), Some(cluster.node(1).address()));
    }
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

#[tokio::test]
async fn unprepared_without_end_is_a_clear_error() {
    let node = FakeNode::start(script()).await.unwrap();
    let session = session(&node).await;
    let insert = session.prepare(INSERT).await.unwrap();
    let unprepared = Reply::unprepared(insert.id().clone());
    node.change_script(|script| script.on_opcode(Opcode::Execute, vec![unprepared.into()]));
    let error = session.execute(&insert, (1, "x")).await.unwrap_err();
    assert!(
        matches!(error.kind(), RequestErrorKind::Unprepared { rounds: 2 }),
        "{error}"
    );
    assert_eq!(error.applied(), Applied::No);
    assert_eq!(node.count(Opcode::Execute), 3);
}

#[tokio::test]
async fn all_stream_ids_taken_is_an_error_and_not_a_wait() {
    let gate = Gate::new();
    let held = vec![Action::Hold(gate.clone()), Action::Default];
    let node = FakeNode::start(script().on_statement("SLOW", held))
        .await
        .unwrap();
    let cluster = builder(&node).max_requests_per_connection(3).build().unwrap();
    let session = cluster.connect().await.unwrap();
    let waiting: Vec<_> = (0..3).map(|_| session.query("SLOW", ())).collect();
    let error = session.query("X", ()).await.unwrap_err();
    assert!(matches!(error.kind(), RequestErrorKind::NoNode), "{error}");
    assert_eq!(error.applied(), Applied::NotSent);
    assert!(error.to_string().contains("all stream ids are taken"), "{error}");
    gate.open();
    for execution in waiting {
        execution.await.unwrap();
    }
    session.query("X", ()).await.unwrap();
}
