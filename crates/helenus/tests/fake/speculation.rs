//! Requests that are executed on several nodes at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use helenus::policy::{
    ConstantSpeculativeExecution, PercentileSpeculativeExecution, RetryBudget, SpeculativeExecutionPolicy,
};
use helenus::{Applied, AttemptError, ClusterBuilder, ExecutionProfile, Session, SimpleStatement};
use helenus_protocol::{ErrorCode, Opcode};
use helenus_testkit::fake::{Action, FakeCluster, FakeNode, Gate, Received, Reply};

use crate::common::{cluster_builder, script};

const HOUR: Duration = Duration::from_secs(3600);

fn is_x(received: &Received) -> bool {
    received.opcode() == Opcode::Query && received.text() == Some("X")
}

fn arrived(cluster: &FakeCluster) -> usize {
    let of = |node: &FakeNode| node.received().iter().filter(|received| is_x(received)).count();
    cluster.nodes().iter().map(of).sum()
}

async fn until_arrived(cluster: &FakeCluster, count: usize) {
    let arrive = async {
        while arrived(cluster) < count {
            tokio::task::yield_now().await;
        }
    };
    arrive.await;
}

/// So many nodes. The `X` that arrive get these actions, one after the other, whatever the node; later ones the last.
async fn nodes(count: usize, actions: impl IntoIterator<Item = Vec<Action>>) -> FakeCluster {
    let cluster = FakeCluster::start(&[("dc1", count)], script()).await.unwrap();
    let actions: Arc<[Vec<Action>]> = actions.into_iter().collect();
    let met = Arc::new(AtomicUsize::new(0));
    for node in cluster.nodes() {
        let (actions, met) = (Arc::clone(&actions), Arc::clone(&met));
        node.change_script(|script| {
            script.handler(move |received| {
                let turn = is_x(received).then(|| met.fetch_add(1, Ordering::AcqRel))?;
                actions.get(turn.min(actions.len() - 1)).cloned()
            })
        });
    }
    cluster
}

fn builder(cluster: &FakeCluster, policy: impl SpeculativeExecutionPolicy + 'static) -> ClusterBuilder {
    let policy: Arc<dyn SpeculativeExecutionPolicy> = Arc::new(policy);
    let profile = ExecutionProfile::builder().speculative_execution(policy).build();
    cluster_builder(cluster)
        .heartbeat_interval(None)
        .refresh_interval(None)
        .default_profile(profile)
}

async fn connect(builder: ClusterBuilder) -> Session {
    builder.build().unwrap().connect().await.unwrap()
}

fn idempotent() -> SimpleStatement {
    SimpleStatement::new("X").with_idempotence(true)
}

#[tokio::test]
async fn the_first_answer_is_the_requests_and_the_other_reaches_nobody() {
    let gate = Gate::new();
    let held = vec![Action::Hold(gate.clone()), Action::Default];
    let cluster = nodes(2, [held, vec![Action::Default]]).await;
    let session = connect(builder(&cluster, ConstantSpeculativeExecution::new(HOUR, 1))).await;
    tokio::time::pause();
    let begun = tokio::time::Instant::now();
    let result = session.query(idempotent().with_timeout(None), ()).await.unwrap();
    assert!(begun.elapsed() >= HOUR);
    let [attempt] = result.attempts() else {
        panic!("one attempt was superseded");
    };
    assert!(matches!(attempt.error, AttemptError::Superseded));
    assert_ne!(&attempt.node, result.coordinator());
    assert_eq!(session.connections().overdue, 1);
    assert_eq!(session.metrics().total.speculative_executions, 1);
    gate.open();
    while session.connections().overdue > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(session.connections().in_flight, 0);
}

#[tokio::test]
async fn a_request_that_is_answered_in_time_is_executed_once() {
    let cluster = nodes(2, [vec![Action::Default]]).await;
    let session = connect(builder(&cluster, ConstantSpeculativeExecution::new(HOUR, 1))).await;
    let execution = session.query(idempotent(), ());
    let first = execution.first_node().cloned();
    let result = execution.await.unwrap();
    assert!(result.attempts().is_empty());
    assert_eq!(result.coordinator(), &first.unwrap());
    assert_eq!(arrived(&cluster), 1);
}

#[tokio::test]
async fn a_request_that_is_not_idempotent_is_executed_once() {
    let gate = Gate::new();
    let cluster = nodes(2, [vec![Action::Hold(gate.clone()), Action::Default]]).await;
    let session = connect(builder(
        &cluster,
        ConstantSpeculativeExecution::new(Duration::ZERO, 1),
    ))
    .await;
    for statement in [
        SimpleStatement::new("X"),
        idempotent().with_speculative_execution(None),
    ] {
        let before = arrived(&cluster);
        let request = session.query(statement, ());
        let request = tokio::spawn(request);
        until_arrived(&cluster, before + 1).await;
        // Time for any other to be sent before this one.
        session.query("Y", ()).await.unwrap();
        assert_eq!(arrived(&cluster), before + 1);
        gate.open();
        assert!(request.await.unwrap().unwrap().attempts().is_empty());
    }
}

#[tokio::test]
async fn there_are_as_many_executions_as_the_policy_says_each_on_another_node() {
    let gate = Gate::new();
    let cluster = nodes(5, [vec![Action::Hold(gate.clone()), Action::Default]]).await;
    let session = connect(builder(
        &cluster,
        ConstantSpeculativeExecution::new(Duration::ZERO, 2),
    ))
    .await;
    let request = tokio::spawn(session.query(idempotent(), ()));
    until_arrived(&cluster, 3).await;
    session.query("Y", ()).await.unwrap();
    gate.open();
    let result = request.await.unwrap().unwrap();
    assert_eq!(result.attempts().len(), 2);
    assert_eq!(arrived(&cluster), 3);
    for node in cluster.nodes() {
        assert!(node.received().iter().filter(|received| is_x(received)).count() <= 1);
    }
}

