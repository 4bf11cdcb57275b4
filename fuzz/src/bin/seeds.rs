//! Writes the seeds of the corpora into `fuzz/corpus/`: an input of every kind for every decoder, to start from.
//!
//! `cargo run --manifest-path fuzz/Cargo.toml --bin seeds`. Names are fixed, so that a second run changes nothing.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use helenus_protocol::{
    AuthResponse, Batch, BatchEntry, BatchKind, ColumnSpec, Compression, ConsistencyLevel, ContinuousPaging,
    CqlType, CustomPayload, ErrorCode, ErrorDetails, Event, EventKind, Execute, FailureReason, Failures,
    MetadataIdSupport, NativeType, Prepare, Prepared, ProtocolVersion, Query, QueryParameters, Register,
    Request, RequestOptions, Response, ResponseEnvelope, ResultBody, Revise, Rows, RowsMetadata,
    SchemaChange, SchemaChangeTarget, SchemaChangeType, SegmentEncoder, ServerError, Startup, StatusChange,
    StreamId, TopologyChange, Values, WriteType, encode_request,
};

fn main() {
    for (index, version) in ProtocolVersion::ALL.into_iter().enumerate() {
        let index = index as u8;
        let mut stream = Vec::new();
        for (name, envelope) in requests(version) {
            // Version, opcode and flags, then the body.
            let seed = [&[index, envelope[4], envelope[1]], &envelope[9..]].concat();
            save("request", &format!("{version}-{name}"), &seed);
            stream.extend_from_slice(&envelope);
        }
        save("envelope", &version.to_string(), &stream);
        save(
            "inbound",
            &format!("{version}-requests"),
            &[&[0], &stream[..]].concat(),
        );
        save(
            "inbound",
            &format!("{version}-segments"),
            &[&[24], &stream[..]].concat(),
        );
        let mut stream = vec![1];
        for (name, envelope) in responses(version) {
            let body = &envelope[9..];
            let seed = [&[index, envelope[4], envelope[1]], body].concat();
            save("response", &format!("{version}-{name}"), &seed);
            if name.starts_with("error") {
                save("error_body", &format!("{version}-{name}"), body);
            }
            if name.starts_with("rows") {
                save(
                    "rows",
                    &format!("{version}-{name}"),
                    &[&[index], &body[4..]].concat(),
                );
            }
            stream.extend_from_slice(&envelope);
        }
        save("inbound", &format!("{version}-responses"), &stream);
        for compression in Compression::ALL {
            let mut compressed = Vec::new();
            compression.compress(&stream, &mut compressed);
            save(
                "compression",
                &format!("{version}-{compression}"),
                &[&[compression as u8], &compressed[..]].concat(),
            );
        }
    }
    let envelopes: Vec<u8> = requests(ProtocolVersion::V5)
        .into_iter()
        .flat_map(|(_, envelope)| envelope)
        .collect();
    for (target, compression) in [("segment_plain", None), ("segment_lz4", Some(Compression::Lz4))] {
        let mut segments = Vec::new();
        SegmentEncoder::new(compression).encode(&envelopes, &mut segments);
        save(target, "envelopes", &segments);
    }
    for (index, ty) in types().iter().enumerate() {
        save("class_name", &format!("type-{index}"), ty.class_name().as_bytes());
        save("cql_type", &format!("type-{index}"), ty.to_string().as_bytes());
        let mut option = vec![18, 255];
        ty.write(ProtocolVersion::V5, &mut option).expect("a short type");
        save("notation", &format!("type-{index}"), &option);
    }
    for (index, (ty, value)) in values().into_iter().enumerate() {
        let mut seed = Vec::new();
        ty.write(ProtocolVersion::V5, &mut seed).expect("a short type");
        seed.extend_from_slice(value);
        save("value", &format!("type-{index}"), &seed);
    }
    for choice in 0..18 {
        let mut seed = vec![choice, choice, 255];
        for byte in [
            0_u8, 0, 0, 4, 0, 1, 0, 1, 65, 4, 127, 0, 0, 1, 0, 0, 35, 82, 66, 67,
        ] {
            seed.push(byte);
        }
        save("notation", &format!("field-{choice}"), &seed);
    }
}

fn save(target: &str, name: &str, seed: &[u8]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder).expect("the folder can be made");
    fs::write(folder.join(format!("seed-{name}")), seed).expect("the seed can be written");
}

