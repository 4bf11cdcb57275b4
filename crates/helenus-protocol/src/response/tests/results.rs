use std::sync::Arc;

use super::*;

#[test]
fn void_and_set_keyspace_have_their_bytes() {
    assert_bytes(
        Response::Result(ResultBody::Void),
        V5,
        "85 00 0102 08 00000004 00000001",
    );
    assert_bytes(
        Response::Result(ResultBody::SetKeyspace("ks".to_owned())),
        V3,
        "83 00 0102 08 00000008 00000003 0002 'ks'",
    );
    assert_eq!(
        decode("84 00 0102 08 00000004 00000006"),
        Err(ProtocolError::UnknownCode {
            what: "kind of result",
            code: 6
        })
    );
}

fn rows(metadata: RowsMetadata, row_count: usize, content: &str) -> Response {
    Response::Result(ResultBody::Rows(Rows {
        metadata,
        row_count,
        content: hex(content).into(),
    }))
}

#[test]
fn rows_of_one_table_name_it_once() {
    let columns: Arc<[_]> = vec![column("a", NativeType::Int), column("b", NativeType::Text)].into();
    let metadata = RowsMetadata {
        column_count: 2,
        columns: Some(columns),
        ..RowsMetadata::default()
    };
    assert_bytes(
        rows(metadata, 1, "00000004 0000002a ffffffff"),
        V4,
        "84 00 0102 08 0000002d 00000002 00000001 00000002 0002 'ks' 0001 't' 0001 'a' 0009 0001 'b' 000d
         00000001 00000004 0000002a ffffffff",
    );
}

#[test]
fn columns_that_were_seen_are_shared_and_others_are_read() {
    let int = [column("a", NativeType::Int)];
    let answers = |columns: &[ColumnSpec], paging_state: Option<&'static [u8]>, version| {
        let metadata = RowsMetadata {
            column_count: columns.len(),
            paging_state: paging_state.map(Bytes::from_static),
            columns: Some(columns.into()),
            ..RowsMetadata::default()
        };
        split(&encode(&rows(metadata, 1, "00000004 0000002a").into(), version))
    };
    let mut seen = None;
    let mut take = |(header, mut body): (EnvelopeHeader, Bytes)| {
        let rows = Rows::take_plain_seen(&header, &mut body, &mut seen).unwrap();
        assert_eq!(rows.content, hex("00000004 0000002a"));
        rows.metadata.columns.unwrap()
    };
    let first = take(answers(&int, None, V4));
    assert_eq!(*first, int);
    let second = take(answers(&int, Some(b"more"), V4));
    assert!(Arc::ptr_eq(&first, &second));
    // Another name, type, table, version.
    let others = [
        (column("b", NativeType::Int), V4),
        (column("b", NativeType::Float), V4),
        (ColumnSpec::new("ks", "u", "b", NativeType::Float), V4),
        (ColumnSpec::new("ks", "u", "b", NativeType::Float), V5),
    ];
    let mut last = second;
    for (other, version) in others {
        let other = [other];
        let read = take(answers(&other, None, version));
        assert_eq!(*read, other);
        assert!(!Arc::ptr_eq(&read, &last));
        last = take(answers(&other, None, version));
        assert!(Arc::ptr_eq(&read, &last));
    }
}

#[test]
fn rows_of_several_tables_name_each() {
    let columns: Arc<[_]> = vec![
        column("a", NativeType::Int),
        ColumnSpec::new("ks", "u", "b", NativeType::Text),
    ]
    .into();
    let metadata = RowsMetadata {
        column_count: 2,
        columns: Some(columns),
        ..RowsMetadata::default()
    };
    assert_bytes(
        rows(metadata, 0, ""),
        V4,
        "84 00 0102 08 00000028 00000002 00000000 00000002 0002 'ks' 0001 't' 0001 'a' 0009
         0002 'ks' 0001 'u' 0001 'b' 000d 00000000",
    );
}

