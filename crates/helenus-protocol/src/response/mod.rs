//! Responses: the bodies that a server sends, decoded and encoded, with what stands at their head.
//!
//! Native protocol v3, v4 and v5 §4.2; errors: v3 §8, v4 §9, v5 §8. At the head of a body, each announced by a flag of the
//! header: tracing id, warnings, custom payload (v4 §2.2, v5 §2.4.1.2).
//! Invariant: decoding allocates in proportion to the bytes received, and nothing at all for a plain Void.

mod auth;
mod columns;
mod error;
mod error_code;
mod event;
mod failures;
mod prepared;
mod result;
mod rows;
mod schema_change;
#[cfg(test)]
mod tests;
mod write_type;

pub use columns::SeenColumns;
pub use error::{ErrorDetails, ServerError};
pub use error_code::ErrorCode;
pub use event::{Event, StatusChange, TopologyChange};
pub use failures::{FailureReason, Failures};
pub use prepared::Prepared;
pub use result::ResultBody;
pub use rows::{Rows, RowsMetadata};
pub use schema_change::{SchemaChange, SchemaChangeTarget, SchemaChangeType};
pub use write_type::WriteType;

use std::collections::BTreeMap;

use bytes::{Buf as _, Bytes};
use uuid::Uuid;

use crate::notation::write;
use crate::request::{CustomPayload, encode_envelope, not_supported};
use crate::{
    Compression, Direction, EncodeError, EnvelopeFlags, EnvelopeHeader, Opcode, ProtocolError,
    ProtocolVersion, Reader,
};

/// A message from server to client.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Response {
    /// The request failed.
    Error(ServerError),
    /// The connection is ready; also the answer to REGISTER.
    Ready,
    /// The client has to authenticate.
    Authenticate {
        /// Class name of the server's authenticator.
        authenticator: String,
    },
    /// Options that the server supports, with their values.
    Supported(BTreeMap<String, Vec<String>>),
    /// The request succeeded.
    Result(ResultBody),
    /// Something happened that the client registered for. Comes on stream -1.
    Event(Event),
    /// The server's side of a round of authentication: its token.
    AuthChallenge(Option<Bytes>),
    /// The authentication succeeded: the last token.
    AuthSuccess(Option<Bytes>),
}

impl Response {
    /// The opcode of the envelope.
    pub fn opcode(&self) -> Opcode {
        match self {
            Self::Error(_) => Opcode::Error,
            Self::Ready => Opcode::Ready,
            Self::Authenticate { .. } => Opcode::Authenticate,
            Self::Supported(_) => Opcode::Supported,
            Self::Result(_) => Opcode::Result,
            Self::Event(_) => Opcode::Event,
            Self::AuthChallenge(_) => Opcode::AuthChallenge,
            Self::AuthSuccess(_) => Opcode::AuthSuccess,
        }
    }

    /// Rows are still without their content, which begins where `reader` is left.
    fn decode(
        opcode: Opcode,
        reader: &mut Reader<'_>,
        version: ProtocolVersion,
    ) -> Result<Self, ProtocolError> {
        Ok(match opcode {
            Opcode::Error => Self::Error(ServerError::decode(reader, version)?),
            Opcode::Ready => Self::Ready,
            Opcode::Authenticate => Self::Authenticate {
                authenticator: reader.read_string("authenticator")?.to_owned(),
            },
            Opcode::Supported => Self::Supported(reader.read_string_multimap("supported options")?),
            Opcode::Result => Self::Result(ResultBody::decode(reader, version)?),
            Opcode::Event => Self::Event(Event::decode(reader)?),
            Opcode::AuthChallenge => Self::AuthChallenge(auth::decode_token(reader)?),
            Opcode::AuthSuccess => Self::AuthSuccess(auth::decode_token(reader)?),
            _ => return Err(ProtocolError::WrongDirection),
        })
    }

    fn encode_body(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self {
            Self::Error(error) => error.encode(version, out),
            Self::Ready => Ok(()),
            Self::Authenticate { authenticator } => write::string(out, authenticator, "authenticator"),
            Self::Supported(options) => write::string_multimap(out, options.iter(), "supported options"),
            Self::Result(result) => result.encode(version, out),
            Self::Event(event) => event.encode(out),
            Self::AuthChallenge(token) | Self::AuthSuccess(token) => auth::encode_token(token, out),
        }
    }
}

/// A response, and what came at its head.
#[derive(Clone, Debug, PartialEq)]
pub struct ResponseEnvelope {
    /// Session id in `system_traces`, when the request asked for tracing.
    pub tracing_id: Option<Uuid>,
    /// What the server has to say about the request (v4 and later).
    pub warnings: Vec<String>,
    /// From a custom query handler (v4 and later).
    pub custom_payload: Option<CustomPayload>,
    /// The message.
    pub response: Response,
}

