"""Conversions between timestamps, datetimes and time-based UUIDs (version 1, RFC 4122 §4.2).

Units are in the names: plain *timestamp* is seconds since the Unix epoch, *ms* is milliseconds.
Naive datetimes are UTC.
"""

from __future__ import annotations

import calendar
import datetime
import random
import uuid

DATETIME_EPOC = datetime.datetime(1970, 1, 1)
UTC_DATETIME_EPOC = datetime.datetime(1970, 1, 1)

_UUID_EPOCH_OFFSET = 0x01B21DD213814000
"""100 ns intervals between the epoch of version 1 UUIDs (1582-10-15) and the Unix epoch."""

LOWEST_TIME_UUID = uuid.UUID("00000000-0000-1000-8080-808080808080")
"""The version 1 UUID that Cassandra orders before all others."""
HIGHEST_TIME_UUID = uuid.UUID("ffffffff-ffff-1fff-bf7f-7f7f7f7f7f7f")
"""The version 1 UUID that Cassandra orders after all others."""


def datetime_from_timestamp(timestamp: float) -> datetime.datetime:
    """Give the naive UTC datetime of *timestamp* seconds; times before the epoch work too."""
    return DATETIME_EPOC + datetime.timedelta(seconds=timestamp)


def utc_datetime_from_ms_timestamp(timestamp: float) -> datetime.datetime:
    """Give the naive UTC datetime of *timestamp* milliseconds."""
    return DATETIME_EPOC + datetime.timedelta(milliseconds=timestamp)


def ms_timestamp_from_datetime(dt: datetime.datetime) -> int:
    """Give the milliseconds since the epoch of the naive UTC datetime *dt*, rounded to the nearest."""
    return round((dt - DATETIME_EPOC).total_seconds() * 1e3)


def unix_time_from_uuid1(uuid_arg: uuid.UUID) -> float:
    """Give the seconds since the epoch that version 1 UUID *uuid_arg* holds."""
    return (uuid_arg.time - _UUID_EPOCH_OFFSET) / 1e7


def datetime_from_uuid1(uuid_arg: uuid.UUID) -> datetime.datetime:
    """Give the naive UTC datetime that version 1 UUID *uuid_arg* holds."""
    return datetime_from_timestamp(unix_time_from_uuid1(uuid_arg))


def min_uuid_from_time(timestamp: float | datetime.datetime) -> uuid.UUID:
    """Give the lowest UUID, in Cassandra's order, that has the time *timestamp*."""
    return uuid_from_time(timestamp, 0x808080808080, 0x80)


def max_uuid_from_time(timestamp: float | datetime.datetime) -> uuid.UUID:
    """Give the highest UUID, in Cassandra's order, that has the time *timestamp*."""
    return uuid_from_time(timestamp, 0x7F7F7F7F7F7F, 0x3F7F)


def uuid_from_time(
    time_arg: float | datetime.datetime, node: int | None = None, clock_seq: int | None = None
) -> uuid.UUID:
    """Make a version 1 UUID for a given time.

    :param time_arg: a datetime, naive ones in UTC, or seconds since the epoch.
    :param node: 48 bits; random when left out.
    :param clock_seq: 14 bits; random when left out.
    :raises ValueError: *node* or *clock_seq* has more bits than it may.
    """
    if isinstance(time_arg, datetime.datetime):
        microseconds = calendar.timegm(time_arg.utctimetuple()) * 1_000_000 + time_arg.microsecond
    else:
        microseconds = int(time_arg * 1e6)
    intervals = microseconds * 10 + _UUID_EPOCH_OFFSET

    if clock_seq is None:
        clock_seq = random.getrandbits(14)
    elif clock_seq > 0x3FFF:
        raise ValueError("clock_seq is out of range (need a 14-bit value)")
    if node is None:
        node = random.getrandbits(48)

    time_low = intervals & 0xFFFFFFFF
    time_mid = (intervals >> 32) & 0xFFFF
    time_high = (intervals >> 48) & 0x0FFF
    variant_and_high = 0x80 | (clock_seq >> 8) & 0x3F
    return uuid.UUID(fields=(time_low, time_mid, time_high, variant_and_high, clock_seq & 0xFF, node), version=1)
