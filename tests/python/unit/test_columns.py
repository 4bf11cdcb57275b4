"""Pages as columns and as lazy rows, from bytes of the wire that are spelled out.

Expected types and values are those that the published driver gives on NumPy 1.26.
"""

from __future__ import annotations

import datetime
import platform
import subprocess
import sys
from decimal import Decimal
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from cassandra import DriverException, _core
from cassandra.cython_deps import HAVE_CYTHON, HAVE_NUMPY
from cassandra.protocol import (
    LazyProtocolHandler,
    NumpyProtocolHandler,
    ProtocolHandler,
    ResultMessage,
    cython_protocol_handler,
)
from cassandra.util import Date, Time

Rows = list[list[str | None]]
VECTOR = "org.apache.cassandra.db.marshal.VectorType(org.apache.cassandra.db.marshal.FloatType, 3)"
CODES = {
    "ascii": "0001",
    "bigint": "0002",
    "blob": "0003",
    "boolean": "0004",
    "counter": "0005",
    "decimal": "0006",
    "double": "0007",
    "float": "0008",
    "int": "0009",
    "timestamp": "000b",
    "uuid": "000c",
    "text": "000d",
    "varint": "000e",
    "inet": "0010",
    "date": "0011",
    "time": "0012",
    "smallint": "0013",
    "tinyint": "0014",
    "list<int>": "00200009",
    "vector<float, 3>": "0000" + f"{len(VECTOR):04x}" + VECTOR.encode().hex(),
}


def string(text: str) -> str:
    return f"{len(text):04x}" + text.encode().hex()


def body(columns: dict[str, str], rows: Rows) -> bytes:
    """A RESULT of kind rows (v4 section 4.2.5.2), its cells in hexadecimal."""
    specs = "".join(string(name) + CODES[kind] for name, kind in columns.items())
    cells = "".join("ffffffff" if cell is None else f"{len(cell) // 2:08x}{cell}" for row in rows for cell in row)
    head = "00000002" + "00000001" + f"{len(columns):08x}" + string("ks") + string("t")
    return bytes.fromhex(head + specs + f"{len(rows):08x}" + cells)


def decode(handler: Any, columns: dict[str, str], rows: Rows) -> Any:
    return handler.decode_message(4, {}, 0, 0, 0x08, body(columns, rows), None, None)


def column(handler: Any, kind: str, *cells: str | None) -> Any:
    return decode(handler, {"c": kind}, [[cell] for cell in cells]).parsed_rows["c"]


NUMBERS = [
    ("smallint", "fffd", np.int16, -3),
    ("int", "fffffff7", np.int32, -9),
    ("bigint", "fffffffffffffffb", np.int64, -5),
    ("counter", "0000000000000007", np.int64, 7),
    ("float", "40200000", np.float32, 2.5),
    ("double", "3ff8000000000000", np.float64, 1.5),
]
OBJECTS: list[tuple[str, str, Any]] = [
    ("ascii", "616263", "abc"),
    ("blob", "0102", b"\x01\x02"),
    ("boolean", "01", True),
    ("date", "80000003", Date(3)),
    ("decimal", "0000000204d2", Decimal("12.34")),
    ("inet", "7f000001", "127.0.0.1"),
    ("list<int>", "000000010000000400000007", [7]),
    ("text", "c3a9", "é"),
    ("time", "0000000000000005", Time(5)),
    ("timestamp", "00000000000005dc", datetime.datetime(1970, 1, 1, 0, 0, 1, 500000)),
    ("tinyint", "fc", -4),
    ("uuid", "000102030405060708090a0b0c0d0e0f", UUID("00010203-0405-0607-0809-0a0b0c0d0e0f")),
    ("varint", "ff", -1),
    ("vector<float, 3>", "3f8000004000000040400000", [1.0, 2.0, 3.0]),
]


def test_compiled_parsers_are_there() -> None:
    assert HAVE_CYTHON
    assert HAVE_NUMPY


