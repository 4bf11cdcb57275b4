//! Nodes with a schema that the test bed's Cassandra cannot make: the compact tables of Cassandra 3.11, with those that the
//! Thrift interface made, and what DataStax Enterprise adds (graphs, access control by rows, NodeSync, properties of functions).
//!
//! Rows are as these servers write them to `system_schema`: compact tables keep the layout of the Thrift era, so that some
//! of their columns are not those that CQL shows.

use std::io;

use super::cell::{self, Cell};
use super::cluster::FakeCluster;
use super::script::Script;
use super::system_tables::{Kind, Topology};
use super::table::Table;

/// What a node is, and with it its schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Vendor {
    /// Apache Cassandra 3.11.
    Cassandra311,
    /// DataStax Enterprise 6.8.
    Dse68,
}

impl Vendor {
    /// The keyspaces of its schema.
    pub fn keyspaces(self) -> &'static [&'static str] {
        match self {
            Self::Cassandra311 => &["compact"],
            Self::Dse68 => &["compact", "enterprise", "graph_core", "graph_classic"],
        }
    }
}

const SIMPLE: [(&str, &str); 2] = [
    ("class", "org.apache.cassandra.locator.SimpleStrategy"),
    ("replication_factor", "1"),
];

/// Columns of `system_schema.tables` and `views` that came with Cassandra 4.1 or later; neither has them.
const NEWER_OPTIONS: [&str; 3] = ["allow_auto_snapshot", "incremental_backups", "memtable"];

/// Those that came with Cassandra 4.0; DSE 6.8 has them.
const NEW_OPTIONS: [&str; 2] = ["additional_write_policy", "read_repair"];

/// Starts one.
///
/// # Errors
/// [`io::Error`] when no port is free.
pub async fn start(vendor: Vendor) -> io::Result<FakeCluster> {
    let cluster = FakeCluster::start(&[("datacenter1", 1)], Script::new()).await?;
    cluster.topology(|topology| {
        for table in ["tables", "views"] {
            if let Some(table) = topology.table_mut("system_schema", table) {
                let new = NEW_OPTIONS.iter().filter(|_| vendor == Vendor::Cassandra311);
                for option in NEWER_OPTIONS.iter().chain(new) {
                    table.remove_column(option);
                }
            }
        }
        topology.has_peers_v2 = false;
        for node in &mut topology.nodes {
            match vendor {
                Vendor::Cassandra311 => node.release_version = "3.11.19".to_owned(),
                Vendor::Dse68 => {
                    node.release_version = "4.0.0.6851".to_owned();
                    node.dse_version = Some("6.8.51".to_owned());
                }
            }
        }
        if vendor == Vendor::Dse68 {
            let of_dse = [
                ("keyspaces", "graph_engine", Kind::Text),
                ("tables", "nodesync", Kind::TextMap),
                ("views", "nodesync", Kind::TextMap),
                ("functions", "deterministic", Kind::Boolean),
                ("functions", "monotonic", Kind::Boolean),
                ("functions", "monotonic_on", Kind::TextList),
                ("aggregates", "deterministic", Kind::Boolean),
            ];
            for (table, column, kind) in of_dse {
                if let Some(table) = topology.table_mut("system_schema", table) {
                    table.add_column(column, kind.cql_type());
                }
            }
            add_graphs(topology);
            add_enterprise(topology);
        }
        add_compact(topology);
    });
    Ok(cluster)
}

