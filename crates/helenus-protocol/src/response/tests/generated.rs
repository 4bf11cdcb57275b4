//! Every response comes back from its bytes, in every version.

use std::net::SocketAddr;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::MetadataIdSupport;
use crate::testing::{any_consistency, any_type, any_version};

fn any_bytes() -> impl Strategy<Value = Bytes> {
    proptest::collection::vec(any::<u8>(), 0..12).prop_map(Bytes::from)
}

fn any_columns() -> impl Strategy<Value = Arc<[ColumnSpec]>> {
    let column = ("[a-b]", "[a-b]", ".{0,4}", any_type())
        .prop_map(|(keyspace, table, name, ty)| ColumnSpec::new(keyspace, table, name, ty));
    proptest::collection::vec(column, 1..4).prop_map(Arc::from)
}

fn any_metadata(version: ProtocolVersion) -> impl Strategy<Value = RowsMetadata> {
    use proptest::option::of;
    let features = version.features();
    (
        1_usize..4,
        of(any_bytes()),
        of(any_bytes()),
        of(any_columns()),
        any::<Option<(i32, bool)>>(),
    )
        .prop_map(
            move |(count, paging_state, new_metadata_id, columns, page)| RowsMetadata {
                column_count: columns.as_ref().map_or(count, |columns| columns.len()),
                paging_state,
                new_metadata_id: new_metadata_id
                    .filter(|_| features.result_metadata_id == MetadataIdSupport::Present),
                columns,
                continuous_page: page.filter(|_| features.continuous_paging),
            },
        )
}

fn any_rows(version: ProtocolVersion) -> impl Strategy<Value = Rows> {
    (
        any_metadata(version),
        proptest::collection::vec(proptest::option::of(any_bytes()), 0..4),
    )
        .prop_map(|(metadata, cells)| {
            let mut content = Vec::new();
            for cell in &cells {
                for _ in 0..metadata.column_count {
                    write::bytes(&mut content, cell.as_deref(), "cell").unwrap();
                }
            }
            Rows {
                metadata,
                row_count: cells.len(),
                content: content.into(),
            }
        })
}

fn any_prepared(version: ProtocolVersion) -> impl Strategy<Value = Prepared> {
    let features = version.features();
    (any_bytes(), any_bytes(), any_columns(), any_metadata(version)).prop_map(
        move |(id, metadata_id, bind_columns, result)| Prepared {
            id,
            result_metadata_id: Some(metadata_id)
                .filter(|_| features.result_metadata_id == MetadataIdSupport::Present),
            partition_key_indexes: match features.partition_key_indexes {
                true => (0..bind_columns.len() as u16).rev().collect(),
                false => Vec::new(),
            },
            bind_columns,
            result,
        },
    )
}

fn any_error(version: ProtocolVersion) -> impl Strategy<Value = ServerError> {
    let by_node = version.features().failure_reasons_by_node;
    let failures = (
        any::<i32>(),
        proptest::collection::vec(any::<(std::net::IpAddr, u16)>(), 0..3),
    )
        .prop_map(move |(count, nodes)| match by_node {
            true => Failures::ByNode(
                nodes
                    .into_iter()
                    .map(|(address, code)| (address, FailureReason(code)))
                    .collect(),
            ),
            false => Failures::Count(count),
        });
    let code = proptest::sample::select(&ErrorCode::KNOWN);
    (
        code,
        ".{0,9}",
        any_consistency(),
        any::<(i32, i32, bool)>(),
        failures,
        "[A-Z]{1,4}",
    )
        .prop_map(
            |(code, message, consistency, (received, block_for, data_present), failures, word)| ServerError {
                code,
                details: match code {
                    ErrorCode::Unavailable => ErrorDetails::Unavailable {
                        consistency,
                        required: received,
                        alive: block_for,
                    },
                    ErrorCode::WriteTimeout => ErrorDetails::WriteTimeout {
                        consistency,
                        received,
                        block_for,
                        write_type: WriteType::from_name(&word),
                        contentions: None,
                    },
                    ErrorCode::ReadTimeout => ErrorDetails::ReadTimeout {
                        consistency,
                        received,
                        block_for,
                        data_present,
                    },
                    ErrorCode::ReadFailure => ErrorDetails::ReadFailure {
                        consistency,
                        received,
                        block_for,
                        failures,
                        data_present,
                    },
                    ErrorCode::WriteFailure => ErrorDetails::WriteFailure {
                        consistency,
                        received,
                        block_for,
                        failures,
                        write_type: WriteType::from_name(&word),
                    },
                    ErrorCode::FunctionFailure => ErrorDetails::FunctionFailure {
                        keyspace: message.clone(),
                        function: word.clone(),
                        arg_types: vec![word, message.clone()],
                    },
                    ErrorCode::CasWriteUnknown => ErrorDetails::CasWriteUnknown {
                        consistency,
                        received,
                        block_for,
                    },
                    ErrorCode::AlreadyExists => ErrorDetails::AlreadyExists {
                        keyspace: message.clone(),
                        table: word,
                    },
                    ErrorCode::Unprepared => ErrorDetails::Unprepared {
                        id: word.into_bytes().into(),
                    },
                    _ => ErrorDetails::None,
                },
                message,
            },
        )
}

