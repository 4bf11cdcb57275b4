//! Load balancing on clusters of several nodes and datacenters.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use futures_util::future::join_all;
use helenus::policy::{
    AllowListPolicy, DcAwarePolicy, DefaultPolicy, HostFilterPolicy, LoadBalancingPolicy, RackAwarePolicy,
    RoundRobinPolicy, TargetNodePolicy,
};
use helenus::{ConsistencyLevel, ExecutionProfile, Session, SimpleStatement};
use helenus_protocol::Opcode;
use helenus_testkit::fake::{Action, FakeCluster, Gate};

use crate::common::{cluster_builder, script, soon};

const LEVEL: ConsistencyLevel = ConsistencyLevel::Quorum;

fn profile(policy: impl LoadBalancingPolicy + 'static) -> ExecutionProfile {
    ExecutionProfile::builder()
        .load_balancing(Arc::new(policy))
        .consistency(LEVEL)
        .build()
}

async fn session(cluster: &FakeCluster, policy: impl LoadBalancingPolicy + 'static) -> Session {
    let builder = cluster_builder(cluster).local_datacenter("dc1");
    let driver = builder.default_profile(profile(policy)).build().unwrap();
    driver.connect().await.unwrap()
}

/// Requests by the number of the node that answered, of so many.
async fn shares(cluster: &FakeCluster, session: &Session, count: usize) -> BTreeMap<usize, usize> {
    let mut shares = BTreeMap::new();
    for _ in 0..count {
        let result = session.query("X", ()).await.unwrap();
        *shares
            .entry(number(cluster, result.coordinator().address().unwrap()))
            .or_default() += 1;
    }
    shares
}

fn number(cluster: &FakeCluster, address: SocketAddr) -> usize {
    let mut nodes = cluster.nodes().iter();
    nodes.position(|node| node.address() == address).unwrap()
}

/// Nodes with connections of the session; the control connection is one more of the first.
fn connected(cluster: &FakeCluster) -> Vec<usize> {
    let sessions = |node: &helenus_testkit::fake::FakeNode| node.ready_count() - node.registered_count();
    let nodes = cluster.nodes().iter().enumerate();
    nodes
        .filter(|(_, node)| sessions(node) > 0)
        .map(|(number, _)| number)
        .collect()
}

