//! `tinyint`, `smallint`, `int`, `bigint`, `counter`, `float`, `double`, `boolean`: big-endian, of fixed length (v5 §6).
//!
//! Integers are bound to every integer type that can hold the value; they are read from the type of their own width, so that
//! nothing depends on the values that happen to be there.

use num_bigint::BigInt;

use super::error::{DeserializeError, SerializeError, TypeMismatch};
use super::reader::{PartsReader, ValueBytes};
use super::traits::{
    DeserializeValue, SerializeValue, check_native, deserialize_elements, deserialize_list, is_one_of,
    present, serialize_elements,
};
use super::writer::{CompositeWriter, ValueWriter};
use crate::{CqlType, NativeType};

/// Writes an integer into whatever integer type there is, if the value is in its range.
#[cold]
fn serialize_integer<T: ?Sized>(
    value: i128,
    ty: &CqlType,
    out: &mut ValueWriter<'_>,
) -> Result<(), SerializeError> {
    let out_of_range = |_| SerializeError::out_of_range(ty, value);
    match ty.unfrozen() {
        CqlType::Native(NativeType::TinyInt) => {
            out.fixed(i8::try_from(value).map_err(out_of_range)?.to_be_bytes())
        }
        CqlType::Native(NativeType::SmallInt) => {
            out.fixed(i16::try_from(value).map_err(out_of_range)?.to_be_bytes())
        }
        CqlType::Native(NativeType::Int) => {
            out.fixed(i32::try_from(value).map_err(out_of_range)?.to_be_bytes())
        }
        CqlType::Native(NativeType::BigInt | NativeType::Counter) => {
            out.fixed(i64::try_from(value).map_err(out_of_range)?.to_be_bytes())
        }
        CqlType::Native(NativeType::Varint) => out.bytes(&BigInt::from(value).to_signed_bytes_be()),
        _ => Err(SerializeError::mismatch::<T>(ty)),
    }
}

macro_rules! numbers {
    ($($rust:ty, $length:literal, [$($native:ident),+], $other:expr;)*) => {$(
        impl SerializeValue for $rust {
            #[inline]
            fn serialize(&self, ty: &CqlType, out: &mut ValueWriter<'_>) -> Result<(), SerializeError> {
                match ty {
                    CqlType::Native($(NativeType::$native)|+) => out.fixed(self.to_be_bytes()),
                    _ => $other(*self, ty, out),
                }
            }

            fn natural_type(&self) -> Option<CqlType> {
                Some([$(NativeType::$native),+][0].into())
            }

            fn serialize_vector(
                values: &[Self],
                element: &CqlType,
                out: &mut CompositeWriter<'_>,
            ) -> Result<(), SerializeError> {
                if element.fixed_length().is_some() && is_one_of(element, &[$(NativeType::$native),+]) {
                    write_all(values, out.buffer(), |value| value.to_be_bytes());
                    return Ok(());
                }
                serialize_elements(values, element, out)
            }
        }

        impl<'f> DeserializeValue<'f> for $rust {
            fn check_type(ty: &CqlType) -> Result<(), TypeMismatch> {
                check_native::<Self>(ty, &[$(NativeType::$native),+])
            }

            #[inline]
            fn deserialize(ty: &'f CqlType, value: Option<ValueBytes<'f>>) -> Result<Self, DeserializeError> {
                let bytes = present::<Self>(ty, value)?.array::<Self, $length>(ty)?;
                Ok(Self::from_be_bytes(bytes))
            }

            fn deserialize_list(
                element: &'f CqlType,
                count: usize,
                ty: &'f CqlType,
                parts: &mut PartsReader<'f>,
            ) -> Result<Vec<Self>, DeserializeError> {
                // Nearly always each has the length of the type: then nothing can go wrong within.
                let (elements, _) = parts.rest().as_chunks::<{ 4 + $length }>();
                match elements.get(..count) {
                    Some(elements) if elements.iter().all(|bytes| matches!(bytes, [0, 0, 0, $length, ..])) => {
                        let value = |[_, _, _, _, value @ ..]: &[u8; 4 + $length]| Self::from_be_bytes(*value);
                        Ok(elements.iter().map(value).collect())
                    }
                    _ => deserialize_list(element, count, ty, parts),
                }
            }

            fn deserialize_vector(
                element: &'f CqlType,
                dimensions: usize,
                ty: &CqlType,
                parts: &mut PartsReader<'f>,
            ) -> Result<Vec<Self>, DeserializeError> {
                if element.fixed_length() != Some($length) {
                    return deserialize_elements(element, dimensions, ty, parts);
                }
                let all = parts.take(dimensions.saturating_mul($length), ty)?.as_slice();
                let (values, _) = all.as_chunks::<$length>();
                Ok(values.iter().map(|bytes| Self::from_be_bytes(*bytes)).collect())
            }
        }
    )*};
}

