//! The control connection: what it does about events, and about nodes that do not answer it.

use std::time::Duration;

use helenus::policy::ConstantReconnection;
use helenus::{ClusterEvent, ProtocolVersion};
use helenus_protocol::{
    ErrorCode, Event, Opcode, SchemaChange, SchemaChangeTarget, SchemaChangeType, StatusChange,
    TopologyChange,
};
use helenus_testkit::fake::{Action, FakeCluster, FakeNode, Gate, NodeInfo, Received, Reply};

use crate::common::{builder, cluster_builder, cluster_session, connected, script, session, soon};

const HOUR: Duration = Duration::from_secs(3_600);

/// How often a node was asked for its peers.
fn looks(node: &FakeNode) -> usize {
    let received = node.received();
    let peers = |text: &str| text == "SELECT * FROM system.peers_v2";
    received
        .iter()
        .filter(|request| request.text().is_some_and(peers))
        .count()
}

#[tokio::test]
async fn fault_26_a_server_whose_v5_is_a_beta_is_spoken_to_in_v4() {
    let refusal = "Beta version of the protocol used (5/v5-beta), but USE_BETA flag is unset";
    let script = script().handler(move |request| {
        let refuse = || vec![Reply::error(ErrorCode::Protocol, refusal).into()];
        (request.version() == ProtocolVersion::V5).then(refuse)
    });
    let node = FakeNode::start(script).await.unwrap();
    let session = session(&node).await;
    assert_eq!(session.state().protocol_version(), Some(ProtocolVersion::V4));
    session.query("X", ()).await.unwrap();
}

#[tokio::test]
async fn fault_35_a_question_that_is_not_answered_in_time_moves_the_control_connection() {
    for table in ["system.local", "system.peers_v2", "system_schema.tables"] {
        let cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
        let driver = cluster_builder(&cluster)
            .control_timeout(Duration::from_secs(2))
            .build()
            .unwrap();
        driver.connect().await.unwrap();
        assert_eq!(cluster.node(0).registered_count(), 1);
        cluster.node(0).change_script(|script| {
            script.handler(move |request| request.text()?.contains(table).then(Vec::new))
        });
        soon(driver.refresh()).await.unwrap();
        soon(driver.refresh_schema()).await.unwrap();
        assert_eq!(cluster.node(1).registered_count(), 1, "{table}");
        let moved = cluster.node(1).address();
        assert_eq!(driver.control_node().unwrap().address(), Some(moved));
    }
}

