//! Requests: the bodies that a client sends, encoded and decoded, and whole request envelopes.
//!
//! Native protocol v3, v4 and v5 §4.1; DSE_V1 and DSE_V2 add REVISE. A request borrows what it carries, so that sending
//! one copies each value once, into the buffer of the connection, and allocates nothing.
//! Invariant: encoding either appends a whole envelope or leaves the buffer as it was.

mod batch;
mod execute;
mod flags;
mod handshake;
mod parameters;
mod prepare;
mod query;
mod revise;
#[cfg(test)]
mod tests;
mod values;

pub use batch::{Batch, BatchEntry, BatchKind};
pub use execute::{Execute, PlainExecute, encode_execute};
pub use handshake::{AuthResponse, EventKind, Register, Startup};
pub use parameters::{ContinuousPaging, QueryParameters};
pub use prepare::Prepare;
pub use query::Query;
pub use revise::Revise;
pub use values::{Values, ValuesIter};

use std::collections::HashMap;

use bytes::Bytes;

use crate::notation::write;
use crate::{
    Compression, Direction, EncodeError, EnvelopeFlags, EnvelopeHeader, HEADER_LENGTH, MAX_BODY_LENGTH,
    Opcode, ProtocolError, ProtocolVersion, Reader, StreamId,
};

/// What a custom query handler on the server is told, or tells, beside the message (v4 §2.2, flag 0x04).
pub type CustomPayload = HashMap<String, Option<Bytes>>;

/// A message from client to server.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Request<'a> {
    /// Begins the connection.
    Startup(Startup),
    /// Asks which options the server supports. Also the heartbeat.
    Options,
    /// Runs CQL text.
    Query(Query<'a>),
    /// Prepares CQL text.
    Prepare(Prepare<'a>),
    /// Runs a prepared statement.
    Execute(Execute<'a>),
    /// Runs several statements as one.
    Batch(Batch<'a>),
    /// Asks for events.
    Register(Register),
    /// Goes on with the authentication.
    AuthResponse(AuthResponse<'a>),
    /// Acts on running continuous paging (DSE).
    Revise(Revise),
}

impl Request<'_> {
    /// The opcode of the envelope.
    pub fn opcode(&self) -> Opcode {
        match self {
            Self::Startup(_) => Opcode::Startup,
            Self::Options => Opcode::Options,
            Self::Query(_) => Opcode::Query,
            Self::Prepare(_) => Opcode::Prepare,
            Self::Execute(_) => Opcode::Execute,
            Self::Batch(_) => Opcode::Batch,
            Self::Register(_) => Opcode::Register,
            Self::AuthResponse(_) => Opcode::AuthResponse,
            Self::Revise(_) => Opcode::Revise,
        }
    }

    /// Appends the body, without header, custom payload and compression.
    ///
    /// # Errors
    /// [`EncodeError`] when the version has no place for something, or something is too long. `out` then ends with a
    /// part of the body.
    pub fn encode_body(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self {
            Self::Startup(startup) => startup.encode(out),
            Self::Options => Ok(()),
            Self::Query(query) => query.encode(version, out),
            Self::Prepare(prepare) => prepare.encode(version, out),
            Self::Execute(execute) => execute.encode(version, out),
            Self::Batch(batch) => batch.encode(version, out),
            Self::Register(register) => register.encode(out),
            Self::AuthResponse(response) => response.encode(out),
            Self::Revise(revise) => revise.encode(version, out),
        }
    }

    /// Reads a request. `body` is decompressed, as an [`InboundDecoder`](crate::InboundDecoder) yields it.
    ///
    /// # Errors
    /// [`ProtocolError`] when the body is not what the header says. Bytes beyond the end of the message are ignored.
    pub fn decode<'a>(header: &EnvelopeHeader, body: &'a [u8]) -> Result<RequestEnvelope<'a>, ProtocolError> {
        let version = header.version;
        let mut reader = Reader::new(body);
        let payload = header.flags.has(EnvelopeFlags::CUSTOM_PAYLOAD) && version.features().custom_payload;
        let custom_payload = match payload {
            true => Some(reader.read_bytes_map("custom payload")?),
            false => None,
        };
        let request = match header.opcode {
            Opcode::Startup => Request::Startup(Startup::decode(&mut reader)?),
            Opcode::Options => Request::Options,
            Opcode::Query => Request::Query(Query::decode(&mut reader, version)?),
            Opcode::Prepare => Request::Prepare(Prepare::decode(&mut reader, version)?),
            Opcode::Execute => Request::Execute(Execute::decode(&mut reader, version)?),
            Opcode::Batch => Request::Batch(Batch::decode(&mut reader, version)?),
            Opcode::Register => Request::Register(Register::decode(&mut reader)?),
            Opcode::AuthResponse => Request::AuthResponse(AuthResponse::decode(&mut reader)?),
            Opcode::Revise => Request::Revise(Revise::decode(&mut reader, version)?),
            _ => return Err(ProtocolError::WrongDirection),
        };
        Ok(RequestEnvelope {
            tracing: header.flags.has(EnvelopeFlags::TRACING),
            custom_payload,
            request,
        })
    }
}

/// A request as a server receives it.
#[derive(Clone, Debug, PartialEq)]
pub struct RequestEnvelope<'a> {
    /// Whether the client asks for the request to be traced.
    pub tracing: bool,
    /// What stands beside the message for a custom query handler.
    pub custom_payload: Option<CustomPayload>,
    /// The message.
    pub request: Request<'a>,
}

