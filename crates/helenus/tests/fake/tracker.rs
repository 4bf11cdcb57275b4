//! Request trackers, ids of requests, and the log of slow ones.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use helenus::{
    AttemptInfo, BatchStatement, ProtocolVersion, QueryResult, RandomRequestIds, RequestEnd, RequestError,
    RequestIdGenerator, RequestInfo, RequestTracker, Session, SimpleStatement, SlowQueryLog,
};
use helenus_protocol::{ErrorCode, Opcode};
use helenus_testkit::fake::{Action, FakeCluster, FakeNode, Gate, Reply, Script};

use crate::common::{INSERT, builder, cluster_builder, script};
use crate::tracing_spans::collect;

/// Notes what it is told.
#[derive(Debug, Default)]
struct Notes(Mutex<Vec<String>>);

impl Notes {
    fn push(&self, note: String) {
        self.0.lock().unwrap().push(note);
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl RequestTracker for Notes {
    fn on_start(&self, request: &RequestInfo<'_>) {
        self.push(format!(
            "start {} {}",
            request.operation(),
            request.text_without_literals()
        ));
    }

    fn on_attempt(&self, _: &RequestInfo<'_>, attempt: &AttemptInfo<'_>) {
        let error = attempt.error.map_or_else(|| "ok".to_owned(), ToString::to_string);
        self.push(format!("attempt {} {error}", attempt.number));
    }

    fn on_success(&self, _: &RequestInfo<'_>, end: &RequestEnd<'_>, result: &QueryResult) {
        assert_eq!(end.node, Some(result.coordinator()));
        assert!(end.latency > Duration::ZERO);
        self.push(format!("success after {}", end.attempts));
    }

    fn on_error(&self, request: &RequestInfo<'_>, end: &RequestEnd<'_>, error: &RequestError) {
        assert_eq!(request.request_id(), error.request_id());
        self.push(format!("error after {}", end.attempts));
    }

    fn on_cancel(&self, _: &RequestInfo<'_>, end: &RequestEnd<'_>) {
        self.push(format!("cancelled after {}", end.attempts));
    }
}

fn overloaded() -> Vec<Action> {
    vec![Reply::error(ErrorCode::Overloaded, "no").into()]
}

#[tokio::test]
async fn a_tracker_is_told_of_each_request_and_attempt_and_of_one_end() {
    let gate = Gate::new();
    let script = script()
        .first(1, |received| received.text() == Some("A 7"), overloaded())
        .on_statement("B", overloaded())
        .on_statement("C", vec![Action::Hold(gate.clone()), Reply::void().into()]);
    let cluster = FakeCluster::start(&[("dc1", 2)], script).await.unwrap();
    let (notes, others) = (Arc::new(Notes::default()), Arc::new(Notes::default()));
    let session = cluster_builder(&cluster)
        .request_tracker(notes.clone())
        .request_tracker(others.clone())
        .build()
        .unwrap()
        .connect()
        .await
        .unwrap();
    let idempotent = |text: &str| SimpleStatement::new(text).with_idempotence(true);

    session.query("X", ()).await.unwrap();
    assert_eq!(notes.take(), ["start X X", "attempt 1 ok", "success after 1"]);
    session.query(idempotent("A 7"), ()).await.unwrap();
    assert_eq!(
        notes.take(),
        [
            "start A A ?",
            "attempt 1 overloaded: no",
            "attempt 2 ok",
            "success after 2"
        ]
    );
    session.query(idempotent("B"), ()).await.unwrap_err();
    let told = notes.take();
    assert_eq!(
        told[1..3],
        ["attempt 1 overloaded: no", "attempt 2 overloaded: no"]
    );
    assert_eq!(told[3..], ["error after 2"]);
    let execution = session.query("C", ());
    assert_eq!(notes.take(), ["start C C"]);
    drop(execution);
    assert_eq!(notes.take(), ["cancelled after 1"]);

    let insert = session.prepare(INSERT).await.unwrap();
    let mut batch = BatchStatement::unlogged();
    batch.add_prepared(&insert, (1, "secret")).unwrap();
    batch.add_simple("DELETE FROM t WHERE k = 'secret'", ()).unwrap();
    session.batch(&batch).await.unwrap();
    let told = notes.take();
    assert_eq!(
        told[0],
        format!("start BATCH {INSERT}; DELETE FROM t WHERE k = ?")
    );
    assert!(others.take().len() > 10);
    gate.open();
}

#[tokio::test]
async fn a_request_that_no_node_takes_is_told_with_its_attempts() {
    let mut cluster = FakeCluster::start(&[("dc1", 1)], script()).await.unwrap();
    let notes = Arc::new(Notes::default());
    let driver = cluster_builder(&cluster).request_tracker(notes.clone());
    let session = driver.build().unwrap().connect().await.unwrap();
    cluster.node_mut(0).stop().await;
    while session.connections().open > 0 {
        tokio::task::yield_now().await;
    }
    session.query("X", ()).await.unwrap_err();
    assert_eq!(
        notes.take(),
        ["start X X", "attempt 0 no open connection", "error after 0"]
    );
    session.close().await;
    session.query("X", ()).await.unwrap_err();
    assert_eq!(notes.take(), ["start X X", "error after 0"]);
}

/// Counts.
#[derive(Debug, Default)]
struct Numbers(AtomicU32);

impl RequestIdGenerator for Numbers {
    fn next_id(&self) -> String {
        format!("id-{}", self.0.fetch_add(1, Ordering::Relaxed))
    }
}

async fn with_ids(node: &FakeNode, ids: impl RequestIdGenerator + 'static) -> Session {
    let ids: Arc<dyn RequestIdGenerator> = Arc::new(ids);
    let cluster = builder(node).request_ids(ids).build().unwrap();
    cluster.connect().await.unwrap()
}

fn sent_id(node: &FakeNode, text: &str) -> Option<Bytes> {
    let received = node.received();
    let request = received
        .iter()
        .rev()
        .find(|received| received.opcode() == Opcode::Query && received.text() == Some(text))
        .unwrap();
    let payload = request.request().custom_payload?;
    payload.get("request-id").cloned().flatten()
}

#[tokio::test]
async fn a_request_id_is_sent_in_the_custom_payload_beside_the_own_one_and_stands_in_the_error() {
    let script: fn() -> Script = || script().on_statement("A", overloaded());
    let node = FakeNode::start(script()).await.unwrap();
    let session = with_ids(&node, Numbers::default()).await;
    session.query("X", ()).await.unwrap();
    assert_eq!(sent_id(&node, "X"), Some(Bytes::from("id-0")));
    let error = session.query("A", ()).await.unwrap_err();
    assert_eq!(error.request_id(), Some("id-1"));
    assert!(error.to_string().ends_with("; request id-1)"), "{error}");
    let mut own = SimpleStatement::new("Y");
    let payload = [("mine".to_owned(), Some(Bytes::from("1")))];
    own.options_mut().custom_payload = Some(Arc::new(payload.into_iter().collect()));
    session.query(own, ()).await.unwrap();
    assert_eq!(sent_id(&node, "Y"), Some(Bytes::from("id-2")));
    let received = node.received();
    let request = received
        .iter()
        .find(|received| received.text() == Some("Y"))
        .unwrap();
    assert_eq!(request.request().custom_payload.unwrap().len(), 2);

    // Protocol v3 has no custom payload: requests have their ids all the same.
    let old = FakeNode::start(script().versions([ProtocolVersion::V3]))
        .await
        .unwrap();
    let session = with_ids(&old, RandomRequestIds).await;
    session.query("X", ()).await.unwrap();
    assert_eq!(sent_id(&old, "X"), None);
    let error = session.query("A", ()).await.unwrap_err();
    assert_eq!(error.request_id().map(str::len), Some(36));
}

#[tokio::test]
async fn slow_requests_are_logged_without_values_and_not_more_than_so_many() {
    let (collector, _collecting) = collect();
    let node = FakeNode::start(script()).await.unwrap();
    let log = SlowQueryLog::new(Duration::ZERO).with_most_per_second(2);
    let cluster = builder(&node).slow_query_log(log).build().unwrap();
    let session = cluster.connect().await.unwrap();
    for _ in 0..3 {
        session
            .query("SELECT 'secret' FROM t WHERE k = ?", ("secret",))
            .await
            .unwrap();
    }
    let events = collector.events("helenus::slow_query");
    assert_eq!(events.len(), 2);
    let event = &events[0];
    assert_eq!(event["text"], "SELECT ? FROM t WHERE k = ?");
    assert_eq!(event["node"], node.address().to_string());
    assert_eq!((&*event["attempts"], &*event["suppressed"]), ("1", "0"));
    assert!(event.contains_key("latency_us") && !event.contains_key("error"));

    let log = SlowQueryLog::new(Duration::from_secs(3600));
    let cluster = builder(&node).slow_query_log(log).build().unwrap();
    cluster.connect().await.unwrap().query("X", ()).await.unwrap();
    assert_eq!(collector.events("helenus::slow_query").len(), 2);
}
