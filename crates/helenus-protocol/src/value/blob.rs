//! `blob` and the values of custom types: bytes as they are (v5 §6.3).

use std::borrow::Cow;

use bytes::Bytes;

use super::error::{DeserializeError, DeserializeErrorKind, SerializeError, TypeMismatch};
use super::reader::ValueBytes;
use super::traits::{DeserializeValue, SerializeValue, present};
use super::writer::ValueWriter;
use crate::{CqlType, NativeType};

/// Whether bytes are what values of this type are.
fn is_bytes(ty: &CqlType) -> bool {
    matches!(
        ty.unfrozen(),
        CqlType::Native(NativeType::Blob) | CqlType::Custom(_)
    )
}

fn check<T: ?Sized>(ty: &CqlType) -> Result<(), TypeMismatch> {
    if is_bytes(ty) {
        Ok(())
    } else {
        Err(TypeMismatch::mismatch::<T>(ty))
    }
}

impl SerializeValue for [u8] {
    fn serialize(&self, ty: &CqlType, out: &mut ValueWriter<'_>) -> Result<(), SerializeError> {
        if is_bytes(ty) {
            out.bytes(self)
        } else {
            Err(SerializeError::mismatch::<Self>(ty))
        }
    }

    fn natural_type(&self) -> Option<CqlType> {
        Some(NativeType::Blob.into())
    }
}

macro_rules! serialize_bytes {
    ($([$($generics:tt)*] $owned:ty),*) => {$(
        impl<$($generics)*> SerializeValue for $owned {
            fn serialize(&self, ty: &CqlType, out: &mut ValueWriter<'_>) -> Result<(), SerializeError> {
                self[..].serialize(ty, out)
            }

            fn natural_type(&self) -> Option<CqlType> {
                self[..].natural_type()
            }
        }
    )*};
}

serialize_bytes!([] Vec<u8>, [] Bytes, [const N: usize] [u8; N]);

impl<'f> DeserializeValue<'f> for &'f [u8] {
    fn check_type(ty: &CqlType) -> Result<(), TypeMismatch> {
        check::<Self>(ty)
    }

    #[inline]
    fn deserialize(ty: &'f CqlType, value: Option<ValueBytes<'f>>) -> Result<Self, DeserializeError> {
        Ok(present::<Self>(ty, value)?.as_slice())
    }
}

macro_rules! deserialize_bytes {
    ($($owned:ty),*) => {$(
        impl<'f> DeserializeValue<'f> for $owned {
            fn check_type(ty: &CqlType) -> Result<(), TypeMismatch> {
                check::<Self>(ty)
            }

            #[inline]
            fn deserialize(ty: &'f CqlType, value: Option<ValueBytes<'f>>) -> Result<Self, DeserializeError> {
                Ok(Self::from(present::<Self>(ty, value)?.as_slice()))
            }
        }
    )*};
}

deserialize_bytes!(Vec<u8>, Cow<'f, [u8]>, Box<[u8]>);

/// Shares the page instead of copying, which keeps the whole page in memory.
impl<'f> DeserializeValue<'f> for Bytes {
    fn check_type(ty: &CqlType) -> Result<(), TypeMismatch> {
        check::<Self>(ty)
    }

    fn deserialize(ty: &'f CqlType, value: Option<ValueBytes<'f>>) -> Result<Self, DeserializeError> {
        Ok(present::<Self>(ty, value)?.to_bytes())
    }
}

impl<'f, const N: usize> DeserializeValue<'f> for [u8; N] {
    fn check_type(ty: &CqlType) -> Result<(), TypeMismatch> {
        check::<Self>(ty)
    }

    fn deserialize(ty: &'f CqlType, value: Option<ValueBytes<'f>>) -> Result<Self, DeserializeError> {
        let bytes = present::<Self>(ty, value)?.as_slice();
        bytes.try_into().map_err(|_| {
            DeserializeError::new(
                ty,
                DeserializeErrorKind::ElementCount {
                    expected: N,
                    found: bytes.len(),
                },
            )
        })
    }
}
