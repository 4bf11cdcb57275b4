//! Nodes that answer with an error.

use std::time::Duration;

use helenus::{ProtocolVersion, SchemaAgreement};
use serde_json::json;

use super::*;

#[tokio::test]
#[ignore = "starts Simulacron"]
async fn fault_07_an_overloaded_node_passes_on_only_idempotent_requests() {
    let simulacron = simulacron();
    let cluster = simulacron.cluster(3).unwrap();
    let session = connect(&cluster).await;
    cluster.prime(Scope::Cluster, STATEMENT, &row(1)).unwrap();
    let overloaded = json!({ "result": "overloaded", "message": "not now" });
    cluster.prime(Scope::Node(0), STATEMENT, &overloaded).unwrap();
    let (mut passed_on, mut failed) = (0, 0);
    for _ in 0..12 {
        let result = session.query(statement(STATEMENT, true), ()).await.unwrap();
        passed_on += usize::from(!result.attempts().is_empty());
        if let Err(error) = session.query(statement(STATEMENT, false), ()).await {
            assert_eq!(error.attempts().len(), 1, "{error:?}");
            failed += 1;
        }
    }
    assert!(
        passed_on > 0 && failed > 0,
        "{passed_on} passed on, {failed} failed"
    );
    session.close().await;
}

#[tokio::test]
#[ignore = "starts Simulacron"]
async fn what_a_bootstrapping_or_unavailable_coordinator_refuses_goes_to_the_next_node_whatever_it_is() {
    let simulacron = simulacron();
    let cluster = simulacron.cluster(3).unwrap();
    let session = connect(&cluster).await;
    for refusal in [
        json!({ "result": "is_bootstrapping" }),
        json!({ "result": "unavailable", "consistency_level": "QUORUM", "alive": 1, "required": 2 }),
    ] {
        cluster.clear(Scope::Cluster).unwrap();
        cluster.prime(Scope::Cluster, STATEMENT, &row(1)).unwrap();
        cluster.prime(Scope::Node(1), STATEMENT, &refusal).unwrap();
        let mut passed_on = 0;
        for _ in 0..12 {
            let result = session.query(statement(STATEMENT, false), ()).await.unwrap();
            passed_on += usize::from(!result.attempts().is_empty());
        }
        assert!(passed_on > 0, "{refusal}");
    }
    session.close().await;
}

#[tokio::test]
#[ignore = "starts Simulacron"]
async fn fault_26_a_server_without_the_newest_protocol_version_is_spoken_to_in_the_one_it_has() {
    let simulacron = simulacron();
    let cluster = simulacron.cluster(1).unwrap();
    let session = connect(&cluster).await;
    assert_eq!(session.state().protocol_version(), Some(ProtocolVersion::V4));
    cluster.prime(Scope::Cluster, STATEMENT, &row(7)).unwrap();
    let result = session.query(STATEMENT, ()).await.unwrap();
    assert_eq!(result.single_row::<(i32,)>().unwrap(), (7,));
    session.close().await;
}

#[tokio::test]
#[ignore = "starts Simulacron"]
async fn fault_27_schema_versions_that_stay_apart_end_a_bounded_wait() {
    let simulacron = simulacron();
    let cluster = simulacron.cluster(2).unwrap();
    let limit = Duration::from_millis(700);
    let driver = crate::beds::driver(cluster.addresses().to_vec()).schema_agreement_timeout(limit);
    let session = driver.build().unwrap().connect().await.unwrap();
    assert_eq!(
        session.wait_for_schema_agreement().await,
        SchemaAgreement::Reached
    );
    let another = json!({
        "result": "success",
        "rows": [{ "schema_version": "01020304-0506-4708-890a-0b0c0d0e0f10" }],
        "column_types": { "schema_version": "uuid" },
    });
    let text = "SELECT schema_version FROM system.local WHERE key='local'";
    cluster.prime(Scope::Cluster, text, &another).unwrap();
    let asked = std::time::Instant::now();
    assert_eq!(
        session.wait_for_schema_agreement().await,
        SchemaAgreement::NotReached
    );
    assert!(asked.elapsed() >= limit);
    cluster.clear(Scope::Cluster).unwrap();
    assert_eq!(
        session.wait_for_schema_agreement().await,
        SchemaAgreement::Reached
    );
    session.close().await;
}

#[tokio::test]
#[ignore = "starts Simulacron"]
async fn a_node_that_has_forgotten_a_prepared_statement_gets_it_again() {
    let simulacron = simulacron();
    let cluster = simulacron.cluster(1).unwrap();
    let session = connect(&cluster).await;
    let text = "SELECT v FROM ks.t WHERE k = ?";
    let when = json!({ "query": text, "params": { "k": 1 }, "param_types": { "k": "int" } });
    cluster.prime_request(Scope::Cluster, &when, &row(1)).unwrap();
    let prepared = session.prepare(text).await.unwrap().with_idempotence(true);
    let result = session.execute(&prepared, (1,)).await.unwrap();
    assert_eq!(result.single_row::<(i32,)>().unwrap(), (1,));
    cluster.clear(Scope::Cluster).unwrap();
    cluster.prime_request(Scope::Cluster, &when, &row(2)).unwrap();
    let result = session.execute(&prepared, (1,)).await.unwrap();
    assert_eq!(result.single_row::<(i32,)>().unwrap(), (2,));
    session.close().await;
}
