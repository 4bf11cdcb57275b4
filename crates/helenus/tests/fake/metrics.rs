//! What is counted of requests, and where.

use std::sync::Arc;
use std::time::Duration;

use helenus::policy::{RetryContext, RetryDecision, RetryPolicy, RoundRobinPolicy};
use helenus::{ExecutionProfile, SimpleStatement, Timeout};
use helenus_protocol::ErrorCode;
use helenus_testkit::fake::{Action, FakeCluster, FakeNode, Gate, Reply, Script};

use crate::common::{INSERT, builder, cluster_builder, script, session};

fn refuse(script: Script, text: &str, code: ErrorCode) -> Script {
    script.on_statement(text, vec![Reply::error(code, "no").into()])
}

#[tokio::test]
async fn requests_are_counted_by_session_and_by_node_with_their_latency() {
    let node = FakeNode::start(script()).await.unwrap();
    let cluster = builder(&node).build().unwrap();
    let session = cluster.connect().await.unwrap();
    let before = session.metrics();
    assert_eq!((before.succeeded, before.latency.count()), (0, 0));
    assert_eq!(before.total.connections_opened, 1);
    assert_eq!(before.total.open_connections, 1);
    let insert = session.prepare(INSERT).await.unwrap();
    for key in 0..5 {
        session.execute(&insert, (key, "x")).await.unwrap();
    }
    let metrics = session.metrics();
    assert_eq!((metrics.succeeded, metrics.latency.count()), (5, 5));
    assert!(metrics.latency.quantile(1.0) < Some(Duration::from_secs(60)));
    assert_eq!((metrics.failed.total(), metrics.cancelled), (0, 0));
    let [known] = &metrics.nodes[..] else {
        panic!("{:?}", metrics.nodes);
    };
    assert_eq!(known.node.address(), Some(node.address()));
    let counts = &known.counts;
    assert_eq!((counts.answered, counts.latency.count()), (5, 5));
    assert_eq!((counts.prepared, counts.reprepared, counts.in_flight), (1, 0, 0));
    assert!(counts.bytes_sent > 5 * 9, "{counts:?}");
    assert!(counts.bytes_received > 5 * 13, "{counts:?}");

    // Another session counts for itself; the cluster counts all, also of those that have ended.
    let other = cluster.connect().await.unwrap();
    other.query("X", ()).await.unwrap();
    assert_eq!(other.metrics().succeeded, 1);
    assert_eq!(cluster.metrics().succeeded, 6);
    // They share the connection, which counts once.
    assert_eq!(other.metrics().total.open_connections, 1);
    assert_eq!(cluster.metrics().total.open_connections, 1);
    drop(other);
    let metrics = cluster.metrics();
    assert_eq!((metrics.succeeded, metrics.total.open_connections), (6, 1));
    assert_eq!(metrics.nodes.len(), 1);
    assert_eq!(
        metrics
            .node(session.state().nodes()[0].as_ref())
            .unwrap()
            .answered,
        6
    );
}

#[tokio::test]
async fn latencies_are_not_measured_when_that_is_switched_off_and_requests_are_counted_all_the_same() {
    let node = FakeNode::start(script()).await.unwrap();
    let cluster = builder(&node).measure_latency(false).build().unwrap();
    let session = cluster.connect().await.unwrap();
    for _ in 0..3 {
        session.query("X", ()).await.unwrap();
    }
    let metrics = session.metrics();
    assert_eq!((metrics.succeeded, metrics.latency.count()), (3, 0));
    assert_eq!(metrics.total.answered, 3);
    assert_eq!(metrics.total.latency.count(), 0);
}

#[tokio::test]
async fn failures_are_counted_by_cause_once_for_each_attempt_and_once_for_the_request() {
    let mut cluster = FakeCluster::start(&[("dc1", 2)], refuse(script(), "A", ErrorCode::Overloaded))
        .await
        .unwrap();
    // Asks nodes whether they are there or not.
    let policy = Arc::new(RoundRobinPolicy::new());
    let profile = ExecutionProfile::builder().load_balancing(policy).build();
    let session = cluster_builder(&cluster)
        .default_profile(profile)
        .build()
        .unwrap()
        .connect()
        .await
        .unwrap();
    let statement = SimpleStatement::new("A").with_idempotence(true);
    session.query(&statement, ()).await.unwrap_err();
    let metrics = session.metrics();
    assert_eq!(metrics.failed.iter().collect::<Vec<_>>(), [("overloaded", 1)]);
    assert_eq!((metrics.succeeded, metrics.failed_latency.count()), (0, 1));
    let totals = &metrics.total;
    assert_eq!(totals.errors.get("overloaded"), 2);
    assert_eq!(totals.answered, 0);
    for known in &metrics.nodes {
        assert_eq!(known.counts.errors.get("overloaded"), 1);
    }
    // A node that is not there.
    cluster.node_mut(0).stop().await;
    while session.connections().open > 1 {
        tokio::task::yield_now().await;
    }
    let state = session.state();
    let gone = cluster.node(0).address();
    let (first, second): (Vec<_>, Vec<_>) = state
        .nodes()
        .iter()
        .cloned()
        .partition(|node| node.address() == Some(gone));
    let mut statement = SimpleStatement::new("X");
    statement.options_mut().plan = Some(first.into_iter().chain(second).collect());
    session.query(&statement, ()).await.unwrap();
    let metrics = session.metrics();
    assert_eq!((metrics.succeeded, metrics.total.answered), (1, 1));
    assert_eq!(metrics.total.errors.get("no_connection"), 1);
    assert_eq!(metrics.total.connections_lost, 1);
}