@pytest.mark.parametrize(("kind", "cell", "dtype", "value"), NUMBERS)
def test_numbers_are_masked_arrays_in_the_order_of_the_machine(kind: str, cell: str, dtype: Any, value: Any) -> None:
    array = column(NumpyProtocolHandler, kind, cell, None, cell)
    assert type(array) is np.ma.MaskedArray
    assert array.dtype == np.dtype(dtype)
    assert array.dtype.isnative
    assert array.shape == (3,)
    assert array.tolist() == [value, None, value]
    assert array.mask.tolist() == [False, True, False]
    assert (array == value).tolist() == [True, None, True]
    array[0] = 1
    assert array[0] == 1
    array[1] = 1
    assert array.mask.tolist() == [False, False, False]


@pytest.mark.parametrize(("kind", "cell", "dtype", "value"), NUMBERS)
def test_numbers_without_a_null_have_a_mask_too(kind: str, cell: str, dtype: Any, value: Any) -> None:
    array = column(NumpyProtocolHandler, kind, cell)
    assert array.tolist() == [value]
    assert array.mask.dtype == np.dtype(bool)
    assert array.mask.tolist() == [False]


@pytest.mark.parametrize(("kind", "cell", "value"), OBJECTS)
def test_other_types_are_objects(kind: str, cell: str, value: Any) -> None:
    array = column(NumpyProtocolHandler, kind, cell, None, cell)
    assert type(array) is np.ndarray
    assert array.dtype == np.dtype(object)
    assert array.shape == (3,)
    assert array.tolist() == [value, None, value]
    assert type(array[0]) is type(value)


@pytest.mark.parametrize("kind", CODES)
def test_a_page_without_rows_has_empty_arrays(kind: str) -> None:
    array = column(NumpyProtocolHandler, kind)
    assert array.shape == (0,)
    assert array.tolist() == []


def test_a_page_is_a_dictionary_by_column_name() -> None:
    message = decode(NumpyProtocolHandler, {"a": "int", "b": "text"}, [["00000001", "78"], ["00000002", None]])
    assert isinstance(message, ResultMessage)
    assert message.column_names == ["a", "b"]
    assert list(message.parsed_rows) == ["a", "b"]
    assert message.parsed_rows["a"].tolist() == [1, 2]
    assert message.parsed_rows["b"].tolist() == ["x", None]


