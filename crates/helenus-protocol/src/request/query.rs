//! QUERY: run CQL text, with values bound to its markers.
//!
//! Native protocol v3, v4 and v5 §4.1.4.

use super::QueryParameters;
use crate::notation::write;
use crate::{EncodeError, ProtocolError, ProtocolVersion, Reader};

/// Runs CQL text.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Query<'a> {
    /// The CQL.
    pub text: &'a str,
    /// How to run it.
    pub parameters: QueryParameters<'a>,
}

impl<'a> Query<'a> {
    pub(super) fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        write::long_string(out, self.text, "query")?;
        self.parameters.encode(version, out)
    }

    pub(super) fn decode(reader: &mut Reader<'a>, version: ProtocolVersion) -> Result<Self, ProtocolError> {
        Ok(Self {
            text: reader.read_long_string("query")?,
            parameters: QueryParameters::decode(reader, version)?,
        })
    }
}
