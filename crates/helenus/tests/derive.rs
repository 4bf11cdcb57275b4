//! The derive macros find what they need in this crate, without any attribute.

use helenus::{
    ColumnSpec, DeserializeRow, DeserializeValue, NativeType, SerializeRow, SerializeValue, SerializedRow,
};

#[derive(SerializeValue, DeserializeValue)]
struct UserId(i32);

#[derive(SerializeRow, DeserializeRow)]
struct User {
    id: UserId,
}

#[test]
fn structs_are_derived_without_naming_the_crate() {
    let columns = [ColumnSpec::new("ks", "users", "id", NativeType::Int)];
    assert!(User::plan(&columns).is_ok());
    let row = SerializedRow::from_row(&columns, &User { id: UserId(7) }).unwrap();
    assert_eq!(row.value(0), Some(&[0, 0, 0, 7][..]));
}
