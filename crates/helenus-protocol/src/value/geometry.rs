//! DSE's geometric types, `PointType`, `LineStringType` and `PolygonType`: well-known binary of the OpenGIS standard.
//!
//! Layout: a byte 1 for little-endian (0 for big-endian, which is read but never written), an unsigned 32-bit kind, then the
//! coordinates; line strings and the rings of polygons have an unsigned 32-bit count first.

use super::error::{DeserializeError, SerializeError, SerializeErrorKind, TypeMismatch};
use super::reader::{PartsReader, ValueBytes};
use super::traits::{DeserializeValue, SerializeValue, check_native, is_one_of, present};
use super::writer::{CompositeWriter, ValueWriter};
use crate::{CqlType, NativeType};

/// DSE: a point in the plane.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Point {
    /// Abscissa, or longitude.
    pub x: f64,
    /// Ordinate, or latitude.
    pub y: f64,
}

/// DSE: a line through points, in their order.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct LineString {
    /// The points.
    pub points: Vec<Point>,
}

/// DSE: a polygon: its outer ring, then its holes. The last point of a ring is its first.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Polygon {
    /// The rings.
    pub rings: Vec<Vec<Point>>,
}

const LITTLE_ENDIAN: u8 = 1;
const POINT: u32 = 1;
const LINE_STRING: u32 = 2;
const POLYGON: u32 = 3;

fn write_header(kind: u32, parts: &mut CompositeWriter<'_>) {
    parts.raw(&[LITTLE_ENDIAN]);
    parts.raw(&kind.to_le_bytes());
}

fn write_count(count: usize, parts: &mut CompositeWriter<'_>) -> Result<(), SerializeError> {
    let limit = u32::MAX as usize;
    let count = u32::try_from(count)
        .map_err(|_| SerializeError::of_row(SerializeErrorKind::TooLong { length: count, limit }))?;
    parts.raw(&count.to_le_bytes());
    Ok(())
}

fn write_point(point: &Point, parts: &mut CompositeWriter<'_>) {
    parts.raw(&point.x.to_le_bytes());
    parts.raw(&point.y.to_le_bytes());
}

fn write_points(points: &[Point], parts: &mut CompositeWriter<'_>) -> Result<(), SerializeError> {
    write_count(points.len(), parts)?;
    points.iter().for_each(|point| write_point(point, parts));
    Ok(())
}

/// Reads numbers in the byte order that the value says.
struct Geometry<'f, 't> {
    parts: PartsReader<'f>,
    little_endian: bool,
    ty: &'t CqlType,
}

impl<'f, 't> Geometry<'f, 't> {
    fn new<T>(kind: u32, ty: &'t CqlType, value: Option<ValueBytes<'f>>) -> Result<Self, DeserializeError> {
        let value = present::<T>(ty, value)?;
        if value.as_slice().is_empty() {
            return Err(DeserializeError::length::<T>(ty, 5, 0));
        }
        let mut parts = value.parts();
        let [order] = parts.take_array(ty)?;
        if order > LITTLE_ENDIAN {
            return Err(DeserializeError::invalid(ty, "the byte order is neither 0 nor 1"));
        }
        let mut geometry = Self {
            parts,
            little_endian: order == LITTLE_ENDIAN,
            ty,
        };
        if geometry.number()? != kind {
            return Err(DeserializeError::invalid(
                ty,
                "the value is of another geometric type",
            ));
        }
        Ok(geometry)
    }

    fn number(&mut self) -> Result<u32, DeserializeError> {
        let bytes = self.parts.take_array(self.ty)?;
        Ok(if self.little_endian {
            u32::from_le_bytes(bytes)
        } else {
            u32::from_be_bytes(bytes)
        })
    }

    fn coordinate(&mut self) -> Result<f64, DeserializeError> {
        let bytes = self.parts.take_array(self.ty)?;
        Ok(if self.little_endian {
            f64::from_le_bytes(bytes)
        } else {
            f64::from_be_bytes(bytes)
        })
    }

    fn point(&mut self) -> Result<Point, DeserializeError> {
        Ok(Point {
            x: self.coordinate()?,
            y: self.coordinate()?,
        })
    }

    /// A count of things that take at least so many bytes each.
    fn count(&mut self, least: usize) -> Result<usize, DeserializeError> {
        let count = self.number()? as usize;
        let available = self.parts.remaining();
        if count > available / least {
            return Err(DeserializeError::truncated(
                self.ty,
                count.saturating_mul(least),
                available,
            ));
        }
        Ok(count)
    }

