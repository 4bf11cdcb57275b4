//! Spans of requests and attempts, by OpenTelemetry's conventions.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, Once};

use helenus::{Cluster, RequestIdGenerator, SimpleStatement};
use helenus_protocol::ErrorCode;
use helenus_testkit::fake::{FakeCluster, FakeNode, Reply};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Event, Metadata, Subscriber};

use crate::common::{SELECT, builder, cluster_builder, script};

type Fields = BTreeMap<String, String>;

/// Keeps what is traced on this thread.
#[derive(Clone, Default)]
pub(crate) struct Collector(Arc<Mutex<Collected>>);

#[derive(Default)]
struct Collected {
    spans: Vec<Span>,
    events: Vec<(String, Fields)>,
    entered: Vec<Id>,
}

#[derive(Clone, Debug)]
struct Span {
    target: String,
    parent: Option<Id>,
    fields: Fields,
    references: usize,
}

impl Collected {
    fn span(&mut self, id: &Id) -> &mut Span {
        &mut self.spans[usize::try_from(id.into_u64()).unwrap() - 1]
    }
}

struct Reader<'a>(&'a mut Fields);

impl Visit for Reader<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }
}

impl Collector {
    pub(crate) fn events(&self, target: &str) -> Vec<Fields> {
        let collected = self.0.lock().unwrap();
        let events = collected.events.iter().filter(|(found, _)| found == target);
        events.map(|(_, fields)| fields.clone()).collect()
    }

    /// Spans of this target with their numbers, all of them ended.
    fn spans(&self, target: &str) -> Vec<(Id, Span)> {
        let collected = self.0.lock().unwrap();
        let ids = (1..).map(Id::from_u64);
        let spans: Vec<_> = ids
            .zip(collected.spans.iter().cloned())
            .filter(|(_, span)| span.target == target)
            .collect();
        assert!(spans.iter().all(|(_, span)| span.references == 0), "{spans:?}");
        spans
    }
}

thread_local! {
    static CURRENT: RefCell<Option<Collector>> = const { RefCell::new(None) };
}

/// Ends the collecting on this thread.
pub(crate) struct Collecting;

impl Drop for Collecting {
    fn drop(&mut self) {
        CURRENT.set(None);
    }
}

/// Collects what this thread traces from now on.
pub(crate) fn collect() -> (Collector, Collecting) {
    static ROUTER: Once = Once::new();
    ROUTER.call_once(|| tracing::subscriber::set_global_default(Router).unwrap());
    let collector = Collector::default();
    CURRENT.set(Some(collector.clone()));
    (collector, Collecting)
}

/// One for the process, as what callsites remember of subscribers is the process's: gives everything to the collector of
/// the thread.
struct Router;

impl Router {
    fn with<T>(with: impl FnOnce(&mut Collected) -> T) -> Option<T> {
        CURRENT.with_borrow(|current| {
            let collector = current.as_ref()?;
            Some(with(&mut collector.0.lock().unwrap()))
        })
    }
}

impl Subscriber for Router {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let known = metadata.target().starts_with("helenus::") || metadata.target() == "test";
        known && CURRENT.with_borrow(Option::is_some)
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let id = Self::with(|collected| {
            let mut fields = Fields::new();
            attributes.record(&mut Reader(&mut fields));
            let current = collected
                .entered
                .last()
                .filter(|_| attributes.is_contextual())
                .cloned();
            let parent = attributes.parent().cloned().or(current);
            collected.spans.push(Span {
                target: attributes.metadata().target().to_owned(),
                parent,
                fields,
                references: 1,
            });
            Id::from_u64(collected.spans.len() as u64)
        });
        id.unwrap_or_else(|| Id::from_u64(u64::MAX))
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        Self::with(|collected| values.record(&mut Reader(&mut collected.span(id).fields)));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        Self::with(|collected| {
            let mut fields = Fields::new();
            event.record(&mut Reader(&mut fields));
            let target = event.metadata().target().to_owned();
            collected.events.push((target, fields));
        });
    }

    fn enter(&self, id: &Id) {
        Self::with(|collected| collected.entered.push(id.clone()));
    }

    fn exit(&self, _: &Id) {
        Self::with(|collected| collected.entered.pop());
    }

    fn clone_span(&self, id: &Id) -> Id {
        Self::with(|collected| collected.span(id).references += 1);
        id.clone()
    }

    fn try_close(&self, id: Id) -> bool {
        let left = Self::with(|collected| {
            let references = &mut collected.span(&id).references;
            *references -= 1;
            *references
        });
        left == Some(0)
    }
}

