"""``date``, ``time`` and ``duration``: the CQL types whose range or resolution the ``datetime`` module cannot hold."""

from __future__ import annotations

import datetime
import functools
import re
from typing import ClassVar

_DATE_EPOCH = datetime.date(1970, 1, 1)
_TIME_TEXT = re.compile(r"(\d{1,2}):(\d{1,2}):(\d{1,2})(?:\.(\d*))?$")


@functools.total_ordering
class Time:
    """A time of day in nanoseconds, idealized: no leap seconds, no time zone.

    Made from an ``int`` of nanoseconds since midnight, a :class:`datetime.time` or text like ``13:30:54.234567890``.
    """

    __module__ = "cassandra.util"

    MICRO: ClassVar[int] = 1000
    MILLI: ClassVar[int] = 1000 * MICRO
    SECOND: ClassVar[int] = 1000 * MILLI
    MINUTE: ClassVar[int] = 60 * SECOND
    HOUR: ClassVar[int] = 60 * MINUTE
    DAY: ClassVar[int] = 24 * HOUR

    nanosecond_time: int = 0
    """Nanoseconds since midnight."""

    def __init__(self, value: int | str | datetime.time) -> None:
        """:raises ValueError: a number of a day or more, or text that is no time. :raises TypeError: another type."""
        if isinstance(value, int):
            self._from_nanoseconds(value)
        elif isinstance(value, datetime.time):
            self._from_time(value)
        elif isinstance(value, str):
            self._from_text(value)
        else:
            raise TypeError("Time arguments must be a whole number, datetime.time, or string")

    @property
    def hour(self) -> int:
        """The hour, 0 to 23."""
        return self.nanosecond_time // Time.HOUR

    @property
    def minute(self) -> int:
        """The minute, 0 to 59."""
        return self.nanosecond_time // Time.MINUTE % 60

    @property
    def second(self) -> int:
        """The second, 0 to 59."""
        return self.nanosecond_time // Time.SECOND % 60

    @property
    def nanosecond(self) -> int:
        """The nanosecond within the second."""
        return self.nanosecond_time % Time.SECOND

    def time(self) -> datetime.time:
        """Give this as :class:`datetime.time`, which drops what is below a microsecond."""
        return datetime.time(self.hour, self.minute, self.second, self.nanosecond // Time.MICRO)

    def _from_nanoseconds(self, value: int) -> None:
        if value >= Time.DAY:
            raise ValueError(f"value must be less than number of nanoseconds in a day ({Time.DAY})")
        self.nanosecond_time = value

    def _from_time(self, value: datetime.time) -> None:
        seconds = (value.hour * 60 + value.minute) * 60 + value.second
        self.nanosecond_time = seconds * Time.SECOND + value.microsecond * Time.MICRO

    def _from_text(self, value: str) -> None:
        match = _TIME_TEXT.match(value)
        hours, minutes, seconds = (int(part) for part in match.groups()[:3]) if match else (24, 0, 0)
        if match is None or hours > 23 or minutes > 59 or seconds > 61:
            raise ValueError(f"can't interpret {value!r} as a time")
        fraction = match.group(4) or ""
        whole = (hours * 60 + minutes) * 60 + seconds
        self.nanosecond_time = whole * Time.SECOND + int(fraction.ljust(9, "0"))

    def __hash__(self) -> int:
        return self.nanosecond_time

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Time):
            return self.nanosecond_time == other.nanosecond_time
        if isinstance(other, int):
            return self.nanosecond_time == other
        return self.nanosecond_time % Time.MICRO == 0 and isinstance(other, datetime.time) and self.time() == other

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Time):
            return NotImplemented
        return self.nanosecond_time < other.nanosecond_time

    def __repr__(self) -> str:
        return f"Time({self.nanosecond_time})"

    def __str__(self) -> str:
        return f"{self.hour:02d}:{self.minute:02d}:{self.second:02d}.{self.nanosecond:09d}"


@functools.total_ordering
class Date:
    """A day, idealized: no time, no time zone; its range is wider than that of :class:`datetime.date`.

    Made from an ``int`` of days since 1970-01-01, a :class:`datetime.date` or text like ``2014-06-18``.
    """

    __module__ = "cassandra.util"

    MINUTE: ClassVar[int] = 60
    HOUR: ClassVar[int] = 60 * MINUTE
    DAY: ClassVar[int] = 24 * HOUR
    date_format: ClassVar[str] = "%Y-%m-%d"

    days_from_epoch: int = 0
    """Days since 1970-01-01, negative before."""

    def __init__(self, value: int | str | datetime.date) -> None:
        """:raises ValueError: text that is no day. :raises TypeError: another type."""
        if isinstance(value, int):
            self.days_from_epoch = value
        elif isinstance(value, datetime.date):
            self.days_from_epoch = value.toordinal() - _DATE_EPOCH.toordinal()
        elif isinstance(value, str):
            day = datetime.datetime.strptime(value, self.date_format)
            self.days_from_epoch = day.toordinal() - _DATE_EPOCH.toordinal()
        else:
            raise TypeError("Date arguments must be a whole number, datetime.date, or string")

    @property
    def seconds(self) -> int:
        """Seconds from the epoch to the start of this day."""
        return self.days_from_epoch * Date.DAY

    def date(self) -> datetime.date:
        """Give this as :class:`datetime.date`.

        :raises ValueError: the day is outside the years 1 to 9999.
        """
        try:
            return datetime.date.fromordinal(self.days_from_epoch + _DATE_EPOCH.toordinal())
        except (ValueError, OverflowError):
            raise ValueError(f"{self!r} exceeds ranges for built-in datetime.date") from None

    def __hash__(self) -> int:
        return self.days_from_epoch

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Date):
            return self.days_from_epoch == other.days_from_epoch
        if isinstance(other, int):
            return self.days_from_epoch == other
        try:
            return self.date() == other
        except ValueError:
            return False

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Date):
            return NotImplemented
        return self.days_from_epoch < other.days_from_epoch

    def __repr__(self) -> str:
        return f"Date({self.days_from_epoch})"

    def __str__(self) -> str:
        try:
            return self.date().isoformat()
        except ValueError:
            return str(self.days_from_epoch)


class Duration:
    """A span of months, days and nanoseconds, which are not converted into each other; all of one sign."""

    __module__ = "cassandra.util"
    __hash__ = None  # type: ignore[assignment]  # mutable

    months: int = 0
    """Whole months."""
    days: int = 0
    """Whole days."""
    nanoseconds: int = 0
    """The rest, in nanoseconds."""

    def __init__(self, months: int = 0, days: int = 0, nanoseconds: int = 0) -> None:
        self.months = months
        self.days = days
        self.nanoseconds = nanoseconds

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self._parts() == other._parts()

    def _parts(self) -> tuple[int, int, int]:
        return self.months, self.days, self.nanoseconds

    def __repr__(self) -> str:
        return f"Duration({self.months}, {self.days}, {self.nanoseconds})"

    def __str__(self) -> str:
        sign = "-" if any(part < 0 for part in self._parts()) else ""
        return f"{sign}{abs(self.months)}mo{abs(self.days)}d{abs(self.nanoseconds)}ns"
