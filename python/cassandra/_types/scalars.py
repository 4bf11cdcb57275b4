"""The CQL types without parameters; each is written down in native protocol v5 §6.

``serialize`` raises :class:`struct.error` for a number that is none or does not fit, :class:`TypeError` or
:class:`ValueError` otherwise; binding a statement adds the name of the column.
"""

from __future__ import annotations

import calendar
import datetime
import ipaddress
import operator
import re
import socket
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

from cassandra import util
from cassandra._types.base import MODULE, _CassandraType
from cassandra.marshal import (
    double_pack,
    double_unpack,
    float_pack,
    float_unpack,
    int8_pack,
    int8_unpack,
    int16_pack,
    int16_unpack,
    int32_pack,
    int32_unpack,
    int64_pack,
    int64_unpack,
    uint32_pack,
    uint32_unpack,
    varint_pack,
    varint_unpack,
    vints_pack,
    vints_unpack,
)

cql_timestamp_formats = (
    "%Y-%m-%d %H:%M",
    "%Y-%m-%d %H:%M:%S",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%dT%H:%M:%S",
    "%Y-%m-%d",
)
_OFFSET = re.compile(r"(.*)([-+])(\d\d)(\d\d)$")


class BytesType(_CassandraType):
    """``blob``: :class:`bytes`; anything bytes-like is taken."""

    __module__ = MODULE

    typename = "blob"
    empty_binary_ok = True

    @staticmethod
    def serialize(val: Any, protocol_version: int) -> bytes:
        if isinstance(val, int):
            raise TypeError("a bytes-like object is required, not 'int'")
        return bytes(val)


class DecimalType(_CassandraType):
    """``decimal``: :class:`decimal.Decimal`; numbers and text of numbers are taken."""

    __module__ = MODULE

    typename = "decimal"

    @staticmethod
    def deserialize(byts: bytes, protocol_version: int) -> Decimal:
        scale = int32_unpack(byts[:4])
        sign, digits, _ = Decimal(varint_unpack(byts[4:])).as_tuple()
        return Decimal((sign, digits, -scale))

    @staticmethod
    def serialize(dec: Any, protocol_version: int) -> bytes:
        if not isinstance(dec, Decimal):
            try:
                dec = Decimal(dec)
            except (TypeError, ValueError, ArithmeticError):
                raise TypeError(f"invalid type for a decimal value: {dec!r}") from None
        sign, digits, exponent = dec.as_tuple()
        if not isinstance(exponent, int):
            raise ValueError(f"a decimal is a finite number, not {dec}")
        return int32_pack(-exponent) + varint_pack(int(Decimal((sign, digits, 0))))


class UUIDType(_CassandraType):
    """``uuid``: :class:`uuid.UUID`."""

    __module__ = MODULE

    typename = "uuid"

    @staticmethod
    def deserialize(byts: bytes, protocol_version: int) -> UUID:
        return UUID(bytes=bytes(byts))

    @staticmethod
    def serialize(uuid: Any, protocol_version: int) -> bytes:
        try:
            bytes_of_uuid: bytes = uuid.bytes
        except AttributeError:
            raise TypeError("Got a non-UUID object for a UUID value") from None
        return bytes_of_uuid

    @classmethod
    def serial_size(cls) -> int:
        return 16


class BooleanType(_CassandraType):
    """``boolean``: :class:`bool`."""

    __module__ = MODULE

    typename = "boolean"

    @staticmethod
    def deserialize(byts: bytes, protocol_version: int) -> bool:
        return bool(int8_unpack(byts))

    @staticmethod
    def serialize(truth: Any, protocol_version: int) -> bytes:
        return int8_pack(truth)

    @classmethod
    def serial_size(cls) -> int:
        return 1


class ByteType(_CassandraType):
    """``tinyint``: :class:`int` of 8 bits."""

    __module__ = MODULE

    typename = "tinyint"

    @staticmethod
    def deserialize(byts: bytes, protocol_version: int) -> Any:
        return int8_unpack(byts)

    @staticmethod
    def serialize(byts: Any, protocol_version: int) -> bytes:
        return int8_pack(byts)


class AsciiType(_CassandraType):
    """``ascii``: :class:`str` of ASCII characters."""

    __module__ = MODULE

    typename = "ascii"
    empty_binary_ok = True

    @staticmethod
    def deserialize(byts: bytes, protocol_version: int) -> str:
        return str(byts, "ascii")

    @staticmethod
    def serialize(var: Any, protocol_version: int) -> Any:
        return var.encode("ascii")


