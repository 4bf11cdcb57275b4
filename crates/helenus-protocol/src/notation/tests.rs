use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;

use bytes::Bytes;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::testing::hex;
use crate::{ConsistencyLevel, EncodeError, ProtocolError};

/// Writing gives the bytes, reading gives the value back and takes all of them; fewer bytes are an error.
macro_rules! assert_notation {
    ($bytes:expr, $value:expr, |$out:ident| $write:expr, |$reader:ident| $read:expr) => {{
        let bytes = hex($bytes);
        let mut out = Vec::new();
        {
            let $out = &mut out;
            $write;
        }
        assert_eq!(out, bytes);
        let mut $reader = Reader::new(&bytes);
        assert_eq!($read.unwrap(), $value);
        assert!($reader.is_empty());
        for cut in 0..bytes.len() {
            let mut $reader = Reader::new(&bytes[..cut]);
            let refused = $read;
            assert!(
                matches!(refused, Err(ProtocolError::Truncated { .. })),
                "{refused:?}"
            );
        }
    }};
}

#[test]
fn numbers_are_big_endian() {
    assert_notation!("7f", 0x7F, |out| write::byte(out, 0x7F), |r| r.read_byte("x"));
    assert_notation!("fffe", 0xFFFE, |out| write::short(out, 0xFFFE), |r| r
        .read_short("x"));
    assert_notation!("ffff fffe", -2, |out| write::int(out, -2), |r| r.read_int("x"));
    assert_notation!(
        "0102030405060708",
        0x0102_0304_0506_0708,
        |out| write::long(out, 0x0102_0304_0506_0708),
        |r| r.read_long("x")
    );
}

#[test]
fn vints_are_as_long_as_they_need_to_be() {
    // v5 §3 has 256,000 in three bytes.
    for (bytes, value) in [
        ("00", 0),
        ("7f", 127),
        ("8080", 128),
        ("bfff", 16_383),
        ("c04000", 16_384),
        ("c3e800", 256_000),
        ("fe ffffffffffffff", (1 << 56) - 1),
        ("ff 0100000000000000", 1 << 56),
        ("ff ffffffffffffffff", u64::MAX),
    ] {
        assert_notation!(bytes, value, |out| write::unsigned_vint(out, value), |r| r
            .read_unsigned_vint("x"));
    }
}

#[test]
fn signed_vints_are_zig_zag() {
    for (bytes, value) in [
        ("00", 0),
        ("01", -1),
        ("02", 1),
        ("03", -2),
        ("04", 2),
        ("05", -3),
        ("ff ffffffffffffffff", i64::MIN),
        ("ff fffffffffffffffe", i64::MAX),
    ] {
        assert_notation!(bytes, value, |out| write::vint(out, value), |r| r.read_vint("x"));
    }
}

#[test]
fn strings_carry_their_length_in_bytes() {
    assert_notation!(
        "0003 'a' c3a9",
        "aé",
        |out| write::string(out, "aé", "x").unwrap(),
        |r| r.read_string("x")
    );
    assert_notation!(
        "00000003 'a' c3a9",
        "aé",
        |out| write::long_string(out, "aé", "x").unwrap(),
        |r| r.read_long_string("x")
    );
    assert_eq!(
        Reader::new(&hex("0001 ff")).read_string("name"),
        Err(ProtocolError::InvalidUtf8 { what: "name" })
    );
    let bytes = hex("ffffffff");
    let refused = Reader::new(&bytes).read_long_string("query");
    assert!(matches!(
        refused,
        Err(ProtocolError::InvalidLength { length: -1, .. })
    ));
}

#[test]
fn bytes_are_null_for_every_negative_length() {
    assert_notation!(
        "00000002 abcd",
        Some(&[0xAB, 0xCD][..]),
        |out| write::bytes(out, Some(&[0xAB, 0xCD]), "x").unwrap(),
        |r| r.read_bytes("x")
    );
    assert_notation!(
        "ffffffff",
        None,
        |out| write::bytes(out, None, "x").unwrap(),
        |r| r.read_bytes("x")
    );
    assert_eq!(Reader::new(&hex("80000000")).read_bytes("x"), Ok(None));
    assert_notation!(
        "0002 abcd",
        &[0xAB, 0xCD],
        |out| write::short_bytes(out, &[0xAB, 0xCD], "x").unwrap(),
        |r| r.read_short_bytes("x")
    );
}

#[test]
fn values_are_null_or_unset_by_their_length() {
    for (bytes, value) in [
        ("00000001 2a", RawValue::Bytes(&[0x2A])),
        ("00000000", RawValue::Bytes(&[])),
        ("ffffffff", RawValue::Null),
        ("fffffffe", RawValue::Unset),
    ] {
        assert_notation!(bytes, value, |out| write::value(out, value, "x").unwrap(), |r| r
            .read_value("x"));
    }
    let bytes = hex("fffffffd");
    let refused = Reader::new(&bytes).read_value("x");
    assert!(matches!(
        refused,
        Err(ProtocolError::InvalidLength { length: -3, .. })
    ));
}

