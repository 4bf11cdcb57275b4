"""Futures, callbacks, paging by hand, tracing, bad input and lost nodes: what programs do besides the main way.

Unless a test says otherwise it passes on the published driver unchanged.
"""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
import uuid
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

import cassandra
from cassandra import ConsistencyLevel, InvalidRequest, OperationTimedOut, Unavailable
from cassandra.cluster import (
    EXEC_PROFILE_DEFAULT,
    Cluster,
    ExecutionProfile,
    NoHostAvailable,
    QueryExhausted,
    ResultSet,
    Session,
)
from cassandra.concurrent import execute_concurrent_with_args
from cassandra.policies import RoundRobinPolicy, WhiteListRoundRobinPolicy
from cassandra.query import SimpleStatement, tuple_factory

ours_only = pytest.mark.skipif(
    not hasattr(cassandra, "_core") and "site-packages/cassandra/" in (cassandra.__file__ or ""),
    reason="the published driver cannot do this",
)
pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning")]


@pytest.fixture(scope="module")
def session(contact_points: list[str]) -> Iterator[Session]:
    """A session in a keyspace with a table of 100 rows."""
    cluster = Cluster(contact_points)
    session = cluster.connect()
    keyspace = f"session_{uuid.uuid4().hex[:12]}"
    session.execute(
        f"CREATE KEYSPACE {keyspace} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}"
    )
    session.set_keyspace(keyspace)
    session.execute("CREATE TABLE numbers (id int PRIMARY KEY, name text)")
    insert = session.prepare("INSERT INTO numbers (id, name) VALUES (?, ?)")
    execute_concurrent_with_args(session, insert, [(number, f"n{number}") for number in range(100)])
    yield session
    session.execute(f"DROP KEYSPACE {keyspace}")
    cluster.shutdown()


class Calls:
    """Remembers what it was called with."""

    def __init__(self) -> None:
        self.arguments: list[tuple[Any, ...]] = []
        self.called = threading.Event()

    def __call__(self, *arguments: Any, **named: Any) -> None:
        self.arguments.append((*arguments, named) if named else arguments)
        self.called.set()


def test_callbacks_get_rows_and_their_own_arguments(session: Session) -> None:
    good, bad = Calls(), Calls()
    future = session.execute_async("SELECT id FROM numbers WHERE id = 5")
    future.add_callbacks(good, bad, callback_args=("more",), callback_kwargs={"key": 1})
    assert good.called.wait(10)
    ((rows, more, named),) = good.arguments
    assert [tuple(row) for row in rows] == [(5,)]
    assert (more, named) == ("more", {"key": 1})
    assert not bad.arguments
    assert isinstance(future.result(), ResultSet)


def test_errbacks_get_the_exception(session: Session) -> None:
    good, bad = Calls(), Calls()
    future = session.execute_async("SELECT id FROM nowhere")
    future.add_callback(good)
    future.add_errback(bad)
    assert bad.called.wait(10)
    assert isinstance(bad.arguments[0][0], InvalidRequest)
    assert not good.arguments
    with pytest.raises(InvalidRequest):
        future.result()


def test_a_callback_on_a_finished_future_runs_at_once_on_the_callers_thread(session: Session) -> None:
    future = session.execute_async("SELECT id FROM numbers WHERE id = 5")
    future.result()
    threads: list[int] = []
    future.add_callback(lambda rows: threads.append(threading.get_ident()))
    assert threads == [threading.get_ident()]


def test_callbacks_run_again_for_each_page(session: Session) -> None:
    pages: list[int] = []
    done = threading.Event()

    def on_page(rows: list[Any]) -> None:
        pages.append(len(rows))
        if future.has_more_pages:
            future.start_fetching_next_page()
        else:
            done.set()

    future = session.execute_async(SimpleStatement("SELECT id FROM numbers", fetch_size=30))
    future.add_callback(on_page)
    assert done.wait(10)
    assert pages == [30, 30, 30, 10]
    with pytest.raises(QueryExhausted):
        future.start_fetching_next_page()


def test_pages_are_fetched_by_hand(session: Session) -> None:
    result = session.execute(SimpleStatement("SELECT id FROM numbers", fetch_size=60))
    assert len(result.current_rows) == 60
    assert result.has_more_pages
    result.fetch_next_page()
    assert len(result.current_rows) == 40
    assert not result.has_more_pages


def test_many_futures_are_in_flight_at_once(session: Session) -> None:
    select = session.prepare("SELECT name FROM numbers WHERE id = ?")
    futures = [session.execute_async(select, (number,)) for number in range(100)] * 1
    assert [future.result().one().name for future in futures] == [f"n{number}" for number in range(100)]


