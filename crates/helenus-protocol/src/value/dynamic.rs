//! Values of any type: what a program uses when it does not know the columns when it is written.

use std::net::IpAddr;
use std::ops::Index;
use std::sync::Arc;

use bigdecimal::BigDecimal;
use bytes::Bytes;
use num_bigint::BigInt;
use uuid::Uuid;

use super::collection::{deserialize_pairs, serialize_pairs};
use super::date_range::DateRange;
use super::error::{DeserializeError, SerializeError, SerializeErrorKind, TypeMismatch};
use super::geometry::{LineString, Point, Polygon};
use super::natural;
use super::reader::{PartsReader, ValueBytes};
use super::row_reader::{DeserializeRow, RowReader};
use super::temporal::{CqlDate, CqlDuration, CqlTime, CqlTimestamp};
use super::traits::{DeserializeValue, SerializeValue, present};
use super::writer::ValueWriter;
use crate::{ColumnSpec, CqlType, NativeType, UserDefinedType};

/// A value of any CQL type. Null is an `Option` around it that is `None`.
///
/// `Display` gives the value as a CQL literal.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum CqlValue {
    /// `ascii`.
    Ascii(String),
    /// `bigint`.
    BigInt(i64),
    /// `blob`.
    Blob(Bytes),
    /// `boolean`.
    Boolean(bool),
    /// `counter`.
    Counter(i64),
    /// `decimal`. Equality is that of the numbers: 1.0 is 1.00.
    Decimal(BigDecimal),
    /// `double`.
    Double(f64),
    /// `float`.
    Float(f32),
    /// `int`.
    Int(i32),
    /// `timestamp`.
    Timestamp(CqlTimestamp),
    /// `uuid`.
    Uuid(Uuid),
    /// `text` or `varchar`.
    Text(String),
    /// `varint`.
    Varint(BigInt),
    /// `timeuuid`.
    Timeuuid(Uuid),
    /// `inet`.
    Inet(IpAddr),
    /// `date`.
    Date(CqlDate),
    /// `time`.
    Time(CqlTime),
    /// `smallint`.
    SmallInt(i16),
    /// `tinyint`.
    TinyInt(i8),
    /// `duration`.
    Duration(CqlDuration),
    /// DSE's point.
    Point(Point),
    /// DSE's line string.
    LineString(LineString),
    /// DSE's polygon.
    Polygon(Polygon),
    /// DSE's range of dates.
    DateRange(DateRange),
    /// `list`.
    List(Vec<CqlValue>),
    /// `set`, in the server's order when it was read.
    Set(Vec<CqlValue>),
    /// `map`, in the server's order when it was read.
    Map(Vec<(CqlValue, CqlValue)>),
    /// `tuple`: as many elements as its type has.
    Tuple(Vec<Option<CqlValue>>),
    /// A value of a user-defined type.
    UserDefined(CqlUserDefined),
    /// `vector`.
    Vector(Vec<CqlValue>),
    /// A value of a type that this crate does not know, as bytes.
    Custom(Bytes),
    /// A value of no bytes, of a type for which that is not an ordinary value (as it is for text and blob).
    Empty,
}

/// A value of a user-defined type: its fields by name. Fields that are missing are bound as null.
#[derive(Clone, Debug, PartialEq)]
pub struct CqlUserDefined {
    /// Keyspace of the type; may be empty when the value is bound.
    pub keyspace: Arc<str>,
    /// Name of the type; may be empty when the value is bound.
    pub name: Arc<str>,
    /// Names and values.
    pub fields: Vec<(Arc<str>, Option<CqlValue>)>,
}

impl CqlUserDefined {
    /// A value to bind.
    pub fn new<N: Into<Arc<str>>>(fields: impl IntoIterator<Item = (N, Option<CqlValue>)>) -> Self {
        let fields = fields
            .into_iter()
            .map(|(name, value)| (name.into(), value))
            .collect();
        Self {
            keyspace: "".into(),
            name: "".into(),
            fields,
        }
    }

    /// The value of a field; `None` when it is null or there is no such field.
    pub fn field(&self, name: &str) -> Option<&CqlValue> {
        let field = self.fields.iter().find(|field| &*field.0 == name)?;
        field.1.as_ref()
    }
}

