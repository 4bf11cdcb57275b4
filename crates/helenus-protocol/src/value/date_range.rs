//! DSE's `DateRangeType`: a date, or a range of dates, each known to some precision only.
//!
//! Layout: a byte for the shape, then 8 bytes of milliseconds since 1970 and a byte of precision for each bound that is there.

use super::error::{DeserializeError, SerializeError, TypeMismatch};
use super::reader::{PartsReader, ValueBytes};
use super::temporal::CqlTimestamp;
use super::traits::{DeserializeValue, SerializeValue, check_native, is_one_of, present};
use super::writer::ValueWriter;
use crate::{CqlType, NativeType};

/// DSE: one date or a range of dates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DateRange {
    /// One date, or any date when it is open.
    Single(DateRangeBound),
    /// From a date to a date, both included; open ends have no limit.
    Range(DateRangeBound, DateRangeBound),
}

/// One end of a [`DateRange`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DateRangeBound {
    /// `*`: no limit.
    Open,
    /// A date.
    Date {
        /// The earliest instant that it means as a lower bound, the latest as an upper one.
        timestamp: CqlTimestamp,
        /// How much of it is known.
        precision: DatePrecision,
    },
}

/// How much of a date is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DatePrecision {
    /// The year.
    Year,
    /// Year and month.
    Month,
    /// The day.
    Day,
    /// Day and hour.
    Hour,
    /// To the minute.
    Minute,
    /// To the second.
    Second,
    /// To the millisecond.
    Millisecond,
}

impl DatePrecision {
    /// In the order of their codes, from 0.
    pub const ALL: [Self; 7] = [
        Self::Year,
        Self::Month,
        Self::Day,
        Self::Hour,
        Self::Minute,
        Self::Second,
        Self::Millisecond,
    ];
}

const SINGLE: u8 = 0;
const CLOSED: u8 = 1;
const OPEN_ABOVE: u8 = 2;
const OPEN_BELOW: u8 = 3;
const OPEN: u8 = 4;
const SINGLE_OPEN: u8 = 5;

impl SerializeValue for DateRange {
    fn serialize(&self, ty: &CqlType, out: &mut ValueWriter<'_>) -> Result<(), SerializeError> {
        use DateRangeBound::{Date, Open};
        if !is_one_of(ty, &[NativeType::DateRange]) {
            return Err(SerializeError::mismatch::<Self>(ty));
        }
        let (shape, bounds) = match *self {
            Self::Single(bound @ Date { .. }) => (SINGLE, [bound, Open]),
            Self::Single(Open) => (SINGLE_OPEN, [Open, Open]),
            Self::Range(lower @ Date { .. }, upper @ Date { .. }) => (CLOSED, [lower, upper]),
            Self::Range(lower @ Date { .. }, Open) => (OPEN_ABOVE, [lower, Open]),
            Self::Range(Open, upper @ Date { .. }) => (OPEN_BELOW, [Open, upper]),
            Self::Range(Open, Open) => (OPEN, [Open, Open]),
        };
        out.composite(|parts| {
            parts.raw(&[shape]);
            for bound in bounds {
                if let Date { timestamp, precision } = bound {
                    parts.raw(&timestamp.0.to_be_bytes());
                    parts.raw(&[precision as u8]);
                }
            }
            Ok(())
        })
    }

    fn natural_type(&self) -> Option<CqlType> {
        Some(NativeType::DateRange.into())
    }
}

fn read_bound(parts: &mut PartsReader<'_>, ty: &CqlType) -> Result<DateRangeBound, DeserializeError> {
    let timestamp = CqlTimestamp(i64::from_be_bytes(parts.take_array(ty)?));
    let [code] = parts.take_array(ty)?;
    let precision = DatePrecision::ALL.get(usize::from(code)).copied();
    let precision = precision.ok_or_else(|| DeserializeError::invalid(ty, "the precision does not exist"))?;
    Ok(DateRangeBound::Date { timestamp, precision })
}

impl<'f> DeserializeValue<'f> for DateRange {
    fn check_type(ty: &CqlType) -> Result<(), TypeMismatch> {
        check_native::<Self>(ty, &[NativeType::DateRange])
    }

    fn deserialize(ty: &'f CqlType, value: Option<ValueBytes<'f>>) -> Result<Self, DeserializeError> {
        use DateRangeBound::Open;
        let value = present::<Self>(ty, value)?;
        if value.as_slice().is_empty() {
            return Err(DeserializeError::length::<Self>(ty, 1, 0));
        }
        let mut parts = value.parts();
        let [shape] = parts.take_array(ty)?;
        let mut bound = || read_bound(&mut parts, ty);
        let range = match shape {
            SINGLE => Self::Single(bound()?),
            SINGLE_OPEN => Self::Single(Open),
            CLOSED => Self::Range(bound()?, bound()?),
            OPEN_ABOVE => Self::Range(bound()?, Open),
            OPEN_BELOW => Self::Range(Open, bound()?),
            OPEN => Self::Range(Open, Open),
            _ => {
                return Err(DeserializeError::invalid(
                    ty,
                    "the shape of the range does not exist",
                ));
            }
        };
        parts.end(ty)?;
        Ok(range)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_has_its_bytes() {
        let bound = |milliseconds: i64, precision| DateRangeBound::Date {
            timestamp: CqlTimestamp(milliseconds),
            precision,
        };
        let lower = bound(1, DatePrecision::Month);
        let upper = bound(2, DatePrecision::Millisecond);
        let ty = NativeType::DateRange.into();
        for (range, expected) in [
            (DateRange::Single(lower), &[0, 0, 0, 0, 0, 0, 0, 0, 1, 1][..]),
            (
                DateRange::Range(lower, upper),
                &[1, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 2, 6],
            ),
            (
                DateRange::Range(lower, DateRangeBound::Open),
                &[2, 0, 0, 0, 0, 0, 0, 0, 1, 1],
            ),
            (
                DateRange::Range(DateRangeBound::Open, upper),
                &[3, 0, 0, 0, 0, 0, 0, 0, 2, 6],
            ),
            (DateRange::Range(DateRangeBound::Open, DateRangeBound::Open), &[4]),
            (DateRange::Single(DateRangeBound::Open), &[5]),
        ] {
            let mut out = Vec::new();
            range.serialize(&ty, &mut ValueWriter::bare(&mut out)).unwrap();
            assert_eq!(out, expected);
            assert_eq!(DateRange::deserialize(&ty, Some(expected.into())), Ok(range));
        }
    }

    #[test]
    fn bytes_that_are_no_range_are_refused() {
        let ty = NativeType::DateRange.into();
        for bytes in [&[][..], &[6], &[0], &[0, 0, 0, 0, 0, 0, 0, 0, 1, 7], &[4, 0]] {
            assert!(
                DateRange::deserialize(&ty, Some(bytes.into())).is_err(),
                "{bytes:?}"
            );
        }
    }
}
