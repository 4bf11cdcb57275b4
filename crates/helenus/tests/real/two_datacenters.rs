//! Two nodes near, one far away, a replica on each, QUORUM over both datacenters.

use std::time::Duration;

use helenus::Session;

use crate::beds::{Bed, HANDSHAKE, MAX_BACKOFF, options, own};
use crate::figures::{self, seconds};
use crate::load::{Load, Pace};
use crate::waiting::{blocking, recovery};

const REPLICATION: &str = "{'class': 'NetworkTopologyStrategy', 'dc1': 2, 'dc2': 1}";

async fn loaded(bed: &Bed, keyspace: &str) -> (Session, Load) {
    let driver = bed.driver().local_datacenter("dc1");
    let session = driver.build().unwrap().connect().await.unwrap();
    let load = Load::start(&session, keyspace, REPLICATION, Pace::default()).await;
    load.more(200).await;
    (session, load)
}

#[tokio::test]
#[ignore = "starts real Cassandra"]
async fn fault_01_a_node_of_either_datacenter_may_crash_hang_or_restart() {
    let bed = own(options().topology("dc1:2,dc2:1".parse().unwrap())).await;
    let mut slowest = Duration::ZERO;

    let (session, load) = loaded(&bed, "crash").await;
    for node in [bed.node(2).unwrap(), bed.node(3).unwrap()] {
        let local = node.placement().datacenter == "dc1";
        blocking({
            let node = node.clone();
            move || node.kill().unwrap()
        })
        .await;
        load.more(500).await;
        // Only local nodes get connections.
        let watcher = local.then(|| recovery(&session, node.cql_address()));
        blocking(move || node.start().unwrap()).await;
        if let Some(watcher) = watcher {
            slowest = slowest.max(watcher.await.unwrap());
        }
        load.more(200).await;
    }
    let outcome = load.finish().await;
    let remarks = format!("connected again after {}", seconds(slowest));
    figures::print(
        "1: two datacenters, kill -9 of a near and of the far node",
        &outcome,
        &remarks,
    );
    outcome.assert_flawless();

    let load = Load::start(&session, "hang", REPLICATION, Pace::default()).await;
    for node in [bed.node(1).unwrap(), bed.node(3).unwrap()] {
        load.more(300).await;
        node.pause().unwrap();
        load.more(600).await;
        node.resume().unwrap();
    }
    load.more(300).await;
    let outcome = load.finish().await;
    figures::print(
        "2: two datacenters, kill -STOP of a near and of the far node",
        &outcome,
        "",
    );
    outcome.assert_flawless();

    let load = Load::start(&session, "rolling", REPLICATION, Pace::default()).await;
    for node in bed.members() {
        let local = node.placement().datacenter == "dc1";
        blocking({
            let node = node.clone();
            move || {
                node.drain().unwrap();
                node.stop().unwrap();
            }
        })
        .await;
        let watcher = local.then(|| recovery(&session, node.cql_address()));
        blocking(move || node.start().unwrap()).await;
        if let Some(watcher) = watcher {
            slowest = slowest.max(watcher.await.unwrap());
        }
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
    let limit = MAX_BACKOFF + HANDSHAKE;
    assert!(slowest <= limit, "connected again after {slowest:?}");
    let coordinators = session.state().local_nodes().len();
    assert_eq!(
        session.connections().open,
        coordinators,
        "connections to the far node"
    );
    session.close().await;
}