fn any_response(version: ProtocolVersion) -> impl Strategy<Value = Response> {
    let change = ("[a-z]{1,5}", any::<bool>()).prop_map(|(name, table)| SchemaChange {
        change: SchemaChangeType::Updated,
        keyspace: name.clone(),
        target: match table {
            true => SchemaChangeTarget::Table { name },
            false => SchemaChangeTarget::Aggregate {
                arguments: vec![name.clone()],
                name,
            },
        },
    });
    let event = prop_oneof![
        change.clone().prop_map(Event::SchemaChange),
        any::<SocketAddr>().prop_map(|address| Event::StatusChange {
            change: StatusChange::Down,
            // Neither flow information nor scope travels.
            address: SocketAddr::new(address.ip(), address.port()),
        }),
    ];
    let result = prop_oneof![
        Just(ResultBody::Void),
        any_rows(version).prop_map(ResultBody::Rows),
        any_prepared(version).prop_map(ResultBody::Prepared),
        change.prop_map(ResultBody::SchemaChange),
        ".{0,9}".prop_map(ResultBody::SetKeyspace),
    ];
    let strings = proptest::collection::vec(".{0,5}".prop_map(String::from), 0..3);
    prop_oneof![
        4 => any_error(version).prop_map(Response::Error),
        1 => Just(Response::Ready),
        1 => ".{0,9}".prop_map(|authenticator| Response::Authenticate { authenticator }),
        1 => proptest::collection::btree_map(".{0,5}", strings, 0..3).prop_map(Response::Supported),
        8 => result.prop_map(Response::Result),
        1 => event.prop_map(Response::Event),
        1 => proptest::option::of(any_bytes()).prop_map(Response::AuthChallenge),
        1 => proptest::option::of(any_bytes()).prop_map(Response::AuthSuccess),
    ]
}

fn any_envelope(version: ProtocolVersion) -> impl Strategy<Value = ResponseEnvelope> {
    let features = version.features();
    (
        any::<Option<u128>>(),
        proptest::collection::vec(".{0,5}".prop_map(String::from), 0..3),
        proptest::option::of(proptest::collection::hash_map(
            ".{0,3}",
            proptest::option::of(any_bytes()),
            0..3,
        )),
        any_response(version),
    )
        .prop_map(
            move |(tracing_id, warnings, custom_payload, response)| ResponseEnvelope {
                tracing_id: tracing_id.map(Uuid::from_u128),
                warnings: if features.warnings { warnings } else { Vec::new() },
                custom_payload: custom_payload.filter(|_| features.custom_payload),
                response,
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]
    #[test]
    fn fault_18_responses_come_back_whole_fail_cut_and_may_be_followed_by_anything(
        (version, response) in any_version().prop_flat_map(|version| (Just(version), any_envelope(version))),
    ) {
        assert_robust(&encode(&response, version), &response);
    }

    #[test]
    fn rows_alone_are_taken_as_they_are_decoded_and_anything_else_is_left(
        (version, response) in any_version().prop_flat_map(|version| (Just(version), any_envelope(version))),
        plain in any::<bool>(),
    ) {
        let response = if plain { response.response.into() } else { response };
        let (header, whole) = split(&encode(&response, version));
        let mut seen = None;
        for length in [whole.len(), whole.len(), whole.len() / 2] {
            let mut body = whole.slice(..length);
            let decoded = ResponseEnvelope::decode(&header, body.clone());
            let expected = match decoded.map(|decoded| decoded.response) {
                Ok(Response::Result(ResultBody::Rows(rows))) if header.flags == EnvelopeFlags::default() => Some(rows),
                _ => None,
            };
            let taken = Rows::take_plain(&header, &mut body);
            prop_assert_eq!(body, whole.slice(..if taken.is_some() { 0 } else { length }));
            prop_assert_eq!(&taken, &expected);
            // Without columns that were seen, then with these.
            let mut body = whole.slice(..length);
            let taken = Rows::take_plain_seen(&header, &mut body, &mut seen);
            prop_assert_eq!(body, whole.slice(..if taken.is_some() { 0 } else { length }));
            prop_assert_eq!(taken, expected);
        }
    }
}
