//! `timestamp`, `date`, `time` and `duration` (v5 §6.5, §6.8, §6.15, §6.16), and the conversions to what Rust has for them.
//!
//! The types here hold exactly what travels, so nothing is lost in reading. `SystemTime` and, with the features `chrono` and
//! `time`, the types of those crates can be bound and read directly; what they cannot hold is an error.

use std::time::{Duration, SystemTime};

use super::error::{DeserializeError, SerializeError, TypeMismatch};
use super::reader::ValueBytes;
use super::traits::{DeserializeValue, SerializeValue, check_native, is_one_of, present};
use super::writer::ValueWriter;
use crate::{CqlType, NativeType, write};

/// `timestamp`: milliseconds since 1970-01-01 00:00 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CqlTimestamp(pub i64);

/// `date`: days, where 2^31 is 1970-01-01. See [`CqlDate::from_days`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CqlDate(pub u32);

/// `time`: nanoseconds since midnight, at most [`CqlTime::MAX`]. More cannot be bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CqlTime(pub i64);

/// `duration`: months, days and nanoseconds, which are kept apart because months and days differ in length. All are zero or
/// positive, or all zero or negative; others cannot be bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct CqlDuration {
    /// Months; a year is 12.
    pub months: i32,
    /// Days; a week is 7.
    pub days: i32,
    /// Nanoseconds; an hour is 3,600,000,000,000.
    pub nanoseconds: i64,
}

impl CqlDate {
    const EPOCH: u32 = 1 << 31;

    /// The day that is so many days after 1970-01-01, or before it when negative.
    pub fn from_days(days: i32) -> Self {
        Self(days.cast_unsigned() ^ Self::EPOCH)
    }

    /// Days since 1970-01-01.
    pub fn days(self) -> i32 {
        (self.0 ^ Self::EPOCH).cast_signed()
    }
}

impl CqlTime {
    /// The last nanosecond of a day.
    pub const MAX: Self = Self(86_399_999_999_999);

    fn is_valid(self) -> bool {
        (0..=Self::MAX.0).contains(&self.0)
    }
}

impl CqlDuration {
    /// A duration; see the fields.
    pub fn new(months: i32, days: i32, nanoseconds: i64) -> Self {
        Self {
            months,
            days,
            nanoseconds,
        }
    }

    fn has_one_sign(&self) -> bool {
        let positive = self.months >= 0 && self.days >= 0 && self.nanoseconds >= 0;
        let negative = self.months <= 0 && self.days <= 0 && self.nanoseconds <= 0;
        positive || negative
    }
}

/// Rounded down to a millisecond.
impl TryFrom<SystemTime> for CqlTimestamp {
    type Error = OutOfRange;

    fn try_from(time: SystemTime) -> Result<Self, OutOfRange> {
        let milliseconds = match time.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_millis()).ok(),
            Err(before) => {
                let nanoseconds = before.duration().as_nanos();
                i64::try_from(nanoseconds.div_ceil(1_000_000))
                    .ok()
                    .map(|milliseconds| -milliseconds)
            }
        };
        milliseconds.map(Self).ok_or(OutOfRange)
    }
}

impl TryFrom<CqlTimestamp> for SystemTime {
    type Error = OutOfRange;

    fn try_from(timestamp: CqlTimestamp) -> Result<Self, OutOfRange> {
        let distance = Duration::from_millis(timestamp.0.unsigned_abs());
        let time = match timestamp.0 {
            0.. => SystemTime::UNIX_EPOCH.checked_add(distance),
            _ => SystemTime::UNIX_EPOCH.checked_sub(distance),
        };
        time.ok_or(OutOfRange)
    }
}

/// Since midnight.
impl TryFrom<Duration> for CqlTime {
    type Error = OutOfRange;

    fn try_from(since_midnight: Duration) -> Result<Self, OutOfRange> {
        let nanoseconds = i64::try_from(since_midnight.as_nanos()).map_err(|_| OutOfRange)?;
        Some(Self(nanoseconds))
            .filter(|time| time.is_valid())
            .ok_or(OutOfRange)
    }
}

/// Since midnight.
impl TryFrom<CqlTime> for Duration {
    type Error = OutOfRange;

    fn try_from(time: CqlTime) -> Result<Self, OutOfRange> {
        u64::try_from(time.0)
            .map(Self::from_nanos)
            .map_err(|_| OutOfRange)
    }
}

/// A date or time that the other type cannot hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the date or time is out of range")]
pub struct OutOfRange;

impl SerializeValue for CqlTimestamp {
    #[inline]
    fn serialize(&self, ty: &CqlType, out: &mut ValueWriter<'_>) -> Result<(), SerializeError> {
        match ty.unfrozen() {
            CqlType::Native(NativeType::Timestamp) => out.fixed(self.0.to_be_bytes()),
            _ => Err(SerializeError::mismatch::<Self>(ty)),
        }
    }

    fn natural_type(&self) -> Option<CqlType> {
        Some(NativeType::Timestamp.into())
    }
}

