//! Nodes that stop, move, lie, leave or disagree, and the control connection that notices.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use helenus::{Applied, RequestErrorKind, SchemaAgreement, SessionError, SimpleStatement, WarmUp};
use helenus_protocol::{
    Event, Opcode, ProtocolVersion, SchemaChange, SchemaChangeTarget, SchemaChangeType, StatusChange,
    TopologyChange,
};
use helenus_testkit::fake::{Action, FakeCluster, FakeNode, Received, Reply};
use uuid::Uuid;

use crate::common::{
    INSERT, SELECT, builder, cluster_builder, cluster_session, connected, script, soon, until_it_works,
};

#[tokio::test]
async fn fault_02_nodes_that_never_answer_do_not_hold_up_a_session_or_a_prepare() {
    let cluster = FakeCluster::start(&[("dc1", 3)], script()).await.unwrap();
    cluster
        .node(2)
        .change_script(|script| script.on_opcode(Opcode::Startup, Vec::<Action>::new()));
    let driver = cluster_builder(&cluster)
        .connect_timeout(Duration::from_secs(600))
        .control_timeout(Duration::from_secs(2))
        .warm_up(WarmUp::Quick)
        .build()
        .unwrap();
    let session = soon(driver.connect()).await.unwrap();
    connected(&session, 2).await;
    assert_eq!(session.connections().open, 2);

    // The first node that is asked to prepare does, the other one never answers.
    let met = Arc::new(AtomicBool::new(false));
    for node in cluster.nodes() {
        let met = Arc::clone(&met);
        node.change_script(|script| {
            script.handler(move |received| {
                let silent = received.opcode() == Opcode::Prepare && met.swap(true, Ordering::AcqRel);
                silent.then(Vec::new)
            })
        });
    }
    let statement = SimpleStatement::new(INSERT).with_timeout(None);
    soon(session.prepare(statement)).await.unwrap();
}

#[tokio::test]
async fn fault_25_nodes_of_different_versions_are_spoken_to_in_their_own() {
    let old = script().versions([ProtocolVersion::V3, ProtocolVersion::V4]);
    let mut cluster = FakeCluster::start(&[("dc1", 1)], script()).await.unwrap();
    cluster.add_node("dc1", old).await.unwrap();
    let session = builder(cluster.node(0)).build().unwrap().connect().await.unwrap();
    assert_eq!(session.connections().open, 2);
    let select = session.prepare(SELECT).await.unwrap();
    for _ in 0..4 {
        let result = session.execute(&select, ()).await.unwrap();
        let (key, _): (i32, &str) = result.first_row().unwrap();
        assert_eq!(key, 1);
    }
    let version = |node: &FakeNode| {
        let received = node.received();
        received
            .iter()
            .find(|received| received.opcode() == Opcode::Execute)
            .unwrap()
            .version()
    };
    assert_eq!(version(cluster.node(0)), ProtocolVersion::V5);
    assert_eq!(version(cluster.node(1)), ProtocolVersion::V4);
}

