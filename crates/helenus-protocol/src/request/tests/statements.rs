use super::*;

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
