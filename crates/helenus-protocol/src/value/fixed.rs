//! `uuid`, `timeuuid` and `inet`: 16 bytes; 4 or 16 bytes (v5 §6.10, §6.18, §6.21).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use uuid::Uuid;

use super::error::{DeserializeError, SerializeError, TypeMismatch};
use super::reader::ValueBytes;
use super::traits::{DeserializeValue, SerializeValue, check_native, is_one_of, present};
use super::writer::ValueWriter;
use crate::{CqlType, NativeType};

impl SerializeValue for Uuid {
    fn serialize(&self, ty: &CqlType, out: &mut ValueWriter<'_>) -> Result<(), SerializeError> {
        match ty.unfrozen() {
            CqlType::Native(NativeType::Timeuuid) if self.get_version_num() != 1 => {
                Err(SerializeError::invalid(ty, "the UUID is not of version 1"))
            }
            CqlType::Native(NativeType::Uuid | NativeType::Timeuuid) => out.fixed(*self.as_bytes()),
            _ => Err(SerializeError::mismatch::<Self>(ty)),
        }
    }

    fn natural_type(&self) -> Option<CqlType> {
        Some(NativeType::Uuid.into())
    }
}

impl<'f> DeserializeValue<'f> for Uuid {
    fn check_type(ty: &CqlType) -> Result<(), TypeMismatch> {
        check_native::<Self>(ty, &[NativeType::Uuid, NativeType::Timeuuid])
    }

    #[inline]
    fn deserialize(ty: &'f CqlType, value: Option<ValueBytes<'f>>) -> Result<Self, DeserializeError> {
        present::<Self>(ty, value)?
            .array::<Self, 16>(ty)
            .map(Self::from_bytes)
    }
}

macro_rules! addresses {
    ($($rust:ty, |$address:ident, $out:ident| $write:expr;)*) => {$(
        impl SerializeValue for $rust {
            fn serialize(&self, ty: &CqlType, $out: &mut ValueWriter<'_>) -> Result<(), SerializeError> {
                if !is_one_of(ty, &[NativeType::Inet]) {
                    return Err(SerializeError::mismatch::<Self>(ty));
                }
                let $address = self;
                $write
            }

            fn natural_type(&self) -> Option<CqlType> {
                Some(NativeType::Inet.into())
            }
        }
    )*};
}

addresses! {
    Ipv4Addr, |address, out| out.fixed(address.octets());
    Ipv6Addr, |address, out| out.fixed(address.octets());
    IpAddr, |address, out| match address {
        IpAddr::V4(address) => out.fixed(address.octets()),
        IpAddr::V6(address) => out.fixed(address.octets()),
    };
}

impl<'f> DeserializeValue<'f> for IpAddr {
    fn check_type(ty: &CqlType) -> Result<(), TypeMismatch> {
        check_native::<Self>(ty, &[NativeType::Inet])
    }

    #[inline]
    fn deserialize(ty: &'f CqlType, value: Option<ValueBytes<'f>>) -> Result<Self, DeserializeError> {
        let value = present::<Self>(ty, value)?;
        match value.as_slice().len() {
            4 => value.array::<Self, 4>(ty).map(Self::from),
            _ => value.array::<Self, 16>(ty).map(Self::from),
        }
    }
}