/// Reads one value, which is not null, from its bytes (without a length).
///
/// # Errors
/// When the bytes are not a value of the type.
pub fn decode_value(ty: &CqlType, bytes: &[u8]) -> Result<CqlValue, DeserializeError> {
    decode(ty, bytes.into())
}

/// Appends the bytes of a value (without a length).
///
/// # Errors
/// When the type takes no such value. Then `out` is as it was.
pub fn encode_value(value: &CqlValue, ty: &CqlType, out: &mut Vec<u8>) -> Result<(), SerializeError> {
    let start = out.len();
    let written = value.serialize(ty, &mut ValueWriter::bare(out));
    written.map_err(|error| {
        out.truncate(start);
        error.or_type(ty)
    })
}

fn decode(ty: &CqlType, value: ValueBytes<'_>) -> Result<CqlValue, DeserializeError> {
    decode_then(ty, value, |value| value)
}

/// Reads a value and makes something of it. `then` stands behind each kind of value, so that the compiler can write the value
/// to where it goes: values are large, and copying one that was only just written costs more than reading it.
#[inline(always)]
fn decode_then<R>(
    ty: &CqlType,
    value: ValueBytes<'_>,
    then: impl FnOnce(CqlValue) -> R,
) -> Result<R, DeserializeError> {
    match ty {
        _ if value.as_slice().is_empty() => decode_empty(ty).map(then),
        CqlType::Native(native) => decode_native(*native, ty, value, then),
        _ => decode_compound(ty, value).map(then),
    }
}

#[inline(never)]
fn decode_compound(ty: &CqlType, value: ValueBytes<'_>) -> Result<CqlValue, DeserializeError> {
    match ty {
        CqlType::Native(native) => decode_native(*native, ty, value, |value| value),
        CqlType::Frozen(inner) => decode(inner, value),
        CqlType::Custom(_) => Ok(CqlValue::Custom(value.to_bytes())),
        CqlType::List(_) => typed(ty, value).map(CqlValue::List),
        CqlType::Set(_) => typed(ty, value).map(CqlValue::Set),
        CqlType::Vector { .. } => typed(ty, value).map(CqlValue::Vector),
        CqlType::Map(types) => {
            let mut pairs = Vec::new();
            deserialize_pairs(types, ty, Some(value), |key, value| pairs.push((key, value)))?;
            Ok(CqlValue::Map(pairs))
        }
        CqlType::Tuple(types) => {
            let mut parts = value.parts();
            let mut elements = Vec::with_capacity(types.len());
            for (index, element) in types.iter().enumerate() {
                let value = parts.field(ty)?.map(|value| decode(element, value)).transpose();
                elements.push(value.map_err(|error| error.in_element(index))?);
            }
            Ok(CqlValue::Tuple(elements))
        }
        CqlType::UserDefined(udt) => {
            let mut parts = value.parts();
            let mut fields = Vec::with_capacity(udt.fields.len());
            for (name, field) in &udt.fields {
                let value = parts.field(ty)?.map(|value| decode(field, value)).transpose();
                fields.push((name.clone(), value.map_err(|error| error.in_field(name))?));
            }
            let (keyspace, name) = (udt.keyspace.clone(), udt.name.clone());
            Ok(CqlValue::UserDefined(CqlUserDefined {
                keyspace,
                name,
                fields,
            }))
        }
    }
}

/// Text and bytes may be of any length, also none.
fn decode_empty(ty: &CqlType) -> Result<CqlValue, DeserializeError> {
    Ok(match ty.unfrozen() {
        CqlType::Native(NativeType::Text) => CqlValue::Text(String::new()),
        CqlType::Native(NativeType::Ascii) => CqlValue::Ascii(String::new()),
        CqlType::Native(NativeType::Blob) => CqlValue::Blob(Bytes::new()),
        CqlType::Custom(_) => CqlValue::Custom(Bytes::new()),
        _ => CqlValue::Empty,
    })
}