/// Compact tables in every layout; their columns are in the order of the server: by name.
fn add_compact(topology: &mut Topology) {
    const KEY: (&str, &str, &str, i32) = ("k", "int", "partition_key", 0);
    topology.add_keyspace("compact", &SIMPLE);
    let mut add = |name: &str, flags: &[&str], columns: &[(&str, &str, &str, i32)]| {
        let more = [
            ("flags", cell::texts(flags)),
            ("dclocal_read_repair_chance", cell::double(0.1)),
            ("read_repair_chance", cell::double(0.0)),
            ("read_repair", cell::text("BLOCKING")),
            ("additional_write_policy", cell::text("99PERCENTILE")),
        ];
        topology.add_table_with("compact", name, columns, more);
    };
    add("plain", &["compound"], &[KEY, ("v", "text", "regular", -1)]);
    // PRIMARY KEY (k), with columns.
    add(
        "static_columns",
        &[],
        &[
            ("a", "int", "static", -1),
            ("b", "text", "static", -1),
            ("column1", "text", "clustering", 0),
            KEY,
            ("value", "blob", "regular", -1),
        ],
    );
    add(
        "static_composite_key",
        &[],
        &[
            ("a", "int", "static", -1),
            ("column1", "text", "clustering", 0),
            KEY,
            ("l", "uuid", "partition_key", 1),
            ("value", "blob", "regular", -1),
        ],
    );
    add(
        "static_counters",
        &["counter"],
        &[
            ("column1", "text", "clustering", 0),
            KEY,
            ("n", "counter", "static", -1),
            ("value", "counter", "regular", -1),
        ],
    );
    // Names of the Thrift layout that the user took first.
    add(
        "static_same_names",
        &[],
        &[
            ("column1", "int", "static", -1),
            ("column2", "text", "clustering", 0),
            KEY,
            ("value", "int", "static", -1),
            ("value1", "blob", "regular", -1),
        ],
    );
    // PRIMARY KEY (k, c), with one column.
    add(
        "dense",
        &["dense"],
        &[
            ("c", "int", "clustering desc", 0),
            KEY,
            ("v", "text", "regular", -1),
        ],
    );
    add(
        "dense_counters",
        &["counter", "dense"],
        &[
            ("c", "int", "clustering", 0),
            KEY,
            ("n", "counter", "regular", -1),
        ],
    );
    // PRIMARY KEY (k, c, d), with one column.
    add(
        "dense_compound",
        &["compound", "dense"],
        &[
            ("Value", "blob", "regular", -1),
            ("c", "timeuuid", "clustering", 0),
            ("d", "text", "clustering desc", 1),
            KEY,
        ],
    );
    // The same with nothing but the key.
    add(
        "dense_key_only",
        &["dense"],
        &[
            ("c", "int", "clustering", 0),
            KEY,
            ("value", "empty", "regular", -1),
        ],
    );
    add(
        "dense_compound_key_only",
        &["compound", "dense"],
        &[
            ("", "empty", "regular", -1),
            ("c", "int", "clustering", 0),
            ("d", "int", "clustering", 1),
            KEY,
        ],
    );
    // Several columns and no flag of compactness: as tables without COMPACT STORAGE are.
    add(
        "counters",
        &["compound", "counter"],
        &[
            ("c", "int", "clustering", 0),
            KEY,
            ("n", "counter", "regular", -1),
        ],
    );
    // What Thrift makes of a column family without columns.
    add(
        "dynamic",
        &["dense"],
        &[
            ("column1", "blob", "clustering", 0),
            ("key", "blob", "partition_key", 0),
            ("value", "blob", "regular", -1),
        ],
    );
    // Super column families.
    add(
        "super_dense",
        &["dense", "super"],
        &[
            ("", "map<int, blob>", "regular", -1),
            ("column1", "text", "clustering", 0),
            ("column2", "int", "regular", -1),
            ("key", "text", "partition_key", 0),
            ("value", "blob", "regular", -1),
        ],
    );
    add(
        "super_sparse",
        &["super"],
        &[
            ("", "map<text, blob>", "regular", -1),
            ("age", "int", "regular", -1),
            ("column1", "text", "clustering", 0),
            ("key", "text", "partition_key", 0),
        ],
    );
    for (name, table, column) in [("by_a", "static_columns", "a"), ("by_age", "super_sparse", "age")] {
        let index = [
            ("keyspace_name", cell::text("compact")),
            ("table_name", cell::text(table)),
            ("index_name", cell::text(name)),
            ("kind", cell::text("KEYS")),
            ("options", cell::text_map([("target", column)])),
        ];
        if let Some(table) = topology.table_mut("system_schema", "indexes") {
            table.push(index);
        }
    }
}

