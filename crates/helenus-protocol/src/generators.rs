//! Generators of CQL types and values for property tests, here and in programs that use this crate.
//!
//! Values round-trip: none has a NaN, sets and the keys of maps hold no value twice, a `timeuuid` is of version 1, and every
//! text is what its type allows.

use std::sync::Arc;

use bigdecimal::BigDecimal;
use bytes::Bytes;
use num_bigint::BigInt;
use proptest::collection::vec;
use proptest::prelude::*;
use uuid::Uuid;

use crate::{
    CqlDate, CqlDuration, CqlTime, CqlTimestamp, CqlType, CqlUserDefined, CqlValue, DatePrecision, DateRange,
    DateRangeBound, LineString, NativeType, Point, Polygon,
};

/// Types that have values: all the native ones but `empty`, custom ones, and all that nest, at most four deep.
pub fn types() -> BoxedStrategy<CqlType> {
    let natives: Vec<_> = NativeType::ALL
        .into_iter()
        .filter(|native| *native != NativeType::Empty)
        .collect();
    let leaf = prop_oneof![
        20 => prop::sample::select(natives).prop_map(CqlType::Native),
        1 => Just(CqlType::Custom("com.example.CustomType".into())),
    ];
    let nested = leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(CqlType::list),
            inner.clone().prop_map(CqlType::set),
            (inner.clone(), inner.clone()).prop_map(|(key, value)| CqlType::map(key, value)),
            vec(inner.clone(), 1..4).prop_map(CqlType::tuple),
            (inner.clone(), 1_usize..5)
                .prop_map(|(element, dimensions)| CqlType::vector(element, dimensions)),
            ("[a-z]{1,8}", "[a-zA-Z \"]{1,8}", vec(inner, 1..4)).prop_map(user_defined),
        ]
    });
    nested.boxed()
}

fn user_defined((keyspace, name, types): (String, String, Vec<CqlType>)) -> CqlType {
    let fields = types.into_iter().enumerate();
    let fields = fields.map(|(index, ty)| (Arc::from(format!("field {index}")), ty));
    CqlType::user_defined(keyspace, name, fields)
}

/// A type and a value of it.
pub fn typed_values() -> BoxedStrategy<(CqlType, CqlValue)> {
    types()
        .prop_flat_map(|ty| values(&ty).prop_map(move |value| (ty.clone(), value)))
        .boxed()
}

/// Values of a type. None is null, but elements of tuples and fields of user-defined types may be.
pub fn values(ty: &CqlType) -> BoxedStrategy<CqlValue> {
    match ty {
        CqlType::Native(native) => native_values(*native),
        CqlType::Frozen(inner) => values(inner),
        CqlType::Custom(_) => bytes().prop_map(CqlValue::Custom).boxed(),
        CqlType::List(element) => vec(values(element), 0..4).prop_map(CqlValue::List).boxed(),
        CqlType::Set(element) => vec(values(element), 0..4)
            .prop_map(|values| CqlValue::Set(distinct(values, |value| value)))
            .boxed(),
        CqlType::Map(types) => vec((values(&types.0), values(&types.1)), 0..4)
            .prop_map(|pairs| CqlValue::Map(distinct(pairs, |pair| &pair.0)))
            .boxed(),
        CqlType::Vector { element, dimensions } => vec(values(element), *dimensions)
            .prop_map(CqlValue::Vector)
            .boxed(),
        CqlType::Tuple(types) => {
            let elements: Vec<_> = types
                .iter()
                .map(|ty| prop::option::weighted(0.8, values(ty)))
                .collect();
            elements.prop_map(CqlValue::Tuple).boxed()
        }
        CqlType::UserDefined(udt) => {
            let udt = udt.clone();
            let fields: Vec<_> = udt
                .fields
                .iter()
                .map(|field| prop::option::weighted(0.8, values(&field.1)))
                .collect();
            let value = fields.prop_map(move |values| CqlUserDefined {
                keyspace: udt.keyspace.clone(),
                name: udt.name.clone(),
                fields: udt
                    .fields
                    .iter()
                    .map(|field| field.0.clone())
                    .zip(values)
                    .collect(),
            });
            value.prop_map(CqlValue::UserDefined).boxed()
        }
    }
}

/// Keeps the first of those that are equal.
fn distinct<T>(items: Vec<T>, key: impl Fn(&T) -> &CqlValue) -> Vec<T> {
    let mut kept: Vec<T> = Vec::new();
    for item in items {
        if kept.iter().all(|other| key(other) != key(&item)) {
            kept.push(item);
        }
    }
    kept
}