#[inline(always)]
fn decode_native<R>(
    native: NativeType,
    ty: &CqlType,
    value: ValueBytes<'_>,
    then: impl FnOnce(CqlValue) -> R,
) -> Result<R, DeserializeError> {
    match native {
        NativeType::Ascii => Ok(then(CqlValue::Ascii(typed(ty, value)?))),
        NativeType::BigInt => Ok(then(CqlValue::BigInt(typed(ty, value)?))),
        NativeType::Blob => Ok(then(CqlValue::Blob(value.to_bytes()))),
        NativeType::Boolean => Ok(then(CqlValue::Boolean(typed(ty, value)?))),
        NativeType::Counter => Ok(then(CqlValue::Counter(typed(ty, value)?))),
        NativeType::Decimal => Ok(then(CqlValue::Decimal(typed(ty, value)?))),
        NativeType::Double => Ok(then(CqlValue::Double(typed(ty, value)?))),
        NativeType::Float => Ok(then(CqlValue::Float(typed(ty, value)?))),
        NativeType::Int => Ok(then(CqlValue::Int(typed(ty, value)?))),
        NativeType::Timestamp => Ok(then(CqlValue::Timestamp(typed(ty, value)?))),
        NativeType::Uuid => Ok(then(CqlValue::Uuid(typed(ty, value)?))),
        NativeType::Text => Ok(then(CqlValue::Text(typed(ty, value)?))),
        NativeType::Varint => Ok(then(CqlValue::Varint(typed(ty, value)?))),
        NativeType::Timeuuid => Ok(then(CqlValue::Timeuuid(typed(ty, value)?))),
        NativeType::Inet => Ok(then(CqlValue::Inet(typed(ty, value)?))),
        NativeType::Date => Ok(then(CqlValue::Date(typed(ty, value)?))),
        NativeType::Time => Ok(then(CqlValue::Time(typed(ty, value)?))),
        NativeType::SmallInt => Ok(then(CqlValue::SmallInt(typed(ty, value)?))),
        NativeType::TinyInt => Ok(then(CqlValue::TinyInt(typed(ty, value)?))),
        NativeType::Duration => Ok(then(CqlValue::Duration(typed(ty, value)?))),
        NativeType::Empty => Err(DeserializeError::invalid(ty, "has bytes after its end")),
        NativeType::Point => Ok(then(CqlValue::Point(typed(ty, value)?))),
        NativeType::LineString => Ok(then(CqlValue::LineString(typed(ty, value)?))),
        NativeType::Polygon => Ok(then(CqlValue::Polygon(typed(ty, value)?))),
        NativeType::DateRange => Ok(then(CqlValue::DateRange(typed(ty, value)?))),
    }
}

#[inline]
fn typed<'f, T: DeserializeValue<'f>>(ty: &'f CqlType, value: ValueBytes<'f>) -> Result<T, DeserializeError> {
    T::deserialize(ty, Some(value))
}

impl<'f> DeserializeValue<'f> for CqlValue {
    fn check_type(_: &CqlType) -> Result<(), TypeMismatch> {
        Ok(())
    }

    fn deserialize(ty: &'f CqlType, value: Option<ValueBytes<'f>>) -> Result<Self, DeserializeError> {
        decode(ty, present::<Self>(ty, value)?)
    }

    fn deserialize_list(
        element: &'f CqlType,
        count: usize,
        ty: &'f CqlType,
        parts: &mut PartsReader<'f>,
    ) -> Result<Vec<Self>, DeserializeError> {
        let mut values = Vec::with_capacity(count);
        for index in 0..count {
            let read = present::<Self>(element, parts.element(ty)?)
                .and_then(|value| decode_then(element, value, |value| values.push(value)));
            read.map_err(|error| error.in_element(index))?;
        }
        Ok(values)
    }
}

