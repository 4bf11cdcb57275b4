//! Changes of the schema: the body of a RESULT of that kind, and of an event.
//!
//! Native protocol v3, v4 and v5 §4.2.5.5 and §4.2.6: `<change_type><target><options>`.

use std::fmt;

use crate::notation::write;
use crate::{EncodeError, ProtocolError, Reader};

/// A change of the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaChange {
    /// What was done.
    pub change: SchemaChangeType,
    /// The keyspace it was done to, or in.
    pub keyspace: String,
    /// What it was done to.
    pub target: SchemaChangeTarget,
}

/// What was done to a part of the schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SchemaChangeType {
    /// It is new.
    Created,
    /// It changed.
    Updated,
    /// It is gone.
    Dropped,
}

/// A part of the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SchemaChangeTarget {
    /// The keyspace itself.
    Keyspace,
    /// A table or materialized view; an index counts as a change of its table.
    Table {
        /// Its name.
        name: String,
    },
    /// A user-defined type.
    Type {
        /// Its name.
        name: String,
    },
    /// A user-defined function.
    Function {
        /// Its name.
        name: String,
        /// Types of its arguments, as CQL.
        arguments: Vec<String>,
    },
    /// A user-defined aggregate.
    Aggregate {
        /// Its name.
        name: String,
        /// Types of its arguments, as CQL.
        arguments: Vec<String>,
    },
}

impl SchemaChange {
    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, ProtocolError> {
        let change = match reader.read_string("type of schema change")? {
            "CREATED" => SchemaChangeType::Created,
            "UPDATED" => SchemaChangeType::Updated,
            "DROPPED" => SchemaChangeType::Dropped,
            other => return Err(unknown("type of schema change", other)),
        };
        let target = reader.read_string("target of a schema change")?;
        let keyspace = reader.read_string("keyspace")?.to_owned();
        let target = match target {
            "KEYSPACE" => SchemaChangeTarget::Keyspace,
            "TABLE" => SchemaChangeTarget::Table {
                name: reader.read_string("table")?.to_owned(),
            },
            "TYPE" => SchemaChangeTarget::Type {
                name: reader.read_string("type")?.to_owned(),
            },
            "FUNCTION" => SchemaChangeTarget::Function {
                name: reader.read_string("function")?.to_owned(),
                arguments: reader.read_string_list("argument types")?,
            },
            "AGGREGATE" => SchemaChangeTarget::Aggregate {
                name: reader.read_string("aggregate")?.to_owned(),
                arguments: reader.read_string_list("argument types")?,
            },
            other => return Err(unknown("target of a schema change", other)),
        };
        Ok(Self {
            change,
            keyspace,
            target,
        })
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        write::string(out, self.change.name(), "type of schema change")?;
        write::string(out, self.target.kind(), "target of a schema change")?;
        write::string(out, &self.keyspace, "keyspace")?;
        match &self.target {
            SchemaChangeTarget::Keyspace => Ok(()),
            SchemaChangeTarget::Table { name } => write::string(out, name, "table"),
            SchemaChangeTarget::Type { name } => write::string(out, name, "type"),
            SchemaChangeTarget::Function { name, arguments } => {
                write::string(out, name, "function")?;
                write::string_list(out, arguments, "argument types")
            }
            SchemaChangeTarget::Aggregate { name, arguments } => {
                write::string(out, name, "aggregate")?;
                write::string_list(out, arguments, "argument types")
            }
        }
    }
}

impl SchemaChangeType {
    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::Created => "CREATED",
            Self::Updated => "UPDATED",
            Self::Dropped => "DROPPED",
        }
    }
}

impl fmt::Display for SchemaChangeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl SchemaChangeTarget {
    /// The kind of target, by its name on the wire.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Keyspace => "KEYSPACE",
            Self::Table { .. } => "TABLE",
            Self::Type { .. } => "TYPE",
            Self::Function { .. } => "FUNCTION",
            Self::Aggregate { .. } => "AGGREGATE",
        }
    }
}

fn unknown(what: &'static str, value: &str) -> ProtocolError {
    ProtocolError::UnknownName {
        what,
        value: value.to_owned(),
    }
}