fn requests(version: ProtocolVersion) -> Vec<(&'static str, Vec<u8>)> {
    let features = version.features();
    let id = b"0123456789abcdef";
    let parameters = QueryParameters {
        consistency: ConsistencyLevel::Quorum,
        values: Values {
            count: 2,
            names: true,
            has_unset: false,
            bytes: b"\0\x01a\0\0\0\x04\0\0\0\x2A\0\x01b\xFF\xFF\xFF\xFF",
        },
        skip_metadata: true,
        page_size: Some(5000),
        page_size_in_bytes: features.continuous_paging,
        paging_state: Some(b"state"),
        serial_consistency: Some(ConsistencyLevel::Serial),
        timestamp: Some(1_700_000_000_000_000),
        keyspace: Some("ks").filter(|_| features.keyspace_per_request),
        now_in_seconds: Some(7).filter(|_| features.now_in_seconds),
        continuous_paging: Some(ContinuousPaging {
            max_pages: 3,
            pages_per_second: 2,
            next_pages: if features.continuous_paging_backpressure {
                4
            } else {
                0
            },
        })
        .filter(|_| features.continuous_paging),
    };
    let text = "SELECT a, b FROM ks.t WHERE a = ?";
    let values = Values {
        count: 1,
        bytes: b"\0\0\0\x04\0\0\0\x2A",
        ..Values::EMPTY
    };
    let mut requests = vec![
        (
            "startup",
            Request::Startup(Startup::new().with_compression(Some(Compression::Lz4))),
        ),
        ("options", Request::Options),
        (
            "query",
            Request::Query(Query {
                text,
                ..Query::default()
            }),
        ),
        ("query-full", Request::Query(Query { text, parameters })),
        (
            "prepare",
            Request::Prepare(Prepare {
                text,
                keyspace: parameters.keyspace,
            }),
        ),
        (
            "execute",
            Request::Execute(Execute {
                id,
                result_metadata_id: Some(&id[..]).filter(|_| has_metadata_id(version)),
                parameters: QueryParameters {
                    values,
                    ..QueryParameters::default()
                },
            }),
        ),
        (
            "batch",
            Request::Batch(Batch {
                kind: BatchKind::Unlogged,
                statements: vec![
                    BatchEntry::Query {
                        text,
                        values: Values::EMPTY,
                    },
                    BatchEntry::Prepared { id, values },
                ],
                consistency: ConsistencyLevel::One,
                serial_consistency: parameters.serial_consistency,
                timestamp: parameters.timestamp,
                keyspace: parameters.keyspace,
                now_in_seconds: parameters.now_in_seconds,
            }),
        ),
        (
            "register",
            Request::Register(Register {
                events: EventKind::ALL.to_vec(),
            }),
        ),
        (
            "auth-response",
            Request::AuthResponse(AuthResponse {
                token: Some(b"\0user\0password"),
            }),
        ),
    ];
    if features.continuous_paging {
        requests.push(("cancel", Request::Revise(Revise::Cancel { stream: 5 })));
    }
    if features.continuous_paging_backpressure {
        requests.push((
            "more-pages",
            Request::Revise(Revise::MorePages {
                stream: 5,
                next_pages: 4,
            }),
        ));
    }
    let payload = CustomPayload::from([("key".to_owned(), Some(Bytes::from_static(b"value")))]);
    requests
        .into_iter()
        .map(|(name, request)| {
            let options = RequestOptions {
                tracing: name == "query-full",
                custom_payload: Some(&payload).filter(|_| name == "query-full" && features.custom_payload),
                compression: None,
            };
            let mut out = Vec::new();
            let stream = StreamId::new(1).expect("1 is a stream id");
            encode_request(&request, version, stream, &options, &mut out).expect("a seed can be encoded");
            (name, out)
        })
        .collect()
}