/// What an envelope says beside its message. By default nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct RequestOptions<'a> {
    /// Asks the server to trace the request.
    pub tracing: bool,
    /// For a custom query handler (v4 and later).
    pub custom_payload: Option<&'a CustomPayload>,
    /// Compresses the body where that makes it shorter, and is worth the time: from 512 bytes on (v3, v4, DSE; in v5
    /// segments are compressed instead, and this is of no effect). STARTUP is never compressed.
    pub compression: Option<Compression>,
}

/// Bodies of requests that are shorter than this are sent as they are: compressing them takes longer than the bytes that it
/// saves, and they fit into one packet in any case.
const WORTH_COMPRESSING: usize = 512;

/// Appends a whole request envelope to `out`.
///
/// # Errors
/// [`EncodeError`] when the version has no place for something, or something is too long. `out` is as it was.
pub fn encode_request(
    request: &Request<'_>,
    version: ProtocolVersion,
    stream: StreamId,
    options: &RequestOptions<'_>,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let mut flags = EnvelopeFlags::default();
    if options.tracing {
        flags = flags.with(EnvelopeFlags::TRACING);
    }
    if options.custom_payload.is_some() {
        flags = flags.with(EnvelopeFlags::CUSTOM_PAYLOAD);
    }
    let header = EnvelopeHeader {
        version,
        direction: Direction::Request,
        flags,
        stream: stream.raw(),
        opcode: request.opcode(),
        length: 0,
    };
    let compression = options
        .compression
        .filter(|_| request.opcode() != Opcode::Startup);
    encode_envelope(header, compression, WORTH_COMPRESSING, out, |out| {
        if let Some(payload) = options.custom_payload {
            if !version.features().custom_payload {
                return Err(not_supported("a custom payload", version));
            }
            write::bytes_map(out, payload.iter(), "custom payload")?;
        }
        request.encode_body(version, out)
    })
}

/// Appends an envelope whose body `encode_body` appends, with length and compression flag set by what came out. Bodies
/// shorter than `least` are not compressed.
pub(crate) fn encode_envelope(
    header: EnvelopeHeader,
    compression: Option<Compression>,
    least: usize,
    out: &mut Vec<u8>,
    encode_body: impl FnOnce(&mut Vec<u8>) -> Result<(), EncodeError>,
) -> Result<(), EncodeError> {
    let start = out.len();
    header.encode(out);
    let encoded = encode_body(out).and_then(|()| {
        if let Some(compression) = compression.filter(|_| !header.version.features().segments) {
            compress_body(header.flags, compression, least, start, out);
        }
        let length = out.len() - start - HEADER_LENGTH;
        if length > MAX_BODY_LENGTH {
            return Err(EncodeError::TooLarge {
                what: "envelope body",
                length,
                limit: MAX_BODY_LENGTH,
            });
        }
        // Within MAX_BODY_LENGTH, far below u32::MAX.
        out[start + 5..start + HEADER_LENGTH].copy_from_slice(&(length as u32).to_be_bytes());
        Ok(())
    });
    if encoded.is_err() {
        out.truncate(start);
    }
    encoded
}

/// Replaces the body of the envelope at `start` by its compressed form, if that is shorter.
fn compress_body(
    flags: EnvelopeFlags,
    compression: Compression,
    least: usize,
    start: usize,
    out: &mut Vec<u8>,
) {
    let body = start + HEADER_LENGTH;
    let length = out.len() - body;
    // A longer body is refused in any case.
    if length == 0 || length < least || length > MAX_BODY_LENGTH {
        return;
    }
    let mut compressed = Vec::new();
    compression.compress(&out[body..], &mut compressed);
    if compressed.len() < length {
        out.truncate(body);
        out.extend_from_slice(&compressed);
        out[start + 1] = flags.with(EnvelopeFlags::COMPRESSED).0;
    }
}

pub(crate) fn not_supported(what: &'static str, version: ProtocolVersion) -> EncodeError {
    EncodeError::NotSupported { what, version }
}
