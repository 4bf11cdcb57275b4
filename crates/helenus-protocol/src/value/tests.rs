//! Every CQL type: its bytes spelled out, and values of all types, nested, there and back.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;

use bytes::Bytes;
use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::NativeType::{
    Ascii, BigInt, Blob, Boolean, Counter, Date, Double, Empty, Float, Inet, Int, SmallInt, Text, Time,
    Timeuuid, TinyInt, Varint,
};
use crate::generators::{typed_values, types};
use crate::{CqlType, ProtocolVersion, Reader};

/// The bytes that the value is bound as, length and all.
fn bound(value: impl SerializeValue, ty: impl Into<CqlType>) -> Vec<u8> {
    let mut out = Vec::new();
    value
        .serialize(&ty.into(), &mut ValueWriter::new(&mut out))
        .unwrap();
    out
}

/// Checks that the value is bound as these bytes (given without the length), that they read back as the value, and that the
/// dynamic value of them is bound as the same bytes.
fn assert_bytes<T>(value: T, ty: impl Into<CqlType>, expected: &[u8])
where
    T: SerializeValue + for<'f> DeserializeValue<'f> + PartialEq + std::fmt::Debug,
{
    let ty = ty.into();
    let mut with_length = i32::try_from(expected.len()).unwrap().to_be_bytes().to_vec();
    with_length.extend(expected);
    assert_eq!(bound(&value, ty.clone()), with_length, "{ty}");
    T::check_type(&ty).unwrap();
    assert_eq!(T::deserialize(&ty, Some(expected.into())).unwrap(), value, "{ty}");
    assert_eq!(
        bound(decode_value(&ty, expected).unwrap(), ty.clone()),
        with_length,
        "{ty}"
    );
}

#[test]
fn numbers_are_big_endian() {
    assert_bytes(-2_i8, TinyInt, &[0xFE]);
    assert_bytes(-2_i16, SmallInt, &[0xFF, 0xFE]);
    assert_bytes(0x0102_0304, Int, &[1, 2, 3, 4]);
    assert_bytes(0x0102_0304_0506_0708_i64, BigInt, &[1, 2, 3, 4, 5, 6, 7, 8]);
    assert_bytes(-1_i64, Counter, &[0xFF; 8]);
    assert_bytes(1.0_f32, Float, &[0x3F, 0x80, 0, 0]);
    assert_bytes(-2.0_f64, Double, &[0xC0, 0, 0, 0, 0, 0, 0, 0]);
    assert_bytes(true, Boolean, &[1]);
    assert_bytes(false, Boolean, &[0]);
    assert_bytes(128_i128, Varint, &[0, 0x80]);
}

#[test]
fn text_and_bytes_are_as_they_are() {
    assert_bytes("é".to_owned(), Text, &[0xC3, 0xA9]);
    assert_bytes(String::new(), Text, &[]);
    assert_bytes("a".to_owned(), Ascii, b"a");
    assert_bytes(vec![0_u8, 1], Blob, &[0, 1]);
    assert_bytes([0_u8, 1], Blob, &[0, 1]);
    assert_bytes(Bytes::from_static(b"\0"), CqlType::Custom("a.B".into()), &[0]);
}

