//! Traces, read back.

use helenus::{BatchStatement, SimpleStatement};

use crate::common::{VERSIONS, ddl, fresh_keyspace, session_with};

#[tokio::test]
async fn a_traced_request_has_a_trace_that_can_be_read() {
    let setup = fresh_keyspace("it_tracing").await;
    ddl(&setup, "CREATE TABLE t (k int PRIMARY KEY)").await;
    for wire in VERSIONS {
        let session = session_with(wire, "it_tracing").await;
        let text = "INSERT INTO t (k) VALUES (1)";
        let plain = session.query(text, ()).await.unwrap();
        assert_eq!(plain.tracing_id(), None);
        let traced = session
            .query(SimpleStatement::new(text).with_tracing(true), ())
            .await
            .unwrap();
        let trace = session.trace(traced.tracing_id().unwrap()).await.unwrap();
        assert!(trace.duration.is_some_and(|duration| duration > 0), "{trace:?}");
        assert_eq!(trace.request.as_deref(), Some("Execute CQL3 query"));
        assert_eq!(trace.parameters.get("query").map(String::as_str), Some(text));
        assert!(!trace.events.is_empty());
        assert!(trace.events.iter().all(|event| event.activity.is_some()));

        let prepared = session
            .prepare("SELECT k FROM t WHERE k = ?")
            .await
            .unwrap()
            .with_tracing(true);
        let result = session.execute(&prepared, (1,)).await.unwrap();
        assert_eq!(result.single_row::<(i32,)>().unwrap(), (1,));
        assert!(
            session
                .trace(result.tracing_id().unwrap())
                .await
                .unwrap()
                .duration
                .is_some()
        );

        let mut batch = BatchStatement::logged().with_tracing(true);
        batch.add_simple(text, ()).unwrap();
        assert!(session.batch(&batch).await.unwrap().tracing_id().is_some());
    }
    let missing = setup.trace(uuid::Uuid::nil()).await.unwrap_err();
    assert!(matches!(missing, helenus::TraceError::NotFound { .. }));
}
