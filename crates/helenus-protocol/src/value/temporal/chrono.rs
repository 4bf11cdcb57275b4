//! The types of the crate `chrono`: `DateTime<Utc>` for `timestamp`, `NaiveDate` for `date`, `NaiveTime` for `time`.

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, Timelike, Utc};

use super::{CqlDate, CqlTime, CqlTimestamp, OutOfRange};
use crate::value::error::{DeserializeError, SerializeError, TypeMismatch};
use crate::value::reader::ValueBytes;
use crate::value::traits::{DeserializeValue, SerializeValue};
use crate::value::writer::ValueWriter;
use crate::{CqlType, NativeType};

/// Rounded down to a millisecond.
impl From<DateTime<Utc>> for CqlTimestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time.timestamp_millis())
    }
}

impl TryFrom<CqlTimestamp> for DateTime<Utc> {
    type Error = OutOfRange;

    fn try_from(timestamp: CqlTimestamp) -> Result<Self, OutOfRange> {
        DateTime::from_timestamp_millis(timestamp.0).ok_or(OutOfRange)
    }
}

impl From<NaiveDate> for CqlDate {
    fn from(date: NaiveDate) -> Self {
        let days = date.signed_duration_since(NaiveDate::default()).num_days();
        // A NaiveDate is within 262,144 years of 1970.
        Self::from_days(days as i32)
    }
}

impl TryFrom<CqlDate> for NaiveDate {
    type Error = OutOfRange;

    fn try_from(date: CqlDate) -> Result<Self, OutOfRange> {
        let distance = TimeDelta::days(date.days().into());
        NaiveDate::default()
            .checked_add_signed(distance)
            .ok_or(OutOfRange)
    }
}

/// A leap second is the second before it.
impl From<NaiveTime> for CqlTime {
    fn from(time: NaiveTime) -> Self {
        let nanoseconds = i64::from(time.nanosecond().min(999_999_999));
        Self(i64::from(time.num_seconds_from_midnight()) * 1_000_000_000 + nanoseconds)
    }
}

impl TryFrom<CqlTime> for NaiveTime {
    type Error = OutOfRange;

    fn try_from(time: CqlTime) -> Result<Self, OutOfRange> {
        let seconds = u32::try_from(time.0.div_euclid(1_000_000_000)).map_err(|_| OutOfRange)?;
        // Less than 10^9.
        let nanoseconds = time.0.rem_euclid(1_000_000_000) as u32;
        NaiveTime::from_num_seconds_from_midnight_opt(seconds, nanoseconds).ok_or(OutOfRange)
    }
}

through! {
    DateTime<Utc> => CqlTimestamp, Timestamp;
    NaiveDate => CqlDate, Date;
    NaiveTime => CqlTime, Time;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chrono_round_trips() {
        let time = DateTime::from_timestamp_millis(-1_500).unwrap();
        assert_eq!(CqlTimestamp::from(time), CqlTimestamp(-1_500));
        assert_eq!(DateTime::try_from(CqlTimestamp(-1_500)), Ok(time));
        assert_eq!(DateTime::try_from(CqlTimestamp(i64::MAX)), Err(OutOfRange));

        let date = NaiveDate::from_ymd_opt(1969, 12, 31).unwrap();
        assert_eq!(CqlDate::from(date), CqlDate((1 << 31) - 1));
        assert_eq!(NaiveDate::try_from(CqlDate((1 << 31) - 1)), Ok(date));
        assert_eq!(NaiveDate::try_from(CqlDate(0)), Err(OutOfRange));
        assert_eq!(
            NaiveDate::try_from(CqlDate::from(NaiveDate::MAX)),
            Ok(NaiveDate::MAX)
        );
        assert_eq!(
            NaiveDate::try_from(CqlDate::from(NaiveDate::MIN)),
            Ok(NaiveDate::MIN)
        );

        let midnight = NaiveTime::from_hms_nano_opt(23, 59, 59, 999_999_999).unwrap();
        assert_eq!(CqlTime::from(midnight), CqlTime::MAX);
        assert_eq!(NaiveTime::try_from(CqlTime::MAX), Ok(midnight));
        assert_eq!(NaiveTime::try_from(CqlTime(-1)), Err(OutOfRange));
        assert_eq!(NaiveTime::try_from(CqlTime(86_400_000_000_000)), Err(OutOfRange));
        let leap = NaiveTime::from_hms_nano_opt(23, 59, 59, 1_500_000_000).unwrap();
        assert_eq!(CqlTime::from(leap), CqlTime::MAX);
    }
}
