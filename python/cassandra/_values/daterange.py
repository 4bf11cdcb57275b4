"""DSE's ``DateRangeType``: a date, or a range of dates, each with the precision at which it was written.

Invariant: lower bounds and single dates are rounded down to their precision, upper bounds up, when a range is made.
"""

from __future__ import annotations

import calendar
import datetime
import functools
from collections.abc import Mapping, Sequence
from typing import Any

from cassandra._values.timestamps import ms_timestamp_from_datetime, utc_datetime_from_ms_timestamp


class DateRangePrecision:
    """How exactly a bound was written."""

    __module__ = "cassandra.util"

    YEAR = "YEAR"
    MONTH = "MONTH"
    DAY = "DAY"
    HOUR = "HOUR"
    MINUTE = "MINUTE"
    SECOND = "SECOND"
    MILLISECOND = "MILLISECOND"
    PRECISIONS = (YEAR, MONTH, DAY, HOUR, MINUTE, SECOND, MILLISECOND)

    @classmethod
    def round_up_to_precision(cls, ms: int, precision: str) -> int:
        """Give the last millisecond of the year, month, ... that holds *ms*; outside the years 1 to 9999, *ms*."""
        try:
            start = _floor(ms, precision)
            if precision == cls.YEAR:
                length = datetime.timedelta(days=366 if calendar.isleap(start.year) else 365)
            elif precision == cls.MONTH:
                length = datetime.timedelta(days=calendar.monthrange(start.year, start.month)[1])
            else:
                length = _LENGTHS[precision]
        except OverflowError:
            return ms
        return ms_timestamp_from_datetime(start) + length // datetime.timedelta(milliseconds=1) - 1

    @classmethod
    def round_down_to_precision(cls, ms: int, precision: str) -> int:
        """Give the first millisecond of the year, month, ... that holds *ms*; outside the years 1 to 9999, *ms*."""
        try:
            return ms_timestamp_from_datetime(_floor(ms, precision))
        except OverflowError:
            return ms


_LENGTHS = {
    DateRangePrecision.DAY: datetime.timedelta(days=1),
    DateRangePrecision.HOUR: datetime.timedelta(hours=1),
    DateRangePrecision.MINUTE: datetime.timedelta(minutes=1),
    DateRangePrecision.SECOND: datetime.timedelta(seconds=1),
    DateRangePrecision.MILLISECOND: datetime.timedelta(milliseconds=1),
}

_RESETS: tuple[dict[str, Any], ...] = (
    {"month": 1},
    {"day": 1},
    {"hour": 0},
    {"minute": 0},
    {"second": 0},
    {"microsecond": 0},
)
"""What rounding down to the precision of the same index resets, together with all that follow."""


def _floor(ms: int, precision: str) -> datetime.datetime:
    index = DateRangePrecision.PRECISIONS.index(precision)
    changes: dict[str, Any] = {}
    for reset in _RESETS[index:]:
        changes.update(reset)
    return utc_datetime_from_ms_timestamp(ms).replace(**changes)


@functools.total_ordering
class DateRangeBound:
    """One end of a :class:`DateRange`: milliseconds since the epoch and a :class:`DateRangePrecision`.

    Both are ``None`` in :data:`OPEN_BOUND`, the end that is not there.
    """

    __module__ = "cassandra.util"
    __hash__ = None  # type: ignore[assignment]  # mutable

    milliseconds: int | None = None
    """Milliseconds since the epoch, as given, not rounded."""
    precision: str | None = None
    """A name of :class:`DateRangePrecision`."""

    def __init__(self, value: int | datetime.datetime | None, precision: str | None) -> None:
        """
        :param value: milliseconds since the epoch, or a naive UTC datetime.
        :param precision: a name of :class:`DateRangePrecision`, in any case.
        :raises ValueError: *value* is neither, or the precision is unknown.
        """
        if precision is not None:
            precision = precision.upper()
        if value is None:
            milliseconds = None
        elif isinstance(value, int):
            milliseconds = value
        elif isinstance(value, datetime.datetime):
            milliseconds = ms_timestamp_from_datetime(value)
        else:
            raise ValueError(f"{value!r} is not a valid value for DateRangeBound")
        self.milliseconds = milliseconds
        self.precision = precision
        self.validate()

    def validate(self) -> None:
        """Check that both or none of value and precision are set, and that the precision is known.

        :raises TypeError: only one is set. :raises ValueError: unknown precision.
        """
        if (self.milliseconds is None) != (self.precision is None):
            raise TypeError(
                "DateRangeBound.datetime and DateRangeBound.precision must not be None "
                f"unless both are None; Got: {self!r}"
            )
        if self.precision is not None and self.precision not in DateRangePrecision.PRECISIONS:
            raise ValueError(
                f"DateRangeBound.precision: expected value in {DateRangePrecision.PRECISIONS!r}; got {self.precision!r}"
            )

    @classmethod
    def from_value(cls, value: Any) -> DateRangeBound:
        """Make a bound from a bound, a (value, precision) pair or a mapping with ``milliseconds`` and ``precision``."""
        if isinstance(value, cls):
            return value
        if isinstance(value, Mapping):
            return cls(value["milliseconds"], value["precision"])
        moment, precision = value
        return cls(moment, precision)

    def datetime(self) -> datetime.datetime:
        """Give the bound as a naive UTC datetime.

        :raises OverflowError: it is outside the years 1 to 9999.
        """
        if self.milliseconds is None:
            raise TypeError("an open bound has no datetime")
        return utc_datetime_from_ms_timestamp(self.milliseconds)

    def round_up(self) -> DateRangeBound:
        """Give this bound moved to the last millisecond that its precision covers."""
        if self.milliseconds is None or self.precision is None:
            return self
        rounded = DateRangePrecision.round_up_to_precision(self.milliseconds, self.precision)
        return type(self)(rounded, self.precision)

    def round_down(self) -> DateRangeBound:
        """Give this bound moved to the first millisecond that its precision covers."""
        if self.milliseconds is None or self.precision is None:
            return self
        rounded = DateRangePrecision.round_down_to_precision(self.milliseconds, self.precision)
        return type(self)(rounded, self.precision)

    def _key(self) -> tuple[bool, int, str]:
        return self.milliseconds is None, self.milliseconds or 0, self.precision or ""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DateRangeBound):
            return NotImplemented
        return (self.milliseconds, self.precision) == (other.milliseconds, other.precision)

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, DateRangeBound):
            return NotImplemented
        return self._key() < other._key()

    def __repr__(self) -> str:
        return f"{type(self).__name__}(milliseconds={self.milliseconds!r}, precision={self.precision!r})"

    def __str__(self) -> str:
        if self.milliseconds is None:
            return "*"
        try:
            moment = self.datetime()
        except OverflowError:
            return f"{self.milliseconds}ms"
        return _FORMATS[self.precision or DateRangePrecision.MILLISECOND].format(
            moment, milliseconds=moment.microsecond // 1000
        )