numbers! {
    i8, 1, [TinyInt], |value: i8, ty, out| serialize_integer::<i8>(value.into(), ty, out);
    i16, 2, [SmallInt], |value: i16, ty, out| serialize_integer::<i16>(value.into(), ty, out);
    i32, 4, [Int], |value: i32, ty, out| serialize_integer::<i32>(value.into(), ty, out);
    i64, 8, [BigInt, Counter], |value: i64, ty, out| serialize_integer::<i64>(value.into(), ty, out);
    f32, 4, [Float], serialize_f32;
    f64, 8, [Double], serialize_f64;
}

/// Appends fixed-length values without a length: one reservation, then a loop that the compiler turns into wide swaps.
fn write_all<T: Copy, const N: usize>(values: &[T], out: &mut Vec<u8>, bytes: impl Fn(T) -> [u8; N]) {
    let start = out.len();
    out.resize(start + values.len() * N, 0);
    let (places, _) = out[start..].as_chunks_mut::<N>();
    for (place, value) in places.iter_mut().zip(values) {
        *place = bytes(*value);
    }
}

/// A `float` is exact as a `double`; the other way round would lose digits without a word.
fn serialize_f32(value: f32, ty: &CqlType, out: &mut ValueWriter<'_>) -> Result<(), SerializeError> {
    match ty.unfrozen() {
        CqlType::Native(NativeType::Float) => out.fixed(value.to_be_bytes()),
        CqlType::Native(NativeType::Double) => out.fixed(f64::from(value).to_be_bytes()),
        _ => Err(SerializeError::mismatch::<f32>(ty)),
    }
}

fn serialize_f64(value: f64, ty: &CqlType, out: &mut ValueWriter<'_>) -> Result<(), SerializeError> {
    match ty.unfrozen() {
        CqlType::Native(NativeType::Double) => out.fixed(value.to_be_bytes()),
        _ => Err(SerializeError::mismatch::<f64>(ty)),
    }
}

impl SerializeValue for bool {
    fn serialize(&self, ty: &CqlType, out: &mut ValueWriter<'_>) -> Result<(), SerializeError> {
        match ty.unfrozen() {
            CqlType::Native(NativeType::Boolean) => out.fixed([u8::from(*self)]),
            _ => Err(SerializeError::mismatch::<Self>(ty)),
        }
    }

    fn natural_type(&self) -> Option<CqlType> {
        Some(NativeType::Boolean.into())
    }
}

impl<'f> DeserializeValue<'f> for bool {
    fn check_type(ty: &CqlType) -> Result<(), TypeMismatch> {
        check_native::<Self>(ty, &[NativeType::Boolean])
    }

    /// Anything but 0 is true (v5 §6.4).
    #[inline]
    fn deserialize(ty: &'f CqlType, value: Option<ValueBytes<'f>>) -> Result<Self, DeserializeError> {
        let [byte] = present::<Self>(ty, value)?.array::<Self, 1>(ty)?;
        Ok(byte != 0)
    }
}

impl SerializeValue for i128 {
    fn serialize(&self, ty: &CqlType, out: &mut ValueWriter<'_>) -> Result<(), SerializeError> {
        serialize_integer::<Self>(*self, ty, out)
    }

    fn natural_type(&self) -> Option<CqlType> {
        Some(NativeType::Varint.into())
    }
}

macro_rules! unsigned {
    ($($rust:ty),*) => {$(
        impl SerializeValue for $rust {
            fn serialize(&self, ty: &CqlType, out: &mut ValueWriter<'_>) -> Result<(), SerializeError> {
                serialize_integer::<Self>((*self).into(), ty, out)
            }
        }
    )*};
}

// They go into any integer type that can hold the value, but stand for none of their own. `u8` is missing because
// `Vec<u8>` is a blob, not a list.
unsigned!(u16, u32, u64);
