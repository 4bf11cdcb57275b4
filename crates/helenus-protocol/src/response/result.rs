//! RESULT: what a successful statement gives.
//!
//! Native protocol v3, v4 and v5 §4.2.5: the kind (`[int]`), then what belongs to it.

use super::{Prepared, Rows, SchemaChange};
use crate::notation::write;
use crate::{EncodeError, ProtocolError, ProtocolVersion, Reader};

const VOID: i32 = 0x0001;
pub(super) const ROWS: i32 = 0x0002;
const SET_KEYSPACE: i32 = 0x0003;
const PREPARED: i32 = 0x0004;
const SCHEMA_CHANGE: i32 = 0x0005;

/// What a successful statement gives.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ResultBody {
    /// Nothing.
    Void,
    /// A page of rows.
    Rows(Rows),
    /// The connection now works in this keyspace.
    SetKeyspace(String),
    /// A statement was prepared.
    Prepared(Prepared),
    /// The schema changed.
    SchemaChange(SchemaChange),
}

impl ResultBody {
    /// `reader` stands within `body`, at the kind.
    /// Rows are still without their content, which begins where `reader` is left.
    pub(super) fn decode(reader: &mut Reader<'_>, version: ProtocolVersion) -> Result<Self, ProtocolError> {
        Ok(match reader.read_int("kind of result")? {
            VOID => Self::Void,
            ROWS => Self::Rows(Rows::decode(reader, version)?),
            SET_KEYSPACE => Self::SetKeyspace(reader.read_string("keyspace")?.to_owned()),
            PREPARED => Self::Prepared(Prepared::decode(reader, version)?),
            SCHEMA_CHANGE => Self::SchemaChange(SchemaChange::decode(reader)?),
            code => {
                return Err(ProtocolError::UnknownCode {
                    what: "kind of result",
                    code: code.into(),
                });
            }
        })
    }

    pub(super) fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self {
            Self::Void => write::int(out, VOID),
            Self::Rows(rows) => {
                write::int(out, ROWS);
                rows.encode(version, out)?;
            }
            Self::SetKeyspace(keyspace) => {
                write::int(out, SET_KEYSPACE);
                write::string(out, keyspace, "keyspace")?;
            }
            Self::Prepared(prepared) => {
                write::int(out, PREPARED);
                prepared.encode(version, out)?;
            }
            Self::SchemaChange(change) => {
                write::int(out, SCHEMA_CHANGE);
                change.encode(out)?;
            }
        }
        Ok(())
    }
}
