//! Where requests go while nothing is wrong.

use helenus::{ConsistencyLevel, QueryResult, Session, Trace, TraceError};

use crate::beds::three_nodes;
use crate::figures;

/// The trace of the first attempt that this execution makes. Busy nodes lose some of what they write of traces, and a node that
/// was just started may be too slow for its first writes: then another one is made, a few times.
async fn trace(session: &Session, execute: impl AsyncFn() -> QueryResult) -> Trace {
    for _ in 0..10 {
        let result = execute().await;
        if !result.attempts().is_empty() {
            println!("not by the first node: {:?}", result.attempts());
            continue;
        }
        let trace = match session.trace(result.tracing_id().unwrap()).await {
            Err(TraceError::NotFound { .. }) => continue,
            read => read.unwrap(),
        };
        if trace.coordinator.is_some() && trace.duration.is_some() && !trace.events.is_empty() {
            assert_eq!(trace.coordinator, result.coordinator().broadcast_address());
            return trace;
        }
        println!("a part of a trace: {trace:?}");
    }
    panic!("there is no whole trace");
}

/// Whether nobody but the coordinator took part: with one replica, whether it is that replica.
fn is_alone(trace: &Trace) -> bool {
    trace.events.iter().all(|event| {
        let activity = event.activity.as_deref().unwrap_or_default();
        event.source == trace.coordinator && !activity.starts_with("Sending ")
    })
}

#[tokio::test]
#[ignore = "starts real Cassandra"]
async fn over_99_of_100_prepared_requests_of_one_partition_go_to_its_replica() {
    const REQUESTS: i32 = 600;
    let bed = three_nodes().await;
    let session = bed.driver().build().unwrap().connect().await.unwrap();
    for text in [
        "DROP KEYSPACE IF EXISTS token_aware",
        "CREATE KEYSPACE token_aware WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 1}",
        "CREATE TABLE token_aware.t (k int PRIMARY KEY, v int)",
    ] {
        session.query(text, ()).await.unwrap();
    }
    let insert = session
        .prepare("INSERT INTO token_aware.t (k, v) VALUES (?, ?)")
        .await;
    let select = session.prepare("SELECT v FROM token_aware.t WHERE k = ?").await;
    let options = |statement: helenus::PreparedStatement| {
        statement
            .with_consistency(ConsistencyLevel::One)
            // Nodes that were just started may be slow to acknowledge a write.
            .with_idempotence(true)
            .with_tracing(true)
    };
    let (insert, select) = (options(insert.unwrap()), options(select.unwrap()));
    let mut hits = 0;
    for number in 0..REQUESTS / 2 {
        let write = async || session.execute(&insert, (number, number)).await.unwrap();
        hits += i32::from(is_alone(&trace(&session, write).await));
        let read = async || session.execute(&select, (number,)).await.unwrap();
        hits += i32::from(is_alone(&trace(&session, read).await));
    }
    let share = 100.0 * f64::from(hits) / f64::from(REQUESTS);
    let remarks = format!("{hits} of {REQUESTS} traces ({share:.1} %) name the coordinator alone");
    figures::remark("token-aware share, three nodes, one replica", &remarks);
    assert!(share > 99.0, "{remarks}");
    session.close().await;
}