fn responses(version: ProtocolVersion) -> Vec<(String, Vec<u8>)> {
    let features = version.features();
    let id = Bytes::from_static(b"0123456789abcdef");
    let metadata_id = Some(id.clone()).filter(|_| has_metadata_id(version));
    let columns: Arc<[ColumnSpec]> = types()
        .into_iter()
        .enumerate()
        .map(|(index, ty)| ColumnSpec::new("ks", "t", format!("c{index}"), ty))
        .collect();
    let full = RowsMetadata {
        column_count: columns.len(),
        paging_state: Some(Bytes::from_static(b"state")),
        new_metadata_id: metadata_id.clone(),
        columns: Some(columns.clone()),
        continuous_page: Some((2, true)).filter(|_| features.continuous_paging),
    };
    let without = RowsMetadata {
        column_count: 2,
        ..RowsMetadata::default()
    };
    let nulls = [0xFF; 4].repeat(columns.len());
    let address = ([127, 0, 0, 1], 9042).into();
    let change = SchemaChange {
        change: SchemaChangeType::Updated,
        keyspace: "ks".to_owned(),
        target: SchemaChangeTarget::Function {
            name: "f".to_owned(),
            arguments: vec!["int".to_owned()],
        },
    };
    let options = [(
        "COMPRESSION".to_owned(),
        vec!["lz4".to_owned(), "snappy".to_owned()],
    )];
    let mut responses: Vec<(String, Response)> = vec![
        ("ready".into(), Response::Ready),
        (
            "authenticate".into(),
            Response::Authenticate {
                authenticator: "PasswordAuthenticator".to_owned(),
            },
        ),
        ("supported".into(), Response::Supported(options.into())),
        ("void".into(), Response::Result(ResultBody::Void)),
        (
            "rows".into(),
            Response::Result(ResultBody::Rows(Rows {
                metadata: full.clone(),
                row_count: 1,
                content: nulls.into(),
            })),
        ),
        (
            "rows-without-metadata".into(),
            Response::Result(ResultBody::Rows(Rows {
                metadata: without,
                row_count: 1,
                content: Bytes::from_static(b"\0\0\0\x04\0\0\0\x2A\xFF\xFF\xFF\xFF"),
            })),
        ),
        (
            "set-keyspace".into(),
            Response::Result(ResultBody::SetKeyspace("ks".to_owned())),
        ),
        (
            "prepared".into(),
            Response::Result(ResultBody::Prepared(Prepared {
                id: id.clone(),
                result_metadata_id: metadata_id,
                partition_key_indexes: if features.partition_key_indexes {
                    vec![1, 0]
                } else {
                    Vec::new()
                },
                bind_columns: columns,
                result: full,
            })),
        ),
        (
            "schema-change".into(),
            Response::Result(ResultBody::SchemaChange(change.clone())),
        ),
        (
            "event-schema".into(),
            Response::Event(Event::SchemaChange(change)),
        ),
        (
            "event-topology".into(),
            Response::Event(Event::TopologyChange {
                change: TopologyChange::NewNode,
                address,
            }),
        ),
        (
            "event-status".into(),
            Response::Event(Event::StatusChange {
                change: StatusChange::Down,
                address,
            }),
        ),
        (
            "auth-challenge".into(),
            Response::AuthChallenge(Some(Bytes::from_static(b"token"))),
        ),
        ("auth-success".into(), Response::AuthSuccess(None)),
    ];
    let failures = match features.failure_reasons_by_node {
        true => Failures::ByNode(vec![([127, 0, 0, 1].into(), FailureReason::INDEX_NOT_AVAILABLE)]),
        false => Failures::Count(1),
    };
    for code in ErrorCode::KNOWN {
        let error = ServerError {
            code,
            message: "message".to_owned(),
            details: details(code, failures.clone(), features.cas_contentions),
        };
        responses.push((format!("error-{:04x}", code.code()), Response::Error(error)));
    }
    responses
        .into_iter()
        .map(|(name, response)| {
            let mut envelope = ResponseEnvelope::from(response);
            if name == "prepared" && features.warnings {
                envelope.warnings = vec!["warning".to_owned()];
                envelope.custom_payload = Some(CustomPayload::from([("key".to_owned(), None)]));
            }
            let mut out = Vec::new();
            envelope
                .encode(version, 1, None, &mut out)
                .expect("a seed can be encoded");
            (name, out)
        })
        .collect()
}

fn details(code: ErrorCode, failures: Failures, cas_contentions: bool) -> ErrorDetails {
    let consistency = ConsistencyLevel::Quorum;
    let (received, block_for) = (1, 2);
    match code {
        ErrorCode::Unavailable => ErrorDetails::Unavailable {
            consistency,
            required: 2,
            alive: 1,
        },
        ErrorCode::WriteTimeout => ErrorDetails::WriteTimeout {
            consistency,
            received,
            block_for,
            write_type: WriteType::Cas,
            contentions: Some(3).filter(|_| cas_contentions),
        },
        ErrorCode::ReadTimeout => ErrorDetails::ReadTimeout {
            consistency,
            received,
            block_for,
            data_present: true,
        },
        ErrorCode::ReadFailure => ErrorDetails::ReadFailure {
            consistency,
            received,
            block_for,
            failures,
            data_present: false,
        },
        ErrorCode::WriteFailure => ErrorDetails::WriteFailure {
            consistency,
            received,
            block_for,
            failures,
            write_type: WriteType::Simple,
        },
        ErrorCode::FunctionFailure => ErrorDetails::FunctionFailure {
            keyspace: "ks".to_owned(),
            function: "f".to_owned(),
            arg_types: vec!["int".to_owned()],
        },
        ErrorCode::CasWriteUnknown => ErrorDetails::CasWriteUnknown {
            consistency,
            received,
            block_for,
        },
        ErrorCode::AlreadyExists => ErrorDetails::AlreadyExists {
            keyspace: "ks".to_owned(),
            table: "t".to_owned(),
        },
        ErrorCode::Unprepared => ErrorDetails::Unprepared {
            id: Bytes::from_static(b"0123456789abcdef"),
        },
        _ => ErrorDetails::None,
    }
}

