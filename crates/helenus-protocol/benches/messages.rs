//! What it costs to write a request, to cut what was received, and to read a response.
//!
//! `cargo bench -p helenus-protocol --bench messages`

use std::hint::black_box;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use helenus_protocol::{
    ColumnSpec, Compression, Direction, EnvelopeHeader, Execute, InboundDecoder, MetadataIdSupport,
    NativeType, ProtocolVersion, Query, QueryParameters, Request, RequestOptions, Response, ResponseEnvelope,
    ResultBody, Rows, RowsMetadata, SegmentEncoder, StreamId, Values, encode_request,
};

const VERSIONS: [ProtocolVersion; 2] = [ProtocolVersion::V4, ProtocolVersion::V5];

/// EXECUTE with two values, as an INSERT of a key and a short text.
fn execute(version: ProtocolVersion) -> Request<'static> {
    Request::Execute(Execute {
        id: b"0123456789abcdef",
        result_metadata_id: match version.features().result_metadata_id {
            MetadataIdSupport::Present => Some(b"fedcba9876543210"),
            MetadataIdSupport::Absent => None,
        },
        parameters: QueryParameters {
            values: Values {
                count: 2,
                bytes: b"\0\0\0\x08\0\0\0\0\0\0\0\x2A\0\0\0\x05hello",
                ..Values::EMPTY
            },
            skip_metadata: true,
            page_size: Some(5000),
            timestamp: Some(1_700_000_000_000_000),
            ..QueryParameters::default()
        },
    })
}

fn encode(request: &Request<'_>, version: ProtocolVersion, out: &mut Vec<u8>) {
    let stream = StreamId::new(1).expect("1 is a stream id");
    encode_request(request, version, stream, &RequestOptions::default(), out).expect("it can be encoded");
}

fn requests(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode_request");
    for version in VERSIONS {
        let mut out = Vec::with_capacity(4096);
        group.bench_function(format!("execute/{version}"), |bencher| {
            let request = execute(version);
            bencher.iter(|| {
                out.clear();
                encode(black_box(&request), version, &mut out);
                out.len()
            });
        });
        group.bench_function(format!("query/{version}"), |bencher| {
            let request = Request::Query(Query {
                text: "SELECT release_version FROM system.local",
                ..Query::default()
            });
            bencher.iter(|| {
                out.clear();
                encode(black_box(&request), version, &mut out);
                out.len()
            });
        });
    }
    group.finish();
}

fn encoded(response: Response, version: ProtocolVersion) -> Vec<u8> {
    let mut out = Vec::new();
    let response = ResponseEnvelope::from(response);
    response
        .encode(version, 1, None, &mut out)
        .expect("it can be encoded");
    out
}

/// A page of 100 rows of eight columns, with or without their specifications.
fn page(with_columns: bool, version: ProtocolVersion) -> Vec<u8> {
    let columns: Arc<[ColumnSpec]> = (0..8)
        .map(|index| ColumnSpec::new("keyspace", "table", format!("column_{index}"), NativeType::Int))
        .collect();
    let metadata = RowsMetadata {
        column_count: columns.len(),
        columns: Some(columns).filter(|_| with_columns),
        ..RowsMetadata::default()
    };
    let content = b"\0\0\0\x04\0\0\0\x2A".repeat(8 * 100).into();
    encoded(
        Response::Result(ResultBody::Rows(Rows {
            metadata,
            row_count: 100,
            content,
        })),
        version,
    )
}

fn responses(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode_response");
    for (name, envelope) in [
        (
            "void",
            encoded(Response::Result(ResultBody::Void), ProtocolVersion::V5),
        ),
        ("rows without metadata", page(false, ProtocolVersion::V5)),
        ("rows with 8 columns", page(true, ProtocolVersion::V5)),
    ] {
        let header = EnvelopeHeader::decode(&envelope).expect("a header");
        let body = Bytes::from(envelope).slice(9..);
        group.bench_function(name, |bencher| {
            bencher.iter(|| ResponseEnvelope::decode(black_box(&header), body.clone()));
        });
    }
    group.finish();
}

/// 64 short responses in one read.
fn inbound(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("receive_64");
    for (name, version, compression) in [
        ("v4", ProtocolVersion::V4, None),
        ("v5", ProtocolVersion::V5, None),
        ("v5 lz4", ProtocolVersion::V5, Some(Compression::Lz4)),
    ] {
        let mut stream = encoded(Response::Result(ResultBody::Void), version).repeat(64);
        let segments = version.features().segments;
        if segments {
            let envelopes = std::mem::take(&mut stream);
            SegmentEncoder::new(compression).encode(&envelopes, &mut stream);
        }
        group.throughput(Throughput::Elements(64));
        group.bench_function(name, |bencher| {
            let mut decoder = InboundDecoder::new(Direction::Response);
            if segments {
                decoder.start_segments(compression);
            }
            bencher.iter(|| {
                decoder.buffer().extend_from_slice(black_box(&stream));
                let mut received = 0;
                while let Ok(Some(envelope)) = decoder.next() {
                    received += envelope.body.len();
                }
                received
            });
        });
    }
    group.finish();
}

/// 64 EXECUTE into one segment; a page of 64 KiB into one and back.
fn segments(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("segment");
    let mut requests = Vec::new();
    for _ in 0..64 {
        encode(&execute(ProtocolVersion::V5), ProtocolVersion::V5, &mut requests);
    }
    for (name, compression) in [("plain", None), ("lz4", Some(Compression::Lz4))] {
        group.throughput(Throughput::Bytes(requests.len() as u64));
        group.bench_function(format!("encode 64 requests/{name}"), |bencher| {
            let mut encoder = SegmentEncoder::new(compression);
            let mut out = Vec::with_capacity(1 << 16);
            bencher.iter(|| {
                out.clear();
                encoder.encode(black_box(&requests), &mut out);
                out.len()
            });
        });
        let page = page(true, ProtocolVersion::V5);
        let mut segment = Vec::new();
        SegmentEncoder::new(compression).encode(&page, &mut segment);
        group.throughput(Throughput::Bytes(page.len() as u64));
        group.bench_function(format!("receive a page/{name}"), |bencher| {
            let mut decoder = InboundDecoder::new(Direction::Response);
            decoder.start_segments(compression);
            bencher.iter_batched(
                || BytesMut::from(&segment[..]),
                |received| {
                    *decoder.buffer() = received;
                    decoder.next()
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
}

criterion_group!(messages, requests, responses, inbound, segments);
criterion_main!(messages);
