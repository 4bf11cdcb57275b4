//! Secondary indexes: built in, SASI and SAI.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::cql::{Name, Qualified, Text};
use super::table::options_as_cql;

/// How an index is stored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum IndexKind {
    /// Built in, on the keys of compact tables.
    Keys,
    /// Built in.
    Composites,
    /// By the class that its option `class_name` names: SASI, SAI and others.
    Custom,
    /// One that is not known here.
    Other(String),
}

impl IndexKind {
    pub(super) fn from_text(text: &str) -> Self {
        match text {
            "KEYS" => Self::Keys,
            "COMPOSITES" => Self::Composites,
            "CUSTOM" => Self::Custom,
            other => Self::Other(other.to_owned()),
        }
    }

    /// As `system_schema.indexes` writes it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Keys => "KEYS",
            Self::Composites => "COMPOSITES",
            Self::Custom => "CUSTOM",
            Self::Other(other) => other,
        }
    }
}

/// A secondary index.
#[derive(Clone, Debug, PartialEq)]
pub struct Index {
    pub(super) keyspace: Arc<str>,
    pub(super) table: String,
    pub(super) name: String,
    pub(super) kind: IndexKind,
    pub(super) options: BTreeMap<String, String>,
}

impl Index {
    /// Its name, of which there is one in a keyspace.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its table.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// How it is stored.
    pub fn kind(&self) -> &IndexKind {
        &self.kind
    }

    /// What is indexed, as CQL: `email`, `values(tags)`, `"Name"`.
    pub fn target(&self) -> &str {
        self.options.get("target").map(String::as_str).unwrap_or_default()
    }

    /// The class of a custom index.
    pub fn class_name(&self) -> Option<&str> {
        self.options.get("class_name").map(String::as_str)
    }

    /// Its options, `target` and `class_name` among them.
    pub fn options(&self) -> &BTreeMap<String, String> {
        &self.options
    }

    /// CREATE INDEX.
    pub fn create_statement(&self) -> String {
        let (name, table) = (Name(&self.name), Qualified(&self.keyspace, &self.table));
        let target = self.target();
        let Some(class) = self.class_name().filter(|_| self.kind == IndexKind::Custom) else {
            return format!("CREATE INDEX {name} ON {table} ({target})");
        };
        let mut others = self.options.clone();
        others.retain(|name, _| name != "target" && name != "class_name");
        let written = format!(
            "CREATE CUSTOM INDEX {name} ON {table} ({target}) USING {}",
            Text(class)
        );
        if others.is_empty() {
            written
        } else {
            format!("{written} WITH OPTIONS = {}", options_as_cql(&others))
        }
    }
}