@pytest.mark.parametrize("count", [1, 511, 512, 513, 5000])
def test_pages_of_every_size_keep_their_order(count: int) -> None:
    rows: Rows = [[f"{number:08x}", f"{number:08x}".encode().hex()] for number in range(count)]
    rows[count // 2][0] = None
    page = decode(NumpyProtocolHandler, {"a": "int", "b": "text"}, rows).parsed_rows
    expected: list[int | None] = list(range(count))
    expected[count // 2] = None
    assert page["a"].tolist() == expected
    assert page["b"].tolist() == [f"{number:08x}" for number in range(count)]


FIXED = {"a": "int", "b": "bigint", "c": "boolean", "d": "timestamp", "e": "uuid"}
MINUTE = 60_000


def fixed_row(number: int) -> list[str | None]:
    cells = [f"{number:08x}", f"{-number % (1 << 64):016x}", f"{number % 2:02x}", f"{number * MINUTE:016x}"]
    return [*cells, f"{number:032x}"]


def fixed_values(number: int) -> list[Any]:
    when = datetime.datetime(1970, 1, 1) + datetime.timedelta(minutes=number)
    return [number, -number, number % 2 == 1, when, UUID(int=number)]


@pytest.mark.parametrize("nulls", [[], [0], [999], [3, 400, 401, 777], range(0, 1000, 7), range(1000)])
@pytest.mark.parametrize("column", [0, 2, 3, 4])
def test_nulls_are_found_among_rows_of_one_length(nulls: Any, column: int) -> None:
    rows: Rows = [fixed_row(number) for number in range(1000)]
    expected = [fixed_values(number) for number in range(1000)]
    for row in nulls:
        rows[row][column] = "" if row % 2 and column != 2 else None
        expected[row][column] = None
    page = decode(NumpyProtocolHandler, FIXED, rows).parsed_rows
    for index, name in enumerate(FIXED):
        assert page[name].tolist() == [row[index] for row in expected]
    assert page["a"].mask.tolist() == [row[0] is None for row in expected]


def test_timestamps_of_a_column_may_be_days_apart() -> None:
    moments = [0, -1, 86_399_999, 86_400_000, -62_135_596_800_000, 253_402_300_799_999, 1, -86_400_000, -86_400_001]
    array = column(NumpyProtocolHandler, "timestamp", *[f"{moment % (1 << 64):016x}" for moment in moments])
    epoch = datetime.datetime(1970, 1, 1)
    assert array.tolist() == [epoch + datetime.timedelta(milliseconds=moment) for moment in moments]


@pytest.mark.parametrize("row", [0, 500, 999])
def test_rows_of_one_length_may_not_have_values_of_another(row: int) -> None:
    rows: Rows = [[f"{number:08x}", f"{number:016x}"] for number in range(1000)]
    rows[row].reverse()
    with pytest.raises(DriverException, match=r'Failed decoding result column "a"'):
        decode(NumpyProtocolHandler, {"a": "int", "b": "bigint"}, rows)


def test_an_array_keeps_its_memory_when_others_come_and_go() -> None:
    from cassandra.protocol import NumpyColumnsProtocolHandler

    def page(number: int, count: int) -> Any:
        return column(NumpyColumnsProtocolHandler, "bigint", *[f"{number:016x}"] * count)

    large = 20_000
    kept = page(1, large)
    slices = [page(number, large)[-1:] for number in range(2, 5)]
    for number in range(5, 9):
        array = page(number, large + number)
        assert array.flags.writeable
        assert array.flags.aligned
        assert np.all(array == number)
        array[0] = 77
    assert np.all(kept == 1)
    assert [int(slice[0]) for slice in slices] == [2, 3, 4]
    vectors = [column(NumpyColumnsProtocolHandler, "vector<float, 3>", *["3f800000" * 3] * large) for _ in range(3)]
    assert all(np.all(array == 1) and array.shape == (large, 3) for array in vectors)


@pytest.mark.parametrize("kind", ["int", "bigint", "double"])
def test_a_number_of_no_bytes_is_masked(kind: str) -> None:
    array = column(NumpyProtocolHandler, kind, "")
    assert array.mask.tolist() == [True]
    assert array.data.tolist() == [0]


@pytest.mark.parametrize("handler", [NumpyProtocolHandler, LazyProtocolHandler])
@pytest.mark.parametrize(("kind", "cell"), [("int", "0001"), ("double", "00"), ("text", "ff"), ("uuid", "00")])
def test_a_value_that_does_not_fit_its_type_names_its_column(handler: Any, kind: str, cell: str) -> None:
    with pytest.raises(DriverException, match=r'Failed decoding result column "c"'):
        list(decode(handler, {"c": kind}, [[cell]]).parsed_rows)


@pytest.mark.parametrize("handler", [NumpyProtocolHandler, LazyProtocolHandler])
def test_pages_that_are_cut_short_are_an_error(handler: Any) -> None:
    whole = body({"a": "int", "b": "text"}, [["00000001", "7879"], ["00000002", "7879"]])
    for length in range(len(whole) - 27, len(whole)):
        with pytest.raises(Exception, match=r"."):
            list(handler.decode_message(4, {}, 0, 0, 0x08, whole[:length], None, None).parsed_rows)


def test_lazy_rows_are_decoded_one_at_a_time() -> None:
    rows = decode(LazyProtocolHandler, {"a": "int", "b": "text"}, [["00000001", "78"], [None, None], ["01", "78"]])
    iterator = rows.parsed_rows
    assert iter(iterator) is iterator
    assert next(iterator) == (1, "x")
    assert next(iterator) == (None, None)
    with pytest.raises(DriverException, match=r'"a"'):
        next(iterator)
    assert list(iterator) == []


def test_a_handler_can_be_made_of_a_column_parser() -> None:
    class Counting:
        """Gives the number of rows."""

        def parse_rows(self, reader: Any, columns: Any, protocol_version: int, user_type_map: Any) -> int:
            return int.from_bytes(reader.read(4), "big")

    handler = cython_protocol_handler(Counting())
    assert decode(handler, {"a": "int"}, [["00000001"], [None]]).parsed_rows == 2
    assert decode(ProtocolHandler, {"a": "int"}, [["00000001"]]).parsed_rows == [(1,)]


COLUMNS = [
    ("tinyint", "fc", "int8", -4),
    ("boolean", "01", "bool", True),
    ("timestamp", "fffffffffffffffe", "datetime64[ms]", datetime.datetime(1969, 12, 31, 23, 59, 59, 998000)),
    ("date", "80000003", "datetime64[D]", datetime.date(1970, 1, 4)),
    ("time", "0000000000000005", "timedelta64[ns]", 5),
    ("int", "fffffff7", "int32", -9),
]


@pytest.mark.parametrize(("kind", "cell", "dtype", "value"), COLUMNS)
def test_types_of_a_fixed_size_can_be_stored_as_numpy_stores_them(kind: str, cell: str, dtype: str, value: Any) -> None:
    from cassandra.protocol import NumpyColumnsProtocolHandler

    array = column(NumpyColumnsProtocolHandler, kind, cell, None)
    assert type(array) is np.ma.MaskedArray
    assert array.dtype == np.dtype(dtype)
    assert array.mask.tolist() == [False, True]
    assert array.tolist() == [value, None]


def test_vectors_can_be_one_array() -> None:
    from cassandra.protocol import NumpyColumnsProtocolHandler

    cell = "3f8000004000000040400000"
    array = column(NumpyColumnsProtocolHandler, "vector<float, 3>", cell, cell)
    assert array.dtype == np.dtype("float32")
    assert array.tolist() == [[1.0, 2.0, 3.0]] * 2
    assert array.mask is np.ma.nomask
    with_null = column(NumpyColumnsProtocolHandler, "vector<float, 3>", cell, None)
    assert with_null.tolist() == [[1.0, 2.0, 3.0], [None] * 3]
    with pytest.raises(DriverException, match=r'"c"'):
        column(NumpyColumnsProtocolHandler, "vector<float, 3>", cell[:-8])


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries keep memory in their own way")
@pytest.mark.parametrize("form", ["rows", "numpy", "numpy columns"])
def test_pages_of_vectors_use_the_memory_of_earlier_ones(form: str) -> None:
    script = f"""
import resource, struct
from cassandra import _core
vector = struct.pack(">768f", *(number / 1024 for number in range(768)))
page = (struct.pack(">i", len(vector)) + vector) * 250
kind = "org.apache.cassandra.db.marshal.VectorType(org.apache.cassandra.db.marshal.FloatType, 768)"
def read(times):
    for _ in range(times):
        rows = _core.decode_page([("v", kind)], page, 250, {form!r}, 4)
    return rows
read(5)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
rows = read(20)
faults = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
values = rows[249][0] if {form!r} == "rows" else rows["v"][249]
assert list(values) == [number / 1024 for number in range(768)]
print(faults)
"""
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    # a page of arrays has 190 pages of the system's, one of lists 1,500
    assert int(result.stdout) < 20 * 60


def test_numpy_is_imported_when_it_is_used() -> None:
    script = "import sys, cassandra.cluster, cassandra.protocol; print('numpy' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert result.stdout == "False\n"


def test_a_page_cannot_claim_more_rows_than_its_bytes_hold() -> None:
    for form in ("rows", "numpy", "numpy columns"):
        with pytest.raises(ValueError, match="fewer bytes"):
            _core.decode_page([("a", "Int32Type")], b"\0" * 7, 1 << 40, form, 4)
    with pytest.raises(ValueError, match="no form"):
        _core.decode_page([("a", "Int32Type")], b"", 0, "arrow", 4)
