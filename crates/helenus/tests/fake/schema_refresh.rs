//! Reading the schema again: only what changed, and telling what did.

use std::sync::Arc;
use std::time::Duration;

use helenus::schema::SchemaElement;
use helenus::{ClusterEvent, CqlType, NativeType, SchemaChange, SchemaChangeTarget, SchemaChangeType};
use helenus_protocol::{Event, Opcode};
use helenus_testkit::fake::{FakeNode, Statement, cell};
use uuid::Uuid;

use crate::common::{builder, cluster_builder, script, soon, ty};

const SIMPLE: [(&str, &str); 2] = [
    ("class", "org.apache.cassandra.locator.SimpleStrategy"),
    ("replication_factor", "1"),
];

const COLUMNS: [(&str, &str, &str, i32); 2] = [
    ("k", "int", "partition_key", 0),
    ("v", "frozen<point>", "regular", -1),
];

/// With a keyspace of two tables and a type.
async fn node() -> FakeNode {
    let node = FakeNode::start(script()).await.unwrap();
    node.topology(|topology| {
        topology.add_keyspace("ks", &SIMPLE);
        topology.add_table("ks", "one", &COLUMNS);
        topology.add_table("ks", "two", &COLUMNS);
    });
    put_type(&node, &["double", "double"]);
    node
}

fn put_type(node: &FakeNode, types: &[&str]) {
    let names = ["x", "y", "z"].into_iter().take(types.len());
    node.topology(|topology| {
        let table = topology.table_mut("system_schema", "types").unwrap();
        table.retain("type_name", |name| *name != cell::text("point"));
        table.push([
            ("keyspace_name", cell::text("ks")),
            ("type_name", cell::text("point")),
            ("field_names", cell::texts(names)),
            ("field_types", cell::texts(types)),
        ]);
    });
}

fn drop_table(node: &FakeNode, name: &str) {
    node.topology(|topology| {
        for table in ["tables", "columns"] {
            let table = topology.table_mut("system_schema", table).unwrap();
            table.retain("table_name", |found| *found != cell::text(name));
        }
    });
}

async fn tell(node: &FakeNode, change: SchemaChangeType, target: SchemaChangeTarget) {
    let keyspace = "ks".to_owned();
    let event = Event::SchemaChange(SchemaChange {
        change,
        keyspace,
        target,
    });
    node.push_event(&event).await;
}

fn table(name: &str) -> SchemaElement {
    SchemaElement::Table {
        keyspace: "ks".to_owned(),
        name: name.to_owned(),
    }
}

fn texts(node: &FakeNode) -> Vec<String> {
    let received = node.received();
    let queries = received
        .iter()
        .filter(|request| request.opcode() == Opcode::Query);
    queries
        .filter_map(|request| request.text().map(str::to_owned))
        .collect()
}

#[tokio::test]
async fn a_changed_table_alone_is_read_and_the_others_are_shared() {
    let node = node().await;
    let driver = builder(&node)
        .refresh_delay(Duration::from_millis(1))
        .build()
        .unwrap();
    driver.connect().await.unwrap();
    let before = driver.state();
    let mut events = driver.subscribe();
    drop_table(&node, "one");
    let more = [COLUMNS[0], COLUMNS[1], ("w", "text", "regular", -1)];
    node.topology(|topology| topology.add_table("ks", "one", &more));
    let asked = texts(&node).len();
    let target = SchemaChangeTarget::Table {
        name: "one".to_owned(),
    };
    tell(&node, SchemaChangeType::Updated, target.clone()).await;
    let Some(ClusterEvent::Schema { change, element }) = soon(events.next()).await else {
        panic!("no event");
    };
    assert_eq!((change, element), (SchemaChangeType::Updated, table("one")));
    let after = driver.state();
    let (old, new) = (before.schema(), after.schema());
    assert_eq!(new.table("ks", "one").unwrap().columns().all().len(), 3);
    assert_eq!(old.table("ks", "one").unwrap().columns().all().len(), 2);
    assert!(Arc::ptr_eq(
        old.table("ks", "two").unwrap(),
        new.table("ks", "two").unwrap()
    ));
    for text in &texts(&node)[asked..] {
        let (_, condition) = text.split_once(" WHERE keyspace_name = 'ks'").unwrap();
        let of_types = text.contains("system_schema.types") && condition.is_empty();
        assert!(of_types || condition.ends_with("_name = 'one'"), "{text}");
    }
    // Nothing changed: nothing is told, and the keyspace is the same.
    driver.refresh_table("ks", "one").await.unwrap();
    assert!(events.try_next().is_none());
    assert!(Arc::ptr_eq(
        new.keyspace("ks").unwrap(),
        driver.state().schema().keyspace("ks").unwrap()
    ));
    // Gone.
    drop_table(&node, "one");
    tell(&node, SchemaChangeType::Dropped, target).await;
    let Some(ClusterEvent::Schema { change, element }) = soon(events.next()).await else {
        panic!("no event");
    };
    assert_eq!((change, element), (SchemaChangeType::Dropped, table("one")));
    assert!(driver.state().schema().table("ks", "one").is_none());
}

