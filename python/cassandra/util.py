"""Values and helpers for CQL types that Python has no type for, and conversions of time.

The implementation is in ``cassandra._values``, one idea to a module; this is the public address of all of it.
"""

from __future__ import annotations

import logging
import sys
from socket import inet_ntop as inet_ntop
from socket import inet_pton as inet_pton
from typing import Any
from weakref import WeakSet as _WeakSet

from cassandra import DriverException as DriverException
from cassandra._values.collections import OrderedMap as OrderedMap
from cassandra._values.collections import OrderedMapSerializedKey as OrderedMapSerializedKey
from cassandra._values.collections import SortedSet as SortedSet
from cassandra._values.collections import sortedset as sortedset
from cassandra._values.daterange import OPEN_BOUND as OPEN_BOUND
from cassandra._values.daterange import DateRange as DateRange
from cassandra._values.daterange import DateRangeBound as DateRangeBound
from cassandra._values.daterange import DateRangePrecision as DateRangePrecision
from cassandra._values.geometry import Distance as Distance
from cassandra._values.geometry import LineString as LineString
from cassandra._values.geometry import Point as Point
from cassandra._values.geometry import Polygon as Polygon
from cassandra._values.geometry import _LinearRing as _LinearRing
from cassandra._values.temporal import Date as Date
from cassandra._values.temporal import Duration as Duration
from cassandra._values.temporal import Time as Time
from cassandra._values.timestamps import DATETIME_EPOC as DATETIME_EPOC
from cassandra._values.timestamps import HIGHEST_TIME_UUID as HIGHEST_TIME_UUID
from cassandra._values.timestamps import LOWEST_TIME_UUID as LOWEST_TIME_UUID
from cassandra._values.timestamps import UTC_DATETIME_EPOC as UTC_DATETIME_EPOC
from cassandra._values.timestamps import datetime_from_timestamp as datetime_from_timestamp
from cassandra._values.timestamps import datetime_from_uuid1 as datetime_from_uuid1
from cassandra._values.timestamps import max_uuid_from_time as max_uuid_from_time
from cassandra._values.timestamps import min_uuid_from_time as min_uuid_from_time
from cassandra._values.timestamps import ms_timestamp_from_datetime as ms_timestamp_from_datetime
from cassandra._values.timestamps import unix_time_from_uuid1 as unix_time_from_uuid1
from cassandra._values.timestamps import utc_datetime_from_ms_timestamp as utc_datetime_from_ms_timestamp
from cassandra._values.timestamps import uuid_from_time as uuid_from_time
from cassandra._values.version import VERSION_REGEX as VERSION_REGEX
from cassandra._values.version import Version as Version

log = logging.getLogger(__name__)

is_little_endian = sys.byteorder == "little"

for _function in (
    datetime_from_timestamp,
    datetime_from_uuid1,
    max_uuid_from_time,
    min_uuid_from_time,
    ms_timestamp_from_datetime,
    unix_time_from_uuid1,
    utc_datetime_from_ms_timestamp,
    uuid_from_time,
):
    _function.__module__ = __name__
del _function


class WeakSet(_WeakSet[Any]):
    """A set that does not keep its elements alive, safe to iterate while they die."""

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (list(self),)


def list_contents_to_tuple(to_convert: Any) -> Any:
    """Give a list or tuple as a tuple in which the lists directly inside are tuples too; anything else unchanged."""
    if isinstance(to_convert, list):
        return tuple(tuple(item) if isinstance(item, list) else item for item in to_convert)
    return to_convert
