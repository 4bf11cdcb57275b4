//! One value of a type without element types, from its bytes to its Python object.
//!
//! The bytes are those of native protocol v4 §6 (v5 §6). The Python types are those of the published driver: a
//! timestamp is a naive `datetime` in UTC.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use pyo3::BoundObject;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyBool, PyBytes, PyFloat, PyString};

use crate::declined::Declined;
use crate::{classes, raw};

type Decoded<'py> = Result<Bound<'py, PyAny>, Declined>;

/// A fixed number of bytes, or the value is declined.
fn exactly<const N: usize>(bytes: &[u8]) -> Result<[u8; N], Declined> {
    bytes.try_into().map_err(|_| Declined::Unusual)
}

fn integer<'py, T: IntoPyObject<'py>>(py: Python<'py>, value: T) -> Decoded<'py> {
    Ok(value
        .into_pyobject(py)
        .map_err(|_| Declined::Unusual)?
        .into_any()
        .into_bound())
}

pub(super) fn tiny_int<'py>(py: Python<'py>, bytes: &[u8]) -> Decoded<'py> {
    integer(py, i8::from_be_bytes(exactly(bytes)?))
}

pub(super) fn small_int<'py>(py: Python<'py>, bytes: &[u8]) -> Decoded<'py> {
    integer(py, i16::from_be_bytes(exactly(bytes)?))
}

pub(super) fn int<'py>(py: Python<'py>, bytes: &[u8]) -> Decoded<'py> {
    integer(py, i32::from_be_bytes(exactly(bytes)?))
}

pub(super) fn big_int<'py>(py: Python<'py>, bytes: &[u8]) -> Decoded<'py> {
    integer(py, i64::from_be_bytes(exactly(bytes)?))
}

/// A two's complement integer of any length.
pub(super) fn varint<'py>(py: Python<'py>, bytes: &[u8]) -> Decoded<'py> {
    match sign_extended(bytes) {
        Some(small) => match i64::try_from(small) {
            Ok(smaller) => integer(py, smaller),
            Err(_) => integer(py, small),
        },
        None => Err(Declined::Unusual),
    }
}

/// The integer that `bytes` hold in two's complement, if it has one to sixteen bytes.
fn sign_extended(bytes: &[u8]) -> Option<i128> {
    let first = *bytes.first()?;
    if bytes.len() > 16 {
        return None;
    }
    let fill = if first & 0x80 == 0 { 0x00 } else { 0xff };
    let mut wide = [fill; 16];
    wide[16 - bytes.len()..].copy_from_slice(bytes);
    Some(i128::from_be_bytes(wide))
}

/// `[int]` scale, then the unscaled value as a varint.
pub(super) fn decimal<'py>(py: Python<'py>, bytes: &[u8]) -> Decoded<'py> {
    let (scale, unscaled) = bytes.split_first_chunk::<4>().ok_or(Declined::Unusual)?;
    let exponent = -i64::from(i32::from_be_bytes(*scale));
    let unscaled = sign_extended(unscaled).ok_or(Declined::Unusual)?;
    let mut buffer = [b'0'; PLAIN_LENGTH];
    let text = match plain_decimal(&mut buffer, unscaled, exponent) {
        Some(text) => PyString::from_bytes(py, text)?,
        None => {
            let mut text = String::with_capacity(24);
            write!(text, "{unscaled}E{exponent}").map_err(|_| Declined::Unusual)?;
            PyString::new(py, &text)
        }
    };
    Ok(classes::decimal(py)?.call1((text,))?)
}

/// A sign, the digits of an `i64` or as many as there are behind the point and one before it, and the point.
const PLAIN_LENGTH: usize = 36;
const PLAIN_SCALE: i64 = 32;

/// Writes a decimal with a point, as most are: Rust's formatting and Python's reading of an exponent took a third of a
/// decimal's time. `None` for what is too long for that.
fn plain_decimal(buffer: &mut [u8; PLAIN_LENGTH], unscaled: i128, exponent: i64) -> Option<&[u8]> {
    let scale = -exponent;
    let mut left = u64::try_from(unscaled.unsigned_abs()).ok()?;
    if !(0..=PLAIN_SCALE).contains(&scale) {
        return None;
    }
    let mut start = PLAIN_LENGTH;
    let mut push = |byte| {
        start -= 1;
        buffer[start] = byte;
    };
    let mut written = 0;
    while left > 0 || written <= scale {
        if written == scale && scale > 0 {
            push(b'.');
        }
        push(b'0' + u8::try_from(left % 10).ok()?);
        left /= 10;
        written += 1;
    }
    if unscaled < 0 {
        push(b'-');
    }
    Some(&buffer[start..])
}

