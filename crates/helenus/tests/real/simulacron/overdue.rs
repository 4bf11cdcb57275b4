//! Nodes that answer late, or read nothing.

use std::time::{Duration, Instant};

use super::*;
use crate::beds::{CONVICTION, HANDSHAKE, MAX_BACKOFF};
use crate::waiting::{eventually, is_up};

const SHORT: Duration = Duration::from_millis(150);
const LIMIT: Duration = Duration::from_secs(10);

#[tokio::test]
#[ignore = "starts Simulacron"]
async fn fault_02_a_node_that_reads_nothing_is_left_within_interval_and_timeout() {
    let simulacron = simulacron();
    let cluster = simulacron.cluster(2).unwrap();
    let session = connect(&cluster).await;
    cluster.prime(Scope::Cluster, STATEMENT, &row(1)).unwrap();
    let address = cluster.addresses()[1];
    cluster.pause_reads(Scope::Node(1)).unwrap();
    let (paused, mut slowest) = (Instant::now(), Duration::ZERO);
    while is_up(&session, address) {
        let sent = Instant::now();
        // Those that wait on the held node go on elsewhere when it is given up.
        session.query(statement(STATEMENT, true), ()).await.unwrap();
        slowest = slowest.max(sent.elapsed());
        assert!(paused.elapsed() < CONVICTION + HANDSHAKE, "it is still up");
    }
    assert!(slowest <= CONVICTION + HANDSHAKE, "{slowest:?}");
    cluster.resume_reads(Scope::Node(1)).unwrap();
    let limit = MAX_BACKOFF + HANDSHAKE;
    eventually("connected again", limit, || is_up(&session, address)).await;
    session.close().await;
}

#[tokio::test]
#[ignore = "starts Simulacron"]
async fn fault_08_what_a_server_does_not_read_takes_bounded_memory_and_goes_elsewhere() {
    const BUFFER: usize = 2 * 1024 * 1024;
    let simulacron = simulacron();
    let cluster = simulacron.cluster(2).unwrap();
    let driver = crate::beds::driver(cluster.addresses().to_vec())
        .write_buffer_limit(BUFFER)
        .heartbeat_interval(None);
    let session = driver.build().unwrap().connect().await.unwrap();
    cluster.pause_reads(Scope::Node(1)).unwrap();
    // Together more than the buffers of both systems and the driver's own hold.
    let text = format!("INSERT INTO ks.t (k, v) VALUES (1, '{}')", "x".repeat(500_000));
    let before = crate::process::resident_kib();
    let (mut answered, mut late) = (0, 0);
    for _ in 0..100 {
        let two = [(); 2].map(|()| session.query(statement(&text, true).with_timeout(SHORT * 4), ()));
        for execution in two {
            match execution.await {
                Ok(_) => answered += 1,
                Err(error) if error.is_timeout() => late += 1,
                Err(error) => panic!("{error:?}"),
            }
        }
    }
    let grown = crate::process::resident_kib().saturating_sub(before);
    // Sent to the node that does not read: as much as its buffers take; all others were answered by the other node.
    assert!(answered > 120 && late > 0, "{answered} answered, {late} late");
    assert!(grown < 32 * 1024, "{grown} KiB more than before");
    cluster.resume_reads(Scope::Node(1)).unwrap();
    session.close().await;
}

#[tokio::test]
#[ignore = "starts Simulacron"]
async fn fault_09_requests_without_a_free_stream_id_fail_unsent_and_at_once() {
    let simulacron = simulacron();
    let cluster = simulacron.cluster(1).unwrap();
    let driver = crate::beds::driver(cluster.addresses().to_vec())
        .connections_per_node(1)
        .max_requests_per_connection(3)
        .queue_limit(0);
    let session = driver.build().unwrap().connect().await.unwrap();
    cluster.prime(Scope::Cluster, STATEMENT, &late(1, 400)).unwrap();
    let running: Vec<_> = (0..3).map(|_| session.query(STATEMENT, ())).collect();
    let error = session.query(STATEMENT, ()).await.unwrap_err();
    assert_eq!(error.applied(), helenus::Applied::NotSent, "{error:?}");
    for execution in running {
        assert_eq!(execution.await.unwrap().single_row::<(i32,)>().unwrap(), (1,));
    }
    session.query(STATEMENT, ()).await.unwrap();
    session.close().await;
}

