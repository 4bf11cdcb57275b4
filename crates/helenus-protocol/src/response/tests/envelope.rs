use super::*;

#[test]
fn handshake_responses_have_their_bytes() {
    assert_bytes(Response::Ready, V4, "84 00 0102 02 00000000");
    let authenticator = "A.B".to_owned();
    assert_bytes(
        Response::Authenticate { authenticator },
        V3,
        "83 00 0102 03 00000005 0003 'A.B'",
    );
    let options = BTreeMap::from([
        (
            "COMPRESSION".to_owned(),
            vec!["lz4".to_owned(), "snappy".to_owned()],
        ),
        ("CQL_VERSION".to_owned(), vec!["3.4.7".to_owned()]),
    ]);
    assert_bytes(
        Response::Supported(options),
        V5,
        "85 00 0102 06 00000034 0002 000b 'COMPRESSION' 0002 0003 'lz4' 0006 'snappy'
         000b 'CQL_VERSION' 0001 0005 '3.4.7'",
    );
    let token = Some(Bytes::from_static(&[0xAA]));
    assert_bytes(
        Response::AuthChallenge(token),
        V4,
        "84 00 0102 0e 00000005 00000001 aa",
    );
    assert_bytes(Response::AuthSuccess(None), V4, "84 00 0102 10 00000004 ffffffff");
}

#[test]
fn tracing_id_warnings_and_payload_head_the_body_in_this_order() {
    let envelope = ResponseEnvelope {
        tracing_id: Some(Uuid::from_u128(0x0102_0304_0506_0708_090A_0B0C_0D0E_0F10)),
        warnings: vec!["w".to_owned()],
        custom_payload: Some(CustomPayload::from([("k".to_owned(), None)])),
        response: Response::Result(ResultBody::Void),
    };
    assert_bytes(
        envelope.clone(),
        V4,
        "84 0e 0102 08 00000022 0102030405060708090a0b0c0d0e0f10 0001 0001 'w' 0001 0001 'k' ffffffff 00000001",
    );
    assert_eq!(refusal(envelope, V3), not_supported("a warning", V3));
}

#[test]
fn flags_that_v3_does_not_know_are_ignored() {
    let decoded = decode("83 0c 0102 08 00000004 00000001").unwrap();
    assert_eq!(decoded, Response::Result(ResultBody::Void).into());
}

#[test]
fn request_opcode_is_no_response() {
    let header = EnvelopeHeader::decode(&hex("04 00 0000 05 00000000")).unwrap();
    let refused = ResponseEnvelope::decode(&header, Bytes::new());
    assert_eq!(refused, Err(ProtocolError::WrongDirection));
}

#[test]
fn bodies_are_compressed_when_that_makes_them_shorter() {
    let response: ResponseEnvelope = Response::Result(ResultBody::SetKeyspace("k".repeat(500))).into();
    for compression in Compression::ALL {
        let mut out = Vec::new();
        response.encode(V4, 1, Some(compression), &mut out).unwrap();
        let (header, body) = split(&out);
        assert!(header.flags.has(EnvelopeFlags::COMPRESSED));
        let body = compression.decompress(&body).unwrap();
        assert_eq!(ResponseEnvelope::decode(&header, body).unwrap(), response);
    }
}
