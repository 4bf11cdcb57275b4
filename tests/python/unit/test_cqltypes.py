"""Type classes: bytes that are spelled out, names, and input that does not fit."""

from __future__ import annotations

import datetime
import decimal
import pickle
import struct
from typing import Any

import pytest

from cassandra import cqltypes, util
from cassandra.cqltypes import lookup_casstype
from cassandra.marshal import uvint_pack, uvint_unpack, varint_pack, varint_unpack, vints_pack, vints_unpack

# native protocol v5 §6; bytes are spelled out, never made by the encoder under test
EXAMPLES: list[tuple[str, Any, str]] = [
    ("AsciiType", "abc", "616263"),
    ("BooleanType", True, "01"),
    ("ByteType", -1, "ff"),
    ("BytesType", b"\x01\x02", "0102"),
    ("DecimalType", decimal.Decimal("-1.50"), "00000002ff6a"),
    ("DoubleType", 1.5, "3ff8000000000000"),
    ("DurationType", util.Duration(1, -2, 300), "02038258"),
    ("FloatType", 1.5, "3fc00000"),
    ("InetAddressType", "::1", "00000000000000000000000000000001"),
    ("Int32Type", -2, "fffffffe"),
    ("IntegerType", 128, "0080"),
    ("LongType", 1, "0000000000000001"),
    ("ShortType", -2, "fffe"),
    ("SimpleDateType", util.Date(-1), "7fffffff"),
    ("TimeType", util.Time(1), "0000000000000001"),
    ("TimestampType", datetime.datetime(1970, 1, 1, 0, 0, 1), "00000000000003e8"),
    ("UTF8Type", "é", "c3a9"),
    ("ListType(Int32Type)", [1], "000000010000000400000001"),
    ("TupleType(Int32Type,UTF8Type)", (1, None), "0000000400000001ffffffff"),
    ("VectorType(FloatType,2)", [1.0, 2.0], "3f80000040000000"),
    ("VectorType(UTF8Type,2)", ["a", "bc"], "0161026263"),
    ("VectorType(ShortType,1)", [1], "020001"),
    ("PointType", util.Point(1.0, 2.0), "0101000000000000000000f03f0000000000000040"),
]


@pytest.mark.parametrize(("name", "value", "content"), EXAMPLES)
def test_a_value_has_the_bytes_of_the_protocol(name: str, value: Any, content: str) -> None:
    kind = lookup_casstype(name)
    assert kind.to_binary(value, 4).hex() == content
    assert kind.from_binary(bytes.fromhex(content), 4) == value


def test_a_map_with_unhashable_keys_can_be_looked_up() -> None:
    kind = lookup_casstype("MapType(ListType(Int32Type),UTF8Type)")
    value = kind.from_binary(kind.to_binary(util.OrderedMap([([1], "a")]), 4), 4)
    assert value[[1]] == "a"
    assert list(value.items()) == [([1], "a")]


def test_null_and_empty_are_told_apart() -> None:
    assert cqltypes.UTF8Type.from_binary(b"", 4) == ""
    assert cqltypes.UTF8Type.from_binary(None, 4) is None
    assert cqltypes.Int32Type.from_binary(b"", 4) is None


def test_a_type_that_supports_empty_values_gives_them() -> None:
    cqltypes.Int32Type.support_empty_values = True
    try:
        assert cqltypes.Int32Type.from_binary(b"", 4) is cqltypes.EMPTY
    finally:
        del cqltypes.Int32Type.support_empty_values


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Int32Type", 2**31),
        ("Int32Type", "1"),
        ("ByteType", 128),
        ("BytesType", 5),
        ("BytesType", "text"),
        ("DateType", "2020"),
        ("DecimalType", decimal.Decimal("NaN")),
        ("DurationType", 5),
        ("DurationType", util.Duration(0, 0, 2**64)),
        ("InetAddressType", "300.1.1.1"),
        ("IntegerType", 1.5),
        ("ListType(Int32Type)", "12"),
        ("MapType(Int32Type,Int32Type)", [1]),
        ("TupleType(Int32Type)", (1, 2)),
        ("UUIDType", "x"),
        ("VectorType(FloatType,2)", [1.0]),
    ],
)
def test_a_value_that_does_not_fit_is_refused(name: str, value: Any) -> None:
    with pytest.raises((TypeError, ValueError, struct.error)):
        lookup_casstype(name).to_binary(value, 4)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("Int32Type", "0000"),
        ("UUIDType", "00"),
        ("ListType(Int32Type)", "0000000100000004"),
        ("ListType(Int32Type)", "7fffffff"),
        ("TupleType(Int32Type)", "7fffffff00"),
        ("VectorType(FloatType,2)", "00000000"),
        ("VectorType(UTF8Type,1)", "0561"),
        ("VectorType(UTF8Type,1)", "016161"),
        ("DurationType", "0204"),
        ("LineStringType", "0102000000ffffff7f"),
        ("PolygonType", "0103000000ffffff7f"),
        ("DateRangeType", "07"),
        ("DateRangeType", "00000000000000000007"),
        ("DecimalType", "00000002"),
    ],
)
def test_bytes_that_do_not_fit_are_an_error(name: str, content: str) -> None:
    with pytest.raises((ValueError, struct.error)):
        lookup_casstype(name).from_binary(bytes.fromhex(content), 4)


