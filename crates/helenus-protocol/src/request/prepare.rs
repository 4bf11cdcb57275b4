//! PREPARE: have the server parse CQL text once, to run it many times by its id.
//!
//! Native protocol v3, v4 and v5 §4.1.5; v5 and DSE_V2 add flags (`[int]`) and a keyspace.

use super::not_supported;
use crate::notation::write;
use crate::{EncodeError, ProtocolError, ProtocolVersion, Reader};

const WITH_KEYSPACE: i32 = 0x01;

/// Prepares CQL text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prepare<'a> {
    /// The CQL.
    pub text: &'a str,
    /// Keyspace in which unqualified names are looked up (v5, DSE_V2).
    pub keyspace: Option<&'a str>,
}

impl<'a> Prepare<'a> {
    pub(super) fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        write::long_string(out, self.text, "query")?;
        match (version.features().keyspace_per_request, self.keyspace) {
            (true, None) => write::int(out, 0),
            (true, Some(keyspace)) => {
                write::int(out, WITH_KEYSPACE);
                write::string(out, keyspace, "keyspace")?;
            }
            (false, None) => {}
            (false, Some(_)) => return Err(not_supported("a keyspace per request", version)),
        }
        Ok(())
    }

    pub(super) fn decode(reader: &mut Reader<'a>, version: ProtocolVersion) -> Result<Self, ProtocolError> {
        let text = reader.read_long_string("query")?;
        let flags = match version.features().keyspace_per_request {
            true => reader.read_int("flags")?,
            false => 0,
        };
        let keyspace = match flags & WITH_KEYSPACE {
            0 => None,
            _ => Some(reader.read_string("keyspace")?),
        };
        Ok(Self { text, keyspace })
    }
}