fn native_values(native: NativeType) -> BoxedStrategy<CqlValue> {
    match native {
        NativeType::Ascii => "[ -~\\x00\\x7F]{0,12}".prop_map(CqlValue::Ascii).boxed(),
        NativeType::BigInt => any::<i64>().prop_map(CqlValue::BigInt).boxed(),
        NativeType::Blob => bytes().prop_map(CqlValue::Blob).boxed(),
        NativeType::Boolean => any::<bool>().prop_map(CqlValue::Boolean).boxed(),
        NativeType::Counter => any::<i64>().prop_map(CqlValue::Counter).boxed(),
        NativeType::Decimal => decimals().prop_map(CqlValue::Decimal).boxed(),
        NativeType::Double => doubles().prop_map(CqlValue::Double).boxed(),
        NativeType::Float => floats().prop_map(CqlValue::Float).boxed(),
        NativeType::Int => any::<i32>().prop_map(CqlValue::Int).boxed(),
        NativeType::Timestamp => timestamps().prop_map(CqlValue::Timestamp).boxed(),
        NativeType::Uuid => any::<u128>()
            .prop_map(|bits| CqlValue::Uuid(Uuid::from_u128(bits)))
            .boxed(),
        NativeType::Text => any::<String>().prop_map(CqlValue::Text).boxed(),
        NativeType::Varint => integers().prop_map(CqlValue::Varint).boxed(),
        NativeType::Timeuuid => timeuuids().prop_map(CqlValue::Timeuuid).boxed(),
        NativeType::Inet => any::<std::net::IpAddr>().prop_map(CqlValue::Inet).boxed(),
        NativeType::Date => any::<u32>()
            .prop_map(|days| CqlValue::Date(CqlDate(days)))
            .boxed(),
        NativeType::Time => (0..=CqlTime::MAX.0)
            .prop_map(|time| CqlValue::Time(CqlTime(time)))
            .boxed(),
        NativeType::SmallInt => any::<i16>().prop_map(CqlValue::SmallInt).boxed(),
        NativeType::TinyInt => any::<i8>().prop_map(CqlValue::TinyInt).boxed(),
        NativeType::Duration => durations().prop_map(CqlValue::Duration).boxed(),
        NativeType::Empty => Just(CqlValue::Empty).boxed(),
        NativeType::Point => points().prop_map(CqlValue::Point).boxed(),
        NativeType::LineString => vec(points(), 0..4)
            .prop_map(|points| CqlValue::LineString(LineString { points }))
            .boxed(),
        NativeType::Polygon => vec(vec(points(), 0..4), 0..3)
            .prop_map(|rings| CqlValue::Polygon(Polygon { rings }))
            .boxed(),
        NativeType::DateRange => date_ranges().prop_map(CqlValue::DateRange).boxed(),
    }
}

fn bytes() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..12).prop_map(Bytes::from)
}

fn integers() -> impl Strategy<Value = BigInt> {
    vec(any::<u8>(), 1..20).prop_map(|bytes| BigInt::from_signed_bytes_be(&bytes))
}

fn decimals() -> impl Strategy<Value = BigDecimal> {
    (integers(), -300_i64..300).prop_map(|(unscaled, scale)| BigDecimal::from_bigint(unscaled, scale))
}

fn doubles() -> impl Strategy<Value = f64> {
    use prop::num::f64::{INFINITE, NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
    POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO | INFINITE
}

fn floats() -> impl Strategy<Value = f32> {
    use prop::num::f32::{INFINITE, NEGATIVE, NORMAL, POSITIVE, SUBNORMAL, ZERO};
    POSITIVE | NEGATIVE | NORMAL | SUBNORMAL | ZERO | INFINITE
}

fn timestamps() -> impl Strategy<Value = CqlTimestamp> {
    any::<i64>().prop_map(CqlTimestamp)
}

fn timeuuids() -> impl Strategy<Value = Uuid> {
    // Version 1 and the variant of RFC 9562, at their places.
    any::<u128>().prop_map(|bits| Uuid::from_u128(bits & !(0xF << 76) & !(0x3 << 62) | 1 << 76 | 2 << 62))
}

fn durations() -> impl Strategy<Value = CqlDuration> {
    let parts = (0..=i32::MAX, 0..=i32::MAX, 0..=i64::MAX, any::<bool>());
    parts.prop_map(|(months, days, nanoseconds, negative)| match negative {
        false => CqlDuration {
            months,
            days,
            nanoseconds,
        },
        // The bits of a number that is not negative, inverted, are its negative less one: never too small.
        true => CqlDuration {
            months: !months,
            days: !days,
            nanoseconds: !nanoseconds,
        },
    })
}

fn points() -> impl Strategy<Value = Point> {
    (doubles(), doubles()).prop_map(|(x, y)| Point { x, y })
}

fn date_ranges() -> impl Strategy<Value = DateRange> {
    let precisions = prop::sample::select(DatePrecision::ALL.to_vec());
    let dates = (timestamps(), precisions)
        .prop_map(|(timestamp, precision)| DateRangeBound::Date { timestamp, precision });
    let bounds = prop_oneof![1 => Just(DateRangeBound::Open), 4 => dates];
    prop_oneof![
        bounds.clone().prop_map(DateRange::Single),
        (bounds.clone(), bounds).prop_map(|(lower, upper)| DateRange::Range(lower, upper)),
    ]
}
