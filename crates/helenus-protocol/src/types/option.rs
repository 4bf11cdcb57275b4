//! `[option]`: a type in the metadata of rows and of prepared statements.
//!
//! Layout: native protocol v3, v4, v5 §4.2.5.2: a `[short]` code and what the code asks for. Code 0x0000 is followed by
//! the name of a server class. Which types have a code depends on the version; the others travel by their class.

use std::sync::Arc;

use super::{CqlType, Depth, UserDefinedType};
use crate::{EncodeError, ProtocolError, ProtocolVersion, Reader, write};

const CUSTOM: u16 = 0x00;
const LIST: u16 = 0x20;
const MAP: u16 = 0x21;
const SET: u16 = 0x22;
const USER_DEFINED: u16 = 0x30;
const TUPLE: u16 = 0x31;

/// An `[option]` is at least its code.
const LEAST_OPTION: usize = 2;
/// A field of a user-defined type is at least an empty name and a code.
const LEAST_FIELD: usize = 4;

impl CqlType {
    /// Reads an `[option]`. Class names inside it are parsed, `frozen` in them is dropped: it says nothing about bytes.
    ///
    /// Codes are read the same way in all versions, also those that a version does not officially have: servers of
    /// different ages disagree about when `smallint` and its like came in.
    ///
    /// # Errors
    /// [`ProtocolError`] for a code that does not exist, a class name that cannot be parsed, a count that the bytes
    /// cannot hold, and nesting deeper than [`MAX_TYPE_NESTING`](crate::MAX_TYPE_NESTING).
    pub fn read(reader: &mut Reader<'_>, _version: ProtocolVersion) -> Result<Self, ProtocolError> {
        read_option(reader, Depth::TOP)
    }

    /// Appends the `[option]` of this type.
    ///
    /// # Errors
    /// [`EncodeError::TooLarge`] for names and counts that do not fit into a `[short]`. Then `out` has part of the type.
    pub fn write(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        match self {
            Self::Native(native) => match native.code(version.features()) {
                Some(code) => write::short(out, code),
                None => return write_custom(&native.class_name(), out),
            },
            Self::List(element) => {
                write::short(out, LIST);
                element.write(version, out)?;
            }
            Self::Set(element) => {
                write::short(out, SET);
                element.write(version, out)?;
            }
            Self::Map(types) => {
                write::short(out, MAP);
                types.0.write(version, out)?;
                types.1.write(version, out)?;
            }
            Self::Tuple(elements) => {
                write::short(out, TUPLE);
                write::short_length(out, elements.len(), "number of a tuple's types")?;
                elements
                    .iter()
                    .try_for_each(|element| element.write(version, out))?;
            }
            Self::UserDefined(udt) => {
                write::short(out, USER_DEFINED);
                write::string(out, &udt.keyspace, "keyspace of a user-defined type")?;
                write::string(out, &udt.name, "name of a user-defined type")?;
                write::short_length(out, udt.fields.len(), "number of a user-defined type's fields")?;
                for (name, ty) in &udt.fields {
                    write::string(out, name, "name of a field")?;
                    ty.write(version, out)?;
                }
            }
            Self::Frozen(inner) => inner.write(version, out)?,
            Self::Vector { .. } => return write_custom(&self.class_name(), out),
            Self::Custom(class) => return write_custom(class, out),
        }
        Ok(())
    }
}

fn write_custom(class: &str, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    write::short(out, CUSTOM);
    write::string(out, class, "class name of a type")
}