#[tokio::test]
async fn nodes_that_no_policy_wants_get_no_connections() {
    let cluster = FakeCluster::start(&[("dc1", 2), ("dc2", 2)], script())
        .await
        .unwrap();
    let everywhere = session(&cluster, RoundRobinPolicy::new()).await;
    assert_eq!(everywhere.connections().open, 4);
    assert_eq!(
        shares(&cluster, &everywhere, 8)
            .await
            .into_values()
            .collect::<Vec<_>>(),
        [2; 4]
    );
    everywhere.close().await;

    let cluster = FakeCluster::start(&[("dc1", 2), ("dc2", 2)], script())
        .await
        .unwrap();
    let local = session(&cluster, DefaultPolicy::new()).await;
    assert_eq!(connected(&cluster), [0, 1]);
    assert_eq!(
        shares(&cluster, &local, 8).await,
        BTreeMap::from([(0, 4), (1, 4)])
    );
    // A profile that wants others, and the closest distance wins.
    let target = cluster.node(3).address().ip();
    let only = AllowListPolicy::new(Arc::new(RoundRobinPolicy::new()), [target]);
    let other = profile(only);
    local.add_profile(other.clone());
    soon(cluster.node(3).wait_until(|node| node.ready_count() == 1)).await;
    assert_eq!(connected(&cluster), [0, 1, 3]);
    let statement = SimpleStatement::new("X").with_profile(other);
    soon(async {
        while local.query(&statement, ()).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let result = local.query(&statement, ()).await.unwrap();
    assert_eq!(number(&cluster, result.coordinator().address().unwrap()), 3);
}

#[tokio::test]
async fn a_host_filter_keeps_nodes_out_and_their_neighbours_do_not_take_their_share() {
    let cluster = FakeCluster::start(&[("dc1", 4)], script()).await.unwrap();
    let out = cluster.node(1).address();
    let accepts = move |node: &helenus::Node| node.address() != Some(out);
    let session = session(
        &cluster,
        HostFilterPolicy::new(Arc::new(DefaultPolicy::new()), accepts),
    )
    .await;
    assert_eq!(connected(&cluster), [0, 2, 3]);
    assert_eq!(
        shares(&cluster, &session, 30).await,
        BTreeMap::from([(0, 10), (2, 10), (3, 10)])
    );
}

#[tokio::test]
async fn remote_nodes_are_used_when_no_local_one_is_left_and_never_for_local_consistency() {
    let mut cluster = FakeCluster::start(&[("dc1", 2), ("dc2", 3)], script())
        .await
        .unwrap();
    let session = session(
        &cluster,
        DefaultPolicy::over(DcAwarePolicy::new().with_remote_nodes(2)),
    )
    .await;
    soon(async {
        while session.connections().open < 4 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(
        shares(&cluster, &session, 10).await,
        BTreeMap::from([(0, 5), (1, 5)])
    );
    for number in 0..2 {
        cluster.node_mut(number).stop().await;
    }
    soon(async {
        while session.connections().open > 2 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let shares = shares(&cluster, &session, 10).await;
    assert!(
        shares.len() == 2 && shares.keys().all(|number| *number >= 2),
        "{shares:?}"
    );
    for level in [ConsistencyLevel::LocalOne, ConsistencyLevel::LocalQuorum] {
        let statement = SimpleStatement::new("X").with_consistency(level);
        let error = session.query(statement, ()).await.unwrap_err();
        assert!(error.is_plan_exhausted(), "{error}");
        assert_eq!(error.attempts().len(), 2, "the local nodes only");
    }
}

#[tokio::test]
async fn the_local_rack_is_asked_first() {
    let cluster = FakeCluster::start(&[("dc1", 3)], script()).await.unwrap();
    cluster.topology(|topology| topology.nodes[2].rack = "other".to_owned());
    let session = session(&cluster, RackAwarePolicy::new("other")).await;
    assert_eq!(shares(&cluster, &session, 10).await, BTreeMap::from([(2, 10)]));
    cluster.node(2).close_connections(false).await;
    session
        .query(SimpleStatement::new("X").with_idempotence(true), ())
        .await
        .unwrap();
}

#[tokio::test]
async fn a_statement_goes_to_the_node_that_it_names() {
    let cluster = FakeCluster::start(&[("dc1", 3)], script()).await.unwrap();
    let session = session(&cluster, TargetNodePolicy::new(Arc::new(DefaultPolicy::new()))).await;
    for node in session.state().nodes().iter() {
        for _ in 0..3 {
            let statement = SimpleStatement::new("X").with_target(node.host_id());
            let result = session.query(statement, ()).await.unwrap();
            assert_eq!(result.coordinator().host_id(), node.host_id());
        }
    }
}

#[tokio::test]
async fn fault_05_a_slow_replica_gets_fewer_requests() {
    let cluster = FakeCluster::start(&[("dc1", 3)], script()).await.unwrap();
    let session = session(&cluster, DefaultPolicy::new()).await;
    let slow = cluster.node(0).address();
    // It answers what has piled up there every tenth time.
    let mut gate = Gate::new();
    let hold = |gate: &Gate| vec![Action::Hold(gate.clone()), Action::Default];
    let mut waiting = Vec::new();
    for round in 0..300 {
        if round % 10 == 0 {
            gate.open();
            soon(join_all(std::mem::take(&mut waiting))).await;
            gate = Gate::new();
            let held = hold(&gate);
            cluster
                .node(0)
                .change_script(|script| script.on_statement("X", held));
        }
        let execution = session.query("X", ());
        match execution.first_node().and_then(|node| node.address()) {
            Some(address) if address == slow => waiting.push(execution),
            _ => drop(soon(execution).await.unwrap()),
        }
    }
    gate.open();
    soon(join_all(waiting)).await;
    let counts: Vec<_> = cluster
        .nodes()
        .iter()
        .map(|node| node.count(Opcode::Query))
        .collect();
    assert!(
        counts[0] * 2 < counts[1] && counts[0] * 2 < counts[2],
        "the slow node got {counts:?}"
    );
    // Well again, it gets its share.
    cluster
        .node(0)
        .change_script(|script| script.on_statement("X", vec![Action::Default]));
    soon(async { while shares(&cluster, &session, 30).await.get(&0) != Some(&10) {} }).await;
}
