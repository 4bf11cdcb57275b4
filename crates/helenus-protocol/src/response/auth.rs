//! AUTH_CHALLENGE and AUTH_SUCCESS: a token of the server's authenticator.
//!
//! Native protocol v3, v4 and v5 §4.2.7 and §4.2.8: `[bytes]`, may be null.

use bytes::Bytes;

use crate::notation::write;
use crate::{EncodeError, ProtocolError, Reader};

const WHAT: &str = "authentication token";

pub(super) fn decode_token(reader: &mut Reader<'_>) -> Result<Option<Bytes>, ProtocolError> {
    Ok(reader.read_bytes(WHAT)?.map(Bytes::copy_from_slice))
}

pub(super) fn encode_token(token: &Option<Bytes>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    write::bytes(out, token.as_deref(), WHAT)
}
