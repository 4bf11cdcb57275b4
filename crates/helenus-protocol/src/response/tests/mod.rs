//! Responses, with their bytes spelled out.

mod envelope;
mod errors;
mod events;
mod generated;
mod results;

use super::*;
use crate::testing::hex;
use crate::{ColumnSpec, ConsistencyLevel, CqlType, EnvelopeDecoder, NativeType};

use ProtocolVersion::{DseV1, DseV2, V3, V4, V5};

fn encode(response: &ResponseEnvelope, version: ProtocolVersion) -> Vec<u8> {
    let mut out = Vec::new();
    response.encode(version, 0x0102, None, &mut out).unwrap();
    out
}

fn refusal(response: impl Into<ResponseEnvelope>, version: ProtocolVersion) -> EncodeError {
    let mut out = vec![1, 2, 3];
    let error = response.into().encode(version, 0, None, &mut out).unwrap_err();
    assert_eq!(out, [1, 2, 3], "the buffer is as it was");
    error
}

fn split(envelope: &[u8]) -> (EnvelopeHeader, Bytes) {
    let mut decoder = EnvelopeDecoder::new();
    decoder.buffer().extend_from_slice(envelope);
    let found = decoder.next_envelope().unwrap().unwrap();
    assert!(decoder.is_idle());
    found
}

fn decode(envelope: &str) -> Result<ResponseEnvelope, ProtocolError> {
    let (header, body) = split(&hex(envelope));
    ResponseEnvelope::decode(&header, body)
}

/// The response has these bytes, and comes back from them; not from fewer than `needed` bytes of the body (default all);
/// and alike, but for what is behind rows, from more.
#[track_caller]
fn assert_bytes(response: impl Into<ResponseEnvelope>, version: ProtocolVersion, envelope: &str) {
    let response = response.into();
    let expected = hex(envelope);
    assert_eq!(encode(&response, version), expected, "{response:?} in {version}");
    assert_robust(&expected, &response);
}

#[track_caller]
fn assert_robust(envelope: &[u8], response: &ResponseEnvelope) {
    let (header, body) = split(envelope);
    assert_eq!(
        ResponseEnvelope::decode(&header, body.clone()).unwrap(),
        *response
    );
    // Events of unknown kinds and WRITE_TIMEOUT in early v5 may end before what is known of them; rows are not looked at.
    let needed = match &response.response {
        Response::Error(error) if error.code == ErrorCode::WriteTimeout => 0,
        Response::Result(ResultBody::Rows(rows)) => body.len() - rows.content.len(),
        _ => body.len(),
    };
    for cut in 0..needed {
        let refused = ResponseEnvelope::decode(&header, body.slice(..cut));
        assert!(refused.is_err(), "{response:?} cut at {cut}");
    }
    let trailing = [&body[..], &[0xFF; 5]].concat();
    match (
        &response.response,
        ResponseEnvelope::decode(&header, trailing.into()).unwrap(),
    ) {
        (Response::Result(ResultBody::Rows(_)), _) => {}
        (Response::Error(error), _) if error.code == ErrorCode::WriteTimeout => {}
        (_, decoded) => assert_eq!(decoded, *response, "trailing bytes are ignored"),
    }
}

fn column(name: &str, ty: NativeType) -> ColumnSpec {
    ColumnSpec::new("ks", "t", name, ty)
}

fn error(code: ErrorCode, details: ErrorDetails) -> Response {
    Response::Error(ServerError {
        code,
        message: "m".to_owned(),
        details,
    })
}
