"""Python values as CQL literals, for parameters that are put into the text of a simple statement.

:attr:`Encoder.mapping` goes by the exact type of a value and may be changed on each encoder; a type that is not in it
is written as its ``str``. Prepared statements do not come here: their values travel as bytes.
"""

from __future__ import annotations

import calendar
import datetime
import ipaddress
import logging
import math
import types
import uuid
from binascii import hexlify
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from cassandra.util import (
    Date,
    LineString,
    OrderedMap,
    OrderedMapSerializedKey,
    Point,
    Polygon,
    Time,
    sortedset,
)

log = logging.getLogger(__name__)


def cql_quote(term: Any) -> str:
    """Write text as a CQL string: in single quotes, each of its own doubled; anything else as its ``str``."""
    if isinstance(term, str):
        return "'{}'".format(term.replace("'", "''"))
    return str(term)


class ValueSequence(list[Any]):
    """A list that is written in parentheses instead of brackets, as in ``WHERE name IN %s``."""


class Encoder:
    """Writes Python values as CQL literals."""

    mapping: dict[type, Callable[[Any], str]] = None  # type: ignore[assignment]  # set by __init__
    """By the exact type of a value, what writes it."""

    def __init__(self) -> None:
        self.mapping = {
            float: self.cql_encode_float,
            Decimal: self.cql_encode_decimal,
            bytearray: self.cql_encode_bytes,
            str: self.cql_encode_str,
            int: self.cql_encode_object,
            uuid.UUID: self.cql_encode_object,
            datetime.datetime: self.cql_encode_datetime,
            datetime.date: self.cql_encode_date,
            datetime.time: self.cql_encode_time,
            Date: self.cql_encode_date_ext,
            Time: self.cql_encode_time,
            dict: self.cql_encode_map_collection,
            OrderedDict: self.cql_encode_map_collection,
            OrderedMap: self.cql_encode_map_collection,
            OrderedMapSerializedKey: self.cql_encode_map_collection,
            list: self.cql_encode_list_collection,
            tuple: self.cql_encode_list_collection,
            set: self.cql_encode_set_collection,
            sortedset: self.cql_encode_set_collection,
            frozenset: self.cql_encode_set_collection,
            types.GeneratorType: self.cql_encode_list_collection,
            ValueSequence: self.cql_encode_sequence,
            Point: self.cql_encode_str_quoted,
            LineString: self.cql_encode_str_quoted,
            Polygon: self.cql_encode_str_quoted,
            memoryview: self.cql_encode_bytes,
            bytes: self.cql_encode_bytes,
            type(None): self.cql_encode_none,
            ipaddress.IPv4Address: self.cql_encode_ipaddress,
            ipaddress.IPv6Address: self.cql_encode_ipaddress,
        }

    def cql_encode_none(self, val: Any) -> str:
        """Write ``NULL``."""
        return "NULL"

    def cql_encode_unicode(self, val: str) -> str:
        """Write text in quotes."""
        return cql_quote(val)

    def cql_encode_str(self, val: Any) -> str:
        """Write text in quotes."""
        return cql_quote(val)

    def cql_encode_str_quoted(self, val: Any) -> str:
        """Write the ``str`` of a value between quotes, as it is."""
        return f"'{val}'"

    def cql_encode_bytes(self, val: Any) -> str:
        """Write a blob in hexadecimal."""
        return "0x" + hexlify(val).decode()

    def cql_encode_object(self, val: Any) -> str:
        """Write the ``str`` of a value."""
        return str(val)

    def cql_encode_float(self, val: float) -> str:
        """Write a number to its last digit; infinities and NaN by CQL's names for them."""
        if math.isinf(val):
            return "Infinity" if val > 0 else "-Infinity"
        if math.isnan(val):
            return "NaN"
        return repr(val)

    def cql_encode_datetime(self, val: datetime.datetime) -> str:
        """Write the milliseconds since the epoch; a naive datetime is UTC."""
        microseconds = calendar.timegm(val.utctimetuple()) * 1_000_000 + val.microsecond
        return str(microseconds // 1000 if microseconds >= 0 else -(-microseconds // 1000))

    def cql_encode_date(self, val: datetime.date) -> str:
        """Write a date in quotes, as ``YYYY-MM-DD``."""
        return f"'{val.isoformat()}'"

    def cql_encode_time(self, val: datetime.time | Time) -> str:
        """Write a time of day in quotes."""
        return f"'{val}'"

    def cql_encode_date_ext(self, val: Date) -> str:
        """Write a date as the number of days since the epoch plus 2**31, which reaches past the year 9999."""
        return str(val.days_from_epoch + 2**31)

    def cql_encode_sequence(self, val: Iterable[Any]) -> str:
        """Write values in parentheses."""
        return f"({', '.join(self._encode_each(val))})"

    cql_encode_tuple = cql_encode_sequence

    def cql_encode_map_collection(self, val: Mapping[Any, Any]) -> str:
        """Write a map."""
        pairs = (f"{self.cql_encode_all_types(key)}: {self.cql_encode_all_types(val[key])}" for key in val)
        return f"{{{', '.join(pairs)}}}"

    def cql_encode_list_collection(self, val: Iterable[Any]) -> str:
        """Write values in brackets."""
        return f"[{', '.join(self._encode_each(val))}]"

    def cql_encode_set_collection(self, val: Iterable[Any]) -> str:
        """Write values in braces."""
        return f"{{{', '.join(self._encode_each(val))}}}"

    def cql_encode_all_types(self, val: Any, as_text_type: bool = False) -> str:
        """Write a value of any type, by :attr:`mapping`; *as_text_type* is accepted and changes nothing."""
        return self.mapping.get(type(val), self.cql_encode_object)(val)

    def cql_encode_ipaddress(self, val: Any) -> str:
        """Write an address in quotes."""
        return f"'{val.compressed}'"

    def cql_encode_decimal(self, val: Decimal) -> str:
        """Write a decimal as the nearest :class:`float`, as :meth:`cql_encode_float` does."""
        return self.cql_encode_float(float(val))

    def _encode_each(self, values: Iterable[Any]) -> Iterable[str]:
        return (self.cql_encode_all_types(value) for value in values)
