//! STARTUP, REGISTER and AUTH_RESPONSE: what is said before, or beside, statements.
//!
//! Native protocol v3, v4 and v5 §4.1.1, §4.1.2 and §4.1.8.

use std::fmt;

use crate::notation::write;
use crate::{Compression, EncodeError, ProtocolError, Reader};

/// Begins a connection. Only CQL_VERSION is required; servers ignore keys that they do not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Startup {
    /// Keys and values, in the order in which they are sent.
    pub options: Vec<(String, String)>,
}

impl Startup {
    /// Version of CQL; "3.0.0" is the only one.
    pub const CQL_VERSION: &str = "CQL_VERSION";
    /// Compression of the connection: "lz4" or "snappy".
    pub const COMPRESSION: &str = "COMPRESSION";
    /// Name of the driver, shown by `nodetool clientstats`.
    pub const DRIVER_NAME: &str = "DRIVER_NAME";
    /// Version of the driver.
    pub const DRIVER_VERSION: &str = "DRIVER_VERSION";
    /// An id of the client, the same on all its connections.
    pub const CLIENT_ID: &str = "CLIENT_ID";
    /// Name of the application.
    pub const APPLICATION_NAME: &str = "APPLICATION_NAME";
    /// Version of the application.
    pub const APPLICATION_VERSION: &str = "APPLICATION_VERSION";
    /// "true" shows COMPACT STORAGE tables as if they were none.
    pub const NO_COMPACT: &str = "NO_COMPACT";
    /// "1" has an overloaded server answer OVERLOADED instead of applying back-pressure.
    pub const THROW_ON_OVERLOAD: &str = "THROW_ON_OVERLOAD";

    /// STARTUP with CQL_VERSION alone.
    pub fn new() -> Self {
        Self {
            options: vec![(Self::CQL_VERSION.to_owned(), "3.0.0".to_owned())],
        }
    }

    /// The same with another option; an option of this name is replaced.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        let value = value.into();
        match self.options.iter_mut().find(|(name, _)| name == key) {
            Some((_, old)) => *old = value,
            None => self.options.push((key.to_owned(), value)),
        }
        self
    }

    /// The same with COMPRESSION, when there is to be one.
    #[must_use]
    pub fn with_compression(self, compression: Option<Compression>) -> Self {
        match compression {
            Some(compression) => self.with(Self::COMPRESSION, compression.name()),
            None => self,
        }
    }

    /// The value of an option.
    pub fn get(&self, key: &str) -> Option<&str> {
        let found = self.options.iter().find(|(name, _)| name == key);
        found.map(|(_, value)| value.as_str())
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let options = self.options.iter();
        write::string_map(
            out,
            options.map(|(key, value)| (key.as_str(), value.as_str())),
            "startup options",
        )
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, ProtocolError> {
        Ok(Self {
            options: reader.read_string_map("startup options")?,
        })
    }
}

impl Default for Startup {
    fn default() -> Self {
        Self::new()
    }
}

/// A kind of event that a client can ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// Nodes that join, leave or move.
    TopologyChange,
    /// Nodes that go up or down.
    StatusChange,
    /// Changes of the schema.
    SchemaChange,
}

impl EventKind {
    /// All kinds.
    pub const ALL: [Self; 3] = [Self::TopologyChange, Self::StatusChange, Self::SchemaChange];

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::TopologyChange => "TOPOLOGY_CHANGE",
            Self::StatusChange => "STATUS_CHANGE",
            Self::SchemaChange => "SCHEMA_CHANGE",
        }
    }

    /// The kind of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Asks for events on this connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Register {
    /// The kinds wanted.
    pub events: Vec<EventKind>,
}

impl Register {
    pub(super) fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let what = "kinds of events";
        write::short_length(out, self.events.len(), what)?;
        self.events
            .iter()
            .try_for_each(|kind| write::string(out, kind.name(), what))
    }

    pub(super) fn decode(reader: &mut Reader<'_>) -> Result<Self, ProtocolError> {
        let count = reader.read_short_count(2, "kinds of events")?;
        let mut events = Vec::with_capacity(count);
        for _ in 0..count {
            let name = reader.read_string("kind of event")?;
            events.push(
                EventKind::from_name(name).ok_or_else(|| ProtocolError::UnknownName {
                    what: "kind of event",
                    value: name.to_owned(),
                })?,
            );
        }
        Ok(Self { events })
    }
}

/// The client's side of one round of authentication. The token's meaning is the authenticator's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AuthResponse<'a> {
    /// The token; `None` is null.
    pub token: Option<&'a [u8]>,
}

impl<'a> AuthResponse<'a> {
    pub(super) fn encode(&self, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        write::bytes(out, self.token, "authentication token")
    }

    pub(super) fn decode(reader: &mut Reader<'a>) -> Result<Self, ProtocolError> {
        Ok(Self {
            token: reader.read_bytes("authentication token")?,
        })
    }
}