#[test]
fn uuids_and_addresses_are_as_they_are() {
    let uuid = Uuid::from_u128(0x0001_0203_0405_1607_8809_0A0B_0C0D_0E0F);
    assert_bytes(uuid, Timeuuid, uuid.as_bytes());
    assert_bytes(uuid, crate::NativeType::Uuid, uuid.as_bytes());
    assert_bytes(IpAddr::from([127, 0, 0, 1]), Inet, &[127, 0, 0, 1]);
    assert_bytes(
        IpAddr::from([0_u16, 0, 0, 0, 0, 0, 0, 1]),
        Inet,
        &[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
    );
    let random = Uuid::from_u128(0x4000 << 64);
    let error = random
        .serialize(&Timeuuid.into(), &mut ValueWriter::new(&mut Vec::new()))
        .unwrap_err();
    assert_eq!(error.to_string(), "timeuuid: the UUID is not of version 1");
}

#[test]
fn collections_have_an_int_count_and_int_lengths() {
    let one_two = [0, 0, 0, 2, 0, 0, 0, 1, 1, 0, 0, 0, 1, 2];
    assert_bytes(vec![1_i8, 2], CqlType::list(TinyInt), &one_two);
    assert_bytes([1_i8, 2], CqlType::list(TinyInt), &one_two);
    assert_bytes(vec![1_i8, 2], CqlType::frozen(CqlType::set(TinyInt)), &one_two);
    assert_bytes(BTreeSet::from([1_i8, 2]), CqlType::set(TinyInt), &one_two);
    assert_bytes(
        HashSet::from([7_i8]),
        CqlType::set(TinyInt),
        &[0, 0, 0, 1, 0, 0, 0, 1, 7],
    );
    let map = [0, 0, 0, 1, 0, 0, 0, 1, b'k', 0, 0, 0, 1, 5];
    assert_bytes(
        BTreeMap::from([("k".to_owned(), 5_i8)]),
        CqlType::map(Text, TinyInt),
        &map,
    );
    assert_bytes(
        HashMap::from([("k".to_owned(), 5_i8)]),
        CqlType::map(Text, TinyInt),
        &map,
    );
    assert_bytes(Vec::<i32>::new(), CqlType::list(Int), &[0, 0, 0, 0]);
    let nested = [
        0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 1, 3,
    ];
    assert_bytes(
        vec![vec![], vec![3_i8]],
        CqlType::list(CqlType::list(TinyInt)),
        &nested,
    );
}

#[test]
fn tuples_have_a_length_for_each_element() {
    let ty = CqlType::tuple([Int.into(), Text.into(), Blob.into()]);
    let expected = [0, 0, 0, 4, 0, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0];
    assert_bytes((1, None::<String>, Vec::<u8>::new()), ty.clone(), &expected);
    // A value from before the last elements were there.
    let short: (i32, Option<String>, Option<Vec<u8>>) =
        DeserializeValue::deserialize(&ty, Some(expected[..8].into())).unwrap();
    assert_eq!(short, (1, None, None));
}

#[test]
fn vectors_have_lengths_only_for_elements_of_variable_length() {
    assert_bytes(
        vec![1.0_f32, -1.0],
        CqlType::vector(Float, 2),
        &[0x3F, 0x80, 0, 0, 0xBF, 0x80, 0, 0],
    );
    assert_bytes([1_i32, 2], CqlType::vector(Int, 2), &[0, 0, 0, 1, 0, 0, 0, 2]);
    assert_bytes(vec![true, false], CqlType::vector(Boolean, 2), &[1, 0]);
    assert_bytes(
        vec!["a".to_owned(), String::new()],
        CqlType::vector(Text, 2),
        &[1, b'a', 0],
    );
    // The server has no fixed length for these, though all their values have one.
    assert_bytes(vec![1_i16, 2], CqlType::vector(SmallInt, 2), &[2, 0, 1, 2, 0, 2]);
    assert_bytes(vec![1_i8], CqlType::vector(TinyInt, 1), &[1, 1]);
    assert_bytes(vec![CqlDate(1)], CqlType::vector(Date, 1), &[4, 0, 0, 0, 1]);
    assert_bytes(
        vec![CqlTime(1)],
        CqlType::vector(Time, 1),
        &[8, 0, 0, 0, 0, 0, 0, 0, 1],
    );
    let nested = CqlType::vector(CqlType::vector(Int, 1), 2);
    assert_bytes(vec![vec![1], vec![2]], nested, &[0, 0, 0, 1, 0, 0, 0, 2]);
    let lists = CqlType::vector(CqlType::list(TinyInt), 1);
    assert_bytes(vec![vec![1_i8]], lists, &[9, 0, 0, 0, 1, 0, 0, 0, 1, 1]);
    let long = "x".repeat(200);
    let mut expected = vec![0x80, 200];
    expected.extend(long.bytes());
    assert_bytes(vec![long], CqlType::vector(Text, 1), &expected);
}

#[test]
fn a_vector_of_another_length_is_refused_both_ways() {
    let ty = CqlType::vector(Float, 3);
    let error = vec![1.0_f32; 4]
        .serialize(&ty, &mut ValueWriter::new(&mut Vec::new()))
        .unwrap_err();
    assert_eq!(error.to_string(), "vector<float, 3>: has 4 elements instead of 3");
    for length in [0, 4, 8, 11, 13, 16] {
        let bytes = vec![0; length];
        assert!(
            Vec::<f32>::deserialize(&ty, Some(bytes[..].into())).is_err(),
            "{length}"
        );
        assert!(length == 0 || decode_value(&ty, &bytes).is_err(), "{length}");
    }
    let mismatch = <[f32; 4]>::check_type(&ty).unwrap_err();
    assert_eq!(
        mismatch.to_string(),
        "vector<float, 3>: has 3 elements, the Rust type has 4"
    );
}

#[test]
fn user_defined_values_are_bound_by_name() {
    let ty = CqlType::user_defined("ks", "t", [("a".into(), Int.into()), ("b".into(), Text.into())]);
    let expected = [0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 1, b'x'];
    let value = CqlUserDefined::new([
        ("b", Some(CqlValue::Text("x".into()))),
        ("a", Some(CqlValue::Int(1))),
    ]);
    assert_eq!(bound(&value, ty.clone())[4..], expected);
    let read = CqlUserDefined::deserialize(&ty, Some(expected[..].into())).unwrap();
    assert_eq!(read.field("a"), Some(&CqlValue::Int(1)));
    assert_eq!((&*read.keyspace, &*read.name), ("ks", "t"));
    let partial = CqlUserDefined::new([("b", Some(CqlValue::Text("x".into())))]);
    assert_eq!(
        bound(partial, ty.clone())[4..],
        [0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 1, b'x']
    );
    let unknown = CqlUserDefined::new([("c", None)]);
    let error = unknown
        .serialize(&ty, &mut ValueWriter::new(&mut Vec::new()))
        .unwrap_err();
    assert_eq!(error.to_string(), "ks.t: has no field \"c\"");
}

#[test]
fn integers_go_into_every_integer_type_that_can_hold_them() {
    assert_eq!(bound(5_i64, TinyInt), [0, 0, 0, 1, 5]);
    assert_eq!(bound(5_u32, BigInt), [0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 5]);
    assert_eq!(bound(-1_i8, Varint), [0, 0, 0, 1, 0xFF]);
    assert_eq!(
        bound(u64::MAX, Varint),
        [0, 0, 0, 9, 0, 255, 255, 255, 255, 255, 255, 255, 255]
    );
    assert_eq!(
        bound(vec![1_i64], CqlType::vector(Int, 1)),
        [0, 0, 0, 4, 0, 0, 0, 1]
    );
    assert_eq!(bound(5_i32, CqlType::frozen(Int)), [0, 0, 0, 4, 0, 0, 0, 5]);
    let refused = |value: &dyn SerializeValue, ty: crate::NativeType| {
        value
            .serialize(&ty.into(), &mut ValueWriter::new(&mut Vec::new()))
            .unwrap_err()
            .to_string()
    };
    assert_eq!(refused(&128_i32, TinyInt), "tinyint: 128 is out of range");
    assert_eq!(
        refused(&u64::MAX, BigInt),
        "bigint: 18446744073709551615 is out of range"
    );
    assert_eq!(
        refused(&1.5_f64, Float),
        "float: takes no value of the Rust type f64"
    );
    assert_eq!(refused(&1_i32, Text), "text: takes no value of the Rust type i32");
}

#[test]
fn null_empty_and_unset_are_three_things() {
    assert_eq!(bound(None::<i32>, Int), [0xFF; 4]);
    assert_eq!(bound(MaybeEmpty::<i32>::Empty, Int), [0; 4]);
    assert_eq!(bound(CqlValue::Empty, Int), [0; 4]);
    assert_eq!(bound(Unset, Int), [0xFF, 0xFF, 0xFF, 0xFE]);
    let ty = Int.into();
    let empty = Some(ValueBytes::from(&[][..]));
    assert_eq!(MaybeEmpty::<i32>::deserialize(&ty, empty), Ok(MaybeEmpty::Empty));
    assert_eq!(
        MaybeEmpty::<i32>::deserialize(&ty, Some([0, 0, 0, 1][..].into())),
        Ok(MaybeEmpty::Value(1))
    );
    assert_eq!(Option::<i32>::deserialize(&ty, None), Ok(None));
    assert_eq!(
        Option::<i32>::deserialize(&ty, empty).unwrap_err().to_string(),
        "int: is empty: use MaybeEmpty<i32>"
    );
    assert_eq!(
        i32::deserialize(&ty, None).unwrap_err().to_string(),
        "int: is null: use Option<i32>"
    );
    assert_eq!(decode_value(&ty, &[]), Ok(CqlValue::Empty));
    assert_eq!(decode_value(&Text.into(), &[]), Ok(CqlValue::Text(String::new())));
}

#[test]
fn an_absent_collection_is_an_empty_one() {
    let list = CqlType::list(Int);
    assert_eq!(Vec::<i32>::deserialize(&list, None), Ok(vec![]));
    assert_eq!(Option::<Vec<i32>>::deserialize(&list, None), Ok(None));
    let map = CqlType::map(Text, Int);
    assert_eq!(
        BTreeMap::<String, i32>::deserialize(&map, None),
        Ok(BTreeMap::new())
    );
    // A vector is no collection: its elements are always there.
    assert!(Vec::<f32>::deserialize(&CqlType::vector(Float, 2), None).is_err());
}

#[test]
fn hostile_counts_and_lengths_are_refused_without_allocation() {
    let huge = &[0x7F, 0xFF, 0xFF, 0xFF, 0, 0, 0, 0][..];
    let refused = allocation_counter::measure(|| {
        let ty = CqlType::list(Int);
        assert!(decode_value(&ty, huge).is_err());
        assert!(Vec::<i32>::deserialize(&ty, Some(huge.into())).is_err());
        assert!(decode_value(&CqlType::map(Int, Int), huge).is_err());
        assert!(decode_value(&CqlType::tuple([Int.into()]), huge).is_err());
        for element in [Float.into(), Text.into(), Empty.into(), CqlType::tuple([])] {
            let vector = CqlType::vector(element, i32::MAX as usize);
            assert!(decode_value(&vector, huge).is_err());
            assert!(Vec::<CqlValue>::deserialize(&vector, Some(huge.into())).is_err());
        }
        assert!(decode_value(&CqlType::vector(CqlType::vector(Double, usize::MAX / 2), 2), huge).is_err());
    });
    assert!(refused.bytes_max < 4096, "{refused:?}");
}

proptest! {
    #[test]
    fn values_of_every_type_read_back((ty, value) in typed_values()) {
        let mut bytes = Vec::new();
        encode_value(&value, &ty, &mut bytes).unwrap();
        prop_assert_eq!(decode_value(&ty, &bytes).unwrap(), value.clone());
        // The same bytes with a length, as for a bind marker.
        prop_assert_eq!(&bound(&value, ty)[4..], &bytes);
    }

    #[test]
    fn every_value_can_be_written_as_text((_, value) in typed_values()) {
        prop_assert!(!value.to_string().is_empty());
    }

    #[test]
    fn bytes_cut_anywhere_do_not_panic((ty, value) in typed_values()) {
        let mut bytes = Vec::new();
        encode_value(&value, &ty, &mut bytes).unwrap();
        for cut in 0..bytes.len() {
            let _ = decode_value(&ty, &bytes[..cut]);
        }
    }

    #[test]
    fn bytes_of_any_kind_do_not_panic(ty in types(), bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        if let Ok(value) = decode_value(&ty, &bytes) {
            let mut again = Vec::new();
            let _ = encode_value(&value, &ty, &mut again);
        }
    }

    #[test]
    fn types_read_back_in_every_version_and_by_class_name(ty in types()) {
        for version in ProtocolVersion::ALL {
            let mut bytes = Vec::new();
            ty.write(version, &mut bytes).unwrap();
            prop_assert_eq!(&CqlType::read(&mut Reader::new(&bytes), version).unwrap(), &ty);
        }
        prop_assert_eq!(CqlType::parse_class_name(&ty.class_name()).unwrap(), ty);
    }

    #[test]
    fn types_read_back_from_cql_text(ty in types()) {
        // Text does not say the fields of a user-defined type: they are looked up.
        let mut found = Vec::new();
        collect_user_defined(&ty, &mut found);
        let mut found = found.into_iter();
        let parsed = CqlType::parse_cql_with(&ty.to_string(), |_, _| found.next());
        prop_assert_eq!(parsed.unwrap(), ty);
    }

    #[test]
    fn text_of_any_kind_is_a_type_or_an_error(text in "[a-zA-Z0-9<>(),.:'\" =]{0,40}") {
        let _ = CqlType::parse_cql(&text);
        let _ = CqlType::parse_class_name(&text);
    }

    #[test]
    fn values_without_bind_markers_are_of_their_own_type((_, value) in typed_values()) {
        let row = SerializedRow::untyped(&(value,));
        prop_assert!(row.is_ok(), "{:?}", row);
    }
}

/// The user-defined types in the order in which they stand in the text, not looking into their fields.
fn collect_user_defined(ty: &CqlType, found: &mut Vec<CqlType>) {
    match ty {
        CqlType::UserDefined(_) => found.push(ty.clone()),
        CqlType::List(element) | CqlType::Set(element) | CqlType::Vector { element, .. } => {
            collect_user_defined(element, found);
        }
        CqlType::Map(types) => {
            collect_user_defined(&types.0, found);
            collect_user_defined(&types.1, found);
        }
        CqlType::Tuple(elements) => elements
            .iter()
            .for_each(|element| collect_user_defined(element, found)),
        _ => {}
    }
}

#[test]
fn lists_of_numbers_are_read_at_once_and_one_by_one_alike() {
    let ty = CqlType::list(crate::NativeType::Int);
    let read = |bytes: &[u8]| Vec::<i32>::deserialize(&ty, Some(bytes.into())).map_err(|e| e.to_string());
    let good = b"\0\0\0\x02\0\0\0\x04\0\0\0\x01\0\0\0\x04\xFF\xFF\xFF\xFE";
    assert_eq!(read(good), Ok(vec![1, -2]));
    // Bytes behind the last element are passed over, as for any list.
    assert_eq!(read(&[&good[..], &[0; 8]].concat()), Ok(vec![1, -2]));
    assert_eq!(read(&[0; 4]), Ok(vec![]));
    let mut null = good.to_vec();
    null[12..16].fill(0xFF);
    assert_eq!(read(&null).unwrap_err(), "at [1] (int): is null: use Option<i32>");
    let mut short = good.to_vec();
    short[15] = 2;
    assert_eq!(
        read(&short).unwrap_err(),
        "at [1] (int): has 2 bytes instead of 4"
    );
    for cut in 0..good.len() {
        assert!(read(&good[..cut]).is_err(), "cut at {cut}");
    }
}