#[tokio::test]
async fn fault_36_a_flood_of_events_is_one_look_at_the_nodes() {
    let cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let driver = cluster_builder(&cluster)
        .refresh_delay(HOUR)
        .schema_refresh_delay(Duration::from_millis(1))
        .control_timeout(HOUR)
        .refresh_interval(None)
        .heartbeat_interval(None)
        .build()
        .unwrap();
    driver.connect().await.unwrap();
    let node = cluster.node(0);
    let address = cluster.node(1).address();
    let looks_at_keyspaces = |node: &FakeNode| {
        let received = node.received();
        let texts = received.iter().filter_map(|request| request.text());
        texts
            .filter(|text| text.contains("system_schema.keyspaces"))
            .count()
    };
    let before = looks_at_keyspaces(node);
    for change in [TopologyChange::NewNode, TopologyChange::RemovedNode] {
        for _ in 0..500 {
            let change = change.clone();
            let event = Event::TopologyChange { change, address };
            node.push_event(&event).await;
        }
    }
    // What this one leads to shows that those before it have been heard of.
    node.push_event(&Event::SchemaChange(SchemaChange {
        change: SchemaChangeType::Updated,
        keyspace: "ks".to_owned(),
        target: SchemaChangeTarget::Keyspace,
    }))
    .await;
    soon(node.wait_until(|node| looks_at_keyspaces(node) > before)).await;
    assert_eq!(looks(node), 1);
    // Three hours in small steps, so that nobody is late whose answer is under way.
    tokio::time::pause();
    for _ in 0..3 * 3_600 {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(looks(node), 2);
}

#[tokio::test]
async fn fault_36_events_that_find_no_room_are_made_up_for_by_reading_everything() {
    let cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let driver = cluster_builder(&cluster)
        .refresh_delay(Duration::from_millis(1))
        .refresh_interval(None)
        .control_timeout(HOUR)
        .build()
        .unwrap();
    driver.connect().await.unwrap();
    let node = cluster.node(0);
    let reads_of_all_tables = |node: &FakeNode| {
        let received = node.received();
        let texts = received.iter().filter_map(|request| request.text());
        texts
            .filter(|text| text.contains("system_schema.tables") && !text.contains("WHERE"))
            .count()
    };
    assert_eq!(reads_of_all_tables(node), 1);
    // While this is not answered no event is heard of, and the answer comes behind all of them.
    let gate = Gate::new();
    let held = vec![Action::Hold(gate.clone()), Action::Default];
    let peers = |request: &Received| request.text().is_some_and(|text| text.contains("system.peers"));
    node.change_script(|script| script.first(1, peers, held));
    let refresh = driver.refresh();
    let flood = async {
        node.wait_until(|node| looks(node) == 2).await;
        let (change, address) = (StatusChange::Down, cluster.node(1).address());
        let nothing_new = Event::StatusChange { change, address };
        for _ in 0..3_000 {
            node.push_event(&nothing_new).await;
        }
        let replication = [("class", "org.apache.cassandra.locator.LocalStrategy")];
        cluster.topology(|topology| topology.add_keyspace("later", &replication));
        node.push_event(&Event::SchemaChange(SchemaChange {
            change: SchemaChangeType::Created,
            keyspace: "later".to_owned(),
            target: SchemaChangeTarget::Keyspace,
        }))
        .await;
        gate.open();
    };
    let (refreshed, ()) = soon(async { tokio::join!(refresh, flood) }).await;
    refreshed.unwrap();
    soon(async {
        while driver.state().schema().keyspace("later").is_none() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(reads_of_all_tables(node), 2);
    // Later ones are heard of as before.
    let address = "127.9.9.9:9042".parse().unwrap();
    let change = TopologyChange::NewNode;
    let before = looks(node);
    node.push_event(&Event::TopologyChange { change, address }).await;
    soon(node.wait_until(|node| looks(node) > before)).await;
}

#[tokio::test]
async fn fault_36_a_flood_of_up_events_is_no_flood_of_connections() {
    let cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let driver = cluster_builder(&cluster)
        .refresh_delay(HOUR)
        .reconnection_policy(std::sync::Arc::new(ConstantReconnection(HOUR)))
        .build()
        .unwrap();
    let session = driver.connect().await.unwrap();
    connected(&session, 2).await;
    let sick = cluster.node(1);
    sick.change_script(|script| script.on_opcode(Opcode::Startup, [Action::Close]));
    sick.close_connections(false).await;
    soon(async {
        while session.connections().open > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let (change, address) = (StatusChange::Up, sick.address());
    let event = Event::StatusChange { change, address };
    for _ in 0..500 {
        cluster.node(0).push_event(&event).await;
    }
    driver.refresh().await.unwrap();
    // The first, one after it was lost, and one for all the events.
    assert!(sick.accepted_count() <= 3, "{}", sick.accepted_count());
}

#[tokio::test]
async fn each_kind_of_event_waits_for_its_own_delay_and_those_without_one_are_left_alone() {
    let cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let node = cluster.node(0);
    let at_once = Duration::from_millis(1);
    let asked = |about: &'static str| {
        let requests = node.received();
        let texts = requests.iter().filter_map(|request| request.text());
        texts.filter(|text| text.contains(about)).count()
    };
    let changes = [
        Event::SchemaChange(SchemaChange {
            change: SchemaChangeType::Updated,
            keyspace: "ks".to_owned(),
            target: SchemaChangeTarget::Keyspace,
        }),
        Event::TopologyChange {
            change: TopologyChange::NewNode,
            address: "127.9.9.9:9042".parse().unwrap(),
        },
    ];
    for (schema, topology) in [(Some(at_once), None), (Some(HOUR), Some(at_once))] {
        let driver = cluster_builder(&cluster)
            .schema_refresh_delay(schema)
            .topology_refresh_delay(topology)
            .status_refresh_delay(None)
            .refresh_interval(None)
            .build()
            .unwrap();
        driver.connect().await.unwrap();
        let (nodes, keyspaces) = (asked("system.peers"), asked("system_schema.keyspaces"));
        for event in &changes {
            node.push_event(event).await;
        }
        let (about, other, before) = match topology {
            None => ("system_schema.keyspaces", "system.peers", keyspaces),
            Some(_) => ("system.peers", "system_schema.keyspaces", nodes),
        };
        let untouched = asked(other);
        soon(node.wait_until(|_| asked(about) > before)).await;
        // Answered after everything that was to be read at once.
        driver.refresh_keyspace("another").await.unwrap();
        let asked_for = usize::from(other == "system_schema.keyspaces");
        assert_eq!(asked(other), untouched + asked_for, "{other}");
        driver.close().await;
    }
}

#[tokio::test]
async fn fault_36_what_no_event_tells_is_seen_by_the_periodic_look() {
    let mut cluster = FakeCluster::start(&[("dc1", 1)], script()).await.unwrap();
    let driver = builder(cluster.node(0))
        .refresh_interval(Duration::from_millis(20))
        .build()
        .unwrap();
    let session = driver.connect().await.unwrap();
    cluster.add_node("dc1", script()).await.unwrap();
    soon(cluster.node(1).wait_until(|node| node.ready_count() == 1)).await;
    assert_eq!(session.state().nodes().len(), 2);
}

#[tokio::test]
async fn fault_37_a_down_event_counts_only_about_nodes_that_nobody_connects_to() {
    let cluster = FakeCluster::start(&[("dc1", 2), ("dc2", 1)], script())
        .await
        .unwrap();
    let driver = builder(cluster.node(0)).build().unwrap();
    let session = driver.connect().await.unwrap();
    connected(&session, 2).await;
    let mut events = driver.subscribe();
    let up = |number: usize| {
        let state = driver.state();
        let address = cluster.node(number).address();
        let mut nodes = state.nodes().iter();
        nodes
            .find(|node| node.address() == Some(address))
            .unwrap()
            .is_up()
    };
    assert_eq!((up(1), up(2)), (Some(true), None));
    for change in [StatusChange::Down, StatusChange::Up] {
        for number in [1, 2] {
            let address = cluster.node(number).address();
            let change = change.clone();
            let event = Event::StatusChange { change, address };
            cluster.node(0).push_event(&event).await;
        }
        let is_up = change == StatusChange::Up;
        // Only the remote node, which no session is connected to, is taken at the event's word.
        let told = soon(events.next()).await.unwrap();
        match told {
            ClusterEvent::NodeUp(node) if is_up => assert_eq!(node.datacenter(), Some("dc2")),
            ClusterEvent::NodeDown(node) if !is_up => assert_eq!(node.datacenter(), Some("dc2")),
            other => panic!("{other:?}"),
        }
        assert_eq!((up(1), up(2)), (Some(true), Some(is_up)));
    }
    assert_eq!(cluster.node(2).accepted_count(), 0);
}

#[tokio::test]
async fn fault_38_bad_rows_of_peers_are_skipped_and_the_others_used() {
    let cluster = FakeCluster::start(&[("dc1", 3)], script()).await.unwrap();
    let port = cluster.node(0).address().port();
    cluster.topology(|topology| {
        let with = |last: u8, change: &dyn Fn(&mut NodeInfo)| {
            let mut node = NodeInfo::new(([127, 0, 0, last], port).into());
            change(&mut node);
            node
        };
        let second = topology.nodes[1].host_id;
        topology.nodes.extend([
            with(71, &|node| node.host_id = None),
            with(72, &|node| node.host_id = second),
            with(0, &|node| node.address.set_ip([0, 0, 0, 0].into())),
            // The same address twice, with different ids.
            with(3, &|node| node.host_id = Some(uuid::Uuid::from_u128(77))),
        ]);
    });
    let session = builder(cluster.node(0)).build().unwrap().connect().await.unwrap();
    let mut addresses: Vec<_> = session
        .state()
        .nodes()
        .iter()
        .map(|node| node.address())
        .collect();
    addresses.sort_unstable();
    let expected: Vec<_> = cluster.contact_points().into_iter().map(Some).collect();
    assert_eq!(addresses, expected);
    session.query("X", ()).await.unwrap();
}

#[tokio::test]
async fn fault_39_a_node_that_comes_back_as_one_of_another_cluster_stays_down() {
    let mut cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let session = cluster_session(&cluster).await;
    connected(&session, 2).await;
    cluster.node_mut(1).stop().await;
    soon(async {
        while session.connections().open > 1 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    cluster.topology(|topology| "Other".clone_into(&mut topology.cluster_name));
    let before = cluster.node(1).accepted_count();
    cluster.node_mut(1).listen_again().await.unwrap();
    let refused = |node: &FakeNode| node.accepted_count() >= before + 3;
    soon(cluster.node(1).wait_until(refused)).await;
    assert_eq!(session.connections().open, 1);
    session.query("X", ()).await.unwrap();
    cluster.topology(|topology| "Fake Cluster".clone_into(&mut topology.cluster_name));
    connected(&session, 2).await;
}
