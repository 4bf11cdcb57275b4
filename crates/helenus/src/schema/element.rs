//! Elements of the schema by their names, and what differs between two snapshots.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use helenus_protocol::{SchemaChangeTarget, SchemaChangeType};

use super::{Keyspace, Schema};

/// Names an element of the schema. Names are without quotes.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SchemaElement {
    /// A keyspace.
    Keyspace(String),
    /// A table.
    Table {
        /// Its keyspace.
        keyspace: String,
        /// Its name.
        name: String,
    },
    /// A materialized view.
    View {
        /// Its keyspace.
        keyspace: String,
        /// Its name.
        name: String,
    },
    /// A user-defined type.
    Type {
        /// Its keyspace.
        keyspace: String,
        /// Its name.
        name: String,
    },
    /// A function.
    Function {
        /// Its keyspace.
        keyspace: String,
        /// Its name and the types of its arguments: `plus(int,int)`.
        signature: String,
    },
    /// An aggregate.
    Aggregate {
        /// Its keyspace.
        keyspace: String,
        /// Its name and the types of its arguments.
        signature: String,
    },
}

impl SchemaElement {
    /// What an event about it is about; of functions their signature is the name.
    pub(crate) fn into_target(self) -> SchemaChangeTarget {
        let arguments = Vec::new();
        match self {
            Self::Keyspace(_) => SchemaChangeTarget::Keyspace,
            Self::Table { name, .. } | Self::View { name, .. } => SchemaChangeTarget::Table { name },
            Self::Type { name, .. } => SchemaChangeTarget::Type { name },
            Self::Function { signature: name, .. } => SchemaChangeTarget::Function { name, arguments },
            Self::Aggregate { signature: name, .. } => SchemaChangeTarget::Aggregate { name, arguments },
        }
    }

    /// The keyspace that it is, or is in.
    pub fn keyspace(&self) -> &str {
        match self {
            Self::Keyspace(keyspace)
            | Self::Table { keyspace, .. }
            | Self::View { keyspace, .. }
            | Self::Type { keyspace, .. }
            | Self::Function { keyspace, .. }
            | Self::Aggregate { keyspace, .. } => keyspace,
        }
    }
}

impl fmt::Display for SchemaElement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Keyspace(keyspace) => write!(f, "keyspace {keyspace}"),
            Self::Table { keyspace, name } => write!(f, "table {keyspace}.{name}"),
            Self::View { keyspace, name } => write!(f, "view {keyspace}.{name}"),
            Self::Type { keyspace, name } => write!(f, "type {keyspace}.{name}"),
            Self::Function { keyspace, signature } => write!(f, "function {keyspace}.{signature}"),
            Self::Aggregate { keyspace, signature } => write!(f, "aggregate {keyspace}.{signature}"),
        }
    }
}

/// A change of the schema: what was done, and to what.
pub(crate) type Change = (SchemaChangeType, SchemaElement);

impl Schema {
    /// The same, but elements that are equal in `old` are those of `old`.
    pub(crate) fn sharing(mut self, old: &Self) -> Self {
        for (name, keyspace) in &mut self.keyspaces {
            if let Some(known) = old.keyspaces.get(name)
                && !Arc::ptr_eq(known, keyspace)
            {
                let shared = Keyspace::clone(keyspace).sharing(known);
                *keyspace = match shared == **known {
                    true => Arc::clone(known),
                    false => Arc::new(shared),
                };
            }
        }
        self
    }

    /// What has to happen to `old` to make it this: what was dropped first.
    pub(crate) fn changes_since(&self, old: &Self) -> Vec<Change> {
        let mut changes = Vec::new();
        let keyspace = |name: &Arc<str>| SchemaElement::Keyspace(name.to_string());
        for name in old
            .keyspaces
            .keys()
            .filter(|name| !self.keyspaces.contains_key(*name))
        {
            changes.push((SchemaChangeType::Dropped, keyspace(name)));
        }
        for (name, new) in &self.keyspaces {
            let old = old.keyspaces.get(name);
            if old.is_some_and(|old| Arc::ptr_eq(old, new)) {
                continue;
            }
            match old {
                None => changes.push((SchemaChangeType::Created, keyspace(name))),
                Some(old) if !old.is_alike(new) => changes.push((SchemaChangeType::Updated, keyspace(name))),
                Some(_) => {}
            }
            match old {
                Some(old) => new.changes_since(old, &mut changes),
                None => new.changes_since(&new.emptied(), &mut changes),
            }
        }
        changes
    }
}

