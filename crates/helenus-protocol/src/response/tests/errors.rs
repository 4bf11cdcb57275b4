use super::*;

#[test]
fn errors_without_fields_have_code_and_message() {
    for (code, number) in [
        (ErrorCode::Server, "00000000"),
        (ErrorCode::Protocol, "0000000a"),
        (ErrorCode::Authentication, "00000100"),
        (ErrorCode::Overloaded, "00001001"),
        (ErrorCode::Bootstrapping, "00001002"),
        (ErrorCode::Truncate, "00001003"),
        (ErrorCode::CdcWriteFailure, "00001600"),
        (ErrorCode::Syntax, "00002000"),
        (ErrorCode::Unauthorized, "00002100"),
        (ErrorCode::Invalid, "00002200"),
        (ErrorCode::Configuration, "00002300"),
        (ErrorCode::ClientWriteFailure, "00008000"),
        (ErrorCode::Other(0x7777), "00007777"),
    ] {
        let envelope = format!("84 00 0102 00 00000007 {number} 0001 'm'");
        assert_bytes(error(code, ErrorDetails::None), V4, &envelope);
    }
}

#[test]
fn errors_carry_the_fields_of_their_code() {
    let consistency = ConsistencyLevel::Quorum;
    let (received, block_for) = (1, 2);
    let replicas = "0004 00000001 00000002";
    for (code, number, details, fields) in [
        (
            ErrorCode::Unavailable,
            "00001000",
            ErrorDetails::Unavailable {
                consistency,
                required: 1,
                alive: 2,
            },
            replicas.to_owned(),
        ),
        (
            ErrorCode::WriteTimeout,
            "00001100",
            ErrorDetails::WriteTimeout {
                consistency,
                received,
                block_for,
                write_type: WriteType::BatchLog,
                contentions: None,
            },
            format!("{replicas} 0009 'BATCH_LOG'"),
        ),
        (
            ErrorCode::ReadTimeout,
            "00001200",
            ErrorDetails::ReadTimeout {
                consistency,
                received,
                block_for,
                data_present: true,
            },
            format!("{replicas} 01"),
        ),
        (
            ErrorCode::FunctionFailure,
            "00001400",
            ErrorDetails::FunctionFailure {
                keyspace: "ks".to_owned(),
                function: "f".to_owned(),
                arg_types: vec!["int".to_owned()],
            },
            "0002 'ks' 0001 'f' 0001 0003 'int'".to_owned(),
        ),
        (
            ErrorCode::CasWriteUnknown,
            "00001700",
            ErrorDetails::CasWriteUnknown {
                consistency,
                received,
                block_for,
            },
            replicas.to_owned(),
        ),
        (
            ErrorCode::AlreadyExists,
            "00002400",
            ErrorDetails::AlreadyExists {
                keyspace: "ks".to_owned(),
                table: String::new(),
            },
            "0002 'ks' 0000".to_owned(),
        ),
        (
            ErrorCode::Unprepared,
            "00002500",
            ErrorDetails::Unprepared {
                id: Bytes::from_static(&[0xCA]),
            },
            "0001 ca".to_owned(),
        ),
    ] {
        for version in ProtocolVersion::ALL {
            let head = version.number() | 0x80;
            let length = 7 + hex(&fields).len();
            let envelope = format!("{head:02x} 00 0102 00 {length:08x} {number} 0001 'm' {fields}");
            assert_bytes(error(code, details.clone()), version, &envelope);
        }
    }
}

#[test]
fn contentions_end_a_cas_write_timeout_of_v5() {
    let details = |contentions| ErrorDetails::WriteTimeout {
        consistency: ConsistencyLevel::Serial,
        received: 1,
        block_for: 2,
        write_type: WriteType::Cas,
        contentions,
    };
    let body = "00001100 0001 'm' 0008 00000001 00000002 0003 'CAS'";
    assert_bytes(
        error(ErrorCode::WriteTimeout, details(Some(9))),
        V5,
        &format!("85 00 0102 00 00000018 {body} 0009"),
    );
    assert_bytes(
        error(ErrorCode::WriteTimeout, details(None)),
        V4,
        &format!("84 00 0102 00 00000016 {body}"),
    );
    let early = decode(&format!("85 00 0102 00 00000016 {body}")).unwrap();
    assert_eq!(early.response, error(ErrorCode::WriteTimeout, details(None)));
    let refused = refusal(error(ErrorCode::WriteTimeout, details(Some(9))), V4);
    assert_eq!(refused, not_supported("a number of contentions", V4));
}

#[test]
fn failures_are_counted_in_v4_and_listed_later() {
    let consistency = ConsistencyLevel::Quorum;
    let (received, block_for) = (1, 2);
    let read = |failures| {
        let data_present = false;
        error(
            ErrorCode::ReadFailure,
            ErrorDetails::ReadFailure {
                consistency,
                received,
                block_for,
                failures,
                data_present,
            },
        )
    };
    let write = |failures| {
        let write_type = WriteType::UnloggedBatch;
        error(
            ErrorCode::WriteFailure,
            ErrorDetails::WriteFailure {
                consistency,
                received,
                block_for,
                failures,
                write_type,
            },
        )
    };
    let head = "0001 'm' 0004 00000001 00000002";
    assert_bytes(
        read(Failures::Count(3)),
        V4,
        &format!("84 00 0102 00 00000016 00001300 {head} 00000003 00"),
    );
    assert_bytes(
        write(Failures::Count(3)),
        V4,
        &format!("84 00 0102 00 00000025 00001500 {head} 00000003 000e 'UNLOGGED_BATCH'"),
    );
    let by_node = Failures::ByNode(vec![
        (
            "127.0.0.1".parse().unwrap(),
            FailureReason::READ_TOO_MANY_TOMBSTONES,
        ),
        ("::1".parse().unwrap(), FailureReason(99)),
    ]);
    assert_eq!(by_node.count(), 2);
    let nodes = "00000002 04 7f000001 0001 10 00000000000000000000000000000001 0063";
    for (version, first) in [(V5, "85"), (DseV1, "c1"), (DseV2, "c2")] {
        assert_bytes(
            read(by_node.clone()),
            version,
            &format!("{first} 00 0102 00 00000030 00001300 {head} {nodes} 00"),
        );
        assert_bytes(
            write(by_node.clone()),
            version,
            &format!("{first} 00 0102 00 0000003f 00001500 {head} {nodes} 000e 'UNLOGGED_BATCH'"),
        );
    }
    assert_eq!(refusal(read(by_node), V4), not_supported("failures by node", V4));
    assert_eq!(
        refusal(read(Failures::Count(1)), V5),
        not_supported("a count of failures", V5)
    );
}

#[test]
fn unknown_words_and_codes_are_carried() {
    assert_eq!(WriteType::from_name("LATER").name(), "LATER");
    assert_eq!(ErrorCode::from_code(0x1234), ErrorCode::Other(0x1234));
    for code in ErrorCode::KNOWN {
        assert_eq!(ErrorCode::from_code(code.code()), code);
    }
    assert_eq!(FailureReason(99).to_string(), "reason 99");
}

#[test]
fn error_with_the_fields_of_another_is_not_written() {
    let details = ErrorDetails::Unprepared { id: Bytes::new() };
    let refused = refusal(error(ErrorCode::Syntax, details), V4);
    assert!(matches!(refused, EncodeError::NotSupported { .. }));
}