class FloatType(_CassandraType):
    """``float``: :class:`float`, rounded to 32 bits."""

    __module__ = MODULE

    typename = "float"

    @staticmethod
    def deserialize(byts: bytes, protocol_version: int) -> Any:
        return float_unpack(byts)

    @staticmethod
    def serialize(byts: Any, protocol_version: int) -> bytes:
        return float_pack(byts)

    @classmethod
    def serial_size(cls) -> int:
        return 4


class DoubleType(_CassandraType):
    """``double``: :class:`float`."""

    __module__ = MODULE

    typename = "double"

    @staticmethod
    def deserialize(byts: bytes, protocol_version: int) -> Any:
        return double_unpack(byts)

    @staticmethod
    def serialize(byts: Any, protocol_version: int) -> bytes:
        return double_pack(byts)

    @classmethod
    def serial_size(cls) -> int:
        return 8


class LongType(_CassandraType):
    """``bigint``: :class:`int` of 64 bits."""

    __module__ = MODULE

    typename = "bigint"

    @staticmethod
    def deserialize(byts: bytes, protocol_version: int) -> Any:
        return int64_unpack(byts)

    @staticmethod
    def serialize(byts: Any, protocol_version: int) -> bytes:
        return int64_pack(byts)

    @classmethod
    def serial_size(cls) -> int:
        return 8


class Int32Type(_CassandraType):
    """``int``: :class:`int` of 32 bits."""

    __module__ = MODULE

    typename = "int"

    @staticmethod
    def deserialize(byts: bytes, protocol_version: int) -> Any:
        return int32_unpack(byts)

    @staticmethod
    def serialize(byts: Any, protocol_version: int) -> bytes:
        return int32_pack(byts)

    @classmethod
    def serial_size(cls) -> int:
        return 4


class IntegerType(_CassandraType):
    """``varint``: :class:`int` of any size."""

    __module__ = MODULE

    typename = "varint"

    @staticmethod
    def deserialize(byts: bytes, protocol_version: int) -> int:
        return varint_unpack(byts)

    @staticmethod
    def serialize(byts: Any, protocol_version: int) -> bytes:
        return varint_pack(operator.index(byts))


class InetAddressType(_CassandraType):
    """``inet``: :class:`str`; the objects of :mod:`ipaddress` are taken too."""

    __module__ = MODULE

    typename = "inet"

    @staticmethod
    def deserialize(byts: bytes, protocol_version: int) -> str:
        family = socket.AF_INET6 if len(byts) == 16 else socket.AF_INET
        try:
            return util.inet_ntop(family, byts)
        except ValueError as error:
            raise OSError(str(error)) from None

    @staticmethod
    def serialize(addr: Any, protocol_version: int) -> bytes:
        if isinstance(addr, (ipaddress.IPv4Address, ipaddress.IPv6Address)):
            return addr.packed
        try:
            if ":" in addr:
                return util.inet_pton(socket.AF_INET6, addr)
            return socket.inet_aton(addr)
        except (OSError, TypeError, UnicodeError):
            raise ValueError(f"can't interpret {addr!r} as an inet address") from None


class CounterColumnType(LongType):
    """``counter``: :class:`int` of 64 bits."""

    __module__ = MODULE

    typename = "counter"


def _milliseconds(moment: datetime.datetime) -> int:
    """Give the milliseconds since the epoch; what is below a millisecond is cut off, towards the epoch."""
    microseconds = calendar.timegm(moment.utctimetuple()) * 1_000_000 + moment.microsecond
    return microseconds // 1000 if microseconds >= 0 else -(-microseconds // 1000)


class DateType(_CassandraType):
    """``timestamp``: naive :class:`datetime.datetime` in UTC, to the millisecond.

    Taken are datetimes (aware ones are converted, naive ones are UTC), dates and numbers of milliseconds.
    """

    __module__ = MODULE

    typename = "timestamp"

    @staticmethod
    def interpret_datestring(val: str) -> float:
        """Give the milliseconds since the epoch of text in a format of :data:`cql_timestamp_formats`, offset or not.

        :raises ValueError: *val* is no such text.
        """
        text = val
        offset = 0
        match = _OFFSET.match(val)
        if match is not None and len(match.group(1)) > 10:
            text, sign, hours, minutes = match.groups()
            offset = (int(hours) * 3600 + int(minutes) * 60) * (-1 if sign == "-" else 1)
        for time_format in cql_timestamp_formats:
            try:
                moment = datetime.datetime.strptime(text, time_format)
            except ValueError:
                continue
            return (calendar.timegm(moment.timetuple()) - offset) * 1e3
        raise ValueError(f"can't interpret {val!r} as a date")

    @staticmethod
    def deserialize(byts: bytes, protocol_version: int) -> datetime.datetime:
        return util.utc_datetime_from_ms_timestamp(int64_unpack(byts))

    @staticmethod
    def serialize(v: Any, protocol_version: int) -> bytes:
        if isinstance(v, datetime.datetime):
            timestamp: float = _milliseconds(v)
        elif isinstance(v, datetime.date):
            timestamp = calendar.timegm(v.timetuple()) * 1000
        elif isinstance(v, (int, float)) and not isinstance(v, bool):
            timestamp = v
        else:
            raise TypeError("DateType arguments must be a datetime, date, or timestamp")
        return int64_pack(int(timestamp))

    @classmethod
    def serial_size(cls) -> int:
        return 8