#[tokio::test]
async fn a_changed_type_changes_the_columns_that_are_made_of_it() {
    let node = node().await;
    let driver = builder(&node).build().unwrap();
    driver.connect().await.unwrap();
    let fields = || {
        let state = driver.state();
        let table = state.schema().table("ks", "two").unwrap().clone();
        let CqlType::Frozen(inner) = table.columns().get("v").unwrap().ty() else {
            panic!("not frozen");
        };
        let CqlType::UserDefined(definition) = &**inner else {
            panic!("not user-defined");
        };
        definition.fields.len()
    };
    assert_eq!(fields(), 2);
    put_type(&node, &["double", "double", "int"]);
    driver.refresh_type("ks", "point").await.unwrap();
    assert_eq!(fields(), 3);
    let state = driver.state();
    let keyspace = state.schema().keyspace("ks").unwrap();
    assert_eq!(keyspace.types()["point"].definition().fields.len(), 3);
}

#[tokio::test]
async fn a_part_of_an_unknown_keyspace_has_the_keyspace_read() {
    let node = node().await;
    let driver = builder(&node).build().unwrap();
    driver.connect().await.unwrap();
    node.topology(|topology| {
        topology.add_keyspace("late", &SIMPLE);
        topology.add_table("late", "t", &COLUMNS[..1]);
    });
    driver.refresh_table("late", "t").await.unwrap();
    assert!(driver.state().schema().table("late", "t").is_some());
    // What does not exist is no error.
    driver.refresh_table("nowhere", "t").await.unwrap();
    driver.refresh_function("ks", "f").await.unwrap();
    driver.refresh_aggregate("ks", "a").await.unwrap();
    assert!(driver.state().schema().keyspace("nowhere").is_none());
}

#[tokio::test]
async fn with_the_schema_switched_off_changes_of_tables_are_of_no_interest() {
    let node = node().await;
    let driver = builder(&node)
        .schema_metadata(false)
        .refresh_delay(Duration::from_millis(1))
        .build()
        .unwrap();
    driver.connect().await.unwrap();
    let target = SchemaChangeTarget::Table {
        name: "one".to_owned(),
    };
    tell(&node, SchemaChangeType::Updated, target).await;
    tell(&node, SchemaChangeType::Updated, SchemaChangeTarget::Keyspace).await;
    let alone = "SELECT * FROM system_schema.keyspaces WHERE keyspace_name = 'ks'";
    soon(node.wait_until(|node| texts(node).iter().any(|text| text == alone))).await;
    let tables = texts(&node)
        .iter()
        .any(|text| text.contains("system_schema.tables"));
    assert!(!tables);
}

#[tokio::test]
async fn the_schema_is_read_in_pages() {
    let text = "SELECT * FROM system_schema.keyspaces";
    let row = |name: &str| {
        vec![
            cell::text(name),
            cell::boolean(true),
            cell::text_map(SIMPLE.into_iter()),
        ]
    };
    let text_type = || ty(NativeType::Text);
    let columns = [
        ("keyspace_name", text_type()),
        ("durable_writes", ty(NativeType::Boolean)),
        ("replication", CqlType::Map(Arc::new((text_type(), text_type())))),
    ];
    let statement = Statement::new(text)
        .columns(columns)
        .page([row("a"), row("b")])
        .page([])
        .page([row("c")]);
    let node = FakeNode::start(script().statement(statement)).await.unwrap();
    let driver = builder(&node).build().unwrap();
    driver.connect().await.unwrap();
    let state = driver.state();
    let names: Vec<_> = state.schema().keyspaces().keys().map(|name| &**name).collect();
    assert_eq!(names, ["a", "b", "c"]);
}

#[tokio::test]
async fn schema_agreement_is_awaited_no_longer_than_the_limit() {
    let cluster = helenus_testkit::fake::FakeCluster::start(&[("dc1", 2)], script())
        .await
        .unwrap();
    let driver = cluster_builder(&cluster).build().unwrap();
    assert!(
        driver
            .wait_for_schema_agreement(Duration::from_secs(10))
            .await
            .unwrap()
    );
    let mut versions = Vec::new();
    cluster.topology(|topology| {
        versions.extend(topology.nodes.iter().map(|node| node.schema_version));
        topology.nodes[1].schema_version = Uuid::from_u128(1);
    });
    let limit = Duration::from_millis(30);
    assert!(!driver.wait_for_schema_agreement(limit).await.unwrap());
    let waiting = driver.wait_for_schema_agreement(Duration::from_secs(600));
    let (agreed, ()) = tokio::join!(waiting, async {
        tokio::task::yield_now().await;
        cluster.topology(|topology| topology.nodes[1].schema_version = versions[1]);
    });
    assert!(agreed.unwrap());
}