#[tokio::test]
#[ignore = "starts Simulacron"]
async fn fault_10_a_connection_with_too_many_overdue_answers_is_replaced() {
    let simulacron = simulacron();
    let cluster = simulacron.cluster(1).unwrap();
    let driver = crate::beds::driver(cluster.addresses().to_vec()).max_orphans_per_connection(2);
    let session = driver.build().unwrap().connect().await.unwrap();
    let before = cluster.connections(Scope::Cluster).unwrap();
    cluster.prime(Scope::Cluster, STATEMENT, &late(1, 1500)).unwrap();
    cluster.prime(Scope::Cluster, OTHER, &row(2)).unwrap();
    for _ in 0..4 {
        let limited = statement(STATEMENT, true).with_timeout(SHORT);
        assert!(session.query(limited, ()).await.unwrap_err().is_timeout());
    }
    // Another one opens first, this one closes when its answers have come.
    eventually("another connection opens", LIMIT, || {
        cluster.connections(Scope::Cluster).unwrap() > before
    })
    .await;
    let result = session.query(OTHER, ()).await.unwrap();
    assert_eq!(result.single_row::<(i32,)>().unwrap(), (2,));
    eventually("the old connection closes", LIMIT, || {
        cluster.connections(Scope::Cluster).unwrap() == before
    })
    .await;
    session.close().await;
}

#[tokio::test]
#[ignore = "starts Simulacron"]
async fn fault_11_a_late_answer_is_never_that_of_another_request() {
    let simulacron = simulacron();
    let cluster = simulacron.cluster(1).unwrap();
    let session = connect(&cluster).await;
    cluster.prime(Scope::Cluster, STATEMENT, &late(1, 600)).unwrap();
    cluster.prime(Scope::Cluster, OTHER, &row(2)).unwrap();
    let limited: Vec<_> = (0..20)
        .map(|_| session.query(statement(STATEMENT, true).with_timeout(SHORT), ()))
        .collect();
    for execution in limited {
        assert!(execution.await.unwrap_err().is_timeout());
    }
    assert_eq!(session.connections().overdue, 20);
    while session.connections().overdue > 0 {
        let result = session.query(OTHER, ()).await.unwrap();
        assert_eq!(result.single_row::<(i32,)>().unwrap(), (2,));
    }
    assert_eq!(session.connections().open, 1);
    session.close().await;
}

#[tokio::test]
#[ignore = "starts Simulacron"]
async fn fault_42_closing_waits_for_answers_within_its_limit() {
    let simulacron = simulacron();
    let cluster = simulacron.cluster(1).unwrap();
    for (limit, is_answered) in [(LIMIT, true), (SHORT, false)] {
        let driver = crate::beds::driver(cluster.addresses().to_vec()).close_timeout(limit);
        let session = driver.build().unwrap().connect().await.unwrap();
        cluster.prime(Scope::Cluster, STATEMENT, &late(1, 700)).unwrap();
        let execution = session.query(STATEMENT, ());
        let closed = tokio::spawn({
            let session = session.clone();
            async move { session.close().await }
        });
        assert_eq!(execution.await.is_ok(), is_answered, "{limit:?}");
        closed.await.unwrap();
        assert_eq!(session.connections().open, 0);
        assert!(session.query(OTHER, ()).await.is_err());
        session.cluster().close().await;
        eventually("the server sees it", LIMIT, || {
            cluster.connections(Scope::Cluster).unwrap() == 0
        })
        .await;
    }
}