_FORMATS = {
    DateRangePrecision.YEAR: "{0.year:04d}",
    DateRangePrecision.MONTH: "{0.year:04d}-{0.month:02d}",
    DateRangePrecision.DAY: "{0.year:04d}-{0.month:02d}-{0.day:02d}",
    DateRangePrecision.HOUR: "{0.year:04d}-{0.month:02d}-{0.day:02d}T{0.hour:02d}Z",
    DateRangePrecision.MINUTE: "{0.year:04d}-{0.month:02d}-{0.day:02d}T{0.hour:02d}:{0.minute:02d}Z",
    DateRangePrecision.SECOND: "{0.year:04d}-{0.month:02d}-{0.day:02d}T{0.hour:02d}:{0.minute:02d}:{0.second:02d}Z",
    DateRangePrecision.MILLISECOND: (
        "{0.year:04d}-{0.month:02d}-{0.day:02d}T{0.hour:02d}:{0.minute:02d}:{0.second:02d}.{milliseconds:03d}Z"
    ),
}

OPEN_BOUND = DateRangeBound(None, None)
"""The bound of a range that is open at that end; ``*`` in text."""


def _rounded_down(bound: Any) -> DateRangeBound:
    return DateRangeBound.from_value(bound).round_down()


@functools.total_ordering
class DateRange:
    """A date (*value*) or a range of dates (*lower_bound*, *upper_bound*).

    Bounds are :class:`DateRangeBound` or what :meth:`DateRangeBound.from_value` takes. A bound left out is open.
    """

    __module__ = "cassandra.util"
    __hash__ = None  # type: ignore[assignment]  # mutable

    lower_bound: DateRangeBound | None = None
    """Where the range starts, rounded down; ``None`` for a single date."""
    upper_bound: DateRangeBound | None = None
    """Where the range ends, rounded up; ``None`` for a single date."""
    value: DateRangeBound | None = None
    """The single date, rounded down; ``None`` for a range."""

    def __init__(self, lower_bound: Any = None, upper_bound: Any = None, value: Any = None) -> None:
        """:raises ValueError: neither a date nor a bound was given, or both."""
        self.lower_bound = _rounded_down(lower_bound) if lower_bound is not None else None
        self.upper_bound = DateRangeBound.from_value(upper_bound).round_up() if upper_bound is not None else None
        self.value = _rounded_down(value) if value is not None else None
        self.validate()
        if self.value is None:
            self.lower_bound = self.lower_bound or OPEN_BOUND
            self.upper_bound = self.upper_bound or OPEN_BOUND

    def validate(self) -> None:
        """Check that there is either a date or a range.

        :raises ValueError: there is neither, or both.
        """
        has_bound = self.lower_bound is not None or self.upper_bound is not None
        if self.value is None and not has_bound:
            raise ValueError(
                f"DateRange instances where value attribute is None must set lower_bound or upper_bound; got {self!r}"
            )
        if self.value is not None and has_bound:
            raise ValueError(
                "DateRange instances where value attribute is not None must not set lower_bound or upper_bound; "
                f"got {self!r}"
            )

    def _bounds(self) -> Sequence[DateRangeBound | None]:
        return self.lower_bound, self.upper_bound, self.value

    def _key(self) -> tuple[tuple[bool, int, str], ...]:
        return tuple((bound or OPEN_BOUND)._key() for bound in self._bounds())

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, DateRange):
            return NotImplemented
        return self._bounds() == other._bounds()

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, DateRange):
            return NotImplemented
        return self._key() < other._key()

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(lower_bound={self.lower_bound!r}, "
            f"upper_bound={self.upper_bound!r}, value={self.value!r})"
        )

    def __str__(self) -> str:
        if self.value is not None:
            return str(self.value)
        return f"[{self.lower_bound} TO {self.upper_bound}]"
