//! What a value costs: rows of the workloads w1, w3 and w4, typed and dynamic.

use std::hint::black_box;

use bigdecimal::BigDecimal;
use bytes::Bytes;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use helenus_derive::DeserializeRow;
use helenus_protocol::{
    ColumnSpec, CqlRow, CqlTimestamp, CqlType, DeserializeRow, NativeType, SerializeRow, SerializedRow,
    TypedRows,
};
use uuid::Uuid;

const ROWS: usize = 5_000;

type Owned = (
    i32,
    i64,
    String,
    f64,
    bool,
    CqlTimestamp,
    Uuid,
    Vec<u8>,
    Vec<i32>,
    BigDecimal,
);
type Borrowed<'f> = (
    i32,
    i64,
    &'f str,
    f64,
    bool,
    CqlTimestamp,
    Uuid,
    &'f [u8],
    Vec<i32>,
    BigDecimal,
);

/// A row of w3 by name.
#[derive(DeserializeRow)]
#[helenus(crate = "helenus_protocol")]
#[expect(dead_code, reason = "only read into")]
struct Derived {
    c0: i32,
    c1: i64,
    c2: String,
    c3: f64,
    c4: bool,
    c5: CqlTimestamp,
    c6: Uuid,
    c7: Vec<u8>,
    c8: Vec<i32>,
    c9: BigDecimal,
}

fn columns(types: &[CqlType]) -> Vec<ColumnSpec> {
    let columns = types.iter().enumerate();
    columns
        .map(|(index, ty)| ColumnSpec::new("ks", "t", format!("c{index}"), ty.clone()))
        .collect()
}

/// The same row many times, as a page.
fn page(columns: &[ColumnSpec], row: &impl SerializeRow) -> Bytes {
    let row = SerializedRow::from_row(columns, row).expect("the row fits");
    row.values().bytes.repeat(ROWS).into()
}

fn walk<'f, T: DeserializeRow<'f>>(columns: &'f [ColumnSpec], page: &'f Bytes) {
    for row in TypedRows::<T>::new(columns, page, ROWS).expect("the types fit") {
        black_box(row.expect("the row reads"));
    }
}

fn rows(criterion: &mut Criterion) {
    let natives = [
        NativeType::Int,
        NativeType::BigInt,
        NativeType::Text,
        NativeType::Double,
        NativeType::Boolean,
        NativeType::Timestamp,
        NativeType::Uuid,
        NativeType::Blob,
    ];
    let mut types: Vec<CqlType> = natives.map(CqlType::from).to_vec();
    types.extend([CqlType::list(NativeType::Int), NativeType::Decimal.into()]);
    let columns = columns(&types);
    let row: Owned = (
        1,
        2,
        "x".repeat(20),
        1.5,
        true,
        CqlTimestamp(3),
        Uuid::from_u128(4),
        vec![5; 50],
        vec![1, 2, 3],
        BigDecimal::new(12_345.into(), 2),
    );
    let page = page(&columns, &row);
    let mut group = criterion.benchmark_group("w3 rows");
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("owned", |bencher| bencher.iter(|| walk::<Owned>(&columns, &page)));
    group.bench_function("derived", |bencher| {
        bencher.iter(|| walk::<Derived>(&columns, &page))
    });
    group.bench_function("borrowed", |bencher| {
        bencher.iter(|| walk::<Borrowed<'_>>(&columns, &page))
    });
    group.bench_function("dynamic", |bencher| {
        bencher.iter(|| walk::<CqlRow>(&columns, &page))
    });
}

fn vectors(criterion: &mut Criterion) {
    let columns = columns(&[CqlType::vector(NativeType::Float, 768)]);
    let row = (vec![0.5_f32; 768],);
    let page = page(&columns, &row);
    let mut group = criterion.benchmark_group("vector<float, 768>");
    group.throughput(Throughput::Elements(ROWS as u64));
    group.bench_function("read", |bencher| {
        bencher.iter(|| walk::<(Vec<f32>,)>(&columns, &page))
    });
    group.throughput(Throughput::Elements(1));
    let mut bound = SerializedRow::EMPTY;
    group.bench_function("bind", |bencher| {
        bencher.iter(|| bound.refill(&columns, black_box(&row)).expect("it fits"));
    });
}

fn bind(criterion: &mut Criterion) {
    let columns = columns(&[NativeType::Int.into(), NativeType::Text.into()]);
    let text = "x".repeat(100);
    let mut bound = SerializedRow::EMPTY;
    criterion.bench_function("bind int and text", |bencher| {
        bencher.iter(|| {
            bound
                .refill(&columns, &black_box((1, text.as_str())))
                .expect("it fits")
        });
    });
}

criterion_group!(benches, rows, vectors, bind);
criterion_main!(benches);