class TimestampType(DateType):
    """``timestamp``, under the name that the server has used since 2.0."""

    __module__ = MODULE


class TimeUUIDType(DateType):
    """``timeuuid``: :class:`uuid.UUID` of version 1."""

    __module__ = MODULE

    typename = "timeuuid"

    def my_timestamp(self) -> float:
        """Give the seconds since the epoch that a version 1 UUID holds."""
        return util.unix_time_from_uuid1(self)  # type: ignore[arg-type]  # called on the class, with a UUID

    @staticmethod
    def deserialize(byts: bytes, protocol_version: int) -> UUID:  # type: ignore[override]
        return UUID(bytes=bytes(byts))

    @staticmethod
    def serialize(timeuuid: Any, protocol_version: int) -> bytes:
        return UUIDType.serialize(timeuuid, protocol_version)

    @classmethod
    def serial_size(cls) -> int:
        return 16


class SimpleDateType(_CassandraType):
    """``date``: :class:`cassandra.util.Date`.

    Taken are also :class:`datetime.date` and its text; an ``int`` is the number on the wire: days since the epoch
    plus 2**31.
    """

    __module__ = MODULE

    typename = "date"
    date_format: ClassVar[str] = "%Y-%m-%d"

    EPOCH_OFFSET_DAYS: ClassVar[int] = 2**31

    @staticmethod
    def deserialize(byts: bytes, protocol_version: int) -> util.Date:
        return util.Date(uint32_unpack(byts) - SimpleDateType.EPOCH_OFFSET_DAYS)

    @staticmethod
    def serialize(val: Any, protocol_version: int) -> bytes:
        if isinstance(val, util.Date):
            days = val.days_from_epoch
        elif isinstance(val, int):
            return uint32_pack(val)
        else:
            days = util.Date(val).days_from_epoch
        return uint32_pack(days + SimpleDateType.EPOCH_OFFSET_DAYS)


class ShortType(_CassandraType):
    """``smallint``: :class:`int` of 16 bits."""

    __module__ = MODULE

    typename = "smallint"

    @staticmethod
    def deserialize(byts: bytes, protocol_version: int) -> Any:
        return int16_unpack(byts)

    @staticmethod
    def serialize(byts: Any, protocol_version: int) -> bytes:
        return int16_pack(byts)


class TimeType(_CassandraType):
    """``time``: :class:`cassandra.util.Time`; what it is made from is taken too."""

    __module__ = MODULE

    typename = "time"

    @staticmethod
    def deserialize(byts: bytes, protocol_version: int) -> util.Time:
        return util.Time(int64_unpack(byts))

    @staticmethod
    def serialize(val: Any, protocol_version: int) -> bytes:
        time = val if isinstance(val, util.Time) else util.Time(val)
        return int64_pack(time.nanosecond_time)


class DurationType(_CassandraType):
    """``duration``: :class:`cassandra.util.Duration`."""

    __module__ = MODULE

    typename = "duration"

    @staticmethod
    def deserialize(byts: bytes, protocol_version: int) -> util.Duration:
        months, days, nanoseconds = vints_unpack(byts)
        return util.Duration(months, days, nanoseconds)

    @staticmethod
    def serialize(duration: Any, protocol_version: int) -> bytes:
        try:
            parts = duration.months, duration.days, duration.nanoseconds
        except AttributeError:
            raise TypeError("DurationType arguments must be a Duration.") from None
        return vints_pack(parts)


class UTF8Type(_CassandraType):
    """``text``: :class:`str`."""

    __module__ = MODULE

    typename = "text"
    empty_binary_ok = True

    @staticmethod
    def deserialize(byts: bytes, protocol_version: int) -> str:
        return str(byts, "utf-8")

    @staticmethod
    def serialize(ustr: Any, protocol_version: int) -> Any:
        return ustr.encode("utf-8")


class VarcharType(UTF8Type):
    """``varchar``, the old name of ``text``."""

    __module__ = MODULE

    typename = "varchar"
