//! Nodes that join and leave.

use std::time::Duration;

use helenus_testkit::cassandra::Placement;

use super::loaded;
use crate::beds::three_nodes;
use crate::figures;
use crate::process::sockets;
use crate::waiting::{blocking, eventually, is_up};

#[tokio::test]
#[ignore = "starts real Cassandra"]
async fn fault_40_nodes_join_and_leave_under_load_and_no_idempotent_request_fails() {
    let bed = three_nodes().await;
    let (session, load) = loaded(&bed, "fault_40").await;
    let before = (session.connections().open, sockets());
    let leaving = bed.members().remove(1);
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
    let four = session.connections().open;
    let (cluster, number) = (bed.handle(), leaving.number());
    blocking(move || cluster.decommission(number).unwrap()).await;
    eventually("the driver forgets the node that left", limit, || {
        let state = session.state();
        let mut addresses = state.nodes().iter().map(|node| node.address());
        addresses.all(|address| address != Some(leaving.cql_address()))
    })
    .await;
    eventually("its connections are closed", limit, || {
        (session.connections().open, sockets()) == before
    })
    .await;
    load.more(500).await;
    let outcome = load.finish().await;
    let remarks = format!(
        "connections: {} before, {four} with four nodes, {} in the end",
        before.0, before.0
    );
    figures::print("40: a fourth node joins, another one leaves", &outcome, &remarks);
    outcome.assert_flawless();
    session.close().await;
}
