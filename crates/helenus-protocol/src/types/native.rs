//! Types without parameters, and one table of what is known about each of them.

use std::fmt;

use crate::Features;

/// A CQL type without parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum NativeType {
    /// `ascii`: text of ASCII characters.
    Ascii,
    /// `bigint`: 64-bit integer.
    BigInt,
    /// `blob`: bytes.
    Blob,
    /// `boolean`.
    Boolean,
    /// `counter`: 64-bit distributed counter.
    Counter,
    /// `decimal`: integer of any size with a decimal scale.
    Decimal,
    /// `double`: 64-bit IEEE 754.
    Double,
    /// `float`: 32-bit IEEE 754.
    Float,
    /// `int`: 32-bit integer.
    Int,
    /// `timestamp`: milliseconds since 1970-01-01 UTC.
    Timestamp,
    /// `uuid`, of any version.
    Uuid,
    /// `text`, also called `varchar`: UTF-8.
    Text,
    /// `varint`: integer of any size.
    Varint,
    /// `timeuuid`: UUID of version 1.
    Timeuuid,
    /// `inet`: IPv4 or IPv6 address.
    Inet,
    /// `date`: a day, without time zone.
    Date,
    /// `time`: nanoseconds since midnight.
    Time,
    /// `smallint`: 16-bit integer.
    SmallInt,
    /// `tinyint`: 8-bit integer.
    TinyInt,
    /// `duration`: months, days and nanoseconds.
    Duration,
    /// `empty`: a type whose only value has no bytes.
    Empty,
    /// DSE: point in the plane.
    Point,
    /// DSE: line through points.
    LineString,
    /// DSE: polygon with holes.
    Polygon,
    /// DSE: range of dates, each bound with a precision.
    DateRange,
}

/// Package of the server's own type classes; their names may stand with or without it.
pub(super) const MARSHAL: &str = "org.apache.cassandra.db.marshal.";

/// One row of the table: CQL name, code in an `[option]` (`None`: travels by class name), class, length inside a vector.
struct Row(NativeType, &'static str, Option<u16>, &'static str, Option<usize>);

/// In the order of the enum, so that a type finds its row by its number.
const TABLE: [Row; 25] = {
    use NativeType::*;
    [
        Row(Ascii, "ascii", Some(0x01), "AsciiType", None),
        Row(BigInt, "bigint", Some(0x02), "LongType", Some(8)),
        Row(Blob, "blob", Some(0x03), "BytesType", None),
        Row(Boolean, "boolean", Some(0x04), "BooleanType", Some(1)),
        Row(Counter, "counter", Some(0x05), "CounterColumnType", Some(8)),
        Row(Decimal, "decimal", Some(0x06), "DecimalType", None),
        Row(Double, "double", Some(0x07), "DoubleType", Some(8)),
        Row(Float, "float", Some(0x08), "FloatType", Some(4)),
        Row(Int, "int", Some(0x09), "Int32Type", Some(4)),
        Row(Timestamp, "timestamp", Some(0x0B), "TimestampType", Some(8)),
        Row(Uuid, "uuid", Some(0x0C), "UUIDType", Some(16)),
        Row(Text, "text", Some(0x0D), "UTF8Type", None),
        Row(Varint, "varint", Some(0x0E), "IntegerType", None),
        Row(Timeuuid, "timeuuid", Some(0x0F), "TimeUUIDType", Some(16)),
        Row(Inet, "inet", Some(0x10), "InetAddressType", None),
        Row(Date, "date", Some(0x11), "SimpleDateType", None),
        Row(Time, "time", Some(0x12), "TimeType", None),
        Row(SmallInt, "smallint", Some(0x13), "ShortType", None),
        Row(TinyInt, "tinyint", Some(0x14), "ByteType", None),
        Row(Duration, "duration", Some(0x15), "DurationType", None),
        Row(Empty, "empty", None, "EmptyType", Some(0)),
        Row(Point, "'PointType'", None, "PointType", None),
        Row(LineString, "'LineStringType'", None, "LineStringType", None),
        Row(Polygon, "'PolygonType'", None, "PolygonType", None),
        Row(DateRange, "'DateRangeType'", None, "DateRangeType", None),
    ]
};