/// Always the same.
#[derive(Debug)]
struct OneId;

impl RequestIdGenerator for OneId {
    fn next_id(&self) -> String {
        "the-id".to_owned()
    }
}

#[tokio::test]
async fn a_request_has_a_span_under_the_current_one_with_the_fields_of_the_conventions() {
    let (collector, _collecting) = collect();
    let node = FakeNode::start(script()).await.unwrap();
    let ids: Arc<dyn RequestIdGenerator> = Arc::new(OneId);
    let cluster: Cluster = builder(&node).request_ids(ids).build().unwrap();
    let session = cluster.connect_keyspace("ks").await.unwrap();
    let outer = tracing::info_span!(target: "test", "outer");
    let execution = outer.in_scope(|| session.query(SELECT, ()));
    execution.await.unwrap();
    let outer = outer.id();
    let requests = collector.spans("helenus::request");
    let [(id, request)] = &requests[..] else {
        panic!("{requests:?}");
    };
    assert_eq!(request.parent, outer);
    let host_id = session.state().nodes()[0].host_id().to_string();
    let port = node.address().port().to_string();
    for (name, value) in [
        ("otel.name", "SELECT ks"),
        ("otel.kind", "client"),
        ("db.system.name", "cassandra"),
        ("db.namespace", "ks"),
        ("db.operation.name", "SELECT"),
        ("db.query.text", SELECT),
        ("db.response.returned_rows", "2"),
        ("server.address", "127.0.0.1"),
        ("server.port", &port),
        ("cassandra.coordinator.id", &host_id),
        ("cassandra.coordinator.dc", "datacenter1"),
        ("cassandra.consistency.level", "local_one"),
        ("cassandra.page.size", "5000"),
        ("cassandra.query.idempotent", "true"),
        ("cassandra.speculative_execution.count", "0"),
        ("helenus.request.id", "the-id"),
        ("helenus.attempts", "1"),
    ] {
        assert_eq!(
            request.fields.get(name).map(|found| &**found),
            Some(value),
            "{name}"
        );
    }
    assert!(!request.fields.contains_key("error.type"));
    let attempts = collector.spans("helenus::attempt");
    let [(_, attempt)] = &attempts[..] else {
        panic!("{attempts:?}");
    };
    assert_eq!(attempt.parent.as_ref(), Some(id));
    assert_eq!(attempt.fields["server.port"], port);
    assert_eq!(attempt.fields["helenus.attempt.number"], "1");
}

#[tokio::test]
async fn each_attempt_has_a_span_with_its_node_and_its_error() {
    let (collector, _collecting) = collect();
    let refuse = vec![Reply::error(ErrorCode::Overloaded, "no").into()];
    let cluster = FakeCluster::start(&[("dc1", 2)], script().on_statement("A 'secret'", refuse))
        .await
        .unwrap();
    let session = cluster_builder(&cluster)
        .build()
        .unwrap()
        .connect()
        .await
        .unwrap();
    let statement = SimpleStatement::new("A 'secret'").with_idempotence(true);
    session.query(&statement, ("value",)).await.unwrap_err();
    let requests = collector.spans("helenus::request");
    let fields = &requests[0].1.fields;
    for (name, value) in [
        ("error.type", "overloaded"),
        ("otel.status_code", "ERROR"),
        ("db.response.status_code", "0x1001"),
        ("db.query.text", "A ?"),
        ("helenus.attempts", "2"),
    ] {
        assert_eq!(fields.get(name).map(|found| &**found), Some(value), "{name}");
    }
    let attempts = collector.spans("helenus::attempt");
    let addresses: Vec<_> = attempts
        .iter()
        .map(|(_, span)| &span.fields["server.address"])
        .collect();
    assert_eq!(addresses.len(), 2);
    assert_ne!(addresses[0], addresses[1]);
    for (_, attempt) in &attempts {
        assert_eq!(attempt.parent.as_ref(), Some(&requests[0].0));
        assert_eq!(attempt.fields["error.type"], "overloaded");
    }
}

#[tokio::test]
async fn a_request_that_is_given_up_ends_its_spans() {
    let (collector, _collecting) = collect();
    let node = FakeNode::start(script().on_statement("A", vec![])).await.unwrap();
    let session = builder(&node).build().unwrap().connect().await.unwrap();
    drop(session.query("A", ()));
    let requests = collector.spans("helenus::request");
    assert_eq!(requests[0].1.fields["error.type"], "cancelled");
    assert_eq!(collector.spans("helenus::attempt").len(), 1);
}
