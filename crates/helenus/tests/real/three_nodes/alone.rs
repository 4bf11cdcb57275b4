//! Where requests go while nothing is wrong.

use helenus::{ConsistencyLevel, Session, Trace, TraceError};

use crate::beds::three_nodes;
use crate::figures;

/// A whole trace, however late a busy machine writes it. Nodes may lose some of what they write of traces: then there is none.
async fn trace(session: &Session, id: uuid::Uuid) -> Option<Trace> {
    for _ in 0..10 {
        match session.trace(id).await {
            Err(TraceError::NotFound { .. }) => {}
            read => {
                let trace = read.unwrap();
                if trace.coordinator.is_some() && trace.duration.is_some() {
                    return Some(trace);
                }
            }
        }
    }
    println!("there is no whole trace {id}");
    None
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
        for result in [
            session.execute(&insert, (number, number)).await,
            session.execute(&select, (number,)).await,
        ] {
            let result = result.unwrap();
            let Some(trace) = trace(&session, result.tracing_id().unwrap()).await else {
                continue;
            };
            assert_eq!(trace.coordinator, result.coordinator().broadcast_address());
            // With one replica nobody but the coordinator takes part, if it is that replica.
            let alone = trace.events.iter().all(|event| event.source == trace.coordinator);
            hits += i32::from(alone && !trace.events.is_empty());
        }
    }
    let share = 100.0 * f64::from(hits) / f64::from(REQUESTS);
    let remarks = format!("{hits} of {REQUESTS} traces ({share:.1} %) name the coordinator alone");
    figures::remark("token-aware share, three nodes, one replica", &remarks);
    assert!(share > 99.0, "{remarks}");
    session.close().await;
}
