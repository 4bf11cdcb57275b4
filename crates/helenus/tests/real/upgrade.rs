//! Nodes of different versions in one cluster.

use std::collections::BTreeSet;
use std::time::Duration;

use helenus::{ProtocolVersion, Session};
use helenus_testkit::cassandra::{CassandraVersion, ClusterOptions};

use crate::beds::{HANDSHAKE, MAX_BACKOFF, own, with_defaults};
use crate::figures::{self, seconds};
use crate::load::{Load, Pace};
use crate::three_nodes::REPLICATION;
use crate::waiting::{blocking, eventually, recovery};

/// The versions that the driver knows of, without the last number.
fn versions(session: &Session) -> BTreeSet<String> {
    let state = session.state();
    let versions = state.nodes().iter().filter_map(|node| node.release_version());
    versions.map(|version| version[..3].to_owned()).collect()
}

#[tokio::test]
#[ignore = "starts real Cassandra"]
async fn fault_25_a_rolling_upgrade_fails_no_idempotent_request() {
    let newer: CassandraVersion = "5.0".parse().unwrap();
    let older = with_defaults(ClusterOptions::new("4.1".parse().unwrap()));
    let bed = own(older.topology("dc1:3".parse().unwrap())).await;
    let session = bed.driver().build().unwrap().connect().await.unwrap();
    let load = Load::start(&session, "upgrade", REPLICATION, Pace::default()).await;
    load.more(200).await;
    let mut slowest = Duration::ZERO;
    let mut seen = vec![versions(&session)];
    for node in bed.members() {
        blocking({
            let (node, newer) = (node.clone(), newer.clone());
            move || {
                node.drain().unwrap();
                node.stop().unwrap();
                node.upgrade(&newer).unwrap();
            }
        })
        .await;
        let recovery = recovery(&session, node.cql_address());
        blocking(move || node.start().unwrap()).await;
        slowest = slowest.max(recovery.await.unwrap());
        load.more(500).await;
        // What the node says of itself is known when the nodes are read anew.
        let before = seen.last().cloned().unwrap();
        session.cluster().refresh().await.unwrap();
        let changed = || versions(&session) != before || seen.len() == 2;
        eventually("the driver sees the version", Duration::from_secs(30), changed).await;
        // Somebody new gets in as well.
        let other = bed.driver().build().unwrap().connect().await.unwrap();
        assert_eq!(other.state().protocol_version(), Some(ProtocolVersion::V5));
        other
            .query("SELECT * FROM upgrade.ledger LIMIT 10", ())
            .await
            .unwrap();
        other.close().await;
        seen.push(versions(&session));
    }
    let outcome = load.finish().await;
    let remarks = format!(
        "versions seen: {seen:?}; connected again after at most {}",
        seconds(slowest)
    );
    figures::print(
        "25: rolling upgrade of three nodes from 4.1 to 5.0",
        &outcome,
        &remarks,
    );
    outcome.assert_flawless();
    assert!(
        slowest <= MAX_BACKOFF + HANDSHAKE,
        "connected again after {slowest:?}"
    );
    session.close().await;
}
