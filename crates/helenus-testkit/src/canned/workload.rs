//! The statements of the benchmark, and what is answered to them.
//!
//! The same statements run against a real node: [`Workload::schema`] makes the tables there.

use std::sync::Arc;

use helenus_protocol::{CqlType, NativeType, Rows};

use super::growing::{self, Growing, Shape};
use super::rows;
use crate::fake::{Statement, Topology, column_specs};

/// The keyspace of all tables.
pub const KEYSPACE: &str = "bench";

/// How many floats a vector of [`Workload::W4`] has.
pub(super) const DIMENSIONS: usize = 768;

/// One of the benchmark's statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Workload {
    /// Insert of an int and a text of 100 bytes.
    W1,
    /// Select of one such row.
    W2,
    /// 50,000 rows of ten columns in pages of 5,000.
    W3,
    /// The same, five columns of fixed width.
    W3n,
    /// 1,000 rows with a vector of 768 floats in pages of 250.
    W4,
    /// Select of one blob of 1 MiB.
    W7r,
    /// Insert of one blob of 1 MiB.
    W7w,
    /// A select whose answer is one of several sizes. Only the canned responder has these.
    Growing(&'static Growing),
}

impl Workload {
    /// All but those that grow.
    pub const ALL: [Self; 7] = [
        Self::W1,
        Self::W2,
        Self::W3,
        Self::W3n,
        Self::W4,
        Self::W7r,
        Self::W7w,
    ];

    /// All of them, those that grow last.
    pub fn every() -> impl Iterator<Item = Self> {
        Self::ALL
            .into_iter()
            .chain(growing::ALL.iter().map(Self::Growing))
    }