def test_the_server_s_notation_is_read() -> None:
    prefix = "org.apache.cassandra.db.marshal."
    text = f"{prefix}MapType({prefix}UTF8Type,{prefix}FrozenType({prefix}ListType({prefix}LongType)))"
    kind = lookup_casstype(text)
    assert kind.cql_parameterized_type() == "map<text, frozen<list<bigint>>>"
    assert kind.cass_parameterized_type(full=True).replace(" ", "") == text
    vector = lookup_casstype(f"{prefix}VectorType({prefix}FloatType, 3)")
    assert (vector.subtype, vector.vector_size) == (cqltypes.FloatType, 3)
    udt = lookup_casstype(f"{prefix}UserType(ks,61646472,31:{prefix}Int32Type)")
    assert (udt.keyspace, udt.typename, udt.fieldnames) == ("ks", "addr", ("1",))


@pytest.mark.parametrize(
    "text", ["", "ListType(Int32Type,Int32Type)", "list<int>", "VectorType(Int32Type)", "(Int32Type)"]
)
def test_text_that_is_no_type_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="Don't know how to parse"):
        lookup_casstype(text)


def test_an_unknown_class_keeps_bytes() -> None:
    kind = lookup_casstype("org.example.Custom")
    assert kind.cassname == "org.example.Custom"
    assert kind.from_binary(b"x", 4) == b"x"


def test_a_subclass_is_found_by_its_name() -> None:
    class MarkedType(cqltypes.CassandraType):
        typename = "marked"

    assert lookup_casstype("MarkedType") is MarkedType


def test_user_types_become_named_tuples_or_registered_classes() -> None:
    udt = cqltypes.UserType.make_udt_class("ks", "addr", ("street", "no"), (cqltypes.UTF8Type, cqltypes.Int32Type))
    value = udt.from_binary(bytes.fromhex("0000000161"), 4)
    assert (value.street, value.no) == ("a", None)
    assert pickle.loads(pickle.dumps(value)) == value
    assert udt.to_binary({"no": 1}, 4) == bytes.fromhex("ffffffff0000000400000001")
    with pytest.raises(ValueError, match="no field 'nope'"):
        udt.to_binary({"nope": 1}, 4)
    assert cqltypes.UserType.make_udt_class("ks", "addr", ("street",), (cqltypes.UTF8Type,)) is not udt


def test_names_of_types_are_taken_apart_and_put_together() -> None:
    text = 'map<text, frozen<list<"My Type">>>'
    assert cqltypes.cqltype_to_python(text) == ["map", ["text", "frozen", ["list", ['"My Type"']]]]
    assert cqltypes.python_to_cqltype(cqltypes.cqltype_to_python(text)) == text
    assert cqltypes.strip_frozen(text) == 'map<text, list<"My Type">>'
    assert cqltypes.strip_frozen("vector<float, 3>") == "vector<float, 3>"


# native protocol v5 §3, [unsigned vint]: the leading one bits count the further bytes
@pytest.mark.parametrize(
    ("number", "content"),
    [
        (0, "00"),
        (127, "7f"),
        (128, "8080"),
        (300, "812c"),
        (2**14, "c04000"),
        (2**56, "ff0100000000000000"),
        (2**64 - 1, "ff" * 9),
    ],
)
def test_an_unsigned_vint_is_as_short_as_it_can_be(number: int, content: str) -> None:
    assert uvint_pack(number).hex() == content
    assert uvint_unpack(bytes.fromhex(content)) == (number, len(content) // 2)


def test_numbers_of_any_size_go_there_and_back() -> None:
    for bits in range(200):
        for number in (1 << bits, -(1 << bits), (1 << bits) - 1):
            assert varint_unpack(varint_pack(number)) == number
            if bits < 63:
                assert vints_unpack(vints_pack([number, -number])) == (number, -number)
