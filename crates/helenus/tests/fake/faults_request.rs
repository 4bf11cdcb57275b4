//! Requests whose node fails, refuses, forgets or is late: which are tried again, and what is said about them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use helenus::policy::RoundRobinPolicy;
use helenus::{
    Applied, Attempt, AttemptError, BatchStatement, ExecutionProfile, RequestErrorKind, SimpleStatement,
};
use helenus_protocol::{ErrorCode, Opcode};
use helenus_testkit::fake::{Action, FakeCluster, FakeNode, Gate, Received, Reply};

use crate::common::{
    INSERT, SELECT, cluster_builder, cluster_session, connected, is_text, script, session, soon,
};

/// The first `X` that any node gets is answered with this, the others with those actions.
fn first_anywhere(cluster: &FakeCluster, first: &Reply, others: &[Action]) {
    let met = Arc::new(AtomicBool::new(false));
    for node in cluster.nodes() {
        let (met, first, others) = (Arc::clone(&met), first.clone(), others.to_vec());
        node.change_script(|script| {
            script.handler(move |request| {
                let again = is_text("X")(request).then(|| met.swap(true, Ordering::AcqRel))?;
                Some(if again {
                    others.clone()
                } else {
                    vec![first.clone().into()]
                })
            })
        });
    }
}

