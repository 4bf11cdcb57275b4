//! Values as CQL literals, for logs, messages and statements put together as text.

use std::fmt;

use super::date_range::{DatePrecision, DateRange, DateRangeBound};
use super::dynamic::{CqlUserDefined, CqlValue};
use super::geometry::{LineString, Point, Polygon};
use crate::types::write_identifier;

impl fmt::Display for CqlValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ascii(text) | Self::Text(text) => write!(f, "'{}'", text.replace('\'', "''")),
            Self::BigInt(value) | Self::Counter(value) => write!(f, "{value}"),
            Self::Blob(bytes) | Self::Custom(bytes) => write!(f, "0x{bytes:x}"),
            Self::Boolean(value) => write!(f, "{value}"),
            Self::Decimal(value) => write!(f, "{value}"),
            Self::Double(value) => write_float(f, *value, format_args!("{value:?}")),
            Self::Float(value) => write_float(f, f64::from(*value), format_args!("{value:?}")),
            Self::Int(value) => write!(f, "{value}"),
            Self::Timestamp(value) => write!(f, "'{value}'"),
            Self::Uuid(value) | Self::Timeuuid(value) => write!(f, "{value}"),
            Self::Varint(value) => write!(f, "{value}"),
            Self::Inet(value) => write!(f, "'{value}'"),
            Self::Date(value) => write!(f, "'{value}'"),
            Self::Time(value) => write!(f, "'{value}'"),
            Self::SmallInt(value) => write!(f, "{value}"),
            Self::TinyInt(value) => write!(f, "{value}"),
            Self::Duration(value) => write!(f, "{value}"),
            Self::Point(value) => write!(f, "'{value}'"),
            Self::LineString(value) => write!(f, "'{value}'"),
            Self::Polygon(value) => write!(f, "'{value}'"),
            Self::DateRange(value) => write!(f, "'{value}'"),
            Self::List(values) | Self::Vector(values) => {
                write_all(f, ["[", "]"], values, |f, value| write!(f, "{value}"))
            }
            Self::Set(values) => write_all(f, ["{", "}"], values, |f, value| write!(f, "{value}")),
            Self::Map(pairs) => write_all(f, ["{", "}"], pairs, |f, (key, value)| {
                write!(f, "{key}: {value}")
            }),
            Self::Tuple(values) => write_all(f, ["(", ")"], values, |f, value| {
                write_nullable(f, value.as_ref())
            }),
            Self::UserDefined(value) => write!(f, "{value}"),
            Self::Empty => f.write_str("''"),
        }
    }
}

impl fmt::Display for CqlUserDefined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_all(f, ["{", "}"], &self.fields, |f, (name, value)| {
            write_identifier(f, name)?;
            f.write_str(": ")?;
            write_nullable(f, value.as_ref())
        })
    }
}

fn write_nullable(f: &mut fmt::Formatter<'_>, value: Option<&CqlValue>) -> fmt::Result {
    match value {
        Some(value) => write!(f, "{value}"),
        None => f.write_str("null"),
    }
}

/// Rust's `inf` is `Infinity` in CQL. The digits are the fewest that read back as the same number.
fn write_float(f: &mut fmt::Formatter<'_>, value: f64, digits: fmt::Arguments<'_>) -> fmt::Result {
    match value {
        f64::INFINITY => f.write_str("Infinity"),
        f64::NEG_INFINITY => f.write_str("-Infinity"),
        _ => f.write_fmt(digits),
    }
}

fn write_all<T>(
    f: &mut fmt::Formatter<'_>,
    [open, close]: [&str; 2],
    items: &[T],
    write: impl Fn(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    f.write_str(open)?;
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        write(f, item)?;
    }
    f.write_str(close)
}

/// Well-known text, as in `POINT (1 2)`.
impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "POINT ({} {})", self.x, self.y)
    }
}

/// Well-known text.
impl fmt::Display for LineString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.points.is_empty() {
            return f.write_str("LINESTRING EMPTY");
        }
        f.write_str("LINESTRING ")?;
        write_points(f, &self.points)
    }
}