impl Keyspace {
    /// The same with nothing in it.
    fn emptied(&self) -> Self {
        Self {
            types: BTreeMap::new(),
            tables: BTreeMap::new(),
            views: BTreeMap::new(),
            functions: BTreeMap::new(),
            aggregates: BTreeMap::new(),
            name: Arc::clone(&self.name),
            replication: self.replication.clone(),
            strategy: self.strategy.clone(),
            graph_engine: self.graph_engine.clone(),
            ..*self
        }
    }

    fn sharing(mut self, old: &Self) -> Self {
        share(&mut self.types, &old.types);
        share(&mut self.tables, &old.tables);
        share(&mut self.views, &old.views);
        share(&mut self.functions, &old.functions);
        share(&mut self.aggregates, &old.aggregates);
        self
    }

    /// Whether both are equal but for what is in them.
    fn is_alike(&self, other: &Self) -> bool {
        self.durable_writes == other.durable_writes
            && self.replication == other.replication
            && self.graph_engine == other.graph_engine
    }

    fn changes_since(&self, old: &Self, changes: &mut Vec<Change>) {
        let keyspace = || self.name.to_string();
        let ty = |name: &String| SchemaElement::Type {
            keyspace: keyspace(),
            name: name.clone(),
        };
        let table = |name: &String| SchemaElement::Table {
            keyspace: keyspace(),
            name: name.clone(),
        };
        let view = |name: &String| SchemaElement::View {
            keyspace: keyspace(),
            name: name.clone(),
        };
        let function = |signature: &String| SchemaElement::Function {
            keyspace: keyspace(),
            signature: signature.clone(),
        };
        let aggregate = |signature: &String| SchemaElement::Aggregate {
            keyspace: keyspace(),
            signature: signature.clone(),
        };
        dropped(&self.views, &old.views, view, changes);
        dropped(&self.tables, &old.tables, table, changes);
        dropped(&self.aggregates, &old.aggregates, aggregate, changes);
        dropped(&self.functions, &old.functions, function, changes);
        dropped(&self.types, &old.types, ty, changes);
        made(&self.types, &old.types, ty, changes);
        made(&self.functions, &old.functions, function, changes);
        made(&self.aggregates, &old.aggregates, aggregate, changes);
        made(&self.tables, &old.tables, table, changes);
        made(&self.views, &old.views, view, changes);
    }
}

type Elements<T> = BTreeMap<String, Arc<T>>;

fn share<T: PartialEq>(new: &mut Elements<T>, old: &Elements<T>) {
    for (name, element) in new {
        if let Some(known) = old.get(name).filter(|known| **known == *element) {
            *element = Arc::clone(known);
        }
    }
}

fn dropped<T>(
    new: &Elements<T>,
    old: &Elements<T>,
    element: impl Fn(&String) -> SchemaElement,
    changes: &mut Vec<Change>,
) {
    let gone = old.keys().filter(|name| !new.contains_key(*name));
    changes.extend(gone.map(|name| (SchemaChangeType::Dropped, element(name))));
}

fn made<T: PartialEq>(
    new: &Elements<T>,
    old: &Elements<T>,
    element: impl Fn(&String) -> SchemaElement,
    changes: &mut Vec<Change>,
) {
    for (name, now) in new {
        match old.get(name) {
            None => changes.push((SchemaChangeType::Created, element(name))),
            Some(before) if !Arc::ptr_eq(before, now) && before != now => {
                changes.push((SchemaChangeType::Updated, element(name)));
            }
            Some(_) => {}
        }
    }
}