pub(super) fn float<'py>(py: Python<'py>, bytes: &[u8]) -> Decoded<'py> {
    Ok(PyFloat::new(py, f64::from(f32::from_be_bytes(exactly(bytes)?))).into_any())
}

pub(super) fn double<'py>(py: Python<'py>, bytes: &[u8]) -> Decoded<'py> {
    Ok(PyFloat::new(py, f64::from_be_bytes(exactly(bytes)?)).into_any())
}

pub(super) fn boolean<'py>(py: Python<'py>, bytes: &[u8]) -> Decoded<'py> {
    let [byte] = exactly(bytes)?;
    Ok(PyBool::new(py, byte != 0).to_owned().into_any())
}

pub(super) fn blob<'py>(py: Python<'py>, bytes: &[u8]) -> Decoded<'py> {
    Ok(PyBytes::new(py, bytes).into_any())
}

pub(super) fn text<'py>(py: Python<'py>, bytes: &[u8]) -> Decoded<'py> {
    Ok(PyString::from_bytes(py, bytes)?.into_any())
}

pub(super) fn ascii<'py>(py: Python<'py>, bytes: &[u8]) -> Decoded<'py> {
    if bytes.is_ascii() {
        text(py, bytes)
    } else {
        Err(Declined::Unusual)
    }
}

/// `uuid.UUID` from 16 bytes. Its `__init__` checks and converts for a microsecond; setting its two slots takes a tenth.
pub(super) fn uuid<'py>(py: Python<'py>, bytes: &[u8]) -> Decoded<'py> {
    static SAFETY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let value = u128::from_be_bytes(exactly(bytes)?);
    let safety = SAFETY.get_or_try_init(py, || -> PyResult<Py<PyAny>> {
        Ok(py
            .import("uuid")?
            .getattr("SafeUUID")?
            .getattr("unknown")?
            .unbind())
    })?;
    let uuid = raw::bare_instance(classes::uuid(py)?)?;
    raw::generic_set(&uuid, intern!(py, "int"), &integer(py, value)?)?;
    raw::generic_set(&uuid, intern!(py, "is_safe"), safety.bind(py))?;
    // It holds an integer and an enumeration member, and refuses to be given anything else.
    raw::untrack(&uuid);
    Ok(uuid)
}

const MILLISECONDS_OF_DAY: i64 = 86_400_000;
/// `datetime.MINYEAR` and `datetime.MAXYEAR` in days from 1970-01-01.
const FIRST_DAY: i64 = -719_162;
const LAST_DAY: i64 = 2_932_896;

/// Milliseconds from 1970-01-01 to a naive `datetime` in UTC, exact in every year that Python has.
pub(super) fn timestamp<'py>(py: Python<'py>, bytes: &[u8]) -> Decoded<'py> {
    Timestamps::new(py)?.value(i64::from_be_bytes(exactly(bytes)?))
}

/// The timestamps of a column: the date of the one before is kept, as the next is often of the same day.
pub(crate) struct Timestamps<'py> {
    objects: raw::DateTimes<'py>,
    /// When the day began, in milliseconds from 1970-01-01.
    begin: i64,
    /// Year, month and day of it.
    date: (i32, u8, u8),
}

impl<'py> Timestamps<'py> {
    /// Knows 1970-01-01.
    pub(crate) fn new(py: Python<'py>) -> PyResult<Self> {
        Ok(Self {
            objects: raw::DateTimes::new(py)?,
            begin: 0,
            date: (1970, 1, 1),
        })
    }

