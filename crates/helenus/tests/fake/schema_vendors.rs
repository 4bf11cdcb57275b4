//! Schemas that the test bed's Cassandra cannot make: the compact tables of Thrift, and what DataStax Enterprise adds.

use std::sync::Arc;

use helenus::Cluster;
use helenus::schema::{Keyspace, Table};
use helenus_testkit::fake::{FakeCluster, Vendor, cell, start_vendor};

use crate::common::cluster_builder;

async fn connected(vendor: Vendor) -> (FakeCluster, Cluster) {
    let nodes = start_vendor(vendor).await.unwrap();
    let driver = cluster_builder(&nodes).build().unwrap();
    driver.connect().await.unwrap();
    (nodes, driver)
}

fn keyspace(driver: &Cluster, name: &str) -> Arc<Keyspace> {
    Arc::clone(driver.state().schema().keyspace(name).unwrap())
}

/// CREATE TABLE behind the name, without options that every table has.
fn shape(table: &Table) -> String {
    let text = table.create_statement(false);
    let (definition, properties) = text.split_once(" WITH ").unwrap();
    let (_, columns) = definition.split_once('(').unwrap();
    let shown = ["COMPACT", "CLUSTERING", "nodesync", "VERTEX", "EDGE"];
    let properties = properties.split(" AND ");
    let properties = properties.filter(|property| shown.iter().any(|word| property.starts_with(word)));
    [format!("({columns}")]
        .into_iter()
        .chain(properties.map(str::to_owned))
        .collect::<Vec<_>>()
        .join(" & ")
}

#[tokio::test]
async fn compact_tables_show_the_columns_that_cql_shows() {
    let (_nodes, driver) = connected(Vendor::Cassandra311).await;
    let keyspace = keyspace(&driver, "compact");
    let expected = [
        ("plain", "(k int PRIMARY KEY, v text)"),
        (
            "static_columns",
            "(k int PRIMARY KEY, a int, b text) & COMPACT STORAGE",
        ),
        (
            "static_composite_key",
            "(k int, l uuid, a int, PRIMARY KEY ((k, l))) & COMPACT STORAGE",
        ),
        (
            "static_counters",
            "(k int PRIMARY KEY, n counter) & COMPACT STORAGE",
        ),
        (
            "static_same_names",
            "(k int PRIMARY KEY, column1 int, value int) & COMPACT STORAGE",
        ),
        (
            "dense",
            "(k int, c int, v text, PRIMARY KEY (k, c)) & COMPACT STORAGE & CLUSTERING ORDER BY (c DESC)",
        ),
        (
            "dense_counters",
            "(k int, c int, n counter, PRIMARY KEY (k, c)) & COMPACT STORAGE & CLUSTERING ORDER BY (c ASC)",
        ),
        (
            "dense_compound",
            "(k int, c timeuuid, d text, \"Value\" blob, PRIMARY KEY (k, c, d)) & COMPACT STORAGE & CLUSTERING \
             ORDER BY (c ASC, d DESC)",
        ),
        (
            "dense_key_only",
            "(k int, c int, PRIMARY KEY (k, c)) & COMPACT STORAGE & CLUSTERING ORDER BY (c ASC)",
        ),
        (
            "dense_compound_key_only",
            "(k int, c int, d int, PRIMARY KEY (k, c, d)) & COMPACT STORAGE & CLUSTERING ORDER BY (c ASC, d ASC)",
        ),
        (
            "counters",
            "(k int, c int, n counter, PRIMARY KEY (k, c)) & CLUSTERING ORDER BY (c ASC)",
        ),
        (
            "dynamic",
            "(key blob, column1 blob, value blob, PRIMARY KEY (key, column1)) & COMPACT STORAGE & CLUSTERING ORDER \
             BY (column1 ASC)",
        ),
    ];
    for (name, text) in expected {
        let table = &keyspace.tables()[name];
        assert_eq!(shape(table), text, "{name}");
        assert_eq!(table.is_compact(), text.contains("COMPACT"), "{name}");
        assert!(!table.export().contains("/*"), "{name}");
    }
    assert_eq!(keyspace.tables().len(), expected.len() + 2);
    let export = keyspace.tables()["static_columns"].export();
    assert!(
        export.ends_with(";\nCREATE INDEX by_a ON compact.static_columns (a);"),
        "{export}"
    );
}

#[tokio::test]
async fn super_column_families_are_written_in_a_comment() {
    let (_nodes, driver) = connected(Vendor::Cassandra311).await;
    let keyspace = keyspace(&driver, "compact");
    for name in ["super_dense", "super_sparse"] {
        let export = keyspace.tables()[name].export();
        let warning = format!(
            "/*\nWarning: Table compact.{name} is a super column family and cannot be recreated with CQL.\n"
        );
        assert!(
            export.starts_with(&warning) && export.ends_with("\n*/"),
            "{export}"
        );
    }
}

