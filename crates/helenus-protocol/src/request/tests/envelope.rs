use super::*;

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
    let text = "SELECT ".repeat(80);
    let query = Request::Query(Query {
        text: &text,
        ..Query::default()
    });
    let short_query = Request::Query(Query {
        text: &text[..300],
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
        let (header, _) = split(&encode(&short_query, V4, &options));
        assert!(
            !header.flags.has(EnvelopeFlags::COMPRESSED),
            "it would save nothing"
        );
        let startup = Request::Startup(Startup {
            options: vec![("A".repeat(600), String::new())],
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
