//! The tables that drivers read when they connect: system.local, system.peers, system.peers_v2, system_schema.*, and
//! system_virtual_schema.* of Cassandra 4.0 and later.
//!
//! Columns are those of Cassandra 5.0. A test changes rows, or replaces a whole table, through [`Topology`].

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use helenus_protocol::{CqlType, NativeType};
use uuid::Uuid;

use super::cell::{self, Cell};
use super::table::Table;

/// What one node says about itself and what others say about it.
#[derive(Clone, Debug)]
pub struct NodeInfo {
    /// Where clients connect to: `rpc_address` and `native_port`.
    pub address: SocketAddr,
    /// What its rows say in the place of `address`: the address of a proxy before it.
    pub proxy: Option<SocketAddr>,
    /// Host id; `None` makes the row of a node that is not ready.
    pub host_id: Option<Uuid>,
    /// Datacenter.
    pub datacenter: String,
    /// Rack.
    pub rack: String,
    /// Tokens, as text.
    pub tokens: Vec<String>,
    /// Version of Cassandra.
    pub release_version: String,
    /// Version of DataStax Enterprise, if it is that.
    pub dse_version: Option<String>,
    /// Schema version; nodes of one cluster disagree when theirs differ.
    pub schema_version: Uuid,
}

impl NodeInfo {
    /// A node of datacenter `datacenter1`, rack `rack1`, version 5.0.6, with one token and a host id that follow from the
    /// address.
    pub fn new(address: SocketAddr) -> Self {
        // 1 for 127.0.0.1 or ::1.
        let last = match address.ip() {
            IpAddr::V4(ip) => ip.to_bits() & 0x00ff_ffff,
            IpAddr::V6(ip) => ip.octets()[15].into(),
        };
        // Tokens of nodes 1, 2, 3, ... lie a 16th of the ring apart and wrap around.
        let token = i64::MIN.wrapping_add(i64::from(last).wrapping_mul(1 << 60));
        Self {
            address,
            proxy: None,
            host_id: Some(Uuid::from_u64_pair(
                0x4845_4c45_4e55_4000 | u64::from(last),
                u64::from(last),
            )),
            datacenter: "datacenter1".to_owned(),
            rack: "rack1".to_owned(),
            tokens: vec![token.to_string()],
            release_version: "5.0.6".to_owned(),
            dse_version: None,
            schema_version: Uuid::from_u128(0x5ce3_a000_0000_4000_8000_0000_0000_0001),
        }
    }
}

/// What all nodes of a fake cluster know: its name, its members, its schema.
#[derive(Clone, Debug)]
pub struct Topology {
    /// Name of the cluster.
    pub cluster_name: String,
    /// Class name of the partitioner.
    pub partitioner: String,
    /// The members. Each sees itself in system.local and the others in system.peers.
    pub nodes: Vec<NodeInfo>,
    /// Whether `system.peers_v2` exists (Cassandra 4.0 and later).
    pub has_peers_v2: bool,
    tables: HashMap<(String, String), Table>,
}

impl Default for Topology {
    fn default() -> Self {
        Self {
            cluster_name: "Fake Cluster".to_owned(),
            partitioner: "org.apache.cassandra.dht.Murmur3Partitioner".to_owned(),
            nodes: Vec::new(),
            has_peers_v2: true,
            tables: schema_tables()
                .into_iter()
                .map(|table| ((table.keyspace().to_owned(), table.name().to_owned()), table))
                .collect(),
        }
    }
}

impl Topology {
    /// Puts a table in the place of the one with its name, or beside the others. A `system.local` or `system.peers` put
    /// here is what every node answers.
    pub fn put_table(&mut self, table: Table) {
        self.tables
            .insert((table.keyspace().to_owned(), table.name().to_owned()), table);
    }

    /// A table of the schema, to add rows to it.
    pub fn table_mut(&mut self, keyspace: &str, name: &str) -> Option<&mut Table> {
        self.tables.get_mut(&(keyspace.to_owned(), name.to_owned()))
    }

