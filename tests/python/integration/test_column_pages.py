"""Protocol handlers that give pages as columns or rows one at a time, on a real node."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import pytest

from cassandra import UnsupportedOperation, cqltypes
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Session
from cassandra.concurrent import execute_concurrent_with_args
from cassandra.protocol import LazyProtocolHandler, NumpyProtocolHandler, ProtocolHandler, ResultMessage
from cassandra.query import SimpleStatement, named_tuple_factory, tuple_factory

ROWS = 250


@pytest.fixture
def table(session: Session) -> Session:
    session.execute("CREATE TABLE t (p int, c int, v bigint, s text, PRIMARY KEY (p, c))")
    insert = session.prepare("INSERT INTO t (p, c, v, s) VALUES (1, ?, ?, ?)")
    values = [(c, None if c == 7 else c * 10, f"s{c}") for c in range(ROWS)]
    execute_concurrent_with_args(session, insert, values)
    use(session, tuple_factory)
    return session


def use(session: Session, row_factory: Any) -> None:
    session.get_execution_profile(EXEC_PROFILE_DEFAULT).row_factory = row_factory


@pytest.mark.smoke
def test_numpy_pages_come_as_dictionaries_of_arrays(table: Session) -> None:
    table.client_protocol_handler = NumpyProtocolHandler
    table.default_fetch_size = 100
    pages = list(table.execute(table.prepare("SELECT c, v, s FROM t WHERE p = 1")))
    assert [len(page["c"]) for page in pages] == [100, 100, 50]
    assert [sorted(page) for page in pages] == [["c", "s", "v"]] * 3
    assert np.ma.concatenate([page["c"] for page in pages]).tolist() == list(range(ROWS))
    assert pages[0]["v"].dtype == np.dtype("int64")
    assert pages[0]["v"][:9].tolist() == [0, 10, 20, 30, 40, 50, 60, None, 80]
    assert pages[2]["s"].tolist() == [f"s{c}" for c in range(200, ROWS)]


def test_a_page_of_columns_goes_to_the_row_factory(table: Session) -> None:
    seen: list[Any] = []

    def factory(names: list[str], page: dict[str, Any]) -> dict[str, Any]:
        seen.append(names)
        return page

    table.client_protocol_handler = NumpyProtocolHandler
    use(table, factory)
    page = table.execute("SELECT c, v FROM t WHERE p = 1 LIMIT 3").one()
    assert seen == [["c", "v"]]
    assert page["c"].tolist() == [0, 1, 2]


def test_futures_and_concurrent_requests_give_columns(table: Session) -> None:
    table.client_protocol_handler = NumpyProtocolHandler
    statement = table.prepare("SELECT c, v FROM t WHERE p = 1 AND c = ?")
    assert table.execute_async(statement, (3,)).result().one()["v"].tolist() == [30]
    results = execute_concurrent_with_args(table, statement, [(c,) for c in range(20)])
    assert [result.one()["c"].tolist() for _, result in results] == [[c] for c in range(20)]


def test_lazy_rows_are_read_through_all_pages(table: Session) -> None:
    table.client_protocol_handler = LazyProtocolHandler
    result = table.execute(SimpleStatement("SELECT c, v FROM t WHERE p = 1", fetch_size=100))
    rows = result.current_rows
    assert next(rows) == (0, 0)
    assert [row[0] for row in result] == list(range(1, ROWS))
    use(table, named_tuple_factory)
    assert table.execute("SELECT c FROM t WHERE p = 1 AND c = 5").one().c == 5


def test_a_session_changes_its_handler_and_the_driver_s_own_questions_stay_rows(table: Session) -> None:
    assert table.client_protocol_handler is ProtocolHandler
    table.client_protocol_handler = NumpyProtocolHandler
    assert table.client_protocol_handler is NumpyProtocolHandler
    future = table.execute_async("SELECT c FROM t WHERE p = 1 AND c = 5", trace=True)
    assert future.result().one()["c"].tolist() == [5]
    assert future.get_query_trace(max_wait=10).request_type == "Execute CQL3 query"
    table.client_protocol_handler = ProtocolHandler
    assert table.execute("SELECT c FROM t WHERE p = 1 AND c = 5").one() == (5,)


def test_a_handler_that_encodes_in_its_own_way_is_refused(session: Session) -> None:
    class Own(ProtocolHandler):
        """Encodes as its base does, but is asked."""

        @classmethod
        def encode_message(cls, *arguments: Any) -> bytes:
            return super().encode_message(*arguments)

    with pytest.raises(UnsupportedOperation, match="Own"):
        session.client_protocol_handler = Own
    assert session.client_protocol_handler is ProtocolHandler


def test_a_handler_with_types_of_its_own_decodes_results(table: Session) -> None:
    class Doubled(cqltypes.LongType):
        """Reads twice the number."""

        @staticmethod
        def deserialize(byts: bytes, protocol_version: int) -> int:
            return 2 * int.from_bytes(byts, "big")

    class Result(ResultMessage):
        """A result in which a bigint is doubled."""

        type_codes = {**ResultMessage.type_codes, 0x0002: Doubled}

    class Own(ProtocolHandler):
        """Decodes results so."""

        message_types_by_opcode = {**ProtocolHandler.message_types_by_opcode, ResultMessage.opcode: Result}

    table.client_protocol_handler = Own
    table.default_fetch_size = 100
    statement = table.prepare("SELECT c, v, s FROM t WHERE p = 1")
    rows = list(table.execute(statement))
    assert rows[:3] == [(0, 0, "s0"), (1, 20, "s1"), (2, 40, "s2")]
    assert rows[7] == (7, None, "s7")
    assert len(rows) == ROWS
    use(table, named_tuple_factory)
    assert table.execute_async("SELECT v FROM t WHERE p = 1 AND c = 5").result().one().v == 100
    results = execute_concurrent_with_args(table, table.prepare("SELECT v FROM t WHERE p = 1 AND c = ?"), [(3,), (4,)])
    assert [result.one().v for _, result in results] == [60, 80]
    table.execute("INSERT INTO t (p, c, v) VALUES (1, 1000, 1)")


def test_a_handler_reads_every_type_as_the_core_does(session: Session) -> None:
    class Own(ProtocolHandler):
        """Decodes as its base does, but is asked."""

        asked: ClassVar[list[int]] = []

        @classmethod
        def decode_message(cls, *arguments: Any) -> Any:
            cls.asked.append(arguments[4])
            return super().decode_message(*arguments)

    session.execute("CREATE TYPE pair (a int, b frozen<list<text>>)")
    session.execute(
        "CREATE TABLE every (k int PRIMARY KEY, l list<int>, m map<text, frozen<set<int>>>, t tuple<int, text>, "
        "u pair, v vector<float, 2>, d duration, n decimal, i inet)"
    )
    session.execute(
        "INSERT INTO every (k, l, m, t, u, v, d, n, i) VALUES (1, [1, 2], {'a': {3}}, (4, 'b'), {a: 5, b: ['c']}, "
        "[6, 7], 1mo2d3ns, 1.50, '127.0.0.1')"
    )
    for query in ("SELECT * FROM every", "SELECT count(*), max(k) FROM every"):
        expected = list(session.execute(query))
        session.client_protocol_handler = Own
        assert list(session.execute(query)) == expected
        session.client_protocol_handler = ProtocolHandler
    assert Own.asked == [0x08, 0x08]
