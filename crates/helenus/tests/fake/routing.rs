//! Which nodes requests go to.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use helenus::policy::{DcAwarePolicy, TokenAwarePolicy};
use helenus::{ExecutionProfile, NativeType, Partitioner, PreparedStatement, Session};
use helenus_testkit::fake::{FakeCluster, Statement};

use crate::common::{INSERT, cluster_builder, script, ty};

const CONDITIONAL: &str = "INSERT INTO ks.t (k, v) VALUES (?, ?) IF NOT EXISTS";
const KEYS: i32 = 300;

/// Three nodes with a keyspace of so many replicas.
async fn cluster(replicas: &str) -> FakeCluster {
    let columns = || [("k", ty(NativeType::Int)), ("v", ty(NativeType::Text))];
    let conditional = Statement::new(CONDITIONAL).bind(columns()).partition_key([0]);
    let cluster = FakeCluster::start(&[("dc1", 3)], script().statement(conditional))
        .await
        .unwrap();
    cluster.topology(|topology| {
        topology.add_keyspace(
            "ks",
            &[("class", "SimpleStrategy"), ("replication_factor", replicas)],
        );
    });
    cluster
}

async fn session(cluster: &FakeCluster, policy: TokenAwarePolicy) -> Session {
    let profile = ExecutionProfile::builder()
        .load_balancing(Arc::new(policy))
        .build();
    let builder = cluster_builder(cluster).default_profile(profile);
    builder.build().unwrap().connect().await.unwrap()
}

/// Where the replicas of a key are, the primary first.
fn replicas(session: &Session, key: i32) -> Vec<SocketAddr> {
    let state = session.state();
    let token = Partitioner::Murmur3.token(&key.to_be_bytes());
    state
        .replicas("ks", &token)
        .map(|node| node.address().unwrap())
        .collect()
}

async fn coordinator(session: &Session, statement: &PreparedStatement, key: i32) -> SocketAddr {
    let result = session.execute(statement, (key, "x")).await.unwrap();
    result.coordinator().address().unwrap()
}

#[tokio::test]
async fn a_request_goes_to_a_replica_of_its_partition() {
    for count in ["1", "2"] {
        let cluster = cluster(count).await;
        let session = session(&cluster, TokenAwarePolicy::default()).await;
        let insert = session.prepare(INSERT).await.unwrap();
        let mut by_rank: HashMap<usize, usize> = HashMap::new();
        for key in 0..KEYS {
            let replicas = replicas(&session, key);
            assert_eq!(replicas.len().to_string(), count);
            let asked = coordinator(&session, &insert, key).await;
            let rank = replicas.iter().position(|replica| *replica == asked).unwrap();
            *by_rank.entry(rank).or_default() += 1;
        }
        // Among the replicas chance decides.
        assert_eq!(by_rank.len().to_string(), count);
        assert!(by_rank.values().all(|requests| *requests > 60), "{by_rank:?}");
    }
}

#[tokio::test]
async fn lightweight_transactions_and_policies_in_ring_order_ask_the_primary_replica() {
    let cluster = cluster("3").await;
    let in_order = TokenAwarePolicy::new(Arc::new(DcAwarePolicy::new())).in_ring_order();
    for (policy, text) in [(TokenAwarePolicy::default(), CONDITIONAL), (in_order, INSERT)] {
        let session = session(&cluster, policy).await;
        let statement = session.prepare(text).await.unwrap();
        for key in 0..50 {
            assert_eq!(
                coordinator(&session, &statement, key).await,
                replicas(&session, key)[0]
            );
        }
    }
}

#[tokio::test]
async fn a_request_goes_to_another_node_when_its_replica_is_lost() {
    let mut cluster = cluster("1").await;
    let session = session(&cluster, TokenAwarePolicy::default()).await;
    let insert = session.prepare(INSERT).await.unwrap();
    let lost = replicas(&session, 1)[0];
    let index = cluster
        .nodes()
        .iter()
        .position(|node| node.address() == lost)
        .unwrap();
    cluster.node_mut(index).stop().await;
    let mut options = insert.clone();
    options.options_mut().idempotent = Some(true);
    for _ in 0..10 {
        assert_ne!(coordinator(&session, &options, 1).await, lost);
    }
}

#[tokio::test]
async fn without_tokens_requests_go_round() {
    let cluster = cluster("1").await;
    let builder = cluster_builder(&cluster).token_metadata(false);
    let session = builder.build().unwrap().connect().await.unwrap();
    let insert = session.prepare(INSERT).await.unwrap();
    let mut seen: HashMap<SocketAddr, usize> = HashMap::new();
    for _ in 0..30 {
        *seen.entry(coordinator(&session, &insert, 7).await).or_default() += 1;
    }
    assert_eq!(seen.values().copied().collect::<Vec<_>>(), [10, 10, 10]);
}
