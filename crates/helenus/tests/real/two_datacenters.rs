//! Two nodes near, one far away, a replica on each, QUORUM over both datacenters.

use std::sync::Arc;
use std::time::Duration;

use helenus::Session;
use helenus_testkit::cassandra::{Node, Placement};

use crate::beds::{Bed, HANDSHAKE, MAX_BACKOFF, two_datacenters};
use crate::figures::{self, seconds};
use crate::load::{Load, Pace};
use crate::waiting::{blocking, eventually, is_up, recovery};

const REPLICATION: &str = "{'class': 'NetworkTopologyStrategy', 'dc1': 2, 'dc2': 1}";

async fn loaded(bed: &Bed, keyspace: &str) -> (Session, Load) {
    let driver = bed.driver().local_datacenter("dc1");
    let session = driver.build().unwrap().connect().await.unwrap();
    let load = Load::start(&session, keyspace, REPLICATION, Pace::default()).await;
    load.more(200).await;
    (session, load)
}

fn is_near(node: &Node) -> bool {
    node.placement().datacenter == "dc1"
}

/// The last of the near nodes and the far one.
fn one_of_each(bed: &Bed) -> [Arc<Node>; 2] {
    let (near, far): (Vec<_>, Vec<_>) = bed.members().into_iter().partition(|node| is_near(node));
    [near.last().unwrap().clone(), far[0].clone()]
}

/// Starts a node; how long the driver then took to connect to it, which it does only to near ones.
async fn start(session: &Session, node: Arc<Node>) -> Duration {
    let watcher = is_near(&node).then(|| recovery(session, node.cql_address()));
    blocking(move || node.start().unwrap()).await;
    match watcher {
        Some(watcher) => watcher.await.unwrap(),
        None => Duration::ZERO,
    }
}

fn assert_in_time(recovery: Duration) {
    let limit = MAX_BACKOFF + HANDSHAKE;
    assert!(recovery <= limit, "connected again after {recovery:?}");
}

#[tokio::test]
#[ignore = "starts real Cassandra"]
async fn fault_01_a_killed_node_of_either_datacenter_fails_no_idempotent_request() {
    let bed = two_datacenters().await;
    let (session, load) = loaded(&bed, "crash").await;
    let mut slowest = Duration::ZERO;
    for node in one_of_each(&bed) {
        let killed = node.clone();
        blocking(move || killed.kill().unwrap()).await;
        load.more(500).await;
        slowest = slowest.max(start(&session, node).await);
        load.more(200).await;
    }
    let outcome = load.finish().await;
    let remarks = format!("connected again after {}", seconds(slowest));
    let scenario = "1: two datacenters, kill -9 of a near and of the far node";
    figures::print(scenario, &outcome, &remarks);
    outcome.assert_flawless();
    assert_in_time(slowest);
    session.close().await;
}

#[tokio::test]
#[ignore = "starts real Cassandra"]
async fn fault_02_a_held_node_of_either_datacenter_fails_no_idempotent_request() {
    let bed = two_datacenters().await;
    let (session, load) = loaded(&bed, "hang").await;
    for node in one_of_each(&bed) {
        node.pause().unwrap();
        load.more(600).await;
        node.resume().unwrap();
        load.more(300).await;
    }
    let outcome = load.finish().await;
    let scenario = "2: two datacenters, kill -STOP of a near and of the far node, -CONT";
    figures::print(scenario, &outcome, "");
    outcome.assert_flawless();
    session.close().await;
}

#[tokio::test]
#[ignore = "starts real Cassandra"]
async fn fault_40_a_near_node_joins_and_another_one_leaves_and_no_idempotent_request_fails() {
    let bed = two_datacenters().await;
    let (session, load) = loaded(&bed, "membership").await;
    let before = session.connections().open;
    let [leaving, _] = one_of_each(&bed);
    let cluster = bed.handle();
    let joined = blocking(move || {
        let placement = Placement {
            datacenter: "dc1".to_owned(),
            rack: "rack1".to_owned(),
        };
        cluster.add_node(placement).unwrap()
    })
    .await;
    let limit = Duration::from_secs(20);
    eventually("the driver uses the new node", limit, || {
        is_up(&session, joined.cql_address())
    })
    .await;
    load.more(500).await;
    let (cluster, number) = (bed.handle(), leaving.number());
    blocking(move || cluster.decommission(number).unwrap()).await;
    eventually("connections to the node that left are closed", limit, || {
        session.connections().open == before
    })
    .await;
    load.more(500).await;
    let outcome = load.finish().await;
    let scenario = "40: two datacenters, a near node joins, another one leaves";
    figures::print(
        scenario,
        &outcome,
        &format!("connections: {before} before and in the end"),
    );
    outcome.assert_flawless();
    session.close().await;
}

#[tokio::test]
#[ignore = "starts real Cassandra"]
async fn fault_41_a_rolling_restart_of_both_datacenters_fails_no_idempotent_request() {
    let bed = two_datacenters().await;
    let (session, load) = loaded(&bed, "rolling").await;
    let mut slowest = Duration::ZERO;
    for node in bed.members() {
        let stopped = node.clone();
        blocking(move || {
            stopped.drain().unwrap();
            stopped.stop().unwrap();
        })
        .await;
        slowest = slowest.max(start(&session, node).await);
        load.more(300).await;
    }
    let outcome = load.finish().await;
    let remarks = format!("connected again after at most {}", seconds(slowest));
    figures::print(
        "41: two datacenters, rolling restart with drain",
        &outcome,
        &remarks,
    );
    outcome.assert_flawless();
    assert_in_time(slowest);
    let near = session.state().local_nodes().len();
    assert_eq!(session.connections().open, near, "connections to the far node");
    session.close().await;
}