#[test]
fn tables_of_columns_are_shared() {
    let body = "00000002 00000000 00000003 0002 'ks' 0001 't' 0001 'a' 0009
                0002 'ks' 0001 't' 0001 'b' 0009 0002 'ks' 0001 'u' 0001 'c' 0009 00000000";
    let decoded = decode(&format!("84 00 0102 08 {:08x} {body}", hex(body).len())).unwrap();
    let Response::Result(ResultBody::Rows(rows)) = decoded.response else {
        panic!("{decoded:?}");
    };
    let columns = rows.metadata.columns.unwrap();
    assert!(Arc::ptr_eq(&columns[0].table, &columns[1].table));
    assert_eq!((&*columns[2].keyspace, &*columns[2].table), ("ks", "u"));
}

#[test]
fn rows_without_metadata_carry_the_paging_state() {
    let metadata = RowsMetadata {
        column_count: 3,
        paging_state: Some(Bytes::from_static(&[0xAA, 0xBB])),
        ..RowsMetadata::default()
    };
    assert_bytes(
        rows(metadata, 0, ""),
        V3,
        "83 00 0102 08 00000016 00000002 00000006 00000003 00000002 aabb 00000000",
    );
}

#[test]
fn changed_metadata_comes_with_its_id_in_v5_and_dse_v2() {
    let metadata = RowsMetadata {
        column_count: 1,
        new_metadata_id: Some(Bytes::from_static(&[0xCA])),
        columns: Some(vec![column("a", NativeType::Int)].into()),
        ..RowsMetadata::default()
    };
    for (version, head) in [(V5, "85"), (DseV2, "c2")] {
        assert_bytes(
            rows(metadata.clone(), 0, ""),
            version,
            &format!(
                "{head} 00 0102 08 0000001f 00000002 00000009 00000001 0001 ca 0002 'ks' 0001 't' 0001 'a' 0009 00000000"
            ),
        );
    }
    assert_eq!(
        refusal(rows(metadata, 0, ""), V4),
        not_supported("a new metadata id", V4)
    );
}

#[test]
fn continuous_pages_are_numbered() {
    let metadata = RowsMetadata {
        column_count: 1,
        continuous_page: Some((7, true)),
        ..RowsMetadata::default()
    };
    assert_bytes(
        rows(metadata.clone(), 1, "ffffffff"),
        DseV1,
        "c1 00 0102 08 00000018 00000002 c0000004 00000001 00000007 00000001 ffffffff",
    );
    assert_eq!(
        refusal(rows(metadata, 1, "ffffffff"), V5),
        not_supported("a continuous page", V5)
    );
}

#[test]
fn number_of_a_continuous_page_is_found_behind_whatever_stands_before_it() {
    let numbered = |page: Option<(i32, bool)>, version: ProtocolVersion, plain: bool| {
        let metadata = RowsMetadata {
            column_count: 1,
            paging_state: (!plain).then(|| Bytes::from_static(b"here")),
            new_metadata_id: (!plain && version == DseV2).then(|| Bytes::from_static(&[0xCA])),
            columns: (!plain).then(|| vec![column("a", NativeType::Int)].into()),
            continuous_page: page,
        };
        let envelope = ResponseEnvelope {
            tracing_id: (!plain).then(|| uuid::Uuid::from_u128(7)),
            warnings: if plain {
                Vec::new()
            } else {
                vec!["slow".to_owned()]
            },
            custom_payload: None,
            response: rows(metadata, 1, "ffffffff"),
        };
        let mut bytes = Vec::new();
        envelope.encode(version, 1, None, &mut bytes).unwrap();
        let header = EnvelopeHeader::decode(&bytes).unwrap();
        ResponseEnvelope::continuous_page(&header, &bytes[crate::HEADER_LENGTH..]).unwrap()
    };
    for version in [DseV1, DseV2] {
        for page in [None, Some((7, false)), Some((8, true))] {
            for plain in [true, false] {
                assert_eq!(numbered(page, version, plain), page);
            }
        }
    }
    assert_eq!(numbered(None, V4, true), None);
}

