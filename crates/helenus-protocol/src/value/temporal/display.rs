//! Dates and times as CQL writes them (without the quotes): ISO 8601 in UTC, `HH:MM:SS.nnnnnnnnn`, `1mo2d3h`.
//!
//! What has no four-digit year is written as the number that it is, which CQL reads too.

use std::fmt;

use super::{CqlDate, CqlDuration, CqlTime, CqlTimestamp};

const DAY: i64 = 86_400_000;

/// Year, month and day of the proleptic Gregorian calendar, from days since 1970-01-01.
///
/// Counted in eras of 400 years of 146,097 days that begin on 1 March of year 0, so that the leap day is the last of a year.
pub(crate) fn civil(days: i64) -> (i64, i64, i64) {
    const ERA: i64 = 146_097;
    const DAYS_BEFORE_EPOCH: i64 = 719_468; // from 0000-03-01 to 1970-01-01
    let since = days + DAYS_BEFORE_EPOCH;
    let (era, day_of_era) = (since.div_euclid(ERA), since.rem_euclid(ERA));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // March is month 0; five months have 153 days.
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (year, month) = if month < 10 {
        (0, month + 3)
    } else {
        (1, month - 9)
    };
    (era * 400 + year_of_era + year, month, day)
}

impl CqlTimestamp {
    /// Year, month, day, hour, minute, second and millisecond in UTC.
    pub(crate) fn parts(self) -> [i64; 7] {
        let (year, month, day) = civil(self.0.div_euclid(DAY));
        let time = self.0.rem_euclid(DAY);
        [
            year,
            month,
            day,
            time / 3_600_000,
            time / 60_000 % 60,
            time / 1_000 % 60,
            time % 1_000,
        ]
    }

    /// Whether it has a year of four digits.
    pub(crate) fn has_common_year(self) -> bool {
        (0..=9_999).contains(&civil(self.0.div_euclid(DAY)).0)
    }
}

impl fmt::Display for CqlTimestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.has_common_year() {
            return write!(f, "{}", self.0);
        }
        let [year, month, day, hour, minute, second, millisecond] = self.parts();
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{millisecond:03}Z"
        )
    }
}

impl fmt::Display for CqlDate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match civil(self.days().into()) {
            (year @ 0..=9_999, month, day) => write!(f, "{year:04}-{month:02}-{day:02}"),
            _ => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Display for CqlTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_valid() {
            return write!(f, "{}", self.0);
        }
        let (seconds, nanoseconds) = (self.0 / 1_000_000_000, self.0 % 1_000_000_000);
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        write!(f, "{hour:02}:{minute:02}:{second:02}.{nanoseconds:09}")
    }
}

impl fmt::Display for CqlDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.months < 0 || self.days < 0 || self.nanoseconds < 0 {
            f.write_str("-")?;
        }
        let (months, nanoseconds) = (self.months.unsigned_abs(), self.nanoseconds.unsigned_abs());
        let parts: [(u64, &str); 9] = [
            (u64::from(months / 12), "y"),
            (u64::from(months % 12), "mo"),
            (u64::from(self.days.unsigned_abs()), "d"),
            (nanoseconds / 3_600_000_000_000, "h"),
            (nanoseconds / 60_000_000_000 % 60, "m"),
            (nanoseconds / 1_000_000_000 % 60, "s"),
            (nanoseconds / 1_000_000 % 1_000, "ms"),
            (nanoseconds / 1_000 % 1_000, "us"),
            (nanoseconds % 1_000, "ns"),
        ];
        if parts.iter().all(|part| part.0 == 0) {
            return f.write_str("0s");
        }
        parts
            .iter()
            .filter(|part| part.0 != 0)
            .try_for_each(|(number, unit)| write!(f, "{number}{unit}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (days, expected) in [
            (0, (1970, 1, 1)),
            (-1, (1969, 12, 31)),
            (59, (1970, 3, 1)),
            (11_016, (2000, 2, 29)),
            (19_723, (2024, 1, 1)),
            (-719_528, (0, 1, 1)),
            (-719_529, (-1, 12, 31)),
            (-25_509, (1900, 2, 28)),
            (-25_508, (1900, 3, 1)),
            (2_932_896, (9999, 12, 31)),
        ] {
            assert_eq!(civil(days), expected);
        }
    }

    #[test]
    fn dates_and_times_are_written_as_cql_reads_them() {
        assert_eq!(CqlTimestamp(0).to_string(), "1970-01-01T00:00:00.000Z");
        assert_eq!(CqlTimestamp(-1).to_string(), "1969-12-31T23:59:59.999Z");
        assert_eq!(
            CqlTimestamp(1_704_164_645_678).to_string(),
            "2024-01-02T03:04:05.678Z"
        );
        assert_eq!(CqlTimestamp(i64::MAX).to_string(), "9223372036854775807");
        assert_eq!(CqlTimestamp(i64::MIN).to_string(), "-9223372036854775808");
        assert_eq!(CqlDate::from_days(-1).to_string(), "1969-12-31");
        assert_eq!(CqlDate(0).to_string(), "0");
        assert_eq!(CqlTime(45_296_000_000_007).to_string(), "12:34:56.000000007");
        assert_eq!(CqlTime(-1).to_string(), "-1");
        assert_eq!(
            CqlDuration::new(14, 3, 3_600_000_000_001).to_string(),
            "1y2mo3d1h1ns"
        );
        assert_eq!(
            CqlDuration::new(-1, 0, -1_002_003_000).to_string(),
            "-1mo1s2ms3us"
        );
        assert_eq!(CqlDuration::default().to_string(), "0s");
        let least = CqlDuration::new(i32::MIN, i32::MIN, i64::MIN);
        assert!(least.to_string().starts_with("-178956970y8mo2147483648d2562047h"));
    }
}