    /// Adds a keyspace with this replication, for example `[("class", "...SimpleStrategy"), ("replication_factor", "1")]`.
    pub fn add_keyspace(&mut self, name: &str, replication: &[(&str, &str)]) {
        let row = [
            ("keyspace_name", cell::text(name)),
            ("durable_writes", cell::boolean(true)),
            ("replication", cell::text_map(replication.iter().copied())),
        ];
        if let Some(table) = self.table_mut("system_schema", "keyspaces") {
            table.push(row);
        }
    }

    /// Adds a table to the schema: columns as (name, CQL type, kind, position), where the kind is `partition_key`,
    /// `clustering`, `clustering desc`, `static` or `regular`, and the position of the last two is -1.
    pub fn add_table(&mut self, keyspace: &str, name: &str, columns: &[(&str, &str, &str, i32)]) {
        self.add_table_with(keyspace, name, columns, []);
    }

    /// The same with more columns of `system_schema.tables`, or others than usual: flags, options.
    pub fn add_table_with<'a>(
        &mut self,
        keyspace: &str,
        name: &str,
        columns: &[(&str, &str, &str, i32)],
        more: impl IntoIterator<Item = (&'a str, Cell)>,
    ) {
        let usual = [
            ("keyspace_name", cell::text(keyspace)),
            ("table_name", cell::text(name)),
            (
                "id",
                cell::uuid(Uuid::from_u128(0x7ab1_e000_0000_4000_8000_0000_0000_0001)),
            ),
            ("comment", cell::text("")),
            ("flags", cell::texts(["compound"])),
            ("bloom_filter_fp_chance", cell::double(0.01)),
            ("crc_check_chance", cell::double(1.0)),
            ("default_time_to_live", cell::int(0)),
            ("gc_grace_seconds", cell::int(864_000)),
            ("max_index_interval", cell::int(2048)),
            ("min_index_interval", cell::int(128)),
            ("memtable_flush_period_in_ms", cell::int(0)),
            ("speculative_retry", cell::text("99p")),
            (
                "caching",
                cell::text_map([("keys", "ALL"), ("rows_per_partition", "NONE")]),
            ),
            (
                "compaction",
                cell::text_map([(
                    "class",
                    "org.apache.cassandra.db.compaction.SizeTieredCompactionStrategy",
                )]),
            ),
            ("compression", cell::text_map([("chunk_length_in_kb", "16")])),
            ("extensions", cell::map([])),
        ];
        if let Some(table) = self.table_mut("system_schema", "tables") {
            table.push(usual.into_iter().chain(more));
        }
        for (column, ty, kind, position) in columns {
            let (kind, order) = match *kind {
                "clustering" => ("clustering", "asc"),
                "clustering desc" => ("clustering", "desc"),
                kind => (kind, "none"),
            };
            let row = [
                ("keyspace_name", cell::text(keyspace)),
                ("table_name", cell::text(name)),
                ("column_name", cell::text(column)),
                ("clustering_order", cell::text(order)),
                ("column_name_bytes", cell::blob(column)),
                ("kind", cell::text(kind)),
                ("position", cell::int(*position)),
                ("type", cell::text(ty)),
            ];
            if let Some(table) = self.table_mut("system_schema", "columns") {
                table.push(row);
            }
        }
    }

    /// The table with this name as the node at `address` sees it.
    pub(crate) fn table(&self, address: SocketAddr, keyspace: &str, name: &str) -> Option<Table> {
        if let Some(table) = self.tables.get(&(keyspace.to_owned(), name.to_owned())) {
            return Some(table.clone());
        }
        if keyspace != "system" {
            return None;
        }
        match name {
            "local" => Some(self.local(address)),
            "peers" => Some(self.peers(address, PEERS)),
            "peers_v2" if self.has_peers_v2 => Some(self.peers(address, PEERS_V2)),
            _ => None,
        }
    }

