//! A cluster of many fake nodes with a large schema: what a driver has to take in when it starts.
//!
//! Everything follows from the numbers: the same ones give the same tokens, tables and columns.

use std::io;

use super::cluster::FakeCluster;
use super::script::Script;

/// How large a cluster is.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Nodes, in one datacenter with three racks.
    pub nodes: usize,
    /// Tokens of each node.
    pub tokens: usize,
    /// Tables, a hundred in each keyspace.
    pub tables: usize,
}

/// Columns of each table, one of them the partition key and one a clustering column.
const COLUMNS: usize = 10;

/// Tables of each keyspace.
const TABLES_OF_KEYSPACE: usize = 100;

const TYPES: [&str; 8] = [
    "text",
    "int",
    "bigint",
    "map<text, frozen<list<int>>>",
    "timestamp",
    "uuid",
    "blob",
    "set<text>",
];

/// Starts it. Requests are counted, not kept.
///
/// # Errors
/// [`io::Error`] when no port is free on all addresses.
pub async fn start(size: Size) -> io::Result<FakeCluster> {
    let script = Script::new().without_recording();
    let cluster = FakeCluster::start(&[("datacenter1", size.nodes)], script).await?;
    cluster.topology(|topology| {
        for (number, node) in (0_u64..).zip(&mut topology.nodes) {
            node.rack = format!("rack{}", number % 3 + 1);
            let first = number << 32;
            let tokens = (first..).take(size.tokens);
            node.tokens = tokens
                .map(|seed| scatter(seed).cast_signed().to_string())
                .collect();
        }
        let replication = [
            ("class", "org.apache.cassandra.locator.NetworkTopologyStrategy"),
            ("datacenter1", "3"),
        ];
        let names: Vec<_> = (0..COLUMNS).map(|column| format!("column_{column}")).collect();
        let columns: Vec<_> = (names.iter().map(String::as_str).zip(TYPES.into_iter().cycle()))
            .enumerate()
            .map(|(at, (name, ty))| match at {
                0 => (name, ty, "partition_key", 0),
                1 => (name, ty, "clustering", 0),
                _ => (name, ty, "regular", -1),
            })
            .collect();
        for number in 0..size.tables {
            let keyspace = format!("keyspace_{}", number / TABLES_OF_KEYSPACE);
            if number % TABLES_OF_KEYSPACE == 0 {
                topology.add_keyspace(&keyspace, &replication);
            }
            topology.add_table(&keyspace, &format!("table_{number}"), &columns);
        }
    });
    Ok(cluster)
}

/// A number that looks like chance: SplitMix64.
fn scatter(seed: u64) -> u64 {
    let mut number = seed.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
