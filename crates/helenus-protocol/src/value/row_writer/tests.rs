use super::*;
use crate::NativeType::{Ascii, BigInt, Int, Text};
use crate::{CqlType, CqlValue, MaybeUnset, NativeType, Unset};

fn columns(columns: &[(&str, CqlType)]) -> Vec<ColumnSpec> {
    columns
        .iter()
        .map(|(name, ty)| ColumnSpec::new("ks", "t", *name, ty.clone()))
        .collect()
}

fn int_and_text() -> Vec<ColumnSpec> {
    columns(&[("id", Int.into()), ("name", Text.into())])
}

const ONE_AND_A: [u8; 13] = [0, 0, 0, 4, 0, 0, 0, 1, 0, 0, 0, 1, b'a'];

#[test]
fn every_kind_of_row_gives_the_same_bytes() {
    let rows: [&dyn SerializeRow; 6] = [
        &(1, "a"),
        &[CqlValue::Int(1), CqlValue::Text("a".into())],
        &vec![CqlValue::Int(1), CqlValue::Text("a".into())],
        &HashMap::from([("name", CqlValue::Text("a".into())), ("id", CqlValue::Int(1))]),
        &BTreeMap::from([
            ("id".to_owned(), CqlValue::Int(1)),
            ("name".to_owned(), CqlValue::Text("a".into())),
        ]),
        &NamedValues(&[("name", &"a"), ("id", &1_i64)]),
    ];
    for row in rows {
        let serialized = SerializedRow::from_row(&int_and_text(), row).unwrap();
        let values = serialized.values();
        assert_eq!((values.count, values.names, values.has_unset), (2, false, false));
        assert_eq!(values.bytes, ONE_AND_A);
    }
}

#[test]
fn single_values_are_found_for_a_routing_key() {
    let row = SerializedRow::from_row(&int_and_text(), &(None::<i32>, "a")).unwrap();
    assert_eq!(row.value(0), None);
    assert_eq!(row.value(1), Some(&b"a"[..]));
    assert_eq!(row.value(2), None);
    let named = SerializedRow::untyped(&NamedValues(&[("x", &1_i8), ("y", &Unset)])).unwrap();
    assert_eq!(named.value(0), Some(&[1][..]));
    assert_eq!(named.value(1), None);
}

#[test]
fn unset_values_are_noticed() {
    let row = SerializedRow::from_row(&int_and_text(), &(1, Unset)).unwrap();
    assert!(row.has_unset());
    assert_eq!(
        row.values().bytes,
        [0, 0, 0, 4, 0, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0xFE]
    );
    let row = (MaybeUnset::<i32>::Unset, MaybeUnset::Set("a"));
    assert!(
        SerializedRow::from_row(&int_and_text(), &row)
            .unwrap()
            .has_unset()
    );
    assert!(
        !SerializedRow::from_row(&int_and_text(), &(1, None::<String>))
            .unwrap()
            .has_unset()
    );
    // The bytes -2 inside a value are not an unset value.
    let row = SerializedRow::from_row(&columns(&[("id", Int.into())]), &(-2,)).unwrap();
    assert!(!row.has_unset());
}