    /// Milliseconds from 1970-01-01 to a naive `datetime` in UTC.
    #[inline]
    pub(crate) fn value(&mut self, milliseconds: i64) -> Decoded<'py> {
        let mut time = milliseconds.wrapping_sub(self.begin);
        if !(0..MILLISECONDS_OF_DAY).contains(&time) {
            let days = milliseconds.div_euclid(MILLISECONDS_OF_DAY);
            if !(FIRST_DAY..=LAST_DAY).contains(&days) {
                return Err(Declined::Unusual);
            }
            self.date = civil_from_days(days);
            self.begin = days * MILLISECONDS_OF_DAY;
            time = milliseconds - self.begin;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_possible_wrap,
            clippy::cast_sign_loss,
            reason = "less than a day in milliseconds, and its parts"
        )]
        let (time_of_day, microsecond) = {
            let time = time as u32;
            let (seconds, milliseconds) = (time / 1_000, time % 1_000);
            let (minutes, second) = (seconds / 60, seconds % 60);
            let time_of_day = ((minutes / 60) as u8, (minutes % 60) as u8, second as u8);
            (time_of_day, milliseconds as i32 * 1_000)
        };
        Ok(self.objects.make(self.date, time_of_day, microsecond)?)
    }
}

/// Year, month and day of the proleptic Gregorian calendar, for days from 1970-01-01 within years 1 to 9999.
///
/// Days are counted from 0000-03-01, so that the leap day ends its year: a 400-year cycle has 146,097 days.
fn civil_from_days(days: i64) -> (i32, u8, u8) {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "306 to 3,652,364"
    )]
    let shifted = (days + 719_468) as u32;
    let cycle = shifted / 146_097;
    let day_of_cycle = shifted % 146_097;
    let year_of_cycle =
        (day_of_cycle - day_of_cycle / 1_460 + day_of_cycle / 36_524 - day_of_cycle / 146_096) / 365;
    let day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = cycle * 400 + year_of_cycle + u32::from(month <= 2);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_possible_wrap,
        reason = "1 to 9999, 1 to 12, 1 to 31"
    )]
    (year as i32, month as u8, day as u8)
}

/// Days, the epoch in the middle of an unsigned 32-bit range (v4 §6.7), to `cassandra.util.Date`.
pub(super) fn date<'py>(py: Python<'py>, bytes: &[u8]) -> Decoded<'py> {
    let days = i64::from(u32::from_be_bytes(exactly(bytes)?)) - (1 << 31);
    Ok(classes::date(py)?.call1((days,))?)
}

/// Nanoseconds since midnight to `cassandra.util.Time`.
pub(super) fn time<'py>(py: Python<'py>, bytes: &[u8]) -> Decoded<'py> {
    let nanoseconds = i64::from_be_bytes(exactly(bytes)?);
    Ok(classes::time(py)?.call1((nanoseconds,))?)
}

/// Three signed vints, months, days and nanoseconds (v5 §6.8), to `cassandra.util.Duration`.
pub(super) fn duration<'py>(py: Python<'py>, bytes: &[u8]) -> Decoded<'py> {
    let mut rest = bytes;
    let months = signed_vint(&mut rest)?;
    let days = signed_vint(&mut rest)?;
    let nanoseconds = signed_vint(&mut rest)?;
    if !rest.is_empty() {
        return Err(Declined::Unusual);
    }
    Ok(classes::duration(py)?.call1((months, days, nanoseconds))?)
}

/// An unsigned vint: the leading one-bits of the first byte count the bytes that follow.
pub(super) fn unsigned_vint(rest: &mut &[u8]) -> Result<u64, Declined> {
    let (&first, tail) = rest.split_first().ok_or(Declined::Unusual)?;
    let extra = first.leading_ones() as usize;
    let (more, tail) = tail.split_at_checked(extra).ok_or(Declined::Unusual)?;
    let mut value = if extra >= 7 {
        0
    } else {
        u64::from(first & (0x7f >> extra))
    };
    for &byte in more {
        value = value << 8 | u64::from(byte);
    }
    *rest = tail;
    Ok(value)
}

/// A signed vint: zigzag over an unsigned one.
fn signed_vint(rest: &mut &[u8]) -> Result<i64, Declined> {
    let value = unsigned_vint(rest)?;
    #[expect(
        clippy::cast_possible_wrap,
        reason = "zigzag: the low bit is the sign, the rest fits 63 bits"
    )]
    Ok((value >> 1) as i64 ^ -((value & 1) as i64))
}

