"""The main ways to run statements, over every protocol version and compression that a server offers.

The tests use nothing but what the published driver has, too, and pass on it unchanged.
"""

from __future__ import annotations

import datetime
import decimal
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from cassandra import ConsistencyLevel, InvalidRequest
from cassandra.cluster import Cluster, Session
from cassandra.concurrent import execute_concurrent, execute_concurrent_with_args
from cassandra.query import (
    BatchStatement,
    BatchType,
    SimpleStatement,
    dict_factory,
    ordered_dict_factory,
    tuple_factory,
)

MATRIX = [
    (version, compression)
    for version in (5, 4, 3)
    for compression in (False, "lz4", "snappy")
    if not (version == 5 and compression == "snappy")
]

pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture(scope="module", params=MATRIX, ids=lambda pair: f"v{pair[0]}-{pair[1] or 'plain'}")
def connected(request: pytest.FixtureRequest, contact_points: list[str]) -> Iterator[Session]:
    """A session in a keyspace of its own, by one protocol version and compression."""
    version, compression = request.param
    cluster = Cluster(contact_points, protocol_version=version, compression=compression)
    session = cluster.connect()
    keyspace = f"matrix_{uuid.uuid4().hex[:12]}"
    session.execute(
        f"CREATE KEYSPACE {keyspace} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}"
    )
    session.set_keyspace(keyspace)
    # Some servers warn of unqualified names in prepared statements, and cannot send warnings by protocol version 3.
    session.of = keyspace + "."
    session.execute("CREATE TABLE items (id int PRIMARY KEY, name text, payload blob)")
    session.execute("CREATE TABLE hits (id int PRIMARY KEY, total counter)")
    session.execute(
        "CREATE TABLE kinds (id int PRIMARY KEY, a ascii, b bigint, c blob, d boolean, e decimal, f double, g float, "
        "h inet, i timestamp, j uuid, k varint, l timeuuid, m list<int>, n set<text>, o map<text, int>, "
        "p frozen<tuple<int, text>>, q date, r time, s smallint, t tinyint)"
    )
    yield session
    session.execute(f"DROP KEYSPACE {keyspace}")
    cluster.shutdown()


@pytest.mark.smoke
def test_simple_statements_take_parameters_by_position_and_by_name(connected: Session) -> None:
    connected.execute("INSERT INTO items (id, name, payload) VALUES (%s, %s, %s)", (1, "it's", b"\x00\xff"))
    connected.execute("INSERT INTO items (id, name) VALUES (%(id)s, %(name)s)", {"id": 2, "name": "two"})
    row = connected.execute("SELECT id, name, payload FROM items WHERE id = 1").one()
    assert (row.id, row.name, row.payload) == (1, "it's", b"\x00\xff")
    assert connected.execute("SELECT name FROM items WHERE id = %s", [2]).one()[0] == "two"


@pytest.mark.smoke
def test_prepared_statements_bind_by_position_and_by_name(connected: Session) -> None:
    insert = connected.prepare(f"INSERT INTO {connected.of}items (id, name, payload) VALUES (?, ?, ?)")
    connected.execute(insert, (10, "ten", None))
    connected.execute(insert.bind({"id": 11, "name": "eleven", "payload": b"x" * 10}))
    select = connected.prepare(f"SELECT * FROM {connected.of}items WHERE id = ?")
    assert tuple(connected.execute(select, [10]).one()) == (10, "ten", None)
    assert tuple(connected.execute(select, [11]).one()) == (11, "eleven", b"x" * 10)


@pytest.mark.smoke
def test_batches_of_all_kinds_are_applied(connected: Session) -> None:
    insert = connected.prepare(f"INSERT INTO {connected.of}items (id, name) VALUES (?, ?)")
    for number, kind in ((100, BatchType.LOGGED), (200, BatchType.UNLOGGED)):
        batch = BatchStatement(batch_type=kind, consistency_level=ConsistencyLevel.ONE)
        batch.add(insert, (number, "prepared"))
        batch.add(SimpleStatement("INSERT INTO items (id, name) VALUES (%s, %s)"), (number + 1, "simple"))
        connected.execute(batch)
        rows = connected.execute("SELECT name FROM items WHERE id IN (%s, %s)", (number, number + 1))
        assert sorted(row.name for row in rows) == ["prepared", "simple"]
    batch = BatchStatement(batch_type=BatchType.COUNTER)
    batch.add("UPDATE hits SET total = total + 2 WHERE id = 1")
    connected.execute(batch)
    assert connected.execute("SELECT total FROM hits WHERE id = 1").one().total == 2