#[tokio::test]
async fn preparing_again_is_counted_and_is_no_failure() {
    let node = FakeNode::start(script()).await.unwrap();
    let session = session(&node).await;
    let insert = session.prepare(INSERT).await.unwrap();
    // It is prepared again, and runs.
    node.forget_prepared();
    session.execute(&insert, (1, "x")).await.unwrap();
    let metrics = session.metrics();
    assert_eq!((metrics.succeeded, metrics.latency.count()), (1, 1));
    assert_eq!((metrics.total.reprepared, metrics.total.answered), (1, 1));
    assert_eq!(metrics.total.errors.total(), 0);
}

#[tokio::test]
async fn a_retry_is_counted_at_its_cause_and_the_request_once() {
    let overloaded = Reply::error(ErrorCode::Overloaded, "no").into();
    let script = script().first(1, |received| received.text() == Some("A"), vec![overloaded]);
    let cluster = FakeCluster::start(&[("dc1", 2)], script).await.unwrap();
    let session = cluster_builder(&cluster)
        .build()
        .unwrap()
        .connect()
        .await
        .unwrap();
    let statement = SimpleStatement::new("A").with_idempotence(true);
    session.query(&statement, ()).await.unwrap();
    let metrics = session.metrics();
    assert_eq!((metrics.succeeded, metrics.failed.total()), (1, 0));
    assert_eq!((metrics.latency.count(), metrics.failed_latency.count()), (1, 0));
    assert_eq!(metrics.total.retries.get("overloaded"), 1);
    assert_eq!(metrics.total.errors.get("overloaded"), 1);
    assert_eq!((metrics.total.answered, metrics.total.latency.count()), (1, 1));
}

/// Takes every failure for a success.
#[derive(Debug)]
struct IgnoreAll;

impl RetryPolicy for IgnoreAll {
    fn decide(&self, _: &RetryContext<'_>) -> RetryDecision {
        RetryDecision::Ignore
    }
}

#[tokio::test]
async fn ignored_failures_and_client_timeouts_and_cancelled_requests_are_told_apart() {
    let gate = Gate::new();
    let script = refuse(script(), "A", ErrorCode::Overloaded)
        .on_statement("B", vec![Action::Hold(gate.clone()), Reply::void().into()]);
    let node = FakeNode::start(script).await.unwrap();
    let profile = ExecutionProfile::builder()
        .retry_policy(Arc::new(IgnoreAll))
        .build();
    let cluster = builder(&node).default_profile(profile).build().unwrap();
    let session = cluster.connect().await.unwrap();
    session.query("A", ()).await.unwrap();
    let late = SimpleStatement::new("B").with_timeout(Timeout::After(Duration::from_millis(5)));
    session.query(&late, ()).await.unwrap_err();
    drop(session.query("B", ()));
    let metrics = session.metrics();
    assert_eq!(
        (metrics.succeeded, metrics.timeouts(), metrics.cancelled),
        (1, 1, 1)
    );
    let totals = &metrics.total;
    assert_eq!(totals.ignores.iter().collect::<Vec<_>>(), [("overloaded", 1)]);
    assert_eq!(totals.errors.get("overloaded"), 1);
    assert_eq!(totals.errors.get("timeout"), 1);
    assert_eq!((totals.in_flight, totals.orphans), (2, 2));
    gate.open();
}

#[tokio::test]
async fn connections_that_cannot_be_opened_are_counted() {
    let mut cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    cluster.node_mut(1).stop().await;
    let session = cluster_builder(&cluster)
        .build()
        .unwrap()
        .connect()
        .await
        .unwrap();
    let metrics = session.metrics();
    assert_eq!(metrics.total.connections_opened, 1);
    assert!(metrics.total.connection_errors >= 1);
    let counts = metrics.node(session.state().nodes()[1].as_ref()).unwrap();
    assert_eq!((counts.open_connections, counts.connections_opened), (0, 0));
}

#[tokio::test]
async fn what_a_node_counted_that_leaves_stays_in_the_total() {
    let cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let session = cluster_builder(&cluster)
        .build()
        .unwrap()
        .connect()
        .await
        .unwrap();
    for _ in 0..4 {
        session.query("X", ()).await.unwrap();
    }
    assert_eq!(session.metrics().nodes.len(), 2);
    let gone = cluster.node(1).address();
    cluster.topology(|topology| topology.nodes.retain(|node| node.address != gone));
    session.cluster().refresh().await.unwrap();
    let metrics = session.metrics();
    assert_eq!(metrics.nodes.len(), 1);
    assert_eq!((metrics.succeeded, metrics.total.answered), (4, 4));
    assert_eq!(metrics.nodes[0].counts.answered, 2);
}