def test_threads_share_a_session(session: Session) -> None:
    select = session.prepare("SELECT name FROM numbers WHERE id = ?")
    wrong: list[Any] = []

    def work() -> None:
        for number in range(100):
            name = session.execute(select, (number,)).one().name
            if name != f"n{number}":
                wrong.append((number, name))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not wrong


@ours_only
def test_a_future_can_be_awaited(session: Session) -> None:
    select = session.prepare("SELECT name FROM numbers WHERE id = ?")

    async def main() -> list[str]:
        async def one(number: int) -> str:
            result = await session.execute_async(select, (number,))
            return str(result.one().name)

        with pytest.raises(InvalidRequest):
            await session.execute_async("SELECT id FROM nowhere")
        return await asyncio.gather(*(one(number) for number in range(100)))

    assert asyncio.run(main()) == [f"n{number}" for number in range(100)]


@ours_only
def test_what_only_the_documentation_page_has_is_accepted(session: Session) -> None:
    future = session.execute_async("SELECT id FROM numbers WHERE id IN (1, 2)")
    assert len(future.result(timeout=10.0)) == 2


def test_concurrent_results_come_in_the_order_of_the_parameters(session: Session) -> None:
    select = session.prepare("SELECT name FROM numbers WHERE id = ?")
    results = execute_concurrent_with_args(session, select, [(number,) for number in range(100)], concurrency=7)
    assert [result.result_or_exc.one().name for result in results] == [f"n{number}" for number in range(100)]
    generator = execute_concurrent_with_args(
        session, select, [(number,) for number in range(100)], concurrency=7, results_generator=True
    )
    assert [result_or_exc.one().name for _, result_or_exc in generator] == [f"n{number}" for number in range(100)]


def test_a_result_gives_its_future_when_it_is_asked_for(session: Session) -> None:
    select = session.prepare("SELECT name FROM numbers WHERE id = ?")
    insert = session.prepare("INSERT INTO numbers (id, name) VALUES (?, ?)")
    ((_, one_of_many),) = execute_concurrent_with_args(session, select, [(7,)])
    for result in (session.execute(select, (7,)), one_of_many):
        assert [row.name for row in result] == ["n7"]
        future = result.response_future
        assert future is result.response_future
        assert [row.name for row in future.result()] == ["n7"]
        assert future.prepared_statement is select
        assert future.query.values == [b"\0\0\0\7"]
        assert future.session is session
        assert future.coordinator_host is not None
        assert future.timeout == 10.0
        assert result.column_names == ["name"]
        assert result.paging_state is None
    ((_, nothing),) = execute_concurrent_with_args(session, insert, [(7, "n7")])
    for result in (session.execute(insert, (7, "n7")), nothing):
        assert result.one() is None
        assert result.current_rows == []
        got = Calls()
        result.response_future.add_callback(got)
        assert got.arguments == [(None,)]


def test_a_result_whose_rows_lead_back_to_it_is_collected(session: Session) -> None:
    class Witness:
        pass

    select = session.prepare("SELECT name FROM numbers WHERE id = ?")
    ((_, one_of_many),) = execute_concurrent_with_args(session, select, [(7,)])
    gone = []
    for result in (session.execute(select, (7,)), one_of_many):
        witness = Witness()
        gone.append(weakref.ref(witness))
        result.current_rows.extend((result, witness))
    del result, witness, one_of_many
    gc.collect()
    assert [witness() for witness in gone] == [None, None]


def test_one_of_many_pages_is_followed_by_the_others(session: Session) -> None:
    select = session.prepare("SELECT id FROM numbers")
    select.fetch_size = 30
    results = execute_concurrent_with_args(session, select, [(), ()])
    for _, result in results:
        assert result.has_more_pages
        assert len(result.current_rows) == 30
        assert sorted(row.id for row in result) == list(range(100))


def test_concurrent_execution_stops_at_the_first_error_unless_told_otherwise(session: Session) -> None:
    insert = session.prepare("INSERT INTO numbers (id, name) VALUES (?, ?)")
    parameters = [(1000, "good"), ("no number", "bad"), (1001, "good")]
    with pytest.raises(TypeError):
        execute_concurrent_with_args(session, insert, parameters)
    results = execute_concurrent_with_args(session, insert, parameters, raise_on_first_error=False)
    assert [result.success for result in results] == [True, False, True]
    session.execute("DELETE FROM numbers WHERE id IN (1000, 1001)")


