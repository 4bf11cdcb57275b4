"""DSE's geometric types, and the well-known text (OGC 06-103r4 §7) in which they are written as CQL literals."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

_NAN = float("nan")
_TOKEN = re.compile(r"\s*([(),]|[-+]?(?:NaN|nan|inf|Infinity)|[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?|[A-Z]+)")

Coordinates = tuple[Any, ...]


class Point:
    """A point in the plane."""

    __module__ = "cassandra.util"

    x: float = None  # type: ignore[assignment]  # set by __init__; the class-level default is part of the surface
    """The x coordinate."""
    y: float = None  # type: ignore[assignment]
    """The y coordinate."""

    def __init__(self, x: float = _NAN, y: float = _NAN) -> None:
        self.x = x
        self.y = y

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Point) and self.x == other.x and self.y == other.y

    def __hash__(self) -> int:
        return hash((self.x, self.y))

    def __str__(self) -> str:
        return f"POINT ({self.x} {self.y})"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.x!r}, {self.y!r})"

    @staticmethod
    def from_wkt(s: str) -> Point:
        """Read a point such as ``POINT (1 2)``.

        :raises ValueError: *s* is no text of a point.
        """
        reader = _WktReader(s, "POINT")
        if reader.is_empty():
            return Point()
        (coordinates,) = reader.points(exactly_one=True)
        reader.end()
        return Point(*coordinates[:2])


class LineString:
    """A line through points."""

    __module__ = "cassandra.util"

    coords: tuple[Coordinates, ...] = None  # type: ignore[assignment]
    """Tuple of (x, y) tuples."""

    def __init__(self, coords: Iterable[Any] = ()) -> None:
        self.coords = tuple(_as_tuple(point) for point in coords)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LineString) and self.coords == other.coords

    def __hash__(self) -> int:
        return hash(self.coords)

    def __str__(self) -> str:
        if not self.coords:
            return "LINESTRING EMPTY"
        return f"LINESTRING {_point_list(self.coords)}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.coords!r})"

    @staticmethod
    def from_wkt(s: str) -> LineString:
        """Read a line such as ``LINESTRING (1 2, 3 4)``.

        :raises ValueError: *s* is no text of a line.
        """
        reader = _WktReader(s, "LINESTRING")
        if reader.is_empty():
            return LineString()
        points = reader.points()
        reader.end()
        return LineString(points)


class _LinearRing:
    """A closed line: the exterior or a hole of a polygon."""

    __module__ = "cassandra.util"

    def __init__(self, coords: Iterable[Any] = ()) -> None:
        self.coords = tuple(_as_tuple(point) for point in coords)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _LinearRing) and self.coords == other.coords

    def __hash__(self) -> int:
        return hash(self.coords)

    def __str__(self) -> str:
        if not self.coords:
            return "LINEARRING EMPTY"
        return f"LINEARRING {_point_list(self.coords)}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.coords!r})"


class Polygon:
    """A polygon: an exterior ring and any number of holes."""

    __module__ = "cassandra.util"

    exterior: _LinearRing = None  # type: ignore[assignment]
    """The ring around it; its ``coords`` are a tuple of (x, y) tuples."""
    interiors: tuple[_LinearRing, ...] = None  # type: ignore[assignment]
    """The rings of its holes."""

    def __init__(self, exterior: Iterable[Any] = (), interiors: Iterable[Iterable[Any]] | None = None) -> None:
        self.exterior = _LinearRing(exterior)
        self.interiors = tuple(_LinearRing(ring) for ring in interiors or ())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Polygon) and self.exterior == other.exterior and self.interiors == other.interiors

    def __hash__(self) -> int:
        return hash((self.exterior, self.interiors))

    def __str__(self) -> str:
        if not self.exterior.coords:
            return "POLYGON EMPTY"
        rings = (self.exterior, *self.interiors)
        return f"POLYGON ({', '.join(_point_list(ring.coords) for ring in rings)})"

    def __repr__(self) -> str:
        interiors = [ring.coords for ring in self.interiors]
        return f"{type(self).__name__}({self.exterior.coords!r}, {interiors!r})"

    @staticmethod
    def from_wkt(s: str) -> Polygon:
        """Read a polygon such as ``POLYGON ((0 0, 1 0, 1 1, 0 0), (...))``.

        :raises ValueError: *s* is no text of a polygon.
        """
        reader = _WktReader(s, "POLYGON")
        if reader.is_empty():
            return Polygon()
        exterior, *interiors = reader.rings()
        reader.end()
        return Polygon(exterior, interiors)


class Distance:
    """A circle, used in geospatial predicates of DSE graph."""

    __module__ = "cassandra.util"

    x: float = None  # type: ignore[assignment]
    """The x coordinate of the centre."""
    y: float = None  # type: ignore[assignment]
    """The y coordinate of the centre."""
    radius: float = None  # type: ignore[assignment]
    """The radius."""

    def __init__(self, x: float = _NAN, y: float = _NAN, radius: float = _NAN) -> None:
        self.x = x
        self.y = y
        self.radius = radius

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Distance) and self.x == other.x and self.y == other.y and self.radius == other.radius

    def __hash__(self) -> int:
        return hash((self.x, self.y, self.radius))

    def __str__(self) -> str:
        return f"DISTANCE (({self.x} {self.y}) {self.radius})"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.x!r}, {self.y!r}, {self.radius!r})"

    @staticmethod
    def from_wkt(s: str) -> Distance:
        """Read a distance such as ``DISTANCE ((1 2) 3)``.

        :raises ValueError: *s* is no text of a distance.
        """
        reader = _WktReader(s, "DISTANCE")
        reader.expect("(")
        (centre,) = reader.points(exactly_one=True)
        radius = reader.number()
        reader.expect(")")
        reader.end()
        return Distance(centre[0], centre[1], radius)


def _as_tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def _point_list(points: Sequence[Coordinates]) -> str:
    return f"({', '.join(' '.join(str(number) for number in point) for point in points)})"


class _WktReader:
    """Reads well-known text token by token; every surprise is a :class:`ValueError` that quotes the whole text."""

    def __init__(self, text: str, keyword: str) -> None:
        self._text = text
        self._tokens = list(self._split())
        self._next = 0
        if text[:1].isspace():
            raise self._invalid()
        self.expect(keyword)

    def _split(self) -> Iterator[str]:
        position = 0
        text = self._text.rstrip()
        while position < len(text):
            match = _TOKEN.match(text, position)
            if match is None:
                raise self._invalid()
            position = match.end()
            yield match.group(1)

    def _invalid(self) -> ValueError:
        return ValueError(f"Invalid WKT geometry: '{self._text}'")

    def _peek(self) -> str | None:
        return self._tokens[self._next] if self._next < len(self._tokens) else None

    def _take(self) -> str:
        token = self._peek()
        if token is None:
            raise self._invalid()
        self._next += 1
        return token

    def expect(self, token: str) -> None:
        """Take *token* and nothing else."""
        if self._take() != token:
            raise self._invalid()

    def end(self) -> None:
        """Make sure that nothing is left."""
        if self._peek() is not None:
            raise self._invalid()

    def is_empty(self) -> bool:
        """Tell whether the geometry is the empty one."""
        if self._peek() != "EMPTY":
            return False
        self._take()
        self.end()
        return True

    def number(self) -> float:
        """Take one number."""
        try:
            return float(self._take())
        except ValueError:
            raise self._invalid() from None

    def points(self, exactly_one: bool = False) -> list[tuple[float, ...]]:
        """Take a list of points in parentheses, each of at least two numbers."""
        self.expect("(")
        points = []
        while True:
            point = [self.number(), self.number()]
            while self._peek() not in (",", ")"):
                point.append(self.number())
            points.append(tuple(point))
            if self._take() == ")":
                break
        if exactly_one and len(points) != 1:
            raise self._invalid()
        return points

    def rings(self) -> list[list[tuple[float, ...]]]:
        """Take a list of lists of points."""
        self.expect("(")
        rings = [self.points()]
        while self._peek() == ",":
            self._take()
            rings.append(self.points())
        self.expect(")")
        return rings