    fn local(&self, address: SocketAddr) -> Table {
        let mut table = Table::new("system", "local", columns(LOCAL));
        self.add_dse_version(&mut table);
        for node in self.nodes.iter().filter(|node| node.address == address) {
            let mut row = node.cells();
            row.extend([
                ("key", cell::text("local")),
                ("bootstrapped", cell::text("COMPLETED")),
                ("cluster_name", cell::text(&self.cluster_name)),
                ("cql_version", cell::text("3.4.7")),
                ("native_protocol_version", cell::text("5")),
                ("partitioner", cell::text(&self.partitioner)),
                ("gossip_generation", cell::int(1)),
            ]);
            table.push(row);
        }
        table
    }

    fn peers(&self, address: SocketAddr, names: &[(&str, Kind)]) -> Table {
        let name = if names.len() == PEERS.len() {
            "peers"
        } else {
            "peers_v2"
        };
        let mut table = Table::new("system", name, columns(names));
        self.add_dse_version(&mut table);
        for node in self.nodes.iter().filter(|node| node.address != address) {
            table.push(node.cells());
        }
        table
    }
}

impl Topology {
    /// Only DSE has the column.
    fn add_dse_version(&self, table: &mut Table) {
        if self.nodes.iter().any(|node| node.dse_version.is_some()) {
            table.add_column("dse_version", Kind::Text.cql_type());
        }
    }
}

impl NodeInfo {
    /// The columns that describe a node, by their names in all three tables.
    fn cells(&self) -> Vec<(&'static str, Cell)> {
        let address = self.proxy.unwrap_or(self.address);
        let ip = cell::inet(address.ip());
        let port = cell::int(address.port().into());
        let gossip_port = cell::int(7000);
        vec![
            ("host_id", self.host_id.and_then(cell::uuid)),
            ("data_center", cell::text(&self.datacenter)),
            ("rack", cell::text(&self.rack)),
            ("tokens", cell::texts(&self.tokens)),
            ("release_version", cell::text(&self.release_version)),
            ("schema_version", cell::uuid(self.schema_version)),
            ("dse_version", self.dse_version.as_ref().and_then(cell::text)),
            ("peer", ip.clone()),
            ("rpc_address", ip.clone()),
            ("native_address", ip.clone()),
            ("broadcast_address", ip.clone()),
            ("listen_address", ip.clone()),
            ("preferred_ip", None),
            ("rpc_port", port.clone()),
            ("native_port", port),
            ("peer_port", gossip_port.clone()),
            ("broadcast_port", gossip_port.clone()),
            ("listen_port", gossip_port),
        ]
    }
}

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Text,
    Int,
    Double,
    Boolean,
    Uuid,
    Inet,
    Blob,
    TextSet,
    TextList,
    TextMap,
    BlobMap,
}

impl Kind {
    pub(super) fn cql_type(self) -> CqlType {
        let text = || Arc::new(CqlType::Native(NativeType::Text));
        let blob = CqlType::Native(NativeType::Blob);
        match self {
            Self::Text => CqlType::Native(NativeType::Text),
            Self::Int => CqlType::Native(NativeType::Int),
            Self::Double => CqlType::Native(NativeType::Double),
            Self::Boolean => CqlType::Native(NativeType::Boolean),
            Self::Uuid => CqlType::Native(NativeType::Uuid),
            Self::Inet => CqlType::Native(NativeType::Inet),
            Self::Blob => blob,
            Self::TextSet => CqlType::Set(text()),
            Self::TextList => CqlType::List(text()),
            Self::TextMap => CqlType::Map(Arc::new((
                CqlType::Native(NativeType::Text),
                CqlType::Native(NativeType::Text),
            ))),
            Self::BlobMap => CqlType::Map(Arc::new((CqlType::Native(NativeType::Text), blob))),
        }
    }
}