def test_traces_are_read_back(session: Session) -> None:
    future = session.execute_async("SELECT id FROM numbers WHERE id = 1", trace=True)
    future.result()
    trace = future.get_query_trace(max_wait=10)
    assert trace.request_type == "Execute CQL3 query"
    assert trace.events
    assert trace.coordinator


def test_execution_profiles_are_chosen_by_name(contact_points: list[str]) -> None:
    profiles = {
        EXEC_PROFILE_DEFAULT: ExecutionProfile(load_balancing_policy=RoundRobinPolicy()),
        "tuples": ExecutionProfile(
            load_balancing_policy=WhiteListRoundRobinPolicy(contact_points),
            row_factory=tuple_factory,
            consistency_level=ConsistencyLevel.ONE,
            request_timeout=20,
        ),
    }
    cluster = Cluster(contact_points, execution_profiles=profiles)
    try:
        session = cluster.connect("system")
        assert session.execute("SELECT key FROM local").one().key == "local"
        assert session.execute("SELECT key FROM local", execution_profile="tuples").one() == ("local",)
    finally:
        cluster.shutdown()


def test_a_consistency_level_that_cannot_be_met_is_unavailable(session: Session) -> None:
    statement = SimpleStatement("SELECT id FROM numbers WHERE id = 1", consistency_level=ConsistencyLevel.THREE)
    # Another host is to be tried, and there is none.
    with pytest.raises(NoHostAvailable) as raised:
        session.execute(statement)
    (caught,) = raised.value.errors.values()
    assert isinstance(caught, Unavailable)
    assert caught.required_replicas == 3
    assert caught.alive_replicas == 1
    assert caught.consistency == ConsistencyLevel.THREE


def test_a_request_that_takes_too_long_times_out(session: Session) -> None:
    with pytest.raises(OperationTimedOut):
        session.execute("SELECT id FROM numbers", timeout=0.000001)
    assert session.execute("SELECT id FROM numbers WHERE id = 3").one().id == 3


@pytest.mark.parametrize(
    ("values", "raised"),
    [
        ((1,), None),
        ((1, "a", 2), ValueError),
        (("x", "a"), TypeError),
        # The published driver lets an AttributeError through; ours is documented to be a TypeError.
        ((1, 5), TypeError if hasattr(cassandra, "_core") else AttributeError),
        ((2**40, "a"), TypeError),
        ({"id": 1, "unknown": "a"}, None),
        ({"name": "a"}, ValueError),
    ],
)
def test_values_that_do_not_fit_raise_before_anything_is_sent(session: Session, values: Any, raised: Any) -> None:
    insert = session.prepare("INSERT INTO numbers (id, name) VALUES (?, ?)")
    if raised is None:
        insert.bind(values)
    else:
        with pytest.raises(raised):
            insert.bind(values)


def test_a_port_that_nobody_listens_on_is_named_with_its_error(contact_points: list[str]) -> None:
    with socket.socket() as free:
        free.bind((contact_points[0], 0))
        port = free.getsockname()[1]
    cluster = Cluster([contact_points[0]], port=port)
    with pytest.raises(NoHostAvailable) as caught:
        cluster.connect()
    assert f"{contact_points[0]}:{port}" in str(caught.value)
    assert len(caught.value.errors) == 1
    cluster.shutdown()


def test_a_keyspace_that_does_not_exist_is_refused(contact_points: list[str]) -> None:
    cluster = Cluster(contact_points)
    with pytest.raises((InvalidRequest, NoHostAvailable), match="nowhere"):
        cluster.connect("nowhere")
    cluster.shutdown()


def test_contact_points_that_are_no_list_are_refused() -> None:
    with pytest.raises(TypeError):
        Cluster("127.0.0.1")
    with pytest.raises((ValueError, NoHostAvailable)):
        Cluster([]).connect()


def test_a_name_that_does_not_resolve_is_told(contact_points: list[str]) -> None:
    with pytest.raises((cassandra.UnresolvableContactPoints, NoHostAvailable)):
        Cluster(["does-not-exist.invalid"]).connect()


def test_hosts_are_known_after_connecting(session: Session, contact_points: list[str]) -> None:
    hosts = session.cluster.metadata.all_hosts()
    assert {host.address for host in hosts} >= set(contact_points)
    assert all(host.is_up for host in hosts)
    assert all(host.release_version for host in hosts)
    assert session.cluster.metadata.cluster_name


def test_a_session_that_was_shut_down_refuses_requests(contact_points: list[str]) -> None:
    cluster = Cluster(contact_points)
    session = cluster.connect()
    cluster.shutdown()
    with pytest.raises(Exception, match=r"(?i)shut ?down"):
        session.execute("SELECT key FROM system.local")
