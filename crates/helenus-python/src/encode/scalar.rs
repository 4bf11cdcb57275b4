//! One value of a type without element types, from its Python object to its bytes.
//!
//! Each function appends the bytes, without their length, or declines and leaves what it appended to the caller to cut.

use std::net::{Ipv4Addr, Ipv6Addr};

use helenus_protocol::write;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{
    PyBool, PyByteArray, PyBytes, PyDate, PyDateAccess, PyDateTime, PyFloat, PyInt, PyString, PyTime,
    PyTimeAccess, PyTzInfo, PyTzInfoAccess,
};

use crate::classes;
use crate::declined::Declined;

type Outcome = Result<(), Declined>;

/// An exact `int`, or a `bool`, which Python counts as one.
fn integer<T>(value: &Bound<'_, PyAny>) -> Result<T, Declined>
where
    T: for<'a, 'py> FromPyObject<'a, 'py>,
{
    if value.is_exact_instance_of::<PyInt>() || value.is_exact_instance_of::<PyBool>() {
        value.extract().map_err(|_| Declined::Unusual)
    } else {
        Err(Declined::Unusual)
    }
}

pub(super) fn tiny_int(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> Outcome {
    out.extend_from_slice(&integer::<i8>(value)?.to_be_bytes());
    Ok(())
}

pub(super) fn small_int(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> Outcome {
    out.extend_from_slice(&integer::<i16>(value)?.to_be_bytes());
    Ok(())
}

pub(super) fn int(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> Outcome {
    out.extend_from_slice(&integer::<i32>(value)?.to_be_bytes());
    Ok(())
}

pub(super) fn big_int(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> Outcome {
    out.extend_from_slice(&integer::<i64>(value)?.to_be_bytes());
    Ok(())
}

/// The shortest two's complement form, at least one byte.
pub(super) fn varint(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> Outcome {
    shortest(integer::<i128>(value)?, out);
    Ok(())
}

fn shortest(value: i128, out: &mut Vec<u8>) {
    let bytes = value.to_be_bytes();
    let redundant = if value < 0 {
        value.leading_ones()
    } else {
        value.leading_zeros()
    };
    // One bit in front must remain for the sign.
    let skipped = ((redundant.saturating_sub(1)) / 8).min(15) as usize;
    out.extend_from_slice(&bytes[skipped..]);
}

/// `[int]` scale and a varint, from the decimal text that `str` gives of every finite `Decimal`.
pub(super) fn decimal(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> Outcome {
    if !value.get_type().is(classes::decimal(value.py())?) {
        return Err(Declined::Unusual);
    }
    let text = value.str()?;
    let (unscaled, scale) = parse_decimal(text.to_str()?).ok_or(Declined::Unusual)?;
    out.extend_from_slice(&scale.to_be_bytes());
    shortest(unscaled, out);
    Ok(())
}

/// Digits and scale of `[-]digits[.digits][E[sign]digits]`; `None` for anything else or what fits no `i128` and `i32`.
fn parse_decimal(text: &str) -> Option<(i128, i32)> {
    let (mantissa, exponent) = match text.split_once('E') {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i64>().ok()?),
        None => (text, 0),
    };
    let (negative, digits) = match mantissa.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, mantissa),
    };
    let (mut unscaled, mut fraction, mut seen_point) = (0_i128, 0_i64, false);
    for byte in digits.bytes() {
        match byte {
            b'0'..=b'9' => {
                unscaled = unscaled.checked_mul(10)?.checked_add(i128::from(byte - b'0'))?;
                fraction += i64::from(seen_point);
            }
            b'.' if !seen_point => seen_point = true,
            _ => return None,
        }
    }
    if digits.is_empty() {
        return None;
    }
    let scale = i32::try_from(fraction.checked_sub(exponent)?).ok()?;
    Some((if negative { -unscaled } else { unscaled }, scale))
}

/// An exact `float` or `int` as a float.
fn number(value: &Bound<'_, PyAny>) -> Result<f64, Declined> {
    if let Ok(float) = value.cast_exact::<PyFloat>() {
        Ok(float.value())
    } else if value.is_exact_instance_of::<PyInt>() {
        value.extract().map_err(|_| Declined::Unusual)
    } else {
        Err(Declined::Unusual)
    }
}

pub(super) fn float(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> Outcome {
    let wide = number(value)?;
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a float column holds 32 bits; overflow is declined below"
    )]
    let narrow = wide as f32;
    if narrow.is_infinite() && wide.is_finite() {
        return Err(Declined::Unusual);
    }
    out.extend_from_slice(&narrow.to_be_bytes());
    Ok(())
}

pub(super) fn double(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> Outcome {
    out.extend_from_slice(&number(value)?.to_be_bytes());
    Ok(())
}

pub(super) fn boolean(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> Outcome {
    let value = value.cast_exact::<PyBool>().map_err(|_| Declined::Unusual)?;
    out.push(u8::from(value.is_true()));
    Ok(())
}

pub(super) fn blob(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> Outcome {
    if let Ok(bytes) = value.cast_exact::<PyBytes>() {
        out.extend_from_slice(bytes.as_bytes());
        Ok(())
    } else if let Ok(bytes) = value.cast_exact::<PyByteArray>() {
        out.extend_from_slice(&bytes.to_vec());
        Ok(())
    } else {
        Err(Declined::Unusual)
    }
}

pub(super) fn text(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> Outcome {
    let text = value.cast_exact::<PyString>().map_err(|_| Declined::Unusual)?;
    out.extend_from_slice(text.to_str()?.as_bytes());
    Ok(())
}

pub(super) fn ascii(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> Outcome {
    let text = value.cast_exact::<PyString>().map_err(|_| Declined::Unusual)?;
    let text = text.to_str()?;
    if !text.is_ascii() {
        return Err(Declined::Unusual);
    }
    out.extend_from_slice(text.as_bytes());
    Ok(())
}

pub(super) fn uuid(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> Outcome {
    let py = value.py();
    if !value.get_type().is(classes::uuid(py)?) {
        return Err(Declined::Unusual);
    }
    let number: u128 = value.getattr(intern!(py, "int"))?.extract()?;
    out.extend_from_slice(&number.to_be_bytes());
    Ok(())
}

/// Days from 1970-01-01, for years 1 to 9999 of the proleptic Gregorian calendar. March is counted as the first month.
fn days_from_civil(year: i32, month: u8, day: u8) -> i64 {
    let (month, day) = (i64::from(month), i64::from(day));
    let year = i64::from(year) - i64::from(month <= 2);
    let cycle = year.div_euclid(400);
    let year_of_cycle = year.rem_euclid(400);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_cycle = year_of_cycle * 365 + year_of_cycle / 4 - year_of_cycle / 100 + day_of_year;
    cycle * 146_097 + day_of_cycle - 719_468
}

/// Milliseconds from 1970-01-01 UTC of a naive `datetime`, which counts as UTC, or of one in `timezone.utc`.
pub(super) fn timestamp(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> Outcome {
    let py = value.py();
    let time = value.cast_exact::<PyDateTime>().map_err(|_| Declined::Unusual)?;
    if let Some(zone) = time.get_tzinfo()
        && !zone.is(&*PyTzInfo::utc(py)?)
    {
        return Err(Declined::Unusual);
    }
    let days = days_from_civil(time.get_year(), time.get_month(), time.get_day());
    let seconds = ((days * 24 + i64::from(time.get_hour())) * 60 + i64::from(time.get_minute())) * 60
        + i64::from(time.get_second());
    // What is below a millisecond is cut off, towards the epoch.
    let milliseconds = (seconds * 1_000_000 + i64::from(time.get_microsecond())) / 1000;
    out.extend_from_slice(&milliseconds.to_be_bytes());
    Ok(())
}

/// A `date` or `datetime` by its calendar day, a `cassandra.util.Date`, or an `int` as it stands on the wire: days with
/// the epoch at 2^31.
pub(super) fn date(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> Outcome {
    let py = value.py();
    let days = if value.is_exact_instance_of::<PyDate>() || value.is_exact_instance_of::<PyDateTime>() {
        let date = value.cast::<PyDate>().map_err(|_| Declined::Unusual)?;
        days_from_civil(date.get_year(), date.get_month(), date.get_day()) + (1 << 31)
    } else if value.get_type().is(classes::date(py)?) {
        value.getattr(intern!(py, "days_from_epoch"))?.extract::<i64>()? + (1 << 31)
    } else {
        return Err(Declined::Unusual);
    };
    let days = u32::try_from(days).map_err(|_| Declined::Unusual)?;
    out.extend_from_slice(&days.to_be_bytes());
    Ok(())
}

/// Nanoseconds since midnight of a `time` or a `cassandra.util.Time`.
pub(super) fn time(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> Outcome {
    let py = value.py();
    let nanoseconds = if let Ok(time) = value.cast_exact::<PyTime>() {
        let seconds = (i64::from(time.get_hour()) * 60 + i64::from(time.get_minute())) * 60
            + i64::from(time.get_second());
        (seconds * 1_000_000 + i64::from(time.get_microsecond())) * 1_000
    } else if value.get_type().is(classes::time(py)?) {
        value.getattr(intern!(py, "nanosecond_time"))?.extract()?
    } else {
        return Err(Declined::Unusual);
    };
    out.extend_from_slice(&nanoseconds.to_be_bytes());
    Ok(())
}

/// Three signed vints of a `cassandra.util.Duration`.
pub(super) fn duration(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> Outcome {
    let py = value.py();
    if !value.get_type().is(classes::duration(py)?) {
        return Err(Declined::Unusual);
    }
    for name in [
        intern!(py, "months"),
        intern!(py, "days"),
        intern!(py, "nanoseconds"),
    ] {
        let part = value.getattr(name)?;
        write::vint(out, integer(&part)?);
    }
    Ok(())
}

/// The text of an IPv4 or IPv6 address.
pub(super) fn inet(value: &Bound<'_, PyAny>, out: &mut Vec<u8>) -> Outcome {
    let text = value.cast_exact::<PyString>().map_err(|_| Declined::Unusual)?;
    let text = text.to_str()?;
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        out.extend_from_slice(&address.octets());
    } else if let Ok(address) = text.parse::<Ipv6Addr>() {
        out.extend_from_slice(&address.octets());
    } else {
        return Err(Declined::Unusual);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_take_as_few_bytes_as_their_sign_allows() {
        let bytes = |value| {
            let mut out = Vec::new();
            shortest(value, &mut out);
            out
        };
        assert_eq!(bytes(0), [0x00]);
        assert_eq!(bytes(-1), [0xff]);
        assert_eq!(bytes(127), [0x7f]);
        assert_eq!(bytes(128), [0x00, 0x80]);
        assert_eq!(bytes(-128), [0x80]);
        assert_eq!(bytes(-129), [0xff, 0x7f]);
        assert_eq!(bytes(i128::MAX).len(), 16);
        assert_eq!(bytes(i128::MIN).len(), 16);
    }

    #[test]
    fn decimals_keep_their_scale() {
        assert_eq!(parse_decimal("1.50"), Some((150, 2)));
        assert_eq!(parse_decimal("-0.001"), Some((-1, 3)));
        assert_eq!(parse_decimal("1E+5"), Some((1, -5)));
        assert_eq!(parse_decimal("1.23E-10"), Some((123, 12)));
        assert_eq!(parse_decimal("0E-7"), Some((0, 7)));
        assert_eq!(parse_decimal("-0"), Some((0, 0)));
        assert_eq!(parse_decimal("NaN"), None);
        assert_eq!(parse_decimal("Infinity"), None);
        assert_eq!(parse_decimal("1E+99999999999"), None);
    }

    #[test]
    fn calendar_dates_become_days() {
        for (days, (year, month, day)) in [
            (0, (1970, 1, 1)),
            (-1, (1969, 12, 31)),
            (-719_162, (1, 1, 1)),
            (2_932_896, (9999, 12, 31)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (-25_509, (1900, 2, 28)),
        ] {
            assert_eq!(days_from_civil(year, month, day), days);
        }
    }
}
