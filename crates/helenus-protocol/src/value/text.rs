//! `text` (`varchar`) and `ascii`: UTF-8 and ASCII without a terminator (v5 §6.1, §6.19).

use std::borrow::Cow;
use std::sync::Arc;

use super::error::{DeserializeError, SerializeError, SerializeErrorKind, TypeMismatch};
use super::reader::ValueBytes;
use super::traits::{DeserializeValue, SerializeValue, check_native, is_one_of, present};
use super::writer::ValueWriter;
use crate::{CqlType, NativeType};

impl SerializeValue for str {
    #[inline]
    fn serialize(&self, ty: &CqlType, out: &mut ValueWriter<'_>) -> Result<(), SerializeError> {
        match ty.unfrozen() {
            CqlType::Native(NativeType::Text) => out.bytes(self.as_bytes()),
            CqlType::Native(NativeType::Ascii) if self.is_ascii() => out.bytes(self.as_bytes()),
            CqlType::Native(NativeType::Ascii) => Err(SerializeError::new(ty, SerializeErrorKind::NotAscii)),
            _ => Err(SerializeError::mismatch::<Self>(ty)),
        }
    }

    fn natural_type(&self) -> Option<CqlType> {
        Some(NativeType::Text.into())
    }
}

impl SerializeValue for String {
    #[inline]
    fn serialize(&self, ty: &CqlType, out: &mut ValueWriter<'_>) -> Result<(), SerializeError> {
        self.as_str().serialize(ty, out)
    }

    fn natural_type(&self) -> Option<CqlType> {
        self.as_str().natural_type()
    }
}

const TEXTS: [NativeType; 2] = [NativeType::Text, NativeType::Ascii];

impl<'f> DeserializeValue<'f> for &'f str {
    fn check_type(ty: &CqlType) -> Result<(), TypeMismatch> {
        check_native::<Self>(ty, &TEXTS)
    }

    #[inline]
    fn deserialize(ty: &'f CqlType, value: Option<ValueBytes<'f>>) -> Result<Self, DeserializeError> {
        text(ty, present::<Self>(ty, value)?)
    }
}

#[inline]
fn text<'f>(ty: &CqlType, value: ValueBytes<'f>) -> Result<&'f str, DeserializeError> {
    let text = std::str::from_utf8(value.as_slice()).map_err(|_| DeserializeError::text(ty))?;
    if is_one_of(ty, &[NativeType::Ascii]) && !text.is_ascii() {
        return Err(DeserializeError::text(ty));
    }
    Ok(text)
}

macro_rules! owned_text {
    ($($owned:ty),*) => {$(
        impl<'f> DeserializeValue<'f> for $owned {
            fn check_type(ty: &CqlType) -> Result<(), TypeMismatch> {
                check_native::<Self>(ty, &TEXTS)
            }

            #[inline]
            fn deserialize(ty: &'f CqlType, value: Option<ValueBytes<'f>>) -> Result<Self, DeserializeError> {
                text(ty, present::<Self>(ty, value)?).map(Self::from)
            }
        }
    )*};
}

owned_text!(String, Cow<'f, str>, Box<str>, Arc<str>);
