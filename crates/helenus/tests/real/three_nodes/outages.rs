//! Nodes that crash, hang, restart, or all go away at once.

use std::time::{Duration, Instant};

use helenus::{SessionError, SimpleStatement};

use super::{assert_in_time, loaded};
use crate::beds::{CONVICTION, HANDSHAKE, MAX_BACKOFF, three_nodes};
use crate::figures::{self, seconds};
use crate::waiting::{blocking, eventually, is_up, recovery};

#[tokio::test]
#[ignore = "starts real Cassandra"]
async fn fault_01_a_killed_node_fails_no_idempotent_request() {
    let bed = three_nodes().await;
    let (session, load) = loaded(&bed, "fault_01").await;
    let node = bed.members().remove(1);
    let address = node.cql_address();
    blocking({
        let node = node.clone();
        move || node.kill().unwrap()
    })
    .await;
    eventually("the driver sees that it is gone", CONVICTION, || {
        !is_up(&session, address)
    })
    .await;
    load.more(1000).await;
    let recovery = recovery(&session, address);
    blocking(move || node.start().unwrap()).await;
    let recovery = recovery.await.unwrap();
    load.more(500).await;
    let outcome = load.finish().await;
    let remarks = format!("connected again after {}", seconds(recovery));
    figures::print("1: kill -9 of one of three nodes, restart", &outcome, &remarks);
    outcome.assert_flawless();
    assert_in_time(recovery);
    session.close().await;
}

#[tokio::test]
#[ignore = "starts real Cassandra"]
async fn fault_02_a_held_node_is_left_within_interval_and_timeout() {
    let bed = three_nodes().await;
    let (session, load) = loaded(&bed, "fault_02").await;
    let node = bed.members().remove(2);
    let address = node.cql_address();
    let held = Instant::now();
    node.pause().unwrap();
    let limit = CONVICTION + HANDSHAKE;
    eventually("the driver gives it up", limit, || !is_up(&session, address)).await;
    let convicted = held.elapsed();
    load.more(1000).await;
    let back = Instant::now();
    node.resume().unwrap();
    let limit = MAX_BACKOFF + HANDSHAKE;
    eventually("the driver is connected again", limit, || {
        is_up(&session, address)
    })
    .await;
    let recovery = back.elapsed();
    load.more(500).await;
    let outcome = load.finish().await;
    let remarks = format!(
        "given up after {}, connected again after {}",
        seconds(convicted),
        seconds(recovery)
    );
    figures::print("2: kill -STOP of one of three nodes, -CONT", &outcome, &remarks);
    outcome.assert_flawless();
    session.close().await;
}

#[tokio::test]
#[ignore = "starts real Cassandra"]
async fn fault_41_a_rolling_restart_with_drain_fails_no_idempotent_request() {
    let bed = three_nodes().await;
    let (session, load) = loaded(&bed, "fault_41").await;
    let mut slowest = Duration::ZERO;
    for node in bed.members() {
        let address = node.cql_address();
        blocking({
            let node = node.clone();
            move || {
                node.drain().unwrap();
                node.stop().unwrap();
            }
        })
        .await;
        let recovery = recovery(&session, address);
        blocking(move || node.start().unwrap()).await;
        slowest = slowest.max(recovery.await.unwrap());
        load.more(300).await;
    }
    let outcome = load.finish().await;
    let remarks = format!("slowest of three was connected again after {}", seconds(slowest));
    figures::print(
        "41: rolling restart of three nodes, with drain",
        &outcome,
        &remarks,
    );
    outcome.assert_flawless();
    assert_in_time(slowest);
    session.close().await;
}

#[tokio::test]
#[ignore = "starts real Cassandra"]
async fn fault_34_a_cluster_that_goes_away_is_found_again_within_the_maximum_backoff() {
    let bed = three_nodes().await;
    let (session, load) = loaded(&bed, "fault_34").await;
    let members = bed.members();
    let addresses: Vec<_> = members.iter().map(|node| node.cql_address()).collect();
    blocking({
        let members = members.clone();
        move || members.iter().for_each(|node| node.kill().unwrap())
    })
    .await;

    // 32: nobody new gets in, and is told why, node by node.
    let error = bed.driver().build().unwrap().connect().await.unwrap_err();
    let SessionError::NoContactPoint(causes) = &error else {
        panic!("{error:?}")
    };
    let text = error.to_string();
    assert_eq!(causes.len(), addresses.len(), "{error:?}");
    for address in &addresses {
        assert!(text.contains(&address.to_string()), "{text}");
    }

    eventually("the driver sees them all gone", CONVICTION, || {
        addresses.iter().all(|address| !is_up(&session, *address))
    })
    .await;
    let failing = session.query("SELECT key FROM system.local", ()).await;
    assert!(failing.is_err(), "answered by nobody");
    // 34: as long as it takes until the delay is the longest.
    let before = load.so_far();
    let away = Instant::now();
    eventually("requests keep failing", Duration::from_secs(30), || {
        away.elapsed() > MAX_BACKOFF * 2 && load.so_far().failed > before.failed
    })
    .await;

    let watchers: Vec<_> = addresses
        .iter()
        .map(|address| recovery(&session, *address))
        .collect();
    let answered = {
        let (session, addresses) = (session.clone(), addresses.clone());
        tokio::spawn(async move {
            let mut back = None;
            loop {
                let listens = |address| {
                    std::net::TcpStream::connect_timeout(address, Duration::from_millis(10)).is_ok()
                };
                if back.is_none() && addresses.iter().any(listens) {
                    back = Some(Instant::now());
                }
                let statement = SimpleStatement::new("SELECT key FROM system.local").with_idempotence(true);
                match (session.query(statement, ()).await, back) {
                    (Ok(_), Some(back)) => return back.elapsed(),
                    (Ok(_), None) => return Duration::ZERO,
                    _ => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        })
    };
    blocking(move || members.iter().for_each(|node| node.start().unwrap())).await;
    let mut slowest = Duration::ZERO;
    for watcher in watchers {
        slowest = slowest.max(watcher.await.unwrap());
    }
    let answered = answered.await.unwrap();
    load.more(500).await;
    let outcome = load.finish().await;
    let remarks = format!(
        "first answer {} after the first node was back, all connected after at most {}; failures are those of the time without a quorum",
        seconds(answered),
        seconds(slowest)
    );
    figures::print("34: kill -9 of all three nodes, restart", &outcome, &remarks);
    assert_eq!(outcome.lost, 0, "{outcome:#?}");
    assert_in_time(answered);
    assert_in_time(slowest);
    session.close().await;
}