/// Access control by rows, NodeSync, functions with properties.
fn add_enterprise(topology: &mut Topology) {
    topology.add_keyspace("enterprise", &SIMPLE);
    let columns = [
        ("k", "int", "partition_key", 0),
        ("c", "text", "clustering", 0),
        ("v", "int", "regular", -1),
    ];
    let synced = || cell::text_map([("enabled", "true"), ("deadline_target_sec", "3600")]);
    topology.add_table_with("enterprise", "synced", &columns, [("nodesync", synced())]);
    let extensions = |entries: &[(&str, &str)]| {
        cell::map(
            entries
                .iter()
                .map(|(name, value)| (cell::text(name), cell::blob(value))),
        )
    };
    for (name, column) in [
        ("restricted", "c"),
        ("Restricted Too", "Select"),
        ("restricted_word", "select"),
    ] {
        let columns = [columns[0], (column, "text", "clustering", 0), columns[2]];
        let more = [("extensions", extensions(&[("DSE_RLACA", column)]))];
        topology.add_table_with("enterprise", name, &columns, more);
    }
    let other = [(
        "extensions",
        extensions(&[("OTHER", "anything"), ("DSE_RLACA", "c")]),
    )];
    topology.add_table_with("enterprise", "extended", &columns, other);
    let function = |name: &str, more: &[(&'static str, Cell)]| {
        let mut row = vec![
            ("keyspace_name", cell::text("enterprise")),
            ("function_name", cell::text(name)),
            ("argument_types", cell::texts(["int", "int"])),
            ("argument_names", cell::texts(["a", "B"])),
            ("body", cell::text("return a;")),
            ("called_on_null_input", cell::boolean(false)),
            ("language", cell::text("java")),
            ("return_type", cell::text("int")),
            ("deterministic", cell::boolean(false)),
            ("monotonic", cell::boolean(false)),
            ("monotonic_on", cell::texts::<&str>([])),
        ];
        row.extend_from_slice(more);
        row
    };
    let both = cell::texts(["a", "B"]);
    let functions = [
        function("neither", &[]),
        function("sure", &[("deterministic", cell::boolean(true))]),
        function(
            "rising",
            &[("monotonic", cell::boolean(true)), ("monotonic_on", both)],
        ),
        function(
            "rising_on",
            &[
                ("deterministic", cell::boolean(true)),
                ("monotonic_on", cell::texts(["B"])),
            ],
        ),
    ];
    if let Some(table) = topology.table_mut("system_schema", "functions") {
        for row in functions {
            table.push(row);
        }
    }
    for (name, deterministic) in [("any", false), ("always", true)] {
        let row = [
            ("keyspace_name", cell::text("enterprise")),
            ("aggregate_name", cell::text(name)),
            ("argument_types", cell::texts(["int"])),
            ("final_func", None),
            ("initcond", cell::text("0")),
            ("return_type", cell::text("int")),
            ("state_func", cell::text("sure")),
            ("state_type", cell::text("int")),
            ("deterministic", cell::boolean(deterministic)),
        ];
        if let Some(table) = topology.table_mut("system_schema", "aggregates") {
            table.push(row);
        }
    }
}

/// A graph of persons and what they made, and an empty one of the older engine.
fn add_graphs(topology: &mut Topology) {
    for (name, engine) in [("graph_core", "Core"), ("graph_classic", "Classic")] {
        let row = [
            ("keyspace_name", cell::text(name)),
            ("durable_writes", cell::boolean(true)),
            ("replication", cell::text_map(SIMPLE)),
            ("graph_engine", cell::text(engine)),
        ];
        if let Some(table) = topology.table_mut("system_schema", "keyspaces") {
            table.push(row);
        }
    }
    let person = [
        ("name", "text", "partition_key", 0),
        ("born", "int", "partition_key", 1),
        ("City Of", "text", "clustering", 0),
    ];
    let software = [
        ("id", "int", "partition_key", 0),
        ("language", "text", "regular", -1),
    ];
    let made = [
        ("person_name", "text", "partition_key", 0),
        ("person_born", "int", "partition_key", 1),
        ("Person City", "text", "clustering", 0),
        ("software_id", "int", "clustering", 1),
        ("weight", "double", "regular", -1),
    ];
    let both = [
        ("id", "int", "partition_key", 0),
        ("other", "int", "clustering desc", 0),
    ];
    topology.add_table("graph_core", "person", &person);
    topology.add_table("graph_core", "software", &software);
    topology.add_table("graph_core", "made", &made);
    topology.add_table("graph_core", "both", &both);
    topology.add_table("graph_core", "no part of it", &software);
    let text = |name| (name, Kind::Text.cql_type());
    let texts = |name| (name, Kind::TextList.cql_type());
    let names = ["keyspace_name", "table_name", "label_name"];
    let mut vertices = Table::new("system_schema", "vertices", names.map(text));
    for (table, label) in [("person", "human"), ("software", "Soft Ware"), ("both", "both")] {
        vertices.push([
            ("keyspace_name", cell::text("graph_core")),
            ("table_name", cell::text(table)),
            ("label_name", cell::text(label)),
        ]);
    }
    topology.put_table(vertices);
    let columns = names.map(text).into_iter().chain([
        text("from_table"),
        text("from_label"),
        texts("from_partition_key_columns"),
        texts("from_clustering_columns"),
        text("to_table"),
        text("to_label"),
        texts("to_partition_key_columns"),
        texts("to_clustering_columns"),
    ]);
    let edges = Table::new("system_schema", "edges", columns)
        .with_row([
            ("keyspace_name", cell::text("graph_core")),
            ("table_name", cell::text("made")),
            ("label_name", cell::text("has_made")),
            ("from_table", cell::text("person")),
            ("from_label", cell::text("human")),
            (
                "from_partition_key_columns",
                cell::texts(["person_name", "person_born"]),
            ),
            ("from_clustering_columns", cell::texts(["Person City"])),
            ("to_table", cell::text("software")),
            ("to_label", cell::text("Soft Ware")),
            ("to_partition_key_columns", cell::texts(["software_id"])),
            ("to_clustering_columns", cell::texts::<&str>([])),
        ])
        .with_row([
            ("keyspace_name", cell::text("graph_core")),
            ("table_name", cell::text("both")),
            ("label_name", cell::text("To Itself")),
            ("from_table", cell::text("software")),
            ("from_label", cell::text("Soft Ware")),
            ("from_partition_key_columns", cell::texts(["id"])),
            ("from_clustering_columns", cell::texts::<&str>([])),
            ("to_table", cell::text("software")),
            ("to_label", cell::text("Soft Ware")),
            ("to_partition_key_columns", cell::texts(["other"])),
            ("to_clustering_columns", cell::texts::<&str>([])),
        ]);
    topology.put_table(edges);
}