#[test]
fn addresses_have_four_or_sixteen_bytes() {
    for (bytes, address) in [
        ("04 7f000001 00002352", "127.0.0.1:9042"),
        ("10 00000000000000000000000000000001 00000000", "[::1]:0"),
    ] {
        let address: SocketAddr = address.parse().unwrap();
        assert_notation!(bytes, address, |out| write::inet(out, address), |r| r
            .read_inet("x"));
    }
    let bytes = hex("05 0102030405 00000000");
    let refused = Reader::new(&bytes).read_inet("x");
    assert!(matches!(
        refused,
        Err(ProtocolError::InvalidLength { length: 5, .. })
    ));
    for port in ["00010000", "ffffffff"] {
        let bytes = hex(&format!("04 7f000001 {port}"));
        let refused = Reader::new(&bytes).read_inet("x");
        assert!(matches!(refused, Err(ProtocolError::Malformed(_))));
    }
}

#[test]
fn uuids_and_consistency_levels_have_their_bytes() {
    let uuid = Uuid::from_u128(0x0011_2233_4455_6677_8899_AABB_CCDD_EEFF);
    assert_notation!(
        "00112233445566778899aabbccddeeff",
        uuid,
        |out| write::uuid(out, &uuid),
        |r| r.read_uuid("x")
    );
    assert_notation!(
        "000a",
        ConsistencyLevel::LocalOne,
        |out| write::consistency(out, ConsistencyLevel::LocalOne),
        |r| r.read_consistency("x")
    );
}

#[test]
fn lists_and_maps_carry_their_count() {
    let list = ["a".to_owned(), String::new()];
    assert_notation!(
        "0002 0001 'a' 0000",
        list,
        |out| write::string_list(out, &list, "x").unwrap(),
        |r| r.read_string_list("x")
    );
    assert_notation!(
        "0001 0001 'k' 0001 'v'",
        [("k".to_owned(), "v".to_owned())],
        |out| write::string_map(out, [("k", "v")].into_iter(), "x").unwrap(),
        |r| r.read_string_map("x")
    );
    let multimap = BTreeMap::from([("k".to_owned(), vec!["v".to_owned(), "w".to_owned()])]);
    assert_notation!(
        "0001 0001 'k' 0002 0001 'v' 0001 'w'",
        multimap,
        |out| write::string_multimap(out, multimap.iter(), "x").unwrap(),
        |r| r.read_string_multimap("x")
    );
    let bytes_map = HashMap::from([("k".to_owned(), Some(Bytes::from_static(&[1, 2])))]);
    assert_notation!(
        "0001 0001 'k' 00000002 0102",
        bytes_map,
        |out| write::bytes_map(out, bytes_map.iter(), "x").unwrap(),
        |r| r.read_bytes_map("x")
    );
    let null = HashMap::from([("k".to_owned(), None)]);
    assert_notation!(
        "0001 0001 'k' ffffffff",
        null,
        |out| write::bytes_map(out, null.iter(), "x").unwrap(),
        |r| r.read_bytes_map("x")
    );
}

#[test]
fn counts_that_cannot_be_there_are_refused() {
    let bytes = hex("ffff 0001 'a'");
    let mut reader = Reader::new(&bytes);
    assert_eq!(
        reader.read_string_list("names"),
        Err(ProtocolError::Truncated {
            what: "names",
            needed: 131_070,
            available: 3
        })
    );
    let bytes = hex("7fffffff");
    let refused = Reader::new(&bytes).read_int_count(usize::MAX, "rows");
    assert!(matches!(refused, Err(ProtocolError::Truncated { .. })));
    let bytes = hex("ffffffff");
    let refused = Reader::new(&bytes).read_int_count(0, "rows");
    assert!(matches!(
        refused,
        Err(ProtocolError::InvalidLength { length: -1, .. })
    ));
    assert_eq!(
        Reader::new(&hex("0002 0000 0000")).read_short_count(2, "x"),
        Ok(2)
    );
}

#[test]
fn what_does_not_fit_its_length_is_not_written() {
    let long = "x".repeat(65_536);
    assert_eq!(
        write::string(&mut Vec::new(), &long, "keyspace"),
        Err(EncodeError::TooLarge {
            what: "keyspace",
            length: 65_536,
            limit: 65_535
        })
    );
    assert!(write::string(&mut Vec::new(), &long[1..], "keyspace").is_ok());
    assert!(write::string_list(&mut Vec::new(), &vec![""; 65_536], "x").is_err());
}

proptest! {
    #[test]
    fn vints_come_back(value: i64, shift in 0_u32..64) {
        let value = value >> shift;
        let mut out = Vec::new();
        write::vint(&mut out, value);
        let mut reader = Reader::new(&out);
        prop_assert_eq!(reader.read_vint("x").unwrap(), value);
        prop_assert!(reader.is_empty());
    }
}
