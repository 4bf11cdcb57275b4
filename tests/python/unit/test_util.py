"""Dates, times, sorted sets, ordered maps, geometry, date ranges and versions."""

from __future__ import annotations

import copy
import datetime
import pickle
from typing import Any
from uuid import UUID

import pytest

from cassandra import util
from cassandra.util import (
    Date,
    DateRange,
    DateRangeBound,
    Duration,
    LineString,
    OrderedMap,
    Point,
    Polygon,
    Time,
    Version,
)


def test_dates_reach_past_those_of_datetime() -> None:
    assert str(Date(2**31 - 1)) == "2147483647"
    assert Date("2020-01-02") == datetime.date(2020, 1, 2)
    assert Date(datetime.date(1970, 1, 2)) == Date(1) == 1
    with pytest.raises(ValueError, match="exceeds ranges"):
        Date(2**31 - 1).date()


def test_times_keep_nanoseconds() -> None:
    time = Time("01:02:03.123456789")
    assert (time.hour, time.minute, time.second, time.nanosecond) == (1, 2, 3, 123456789)
    assert str(time) == "01:02:03.123456789"
    assert time.time() == datetime.time(1, 2, 3, 123456)
    assert Time(time.nanosecond_time) == time
    with pytest.raises(ValueError, match="less than number of nanoseconds"):
        Time(Time.DAY)
    with pytest.raises(ValueError, match="can't interpret"):
        Time("25:00:00")


def test_a_duration_has_one_sign() -> None:
    assert str(Duration(-1, -2, -3)) == "-1mo2d3ns"
    assert Duration(1, 2, 3) == Duration(1, 2, 3)
    with pytest.raises(TypeError):
        hash(Duration())


def test_a_sorted_set_keeps_order_and_takes_unhashable_elements() -> None:
    assert list(util.SortedSet([3, 1, 2, 1])) == [1, 2, 3]
    assert list(util.SortedSet([{"a": 1}, {"b": 2}, {"a": 1}])) == [{"a": 1}, {"b": 2}]
    assert list(util.SortedSet([{1}, {2}, {1}])) == [{1}, {2}] or list(util.SortedSet([{1}, {2}, {1}])) == [{2}, {1}]
    assert util.SortedSet([1, 2]) == {1, 2}
    assert pickle.loads(pickle.dumps(util.SortedSet([2, 1]))) == util.SortedSet([1, 2])


@pytest.mark.parametrize(("operator", "expected"), [("&", [2]), ("|", [1, 2, 3, 9]), ("-", [1, 3]), ("^", [1, 3, 9])])
def test_a_sorted_set_has_the_operators_of_sets(operator: str, expected: list[int]) -> None:
    for other in ({2, 9}, util.SortedSet([2, 9]), [2, 9], frozenset((2, 9))):
        result = eval(f"ours {operator} other", {"ours": util.SortedSet([1, 2, 3]), "other": other})
        assert isinstance(result, util.SortedSet)
        assert list(result) == expected


def test_an_ordered_map_takes_unhashable_keys_and_keeps_their_order() -> None:
    mapping: Any = OrderedMap([({"x": 1}, "b"), ([1], "a")])
    assert list(mapping) == [{"x": 1}, [1]]
    assert mapping[[1]] == "a"
    mapping[[1]] = "c"
    del mapping[{"x": 1}]
    assert list(mapping.items()) == [([1], "c")]
    with pytest.raises(KeyError):
        mapping["none"]
    assert OrderedMap(a=1) == {"a": 1}
    assert copy.deepcopy(mapping) == mapping


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        (Point(1.5, -2.0), "POINT (1.5 -2.0)"),
        (LineString(((1.0, 2.0), (3.0, 4.0))), "LINESTRING (1.0 2.0, 3.0 4.0)"),
        (LineString(), "LINESTRING EMPTY"),
        (Polygon([(0.0, 0.0), (1.0, 0.0)], [[(0.5, 0.5)]]), "POLYGON ((0.0 0.0, 1.0 0.0), (0.5 0.5))"),
        (util.Distance(1.0, 2.0, 3.0), "DISTANCE ((1.0 2.0) 3.0)"),
    ],
)
def test_shapes_are_written_and_read_as_well_known_text(shape: Any, text: str) -> None:
    assert str(shape) == text
    assert type(shape).from_wkt(text) == shape
    assert hash(type(shape).from_wkt(text)) == hash(shape)


@pytest.mark.parametrize(
    "text", ["", "POINT", "POINT(1,2)", "point (1 2)", "POINT (1 2) x", "POINT (1", "LINESTRING (1 2)"]
)
def test_text_that_is_no_point_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="Invalid WKT"):
        Point.from_wkt(text)


def test_bounds_of_date_ranges_are_rounded_to_their_precision() -> None:
    made = DateRange(DateRangeBound(86_400_001, "DAY"), DateRangeBound(0, "MONTH"))
    assert made.lower_bound is not None
    assert made.upper_bound is not None
    assert made.lower_bound.milliseconds == 86_400_000
    assert made.upper_bound.milliseconds == 31 * 86_400_000 - 1
    assert str(made) == "[1970-01-02 TO 1970-01]"
    assert str(DateRange(lower_bound=DateRangeBound(0, "HOUR"))) == "[1970-01-01T00Z TO *]"
    with pytest.raises(ValueError, match="must set lower_bound or upper_bound"):
        DateRange()
    with pytest.raises(ValueError, match="precision"):
        DateRangeBound(0, "century")


def test_a_pre_release_comes_before_its_release() -> None:
    ordered = ["4.0-SNAPSHOT", "4.0-alpha1", "4.0-rc1", "4.0", "4.0.0.1", "4.0.1", "4.1"]
    assert sorted(ordered, key=Version) == ordered
    assert Version("4.0") == Version("4.0.0")
    with pytest.raises(ValueError, match="did not match"):
        Version("4")


def test_time_uuids_hold_their_time() -> None:
    moment = datetime.datetime(2020, 1, 2, 3, 4, 5, 678901)
    made = util.uuid_from_time(moment, node=1, clock_seq=2)
    assert made == UUID("896e5812-2d0c-11ea-8002-000000000001")
    assert util.datetime_from_uuid1(made) == moment
    assert util.min_uuid_from_time(0) == UUID("13814000-1dd2-11b2-8080-808080808080")
    with pytest.raises(ValueError, match="14-bit"):
        util.uuid_from_time(0, clock_seq=0x4000)
