use proptest::prelude::*;

use super::*;
use crate::testing::{any_consistency, any_version, hex};
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

#[test]
fn startup_is_a_string_map() {
    assert_bytes(
        &Request::Startup(Startup::new()),
        V4,
        "04 00 0102 01 00000016 0001 000b 'CQL_VERSION' 0005 '3.0.0'",
    );
    let startup = Startup::new()
        .with_compression(Some(Compression::Lz4))
        .with(Startup::NO_COMPACT, "false")
        .with(Startup::NO_COMPACT, "true");
    assert_eq!(startup.get(Startup::COMPRESSION), Some("lz4"));
    assert_bytes(
        &Request::Startup(startup),
        V5,
        "05 00 0102 01 0000003a 0003 000b 'CQL_VERSION' 0005 '3.0.0' 000b 'COMPRESSION' 0003 'lz4'
         000a 'NO_COMPACT' 0004 'true'",
    );
}

#[test]
fn options_has_no_body() {
    assert_bytes(&Request::Options, V3, "03 00 0102 05 00000000");
}

#[test]
fn register_is_a_list_of_kinds() {
    let register = Register {
        events: EventKind::ALL.to_vec(),
    };
    assert_bytes(
        &Request::Register(register),
        V4,
        "04 00 0102 0b 00000031 0003 000f 'TOPOLOGY_CHANGE' 000d 'STATUS_CHANGE' 000d 'SCHEMA_CHANGE'",
    );
    let (header, body) = split(&hex("04 00 0000 0b 00000005 0001 0001 'X'"));
    assert_eq!(
        Request::decode(&header, &body),
        Err(ProtocolError::UnknownName {
            what: "kind of event",
            value: "X".to_owned()
        })
    );
}

#[test]
fn auth_response_is_a_token_or_null() {
    let token = Some(&b"\0user\0password"[..]);
    assert_bytes(
        &Request::AuthResponse(AuthResponse { token }),
        V4,
        "04 00 0102 0f 00000012 0000000e 00 'user' 00 'password'",
    );
    assert_bytes(
        &Request::AuthResponse(AuthResponse { token: None }),
        V5,
        "05 00 0102 0f 00000004 ffffffff",
    );
}