@pytest.mark.smoke
def test_pages_follow_each_other(connected: Session) -> None:
    insert = connected.prepare(f"INSERT INTO {connected.of}items (id, name) VALUES (?, ?)")
    execute_concurrent_with_args(connected, insert, [(number, "paged") for number in range(1000, 1250)])
    statement = SimpleStatement("SELECT id FROM items", fetch_size=40)
    result = connected.execute(statement)
    assert result.has_more_pages
    assert len(result.current_rows) == 40
    everything = {row.id for row in result}
    assert everything >= set(range(1000, 1250))

    first = connected.execute(statement)
    rest = connected.execute(statement, paging_state=first.paging_state)
    seen = [row.id for row in first.current_rows] + [row.id for row in rest]
    assert len(seen) == len(set(seen)) == len(everything)


def test_a_value_of_a_megabyte_comes_back(connected: Session) -> None:
    content = bytes(range(256)) * 4096
    insert = connected.prepare(f"INSERT INTO {connected.of}items (id, payload) VALUES (?, ?)")
    connected.execute(insert, (5, content))
    assert connected.execute("SELECT payload FROM items WHERE id = 5").one().payload == content


@pytest.mark.smoke
def test_values_of_the_types_come_back(connected: Session) -> None:
    values: dict[str, Any] = {
        "id": 1,
        "a": "ascii",
        "b": -(2**63),
        "c": b"\x00\x01",
        "d": True,
        "e": decimal.Decimal("-12.340"),
        "f": 1.5e300,
        "g": 0.5,
        "h": "::1",
        "i": datetime.datetime(2024, 2, 29, 12, 30, 15, 123000),
        "j": uuid.UUID(int=5),
        "k": 2**100,
        "l": uuid.uuid1(),
        "m": [1, 2, 3],
        "n": {"b", "a"},
        "o": {"x": 1, "y": 2},
        "p": (7, "seven"),
        "s": -5,
        "t": 127,
    }
    columns = list(values)
    insert = connected.prepare(
        f"INSERT INTO {connected.of}kinds ({', '.join(columns)}) VALUES ({', '.join('?' for _ in columns)})"
    )
    connected.execute(insert, [values[column] for column in columns])
    row = connected.execute(f"SELECT {', '.join(columns)} FROM kinds WHERE id = 1").one()
    for column in columns:
        assert getattr(row, column) == values[column], column
    connected.execute("INSERT INTO kinds (id, q, r) VALUES (2, '2024-02-29', '08:12:54.123456789')")
    row = connected.execute("SELECT q, r FROM kinds WHERE id = 2").one()
    assert row.q.date() == datetime.date(2024, 2, 29)
    assert str(row.r) == "08:12:54.123456789"


def test_row_factories_give_their_shapes(connected: Session) -> None:
    connected.execute("INSERT INTO items (id, name) VALUES (7, 'seven')")
    statement = "SELECT id, name FROM items WHERE id = 7"
    former = connected.row_factory
    try:
        connected.row_factory = tuple_factory
        assert list(connected.execute(statement)) == [(7, "seven")]
        connected.row_factory = dict_factory
        assert list(connected.execute(statement)) == [{"id": 7, "name": "seven"}]
        connected.row_factory = ordered_dict_factory
        assert list(connected.execute(statement)[0].items()) == [("id", 7), ("name", "seven")]
        connected.row_factory = lambda names, rows: [names, *rows]
        assert list(connected.execute(statement)) == [["id", "name"], (7, "seven")]
    finally:
        connected.row_factory = former


def test_errors_of_the_server_arrive_as_exceptions(connected: Session) -> None:
    with pytest.raises(InvalidRequest, match="nowhere"):
        connected.execute("SELECT * FROM nowhere")
    results = execute_concurrent(
        connected,
        [("SELECT id FROM items WHERE id = %s", (7,)), ("SELECT nothing FROM items", ())],
        raise_on_first_error=False,
    )
    assert results[0].success
    assert not results[1].success
    assert isinstance(results[1].result_or_exc, InvalidRequest)


def test_conditional_statements_say_whether_they_were_applied(connected: Session) -> None:
    statement = SimpleStatement(
        "INSERT INTO items (id, name) VALUES (300, 'x') IF NOT EXISTS",
        serial_consistency_level=ConsistencyLevel.LOCAL_SERIAL,
    )
    assert connected.execute(statement).was_applied
    result = connected.execute(statement)
    assert not result.was_applied
    assert result.one().name == "x"