#[tokio::test]
async fn fault_01_an_idempotent_statement_survives_the_loss_of_its_node() {
    let cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let session = cluster_session(&cluster).await;
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
async fn fault_01_only_idempotent_statements_go_elsewhere_when_a_connection_is_lost() {
    let cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let session = cluster_session(&cluster).await;
    for node in cluster.nodes() {
        let first = |received: &Received| received.text() == Some("X");
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
    // The other node closes once, too; then the request waits a moment for the first to come back, perhaps in vain.
    let attempts = match &saved {
        Ok(result) => result.attempts(),
        Err(error) => error.attempts(),
    };
    let lost = |attempt: &&Attempt| matches!(attempt.error, AttemptError::ConnectionLost(_));
    assert_eq!(attempts.iter().filter(lost).count(), 1, "{saved:?}");
}

#[tokio::test]
async fn fault_07_overloaded_goes_to_the_next_node_only_if_idempotent() {
    let cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let session = cluster_session(&cluster).await;
    let overloaded = Reply::error(ErrorCode::Overloaded, "too much");
    first_anywhere(&cluster, &overloaded, &[Action::Default]);
    let error = session.query("X", ()).await.unwrap_err();
    assert_eq!(error.server_error().unwrap().code, ErrorCode::Overloaded);
    assert_eq!((error.applied(), error.attempts().len()), (Applied::Maybe, 1));
    first_anywhere(&cluster, &overloaded, &[Action::Default]);
    let result = session
        .query(SimpleStatement::new("X").with_idempotence(true), ())
        .await
        .unwrap();
    assert_eq!(result.attempts().len(), 1);
    assert_ne!(&result.attempts()[0].node, result.coordinator());
}

#[tokio::test]
async fn fault_11_a_late_answer_is_a_timeout_and_reaches_nobody_else() {
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
async fn fault_17_a_request_that_is_too_large_fails_by_itself() {
    let node = FakeNode::start(script()).await.unwrap();
    let session = session(&node).await;
    let text = "x".repeat(70_000);
    let statement = SimpleStatement::new("X").with_keyspace(text);
    let error = session.query(statement, ()).await.unwrap_err();
    assert!(matches!(error.kind(), RequestErrorKind::Encode(_)), "{error}");
    assert_eq!(error.applied(), Applied::NotSent);
    session.query("X", ()).await.unwrap();
}

#[tokio::test]
async fn fault_29_unprepared_without_end_is_a_clear_error() {
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
async fn fault_29_a_statement_that_means_something_else_now_is_not_run() {
    let node = FakeNode::start(script()).await.unwrap();
    let session = session(&node).await;
    let insert = session.prepare(INSERT).await.unwrap();
    let executed = node.count(Opcode::Execute);
    node.forget_prepared();
    let other = helenus_protocol::Prepared {
        id: vec![9; 16].into(),
        result_metadata_id: Some(vec![8; 16].into()),
        bind_columns: insert.bind_columns().clone(),
        partition_key_indexes: Vec::new(),
        result: helenus_protocol::RowsMetadata {
            columns: Some(Arc::new([])),
            ..Default::default()
        },
    };
    let reply: Reply = helenus_protocol::ResultBody::Prepared(other).into();
    node.change_script(|script| script.on_opcode(Opcode::Prepare, vec![reply.into()]));
    let error = session.execute(&insert, (1, "x")).await.unwrap_err();
    assert!(
        matches!(error.kind(), RequestErrorKind::PreparedIdChanged { .. }),
        "{error}"
    );
    assert_eq!(error.applied(), Applied::No);
    assert_eq!(node.count(Opcode::Execute), executed + 1);
}

#[tokio::test]
async fn fault_29_a_statement_unknown_to_several_nodes_is_prepared_on_each_that_is_tried() {
    let cluster = FakeCluster::start(&[("dc1", 4)], script()).await.unwrap();
    let driver = cluster_builder(&cluster)
        .prepare_on_all_nodes(false)
        .build()
        .unwrap();
    let session = driver.connect().await.unwrap();
    let insert = session.prepare(INSERT).await.unwrap().with_idempotence(true);
    for node in cluster.nodes() {
        node.forget_prepared();
        let executes = |received: &Received| received.opcode() == Opcode::Execute;
        let overloaded = Reply::error(ErrorCode::Overloaded, "too much");
        let met = AtomicUsize::new(0);
        // The second EXECUTE, after the statement is known again.
        node.change_script(|script| {
            script.handler(move |received| {
                let second = executes(received) && met.fetch_add(1, Ordering::AcqRel) == 1;
                second.then(|| vec![overloaded.clone().into()])
            })
        });
    }
    let error = session.execute(&insert, (1, "x")).await.unwrap_err();
    assert_eq!(
        error.server_error().unwrap().code,
        ErrorCode::Overloaded,
        "{error}"
    );
    assert_eq!(error.attempts().len(), 4);
    session.execute(&insert, (1, "x")).await.unwrap();
}

#[tokio::test]
async fn fault_48_paging_goes_on_elsewhere_when_a_node_dies_between_pages() {
    let mut cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let session = cluster_session(&cluster).await;
    let select = session.prepare(SELECT).await.unwrap();
    let mut rows = session.execute_rows::<(i32, String)>(&select, ());
    rows.next().await.unwrap().unwrap();
    cluster.node_mut(0).stop().await;
    let rest: Vec<_> = soon(rows.collect::<Vec<_>>()).await;
    assert_eq!(
        rest.into_iter().map(|row| row.unwrap().0).collect::<Vec<_>>(),
        [2, 3]
    );
}

#[tokio::test]
async fn promise_1_a_bootstrapping_node_is_passed_over_whatever_the_idempotence() {
    let cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let session = cluster_session(&cluster).await;
    let reply = Reply::error(ErrorCode::Bootstrapping, "not yet");
    cluster
        .node(0)
        .change_script(|script| script.on_statement("X", vec![reply.into()]));
    for _ in 0..4 {
        let result = session.query("X", ()).await.unwrap();
        assert_eq!(result.coordinator().address(), Some(cluster.node(1).address()));
    }
}

#[tokio::test]
async fn promise_1_a_select_is_idempotent_unless_it_is_said_not_to_be() {
    let cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    // Takes turns, whatever becomes of the nodes.
    let profile = ExecutionProfile::builder()
        .load_balancing(Arc::new(RoundRobinPolicy::new()))
        .build();
    let builder = cluster_builder(&cluster).default_profile(profile);
    let session = builder.build().unwrap().connect().await.unwrap();
    cluster
        .node(0)
        .change_script(|script| script.on_statement(SELECT, vec![Action::Close]));
    for _ in 0..4 {
        connected(&session, 2).await;
        session.query(SELECT, ()).await.unwrap();
    }
    let mut failed = 0;
    for _ in 0..4 {
        connected(&session, 2).await;
        let statement = SimpleStatement::new(SELECT).with_idempotence(false);
        failed += usize::from(session.query(statement, ()).await.is_err());
    }
    assert_eq!(failed, 2);
}

#[tokio::test]
async fn promise_1_conditional_statements_are_never_run_twice() {
    let cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let session = cluster_session(&cluster).await;
    let text = "UPDATE ks.t SET v = 1 WHERE k = 1 IF v = 0";
    for node in cluster.nodes() {
        node.change_script(|script| script.on_statement(text, vec![Action::Close]));
        node.change_script(|script| script.on_opcode(Opcode::Batch, vec![Action::Close]));
    }
    let statement = SimpleStatement::new(text).with_idempotence(true);
    let error = session.query(&statement, ()).await.unwrap_err();
    assert_eq!((error.applied(), error.attempts().len()), (Applied::Maybe, 1));
    connected(&session, 2).await;
    let mut batch = BatchStatement::logged().with_idempotence(true);
    batch.add_simple(text, ()).unwrap();
    assert_eq!(session.batch(&batch).await.unwrap_err().attempts().len(), 1);
    connected(&session, 2).await;
    let batch = BatchStatement::counter().with_idempotence(true);
    assert_eq!(session.batch(&batch).await.unwrap_err().attempts().len(), 1);
    let sent: usize = cluster.nodes().iter().map(|node| node.count(Opcode::Batch)).sum();
    assert_eq!(sent, 2);
}

#[tokio::test]
async fn promise_3_one_deadline_covers_all_attempts() {
    let cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let limit = Duration::from_secs(1);
    let profile = ExecutionProfile::builder().timeout(limit).build();
    let driver = cluster_builder(&cluster)
        .default_profile(profile)
        .build()
        .unwrap();
    let session = driver.connect().await.unwrap();
    // The first node is overloaded, the second never answers.
    first_anywhere(&cluster, &Reply::error(ErrorCode::Overloaded, "too much"), &[]);
    let begun = std::time::Instant::now();
    let error = session
        .query(SimpleStatement::new("X").with_idempotence(true), ())
        .await
        .unwrap_err();
    assert!(
        matches!(error.kind(), RequestErrorKind::Timeout { limit: said } if *said == limit),
        "{error}"
    );
    assert!(begun.elapsed() >= limit);
    assert_eq!((error.attempts().len(), error.applied()), (2, Applied::Maybe));
}