#[test]
fn query_flags_are_a_byte_and_from_v5_on_an_int() {
    let query = Request::Query(Query {
        text: "SELECT 1",
        parameters: QueryParameters {
            consistency: ConsistencyLevel::Quorum,
            ..QueryParameters::default()
        },
    });
    let body = "00000008 'SELECT 1' 0004";
    for (version, head) in [(V3, "03"), (V4, "04")] {
        assert_bytes(&query, version, &format!("{head} 00 0102 07 0000000f {body} 00"));
    }
    for (version, head) in [(V5, "05"), (DseV1, "41"), (DseV2, "42")] {
        let envelope = format!("{head} 00 0102 07 00000012 {body} 00000000");
        assert_bytes(&query, version, &envelope);
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

const FULL_QUERY_VALUES: &str = "0003 0001 'a' 00000001 2a 0001 'b' ffffffff 0001 'c' fffffffe";
const FULL_QUERY_REST: &str = "00001388 00000002 aabb 0009 0102030405060708";

#[test]
fn query_parameters_follow_in_the_order_of_their_flags() {
    let envelope =
        format!("04 00 0102 07 00000034 00000001 'Q' 0006 7f {FULL_QUERY_VALUES} {FULL_QUERY_REST}");
    assert_bytes(&Request::Query(full_query()), V4, &envelope);
}

#[test]
fn v5_query_may_name_a_keyspace_and_the_time() {
    let mut query = full_query();
    query.parameters.keyspace = Some("ks");
    query.parameters.now_in_seconds = Some(7);
    let envelope = format!(
        "05 00 0102 07 0000003f 00000001 'Q' 0006 000001ff {FULL_QUERY_VALUES} {FULL_QUERY_REST}
         0002 'ks' 00000007"
    );
    assert_bytes(&Request::Query(query), V5, &envelope);
}

#[test]
fn dse_query_ends_with_continuous_paging() {
    let mut query = Query {
        text: "Q",
        parameters: QueryParameters {
            page_size: Some(10_000),
            page_size_in_bytes: true,
            continuous_paging: Some(ContinuousPaging {
                max_pages: 3,
                pages_per_second: 2,
                next_pages: 0,
            }),
            ..QueryParameters::default()
        },
    };
    assert_bytes(
        &Request::Query(query),
        DseV1,
        "41 00 0102 07 00000017 00000001 'Q' 000a c0000004 00002710 00000003 00000002",
    );
    query.parameters.keyspace = Some("ks");
    query.parameters.continuous_paging = Some(ContinuousPaging {
        max_pages: 3,
        pages_per_second: 2,
        next_pages: 4,
    });
    assert_bytes(
        &Request::Query(query),
        DseV2,
        "42 00 0102 07 0000001f 00000001 'Q' 000a c0000084 00002710 0002 'ks' 00000003 00000002 00000004",
    );
    let refused = refusal(&Request::Query(query), V5, &RequestOptions::default());
    assert_eq!(
        refused.to_string(),
        "a page size in bytes cannot be sent in protocol v5"
    );
}

#[test]
fn prepare_has_flags_and_keyspace_where_the_version_has_them() {
    let mut prepare = Prepare {
        text: "Q",
        keyspace: None,
    };
    for (version, head) in [(V3, "03"), (V4, "04"), (DseV1, "41")] {
        let envelope = format!("{head} 00 0102 09 00000005 00000001 'Q'");
        assert_bytes(&Request::Prepare(prepare), version, &envelope);
    }
    for (version, head) in [(V5, "05"), (DseV2, "42")] {
        let envelope = format!("{head} 00 0102 09 00000009 00000001 'Q' 00000000");
        assert_bytes(&Request::Prepare(prepare), version, &envelope);
    }
    prepare.keyspace = Some("ks");
    assert_bytes(
        &Request::Prepare(prepare),
        V5,
        "05 00 0102 09 0000000d 00000001 'Q' 00000001 0002 'ks'",
    );
    assert_eq!(
        refusal(&Request::Prepare(prepare), V4, &RequestOptions::default()),
        not_supported("a keyspace per request", V4)
    );
}

#[test]
fn execute_carries_the_result_metadata_id_from_v5_on() {
    let mut execute = Execute {
        id: &[0xCA, 0xFE],
        result_metadata_id: None,
        parameters: QueryParameters {
            values: Values {
                count: 1,
                names: false,
                has_unset: false,
                bytes: b"\0\0\0\x01\x2A",
            },
            ..QueryParameters::default()
        },
    };
    assert_bytes(
        &Request::Execute(execute),
        V4,
        "04 00 0102 0a 0000000e 0002 cafe 000a 01 0001 00000001 2a",
    );
    execute.result_metadata_id = Some(&[0xBE]);
    assert_bytes(
        &Request::Execute(execute),
        V5,
        "05 00 0102 0a 00000014 0002 cafe 0001 be 000a 00000001 0001 00000001 2a",
    );
    assert_bytes(
        &Request::Execute(execute),
        DseV2,
        "42 00 0102 0a 00000014 0002 cafe 0001 be 000a 00000001 0001 00000001 2a",
    );
    assert_eq!(
        refusal(&Request::Execute(execute), V4, &RequestOptions::default()),
        not_supported("a result metadata id", V4)
    );
}

#[test]
fn execute_without_a_metadata_id_sends_an_empty_one_in_v5() {
    let execute = Request::Execute(Execute {
        id: &[0xCA],
        ..Execute::default()
    });
    let encoded = encode(&execute, V5, &RequestOptions::default());
    assert_eq!(encoded, hex("05 00 0102 0a 0000000b 0001 ca 0000 000a 00000000"));
}

#[test]
fn batch_holds_text_and_prepared_statements() {
    let entries = [
        BatchEntry::Query {
            text: "Q",
            values: Values::EMPTY,
        },
        BatchEntry::Prepared {
            id: &[0xCA],
            values: Values {
                count: 1,
                names: false,
                has_unset: false,
                bytes: b"\0\0\0\x01\x2A",
            },
        },
    ];
    let mut batch = Batch {
        kind: BatchKind::Unlogged,
        statements: entries.to_vec(),
        consistency: ConsistencyLevel::One,
        ..Batch::default()
    };
    let statements = "01 0002 00 00000001 'Q' 0000 01 0001 ca 0001 00000001 2a 0001";
    for (version, head) in [(V3, "03"), (V4, "04")] {
        let envelope = format!("{head} 00 0102 0d 00000019 {statements} 00");
        assert_bytes(&Request::Batch(batch.clone()), version, &envelope);
    }
    batch.serial_consistency = Some(ConsistencyLevel::Serial);
    batch.timestamp = Some(-2);
    batch.keyspace = Some("ks");
    batch.now_in_seconds = Some(7);
    let envelope =
        format!("05 00 0102 0d 0000002e {statements} 000001b0 0008 fffffffffffffffe 0002 'ks' 00000007");
    assert_bytes(&Request::Batch(batch.clone()), V5, &envelope);
    assert_eq!(
        refusal(&Request::Batch(batch.clone()), DseV2, &RequestOptions::default()),
        not_supported("now_in_seconds", DseV2)
    );
    batch.now_in_seconds = None;
    let envelope = format!("42 00 0102 0d 0000002a {statements} 000000b0 0008 fffffffffffffffe 0002 'ks'");
    assert_bytes(&Request::Batch(batch), DseV2, &envelope);
}

#[test]
fn names_in_a_batch_are_refused_both_ways() {
    let entries = [BatchEntry::Query {
        text: "Q",
        values: Values {
            count: 1,
            names: true,
            has_unset: false,
            bytes: b"\0\x01a\xFF\xFF\xFF\xFF",
        },
    }];
    let batch = Request::Batch(Batch {
        statements: entries.to_vec(),
        ..Batch::default()
    });
    assert_eq!(
        refusal(&batch, V5, &RequestOptions::default()),
        not_supported("a named value in a batch", V5)
    );
    let (header, body) = split(&hex("04 00 0000 0d 00000006 00 0000 0001 40"));
    assert!(matches!(
        Request::decode(&header, &body),
        Err(ProtocolError::Malformed(_))
    ));
}

#[test]
fn unknown_codes_in_a_batch_are_refused() {
    for body in ["03 0000 0001 00", "00 0001 02 00000000 0000 0001 00"] {
        let body = hex(body);
        let mut header = EnvelopeHeader::decode(&hex("04 00 0000 0d 00000000")).unwrap();
        header.length = body.len();
        let refused = Request::decode(&header, &body);
        assert!(
            matches!(refused, Err(ProtocolError::UnknownCode { .. })),
            "{refused:?}"
        );
    }
}

#[test]
fn revise_cancels_and_asks_for_more_pages() {
    let cancel = Request::Revise(Revise::Cancel { stream: 5 });
    assert_bytes(&cancel, DseV1, "41 00 0102 ff 00000008 00000001 00000005");
    assert_bytes(&cancel, DseV2, "42 00 0102 ff 00000008 00000001 00000005");
    let more = Request::Revise(Revise::MorePages {
        stream: 5,
        next_pages: 4,
    });
    assert_bytes(&more, DseV2, "42 00 0102 ff 0000000c 00000002 00000005 00000004");
    for (request, version) in [(&more, DseV1), (&cancel, V5)] {
        let refused = refusal(request, version, &RequestOptions::default());
        assert!(matches!(refused, EncodeError::NotSupported { .. }));
    }
}

#[test]
fn tracing_and_custom_payload_are_flags_of_the_header() {
    let payload = CustomPayload::from([("k".to_owned(), Some(Bytes::from_static(&[1])))]);
    let options = RequestOptions {
        tracing: true,
        custom_payload: Some(&payload),
        compression: None,
    };
    let query = Request::Query(Query {
        text: "Q",
        ..Query::default()
    });
    let expected = hex("04 06 0102 07 00000012 0001 0001 'k' 00000001 01 00000001 'Q' 000a 00");
    assert_eq!(encode(&query, V4, &options), expected);
    let (header, body) = split(&expected);
    let decoded = Request::decode(&header, &body).unwrap();
    assert!(decoded.tracing);
    assert_eq!(decoded.custom_payload, Some(payload.clone()));
    assert_eq!(decoded.request, query);
    assert_robust(&header, &body);
    assert_eq!(
        refusal(&query, V3, &options),
        not_supported("a custom payload", V3)
    );
}

#[test]
fn unset_values_are_refused_by_v3_both_ways() {
    let query = Request::Query(full_query());
    assert_eq!(
        refusal(&query, V3, &RequestOptions::default()),
        not_supported("an unset value", V3)
    );
    let (mut header, body) = split(&encode(&query, V4, &RequestOptions::default()));
    header.version = V3;
    let refused = Request::decode(&header, &body);
    assert!(matches!(
        refused,
        Err(ProtocolError::InvalidLength { length: -2, .. })
    ));
}

#[test]
fn values_are_walked_with_their_names() {
    let values: Vec<_> = full_query()
        .parameters
        .values
        .iter()
        .map(Result::unwrap)
        .collect();
    assert_eq!(
        values,
        [
            (Some("a"), crate::RawValue::Bytes(&[0x2A])),
            (Some("b"), crate::RawValue::Null),
            (Some("c"), crate::RawValue::Unset),
        ]
    );
    let broken = Values {
        count: 3,
        names: false,
        has_unset: false,
        bytes: &[0xFF; 6],
    };
    let walked: Vec<_> = broken.into_iter().collect();
    assert_eq!(walked.len(), 2);
    assert!(walked[1].is_err());
}

#[test]
fn bodies_are_compressed_when_that_makes_them_shorter() {
    let text = "SELECT ".repeat(40);
    let query = Request::Query(Query {
        text: &text,
        ..Query::default()
    });
    for compression in Compression::ALL {
        let options = RequestOptions {
            compression: Some(compression),
            ..RequestOptions::default()
        };
        let (header, body) = split(&encode(&query, V4, &options));
        assert!(header.flags.has(EnvelopeFlags::COMPRESSED));
        let body = compression.decompress(&body).unwrap();
        assert_eq!(Request::decode(&header, &body).unwrap().request, query);

        let short = encode(&Request::Options, V4, &options);
        assert_eq!(short, hex("04 00 0102 05 00000000"));
        let startup = Request::Startup(Startup {
            options: vec![("A".repeat(300), String::new())],
        });
        let (header, _) = split(&encode(&startup, V4, &options));
        assert!(
            !header.flags.has(EnvelopeFlags::COMPRESSED),
            "STARTUP is never compressed"
        );
        let (header, _) = split(&encode(&query, V5, &options));
        assert!(
            !header.flags.has(EnvelopeFlags::COMPRESSED),
            "v5 compresses segments"
        );
    }
}

#[test]
fn what_does_not_fit_is_refused_and_leaves_the_buffer_as_it_was() {
    let long = "x".repeat(65_536);
    let prepare = Request::Prepare(Prepare {
        text: "Q",
        keyspace: Some(&long),
    });
    let refused = refusal(&prepare, V5, &RequestOptions::default());
    assert!(matches!(refused, EncodeError::TooLarge { what: "keyspace", .. }));
}

#[test]
fn response_opcode_is_no_request() {
    let mut header = EnvelopeHeader::decode(&hex("04 00 0000 05 00000000")).unwrap();
    header.opcode = Opcode::Ready;
    assert_eq!(Request::decode(&header, &[]), Err(ProtocolError::WrongDirection));
}

/// Parts of a request that outlive it.
#[derive(Clone, Debug)]
struct Parts {
    text: String,
    id: Vec<u8>,
    values: Vec<(String, Option<Option<Vec<u8>>>)>,
    names: bool,
    levels: (ConsistencyLevel, Option<ConsistencyLevel>),
    numbers: (Option<i32>, Option<i64>, Option<i32>),
    paging_state: Option<Vec<u8>>,
    keyspace: Option<String>,
    switches: (bool, bool),
    continuous: Option<(i32, i32, i32)>,
    stream: i16,
}

fn any_parts() -> impl Strategy<Value = Parts> {
    use proptest::collection::vec;
    use proptest::option::of;
    (
        (
            ".{0,20}",
            vec(any::<u8>(), 0..20),
            vec((".{0,3}", of(of(vec(any::<u8>(), 0..5)))), 0..4),
        ),
        (any::<bool>(), (any_consistency(), of(any_consistency()))),
        any::<(Option<i32>, Option<i64>, Option<i32>)>(),
        of(vec(any::<u8>(), 0..9)),
        (
            of("[a-z]{1,9}"),
            any::<(bool, bool)>(),
            any::<Option<(i32, i32, i32)>>(),
            0..i16::MAX,
        ),
    )
        .prop_map(
            |(
                (text, id, values),
                (names, levels),
                numbers,
                paging_state,
                (keyspace, switches, continuous, stream),
            )| Parts {
                text,
                id,
                values,
                names,
                levels,
                numbers,
                paging_state,
                keyspace,
                switches,
                continuous,
                stream,
            },
        )
}

impl Parts {
    fn encode_values(&self, names: bool, version: ProtocolVersion) -> (Vec<u8>, bool) {
        let mut bytes = Vec::new();
        let mut has_unset = false;
        for (name, value) in &self.values {
            if names {
                write::string(&mut bytes, name, "name").unwrap();
            }
            match value {
                None if version.features().unset_values => {
                    has_unset = true;
                    write::int(&mut bytes, -2);
                }
                None => write::int(&mut bytes, -1),
                Some(value) => write::bytes(&mut bytes, value.as_deref(), "value").unwrap(),
            }
        }
        (bytes, has_unset)
    }

    fn values<'a>(&self, names: bool, (bytes, has_unset): &'a (Vec<u8>, bool)) -> Values<'a> {
        Values {
            count: self.values.len() as u16,
            names: names && !self.values.is_empty(),
            has_unset: *has_unset,
            bytes,
        }
    }

    fn parameters<'a>(&'a self, values: Values<'a>, version: ProtocolVersion) -> QueryParameters<'a> {
        let features = version.features();
        QueryParameters {
            consistency: self.levels.0,
            values,
            skip_metadata: self.switches.0,
            page_size: self.numbers.0,
            page_size_in_bytes: self.switches.1 && features.continuous_paging,
            paging_state: self.paging_state.as_deref(),
            serial_consistency: self.levels.1,
            timestamp: self.numbers.1,
            keyspace: self.keyspace.as_deref().filter(|_| features.keyspace_per_request),
            now_in_seconds: self.numbers.2.filter(|_| features.now_in_seconds),
            continuous_paging: self.continuous.filter(|_| features.continuous_paging).map(
                |(max_pages, pages_per_second, next_pages)| ContinuousPaging {
                    max_pages,
                    pages_per_second,
                    next_pages: match features.continuous_paging_backpressure {
                        true => next_pages,
                        false => 0,
                    },
                },
            ),
        }
    }
}