fn columns<'a>(names: &'a [(&'a str, Kind)]) -> impl Iterator<Item = (&'a str, CqlType)> {
    names.iter().map(|(name, kind)| (*name, kind.cql_type()))
}

const LOCAL: &[(&str, Kind)] = &[
    ("key", Kind::Text),
    ("bootstrapped", Kind::Text),
    ("broadcast_address", Kind::Inet),
    ("broadcast_port", Kind::Int),
    ("cluster_name", Kind::Text),
    ("cql_version", Kind::Text),
    ("data_center", Kind::Text),
    ("gossip_generation", Kind::Int),
    ("host_id", Kind::Uuid),
    ("listen_address", Kind::Inet),
    ("listen_port", Kind::Int),
    ("native_protocol_version", Kind::Text),
    ("partitioner", Kind::Text),
    ("rack", Kind::Text),
    ("release_version", Kind::Text),
    ("rpc_address", Kind::Inet),
    ("rpc_port", Kind::Int),
    ("schema_version", Kind::Uuid),
    ("tokens", Kind::TextSet),
];

const PEERS: &[(&str, Kind)] = &[
    ("peer", Kind::Inet),
    ("data_center", Kind::Text),
    ("host_id", Kind::Uuid),
    ("preferred_ip", Kind::Inet),
    ("rack", Kind::Text),
    ("release_version", Kind::Text),
    ("rpc_address", Kind::Inet),
    ("schema_version", Kind::Uuid),
    ("tokens", Kind::TextSet),
];

const PEERS_V2: &[(&str, Kind)] = &[
    ("peer", Kind::Inet),
    ("peer_port", Kind::Int),
    ("data_center", Kind::Text),
    ("host_id", Kind::Uuid),
    ("native_address", Kind::Inet),
    ("native_port", Kind::Int),
    ("preferred_ip", Kind::Inet),
    ("preferred_port", Kind::Int),
    ("rack", Kind::Text),
    ("release_version", Kind::Text),
    ("schema_version", Kind::Uuid),
    ("tokens", Kind::TextSet),
];

/// Name of a keyspace, name of a table, its columns.
type Definition = (&'static str, &'static str, &'static [(&'static str, Kind)]);

const TABLE_OPTIONS: &[(&str, Kind)] = &[
    ("additional_write_policy", Kind::Text),
    ("allow_auto_snapshot", Kind::Boolean),
    ("bloom_filter_fp_chance", Kind::Double),
    ("caching", Kind::TextMap),
    ("cdc", Kind::Boolean),
    ("comment", Kind::Text),
    ("compaction", Kind::TextMap),
    ("compression", Kind::TextMap),
    ("crc_check_chance", Kind::Double),
    ("dclocal_read_repair_chance", Kind::Double),
    ("default_time_to_live", Kind::Int),
    ("extensions", Kind::BlobMap),
    ("gc_grace_seconds", Kind::Int),
    ("id", Kind::Uuid),
    ("incremental_backups", Kind::Boolean),
    ("max_index_interval", Kind::Int),
    ("memtable", Kind::Text),
    ("memtable_flush_period_in_ms", Kind::Int),
    ("min_index_interval", Kind::Int),
    ("read_repair", Kind::Text),
    ("read_repair_chance", Kind::Double),
    ("speculative_retry", Kind::Text),
];