#[test]
fn fault_16_hostile_counts_are_refused_before_allocation() {
    for body in [
        // 2^31 - 1 columns, or one less than none.
        "00000002 00000001 7fffffff 0002 'ks' 0001 't'",
        "00000002 00000000 7fffffff",
        "00000002 00000000 ffffffff",
        // 2^31 - 1 rows: of one column, of 2^31 - 1, of none.
        "00000002 00000004 00000001 7fffffff",
        "00000002 00000004 7fffffff 7fffffff",
        "00000002 00000004 00000000 7fffffff",
        "00000002 00000004 00000001 ffffffff",
        // 2^31 - 1 bind markers, parts of the partition key.
        "00000004 0000 00000001 7fffffff 00000000 0002 'ks' 0001 't'",
        "00000004 0000 00000001 00000000 7fffffff",
    ] {
        let decoded = decode(&format!("84 00 0102 08 {:08x} {body}", hex(body).len()));
        assert!(decoded.is_err(), "{body}");
    }
    // 2^31 - 1 failures.
    let body = "00001300 0000 0001 00000001 00000002 7fffffff";
    let decoded = decode(&format!("85 00 0102 00 {:08x} {body}", hex(body).len()));
    assert!(matches!(
        decoded,
        Err(ProtocolError::Truncated { what: "failures", .. })
    ));
}

fn prepared() -> Prepared {
    Prepared {
        id: Bytes::from_static(&[0xCA, 0xFE]),
        result_metadata_id: None,
        bind_columns: vec![column("a", NativeType::Int)].into(),
        partition_key_indexes: Vec::new(),
        result: RowsMetadata {
            column_count: 1,
            columns: Some(vec![column("b", NativeType::Text)].into()),
            ..RowsMetadata::default()
        },
    }
}

#[test]
fn prepared_has_the_partition_key_from_v4_on_and_the_metadata_id_from_v5_on() {
    let marker = "0002 'ks' 0001 't' 0001 'a' 0009";
    let result = "00000001 00000001 0002 'ks' 0001 't' 0001 'b' 000d";
    let mut prepared = prepared();
    assert_bytes(
        Response::Result(ResultBody::Prepared(prepared.clone())),
        V3,
        &format!("83 00 0102 08 00000030 00000004 0002 cafe 00000001 00000001 {marker} {result}"),
    );
    prepared.partition_key_indexes = vec![0];
    assert_eq!(
        refusal(Response::Result(ResultBody::Prepared(prepared.clone())), V3),
        not_supported("the partition key of a prepared statement", V3)
    );
    for (version, head) in [(V4, "84"), (DseV1, "c1")] {
        assert_bytes(
            Response::Result(ResultBody::Prepared(prepared.clone())),
            version,
            &format!(
                "{head} 00 0102 08 00000036 00000004 0002 cafe 00000001 00000001 00000001 0000 {marker} {result}"
            ),
        );
    }
    prepared.result_metadata_id = Some(Bytes::from_static(&[0xBE]));
    for (version, head) in [(V5, "85"), (DseV2, "c2")] {
        assert_bytes(
            Response::Result(ResultBody::Prepared(prepared.clone())),
            version,
            &format!(
                "{head} 00 0102 08 00000039 00000004 0002 cafe 0001 be 00000001 00000001 00000001 0000 {marker} {result}"
            ),
        );
    }
}

#[test]
fn prepared_may_come_without_result_metadata() {
    let mut prepared = prepared();
    prepared.bind_columns = Arc::new([]);
    prepared.result = RowsMetadata::default();
    assert_bytes(
        Response::Result(ResultBody::Prepared(prepared)),
        V4,
        "84 00 0102 08 0000001c 00000004 0002 cafe 00000000 00000000 00000000 00000004 00000000",
    );
}

#[test]
fn partition_key_index_beyond_the_markers_is_refused() {
    let body = "00000004 0000 00000000 00000000 00000001 0000 00000004 00000000";
    let decoded = decode(&format!("84 00 0102 08 {:08x} {body}", hex(body).len()));
    assert!(matches!(
        decoded,
        Err(ProtocolError::InvalidLength {
            what: "partition key index",
            ..
        })
    ));
}

#[test]
fn nested_types_come_through_prepared() {
    let mut prepared = prepared();
    let ty = CqlType::map(
        NativeType::Text,
        CqlType::list(CqlType::vector(NativeType::Float, 3)),
    );
    prepared.bind_columns = vec![ColumnSpec::new("ks", "t", "m", ty)].into();
    let response = Response::Result(ResultBody::Prepared(prepared)).into();
    assert_robust(&encode(&response, V4), &response);
}
