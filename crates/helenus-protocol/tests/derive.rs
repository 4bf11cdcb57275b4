//! The derive macros, used as a program uses them.

use bytes::Bytes;
use helenus_derive::{DeserializeRow, DeserializeValue, SerializeRow, SerializeValue};
use helenus_protocol::{
    ColumnSpec, CqlType, DeserializeRow, DeserializeValue, NativeType, SerializeRow, SerializeValue,
    SerializedRow, TypeMismatch, TypedRows,
};

fn columns(columns: &[(&str, CqlType)]) -> Vec<ColumnSpec> {
    columns
        .iter()
        .map(|(name, ty)| ColumnSpec::new("ks", "t", *name, ty.clone()))
        .collect()
}

fn address_type() -> CqlType {
    let fields = [
        ("street".into(), NativeType::Text.into()),
        ("zip".into(), NativeType::Int.into()),
        ("tags".into(), CqlType::set(NativeType::Text)),
    ];
    CqlType::user_defined("ks", "address", fields)
}

#[derive(Debug, PartialEq, Clone, SerializeValue, DeserializeValue)]
#[helenus(crate = "helenus_protocol")]
struct UserId(i32);

#[derive(Debug, PartialEq, Clone, SerializeValue, DeserializeValue)]
#[helenus(crate = "helenus_protocol")]
struct Address {
    // Not in the order of the type, which is what names are for.
    zip: Option<i32>,
    street: String,
    #[helenus(skip)]
    cache: u64,
}

#[derive(Debug, PartialEq, Clone, SerializeRow, DeserializeRow)]
#[helenus(crate = "helenus_protocol")]
struct User {
    id: UserId,
    #[helenus(rename = "Name")]
    name: Option<String>,
    address: Address,
    #[helenus(skip)]
    seen: bool,
    r#type: i8,
}

fn user() -> User {
    User {
        id: UserId(7),
        name: Some("Ada".into()),
        address: Address {
            zip: Some(12),
            street: "Main".into(),
            cache: 0,
        },
        seen: false,
        r#type: 1,
    }
}

fn user_columns(order: [usize; 4]) -> Vec<ColumnSpec> {
    let all = [
        ("id", NativeType::Int.into()),
        ("Name", NativeType::Text.into()),
        ("address", CqlType::frozen(address_type())),
        ("type", NativeType::TinyInt.into()),
    ];
    columns(&order.map(|index| all[index].clone()))
}

/// What is bound for columns reads back as rows of the same columns.
fn read<T: for<'f> DeserializeRow<'f>>(
    columns: &[ColumnSpec],
    row: &impl SerializeRow,
) -> Result<T, TypeMismatch> {
    let row = SerializedRow::from_row(columns, row).expect("the row fits");
    let bytes = Bytes::copy_from_slice(row.values().bytes);
    let mut rows = TypedRows::<T>::new(columns, &bytes, 1)?;
    Ok(rows.next().expect("there is a row").expect("it reads back"))
}

#[test]
fn a_struct_is_bound_and_read_by_name_in_any_order() {
    for order in [[0, 1, 2, 3], [3, 1, 0, 2], [2, 3, 1, 0]] {
        assert_eq!(read::<User>(&user_columns(order), &user()).unwrap(), user());
    }
}

#[test]
fn a_struct_is_a_user_defined_value_in_the_order_of_the_type() {
    let columns = columns(&[("address", address_type())]);
    let row = SerializedRow::from_row(&columns, &(user().address,)).unwrap();
    // street, zip, and null for the field that the struct does not have.
    assert_eq!(
        row.value(0).unwrap(),
        b"\0\0\0\x04Main\0\0\0\x04\0\0\0\x0C\xFF\xFF\xFF\xFF"
    );
}

#[test]
fn columns_without_a_field_are_passed_over_and_those_with_default_may_be_missing() {
    #[derive(Debug, PartialEq, DeserializeRow)]
    #[helenus(crate = "helenus_protocol")]
    struct Part {
        #[helenus(default)]
        missing: Vec<i32>,
        id: i32,
    }
    let columns = columns(&[
        ("a", NativeType::Text.into()),
        ("id", NativeType::Int.into()),
        ("b", CqlType::list(NativeType::Int)),
    ]);
    let part = read::<Part>(&columns, &("a", 3, vec![1])).unwrap();
    assert_eq!(
        part,
        Part {
            missing: vec![],
            id: 3
        }
    );
}

#[test]
fn structs_borrow_from_the_page() {
    #[derive(Debug, DeserializeRow)]
    #[helenus(crate = "helenus_protocol")]
    struct Borrowed<'a> {
        name: &'a str,
        data: Option<&'a [u8]>,
    }
    let columns = columns(&[
        ("name", NativeType::Text.into()),
        ("data", NativeType::Blob.into()),
    ]);
    let page = Bytes::from_static(b"\0\0\0\x01a\0\0\0\x02bc");
    let row = TypedRows::<Borrowed<'_>>::new(&columns, &page, 1)
        .unwrap()
        .next()
        .unwrap()
        .unwrap();
    assert_eq!((row.name, row.data), ("a", Some(&b"bc"[..])));
    assert_eq!(row.name.as_ptr(), page[4..].as_ptr());
}