const SCHEMA: &[Definition] = &[
    (
        "system_schema",
        "keyspaces",
        &[
            ("keyspace_name", Kind::Text),
            ("durable_writes", Kind::Boolean),
            ("replication", Kind::TextMap),
        ],
    ),
    (
        "system_schema",
        "tables",
        &[
            ("keyspace_name", Kind::Text),
            ("table_name", Kind::Text),
            ("flags", Kind::TextSet),
        ],
    ),
    (
        "system_schema",
        "views",
        &[
            ("keyspace_name", Kind::Text),
            ("view_name", Kind::Text),
            ("base_table_id", Kind::Uuid),
            ("base_table_name", Kind::Text),
            ("include_all_columns", Kind::Boolean),
            ("where_clause", Kind::Text),
        ],
    ),
    (
        "system_schema",
        "columns",
        &[
            ("keyspace_name", Kind::Text),
            ("table_name", Kind::Text),
            ("column_name", Kind::Text),
            ("clustering_order", Kind::Text),
            ("column_name_bytes", Kind::Blob),
            ("kind", Kind::Text),
            ("position", Kind::Int),
            ("type", Kind::Text),
        ],
    ),
    (
        "system_schema",
        "column_masks",
        &[
            ("keyspace_name", Kind::Text),
            ("table_name", Kind::Text),
            ("column_name", Kind::Text),
            ("function_argument_nulls", Kind::TextList),
            ("function_argument_types", Kind::TextList),
            ("function_argument_values", Kind::TextList),
            ("function_keyspace", Kind::Text),
            ("function_name", Kind::Text),
        ],
    ),
    (
        "system_schema",
        "dropped_columns",
        &[
            ("keyspace_name", Kind::Text),
            ("table_name", Kind::Text),
            ("column_name", Kind::Text),
            ("kind", Kind::Text),
            ("type", Kind::Text),
        ],
    ),
    (
        "system_schema",
        "types",
        &[
            ("keyspace_name", Kind::Text),
            ("type_name", Kind::Text),
            ("field_names", Kind::TextList),
            ("field_types", Kind::TextList),
        ],
    ),
    (
        "system_schema",
        "functions",
        &[
            ("keyspace_name", Kind::Text),
            ("function_name", Kind::Text),
            ("argument_types", Kind::TextList),
            ("argument_names", Kind::TextList),
            ("body", Kind::Text),
            ("called_on_null_input", Kind::Boolean),
            ("language", Kind::Text),
            ("return_type", Kind::Text),
        ],
    ),
    (
        "system_schema",
        "aggregates",
        &[
            ("keyspace_name", Kind::Text),
            ("aggregate_name", Kind::Text),
            ("argument_types", Kind::TextList),
            ("final_func", Kind::Text),
            ("initcond", Kind::Text),
            ("return_type", Kind::Text),
            ("state_func", Kind::Text),
            ("state_type", Kind::Text),
        ],
    ),
    (
        "system_schema",
        "triggers",
        &[
            ("keyspace_name", Kind::Text),
            ("table_name", Kind::Text),
            ("trigger_name", Kind::Text),
            ("options", Kind::TextMap),
        ],
    ),
    (
        "system_schema",
        "indexes",
        &[
            ("keyspace_name", Kind::Text),
            ("table_name", Kind::Text),
            ("index_name", Kind::Text),
            ("kind", Kind::Text),
            ("options", Kind::TextMap),
        ],
    ),
    (
        "system_virtual_schema",
        "keyspaces",
        &[("keyspace_name", Kind::Text)],
    ),
    (
        "system_virtual_schema",
        "tables",
        &[
            ("keyspace_name", Kind::Text),
            ("table_name", Kind::Text),
            ("comment", Kind::Text),
        ],
    ),
    (
        "system_virtual_schema",
        "columns",
        &[
            ("keyspace_name", Kind::Text),
            ("table_name", Kind::Text),
            ("column_name", Kind::Text),
            ("clustering_order", Kind::Text),
            ("column_name_bytes", Kind::Blob),
            ("kind", Kind::Text),
            ("position", Kind::Int),
            ("type", Kind::Text),
        ],
    ),
];

fn schema_tables() -> Vec<Table> {
    SCHEMA
        .iter()
        .map(|(keyspace, name, own)| {
            let options: &[(&str, Kind)] = match *name {
                "tables" | "views" if *keyspace == "system_schema" => TABLE_OPTIONS,
                _ => &[],
            };
            Table::new(*keyspace, *name, columns(own).chain(columns(options)))
        })
        .collect()
}
