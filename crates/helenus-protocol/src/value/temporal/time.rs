//! The types of the crate `time`: `OffsetDateTime` for `timestamp`, `Date` for `date`, `Time` for `time`.

use time::{Date, OffsetDateTime, Time};

use super::{CqlDate, CqlTime, CqlTimestamp, OutOfRange};
use crate::value::error::{DeserializeError, SerializeError, TypeMismatch};
use crate::value::reader::ValueBytes;
use crate::value::traits::{DeserializeValue, SerializeValue};
use crate::value::writer::ValueWriter;
use crate::{CqlType, NativeType};

/// Rounded down to a millisecond.
impl From<OffsetDateTime> for CqlTimestamp {
    fn from(time: OffsetDateTime) -> Self {
        // An OffsetDateTime is within a million years of 1970: its milliseconds are less than 2^55.
        Self(time.unix_timestamp_nanos().div_euclid(1_000_000) as i64)
    }
}

/// In UTC.
impl TryFrom<CqlTimestamp> for OffsetDateTime {
    type Error = OutOfRange;

    fn try_from(timestamp: CqlTimestamp) -> Result<Self, OutOfRange> {
        let nanoseconds = i128::from(timestamp.0) * 1_000_000;
        Self::from_unix_timestamp_nanos(nanoseconds).map_err(|_| OutOfRange)
    }
}

const EPOCH: i32 = 2_440_588; // Julian day of 1970-01-01

impl From<Date> for CqlDate {
    fn from(date: Date) -> Self {
        Self::from_days(date.to_julian_day() - EPOCH)
    }
}

impl TryFrom<CqlDate> for Date {
    type Error = OutOfRange;

    fn try_from(date: CqlDate) -> Result<Self, OutOfRange> {
        let julian = date.days().checked_add(EPOCH).ok_or(OutOfRange)?;
        Self::from_julian_day(julian).map_err(|_| OutOfRange)
    }
}

impl From<Time> for CqlTime {
    fn from(time: Time) -> Self {
        let (hour, minute, second, nanosecond) = time.as_hms_nano();
        let seconds = (i64::from(hour) * 60 + i64::from(minute)) * 60 + i64::from(second);
        Self(seconds * 1_000_000_000 + i64::from(nanosecond))
    }
}

impl TryFrom<CqlTime> for Time {
    type Error = OutOfRange;

    fn try_from(time: CqlTime) -> Result<Self, OutOfRange> {
        if !time.is_valid() {
            return Err(OutOfRange);
        }
        // Valid: less than 24 hours, so that each part fits.
        let (seconds, nanosecond) = (time.0 / 1_000_000_000, (time.0 % 1_000_000_000) as u32);
        let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        Self::from_hms_nano(hour as u8, minute as u8, second as u8, nanosecond).map_err(|_| OutOfRange)
    }
}

through! {
    OffsetDateTime => CqlTimestamp, Timestamp;
    Date => CqlDate, Date;
    Time => CqlTime, Time;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_round_trips() {
        let time = OffsetDateTime::from_unix_timestamp_nanos(-1_500_000_000).unwrap();
        assert_eq!(CqlTimestamp::from(time), CqlTimestamp(-1_500));
        assert_eq!(OffsetDateTime::try_from(CqlTimestamp(-1_500)), Ok(time));
        assert_eq!(OffsetDateTime::try_from(CqlTimestamp(i64::MIN)), Err(OutOfRange));

        let date = Date::from_calendar_date(1969, time::Month::December, 31).unwrap();
        assert_eq!(CqlDate::from(date), CqlDate((1 << 31) - 1));
        assert_eq!(Date::try_from(CqlDate((1 << 31) - 1)), Ok(date));
        assert_eq!(Date::try_from(CqlDate(u32::MAX)), Err(OutOfRange));

        let midnight = Time::from_hms_nano(23, 59, 59, 999_999_999).unwrap();
        assert_eq!(CqlTime::from(midnight), CqlTime::MAX);
        assert_eq!(Time::try_from(CqlTime::MAX), Ok(midnight));
        assert_eq!(Time::try_from(CqlTime(-1)), Err(OutOfRange));
    }
}
