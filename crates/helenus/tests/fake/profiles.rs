//! Execution profiles by name, and what statements say instead of them.

use std::sync::Arc;
use std::time::Duration;

use helenus::policy::{RoundRobinPolicy, TokenAwarePolicy};
use helenus::{
    Applied, BatchStatement, ConsistencyLevel, ExecutionProfile, Partitioner, RequestErrorKind, Session,
    SimpleStatement,
};
use helenus_protocol::{Opcode, Request as Message};
use helenus_testkit::fake::{FakeCluster, FakeNode};

use crate::common::{builder, cluster_builder, script};

fn at(level: ConsistencyLevel) -> ExecutionProfile {
    ExecutionProfile::builder().consistency(level).build()
}

/// The level of the last QUERY.
fn level(node: &FakeNode) -> ConsistencyLevel {
    let received = node.received();
    let last = received
        .iter()
        .rfind(|received| received.text() == Some("X"))
        .unwrap();
    match last.request().request {
        Message::Query(query) => query.parameters.consistency,
        _ => panic!("no query"),
    }
}

async fn run(session: &Session, profile: Option<&str>) {
    let mut statement = SimpleStatement::new("X");
    if let Some(name) = profile {
        statement = statement.with_profile(name);
    }
    session.query(statement, ()).await.unwrap();
}

#[tokio::test]
async fn profiles_are_found_by_name_and_can_be_exchanged_while_requests_run() {
    let node = FakeNode::start(script()).await.unwrap();
    let builder = builder(&node)
        .default_profile(at(ConsistencyLevel::One))
        .named_profile("reads", at(ConsistencyLevel::Two));
    let session = builder.build().unwrap().connect().await.unwrap();
    run(&session, None).await;
    assert_eq!(level(&node), ConsistencyLevel::One);
    run(&session, Some("reads")).await;
    assert_eq!(level(&node), ConsistencyLevel::Two);

    let cluster = session.cluster();
    let changed = cluster.profile("reads").unwrap().to_builder();
    cluster.set_profile("reads", changed.consistency(ConsistencyLevel::Three).build());
    run(&session, Some("reads")).await;
    assert_eq!(level(&node), ConsistencyLevel::Three);

    cluster.set_profile("default", at(ConsistencyLevel::All));
    run(&session, None).await;
    assert_eq!(level(&node), ConsistencyLevel::All);
    assert_eq!(session.default_profile().consistency(), ConsistencyLevel::All);
}

#[tokio::test]
async fn a_name_that_no_profile_has_is_an_error_before_anything_is_sent() {
    let node = FakeNode::start(script()).await.unwrap();
    let session = builder(&node).build().unwrap().connect().await.unwrap();
    let sent = node.received().len();
    let statement = SimpleStatement::new("X").with_profile("reads");
    for error in [
        session.query(&statement, ()).await.unwrap_err(),
        session.prepare(&statement).await.unwrap_err(),
    ] {
        assert!(matches!(error.kind(), RequestErrorKind::UnknownProfile { name } if name == "reads"));
        assert_eq!(error.applied(), Applied::NotSent);
        assert_eq!(
            error.to_string(),
            "there is no execution profile \"reads\" (not sent)"
        );
    }
    assert_eq!(node.count(Opcode::Prepare), 0);
    assert_eq!(
        node.received()[sent..]
            .iter()
            .filter(|one| one.text() == Some("X"))
            .count(),
        0
    );
}

#[tokio::test]
async fn nodes_that_a_new_profile_wants_get_connections() {
    let cluster = FakeCluster::start(&[("dc1", 1), ("dc2", 1)], script())
        .await
        .unwrap();
    let builder = cluster_builder(&cluster).local_datacenter("dc1");
    let session = builder.build().unwrap().connect().await.unwrap();
    assert_eq!(session.connections().open, 1);
    let policy = Arc::new(RoundRobinPolicy::in_datacenter("dc2"));
    let far = ExecutionProfile::builder().load_balancing(policy.clone()).build();
    session.cluster().set_profile("far", far);
    while session.connections().open < 2 {
        tokio::task::yield_now().await;
    }
    let in_dc2 = SimpleStatement::new("X").with_profile("far");
    let by_statement = SimpleStatement::new("X").with_load_balancing(policy);
    for statement in [in_dc2, by_statement] {
        let result = session.query(statement, ()).await.unwrap();
        assert_eq!(result.coordinator().datacenter(), Some("dc2"));
    }
}

