"""Random CQL types, values for them and bytes on the wire, and a form in which values of two drivers compare equal.

The module is imported by our interpreter and by the published driver's, so it needs nothing but the standard library; a
driver's own classes are looked up in the ``cassandra`` package of the process that calls :func:`build`.

A **type** is a nested tuple: ``("int",)``, ``("list", element)``, ``("map", key, value)``, ``("tuple", field, ...)``,
``("udt", name, ((field, type), ...))``, ``("vector", element, dimension)``, ``("frozen", type)``,
``("reversed", type)``. A **recipe** says how to make a value in any process: a plain Python object, or a tuple
``(maker, arguments)`` for what needs a driver's class or cannot be pickled as it is.

Everything is derived from one ``random.Random``: the same seed gives the same types, recipes and bytes.
"""

from __future__ import annotations

import datetime
import decimal
import ipaddress
import random
import struct
import uuid
from collections import OrderedDict
from typing import Any

CqlType = tuple[Any, ...]

SERVER_PACKAGE = "org.apache.cassandra.db.marshal."

SERVER_CLASSES = {
    "ascii": "AsciiType",
    "bigint": "LongType",
    "blob": "BytesType",
    "boolean": "BooleanType",
    "counter": "CounterColumnType",
    "date": "SimpleDateType",
    "decimal": "DecimalType",
    "double": "DoubleType",
    "duration": "DurationType",
    "float": "FloatType",
    "inet": "InetAddressType",
    "int": "Int32Type",
    "smallint": "ShortType",
    "text": "UTF8Type",
    "time": "TimeType",
    "timestamp": "TimestampType",
    "timeuuid": "TimeUUIDType",
    "tinyint": "ByteType",
    "uuid": "UUIDType",
    "varchar": "VarcharType",
    "varint": "IntegerType",
    "point": "PointType",
    "linestring": "LineStringType",
    "polygon": "PolygonType",
    "daterange": "DateRangeType",
}
"""The server's class of each type without parameters."""

NATIVE = tuple(SERVER_CLASSES)
"""The names of the types without parameters."""

PRECISE_DAYS = 99_000
"""Days around the epoch within which the published driver, which goes through floats, keeps every microsecond."""

_EPOCH = datetime.datetime(1970, 1, 1)


def server_name(kind: CqlType) -> str:
    """Write a type in the notation of the server's type parser."""
    name = kind[0]
    if name in SERVER_CLASSES:
        return SERVER_PACKAGE + SERVER_CLASSES[name]
    if name == "vector":
        return f"{SERVER_PACKAGE}VectorType({server_name(kind[1])}, {kind[2]})"
    if name == "udt":
        fields = "".join(f",{field.encode().hex()}:{server_name(inner)}" for field, inner in kind[2])
        return f"{SERVER_PACKAGE}UserType(ks,{kind[1].encode().hex()}{fields})"
    wrapper = {
        "list": "ListType",
        "set": "SetType",
        "map": "MapType",
        "tuple": "TupleType",
        "frozen": "FrozenType",
        "reversed": "ReversedType",
    }[name]
    return f"{SERVER_PACKAGE}{wrapper}({','.join(server_name(inner) for inner in kind[1:])})"


def type_class(kind: CqlType) -> Any:
    """Give the class of a type in the driver of this process."""
    from cassandra import cqltypes

    name = kind[0]
    if name in SERVER_CLASSES:
        return getattr(cqltypes, SERVER_CLASSES[name])
    if name == "vector":
        return cqltypes.VectorType.apply_parameters([type_class(kind[1]), kind[2]], None)
    if name == "udt":
        fields = tuple(field for field, _ in kind[2])
        kinds = tuple(type_class(inner) for _, inner in kind[2])
        return cqltypes.UserType.make_udt_class("ks", kind[1], fields, kinds)
    base = getattr(cqltypes, f"{name.capitalize()}Type")
    return base.apply_parameters(tuple(type_class(inner) for inner in kind[1:]))