/// Well-known text.
impl fmt::Display for Polygon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.rings.is_empty() {
            return f.write_str("POLYGON EMPTY");
        }
        f.write_str("POLYGON ")?;
        write_all(f, ["(", ")"], &self.rings, |f, ring| write_points(f, ring))
    }
}

fn write_points(f: &mut fmt::Formatter<'_>, points: &[Point]) -> fmt::Result {
    write_all(f, ["(", ")"], points, |f, point| {
        write!(f, "{} {}", point.x, point.y)
    })
}

/// As DSE writes it: `[2001-01 TO *]`.
impl fmt::Display for DateRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Single(bound) => write!(f, "{bound}"),
            Self::Range(lower, upper) => write!(f, "[{lower} TO {upper}]"),
        }
    }
}

/// The date up to its precision, or `*`.
impl fmt::Display for DateRangeBound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Date { timestamp, precision } = self else {
            return f.write_str("*");
        };
        if !timestamp.has_common_year() {
            return write!(f, "{timestamp}");
        }
        let [year, month, day, hour, minute, second, millisecond] = timestamp.parts();
        write!(f, "{year:04}")?;
        let steps = [
            (DatePrecision::Month, '-', month),
            (DatePrecision::Day, '-', day),
            (DatePrecision::Hour, 'T', hour),
            (DatePrecision::Minute, ':', minute),
            (DatePrecision::Second, ':', second),
        ];
        for (_, separator, number) in steps.iter().filter(|step| step.0 <= *precision) {
            write!(f, "{separator}{number:02}")?;
        }
        if *precision == DatePrecision::Millisecond {
            write!(f, ".{millisecond:03}Z")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CqlDate, CqlTimestamp};

    #[test]
    fn values_are_written_as_cql_literals() {
        let text = |text: &str| CqlValue::Text(text.into());
        for (value, expected) in [
            (text("it's"), "'it''s'"),
            (CqlValue::Blob(b"\x00\xAB"[..].into()), "0x00ab"),
            (CqlValue::Double(1.0), "1.0"),
            (CqlValue::Double(f64::NEG_INFINITY), "-Infinity"),
            (CqlValue::Float(f32::NAN), "NaN"),
            (CqlValue::Float(0.1), "0.1"),
            (CqlValue::Date(CqlDate::from_days(1)), "'1970-01-02'"),
            (CqlValue::List(vec![1.into(), 2.into()]), "[1, 2]"),
            (CqlValue::Set(vec![text("a")]), "{'a'}"),
            (CqlValue::Map(vec![(text("k"), true.into())]), "{'k': true}"),
            (CqlValue::Tuple(vec![None, Some(1.into())]), "(null, 1)"),
            (
                CqlUserDefined::new([("a", Some(1.into())), ("B", None)]).into(),
                "{a: 1, \"B\": null}",
            ),
            (CqlValue::Inet([127, 0, 0, 1].into()), "'127.0.0.1'"),
            (Point { x: 1.0, y: -2.5 }.into(), "'POINT (1 -2.5)'"),
            (
                Polygon {
                    rings: vec![vec![Point::default(); 2]],
                }
                .into(),
                "'POLYGON ((0 0, 0 0))'",
            ),
            (LineString::default().into(), "'LINESTRING EMPTY'"),
        ] {
            assert_eq!(value.to_string(), expected);
        }
    }

    #[test]
    fn ranges_of_dates_are_written_to_their_precision() {
        let bound = |precision| DateRangeBound::Date {
            timestamp: CqlTimestamp(1_704_164_645_678),
            precision,
        };
        let single = |precision| DateRange::Single(bound(precision)).to_string();
        assert_eq!(single(DatePrecision::Year), "2024");
        assert_eq!(single(DatePrecision::Day), "2024-01-02");
        assert_eq!(single(DatePrecision::Second), "2024-01-02T03:04:05");
        assert_eq!(single(DatePrecision::Millisecond), "2024-01-02T03:04:05.678Z");
        let range = DateRange::Range(bound(DatePrecision::Month), DateRangeBound::Open);
        assert_eq!(range.to_string(), "[2024-01 TO *]");
    }
}