#[tokio::test]
async fn an_execution_that_finds_no_more_nodes_leaves_the_request_to_the_others() {
    let gate = Gate::new();
    let held = vec![Action::Hold(gate.clone()), Action::Default];
    let overloaded: Action = Reply::error(ErrorCode::Overloaded, "too much").into();
    let cluster = nodes(2, [held, vec![overloaded]]).await;
    let session = connect(builder(
        &cluster,
        ConstantSpeculativeExecution::new(Duration::ZERO, 1),
    ))
    .await;
    let request = tokio::spawn(session.query(idempotent(), ()));
    until_arrived(&cluster, 2).await;
    // The error arrives before the answer to this, on the same node or after it.
    for _ in 0..2 {
        session.query("Y", ()).await.unwrap();
    }
    gate.open();
    let result = request.await.unwrap().unwrap();
    assert_eq!(result.attempts().len(), 1);
}

#[tokio::test]
async fn the_error_of_a_request_lists_the_attempts_of_all_executions() {
    let overloaded: Action = Reply::error(ErrorCode::Overloaded, "too much").into();
    let cluster = nodes(3, [vec![overloaded]]).await;
    let session = connect(builder(
        &cluster,
        ConstantSpeculativeExecution::new(Duration::ZERO, 2),
    ))
    .await;
    let error = session.query(idempotent(), ()).await.unwrap_err();
    assert_eq!(error.server_error().unwrap().code, ErrorCode::Overloaded);
    assert_eq!((error.attempts().len(), error.applied()), (3, Applied::Maybe));
    assert!(error.is_plan_exhausted());
}

#[tokio::test]
async fn all_executions_have_one_deadline() {
    let cluster = nodes(2, [vec![]]).await;
    let session = connect(builder(
        &cluster,
        ConstantSpeculativeExecution::new(Duration::ZERO, 1),
    ))
    .await;
    let limit = Duration::from_secs(1);
    let error = session
        .query(idempotent().with_timeout(limit), ())
        .await
        .unwrap_err();
    assert!(error.is_timeout(), "{error}");
    assert_eq!((error.attempts().len(), error.applied()), (2, Applied::Maybe));
    assert_eq!(session.connections().overdue, 2);
}

#[tokio::test]
async fn executions_are_within_the_retry_budget() {
    let gate = Gate::new();
    let cluster = nodes(2, [vec![Action::Hold(gate.clone()), Action::Default]]).await;
    let none = RetryBudget::new(0.0).with_minimum(0.0);
    let policy = ConstantSpeculativeExecution::new(Duration::ZERO, 1);
    let session = connect(builder(&cluster, policy).retry_budget(none)).await;
    let request = tokio::spawn(session.query(idempotent(), ()));
    while session.refused_retries() == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(arrived(&cluster), 1);
    gate.open();
    request.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_percentile_learns_from_the_requests_under_it() {
    let cluster = nodes(2, [vec![Action::Default]]).await;
    let policy = Arc::new(PercentileSpeculativeExecution::new(99.0, 1));
    let session = connect(cluster_builder(&cluster)).await;
    let own: Arc<dyn SpeculativeExecutionPolicy> = policy.clone();
    let statement = idempotent().with_speculative_execution(own);
    assert_eq!(policy.delay(), None);
    for _ in 0..100 {
        session.query(&statement, ()).await.unwrap();
    }
    assert!(policy.delay().unwrap() < Duration::from_secs(5));
}

#[tokio::test]
async fn dropping_a_request_drops_all_its_executions() {
    let cluster = nodes(2, [vec![]]).await;
    let session = connect(builder(
        &cluster,
        ConstantSpeculativeExecution::new(Duration::ZERO, 1),
    ))
    .await;
    let request = tokio::spawn(session.query(idempotent(), ()));
    until_arrived(&cluster, 2).await;
    request.abort();
    assert!(request.await.unwrap_err().is_cancelled());
    assert_eq!(session.connections().overdue, 2);
}

#[tokio::test]
async fn a_use_is_sent_to_one_node_and_all_connections_follow() {
    let cluster = nodes(2, [vec![Action::Default]]).await;
    let gate = Gate::new();
    for node in cluster.nodes() {
        let held = vec![Action::Hold(gate.clone()), Action::Default];
        node.change_script(|script| script.on_statement("USE other", held));
    }
    let session = connect(builder(
        &cluster,
        ConstantSpeculativeExecution::new(Duration::ZERO, 1),
    ))
    .await;
    let statement = SimpleStatement::new("USE other").with_idempotence(true);
    let mut switch = session.query(statement.with_timeout(None), ());
    tokio::time::pause();
    assert!(tokio::time::timeout(HOUR, &mut switch).await.is_err());
    let used = |node: &FakeNode| {
        let received = node.received();
        received
            .iter()
            .filter(|one| one.text() == Some("USE other"))
            .count()
    };
    assert_eq!(cluster.nodes().iter().map(used).sum::<usize>(), 1);
    tokio::time::resume();
    gate.open();
    assert!(switch.await.unwrap().attempts().is_empty());
    assert_eq!(session.keyspace().as_deref(), Some("other"));
}