class Generator:
    """Makes types, recipes and bytes."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self._inside_keys = 0

    # Types ------------------------------------------------------------------

    def type(self, depth: int = 3) -> CqlType:
        """Make any type, nested up to *depth*."""
        names = ("native",) * 4 + (("list", "set", "map", "tuple", "udt", "vector", "frozen", "reversed") * (depth > 0))
        name = self.rng.choice(names)
        if name == "native":
            return (self.rng.choice([name for name in NATIVE if name != "counter"]),)
        if name == "set":
            return ("set", self.key_type(depth - 1))
        if name == "map":
            return ("map", self.key_type(depth - 1), self.type(depth - 1))
        if name == "tuple":
            return ("tuple", *(self.type(depth - 1) for _ in range(self.rng.randint(1, 4))))
        if name == "udt":
            fields = tuple((f"f_{index}", self.type(depth - 1)) for index in range(self.rng.randint(1, 4)))
            return ("udt", f"udt_{self.rng.getrandbits(40):x}", fields)
        if name == "vector":
            return ("vector", self.type(depth - 1), self.rng.randint(1, 5))
        return (name, self.type(depth - 1))

    def key_type(self, depth: int) -> CqlType:
        """Make a type for elements of sets and keys of maps."""
        if depth > 0 and self.rng.random() < 0.3:
            if self.rng.random() < 0.5:
                return ("frozen", ("list", self.key_type(depth - 1)))
            return ("frozen", ("tuple", self.key_type(depth - 1), self.key_type(depth - 1)))
        return (
            self.rng.choice(("ascii", "bigint", "blob", "boolean", "date", "int", "text", "time", "uuid", "varint")),
        )

    # Recipes ----------------------------------------------------------------

    def value(self, kind: CqlType) -> Any:
        """Make the recipe of a value that can be bound to a column of type *kind*."""
        make = getattr(self, f"_value_{kind[0]}")
        return make(*kind[1:])

    def _nullable(self, kind: CqlType) -> Any:
        return None if not self._inside_keys and self.rng.random() < 0.1 else self.value(kind)

    def _key(self, kind: CqlType) -> Any:
        """Make the recipe of a key or an element of a set: no nulls, which have no order; one form for each value."""
        self._inside_keys += 1
        try:
            return self.value(kind)
        finally:
            self._inside_keys -= 1

    def _integer(self, bits: int) -> int:
        low, high = -(1 << bits - 1), (1 << bits - 1) - 1
        shape = self.rng.random()
        if shape < 0.1:
            return self.rng.choice((low, low + 1, -1, 0, 1, high - 1, high))
        if shape < 0.5:
            magnitude = self.rng.getrandbits(self.rng.randint(1, bits - 1))
            return magnitude if self.rng.random() < 0.5 else -magnitude
        return self.rng.randint(low, high)

    def _text(self, alphabet: str | None = None) -> str:
        length = self.rng.choice((0, 1, 2, 7, 20, self.rng.randint(0, 200)))
        if alphabet is not None:
            return "".join(self.rng.choice(alphabet) for _ in range(length))
        ranges = ((0x20, 0x7E), (0x00, 0x1F), (0xA0, 0x2FF), (0x4E00, 0x9FFF), (0x1F300, 0x1FAFF))
        picked = (self.rng.choices(ranges, (70, 2, 10, 10, 8))[0] for _ in range(length))
        return "".join(chr(self.rng.randint(low, high)) for low, high in picked)

    def _bytes(self) -> bytes:
        return self.rng.randbytes(self.rng.choice((0, 1, 4, 16, self.rng.randint(0, 300))))

    def _datetime(self) -> datetime.datetime:
        if self.rng.random() < 0.7:
            days = self.rng.randint(-PRECISE_DAYS, PRECISE_DAYS)
            return _EPOCH + datetime.timedelta(days=days, microseconds=self.rng.randint(0, 86_400_000_000 - 1))
        return _EPOCH + datetime.timedelta(days=self.rng.randint(-719162, 2932896), seconds=self.rng.randint(0, 86399))

    def _date(self) -> datetime.date:
        # Years of four digits: the published driver writes others without zeros before them, which no server reads.
        return datetime.date.fromordinal(self.rng.randint(datetime.date(1000, 1, 1).toordinal(), 3652059))

    def _milliseconds(self) -> int:
        if self.rng.random() < 0.7:
            return self.rng.randint(-PRECISE_DAYS * 86_400_000, PRECISE_DAYS * 86_400_000)
        return self.rng.randint(-62135596800, 253402300799) * 1000

    def _value_ascii(self) -> Any:
        return self._text("".join(chr(code) for code in range(128)))

    def _value_text(self) -> Any:
        return self._text()

    _value_varchar = _value_text

    def _value_blob(self) -> Any:
        content = self._bytes()
        shape = self.rng.random()
        if shape < 0.8 or self._inside_keys:
            return content
        return ("bytearray", content) if shape < 0.9 else ("memoryview", content)

    def _value_boolean(self) -> Any:
        return self.rng.random() < 0.5

    def _value_tinyint(self) -> Any:
        return self._integer(8)

    def _value_smallint(self) -> Any:
        return self._integer(16)

    def _value_int(self) -> Any:
        return self._integer(32)

    def _value_bigint(self) -> Any:
        return self._integer(64)

    _value_counter = _value_bigint

    def _value_varint(self) -> Any:
        return self._integer(self.rng.choice((8, 16, 64, 65, 128, 1000)))

    def _value_decimal(self) -> Any:
        shape = self.rng.random()
        if shape < 0.1:
            return self._integer(64)
        digits = self._integer(self.rng.choice((8, 32, 64, 200)))
        exponent = self.rng.choice((0, -2, self.rng.randint(-40, 40), self.rng.randint(-2000, 2000)))
        sign, digit_tuple, _ = decimal.Decimal(digits).as_tuple()
        return decimal.Decimal((sign, digit_tuple, exponent))

    def _value_double(self) -> Any:
        shape = self.rng.random()
        if shape < 0.1:
            return self.rng.choice(
                (0.0, -0.0, float("inf"), float("-inf"), float("nan"), 5e-324, 1.7976931348623157e308)
            )
        if shape < 0.2:
            return self.rng.randint(-1000, 1000)
        if shape < 0.6:
            return self.rng.uniform(-1e6, 1e6)
        return struct.unpack(">d", struct.pack(">Q", self.rng.getrandbits(64) & ~(1 << 52)))[0]

    def _value_float(self) -> Any:
        shape = self.rng.random()
        if shape < 0.1:
            return self.rng.choice((0.0, -0.0, float("inf"), float("-inf"), float("nan"), 1e-45, 3.4028234663852886e38))
        if shape < 0.2:
            return self.rng.randint(-1000, 1000)
        if shape < 0.6:
            return self.rng.uniform(-1e6, 1e6)
        return struct.unpack(">f", struct.pack(">I", self.rng.getrandbits(32) & ~(1 << 23)))[0]

    def _value_inet(self) -> Any:
        if self.rng.random() < 0.5:
            address: Any = ipaddress.IPv4Address(self.rng.getrandbits(32))
        else:
            address = ipaddress.IPv6Address(self.rng.getrandbits(self.rng.choice((128, 128, 32, 16))))
        return str(address) if self.rng.random() < 0.7 else address

    def _value_uuid(self) -> Any:
        return uuid.UUID(int=self.rng.getrandbits(128))

    def _value_timeuuid(self) -> Any:
        fields = (self.rng.getrandbits(32), self.rng.getrandbits(16), self.rng.getrandbits(12))
        low = (self.rng.getrandbits(6) | 0x80, self.rng.getrandbits(8), self.rng.getrandbits(48))
        return uuid.UUID(fields=(*fields, *low), version=1)

    def _value_timestamp(self) -> Any:
        shape = self.rng.random()
        if shape < 0.6:
            return self._datetime()
        if shape < 0.75:
            offset = datetime.timezone(datetime.timedelta(minutes=self.rng.randint(-14 * 60, 14 * 60)))
            moment = _EPOCH + datetime.timedelta(
                days=self.rng.randint(-30000, 60000), seconds=self.rng.randint(0, 86399)
            )
            return moment.replace(microsecond=self.rng.randint(0, 999_999), tzinfo=offset)
        if shape < 0.85:
            return self._date()
        return self._milliseconds()

    def _value_date(self) -> Any:
        shape = self.rng.random()
        if shape < 0.5 or self._inside_keys:
            return ("Date", self._integer(32))
        if shape < 0.8:
            return self._date()
        if shape < 0.9:
            return self._date().isoformat()
        return self.rng.getrandbits(32)

    def _value_time(self) -> Any:
        nanoseconds = self.rng.choice((0, 1, 86_399_999_999_999, self.rng.randint(0, 86_399_999_999_999)))
        shape = self.rng.random()
        if shape < 0.5 or self._inside_keys:
            return ("Time", nanoseconds)
        if shape < 0.7:
            return nanoseconds
        moment = (_EPOCH + datetime.timedelta(microseconds=nanoseconds // 1000)).time()
        return moment if shape < 0.9 else f"{moment:%H:%M:%S}.{nanoseconds % 1_000_000_000:09d}"

    def _value_duration(self) -> Any:
        sign = self.rng.choice((1, -1))
        bits = self.rng.choice((3, 10, 31))
        long_bits = self.rng.choice((3, 10, 40, 63))
        parts = (self.rng.getrandbits(bits), self.rng.getrandbits(bits), self.rng.getrandbits(long_bits))
        return ("Duration", tuple(sign * part for part in parts))

    def _coordinate(self) -> float:
        return self.rng.choice(
            (self.rng.uniform(-180, 180), float(self.rng.randint(-90, 90)), self.rng.uniform(-1e9, 1e9))
        )

    def _coordinates(self, low: int, high: int) -> list[tuple[float, float]]:
        return [(self._coordinate(), self._coordinate()) for _ in range(self.rng.randint(low, high))]

    def _value_point(self) -> Any:
        return ("Point", (self._coordinate(), self._coordinate()))

    def _value_linestring(self) -> Any:
        return ("LineString", self._coordinates(0, 6))

    def _value_polygon(self) -> Any:
        exterior = self._coordinates(0, 6)
        interiors = [self._coordinates(1, 4) for _ in range(self.rng.randint(0, 3))] if exterior else []
        return ("Polygon", (exterior, interiors))

    def _bound(self) -> Any:
        # Four-digit years: the text of earlier ones is not what the server reads back.
        milliseconds = self.rng.randint(-30610224000000, 253402300799999 - 400 * 86_400_000)
        precision = self.rng.choice(("YEAR", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND", "MILLISECOND"))
        return (milliseconds, precision)

    def _value_daterange(self) -> Any:
        shape = self.rng.randrange(6)
        lower, upper = self._bound(), self._bound()
        return (
            "DateRange",
            ((None, None, lower), (lower, upper, None), (lower, None, None), (None, upper, None), "open", "open value")[
                shape
            ],
        )

    def _size(self) -> int:
        return self.rng.choice((0, 1, 2, 3, self.rng.randint(0, 12)))

    def _value_list(self, element: CqlType) -> Any:
        maker = self.rng.choice(("list", "list", "tuple"))
        return (maker, [self._nullable(element) for _ in range(self._size())])

    def _value_set(self, element: CqlType) -> Any:
        maker = self.rng.choice(("SortedSet", "list", "tuple"))
        return (maker, [self._key(element) for _ in range(self._size())])

    def _value_map(self, key: CqlType, value: CqlType) -> Any:
        pairs = {}
        for _ in range(self._size()):
            recipe = self._key(key)
            pairs[_identity(recipe)] = (recipe, self._nullable(value))
        return ("OrderedMap", list(pairs.values()))

    def _value_tuple(self, *fields: CqlType) -> Any:
        ends_early = not self._inside_keys and self.rng.random() < 0.2
        given = self.rng.randint(1, len(fields)) if ends_early else len(fields)
        return ("tuple", [self._nullable(field) for field in fields[:given]])

    def _value_udt(self, name: str, fields: tuple[tuple[str, CqlType], ...]) -> Any:
        values = [self._nullable(kind) for _, kind in fields]
        if self.rng.random() < 0.3:
            return ("object", [(field, value) for (field, _), value in zip(fields, values, strict=True)])
        return ("tuple", values)

    def _value_vector(self, element: CqlType, dimension: int) -> Any:
        maker = self.rng.choice(("list", "tuple"))
        return (maker, [self.value(element) for _ in range(dimension)])

    def _value_frozen(self, kind: CqlType) -> Any:
        return self.value(kind)

    _value_reversed = _value_frozen

    # Bytes ------------------------------------------------------------------

    def wire(self, kind: CqlType, nulls: bool = True) -> bytes:
        """Make the bytes of a value as a server may send them, without using an encoder of either driver.

        With *nulls* there are, beside what encoders make, nulls inside lists, tuples that end early, and empty values.
        Keys and elements of sets have none.
        """
        name = kind[0]
        if name in ("frozen", "reversed"):
            return self.wire(kind[1], nulls)
        if name == "list":
            return self._wire_collection([self._wire_nullable(kind[1], nulls) for _ in range(self._size())])
        if name == "set":
            elements = sorted({self.wire(kind[1], False) for _ in range(self._size())})
            return self._wire_collection(list(elements))
        if name == "map":
            keys = sorted({self.wire(kind[1], False) for _ in range(self._size())})
            flat = b"".join(_sized(key) + _sized(self._wire_nullable(kind[2], nulls)) for key in keys)
            return struct.pack(">i", len(keys)) + flat
        if name in ("tuple", "udt"):
            fields = kind[1:] if name == "tuple" else [inner for _, inner in kind[2]]
            sent = self.rng.randint(1, len(fields)) if nulls and self.rng.random() < 0.2 else len(fields)
            return b"".join(_sized(self._wire_nullable(field, nulls)) for field in fields[:sent])
        if name == "vector":
            return self._wire_vector(kind[1], kind[2])
        make = getattr(self, f"_wire_{name}", None)
        return make() if make is not None else self._wire_number(name)

    def _wire_nullable(self, kind: CqlType, nulls: bool) -> bytes | None:
        shape = self.rng.random() if nulls else 1.0
        if shape < 0.1:
            return None
        return b"" if shape < 0.13 else self.wire(kind, nulls)

    def _wire_collection(self, elements: list[bytes | None]) -> bytes:
        return struct.pack(">i", len(elements)) + b"".join(_sized(element) for element in elements)

    def _wire_vector(self, element: CqlType, dimension: int) -> bytes:
        elements = [self.wire(element) for _ in range(dimension)]
        if fixed_size(element) is not None:
            return b"".join(elements)
        return b"".join(_unsigned_vint(len(content)) + content for content in elements)

    def _wire_number(self, name: str) -> bytes:
        sizes = {"tinyint": 1, "smallint": 2, "int": 4, "float": 4, "date": 4}
        sizes.update(bigint=8, counter=8, double=8, uuid=16, timeuuid=16)
        return self.rng.randbytes(sizes[name])

    def _wire_ascii(self) -> bytes:
        return self._value_ascii().encode()

    def _wire_text(self) -> bytes:
        return self._text().encode()

    _wire_varchar = _wire_text

    def _wire_boolean(self) -> bytes:
        return self.rng.choice((b"\0", b"\1"))

    def _wire_blob(self) -> bytes:
        return self._bytes()

    def _wire_varint(self) -> bytes:
        number = self._integer(self.rng.choice((8, 16, 64, 72, 480)))
        size = ((~number if number < 0 else number).bit_length()) // 8 + 1
        return number.to_bytes(size, "big", signed=True)

    def _wire_decimal(self) -> bytes:
        return struct.pack(">i", self.rng.randint(-3000, 3000)) + self._wire_varint()

    def _wire_inet(self) -> bytes:
        return self.rng.randbytes(self.rng.choice((4, 16)))

    def _wire_timestamp(self) -> bytes:
        return struct.pack(">q", self._milliseconds())

    def _wire_time(self) -> bytes:
        return struct.pack(">q", self.rng.randint(0, 86_399_999_999_999))

    def _wire_duration(self) -> bytes:
        _, parts = self._value_duration()
        return b"".join(_unsigned_vint(part << 1 if part >= 0 else (-part << 1) - 1) for part in parts)

    def _wire_point(self) -> bytes:
        order = self.rng.choice("<>")
        return _wkb_header(order, 1) + struct.pack(order + "dd", self._coordinate(), self._coordinate())

    def _wire_points(self, order: str, low: int) -> bytes:
        points = self._coordinates(low, 6)
        return struct.pack(order + "I", len(points)) + b"".join(struct.pack(order + "dd", *point) for point in points)

    def _wire_linestring(self) -> bytes:
        order = self.rng.choice("<>")
        return _wkb_header(order, 2) + self._wire_points(order, 0)

    def _wire_polygon(self) -> bytes:
        order = self.rng.choice("<>")
        rings = self.rng.randint(0, 3)
        body = b"".join(self._wire_points(order, 1) for _ in range(rings))
        return _wkb_header(order, 3) + struct.pack(order + "I", rings) + body

    def _wire_daterange(self) -> bytes:
        kind = self.rng.randrange(6)
        bounds = (1, 2, 1, 1, 0, 0)[kind]
        body = b""
        for _ in range(bounds):
            milliseconds, _precision = self._bound()
            body += struct.pack(">qb", milliseconds, self.rng.randrange(7))
        return struct.pack(">b", kind) + body


def fixed_size(kind: CqlType) -> int | None:
    """Give the bytes that each value of *kind* takes inside a vector; ``None`` if each has its length before it."""
    sizes = {"boolean": 1, "int": 4, "float": 4, "bigint": 8, "counter": 8, "double": 8, "timestamp": 8}
    sizes.update(uuid=16, timeuuid=16)
    if kind[0] == "vector":
        inner = fixed_size(kind[1])
        return None if inner is None else inner * kind[2]
    return sizes.get(kind[0])


def _sized(content: bytes | None) -> bytes:
    return struct.pack(">i", -1) if content is None else struct.pack(">i", len(content)) + content


def _unsigned_vint(number: int) -> bytes:
    size = max(1, min(9, (number.bit_length() + 6) // 7))
    if size == 9:
        return b"\xff" + struct.pack(">Q", number)
    prefix = 0xFF00 >> (size - 1) & 0xFF
    content = number.to_bytes(size, "big")
    return bytes((content[0] | prefix,)) + content[1:]


def _wkb_header(order: str, kind: int) -> bytes:
    return (b"\x01" if order == "<" else b"\x00") + struct.pack(order + "I", kind)


# Values in two processes ----------------------------------------------------


def _identity(recipe: Any) -> str:
    """Give what is equal for recipes whose values have the same bytes: a list and a tuple of the same."""
    return repr(recipe).replace("('list', ", "('tuple', ")


class Fields:
    """An object with attributes, as applications bind to user-defined types."""

    def __init__(self, fields: list[tuple[str, Any]]) -> None:
        for name, value in fields:
            setattr(self, name, value)


def build(recipe: Any) -> Any:
    """Make the value of *recipe* with the driver of this process."""
    if not isinstance(recipe, tuple):
        return recipe
    from cassandra import util

    maker, arguments = recipe
    if maker in ("list", "tuple", "SortedSet"):
        make = {"list": list, "tuple": tuple, "SortedSet": util.SortedSet}[maker]
        return make([build(item) for item in arguments])
    if maker == "OrderedMap":
        return util.OrderedMap([(build(key), build(value)) for key, value in arguments])
    if maker == "object":
        return Fields([(name, build(value)) for name, value in arguments])
    if maker in ("bytearray", "memoryview"):
        return bytearray(arguments) if maker == "bytearray" else memoryview(arguments)
    if maker in ("Date", "Time", "LineString"):
        return getattr(util, maker)(arguments)
    if maker in ("Duration", "Point", "Polygon"):
        return getattr(util, maker)(*arguments)
    if maker == "DateRange":
        return _date_range(util, arguments)
    raise ValueError(f"no such maker: {maker}")


def _date_range(util: Any, arguments: Any) -> Any:
    if arguments == "open":
        return util.DateRange(util.OPEN_BOUND, util.OPEN_BOUND)
    if arguments == "open value":
        return util.DateRange(value=util.OPEN_BOUND)
    bounds = [None if bound is None else util.DateRangeBound(*bound) for bound in arguments]
    return util.DateRange(*bounds)


def normalise(value: Any) -> Any:
    """Give a value in a form that is equal for equal values of two drivers: the name of its type, and its content."""
    name = type(value).__name__
    if isinstance(value, float):
        return (name, struct.pack(">d", value))
    if isinstance(value, decimal.Decimal):
        return (name, value.as_tuple())
    if name in ("OrderedMap", "OrderedMapSerializedKey") or isinstance(value, (dict, OrderedDict)):
        return (name, [(normalise(key), normalise(inner)) for key, inner in value.items()])
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return (name, [(field, normalise(inner)) for field, inner in zip(value._fields, value, strict=True)])
    if isinstance(value, (list, tuple)) or name == "SortedSet":
        return (name, [normalise(inner) for inner in value])
    if isinstance(value, datetime.datetime):
        return (name, value.isoformat(), str(value.tzinfo))
    if name in ("Point", "LineString", "Polygon", "Distance", "DateRange", "Date", "Time", "Duration"):
        return (name, repr(value), str(value))
    return (name, value if isinstance(value, (int, str, bytes, uuid.UUID, type(None))) else repr(value))
