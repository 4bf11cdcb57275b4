use super::*;
use crate::{CqlRow, CqlType, CqlValue, NativeType, Rows, TypedRows};

fn columns() -> Vec<ColumnSpec> {
    vec![
        ColumnSpec::new("ks", "t", "id", NativeType::Int),
        ColumnSpec::new("ks", "t", "name", NativeType::Text),
    ]
}

/// Two rows: (1, "ab") and (2, null).
const ROWS: &[u8] = b"\0\0\0\x04\0\0\0\x01\0\0\0\x02ab\0\0\0\x04\0\0\0\x02\xFF\xFF\xFF\xFF";

fn read<'f, T: DeserializeRow<'f>>(
    columns: &'f [ColumnSpec],
    content: &'f Bytes,
) -> Vec<Result<T, DeserializeError>> {
    TypedRows::new(columns, content, 2).unwrap().collect()
}

#[test]
fn rows_are_read_as_tuples_borrowed_or_owned() {
    let (columns, content) = (columns(), Bytes::from_static(ROWS));
    let borrowed = read::<(i32, Option<&str>)>(&columns, &content);
    assert_eq!(borrowed, [Ok((1, Some("ab"))), Ok((2, None))]);
    assert_eq!(
        borrowed[0].as_ref().unwrap().1.unwrap().as_ptr(),
        content[12..].as_ptr()
    );
    let owned = read::<(i32, Option<String>)>(&columns, &content);
    assert_eq!(owned, [Ok((1, Some("ab".to_owned()))), Ok((2, None))]);
}

#[test]
fn rows_are_read_as_dynamic_values() {
    let (columns, content) = (columns(), Bytes::from_static(ROWS));
    let rows = read::<CqlRow>(&columns, &content);
    assert_eq!(
        rows[0].as_ref().unwrap().0,
        [Some(CqlValue::Int(1)), Some(CqlValue::Text("ab".into()))]
    );
    assert_eq!(rows[1].as_ref().unwrap()[1], None);
}

#[test]
fn types_are_checked_before_the_first_row() {
    let mismatch = |result: Result<(), TypeMismatch>| result.unwrap_err().to_string();
    assert_eq!(
        mismatch(<(i64, String)>::plan(&columns())),
        "column 0 \"id\" (int): cannot be read as the Rust type i64"
    );
    assert_eq!(
        mismatch(<(i32,)>::plan(&columns())),
        "the row has 2 columns, the Rust type has 1"
    );
    let list = [ColumnSpec::new("ks", "t", "l", CqlType::list(NativeType::Int))];
    assert_eq!(
        mismatch(<(Vec<String>,)>::plan(&list)),
        "column 0 \"l\" (int): cannot be read as the Rust type String"
    );
}

#[test]
fn a_null_for_a_type_without_null_names_the_column() {
    let (columns, content) = (columns(), Bytes::from_static(ROWS));
    let rows = read::<(i32, String)>(&columns, &content);
    assert_eq!(rows.len(), 2);
    assert_eq!(
        rows[1].as_ref().unwrap_err().to_string(),
        "column 1 \"name\" (text): is null: use Option<String>"
    );
}

#[test]
fn rows_end_with_the_first_error() {
    let columns = columns();
    for cut in 0..ROWS.len() {
        let content = Bytes::copy_from_slice(&ROWS[..cut]);
        let rows = read::<CqlRow>(&columns, &content);
        assert!(rows.last().unwrap().is_err(), "cut at {cut}");
        assert_eq!(rows.iter().filter(|row| row.is_err()).count(), 1);
    }
}

#[test]
fn rows_without_columns_are_no_rows() {
    let content = Bytes::new();
    assert_eq!(
        TypedRows::<CqlRow>::new(&[], &content, usize::MAX)
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn rows_that_borrow_allocate_nothing() {
    let columns = columns();
    let content = Bytes::from(ROWS.repeat(100));
    let counted = allocation_counter::measure(|| {
        let rows = TypedRows::<(i32, Option<&str>)>::new(&columns, &content, 200).unwrap();
        assert_eq!(rows.filter(|row| row.is_ok()).count(), 200);
    });
    assert_eq!(counted.count_total, 0);
}

#[test]
fn rows_of_a_page_are_read_with_the_columns_that_the_client_knows() {
    let columns = columns();
    let metadata = crate::RowsMetadata {
        column_count: 2,
        ..Default::default()
    };
    let rows = Rows {
        metadata,
        row_count: 2,
        content: Bytes::from_static(ROWS),
    };
    let read: Vec<(i32, Option<&str>)> = rows.typed(&columns).unwrap().map(Result::unwrap).collect();
    assert_eq!(read, [(1, Some("ab")), (2, None)]);
    let mismatch = rows.typed::<CqlRow>(&columns[..1]).unwrap_err();
    assert_eq!(mismatch.to_string(), "the row has 2 columns, the Rust type has 1");
    assert_eq!(
        rows.cells().next_cell().unwrap().unwrap().as_slice(),
        [0, 0, 0, 1]
    );
}