impl SerializeValue for CqlDate {
    fn serialize(&self, ty: &CqlType, out: &mut ValueWriter<'_>) -> Result<(), SerializeError> {
        match ty.unfrozen() {
            CqlType::Native(NativeType::Date) => out.fixed(self.0.to_be_bytes()),
            _ => Err(SerializeError::mismatch::<Self>(ty)),
        }
    }

    fn natural_type(&self) -> Option<CqlType> {
        Some(NativeType::Date.into())
    }
}

impl SerializeValue for CqlTime {
    fn serialize(&self, ty: &CqlType, out: &mut ValueWriter<'_>) -> Result<(), SerializeError> {
        match ty.unfrozen() {
            CqlType::Native(NativeType::Time) if self.is_valid() => out.fixed(self.0.to_be_bytes()),
            CqlType::Native(NativeType::Time) => Err(SerializeError::out_of_range(ty, self.0)),
            _ => Err(SerializeError::mismatch::<Self>(ty)),
        }
    }

    fn natural_type(&self) -> Option<CqlType> {
        Some(NativeType::Time.into())
    }
}

impl SerializeValue for CqlDuration {
    fn serialize(&self, ty: &CqlType, out: &mut ValueWriter<'_>) -> Result<(), SerializeError> {
        if !is_one_of(ty, &[NativeType::Duration]) {
            return Err(SerializeError::mismatch::<Self>(ty));
        }
        if !self.has_one_sign() {
            return Err(SerializeError::invalid(
                ty,
                "months, days and nanoseconds differ in sign",
            ));
        }
        out.composite(|parts| {
            let buffer = parts.buffer();
            write::vint(buffer, self.months.into());
            write::vint(buffer, self.days.into());
            write::vint(buffer, self.nanoseconds);
            Ok(())
        })
    }

    fn natural_type(&self) -> Option<CqlType> {
        Some(NativeType::Duration.into())
    }
}

macro_rules! deserialize_fixed {
    ($($rust:ident($inner:ident), $length:literal, $native:ident;)*) => {$(
        impl<'f> DeserializeValue<'f> for $rust {
            fn check_type(ty: &CqlType) -> Result<(), TypeMismatch> {
                check_native::<Self>(ty, &[NativeType::$native])
            }

            #[inline]
            fn deserialize(ty: &'f CqlType, value: Option<ValueBytes<'f>>) -> Result<Self, DeserializeError> {
                let bytes = present::<Self>(ty, value)?.array::<Self, $length>(ty)?;
                Ok(Self($inner::from_be_bytes(bytes)))
            }
        }
    )*};
}

deserialize_fixed! {
    CqlTimestamp(i64), 8, Timestamp;
    CqlDate(u32), 4, Date;
    CqlTime(i64), 8, Time;
}

impl<'f> DeserializeValue<'f> for CqlDuration {
    fn check_type(ty: &CqlType) -> Result<(), TypeMismatch> {
        check_native::<Self>(ty, &[NativeType::Duration])
    }

    fn deserialize(ty: &'f CqlType, value: Option<ValueBytes<'f>>) -> Result<Self, DeserializeError> {
        let value = present::<Self>(ty, value)?;
        if value.as_slice().is_empty() {
            return Err(DeserializeError::length::<Self>(ty, 3, 0));
        }
        let mut parts = value.parts();
        let mut int = || {
            let number = parts.vint(ty)?;
            i32::try_from(number).map_err(|_| DeserializeError::invalid(ty, "months or days are no int"))
        };
        let (months, days) = (int()?, int()?);
        let nanoseconds = parts.vint(ty)?;
        parts.end(ty)?;
        Ok(Self {
            months,
            days,
            nanoseconds,
        })
    }
}

/// Binds and reads a type of Rust through one of CQL.
macro_rules! through {
    ($($rust:ty => $cql:ident, $native:ident;)*) => {$(
        impl SerializeValue for $rust {
            fn serialize(&self, ty: &CqlType, out: &mut ValueWriter<'_>) -> Result<(), SerializeError> {
                // The type is checked first: a wrong one is the more helpful error.
                if $cql::check_type(ty).is_err() {
                    return Err(SerializeError::mismatch::<Self>(ty));
                }
                match $cql::try_from(*self) {
                    Ok(value) => value.serialize(ty, out),
                    Err(_) => Err(SerializeError::out_of_range(ty, format_args!("{self:?}"))),
                }
            }

            fn natural_type(&self) -> Option<CqlType> {
                Some(NativeType::$native.into())
            }
        }

        impl<'f> DeserializeValue<'f> for $rust {
            fn check_type(ty: &CqlType) -> Result<(), TypeMismatch> {
                $cql::check_type(ty).map_err(|_| TypeMismatch::mismatch::<Self>(ty))
            }

            fn deserialize(ty: &'f CqlType, value: Option<ValueBytes<'f>>) -> Result<Self, DeserializeError> {
                let value = $cql::deserialize(ty, value)?;
                Self::try_from(value).map_err(|_| DeserializeError::out_of_range(ty, format_args!("{value:?}")))
            }
        }
    )*};
}

through! {
    SystemTime => CqlTimestamp, Timestamp;
    Duration => CqlTime, Time;
}

#[cfg(feature = "chrono")]
mod chrono;
mod display;
#[cfg(feature = "time")]
mod time;

#[cfg(test)]
mod tests;