impl From<Response> for ResponseEnvelope {
    fn from(response: Response) -> Self {
        Self {
            tracing_id: None,
            warnings: Vec::new(),
            custom_payload: None,
            response,
        }
    }
}

impl ResponseEnvelope {
    /// Reads a response. `body` is decompressed, as an [`InboundDecoder`](crate::InboundDecoder) yields it.
    ///
    /// # Errors
    /// [`ProtocolError`] when the body is not what the header says. Bytes beyond the end of the message are ignored.
    pub fn decode(header: &EnvelopeHeader, mut body: Bytes) -> Result<Self, ProtocolError> {
        let version = header.version;
        let features = version.features();
        let mut reader = Reader::new(&body);
        let tracing_id = match header.flags.has(EnvelopeFlags::TRACING) {
            true => Some(reader.read_uuid("tracing id")?),
            false => None,
        };
        let warnings = match header.flags.has(EnvelopeFlags::WARNINGS) && features.warnings {
            true => reader.read_string_list("warnings")?,
            false => Vec::new(),
        };
        let custom_payload = match header.flags.has(EnvelopeFlags::CUSTOM_PAYLOAD) && features.custom_payload
        {
            true => Some(reader.read_bytes_map("custom payload")?),
            false => None,
        };
        let mut response = Response::decode(header.opcode, &mut reader, version)?;
        let start = body.len() - reader.remaining();
        if let Response::Result(ResultBody::Rows(rows)) = &mut response {
            body.advance(start);
            rows.content = body;
        }
        Ok(Self {
            tracing_id,
            warnings,
            custom_payload,
            response,
        })
    }

    /// Number of the continuous page (DSE) that this body is, and whether it is the last one; `None` when it is another
    /// message. Rows are not looked at.
    ///
    /// # Errors
    /// As [`ResponseEnvelope::decode`].
    pub fn continuous_page(
        header: &EnvelopeHeader,
        body: &[u8],
    ) -> Result<Option<(i32, bool)>, ProtocolError> {
        let features = header.version.features();
        if header.opcode != Opcode::Result || !features.continuous_paging {
            return Ok(None);
        }
        let mut reader = Reader::new(body);
        if header.flags.has(EnvelopeFlags::TRACING) {
            reader.read_uuid("tracing id")?;
        }
        if header.flags.has(EnvelopeFlags::WARNINGS) {
            reader.read_string_list("warnings")?;
        }
        if header.flags.has(EnvelopeFlags::CUSTOM_PAYLOAD) {
            reader.read_bytes_map("custom payload")?;
        }
        match reader.read_int("kind of result")? {
            result::ROWS => RowsMetadata::read_continuous_page(&mut reader, header.version),
            _ => Ok(None),
        }
    }

    /// Appends a whole response envelope to `out`, its body compressed where that is asked for and makes it shorter
    /// (not in v5, where segments are).
    ///
    /// # Errors
    /// [`EncodeError`] when the version has no place for something, or something is too long. `out` is as it was.
    pub fn encode(
        &self,
        version: ProtocolVersion,
        stream: i16,
        compression: Option<Compression>,
        out: &mut Vec<u8>,
    ) -> Result<(), EncodeError> {
        let features = version.features();
        let mut flags = EnvelopeFlags::default();
        if self.tracing_id.is_some() {
            flags = flags.with(EnvelopeFlags::TRACING);
        }
        if !self.warnings.is_empty() {
            if !features.warnings {
                return Err(not_supported("a warning", version));
            }
            flags = flags.with(EnvelopeFlags::WARNINGS);
        }
        if self.custom_payload.is_some() {
            if !features.custom_payload {
                return Err(not_supported("a custom payload", version));
            }
            flags = flags.with(EnvelopeFlags::CUSTOM_PAYLOAD);
        }
        let header = EnvelopeHeader {
            version,
            direction: Direction::Response,
            flags,
            stream,
            opcode: self.response.opcode(),
            length: 0,
        };
        encode_envelope(header, compression, 0, out, |out| {
            if let Some(id) = &self.tracing_id {
                write::uuid(out, id);
            }
            if !self.warnings.is_empty() {
                write::string_list(out, &self.warnings, "warnings")?;
            }
            if let Some(payload) = &self.custom_payload {
                write::bytes_map(out, payload.iter(), "custom payload")?;
            }
            self.response.encode_body(version, out)
        })
    }
}