    /// The name that reports use.
    pub fn name(self) -> &'static str {
        match self {
            Self::W1 => "w1",
            Self::W2 => "w2",
            Self::W3 => "w3",
            Self::W3n => "w3n",
            Self::W4 => "w4",
            Self::W7r => "w7r",
            Self::W7w => "w7w",
            Self::Growing(growing) => growing.name,
        }
    }

    /// The text to prepare.
    pub fn text(self) -> &'static str {
        match self {
            Self::W1 => "INSERT INTO bench.w1 (k, v) VALUES (?, ?)",
            Self::W2 => "SELECT k, v FROM bench.w1 WHERE k = ?",
            Self::W3 => {
                "SELECT c_int, c_bigint, c_text, c_double, c_boolean, c_timestamp, c_uuid, c_blob, c_list, c_decimal \
                 FROM bench.w3 WHERE p = ?"
            }
            Self::W3n => "SELECT c_int, c_bigint, c_double, c_boolean, c_timestamp FROM bench.w3 WHERE p = ?",
            Self::W4 => "SELECT k, v FROM bench.w4 WHERE p = ?",
            Self::W7r => "SELECT v FROM bench.w7 WHERE k = ?",
            Self::W7w => "INSERT INTO bench.w7 (k, v) VALUES (?, ?)",
            Self::Growing(growing) => growing.text,
        }
    }

    /// How many pages the answer has; 0 for Void.
    pub fn pages(self) -> usize {
        match self {
            Self::W1 | Self::W7w => 0,
            Self::W2 | Self::W7r | Self::Growing(_) => 1,
            Self::W3 | Self::W3n => 10,
            Self::W4 => 4,
        }
    }

    /// The rows of a page, without a paging state.
    pub(super) fn page(self, page: usize) -> Option<Rows> {
        let columns = column_specs(KEYSPACE, self.table(), self.columns());
        match self {
            Self::W1 | Self::W7w => None,
            Self::W2 => Some(rows::generate(columns, 0..1, rows::short)),
            Self::W3 => Some(rows::generate(
                columns,
                page * 5_000..(page + 1) * 5_000,
                rows::ten_columns,
            )),
            Self::W3n => Some(rows::generate(
                columns,
                page * 5_000..(page + 1) * 5_000,
                rows::five_columns,
            )),
            Self::W4 => Some(rows::generate(
                columns,
                page * 250..(page + 1) * 250,
                rows::vector,
            )),
            Self::W7r => Some(rows::generate(columns, 0..1, rows::large_blob)),
            Self::Growing(growing) => Some(match growing.shape {
                Shape::Ints(count) => rows::wide(columns, count, rows::int),
                Shape::Texts(count) => rows::wide(columns, count, rows::text),
                Shape::Rows(count) => rows::generate(columns, 0..count, rows::short),
            }),
        }
    }

    /// Markers and columns, for PREPARED.
    pub(super) fn statement(self) -> Statement {
        let key = match self {
            Self::W1 | Self::W2 | Self::W7r | Self::W7w | Self::Growing(_) => "k",
            Self::W3 | Self::W3n | Self::W4 => "p",
        };
        let mut markers = vec![(key, NativeType::Int.into())];
        match self {
            Self::W1 => markers.push(("v", NativeType::Text.into())),
            Self::W7w => markers.push(("v", NativeType::Blob.into())),
            _ => {}
        }
        let statement = Statement::new(self.text())
            .table(KEYSPACE, self.table())
            .bind(markers)
            .partition_key([0]);
        match self.pages() {
            0 => statement,
            _ => statement.columns(self.columns()),
        }
    }

    fn table(self) -> &'static str {
        match self {
            Self::W1 | Self::W2 => "w1",
            Self::W3 | Self::W3n => "w3",
            Self::W4 => "w4",
            Self::W7r | Self::W7w => "w7",
            Self::Growing(growing) => growing.name,
        }
    }

    fn columns(self) -> Vec<(&'static str, CqlType)> {
        use NativeType::{BigInt, Blob, Boolean, Decimal, Double, Float, Int, Text, Timestamp, Uuid};
        match self {
            Self::W1 | Self::W7w => Vec::new(),
            Self::W2 => vec![("k", Int.into()), ("v", Text.into())],
            Self::W3 => vec![
                ("c_int", Int.into()),
                ("c_bigint", BigInt.into()),
                ("c_text", Text.into()),
                ("c_double", Double.into()),
                ("c_boolean", Boolean.into()),
                ("c_timestamp", Timestamp.into()),
                ("c_uuid", Uuid.into()),
                ("c_blob", Blob.into()),
                ("c_list", CqlType::List(Arc::new(Int.into()))),
                ("c_decimal", Decimal.into()),
            ],
            Self::W3n => vec![
                ("c_int", Int.into()),
                ("c_bigint", BigInt.into()),
                ("c_double", Double.into()),
                ("c_boolean", Boolean.into()),
                ("c_timestamp", Timestamp.into()),
            ],
            Self::W4 => vec![("k", Int.into()), ("v", CqlType::vector(Float, DIMENSIONS))],
            Self::W7r => vec![("v", Blob.into())],
            Self::Growing(growing) => growing.columns(),
        }
    }

    /// CQL that makes the keyspace and all tables, one statement each.
    pub fn schema() -> [&'static str; 5] {
        [
            "CREATE KEYSPACE IF NOT EXISTS bench WITH replication = \
             {'class': 'SimpleStrategy', 'replication_factor': 1}",
            "CREATE TABLE IF NOT EXISTS bench.w1 (k int PRIMARY KEY, v text)",
            "CREATE TABLE IF NOT EXISTS bench.w3 (p int, c_int int, c_bigint bigint, c_text text, c_double double, \
             c_boolean boolean, c_timestamp timestamp, c_uuid uuid, c_blob blob, c_list list<int>, c_decimal decimal, \
             PRIMARY KEY (p, c_int))",
            "CREATE TABLE IF NOT EXISTS bench.w4 (p int, k int, v vector<float, 768>, PRIMARY KEY (p, k))",
            "CREATE TABLE IF NOT EXISTS bench.w7 (k int PRIMARY KEY, v blob)",
        ]
    }

    /// The same schema as system tables show it.
    pub(super) fn describe(topology: &mut Topology) {
        let replication = [
            ("class", "org.apache.cassandra.locator.SimpleStrategy"),
            ("replication_factor", "1"),
        ];
        topology.add_keyspace(KEYSPACE, &replication);
        let key = ("k", "int", "partition_key", 0);
        topology.add_table(KEYSPACE, "w1", &[key, ("v", "text", "regular", -1)]);
        topology.add_table(KEYSPACE, "w7", &[key, ("v", "blob", "regular", -1)]);
        let partition = ("p", "int", "partition_key", 0);
        topology.add_table(
            KEYSPACE,
            "w4",
            &[
                partition,
                ("k", "int", "clustering", 0),
                ("v", "vector<float, 768>", "regular", -1),
            ],
        );
        topology.add_table(
            KEYSPACE,
            "w3",
            &[
                partition,
                ("c_int", "int", "clustering", 0),
                ("c_bigint", "bigint", "regular", -1),
                ("c_text", "text", "regular", -1),
                ("c_double", "double", "regular", -1),
                ("c_boolean", "boolean", "regular", -1),
                ("c_timestamp", "timestamp", "regular", -1),
                ("c_uuid", "uuid", "regular", -1),
                ("c_blob", "blob", "regular", -1),
                ("c_list", "list<int>", "regular", -1),
                ("c_decimal", "decimal", "regular", -1),
            ],
        );
    }
}