#[test]
fn structs_may_have_type_parameters() {
    #[derive(Debug, PartialEq, SerializeRow, DeserializeRow)]
    #[helenus(crate = "helenus_protocol")]
    struct Generic<T, U> {
        id: T,
        more: Vec<U>,
    }
    let columns = columns(&[
        ("id", NativeType::Int.into()),
        ("more", CqlType::list(NativeType::Text)),
    ]);
    let row = Generic {
        id: 1,
        more: vec!["a".to_owned()],
    };
    assert_eq!(read::<Generic<i32, String>>(&columns, &row).unwrap(), row);
}

#[test]
fn columns_that_do_not_fit_are_named_before_the_first_row() {
    let mismatch = |changed: Vec<ColumnSpec>| User::plan(&changed).unwrap_err().to_string();
    let columns = user_columns([0, 1, 2, 3]);
    assert_eq!(mismatch(columns[1..].to_vec()), "no column is called \"id\"");
    let mut twice = columns.clone();
    twice.push(columns[0].clone());
    assert_eq!(
        mismatch(twice),
        "column 4 \"id\": another column has the same name"
    );
    let mut wrong = columns.clone();
    wrong[1].ty = NativeType::Int.into();
    assert_eq!(
        mismatch(wrong),
        "column 1 \"Name\" (int): cannot be read as the Rust type String"
    );
    let mut wrong = columns.clone();
    wrong[2].ty = CqlType::user_defined("ks", "address", [("street".into(), NativeType::Int.into())]);
    assert_eq!(
        mismatch(wrong),
        "column 2 \"address\" (ks.address): has no field \"zip\""
    );
    let fields = [
        ("zip".into(), NativeType::Int.into()),
        ("street".into(), NativeType::Int.into()),
    ];
    let mut wrong = columns;
    wrong[2].ty = CqlType::user_defined("ks", "address", fields);
    assert_eq!(
        mismatch(wrong),
        "column 2 \"address\" at .street (int): cannot be read as the Rust type String"
    );
}

#[test]
fn unknown_columns_and_fields_can_be_denied() {
    #[derive(Debug, DeserializeRow)]
    #[helenus(crate = "helenus_protocol", deny_unknown)]
    struct Strict {
        #[expect(dead_code, reason = "never read: the columns are refused")]
        id: i32,
    }
    #[derive(Debug, DeserializeValue)]
    #[helenus(crate = "helenus_protocol", deny_unknown)]
    struct StrictValue {
        #[expect(dead_code, reason = "never read: the type is refused")]
        street: String,
    }
    let columns = columns(&[("id", NativeType::Int.into()), ("x", NativeType::Int.into())]);
    assert_eq!(
        Strict::plan(&columns).unwrap_err().to_string(),
        "column 1 \"x\": the struct has no field for it"
    );
    assert_eq!(
        StrictValue::check_type(&address_type()).unwrap_err().to_string(),
        "ks.address: the struct has no field \"zip\""
    );
}

#[test]
fn what_is_bound_wrongly_is_named() {
    let error = |columns: Vec<ColumnSpec>, row: &dyn SerializeRow| {
        SerializedRow::from_row(&columns, row).unwrap_err().to_string()
    };
    let all = user_columns([0, 1, 2, 3]);
    assert_eq!(
        error(all[..3].to_vec(), &user()),
        "no bind marker is called \"type\""
    );
    let mut more = all.clone();
    more.extend(columns(&[("x", NativeType::Int.into())]));
    assert_eq!(error(more, &user()), "no value for the bind marker \"x\"");
    let mut wrong = all.clone();
    wrong[2].ty = CqlType::user_defined("ks", "address", [("zip".into(), NativeType::Int.into())]);
    assert_eq!(
        error(wrong, &user()),
        "column 2 \"address\" (ks.address): has no field \"street\""
    );
    let fields = [
        ("zip".into(), NativeType::Text.into()),
        ("street".into(), NativeType::Text.into()),
    ];
    let mut wrong = all;
    wrong[2].ty = CqlType::user_defined("ks", "address", fields);
    assert_eq!(
        error(wrong, &user()),
        "column 2 \"address\" at .zip (text): takes no value of the Rust type i32"
    );
    let unresolved = columns(&[("address", CqlType::user_defined("ks", "address", []))]);
    assert_eq!(
        error(unresolved, &(user().address,)),
        "column 0 \"address\" (ks.address): the fields of the user-defined type are not known"
    );
}

#[test]
fn a_value_written_before_a_field_was_added_reads_as_null_there() {
    let ty = address_type();
    let short = b"\0\0\0\x04Main";
    let address = Address::deserialize(&ty, Some(short[..].into())).unwrap();
    assert_eq!(
        address,
        Address {
            zip: None,
            street: "Main".into(),
            cache: 0
        }
    );
    let cut = Address::deserialize(&ty, Some(short[..7].into())).unwrap_err();
    assert!(
        cut.to_string()
            .starts_with("at .street (ks.address): needs 4 more bytes"),
        "{cut}"
    );
}

#[test]
fn a_struct_without_a_prepared_statement_is_bound_with_names() {
    #[derive(SerializeRow)]
    #[helenus(crate = "helenus_protocol")]
    struct Simple {
        a: i32,
        b: UserId,
    }
    let row = SerializedRow::untyped(&Simple { a: 1, b: UserId(2) }).unwrap();
    assert!(row.values().names);
    assert_eq!(
        row.values().bytes,
        b"\0\x01a\0\0\0\x04\0\0\0\x01\0\x01b\0\0\0\x04\0\0\0\x02"
    );
    assert!(user().address.natural_type().is_none());
}
