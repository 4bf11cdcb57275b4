//! What the way of one request may not do: allocate.

use std::hint::black_box;

use allocation_counter::measure;
use bytes::{Bytes, BytesMut};
use helenus_protocol::{
    Direction, EnvelopeHeader, Execute, InboundDecoder, MetadataIdSupport, ProtocolVersion, QueryParameters,
    Request, RequestOptions, Response, ResponseEnvelope, ResultBody, StreamId, Values, encode_request,
};

fn allocations(run: impl FnOnce()) -> u64 {
    measure(run).count_total
}

fn void(version: ProtocolVersion) -> Vec<u8> {
    let mut out = Vec::new();
    let response = ResponseEnvelope::from(Response::Result(ResultBody::Void));
    response
        .encode(version, 1, None, &mut out)
        .expect("it can be encoded");
    out
}

#[test]
fn encoding_execute_into_a_buffer_with_room_allocates_nothing() {
    for version in ProtocolVersion::ALL {
        let request = Request::Execute(Execute {
            id: b"0123456789abcdef",
            result_metadata_id: match version.features().result_metadata_id {
                MetadataIdSupport::Present => Some(b"fedcba9876543210"),
                MetadataIdSupport::Absent => None,
            },
            parameters: QueryParameters {
                values: Values {
                    count: 1,
                    bytes: b"\0\0\0\x04\0\0\0\x2A",
                    ..Values::EMPTY
                },
                page_size: Some(5000),
                paging_state: Some(b"state"),
                timestamp: Some(7),
                ..QueryParameters::default()
            },
        });
        let mut out = Vec::with_capacity(1024);
        let stream = StreamId::new(1).unwrap();
        let count = allocations(|| {
            encode_request(&request, version, stream, &RequestOptions::default(), &mut out).unwrap();
        });
        assert_eq!(count, 0, "{version}");
        black_box(out);
    }
}

#[test]
fn decoding_a_plain_void_allocates_nothing() {
    for version in ProtocolVersion::ALL {
        let envelope = Bytes::from(void(version));
        let header = EnvelopeHeader::decode(&envelope).unwrap();
        // What was cut from a larger buffer is already shared.
        let body = envelope.slice(9..);
        let count = allocations(|| {
            let decoded = ResponseEnvelope::decode(&header, body.clone()).unwrap();
            assert_eq!(decoded.response, Response::Result(ResultBody::Void));
        });
        assert_eq!(count, 0, "{version}");
    }
}

#[test]
fn cutting_a_batch_of_answers_allocates_once_for_the_buffer_and_not_for_each() {
    for version in [ProtocolVersion::V4, ProtocolVersion::V5] {
        let mut stream = void(version).repeat(256);
        let mut decoder = InboundDecoder::new(Direction::Response);
        if version.features().segments {
            let envelopes = std::mem::take(&mut stream);
            helenus_protocol::SegmentEncoder::new(None).encode(&envelopes, &mut stream);
            decoder.start_segments(None);
        }
        *decoder.buffer() = BytesMut::from(&stream[..]);
        let mut received = 0;
        let count = allocations(|| {
            while let Some(envelope) = decoder.next().unwrap() {
                received += 1;
                black_box(envelope);
            }
        });
        assert_eq!(received, 256);
        assert!(count <= 2, "{count} allocations for 256 answers in {version}");
    }
}