#[test]
fn errors_say_what_is_wrong_with_which_bind_marker() {
    let error = |row: &dyn SerializeRow| {
        SerializedRow::from_row(&int_and_text(), row)
            .unwrap_err()
            .to_string()
    };
    assert_eq!(error(&(1,)), "1 values for 2 bind markers");
    assert_eq!(error(&()), "0 values for 2 bind markers");
    assert_eq!(error(&(1, "a", 2)), "3 values for 2 bind markers");
    assert_eq!(error(&vec![CqlValue::Int(1)]), "1 values for 2 bind markers");
    assert_eq!(
        error(&("a", "a")),
        "column 0 \"id\" (int): takes no value of the Rust type str"
    );
    assert_eq!(
        error(&(1, 2)),
        "column 1 \"name\" (text): takes no value of the Rust type i32"
    );
    assert_eq!(
        error(&(1_i64 << 40, "a")),
        "column 0 \"id\" (int): 1099511627776 is out of range"
    );
    assert_eq!(
        error(&HashMap::from([("id", 1)])),
        "no value for the bind marker \"name\""
    );
    assert_eq!(
        error(&NamedValues(&[("name", &"a"), ("id", &1), ("Id", &1)])),
        "no bind marker is called \"Id\""
    );
    let ascii = columns(&[("code", CqlType::list(Ascii))]);
    assert_eq!(
        SerializedRow::from_row(&ascii, &(vec!["a", "é"],))
            .unwrap_err()
            .to_string(),
        "column 0 \"code\" at [1] (ascii): the text has characters that are not ASCII"
    );
    let vector = columns(&[("v", CqlType::vector(NativeType::Float, 3))]);
    assert_eq!(
        SerializedRow::from_row(&vector, &(vec![1.0_f32; 2],))
            .unwrap_err()
            .to_string(),
        "column 0 \"v\" (vector<float, 3>): has 2 elements instead of 3"
    );
    assert_eq!(
        SerializedRow::from_row(&columns(&[("l", CqlType::list(Int))]), &(vec![Unset],))
            .unwrap_err()
            .to_string(),
        "column 0 \"l\" at [0] (int): unset is possible for a whole bind marker only"
    );
}

#[test]
fn one_name_may_stand_for_several_bind_markers() {
    let twice = columns(&[("x", Int.into()), ("x", BigInt.into())]);
    let row = SerializedRow::from_row(&twice, &NamedValues(&[("x", &7)])).unwrap();
    assert_eq!(
        row.values().bytes,
        [0, 0, 0, 4, 0, 0, 0, 7, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 7]
    );
}

#[test]
fn without_bind_markers_values_are_of_their_own_type() {
    let row = SerializedRow::untyped(&(1_i16, vec!["a"])).unwrap();
    assert_eq!(
        row.values().bytes,
        [0, 0, 0, 2, 0, 1, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 1, b'a']
    );
    let named = SerializedRow::untyped(&HashMap::from([("k", true)])).unwrap();
    assert!(named.values().names);
    assert_eq!(named.values().bytes, [0, 1, b'k', 0, 0, 0, 1, 1]);
    assert_eq!(
        SerializedRow::untyped(&(1, 2_u32)).unwrap_err().to_string(),
        "value 1: the Rust type u32 stands for no CQL type of its own: prepare the statement"
    );
    let mixed = vec![CqlValue::Int(1), CqlValue::Text("a".into())];
    assert_eq!(
        SerializedRow::untyped(&(mixed,)).unwrap_err().to_string(),
        "value 0 at [1] (int): takes no value of the Rust type str"
    );
    assert_eq!(
        SerializedRow::untyped(&(None::<i32>, Vec::<String>::new()))
            .unwrap()
            .values()
            .bytes,
        [0xFF, 0xFF, 0xFF, 0xFF, 0, 0, 0, 4, 0, 0, 0, 0]
    );
}

#[test]
fn more_values_than_a_short_can_count_are_refused() {
    let many = vec![1_i8; 65_536];
    let error = SerializedRow::untyped(&many).unwrap_err();
    assert_eq!(error.to_string(), "length 65536 is above the limit 65535");
    assert!(SerializedRow::untyped(&many[1..]).is_ok());
}

#[test]
fn a_row_can_be_filled_again() {
    let columns = int_and_text();
    let mut row = SerializedRow::from_row(&columns, &(1, Unset)).unwrap();
    row.refill(&columns, &(1, "a")).unwrap();
    assert_eq!(row, SerializedRow::from_row(&columns, &(1, "a")).unwrap());
    row.refill(&columns, &(1, 1)).unwrap_err();
    assert_eq!(row, SerializedRow::EMPTY);
}

#[test]
fn filling_a_row_again_allocates_nothing() {
    let columns = int_and_text();
    let mut row = SerializedRow::from_row(&columns, &(1, "a text")).unwrap();
    let counted = allocation_counter::measure(|| row.refill(&columns, &(2, "b text")).unwrap());
    assert_eq!(counted.count_total, 0);
}