#[tokio::test]
async fn a_statement_can_be_sent_to_one_node() {
    let cluster = FakeCluster::start(&[("dc1", 3)], script()).await.unwrap();
    let session = cluster_builder(&cluster)
        .build()
        .unwrap()
        .connect()
        .await
        .unwrap();
    for node in session.state().nodes().iter() {
        let mut statement = SimpleStatement::new("X");
        statement.options_mut().plan = Some(Arc::from([Arc::clone(node)]));
        for _ in 0..3 {
            let result = session.query(&statement, ()).await.unwrap();
            assert_eq!(result.coordinator(), node);
        }
    }
}

#[tokio::test]
async fn a_routing_key_takes_simple_statements_and_batches_to_a_replica() {
    let cluster = FakeCluster::start(&[("dc1", 3)], script()).await.unwrap();
    cluster.topology(|topology| {
        topology.add_keyspace("ks", &[("class", "SimpleStrategy"), ("replication_factor", "1")]);
    });
    let profile = ExecutionProfile::builder()
        .load_balancing(Arc::new(TokenAwarePolicy::default()))
        .build();
    let builder = cluster_builder(&cluster).default_profile(profile);
    let driver = builder.build().unwrap();
    let session = driver.connect().await.unwrap();
    for key in 0_i32..50 {
        let key = key.to_be_bytes();
        let state = session.state();
        let replica = state
            .replicas("ks", &Partitioner::Murmur3.token(&key))
            .next()
            .unwrap();
        let simple = SimpleStatement::new("X").with_routing_key("ks", key.to_vec());
        let result = session.query(simple, ()).await.unwrap();
        assert_eq!(result.coordinator(), replica);
        let batch = BatchStatement::unlogged().with_routing_key("ks", key.to_vec());
        let result = session.batch(&batch).await.unwrap();
        assert_eq!(result.coordinator(), replica);
    }
    // Without a keyspace of its own it is that of the session.
    session.use_keyspace("ks").await.unwrap();
    let key = 7_i32.to_be_bytes();
    let state = session.state();
    let replica = state
        .replicas("ks", &Partitioner::Murmur3.token(&key))
        .next()
        .unwrap();
    for _ in 0..5 {
        let mut simple = SimpleStatement::new("X");
        simple.options_mut().routing_key = Some(key.to_vec().into());
        let result = session.query(simple, ()).await.unwrap();
        assert_eq!(result.coordinator(), replica);
    }
}

#[tokio::test]
async fn what_a_statement_says_goes_before_its_profile() {
    let node = FakeNode::start(script()).await.unwrap();
    let profile = ExecutionProfile::builder()
        .consistency(ConsistencyLevel::Two)
        .timeout(Duration::from_secs(600))
        .page_size(10)
        .build();
    let session = builder(&node)
        .default_profile(profile)
        .build()
        .unwrap()
        .connect()
        .await
        .unwrap();
    let statement = SimpleStatement::new("X")
        .with_consistency(ConsistencyLevel::Three)
        .with_page_size(20)
        .with_tracing(true);
    session.query(&statement, ()).await.unwrap();
    let received = node.received();
    let received = received
        .iter()
        .rfind(|received| received.text() == Some("X"))
        .unwrap();
    let envelope = received.request();
    let Message::Query(query) = envelope.request else {
        panic!("no query");
    };
    assert_eq!(query.parameters.consistency, ConsistencyLevel::Three);
    assert_eq!(query.parameters.page_size, Some(20));
    assert!(
        received
            .header()
            .flags
            .has(helenus_protocol::EnvelopeFlags::TRACING)
    );
}