    fn points(&mut self) -> Result<Vec<Point>, DeserializeError> {
        (0..self.count(16)?).map(|_| self.point()).collect()
    }
}

macro_rules! geometries {
    ($($rust:ident, $kind:ident, |$value:ident, $parts:ident| $write:expr, |$geometry:ident| $read:expr;)*) => {$(
        impl SerializeValue for $rust {
            fn serialize(&self, ty: &CqlType, out: &mut ValueWriter<'_>) -> Result<(), SerializeError> {
                if !is_one_of(ty, &[NativeType::$rust]) {
                    return Err(SerializeError::mismatch::<Self>(ty));
                }
                let $value = self;
                out.composite(|$parts| {
                    write_header($kind, $parts);
                    $write
                })
            }

            fn natural_type(&self) -> Option<CqlType> {
                Some(NativeType::$rust.into())
            }
        }

        impl<'f> DeserializeValue<'f> for $rust {
            fn check_type(ty: &CqlType) -> Result<(), TypeMismatch> {
                check_native::<Self>(ty, &[NativeType::$rust])
            }

            fn deserialize(ty: &'f CqlType, value: Option<ValueBytes<'f>>) -> Result<Self, DeserializeError> {
                let mut $geometry = Geometry::new::<Self>($kind, ty, value)?;
                let value = $read;
                $geometry.parts.end(ty)?;
                Ok(value)
            }
        }
    )*};
}

geometries! {
    Point, POINT,
        |point, parts| { write_point(point, parts); Ok(()) },
        |geometry| geometry.point()?;
    LineString, LINE_STRING,
        |line, parts| write_points(&line.points, parts),
        |geometry| Self { points: geometry.points()? };
    Polygon, POLYGON,
        |polygon, parts| {
            write_count(polygon.rings.len(), parts)?;
            polygon.rings.iter().try_for_each(|ring| write_points(ring, parts))
        },
        |geometry| Self {
            rings: (0..geometry.count(4)?).map(|_| geometry.points()).collect::<Result<_, _>>()?,
        };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(value: impl SerializeValue, native: NativeType) -> Vec<u8> {
        let mut out = Vec::new();
        value
            .serialize(&native.into(), &mut ValueWriter::bare(&mut out))
            .unwrap();
        out
    }

    #[test]
    fn bytes_are_well_known_binary() {
        let point = Point { x: 1.0, y: -2.0 };
        let expected = b"\x01\x01\0\0\0\0\0\0\0\0\0\xF0\x3F\0\0\0\0\0\0\0\xC0";
        assert_eq!(written(point, NativeType::Point), expected);
        let line = LineString {
            points: vec![point, point],
        };
        let mut expected_line = b"\x01\x02\0\0\0\x02\0\0\0".to_vec();
        expected_line.extend([&expected[5..], &expected[5..]].concat());
        assert_eq!(written(line, NativeType::LineString), expected_line);
        let polygon = Polygon {
            rings: vec![vec![point], vec![]],
        };
        let mut expected_polygon = b"\x01\x03\0\0\0\x02\0\0\0\x01\0\0\0".to_vec();
        expected_polygon.extend(&expected[5..]);
        expected_polygon.extend([0; 4]);
        assert_eq!(written(polygon, NativeType::Polygon), expected_polygon);
    }

    #[test]
    fn big_endian_is_read() {
        let bytes = b"\0\0\0\0\x01\x3F\xF0\0\0\0\0\0\0\xC0\0\0\0\0\0\0\0";
        let ty = NativeType::Point.into();
        assert_eq!(
            Point::deserialize(&ty, Some(bytes[..].into())),
            Ok(Point { x: 1.0, y: -2.0 })
        );
    }

    #[test]
    fn bytes_that_are_no_geometry_are_refused() {
        let ty = NativeType::Polygon.into();
        for bytes in [
            &b""[..],
            b"\x01",
            b"\x02\x03\0\0\0\0\0\0\0",
            b"\x01\x02\0\0\0\0\0\0\0",
            b"\x01\x03\0\0\0\xFF\xFF\xFF\xFF",
            b"\x01\x03\0\0\0\x01\0\0\0\xFF\xFF\xFF\xFF",
            b"\x01\x03\0\0\0\0\0\0\0\0",
        ] {
            assert!(
                Polygon::deserialize(&ty, Some(bytes.into())).is_err(),
                "{bytes:02x?}"
            );
        }
    }
}