proptest! {
    #[test]
    fn every_request_comes_back(parts in any_parts(), version in any_version(), tracing: bool) {
        let features = version.features();
        let named = parts.encode_values(parts.names, version);
        let values = parts.values(parts.names, &named);
        let positional = parts.encode_values(false, version);
        let parameters = parts.parameters(values, version);
        let entries = [
            BatchEntry::Query { text: &parts.text, values: parts.values(false, &positional) },
            BatchEntry::Prepared { id: &parts.id, values: parts.values(false, &positional) },
        ];
        let result_metadata_id = match features.result_metadata_id {
            crate::MetadataIdSupport::Present => Some(&parts.id[..]),
            crate::MetadataIdSupport::Absent => None,
        };
        let mut requests = vec![
            Request::Startup(Startup::new().with(&parts.text, parts.text.clone())),
            Request::Options,
            Request::Query(Query { text: &parts.text, parameters }),
            Request::Prepare(Prepare { text: &parts.text, keyspace: parameters.keyspace }),
            Request::Execute(Execute { id: &parts.id, result_metadata_id, parameters }),
            Request::Batch(Batch {
                kind: BatchKind::Counter,
                statements: entries.to_vec(),
                consistency: parameters.consistency,
                serial_consistency: parameters.serial_consistency,
                timestamp: parameters.timestamp,
                keyspace: parameters.keyspace,
                now_in_seconds: parameters.now_in_seconds,
            }),
            Request::Register(Register { events: vec![EventKind::StatusChange] }),
            Request::AuthResponse(AuthResponse { token: parts.paging_state.as_deref() }),
        ];
        if features.continuous_paging {
            requests.push(Request::Revise(Revise::Cancel { stream: parts.stream.into() }));
        }
        let payload = CustomPayload::from([
            ("a".to_owned(), parts.paging_state.clone().map(Bytes::from)),
            ("b".to_owned(), None),
        ]);
        let options = RequestOptions {
            tracing,
            custom_payload: Some(&payload).filter(|_| features.custom_payload && parts.names),
            compression: None,
        };
        for request in requests {
            let (header, body) = split(&encode(&request, version, &options));
            let decoded = Request::decode(&header, &body).unwrap();
            prop_assert_eq!(&decoded.request, &request);
            prop_assert_eq!(decoded.tracing, tracing);
            prop_assert_eq!(decoded.custom_payload.as_ref(), options.custom_payload);
            assert_robust(&header, &body);
        }
    }
}
