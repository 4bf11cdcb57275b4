//! Nodes that come, go and change, and whoever listens for that.

use std::sync::Arc;
use std::time::Duration;

use helenus::{ClusterEvent, ClusterEvents};
use helenus_protocol::{Event, TopologyChange};
use helenus_testkit::fake::FakeCluster;

use crate::common::{builder, cluster_builder, connected, script, soon};

async fn next(events: &mut ClusterEvents) -> String {
    let event = soon(events.next()).await.expect("the cluster is open");
    match event {
        ClusterEvent::NodeAdded(node) => format!("added {node}"),
        ClusterEvent::NodeRemoved(node) => format!("removed {node}"),
        ClusterEvent::NodeUp(node) => format!("up {node}"),
        ClusterEvent::NodeDown(node) => format!("down {node}"),
        ClusterEvent::NodeChanged { from, to } => format!("changed {from} {to}"),
        other => format!("{other:?}"),
    }
}

#[tokio::test]
async fn subscribers_hear_of_nodes_that_come_go_and_change() {
    let mut cluster = FakeCluster::start(&[("dc1", 1)], script()).await.unwrap();
    let driver = cluster_builder(&cluster)
        .refresh_delay(Duration::from_millis(1))
        .build()
        .unwrap();
    let mut events = driver.subscribe();
    let session = driver.connect().await.unwrap();
    let first = cluster.node(0).address();
    assert_eq!(next(&mut events).await, format!("added {first}"));
    assert_eq!(next(&mut events).await, format!("up {first}"));
    assert!(events.try_next().is_none());
    // A second node.
    let second = cluster.add_node("dc1", script()).await.unwrap().address();
    let change = TopologyChange::NewNode;
    let event = Event::TopologyChange {
        change,
        address: second,
    };
    cluster.node(0).push_event(&event).await;
    assert_eq!(next(&mut events).await, format!("added {second}"));
    assert_eq!(next(&mut events).await, format!("up {second}"));
    // It dies and comes back.
    cluster.node_mut(1).stop().await;
    assert_eq!(next(&mut events).await, format!("down {second}"));
    cluster.node_mut(1).listen_again().await.unwrap();
    assert_eq!(next(&mut events).await, format!("up {second}"));
    // It moves to another rack, and leaves.
    cluster.topology(|topology| "rack9".clone_into(&mut topology.nodes[1].rack));
    driver.refresh().await.unwrap();
    assert_eq!(next(&mut events).await, format!("changed {second} {second}"));
    cluster.topology(|topology| topology.nodes.truncate(1));
    driver.refresh().await.unwrap();
    assert_eq!(next(&mut events).await, format!("removed {second}"));
    // The end.
    drop(session);
    driver.close().await;
    while let Some(event) = soon(events.next()).await {
        assert!(matches!(event, ClusterEvent::NodeDown(_)), "{event:?}");
    }
}

#[tokio::test]
async fn a_node_in_another_rack_keeps_its_connections_and_its_state() {
    let cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let driver = cluster_builder(&cluster).build().unwrap();
    let session = driver.connect().await.unwrap();
    connected(&session, 2).await;
    cluster.topology(|topology| "rack9".clone_into(&mut topology.nodes[1].rack));
    driver.refresh().await.unwrap();
    let state = session.state();
    let moved = state.nodes().iter().find(|node| node.rack() == Some("rack9"));
    assert_eq!(moved.unwrap().is_up(), Some(true));
    assert_eq!(cluster.node(1).accepted_count(), 1);
    // What happens to the old connections still counts.
    let mut events = driver.subscribe();
    cluster.node(1).close_connections(true).await;
    assert_eq!(
        next(&mut events).await,
        format!("down {}", cluster.node(1).address())
    );
}

#[tokio::test]
async fn a_node_is_up_as_long_as_one_session_is_connected_to_it() {
    let cluster = FakeCluster::start(&[("dc1", 1)], script()).await.unwrap();
    let driver = builder(cluster.node(0)).build().unwrap();
    let first = driver.connect().await.unwrap();
    let second = driver.connect().await.unwrap();
    let mut events = driver.subscribe();
    first.close().await;
    second.query("X", ()).await.unwrap();
    assert_eq!(driver.state().nodes()[0].is_up(), Some(true));
    assert!(events.try_next().is_none());
}

#[tokio::test]
async fn a_replaced_node_is_another_node_at_the_same_address() {
    let cluster = FakeCluster::start(&[("dc1", 2)], script()).await.unwrap();
    let driver = cluster_builder(&cluster).build().unwrap();
    let session = driver.connect().await.unwrap();
    connected(&session, 2).await;
    let address = cluster.node(1).address();
    let id = uuid::Uuid::from_u128(99);
    cluster.topology(|topology| topology.nodes[1].host_id = Some(id));
    driver.refresh().await.unwrap();
    let state = session.state();
    assert_eq!(state.nodes().len(), 2);
    assert_eq!(state.node(id).unwrap().address(), Some(address));
    // The pool of the old node is closed, and the new one has its own.
    soon(cluster.node(1).wait_until(|node| node.accepted_count() == 2)).await;
    soon(cluster.node(1).wait_until(|node| node.connection_count() == 1)).await;
    assert!(Arc::ptr_eq(&state, &driver.state()));
}
