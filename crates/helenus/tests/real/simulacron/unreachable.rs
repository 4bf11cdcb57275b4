//! Nodes that close, stop listening, or let nobody start up.

use std::time::{Duration, Instant};

use helenus::{Applied, SessionError};
use serde_json::json;

use super::*;
use crate::beds::{HANDSHAKE, MAX_BACKOFF};
use crate::waiting::{eventually, is_up};

#[tokio::test]
#[ignore = "starts Simulacron"]
async fn fault_01_requests_in_flight_on_a_connection_that_closes_run_elsewhere_if_idempotent() {
    let simulacron = simulacron();
    let cluster = simulacron.cluster(3).unwrap();
    let session = connect(&cluster).await;
    let closes = json!({ "result": "close_connection", "scope": "connection", "close_type": "disconnect" });
    cluster.prime(Scope::Cluster, STATEMENT, &row(1)).unwrap();
    cluster.prime(Scope::Node(0), STATEMENT, &closes).unwrap();
    cluster.prime(Scope::Node(1), STATEMENT, &closes).unwrap();
    let mut moved = 0;
    while moved == 0 {
        let result = session.query(statement(STATEMENT, true), ()).await.unwrap();
        assert_eq!(result.single_row::<(i32,)>().unwrap(), (1,));
        let sent = |attempt: &&helenus::Attempt| attempt.error.applied() == Applied::Maybe;
        moved = result.attempts().iter().filter(sent).count();
    }
    cluster.prime(Scope::Cluster, OTHER, &closes).unwrap();
    let error = session.query(statement(OTHER, false), ()).await.unwrap_err();
    assert_eq!(error.applied(), Applied::Maybe, "{error:?}");
    let sent = error
        .attempts()
        .iter()
        .filter(|attempt| attempt.error.applied() != Applied::NotSent);
    assert_eq!(sent.count(), 1, "{error:?}");
    session.close().await;
}

#[tokio::test]
#[ignore = "starts Simulacron"]
async fn fault_32_when_no_contact_point_is_there_the_error_has_the_cause_by_node() {
    let simulacron = simulacron();
    let cluster = simulacron.cluster(3).unwrap();
    cluster.refuse(Scope::Node(0), Refusal::Stop).unwrap();
    cluster.refuse(Scope::Node(1), Refusal::Stop).unwrap();
    cluster.refuse(Scope::Node(2), Refusal::RejectStartup).unwrap();
    let limit = Duration::from_millis(500);
    let driver = crate::beds::driver(cluster.addresses().to_vec()).connect_timeout(limit);
    let error = driver.build().unwrap().connect().await.unwrap_err();
    let SessionError::NoContactPoint(causes) = &error else {
        panic!("{error:?}")
    };
    let text = error.to_string();
    assert_eq!(causes.len(), 3, "{text}");
    for address in cluster.addresses() {
        assert!(text.contains(&address.to_string()), "{text}");
    }
    // 23, without TLS: a node that lets nobody start up costs one limit over connecting and handshake.
    assert!(text.contains("STARTUP"), "{text}");
    cluster.accept(Scope::Cluster).unwrap();
    connect(&cluster).await.close().await;
}

#[tokio::test]
#[ignore = "starts Simulacron"]
async fn fault_34_a_cluster_that_comes_back_is_found_within_the_maximum_backoff() {
    let simulacron = simulacron();
    let cluster = simulacron.cluster(3).unwrap();
    let session = connect(&cluster).await;
    cluster.prime(Scope::Cluster, STATEMENT, &row(1)).unwrap();
    cluster.refuse(Scope::Cluster, Refusal::Stop).unwrap();
    let away = Instant::now();
    eventually("requests fail while it is away", MAX_BACKOFF * 3, || {
        away.elapsed() > MAX_BACKOFF * 2
    })
    .await;
    let error = session.query(statement(STATEMENT, true), ()).await.unwrap_err();
    assert_eq!(error.applied(), Applied::NotSent, "{error:?}");
    cluster.accept(Scope::Cluster).unwrap();
    let back = Instant::now();
    for address in cluster.addresses() {
        let limit = (MAX_BACKOFF + HANDSHAKE).saturating_sub(back.elapsed());
        eventually("connected again", limit, || is_up(&session, *address)).await;
    }
    session.query(STATEMENT, ()).await.unwrap();
    session.close().await;
}

#[tokio::test]
#[ignore = "starts Simulacron"]
async fn fault_41_nodes_that_restart_one_after_the_other_fail_no_idempotent_request() {
    let simulacron = simulacron();
    let cluster = simulacron.cluster(3).unwrap();
    let session = connect(&cluster).await;
    cluster.prime(Scope::Cluster, STATEMENT, &late(1, 20)).unwrap();
    let load: Vec<_> = (0..16)
        .map(|_| {
            let session = session.clone();
            tokio::spawn(async move {
                let mut count = 0;
                while !session.is_closed() {
                    match session.query(statement(STATEMENT, true), ()).await {
                        Ok(_) => count += 1,
                        Err(_) if session.is_closed() => break,
                        Err(error) => panic!("{error:?}"),
                    }
                }
                count
            })
        })
        .collect();
    for (node, address) in cluster.addresses().iter().enumerate() {
        cluster.refuse(Scope::Node(node), Refusal::Stop).unwrap();
        eventually("it is gone", HANDSHAKE, || !is_up(&session, *address)).await;
        cluster.accept(Scope::Node(node)).unwrap();
        let limit = MAX_BACKOFF + HANDSHAKE;
        eventually("it is back", limit, || is_up(&session, *address)).await;
    }
    session.close().await;
    for worker in load {
        assert!(worker.await.unwrap() > 0);
    }
}