fn has_metadata_id(version: ProtocolVersion) -> bool {
    version.features().result_metadata_id == MetadataIdSupport::Present
}

/// Types with the bytes of a value.
fn values() -> Vec<(CqlType, &'static [u8])> {
    let int = CqlType::from(NativeType::Int);
    let text = CqlType::from(NativeType::Text);
    let mut values: Vec<(CqlType, &[u8])> = vec![
        (NativeType::BigInt.into(), &[0, 0, 0, 0, 0, 0, 0, 42]),
        (NativeType::Boolean.into(), &[1]),
        (NativeType::Date.into(), &[0x80, 0, 0, 0]),
        (NativeType::Decimal.into(), &[0, 0, 0, 2, 0x30, 0x39]),
        (
            NativeType::Double.into(),
            &[0x40, 9, 0x21, 0xFB, 0x54, 0x44, 0x2D, 0x18],
        ),
        (NativeType::Duration.into(), &[2, 4, 0xC1, 0x86, 0xA0]),
        (NativeType::Float.into(), &[0x40, 0x49, 0x0F, 0xDB]),
        (NativeType::Inet.into(), &[127, 0, 0, 1]),
        (int.clone(), &[0, 0, 0, 42]),
        (NativeType::SmallInt.into(), &[0, 42]),
        (NativeType::Time.into(), &[0, 0, 0, 0, 0, 0, 0, 42]),
        (
            NativeType::Timestamp.into(),
            &[0, 0, 1, 0x8B, 0xCF, 0xE5, 0x68, 0],
        ),
        (NativeType::TinyInt.into(), &[42]),
        (NativeType::Uuid.into(), b"0123456789abcdef"),
        (NativeType::Varint.into(), &[0xFF, 0x7F]),
        (text.clone(), "text é".as_bytes()),
        (CqlType::list(int.clone()), &[0, 0, 0, 1, 0, 0, 0, 4, 0, 0, 0, 42]),
        (CqlType::set(text.clone()), &[0, 0, 0, 1, 0, 0, 0, 1, b'a']),
        (
            CqlType::map(text.clone(), CqlType::list(int.clone())),
            &[0, 0, 0, 1, 0, 0, 0, 1, b'a', 0, 0, 0, 4, 0, 0, 0, 0],
        ),
        (
            CqlType::tuple([int.clone(), text.clone()]),
            &[0, 0, 0, 4, 0, 0, 0, 42, 0xFF, 0xFF, 0xFF, 0xFF],
        ),
        (
            CqlType::user_defined(
                "ks",
                "udt",
                [("f".into(), int.clone()), ("g".into(), text.clone())],
            ),
            &[0, 0, 0, 4, 0, 0, 0, 42],
        ),
        (
            CqlType::vector(CqlType::from(NativeType::Float), 1),
            &[0x40, 0x49, 0x0F, 0xDB],
        ),
        (CqlType::vector(text, 2), &[1, b'a', 1, b'b']),
        (CqlType::Custom("com.example.Unknown".into()), &[1, 2, 3]),
        (
            NativeType::Point.into(),
            &[
                1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F, 0, 0, 0, 0, 0, 0, 0, 0x40,
            ],
        ),
        (NativeType::LineString.into(), &[1, 2, 0, 0, 0, 0, 0, 0, 0]),
        (NativeType::Polygon.into(), &[1, 3, 0, 0, 0, 0, 0, 0, 0]),
        (
            NativeType::DateRange.into(),
            &[0, 0, 0, 1, 0x8B, 0xCF, 0xE5, 0x68, 0, 3],
        ),
    ];
    values.push((CqlType::list(CqlType::tuple([int])), &[0, 0, 0, 0]));
    values
}

fn types() -> Vec<CqlType> {
    let int = CqlType::from(NativeType::Int);
    let text = CqlType::from(NativeType::Text);
    vec![
        int.clone(),
        CqlType::list(text.clone()),
        CqlType::set(CqlType::from(NativeType::Uuid)),
        CqlType::map(text.clone(), CqlType::list(int.clone())),
        CqlType::tuple([int.clone(), text.clone()]),
        CqlType::user_defined("ks", "udt", [("f".into(), int.clone()), ("g".into(), text)]),
        CqlType::vector(CqlType::from(NativeType::Float), 3),
        CqlType::vector(CqlType::list(int), 2),
        CqlType::from(NativeType::Duration),
        CqlType::Custom("com.example.Unknown".into()),
    ]
}
