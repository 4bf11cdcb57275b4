//! `varint` and `decimal`: integers of any size (v5 §6.7, §6.22).
//!
//! A varint is big-endian two's complement in as few bytes as possible; a decimal is an `[int]` scale and a varint, and means
//! varint × 10^-scale.

use bigdecimal::BigDecimal;
use num_bigint::BigInt;

use super::error::{DeserializeError, SerializeError, TypeMismatch};
use super::reader::ValueBytes;
use super::traits::{DeserializeValue, SerializeValue, check_native, present};
use super::writer::ValueWriter;
use crate::{CqlType, NativeType};

impl SerializeValue for BigInt {
    /// Into every integer type that can hold the value.
    fn serialize(&self, ty: &CqlType, out: &mut ValueWriter<'_>) -> Result<(), SerializeError> {
        match ty.unfrozen() {
            CqlType::Native(NativeType::Varint) => out.bytes(&self.to_signed_bytes_be()),
            CqlType::Native(
                NativeType::TinyInt
                | NativeType::SmallInt
                | NativeType::Int
                | NativeType::BigInt
                | NativeType::Counter,
            ) => match i64::try_from(self) {
                Ok(value) => value.serialize(ty, out),
                Err(_) => Err(SerializeError::out_of_range(ty, self)),
            },
            _ => Err(SerializeError::mismatch::<Self>(ty)),
        }
    }

    fn natural_type(&self) -> Option<CqlType> {
        Some(NativeType::Varint.into())
    }
}

impl<'f> DeserializeValue<'f> for BigInt {
    fn check_type(ty: &CqlType) -> Result<(), TypeMismatch> {
        check_native::<Self>(ty, &[NativeType::Varint])
    }

    fn deserialize(ty: &'f CqlType, value: Option<ValueBytes<'f>>) -> Result<Self, DeserializeError> {
        match present::<Self>(ty, value)?.as_slice() {
            [] => Err(DeserializeError::length::<Self>(ty, 1, 0)),
            bytes => Ok(from_bytes(bytes)),
        }
    }
}

/// Most numbers fit into 64 bits, for which there is a shorter way.
fn from_bytes(bytes: &[u8]) -> BigInt {
    match bytes {
        [first, ..] if bytes.len() <= 8 => {
            let sign = if *first >= 0x80 { -1 } else { 0 };
            BigInt::from(
                bytes
                    .iter()
                    .fold(sign, |value: i64, byte| value << 8 | i64::from(*byte)),
            )
        }
        _ => BigInt::from_signed_bytes_be(bytes),
    }
}

impl<'f> DeserializeValue<'f> for i128 {
    fn check_type(ty: &CqlType) -> Result<(), TypeMismatch> {
        check_native::<Self>(ty, &[NativeType::Varint])
    }

    fn deserialize(ty: &'f CqlType, value: Option<ValueBytes<'f>>) -> Result<Self, DeserializeError> {
        let value = BigInt::deserialize(ty, value)?;
        Self::try_from(&value).map_err(|_| DeserializeError::out_of_range(ty, value))
    }
}

impl SerializeValue for BigDecimal {
    fn serialize(&self, ty: &CqlType, out: &mut ValueWriter<'_>) -> Result<(), SerializeError> {
        if !matches!(ty.unfrozen(), CqlType::Native(NativeType::Decimal)) {
            return Err(SerializeError::mismatch::<Self>(ty));
        }
        let (unscaled, scale) = self.as_bigint_and_scale();
        let scale = i32::try_from(scale)
            .map_err(|_| SerializeError::out_of_range(ty, format_args!("the scale {scale}")))?;
        out.composite(|parts| {
            parts.raw(&scale.to_be_bytes());
            parts.raw(&unscaled.to_signed_bytes_be());
            Ok(())
        })
    }

    fn natural_type(&self) -> Option<CqlType> {
        Some(NativeType::Decimal.into())
    }
}

impl<'f> DeserializeValue<'f> for BigDecimal {
    fn check_type(ty: &CqlType) -> Result<(), TypeMismatch> {
        check_native::<Self>(ty, &[NativeType::Decimal])
    }

    fn deserialize(ty: &'f CqlType, value: Option<ValueBytes<'f>>) -> Result<Self, DeserializeError> {
        match present::<Self>(ty, value)?.as_slice() {
            [] => Err(DeserializeError::length::<Self>(ty, 5, 0)),
            bytes => match bytes.split_first_chunk::<4>() {
                Some((scale, unscaled @ [_, ..])) => {
                    let scale = i32::from_be_bytes(*scale);
                    Ok(Self::from_bigint(from_bytes(unscaled), scale.into()))
                }
                _ => Err(DeserializeError::truncated(ty, 5, bytes.len())),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: impl SerializeValue, native: NativeType) -> Result<Vec<u8>, SerializeError> {
        let mut out = Vec::new();
        value.serialize(&native.into(), &mut ValueWriter::bare(&mut out))?;
        Ok(out)
    }

    #[test]
    fn varints_are_those_of_the_specification() {
        // The table of v5 §6.22.
        for (value, expected) in [
            (0, &[0x00][..]),
            (1, &[0x01]),
            (127, &[0x7F]),
            (128, &[0x00, 0x80]),
            (129, &[0x00, 0x81]),
            (-1, &[0xFF]),
            (-128, &[0x80]),
            (-129, &[0xFF, 0x7F]),
        ] {
            assert_eq!(
                written(BigInt::from(value), NativeType::Varint).unwrap(),
                expected
            );
            assert_eq!(written(i128::from(value), NativeType::Varint).unwrap(), expected);
            assert_eq!(from_bytes(expected), BigInt::from(value));
        }
    }

    #[test]
    fn both_ways_of_reading_a_varint_agree() {
        for length in 1..=8 {
            for fill in [0x00, 0x01, 0x7F, 0x80, 0xFF] {
                let bytes = vec![fill; length];
                assert_eq!(from_bytes(&bytes), BigInt::from_signed_bytes_be(&bytes));
            }
        }
    }

    #[test]
    fn a_decimal_is_scale_and_varint() {
        let value: BigDecimal = "-1.28".parse().unwrap();
        let bytes = written(value.clone(), NativeType::Decimal).unwrap();
        assert_eq!(bytes, [0, 0, 0, 2, 0x80]);
        let ty = NativeType::Decimal.into();
        assert_eq!(
            BigDecimal::deserialize(&ty, Some(bytes[..].into())).unwrap(),
            value
        );
        assert!(BigDecimal::deserialize(&ty, Some(bytes[..4].into())).is_err());
        let too_fine = BigDecimal::from_bigint(BigInt::from(1), 1 << 31);
        assert!(written(too_fine, NativeType::Decimal).is_err());
    }

    #[test]
    fn a_big_integer_goes_into_small_types_when_it_fits() {
        assert_eq!(
            written(BigInt::from(-2), NativeType::SmallInt).unwrap(),
            [0xFF, 0xFE]
        );
        let error = written(BigInt::from(1_u64 << 63), NativeType::BigInt).unwrap_err();
        assert_eq!(error.to_string(), "bigint: 9223372036854775808 is out of range");
    }
}
