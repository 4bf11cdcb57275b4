//! Requests, with their bytes spelled out.

mod envelope;
mod generated;
mod handshake;
mod statements;

use super::*;
use crate::testing::hex;
use crate::{ConsistencyLevel, EnvelopeDecoder};

use ProtocolVersion::{DseV1, DseV2, V3, V4, V5};

const STREAM: i16 = 0x0102;

fn encode(request: &Request<'_>, version: ProtocolVersion, options: &RequestOptions<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    encode_request(
        request,
        version,
        StreamId::new(STREAM).unwrap(),
        options,
        &mut out,
    )
    .unwrap();
    out
}

fn refusal(request: &Request<'_>, version: ProtocolVersion, options: &RequestOptions<'_>) -> EncodeError {
    let mut out = vec![1, 2, 3];
    let stream = StreamId::new(0).unwrap();
    let error = encode_request(request, version, stream, options, &mut out).unwrap_err();
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

/// The request has these bytes, and comes back from them; also with trailing bytes; not from fewer.
#[track_caller]
fn assert_bytes(request: &Request<'_>, version: ProtocolVersion, envelope: &str) {
    let expected = hex(envelope);
    let encoded = encode(request, version, &RequestOptions::default());
    assert_eq!(encoded, expected, "{request:?} in {version}");
    let (header, body) = split(&expected);
    assert_eq!(Request::decode(&header, &body).unwrap().request, *request);
    assert_robust(&header, &body);
}

#[track_caller]
fn assert_robust(header: &EnvelopeHeader, body: &[u8]) {
    let whole = Request::decode(header, body).unwrap();
    let mut longer = body.to_vec();
    longer.extend_from_slice(&[0xFF; 5]);
    assert_eq!(
        Request::decode(header, &longer).unwrap(),
        whole,
        "trailing bytes are ignored"
    );
    for cut in 0..body.len() {
        assert!(
            Request::decode(header, &body[..cut]).is_err(),
            "{header:?} cut at {cut}"
        );
    }
}

const NAMED: &[u8] = b"\0\x01a\0\0\0\x01\x2A\0\x01b\xFF\xFF\xFF\xFF\0\x01c\xFF\xFF\xFF\xFE";

fn full_query() -> Query<'static> {
    Query {
        text: "Q",
        parameters: QueryParameters {
            consistency: ConsistencyLevel::LocalQuorum,
            values: Values {
                count: 3,
                names: true,
                has_unset: true,
                bytes: NAMED,
            },
            skip_metadata: true,
            page_size: Some(5000),
            paging_state: Some(&[0xAA, 0xBB]),
            serial_consistency: Some(ConsistencyLevel::LocalSerial),
            timestamp: Some(0x0102_0304_0506_0708),
            ..QueryParameters::default()
        },
    }
}
