//! Options of tables and views: what stands behind WITH.

use std::collections::BTreeMap;
use std::fmt::{self, Display, Formatter};

use super::cql::{Text, TextMap, join};

/// The value of an option.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum OptionValue {
    /// `comment`, `speculative_retry`, `read_repair`, `memtable`...
    Text(String),
    /// `gc_grace_seconds`, `default_time_to_live`...
    Int(i32),
    /// `bloom_filter_fp_chance`, `crc_check_chance`...
    Double(f64),
    /// `cdc`, `incremental_backups`...
    Boolean(bool),
    /// `compaction`, `compression`, `caching`...
    Map(BTreeMap<String, String>),
    /// `extensions`: what tools have stored.
    Extensions(BTreeMap<String, Vec<u8>>),
}

impl Display for OptionValue {
    /// As CQL writes it.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => Text(text).fmt(f),
            Self::Int(number) => number.fmt(f),
            // With a point, also where it is whole.
            Self::Double(number) => write!(f, "{number:?}"),
            Self::Boolean(value) => value.fmt(f),
            Self::Map(map) => TextMap(map).fmt(f),
            Self::Extensions(map) => {
                let hex = |bytes: &[u8]| join("", bytes.iter().map(|byte| format!("{byte:02x}")));
                let pairs = map
                    .iter()
                    .map(|(name, bytes)| format!("{}: 0x{}", Text(name), hex(bytes)));
                write!(f, "{{{}}}", join(", ", pairs))
            }
        }
    }
}

/// Options by name.
pub type TableOptions = BTreeMap<String, OptionValue>;

/// The extension with the name of the column that says who may see a row (DSE).
pub(super) const ROW_ACCESS: &str = "DSE_RLACA";

/// The options of a CREATE statement, without those that say what the server does anyway and that older ones do not know,
/// and without what other statements set.
pub(super) fn as_cql(options: &TableOptions) -> impl Iterator<Item = String> {
    options
        .iter()
        .filter(|(name, value)| !is_default(name, value))
        .map(|(name, value)| format!("{name} = {value}"))
}

fn is_default(name: &str, value: &OptionValue) -> bool {
    match (name, value) {
        ("cdc", OptionValue::Boolean(false))
        | ("incremental_backups" | "allow_auto_snapshot", OptionValue::Boolean(true)) => true,
        ("memtable", OptionValue::Text(name)) => name == "default",
        ("extensions", OptionValue::Extensions(map)) => map.keys().all(|name| name == ROW_ACCESS),
        _ => false,
    }
}