fn read_option(reader: &mut Reader<'_>, depth: Depth) -> Result<CqlType, ProtocolError> {
    let code = reader.read_short("type code")?;
    if let Some(native) = super::NativeType::from_code(code) {
        return Ok(CqlType::Native(native));
    }
    if code == CUSTOM {
        let class = reader.read_string("class name of a type")?;
        return CqlType::parse_class_name_at(class, depth).map(|ty| ty.without_frozen());
    }
    let depth = depth.deeper("[option]")?;
    Ok(match code {
        LIST => CqlType::list(read_option(reader, depth)?),
        SET => CqlType::set(read_option(reader, depth)?),
        MAP => {
            let key = read_option(reader, depth)?;
            CqlType::map(key, read_option(reader, depth)?)
        }
        TUPLE => {
            let count = reader.read_short_count(LEAST_OPTION, "number of a tuple's types")?;
            let elements: Result<Vec<_>, _> = (0..count).map(|_| read_option(reader, depth)).collect();
            CqlType::Tuple(elements?.into())
        }
        USER_DEFINED => {
            let keyspace: Arc<str> = reader.read_string("keyspace of a user-defined type")?.into();
            let name: Arc<str> = reader.read_string("name of a user-defined type")?.into();
            let count = reader.read_short_count(LEAST_FIELD, "number of a user-defined type's fields")?;
            let mut fields = Vec::with_capacity(count);
            for _ in 0..count {
                let name: Arc<str> = reader.read_string("name of a field")?.into();
                fields.push((name, read_option(reader, depth)?));
            }
            CqlType::UserDefined(Arc::new(UserDefinedType {
                keyspace,
                name,
                fields,
            }))
        }
        _ => {
            return Err(ProtocolError::UnknownCode {
                what: "type",
                code: code.into(),
            });
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NativeType;
    use crate::types::MAX_TYPE_NESTING;

    fn read(bytes: &[u8]) -> Result<CqlType, ProtocolError> {
        let mut reader = Reader::new(bytes);
        let ty = CqlType::read(&mut reader, ProtocolVersion::V5)?;
        assert!(reader.is_empty());
        Ok(ty)
    }

    fn written(ty: &CqlType, version: ProtocolVersion) -> Vec<u8> {
        let mut out = Vec::new();
        ty.write(version, &mut out).unwrap();
        out
    }

    #[test]
    fn codes_are_those_of_the_specification() {
        // v5 §4.2.5.2, spelled out.
        let codes = [
            (0x01, "ascii"),
            (0x02, "bigint"),
            (0x03, "blob"),
            (0x04, "boolean"),
            (0x05, "counter"),
            (0x06, "decimal"),
            (0x07, "double"),
            (0x08, "float"),
            (0x09, "int"),
            (0x0B, "timestamp"),
            (0x0C, "uuid"),
            (0x0D, "text"),
            (0x0E, "varint"),
            (0x0F, "timeuuid"),
            (0x10, "inet"),
            (0x11, "date"),
            (0x12, "time"),
            (0x13, "smallint"),
            (0x14, "tinyint"),
            (0x15, "duration"),
        ];
        for (code, name) in codes {
            let ty = read(&[0, code]).unwrap();
            assert_eq!(ty.to_string(), name);
            assert_eq!(written(&ty, ProtocolVersion::V5), [0, code]);
        }
    }

    #[test]
    fn a_nested_option_is_read_and_written() {
        // map<text, tuple<list<int>, set<uuid>>>
        let bytes = [0, 0x21, 0, 0x0D, 0, 0x31, 0, 2, 0, 0x20, 0, 9, 0, 0x22, 0, 0x0C];
        let ty = read(&bytes).unwrap();
        assert_eq!(ty.to_string(), "map<text, tuple<list<int>, set<uuid>>>");
        assert_eq!(written(&ty, ProtocolVersion::V3), bytes);
    }

    #[test]
    fn a_user_defined_type_is_read_and_written() {
        let bytes = b"\x00\x30\x00\x02ks\x00\x01t\x00\x02\x00\x01a\x00\x09\x00\x01b\x00\x20\x00\x0D";
        let ty = read(bytes).unwrap();
        let fields = [
            ("a".into(), NativeType::Int.into()),
            ("b".into(), CqlType::list(NativeType::Text)),
        ];
        assert_eq!(ty, CqlType::user_defined("ks", "t", fields));
        assert_eq!(written(&ty, ProtocolVersion::V4), bytes);
    }

    #[test]
    fn types_without_a_code_travel_by_class() {
        let class = |name: &str| {
            let name = format!("org.apache.cassandra.db.marshal.{name}");
            let mut bytes = vec![0, 0, 0, u8::try_from(name.len()).unwrap()];
            bytes.extend_from_slice(name.as_bytes());
            bytes
        };
        for (native, name, version) in [
            (NativeType::SmallInt, "ShortType", ProtocolVersion::V3),
            (NativeType::TinyInt, "ByteType", ProtocolVersion::V3),
            (NativeType::Date, "SimpleDateType", ProtocolVersion::V3),
            (NativeType::Time, "TimeType", ProtocolVersion::V3),
            (NativeType::Duration, "DurationType", ProtocolVersion::V3),
            (NativeType::Duration, "DurationType", ProtocolVersion::V4),
            (NativeType::Point, "PointType", ProtocolVersion::DseV2),
        ] {
            assert_eq!(written(&native.into(), version), class(name));
            assert_eq!(read(&class(name)).unwrap(), native.into());
        }
    }

    #[test]
    fn frozen_does_not_travel() {
        let frozen = CqlType::frozen(CqlType::list(NativeType::Int));
        assert_eq!(written(&frozen, ProtocolVersion::V5), [0, 0x20, 0, 9]);
        let vector = CqlType::vector(frozen, 2);
        assert_eq!(
            read(&written(&vector, ProtocolVersion::V5)).unwrap(),
            CqlType::vector(CqlType::list(NativeType::Int), 2)
        );
    }

    #[test]
    fn bytes_that_are_no_type_are_refused() {
        for bytes in [
            &[][..],
            &[0],
            &[0, 0x16],
            &[0xFF, 0xFF],
            &[0, 0x20],
            &[0, 0x21, 0, 9],
            &[0, 0, 0, 9, b'a'],
            &[0, 0x31, 0xFF, 0xFF, 0, 9],
            &[0, 0x30, 0, 0, 0, 0, 0xFF, 0xFF, 0, 0, 0, 9],
            &[0, 0, 0, 1, 0xFF],
            &[0, 0, 0, 0],
        ] {
            assert!(
                CqlType::read(&mut Reader::new(bytes), ProtocolVersion::V4).is_err(),
                "{bytes:02x?}"
            );
        }
    }

    #[test]
    fn nesting_ends_at_the_limit() {
        let nested = |depth: usize| {
            let mut bytes = [0, 0x20].repeat(depth);
            bytes.extend([0, 9]);
            CqlType::read(&mut Reader::new(&bytes), ProtocolVersion::V5)
        };
        assert!(nested(MAX_TYPE_NESTING - 1).is_ok());
        assert!(nested(MAX_TYPE_NESTING).is_err());
        assert!(nested(100_000).is_err());
    }
}
