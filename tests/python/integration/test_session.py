"""Sessions, futures and results on a real node."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from cassandra import ConsistencyLevel, InvalidRequest, OperationTimedOut, Unavailable
from cassandra.cluster import Cluster, NoHostAvailable, QueryExhausted, ResultSet, Session, UserTypeDoesNotExist
from cassandra.concurrent import execute_concurrent, execute_concurrent_with_args
from cassandra.policies import FallthroughRetryPolicy
from cassandra.protocol import SyntaxException
from cassandra.query import (
    UNSET_VALUE,
    BatchStatement,
    SimpleStatement,
    dict_factory,
    ordered_dict_factory,
    tuple_factory,
)

PATIENCE = 20
"""Seconds after which something that should have happened counts as missing."""


@pytest.fixture
def table(session: Session) -> Session:
    session.execute("CREATE TABLE t (k int PRIMARY KEY, v text, n int)")
    return session


def fill(session: Session, count: int) -> None:
    insert = session.prepare("INSERT INTO t (k, v, n) VALUES (?, ?, ?)")
    execute_concurrent_with_args(session, insert, [(i, f"v{i}", i) for i in range(count)])


@pytest.mark.smoke
def test_simple_statements_take_parameters_by_place_and_by_name(table: Session) -> None:
    table.execute("INSERT INTO t (k, v) VALUES (%s, %s)", (1, "it's"))
    assert table.execute("SELECT k, v FROM t WHERE k = %(k)s", {"k": 1}).one() == (1, "it's")


@pytest.mark.smoke
def test_prepared_statements_take_tuples_lists_dicts_and_bound_statements(table: Session) -> None:
    insert = table.prepare("INSERT INTO t (k, v, n) VALUES (?, ?, ?)")
    table.execute(insert, (1, "a", 1))
    table.execute(insert, [2, "b"])
    table.execute(insert, {"k": 3, "n": 3})
    table.execute(insert.bind((4, None, UNSET_VALUE)))
    rows = sorted(table.execute("SELECT k, v, n FROM t"))
    assert rows == [(1, "a", 1), (2, "b", None), (3, None, 3), (4, None, None)]


def test_a_value_of_the_wrong_type_names_its_column_before_anything_is_sent(table: Session) -> None:
    insert = table.prepare("INSERT INTO t (k, v) VALUES (?, ?)")
    with pytest.raises(TypeError, match='column "k"'):
        table.execute(insert, ("x", "y"))
    with pytest.raises(ValueError, match="Too many arguments"):
        table.execute(insert, (1, "y", 2))
    with pytest.raises(ValueError, match="part of the routing key"):
        table.execute(insert, (UNSET_VALUE, "y"))


def test_a_batch_runs_text_prepared_and_bound_statements(table: Session) -> None:
    insert = table.prepare("INSERT INTO t (k, v) VALUES (?, ?)")
    batch = BatchStatement()
    batch.add(insert, (1, "a")).add("INSERT INTO t (k, v) VALUES (2, 'b')").add(insert.bind((3, "c")))
    batch.add(SimpleStatement("INSERT INTO t (k, v) VALUES (%s, %s)"), (4, "d"))
    table.execute(batch)
    assert sorted(row.k for row in table.execute("SELECT k FROM t")) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("factory", "row"),
    [(tuple_factory, (1, "a")), (dict_factory, {"k": 1, "v": "a"}), (ordered_dict_factory, {"k": 1, "v": "a"})],
)
def test_rows_take_the_shape_of_the_row_factory(table: Session, factory: Any, row: Any) -> None:
    table.execute("INSERT INTO t (k, v) VALUES (1, 'a')")
    future = table.execute_async("SELECT k, v FROM t")
    future.row_factory = factory
    assert future.result().all() == [row]


def test_other_row_factories_are_called_with_names_and_rows(table: Session) -> None:
    fill(table, 3)
    profile = table.execution_profile_clone_update(
        table.cluster.profile_manager.default, row_factory=lambda names, rows: [(tuple(names), len(rows))]
    )
    result = table.execute("SELECT k, v FROM t", execution_profile=profile)
    assert result.all() == [(("k", "v"), 3)]


@pytest.mark.smoke
def test_iterating_reads_all_pages(table: Session) -> None:
    fill(table, 55)
    result = table.execute(SimpleStatement("SELECT k FROM t", fetch_size=10))
    assert len(result.current_rows) == len(result) == 10
    assert result.has_more_pages
    assert sorted(row.k for row in result) == list(range(55))
    assert result.current_rows == []


def test_a_paging_state_goes_on_in_another_request(table: Session) -> None:
    fill(table, 30)
    statement = SimpleStatement("SELECT k FROM t", fetch_size=10)
    first = table.execute(statement)
    second = table.execute(statement, paging_state=first.paging_state)
    expected = second.current_rows
    first.fetch_next_page()
    assert first.current_rows == expected


def test_callbacks_run_again_for_every_page(table: Session) -> None:
    fill(table, 25)
    future = table.execute_async(SimpleStatement("SELECT k FROM t", fetch_size=10))
    pages: list[int] = []
    finished = threading.Event()

    def page(rows: list[Any], mark: str) -> None:
        pages.append(len(rows))
        if future.has_more_pages:
            future.start_fetching_next_page()
        else:
            finished.set()

    assert future.add_callback(page, "mark") is future
    assert finished.wait(PATIENCE)
    assert pages == [10, 10, 5]
    with pytest.raises(QueryExhausted):
        future.start_fetching_next_page()


def test_a_callback_added_to_a_finished_future_runs_at_once(table: Session) -> None:
    future = table.execute_async("SELECT k FROM t")
    future.result()
    seen: list[Any] = []
    future.add_callback(lambda rows: seen.append((rows, threading.current_thread())))
    assert seen == [([], threading.current_thread())]


def test_an_errback_gets_the_exception_and_result_raises_it(table: Session) -> None:
    future = table.execute_async("SELECT nope FROM t")
    seen: list[BaseException] = []
    called = threading.Event()
    future.add_callbacks(lambda _: called.set(), lambda error: (seen.append(error), called.set()))
    assert called.wait(PATIENCE)
    with pytest.raises(InvalidRequest) as raised:
        future.result()
    assert seen == [raised.value]


def test_futures_can_be_awaited(table: Session) -> None:
    fill(table, 10)

    async def ask() -> tuple[list[ResultSet], str]:
        select = table.prepare("SELECT v FROM t WHERE k = ?")
        results = await asyncio.gather(*(table.execute_async(select, (i,)) for i in range(10)))
        try:
            await table.execute_async("SELECT nope FROM t")
        except InvalidRequest as error:
            return results, str(error)
        return results, ""

    results, message = asyncio.run(ask())
    assert [result.one().v for result in results] == [f"v{i}" for i in range(10)]
    assert "code=2200" in message


@pytest.mark.smoke
def test_server_errors_keep_their_classes_and_words(table: Session) -> None:
    with pytest.raises(SyntaxException, match="code=2000"):
        table.execute("SELEC")
    with pytest.raises(InvalidRequest, match=r"Error from server: code=2200 \[Invalid query\] message="):
        table.execute("SELECT * FROM nope")
    unreachable = SimpleStatement(
        "SELECT * FROM t", consistency_level=ConsistencyLevel.THREE, retry_policy=FallthroughRetryPolicy()
    )
    with pytest.raises(Unavailable) as raised:
        table.execute(unreachable)
    assert (raised.value.consistency, raised.value.required_replicas, raised.value.alive_replicas) == (3, 3, 1)


def test_a_keyspace_that_does_not_exist_is_no_host_available(cluster: Cluster) -> None:
    with pytest.raises(NoHostAvailable, match="nope_ks") as raised:
        cluster.connect("nope_ks")
    assert [type(error) for error in (raised.value.errors or {}).values()] == [InvalidRequest]


def test_a_request_that_takes_too_long_is_timed_out_by_node(table: Session) -> None:
    fill(table, 200)
    future = table.execute_async("SELECT * FROM t", timeout=1e-9)
    with pytest.raises(OperationTimedOut) as raised:
        future.result()
    assert list((raised.value.errors or {}).values()) == [
        "Client request timeout. See Session.execute[_async](timeout)"
    ]


def test_lightweight_transactions_tell_whether_they_were_applied(table: Session) -> None:
    assert table.execute("INSERT INTO t (k, v) VALUES (1, 'a') IF NOT EXISTS").was_applied
    assert not table.execute("INSERT INTO t (k, v) VALUES (1, 'b') IF NOT EXISTS").was_applied
    with pytest.raises(RuntimeError, match="exactly one row"):
        _ = table.execute("INSERT INTO t (k, v) VALUES (1, 'b')").was_applied


def test_a_trace_is_read_back(table: Session) -> None:
    result = table.execute("SELECT * FROM t", trace=True)
    trace = result.get_query_trace(max_wait_sec=PATIENCE)
    assert trace.request_type == "Execute CQL3 query"
    assert trace.events
    assert table.execute("SELECT * FROM t").get_query_trace() is None


def test_registered_classes_stand_for_user_defined_types(table: Session) -> None:
    class Address:
        def __init__(self, street: str, zip: int) -> None:
            self.street, self.zip = street, zip

    table.execute("CREATE TYPE address (street text, zip int)")
    table.execute("CREATE TABLE u (k int PRIMARY KEY, a frozen<address>)")
    insert = table.prepare("INSERT INTO u (k, a) VALUES (?, ?)")
    select = table.prepare("SELECT a FROM u WHERE k = ?")
    table.execute(insert, (1, {"street": "Main", "zip": 7}))
    assert table.execute(select, (1,)).one().a == ("Main", 7)
    table.cluster.register_user_type(table.keyspace or "", "address", Address)
    table.execute(insert, (2, Address("Side", 8)))
    table.execute("INSERT INTO u (k, a) VALUES (3, %s)", (Address("Lit", 9),))
    addresses = [table.execute(select, (k,)).one().a for k in (1, 2, 3)]
    assert [type(address) for address in addresses] == [Address] * 3
    assert [(address.street, address.zip) for address in addresses] == [("Main", 7), ("Side", 8), ("Lit", 9)]
    with pytest.raises(UserTypeDoesNotExist):
        table.cluster.register_user_type(table.keyspace or "", "nope", Address)


def test_concurrent_results_come_in_order_and_errors_in_their_place(table: Session) -> None:
    fill(table, 300)
    select = table.prepare("SELECT n FROM t WHERE k = ?")
    results = execute_concurrent_with_args(table, select, [(i,) for i in range(300)], concurrency=32)
    assert [result.result_or_exc.one().n for result in results] == list(range(300))
    mixed = [(select, (1,)), (select, ("x",)), ("SELECT nope FROM t", None), (select, (2,))]
    results = execute_concurrent(table, mixed, raise_on_first_error=False)
    assert [success for success, _ in results] == [True, False, False, True]
    assert [type(results[1].result_or_exc), type(results[2].result_or_exc)] == [TypeError, InvalidRequest]
    with pytest.raises((TypeError, InvalidRequest)):
        execute_concurrent(table, mixed)
    taken = execute_concurrent(table, mixed, results_generator=True, raise_on_first_error=False)
    assert [success for success, _ in taken] == [True, False, False, True]
    assert [success for success, _ in table.execute_concurrent_async(mixed).result(PATIENCE)] == [
        True,
        False,
        False,
        True,
    ]


def test_a_patched_execute_async_sees_every_request(table: Session) -> None:
    seen: list[Any] = []
    native = table.execute_async

    def traced(query: Any, *args: Any, **kwargs: Any) -> Any:
        seen.append(query)
        return native(query, *args, **kwargs)

    table.execute_async = traced  # type: ignore[method-assign]
    table.execute("SELECT k FROM t")
    execute_concurrent(table, [("SELECT v FROM t", None)])
    assert seen == ["SELECT k FROM t", "SELECT v FROM t"]


def test_listeners_see_each_future_before_it_is_sent(table: Session) -> None:
    seen: list[Any] = []
    table.add_request_init_listener(lambda future, mark: seen.append((str(future.query), mark)), 5)
    table.execute("SELECT k FROM t")
    assert len(seen) == 1
    assert "SELECT k FROM t" in seen[0][0]


def test_a_session_that_is_shut_down_raises(table: Session) -> None:
    other = table.cluster.connect(table.keyspace)
    other.shutdown()
    assert other.is_shutdown
    with pytest.raises(NoHostAvailable):
        other.execute("SELECT k FROM t")