/// Names that mean the same as one in the table.
const CLASS_ALIASES: [(&str, NativeType); 2] = [
    ("DateType", NativeType::Timestamp),
    ("LexicalUUIDType", NativeType::Uuid),
];
const NAME_ALIASES: [(&str, NativeType); 1] = [("varchar", NativeType::Text)];

/// `text` in protocols 1 and 2, still accepted when read.
const OLD_TEXT_CODE: u16 = 0x0A;

impl NativeType {
    /// Every one of them.
    pub const ALL: [Self; 25] = {
        let mut all = [Self::Ascii; 25];
        let mut index = 0;
        while index < TABLE.len() {
            all[index] = TABLE[index].0;
            index += 1;
        }
        all
    };

    /// The name in CQL. DSE's own types have a class name in quotes.
    pub fn name(self) -> &'static str {
        self.row().1
    }

    /// The server's class, with its package.
    pub fn class_name(self) -> String {
        format!("{MARSHAL}{}", self.row().3)
    }

    /// By CQL name in lower case; `varchar` is text.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        let known = TABLE.iter().find(|row| row.1 == name).map(|row| row.0);
        known.or_else(|| {
            NAME_ALIASES
                .iter()
                .find(|alias| alias.0 == name)
                .map(|alias| alias.1)
        })
    }

    /// By the class name without package.
    pub(super) fn from_class(class: &str) -> Option<Self> {
        let known = TABLE.iter().find(|row| row.3 == class).map(|row| row.0);
        known.or_else(|| {
            CLASS_ALIASES
                .iter()
                .find(|alias| alias.0 == class)
                .map(|alias| alias.1)
        })
    }

    /// By the code in an `[option]`.
    pub(super) fn from_code(code: u16) -> Option<Self> {
        if code == OLD_TEXT_CODE {
            return Some(Self::Text);
        }
        TABLE.iter().find(|row| row.2 == Some(code)).map(|row| row.0)
    }

    /// The code in an `[option]`, or `None` where this protocol version knows the type by its class only.
    pub(super) fn code(self, features: &Features) -> Option<u16> {
        let spoken = match self {
            Self::Date | Self::Time | Self::SmallInt | Self::TinyInt => features.small_and_date_types,
            Self::Duration => features.duration_type,
            _ => true,
        };
        self.row().2.filter(|_| spoken)
    }

    pub(super) fn fixed_length(self) -> Option<usize> {
        self.row().4
    }

    fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }
}

impl fmt::Display for NativeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ProtocolVersion;

    #[test]
    fn every_type_stands_in_its_own_row() {
        for (index, native) in NativeType::ALL.into_iter().enumerate() {
            assert_eq!(native as usize, index);
            assert_eq!(NativeType::from_name(native.name()), Some(native));
            let class = native.class_name();
            assert_eq!(
                NativeType::from_class(class.strip_prefix(MARSHAL).unwrap()),
                Some(native)
            );
            if let Some(code) = native.code(ProtocolVersion::V5.features()) {
                assert_eq!(NativeType::from_code(code), Some(native));
            }
        }
    }

    #[test]
    fn old_names_mean_the_types_of_today() {
        assert_eq!(NativeType::from_code(0x0A), Some(NativeType::Text));
        assert_eq!(NativeType::from_class("DateType"), Some(NativeType::Timestamp));
        assert_eq!(NativeType::from_class("LexicalUUIDType"), Some(NativeType::Uuid));
        assert_eq!(NativeType::from_name("varchar"), Some(NativeType::Text));
    }

    #[test]
    fn each_version_has_codes_for_its_own_types_only() {
        let code = |native: NativeType, version: ProtocolVersion| native.code(version.features());
        assert_eq!(code(NativeType::Date, ProtocolVersion::V3), None);
        assert_eq!(code(NativeType::Date, ProtocolVersion::V4), Some(0x11));
        assert_eq!(code(NativeType::Duration, ProtocolVersion::V4), None);
        assert_eq!(code(NativeType::Duration, ProtocolVersion::V5), Some(0x15));
        assert_eq!(code(NativeType::Duration, ProtocolVersion::DseV1), Some(0x15));
        assert_eq!(code(NativeType::Point, ProtocolVersion::DseV2), None);
    }
}