/// 4 or 16 bytes to the text of the address, as the C library prints it.
pub(super) fn inet<'py>(py: Python<'py>, bytes: &[u8]) -> Decoded<'py> {
    let text = if let Ok(octets) = <[u8; 4]>::try_from(bytes) {
        Ipv4Addr::from(octets).to_string()
    } else {
        let octets: [u8; 16] = exactly(bytes)?;
        ipv6_text(octets)
    };
    Ok(PyString::new(py, &text).into_any())
}

/// The C library prints the long deprecated "IPv4-compatible" addresses with dots, Rust does not.
fn ipv6_text(octets: [u8; 16]) -> String {
    let address = Ipv6Addr::from(octets);
    let [a, b, c, d, e, f, g, h] = address.segments();
    let compatible = [a, b, c, d, e, f] == [0; 6] && g != 0;
    if compatible {
        format!("::{}", Ipv4Addr::from((u32::from(g) << 16) | u32::from(h)))
    } else {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_become_calendar_dates() {
        for (days, date) in [
            (0, (1970, 1, 1)),
            (-1, (1969, 12, 31)),
            (FIRST_DAY, (1, 1, 1)),
            (LAST_DAY, (9999, 12, 31)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (18_321, (2020, 2, 29)),
            (-25_509, (1900, 2, 28)),
            (-25_508, (1900, 3, 1)),
        ] {
            assert_eq!(civil_from_days(days), date, "{days}");
        }
    }

    #[test]
    fn addresses_print_as_the_c_library_prints_them() {
        let text = |octets: [u8; 16]| ipv6_text(octets);
        assert_eq!(
            text([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4]),
            "::1.2.3.4"
        );
        assert_eq!(
            text([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0]),
            "::0.1.0.0"
        );
        assert_eq!(
            text([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 1, 2, 3, 4]),
            "::ffff:1.2.3.4"
        );
        assert_eq!(text([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]), "::1");
        assert_eq!(text([0; 16]), "::");
    }

    #[test]
    fn vints_are_read_with_their_sign() {
        let mut bytes: &[u8] = &[
            0x01, 0x02, 0x80, 0xc8, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        ];
        assert_eq!(signed_vint(&mut bytes).unwrap(), -1);
        assert_eq!(signed_vint(&mut bytes).unwrap(), 1);
        assert_eq!(signed_vint(&mut bytes).unwrap(), 100);
        assert_eq!(signed_vint(&mut bytes).unwrap(), i64::MIN);
        assert!(signed_vint(&mut bytes).is_err());
        let mut cut: &[u8] = &[0x80];
        assert!(signed_vint(&mut cut).is_err());
    }

    #[test]
    fn decimals_are_written_with_a_point_where_they_fit() {
        let text = |unscaled: i128, scale: i64| {
            let mut buffer = [b'0'; PLAIN_LENGTH];
            plain_decimal(&mut buffer, unscaled, -scale).map(|text| String::from_utf8(text.to_vec()).unwrap())
        };
        let plain = |unscaled, scale| text(unscaled, scale).unwrap();
        assert_eq!(plain(12345, 2), "123.45");
        assert_eq!(plain(-5, 2), "-0.05");
        assert_eq!(plain(0, 0), "0");
        assert_eq!(plain(0, 3), "0.000");
        assert_eq!(plain(7, 0), "7");
        assert_eq!(plain(i128::from(u64::MAX), 0), u64::MAX.to_string());
        assert_eq!(plain(-i128::from(u64::MAX), 19), "-1.8446744073709551615");
        assert_eq!(plain(-1, 32), format!("-0.{}1", "0".repeat(31)));
        assert_eq!(text(1, 33), None);
        assert_eq!(text(1, -1), None);
        assert_eq!(text(i128::from(u64::MAX) + 1, 0), None);
    }

    #[test]
    fn short_integers_extend_their_sign() {
        assert_eq!(sign_extended(&[0xff]), Some(-1));
        assert_eq!(sign_extended(&[0x00, 0x80]), Some(128));
        assert_eq!(sign_extended(&[]), None);
        assert_eq!(sign_extended(&[1; 17]), None);
    }
}
