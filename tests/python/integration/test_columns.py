"""Protocol handlers that give pages as columns or rows one at a time, on a real node."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cassandra import UnsupportedOperation
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Session
from cassandra.concurrent import execute_concurrent_with_args
from cassandra.protocol import LazyProtocolHandler, NumpyProtocolHandler, ProtocolHandler
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
