//! Schema metadata: keyspaces, tables, views, types, functions and aggregates, as `system_schema` of Cassandra 3.0 to 5.0
//! (and DSE) describes them. Each element prints the CQL that makes an equal one.
//!
//! A [`Schema`] is an immutable snapshot; elements that did not change are shared between snapshots.

mod cql;
mod element;
mod function;
mod graph;
mod index;
mod keyspace;
mod options;
mod read;
mod rows;
mod table;
mod view;

pub use element::SchemaElement;
pub use function::{Aggregate, Function};
pub use graph::{Edge, EdgeEnd};
pub use index::{Index, IndexKind};
pub use keyspace::{Keyspace, UserType};
pub use options::{OptionValue, TableOptions};
pub(crate) use read::read;
pub(crate) use rows::{Part, Scope};
pub use table::{Column, ColumnKind, Columns, Table, Trigger};
pub use view::MaterializedView;

use std::collections::BTreeMap;
use std::sync::Arc;

/// All keyspaces at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Schema {
    keyspaces: BTreeMap<Arc<str>, Arc<Keyspace>>,
}

impl Schema {
    /// The keyspaces by name.
    pub fn keyspaces(&self) -> &BTreeMap<Arc<str>, Arc<Keyspace>> {
        &self.keyspaces
    }

    /// The keyspace of this name, without quotes.
    pub fn keyspace(&self, name: &str) -> Option<&Arc<Keyspace>> {
        self.keyspaces.get(name)
    }

    /// The same but for one keyspace, which is as `read` has it, or gone.
    pub(crate) fn with_keyspace(&self, name: &str, read: &Self) -> Self {
        let mut keyspaces = self.keyspaces.clone();
        keyspaces.remove(name);
        keyspaces.extend(
            read.keyspaces
                .get_key_value(name)
                .map(|(name, keyspace)| (Arc::clone(name), Arc::clone(keyspace))),
        );
        Self { keyspaces }
    }

    /// The table of this name in a keyspace.
    pub fn table(&self, keyspace: &str, name: &str) -> Option<&Arc<Table>> {
        self.keyspace(keyspace)?.tables().get(name)
    }
}
