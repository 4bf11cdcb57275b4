"""The types of DataStax Enterprise: geometry as well-known binary (OGC 06-103r4 §8), and date ranges."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from typing import Any, ClassVar

from cassandra import util
from cassandra._types.base import MODULE, _CassandraType
from cassandra.marshal import int8_pack, int8_unpack, int64_pack, int64_unpack, uint32_le_pack

_POINT_SIZE = 16
_LITTLE_ENDIAN = b"\x01"


class WKBGeometryType:
    """The codes of the kinds of geometry in well-known binary."""

    __module__ = MODULE

    POINT = 1
    LINESTRING = 2
    POLYGON = 3


def _write_header(kind: int) -> bytes:
    return _LITTLE_ENDIAN + uint32_le_pack(kind)


def _write_points(points: Iterable[Any]) -> bytes:
    packed = [struct.pack("<dd", *point) for point in points]
    return uint32_le_pack(len(packed)) + b"".join(packed)


class _WkbReader:
    """Reads well-known binary in the byte order that its first byte names."""

    def __init__(self, byts: bytes) -> None:
        self._bytes = byts
        self._order = "<" if byts[:1] == _LITTLE_ENDIAN else ">"
        self._position = 5  # byte order and kind; the kind is known from the column's type

    def count(self) -> int:
        """Read an unsigned number of 4 bytes."""
        (value,) = struct.unpack_from(self._order + "I", self._bytes, self._position)
        self._position += 4
        return int(value)

    def point(self) -> tuple[float, float]:
        """Read one point."""
        x, y = struct.unpack_from(self._order + "dd", self._bytes, self._position)
        self._position += _POINT_SIZE
        return x, y

    def points(self) -> list[tuple[float, float]]:
        """Read a counted list of points.

        :raises ValueError: it has fewer than it says.
        """
        count = self.count()
        if count * _POINT_SIZE > len(self._bytes) - self._position:
            raise ValueError(f"a line of {count} points does not fit into {len(self._bytes)} bytes")
        return [self.point() for _ in range(count)]


class PointType(_CassandraType):
    """``PointType``: :class:`cassandra.util.Point`."""

    __module__ = MODULE

    typename = "PointType"

    @staticmethod
    def serialize(val: Any, protocol_version: int) -> bytes:
        return _write_header(WKBGeometryType.POINT) + struct.pack("<dd", val.x, val.y)

    @staticmethod
    def deserialize(byts: bytes, protocol_version: int) -> util.Point:
        return util.Point(*_WkbReader(byts).point())


class LineStringType(_CassandraType):
    """``LineStringType``: :class:`cassandra.util.LineString`."""

    __module__ = MODULE

    typename = "LineStringType"

    @staticmethod
    def serialize(val: Any, protocol_version: int) -> bytes:
        return _write_header(WKBGeometryType.LINESTRING) + _write_points(val.coords)

    @staticmethod
    def deserialize(byts: bytes, protocol_version: int) -> util.LineString:
        return util.LineString(_WkbReader(byts).points())


class PolygonType(_CassandraType):
    """``PolygonType``: :class:`cassandra.util.Polygon`."""

    __module__ = MODULE

    typename = "PolygonType"

    @staticmethod
    def serialize(val: Any, protocol_version: int) -> bytes:
        rings = (val.exterior, *val.interiors) if val.exterior.coords else ()
        body = b"".join(_write_points(ring.coords) for ring in rings)
        return _write_header(WKBGeometryType.POLYGON) + uint32_le_pack(len(rings)) + body

    @staticmethod
    def deserialize(byts: bytes, protocol_version: int) -> util.Polygon:
        reader = _WkbReader(byts)
        count = reader.count()
        if count * 4 > len(byts):
            raise ValueError(f"a polygon of {count} rings does not fit into {len(byts)} bytes")
        rings = [reader.points() for _ in range(count)]
        return util.Polygon(rings[0], rings[1:]) if rings else util.Polygon()


class BoundKind:
    """Which bounds a date range has; the number is the first byte of a value."""

    __module__ = MODULE

    SINGLE_DATE = "SINGLE_DATE"
    CLOSED_RANGE = "CLOSED_RANGE"
    OPEN_RANGE_HIGH = "OPEN_RANGE_HIGH"
    OPEN_RANGE_LOW = "OPEN_RANGE_LOW"
    BOTH_OPEN_RANGE = "BOTH_OPEN_RANGE"
    SINGLE_DATE_OPEN = "SINGLE_DATE_OPEN"

    VALID_RANGE_BOUNDS: ClassVar[tuple[str, ...]] = (
        SINGLE_DATE,
        CLOSED_RANGE,
        OPEN_RANGE_HIGH,
        OPEN_RANGE_LOW,
        BOTH_OPEN_RANGE,
        SINGLE_DATE_OPEN,
    )

    @classmethod
    def to_int(cls, bound_str: str) -> int:
        """Give the number of a kind.

        :raises ValueError: there is no such kind.
        """
        return cls.VALID_RANGE_BOUNDS.index(bound_str.upper())

    @classmethod
    def to_str(cls, bound_int: int) -> str:
        """Give the kind of a number.

        :raises ValueError: there is no such kind.
        """
        if not 0 <= bound_int < len(cls.VALID_RANGE_BOUNDS):
            raise ValueError(f"{bound_int} is no kind of bounds of a date range")
        return cls.VALID_RANGE_BOUNDS[bound_int]


class DateRangeType(_CassandraType):
    """``DateRangeType``: :class:`cassandra.util.DateRange`."""

    __module__ = MODULE

    typename = "daterange"

    @classmethod
    def deserialize(cls, byts: bytes, protocol_version: int) -> util.DateRange:
        kind = BoundKind.to_str(int8_unpack(byts[:1]))
        if kind == BoundKind.SINGLE_DATE:
            return util.DateRange(value=cls._read_bound(byts, 1))
        if kind == BoundKind.CLOSED_RANGE:
            return util.DateRange(cls._read_bound(byts, 1), cls._read_bound(byts, 10))
        if kind == BoundKind.OPEN_RANGE_HIGH:
            return util.DateRange(cls._read_bound(byts, 1), util.OPEN_BOUND)
        if kind == BoundKind.OPEN_RANGE_LOW:
            return util.DateRange(util.OPEN_BOUND, cls._read_bound(byts, 1))
        if kind == BoundKind.BOTH_OPEN_RANGE:
            return util.DateRange(util.OPEN_BOUND, util.OPEN_BOUND)
        return util.DateRange(value=util.OPEN_BOUND)

    @classmethod
    def serialize(cls, v: Any, protocol_version: int) -> bytes:
        try:
            value = v.value
            lower, upper = (None, None) if value is not None else (v.lower_bound, v.upper_bound)
        except AttributeError:
            raise ValueError(f"DateRangeType.serialize expects an object with a value attribute; got {v!r}") from None
        if value is not None:
            kind = BoundKind.SINGLE_DATE_OPEN if value == util.OPEN_BOUND else BoundKind.SINGLE_DATE
        elif lower == util.OPEN_BOUND:
            kind = BoundKind.BOTH_OPEN_RANGE if upper == util.OPEN_BOUND else BoundKind.OPEN_RANGE_LOW
        else:
            kind = BoundKind.OPEN_RANGE_HIGH if upper == util.OPEN_BOUND else BoundKind.CLOSED_RANGE
        bounds = (bound for bound in (value, lower, upper) if bound is not None and bound != util.OPEN_BOUND)
        return int8_pack(BoundKind.to_int(kind)) + b"".join(cls._write_bound(bound) for bound in bounds)

    @staticmethod
    def _read_bound(byts: bytes, position: int) -> util.DateRangeBound:
        milliseconds = int64_unpack(byts[position : position + 8])
        code = int8_unpack(byts[position + 8 : position + 9])
        precisions = util.DateRangePrecision.PRECISIONS
        if not 0 <= code < len(precisions):
            valid = ", ".join(str(number) for number in range(len(precisions)))
            raise ValueError(f"{code} not a valid DateRange precision int. Valid values: {valid}")
        return util.DateRangeBound(milliseconds, precisions[code])

    @staticmethod
    def _write_bound(bound: Any) -> bytes:
        return int64_pack(bound.milliseconds) + int8_pack(util.DateRangePrecision.PRECISIONS.index(bound.precision))