#[tokio::test]
async fn fault_27_schema_disagreement_is_a_flag_and_no_failure() {
    let change = || SchemaChange {
        change: SchemaChangeType::Created,
        keyspace: "ks".to_owned(),
        target: SchemaChangeTarget::Keyspace,
    };
    let script = script().on_statement("CREATE", vec![Reply::schema_change(change()).into()]);
    let cluster = FakeCluster::start(&[("dc1", 2)], script).await.unwrap();
    let agreed = cluster.node(1);
    let agreed = cluster.topology(|topology| {
        let node = topology
            .nodes
            .iter_mut()
            .find(|node| node.address == agreed.address())
            .unwrap();
        std::mem::replace(&mut node.schema_version, Uuid::from_u128(99))
    });
    let connect = async |limit| {
        let driver = cluster_builder(&cluster)
            .schema_agreement_timeout(limit)
            .build()
            .unwrap();
        driver.connect().await.unwrap()
    };
    let result = connect(Duration::from_millis(50))
        .await
        .query("CREATE", ())
        .await
        .unwrap();
    assert_eq!(result.schema_change(), Some(&change()));
    assert_eq!(result.schema_agreement(), Some(SchemaAgreement::NotReached));
    let result = connect(Duration::ZERO).await.query("CREATE", ()).await.unwrap();
    assert_eq!(result.schema_agreement(), Some(SchemaAgreement::NotAwaited));

    // It is awaited until it is there.
    let session = connect(Duration::from_secs(20)).await;
    let waiting = tokio::spawn(session.query("CREATE", ()));
    let asked = |received: &Received| {
        received
            .text()
            .is_some_and(|text| text.contains("schema_version"))
    };
    let asked_before = cluster
        .nodes()
        .iter()
        .map(|node| node.received().len())
        .collect::<Vec<_>>();
    soon(async {
        loop {
            let mut asked_since = cluster.nodes().iter().zip(&asked_before);
            if asked_since.any(|(node, before)| node.received()[*before..].iter().any(|one| asked(one))) {
                break;
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    cluster.topology(|topology| {
        for node in &mut topology.nodes {
            node.schema_version = agreed;
        }
    });
    let result = soon(waiting).await.unwrap().unwrap();
    assert_eq!(result.schema_agreement(), Some(SchemaAgreement::Reached));
}

#[tokio::test]
async fn fault_27_agreement_is_asked_of_either_table_of_peers_and_of_their_versions_alone() {
    let change = SchemaChange {
        change: SchemaChangeType::Created,
        keyspace: "ks".to_owned(),
        target: SchemaChangeTarget::Keyspace,
    };
    let script = script().on_statement("CREATE", vec![Reply::schema_change(change).into()]);
    for has_peers_v2 in [true, false] {
        let cluster = FakeCluster::start(&[("dc1", 2)], script.clone()).await.unwrap();
        cluster.topology(|topology| topology.has_peers_v2 = has_peers_v2);
        let connect = async |limit| {
            let builder = cluster_builder(&cluster).schema_agreement_timeout(limit);
            let driver = builder.refresh_interval(None).build().unwrap();
            driver.connect().await.unwrap()
        };
        let patient = connect(Duration::from_secs(20)).await;
        let hasty = connect(Duration::from_millis(50)).await;
        let looks = |columns: &str| {
            let text = format!("SELECT {columns} FROM system.peers");
            let about = |one: &Received| one.text().is_some_and(|asked| asked.starts_with(&text));
            let of = |node: &FakeNode| node.received().iter().filter(|one| about(one)).count();
            cluster.nodes().iter().map(of).sum::<usize>()
        };
        let before = looks("*");
        let result = patient.query("CREATE", ()).await.unwrap();
        assert_eq!(result.schema_agreement(), Some(SchemaAgreement::Reached));
        cluster.topology(|topology| topology.nodes[1].schema_version = Uuid::from_u128(99));
        let result = hasty.query("CREATE", ()).await.unwrap();
        assert_eq!(result.schema_agreement(), Some(SchemaAgreement::NotReached));
        assert!(looks("host_id, schema_version") > 0);
        assert_eq!(looks("*"), before);
    }
}

#[tokio::test]
async fn fault_30_a_node_with_a_new_address_is_the_same_node_and_its_old_pool_is_closed() {
    let cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let spare = FakeNode::start(script()).await.unwrap();
    let driver = cluster_builder(&cluster).build().unwrap();
    let session = driver.connect().await.unwrap();
    let old = cluster.node(1).address();
    let state = session.state();
    let host_id = state
        .nodes()
        .iter()
        .find(|node| node.address() == Some(old))
        .unwrap()
        .host_id();
    // peers_v2 names the port.
    cluster.topology(|topology| {
        let moved = topology
            .nodes
            .iter_mut()
            .find(|node| node.address == old)
            .unwrap();
        moved.address = spare.address();
        moved.host_id = Some(host_id);
    });
    driver.refresh().await.unwrap();
    soon(spare.wait_until(|node| node.ready_count() == 1)).await;
    soon(cluster.node(1).wait_until(|node| node.connection_count() == 0)).await;
    let state = session.state();
    assert_eq!(state.nodes().len(), 2);
    assert_eq!(state.node(host_id).unwrap().address(), Some(spare.address()));
}

#[tokio::test]
async fn fault_34_the_whole_cluster_can_go_away_and_come_back() {
    let mut cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let session = cluster_session(&cluster).await;
    for number in 0..2 {
        cluster.node_mut(number).stop().await;
    }
    soon(async {
        while session.connections().open > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let error = session.query("X", ()).await.unwrap_err();
    assert!(matches!(error.kind(), RequestErrorKind::NoNode), "{error}");
    assert_eq!((error.applied(), error.attempts().len()), (Applied::NotSent, 2));
    for number in 0..2 {
        cluster.node_mut(number).listen_again().await.unwrap();
    }
    until_it_works(&session).await;
    // The control connection, too.
    soon(async {
        while cluster.nodes().iter().all(|node| node.registered_count() == 0) {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn fault_35_the_control_connection_moves_to_another_node() {
    let mut cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let driver = cluster_builder(&cluster)
        .refresh_delay(Duration::from_millis(1))
        .build()
        .unwrap();
    let session = driver.connect().await.unwrap();
    assert_eq!(cluster.node(0).registered_count(), 1);
    cluster.node_mut(0).stop().await;
    soon(cluster.node(1).wait_until(|node| node.registered_count() == 1)).await;
    // It still hears of new nodes.
    cluster.add_node("dc1", script()).await.unwrap();
    let address = cluster.node(2).address();
    let change = TopologyChange::NewNode;
    cluster
        .node(1)
        .push_event(&Event::TopologyChange { change, address })
        .await;
    soon(cluster.node(2).wait_until(|node| node.ready_count() == 1)).await;
    assert_eq!(session.state().nodes().len(), 3);
}

#[tokio::test]
async fn fault_35_a_control_connection_that_is_stuck_is_given_up() {
    let cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let driver = cluster_builder(&cluster)
        .control_timeout(Duration::from_secs(2))
        .build()
        .unwrap();
    driver.connect().await.unwrap();
    cluster.node(0).change_script(|script| {
        script.handler(|request| request.text()?.contains("system.local").then(Vec::new))
    });
    soon(driver.refresh()).await.unwrap();
    assert_eq!(cluster.node(1).registered_count(), 1);
}

#[tokio::test]
async fn fault_37_a_down_event_does_not_close_connections_that_work() {
    let cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let driver = cluster_builder(&cluster).build().unwrap();
    let session = driver.connect().await.unwrap();
    let address = cluster.node(1).address();
    let change = StatusChange::Down;
    cluster.push_event(&Event::StatusChange { change, address }).await;
    // Behind the event on the same connection.
    driver.refresh().await.unwrap();
    assert_eq!(session.connections().open, 2);
    assert_eq!(cluster.node(1).accepted_count(), 1);
    assert!(
        session
            .state()
            .nodes()
            .iter()
            .all(|node| node.is_up() == Some(true))
    );
}

#[tokio::test]
async fn fault_38_rows_of_peers_that_cannot_be_used_are_skipped() {
    let cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    cluster.topology(|topology| {
        let mut no_id = topology.nodes[1].clone();
        no_id.address = SocketAddr::from(([127, 0, 0, 77], 9042));
        no_id.host_id = None;
        let mut twice = topology.nodes[1].clone();
        twice.address = SocketAddr::from(([127, 0, 0, 78], 9042));
        let mut itself = topology.nodes[0].clone();
        itself.address = SocketAddr::from(([127, 0, 0, 79], 9042));
        topology.nodes.extend([no_id, twice, itself]);
    });
    let session = builder(cluster.node(0)).build().unwrap().connect().await.unwrap();
    assert_eq!(session.state().nodes().len(), 2);
    session.query("X", ()).await.unwrap();
}

#[tokio::test]
async fn fault_39_another_cluster_at_a_known_address_is_refused() {
    let mut cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let driver = cluster_builder(&cluster).build().unwrap();
    let session = driver.connect().await.unwrap();
    cluster.topology(|topology| topology.cluster_name = "Other".to_owned());
    cluster.node_mut(0).stop().await;
    let error = soon(driver.refresh()).await.unwrap_err();
    assert!(matches!(error, SessionError::NoContactPoint(_)));
    let said = error.to_string();
    assert!(said.contains("belongs to the cluster \"Other\""), "{said}");
    assert_eq!(session.state().cluster_name(), Some("Fake Cluster"));
}

#[tokio::test]
async fn fault_40_a_node_that_left_loses_its_connections() {
    let cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let driver = cluster_builder(&cluster).build().unwrap();
    let session = driver.connect().await.unwrap();
    let gone = cluster.node(1).address();
    cluster.topology(|topology| topology.nodes.retain(|node| node.address != gone));
    driver.refresh().await.unwrap();
    soon(cluster.node(1).wait_until(|node| node.connection_count() == 0)).await;
    assert_eq!(session.state().nodes().len(), 1);
    session.query("X", ()).await.unwrap();
}