impl SerializeValue for CqlValue {
    fn serialize(&self, ty: &CqlType, out: &mut ValueWriter<'_>) -> Result<(), SerializeError> {
        match self {
            Self::Ascii(value) | Self::Text(value) => value.serialize(ty, out),
            Self::BigInt(value) | Self::Counter(value) => value.serialize(ty, out),
            Self::Blob(value) | Self::Custom(value) => value.serialize(ty, out),
            Self::Boolean(value) => value.serialize(ty, out),
            Self::Decimal(value) => value.serialize(ty, out),
            Self::Double(value) => value.serialize(ty, out),
            Self::Float(value) => value.serialize(ty, out),
            Self::Int(value) => value.serialize(ty, out),
            Self::Timestamp(value) => value.serialize(ty, out),
            Self::Uuid(value) | Self::Timeuuid(value) => value.serialize(ty, out),
            Self::Varint(value) => value.serialize(ty, out),
            Self::Inet(value) => value.serialize(ty, out),
            Self::Date(value) => value.serialize(ty, out),
            Self::Time(value) => value.serialize(ty, out),
            Self::SmallInt(value) => value.serialize(ty, out),
            Self::TinyInt(value) => value.serialize(ty, out),
            Self::Duration(value) => value.serialize(ty, out),
            Self::Point(value) => value.serialize(ty, out),
            Self::LineString(value) => value.serialize(ty, out),
            Self::Polygon(value) => value.serialize(ty, out),
            Self::DateRange(value) => value.serialize(ty, out),
            Self::List(values) | Self::Set(values) | Self::Vector(values) => values.serialize(ty, out),
            Self::Map(pairs) => match ty.unfrozen() {
                CqlType::Map(types) => serialize_pairs(types, pairs.iter().map(|(k, v)| (k, v)), out),
                _ => Err(SerializeError::mismatch::<Self>(ty)),
            },
            Self::Tuple(elements) => serialize_tuple(elements, ty, out),
            Self::UserDefined(value) => value.serialize(ty, out),
            Self::Empty => out.bytes(&[]),
        }
    }

    fn natural_type(&self) -> Option<CqlType> {
        match self {
            Self::Ascii(_) => Some(NativeType::Ascii.into()),
            Self::Counter(_) => Some(NativeType::Counter.into()),
            Self::Timeuuid(_) => Some(NativeType::Timeuuid.into()),
            Self::Empty => Some(NativeType::Empty.into()),
            Self::BigInt(value) => value.natural_type(),
            Self::Blob(value) | Self::Custom(value) => value.natural_type(),
            Self::Boolean(value) => value.natural_type(),
            Self::Decimal(value) => value.natural_type(),
            Self::Double(value) => value.natural_type(),
            Self::Float(value) => value.natural_type(),
            Self::Int(value) => value.natural_type(),
            Self::Timestamp(value) => value.natural_type(),
            Self::Uuid(value) => value.natural_type(),
            Self::Text(value) => value.natural_type(),
            Self::Varint(value) => value.natural_type(),
            Self::Inet(value) => value.natural_type(),
            Self::Date(value) => value.natural_type(),
            Self::Time(value) => value.natural_type(),
            Self::SmallInt(value) => value.natural_type(),
            Self::TinyInt(value) => value.natural_type(),
            Self::Duration(value) => value.natural_type(),
            Self::Point(value) => value.natural_type(),
            Self::LineString(value) => value.natural_type(),
            Self::Polygon(value) => value.natural_type(),
            Self::DateRange(value) => value.natural_type(),
            Self::List(values) => values.natural_type(),
            Self::Set(values) => natural::common(values.iter()).map(CqlType::set),
            Self::Vector(values) => {
                natural::common(values.iter()).map(|element| CqlType::vector(element, values.len()))
            }
            Self::Map(pairs) => Some(CqlType::map(
                natural::common(pairs.iter().map(|pair| &pair.0))?,
                natural::common(pairs.iter().map(|pair| &pair.1))?,
            )),
            Self::Tuple(elements) => {
                let types: Option<Vec<_>> = elements.iter().map(SerializeValue::natural_type).collect();
                types.map(CqlType::tuple)
            }
            Self::UserDefined(value) => value.natural_type(),
        }
    }
}

fn serialize_tuple(
    elements: &[Option<CqlValue>],
    ty: &CqlType,
    out: &mut ValueWriter<'_>,
) -> Result<(), SerializeError> {
    let CqlType::Tuple(types) = ty.unfrozen() else {
        return Err(SerializeError::mismatch::<CqlValue>(ty));
    };
    if types.len() != elements.len() {
        let kind = SerializeErrorKind::ElementCount {
            expected: types.len(),
            found: elements.len(),
        };
        return Err(SerializeError::new(ty, kind));
    }
    out.composite(|parts| {
        for (index, (element, ty)) in elements.iter().zip(types.iter()).enumerate() {
            let written = element.serialize(ty, &mut parts.element());
            written.map_err(|error| error.or_type(ty).in_element(index))?;
        }
        Ok(())
    })
}