#[tokio::test]
async fn tables_of_a_graph_tell_and_print_their_labels() {
    let (nodes, driver) = connected(Vendor::Dse68).await;
    let graph = keyspace(&driver, "graph_core");
    assert_eq!(graph.graph_engine(), Some("Core"));
    assert_eq!(keyspace(&driver, "enterprise").graph_engine(), None);
    assert!(graph.create_statement().ends_with(" AND graph_engine = 'Core'"));
    let expected = [
        (
            "person",
            "(name text, born int, \"City Of\" text, PRIMARY KEY ((name, born), \"City Of\")) & CLUSTERING ORDER BY \
             (\"City Of\" ASC) & VERTEX LABEL human",
        ),
        (
            "software",
            "(id int PRIMARY KEY, language text) & VERTEX LABEL \"Soft Ware\"",
        ),
        (
            "made",
            "(person_name text, person_born int, \"Person City\" text, software_id int, weight double, PRIMARY KEY \
             ((person_name, person_born), \"Person City\", software_id)) & CLUSTERING ORDER BY (\"Person City\" ASC, \
             software_id ASC) & EDGE LABEL has_made FROM human((person_name, person_born), \"Person City\") TO \
             \"Soft Ware\"(software_id)",
        ),
        (
            "both",
            "(id int, other int, PRIMARY KEY (id, other)) & CLUSTERING ORDER BY (other DESC) & VERTEX LABEL both & \
             EDGE LABEL \"To Itself\" FROM \"Soft Ware\"(id) TO \"Soft Ware\"(other)",
        ),
        ("no part of it", "(id int PRIMARY KEY, language text)"),
    ];
    for (name, text) in expected {
        assert_eq!(shape(&graph.tables()[name]), text, "{name}");
    }
    assert_eq!(graph.tables()["person"].vertex_label(), Some("human"));
    assert!(graph.tables()["person"].edge().is_none());
    let made = graph.tables()["made"].edge().unwrap();
    assert_eq!(
        (made.label(), made.from().table(), made.to().table()),
        ("has_made", "person", "software")
    );
    assert_eq!(
        made.from().partition_key_columns(),
        ["person_name", "person_born"]
    );
    assert_eq!(made.from().clustering_columns(), ["Person City"]);
    assert_eq!(
        (made.to().label(), made.to().clustering_columns().len()),
        ("Soft Ware", 0)
    );

    // A table that is read alone keeps its labels, and another label makes it another table.
    driver.refresh_table("graph_core", "made").await.unwrap();
    assert!(Arc::ptr_eq(&graph, &keyspace(&driver, "graph_core")));
    nodes.topology(|topology| {
        let edges = topology.table_mut("system_schema", "edges").unwrap();
        edges.set("label_name", &cell::text("other"));
    });
    driver.refresh_table("graph_core", "made").await.unwrap();
    let now = keyspace(&driver, "graph_core");
    assert_eq!(now.tables()["made"].edge().unwrap().label(), "other");
    assert_eq!(now.tables()["both"].edge().unwrap().label(), "To Itself");
}

#[tokio::test]
async fn an_edge_without_ends_is_left_out_and_its_table_stays() {
    let (nodes, driver) = connected(Vendor::Dse68).await;
    nodes.topology(|topology| {
        let edges = topology.table_mut("system_schema", "edges").unwrap();
        edges.set("to_table", &None);
    });
    driver.refresh_keyspace("graph_core").await.unwrap();
    let graph = keyspace(&driver, "graph_core");
    assert!(graph.tables()["made"].edge().is_none());
    assert_eq!(graph.tables()["both"].vertex_label(), Some("both"));
}

#[tokio::test]
async fn access_by_rows_and_node_sync_are_printed() {
    let (_nodes, driver) = connected(Vendor::Dse68).await;
    let tables = keyspace(&driver, "enterprise").tables().clone();
    let synced = "(k int, c text, v int, PRIMARY KEY (k, c)) & CLUSTERING ORDER BY (c ASC) & nodesync = \
                  {'deadline_target_sec': '3600', 'enabled': 'true'}";
    assert_eq!(shape(&tables["synced"]), synced);
    assert_eq!(tables["synced"].row_access_column(), None);
    let expected = [
        (
            "restricted",
            "c",
            "RESTRICT ROWS ON enterprise.restricted USING c;",
        ),
        (
            "Restricted Too",
            "Select",
            "RESTRICT ROWS ON enterprise.\"Restricted Too\" USING \"Select\";",
        ),
        (
            "restricted_word",
            "select",
            "RESTRICT ROWS ON enterprise.restricted_word USING \"select\";",
        ),
    ];
    for (name, column, statement) in expected {
        let table = &tables[name];
        assert_eq!(table.row_access_column(), Some(column));
        let export = table.export();
        assert_eq!(export.lines().last(), Some(statement));
        assert!(!export.contains("extensions"), "{export}");
    }
    // Other extensions are an option.
    assert!(
        tables["extended"]
            .create_statement(false)
            .contains("'OTHER': 0x616e797468696e67")
    );
}

#[tokio::test]
async fn functions_and_aggregates_say_what_can_be_relied_on() {
    let (_nodes, driver) = connected(Vendor::Dse68).await;
    let keyspace = keyspace(&driver, "enterprise");
    let expected = [
        ("neither", " RETURNS int LANGUAGE"),
        ("sure", " RETURNS int DETERMINISTIC LANGUAGE"),
        ("rising", " RETURNS int MONOTONIC LANGUAGE"),
        (
            "rising_on",
            " RETURNS int DETERMINISTIC MONOTONIC ON \"B\" LANGUAGE",
        ),
    ];
    for (name, text) in expected {
        let statement = keyspace.functions()[&format!("{name}(int,int)")].create_statement(false);
        assert!(statement.contains(text), "{statement}");
    }
    let statement = |name| keyspace.aggregates()[name].create_statement(false);
    assert!(statement("always(int)").ends_with(" INITCOND 0 DETERMINISTIC"));
    assert!(statement("any(int)").ends_with(" INITCOND 0"));
}

#[tokio::test]
async fn a_server_without_graphs_is_not_asked_for_them() {
    for (vendor, asked) in [(Vendor::Cassandra311, false), (Vendor::Dse68, true)] {
        let (nodes, driver) = connected(vendor).await;
        driver.refresh_table("compact", "plain").await.unwrap();
        let received = nodes.node(0).received();
        let texts = received.iter().filter_map(|request| request.text());
        let found = texts
            .filter(|text| text.contains("system_schema.vertices"))
            .count();
        assert_eq!(found, if asked { 2 } else { 0 }, "{vendor:?}");
    }
}