impl SerializeValue for CqlUserDefined {
    fn serialize(&self, ty: &CqlType, out: &mut ValueWriter<'_>) -> Result<(), SerializeError> {
        let udt = fields_of::<Self>(ty)?;
        let unknown = self
            .fields
            .iter()
            .find(|(name, _)| udt.fields.iter().all(|field| field.0 != *name));
        if let Some((name, _)) = unknown {
            let kind = SerializeErrorKind::UnknownField {
                name: name.to_string(),
            };
            return Err(SerializeError::new(ty, kind));
        }
        out.composite(|parts| {
            for (position, (name, ty)) in udt.fields.iter().enumerate() {
                // Mostly the fields stand in the order of the type.
                let in_order = self.fields.get(position).filter(|field| field.0 == *name);
                let field = in_order.or_else(|| self.fields.iter().find(|field| field.0 == *name));
                let value = field.and_then(|field| field.1.as_ref());
                let written = value.serialize(ty, &mut parts.element());
                written.map_err(|error| error.or_type(ty).in_field(name))?;
            }
            Ok(())
        })
    }

    fn natural_type(&self) -> Option<CqlType> {
        let fields = self
            .fields
            .iter()
            .map(|(name, value)| Some((name.clone(), value.natural_type()?)));
        let fields = fields.collect::<Option<Vec<_>>>()?;
        Some(CqlType::user_defined(
            self.keyspace.clone(),
            self.name.clone(),
            fields,
        ))
    }
}

impl<'f> DeserializeValue<'f> for CqlUserDefined {
    fn check_type(ty: &CqlType) -> Result<(), TypeMismatch> {
        match ty.unfrozen() {
            CqlType::UserDefined(_) => Ok(()),
            _ => Err(TypeMismatch::mismatch::<Self>(ty)),
        }
    }

    fn deserialize(ty: &'f CqlType, value: Option<ValueBytes<'f>>) -> Result<Self, DeserializeError> {
        match decode(ty, present::<Self>(ty, value)?)? {
            CqlValue::UserDefined(value) => Ok(value),
            CqlValue::Empty => Err(DeserializeError::length::<Self>(ty, 4, 0)),
            _ => Err(DeserializeError::mismatch::<Self>(ty)),
        }
    }
}

/// The user-defined type with its fields, for a value to be bound.
pub(crate) fn fields_of<T: ?Sized>(ty: &CqlType) -> Result<&UserDefinedType, SerializeError> {
    match ty.unfrozen() {
        CqlType::UserDefined(udt) if udt.fields.is_empty() => {
            Err(SerializeError::new(ty, SerializeErrorKind::UnknownFields))
        }
        CqlType::UserDefined(udt) => Ok(udt),
        _ => Err(SerializeError::mismatch::<T>(ty)),
    }
}

/// A row of any columns: their values in order, `None` for null.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct CqlRow(pub Vec<Option<CqlValue>>);

impl Index<usize> for CqlRow {
    type Output = Option<CqlValue>;

    fn index(&self, index: usize) -> &Self::Output {
        &self.0[index]
    }
}

impl<'f> DeserializeRow<'f> for CqlRow {
    type Plan = ();

    fn plan(_: &[ColumnSpec]) -> Result<(), TypeMismatch> {
        Ok(())
    }

    fn deserialize_row((): &(), row: &mut RowReader<'_, 'f>) -> Result<Self, DeserializeError> {
        let mut values = Vec::with_capacity(row.columns().len());
        for _ in row.columns() {
            row.read_with(|ty, cell| match cell {
                Some(value) => decode_then(ty, value, |value| values.push(Some(value))),
                None => {
                    values.push(None);
                    Ok(())
                }
            })?;
        }
        Ok(Self(values))
    }
}

macro_rules! from {
    ($($rust:ty => $variant:ident),* $(,)?) => {$(
        impl From<$rust> for CqlValue {
            fn from(value: $rust) -> Self {
                Self::$variant(value.into())
            }
        }
    )*};
}

from! {
    i8 => TinyInt, i16 => SmallInt, i32 => Int, i64 => BigInt, BigInt => Varint, BigDecimal => Decimal, f32 => Float,
    f64 => Double, bool => Boolean, String => Text, &str => Text, Bytes => Blob, Vec<u8> => Blob, Uuid => Uuid,
    IpAddr => Inet, CqlTimestamp => Timestamp, CqlDate => Date, CqlTime => Time, CqlDuration => Duration,
    CqlUserDefined => UserDefined, Point => Point, LineString => LineString, Polygon => Polygon,
    DateRange => DateRange,
}
