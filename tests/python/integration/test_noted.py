"""What a program assigns to a session or a statement counts from the next request on, however often one ran before."""

from __future__ import annotations

import copy
import json
import os
import subprocess
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import pytest

from cassandra import ConsistencyLevel
from cassandra.cluster import Cluster, ResponseFuture, Session
from cassandra.query import FETCH_SIZE_UNSET, PreparedStatement
from cassandra.timestamps import MonotonicTimestampGenerator

W1 = "INSERT INTO bench.w1 (k, v) VALUES (?, ?)"
VALUES = (1, "text")
OFTEN = 100


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    testkit = os.environ.get("HELENUS_TESTKIT")
    if testkit is None:
        pytest.skip("HELENUS_TESTKIT names no test bed")
    with subprocess.Popen([testkit, "canned"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        host, _, port = json.loads(process.stdout.readline())["address"].rpartition(":")
        with Cluster([host], port=int(port), protocol_version=4) as cluster:
            yield cluster
        process.stdin.close()


@pytest.fixture
def session(cluster: Cluster) -> Iterator[Session]:
    with cluster.connect() as session:
        yield session


@pytest.fixture
def prepared(session: Session) -> PreparedStatement:
    return session.prepare(W1)


def sent(session: Session, prepared: PreparedStatement) -> Any:
    """The message of a request, which is run like the ones before it."""
    for _ in range(3):
        session.execute(prepared, VALUES)
    future = session.execute_async(prepared, VALUES)
    future.result()
    return future.message


SAID = [
    ("consistency_level", ConsistencyLevel.TWO, ConsistencyLevel.LOCAL_ONE),
    ("serial_consistency_level", ConsistencyLevel.SERIAL, None),
    ("fetch_size", 17, 5000),
]


@pytest.mark.parametrize(("name", "value", "otherwise"), SAID)
def test_a_statement_says_what_was_assigned_to_it(
    session: Session, prepared: PreparedStatement, name: str, value: Any, otherwise: Any
) -> None:
    assert getattr(sent(session, prepared), name) == otherwise
    setattr(prepared, name, value)
    assert getattr(sent(session, prepared), name) == value
    delattr(prepared, name)
    assert getattr(sent(session, prepared), name) == otherwise
    with mock.patch.object(PreparedStatement, name, value):
        assert getattr(sent(session, prepared), name) == value
    assert getattr(sent(session, prepared), name) == otherwise
    vars(prepared)[name] = value
    assert getattr(sent(session, prepared), name) == value
    del vars(prepared)[name]
    assert getattr(sent(session, prepared), name) == otherwise


def test_a_payload_may_be_filled_after_it_was_assigned(session: Session, prepared: PreparedStatement) -> None:
    assert sent(session, prepared).custom_payload is None
    payload: dict[str, bytes] = {}
    prepared.custom_payload = payload
    assert sent(session, prepared).custom_payload is None
    payload["a"] = b"b"
    assert sent(session, prepared).custom_payload == {"a": b"b"}
    prepared.custom_payload = None
    assert sent(session, prepared).custom_payload is None


def test_an_attribute_may_be_a_property_that_gives_something_else_each_time(
    session: Session, prepared: PreparedStatement
) -> None:
    levels = iter(range(1, 8))

    class Rising(PreparedStatement):
        @property
        def consistency_level(self) -> int:  # type: ignore[override]
            return next(levels)

    assert sent(session, prepared).consistency_level == ConsistencyLevel.LOCAL_ONE
    prepared.__class__ = Rising
    assert sent(session, prepared).consistency_level == 4


def test_a_subclass_may_answer_for_attributes_itself(session: Session, prepared: PreparedStatement) -> None:
    class Loud(PreparedStatement):
        def __getattribute__(self, name: str) -> Any:
            return ConsistencyLevel.THREE if name == "consistency_level" else super().__getattribute__(name)

    prepared.__class__ = Loud
    assert sent(session, prepared).consistency_level == ConsistencyLevel.THREE


def test_a_level_may_be_changed_between_any_two_requests(session: Session, prepared: PreparedStatement) -> None:
    for number in range(OFTEN):
        level = (ConsistencyLevel.ONE, ConsistencyLevel.QUORUM)[number % 2]
        prepared.consistency_level = level
        assert session.execute_async(prepared, VALUES).message.consistency_level == level


def test_a_copied_statement_goes_its_own_way(session: Session, prepared: PreparedStatement) -> None:
    prepared.consistency_level = ConsistencyLevel.TWO
    assert sent(session, prepared).consistency_level == ConsistencyLevel.TWO
    other = copy.copy(prepared)
    other.consistency_level = ConsistencyLevel.THREE
    assert sent(session, other).consistency_level == ConsistencyLevel.THREE
    assert sent(session, prepared).consistency_level == ConsistencyLevel.TWO


def test_statements_that_are_refused_are_refused_each_time(session: Session, prepared: PreparedStatement) -> None:
    sent(session, prepared)
    prepared.fetch_size = "many"
    for _ in range(3):
        with pytest.raises(ValueError, match="fetch_size"):
            session.execute(prepared, VALUES)
    prepared.fetch_size = FETCH_SIZE_UNSET
    assert sent(session, prepared).fetch_size == 5000
    prepared._native = None
    with pytest.raises(AttributeError, match=r"not prepared by Session\.prepare"):
        session.execute(prepared, VALUES)


def test_a_session_says_what_was_assigned_to_it(session: Session, prepared: PreparedStatement) -> None:
    assert sent(session, prepared).fetch_size == 5000
    session.default_fetch_size = 18
    assert sent(session, prepared).fetch_size == 18
    prepared.fetch_size = 19
    assert sent(session, prepared).fetch_size == 19
    prepared.fetch_size = FETCH_SIZE_UNSET
    vars(session)["default_fetch_size"] = 20
    assert sent(session, prepared).fetch_size == 20
    del session.default_fetch_size
    with mock.patch.object(Session, "default_fetch_size", None):
        assert sent(session, prepared).fetch_size is None
    assert sent(session, prepared).fetch_size == 5000


def test_timestamps_come_from_where_the_session_says(session: Session, prepared: PreparedStatement) -> None:
    assert sent(session, prepared).timestamp > 1_000_000
    session.timestamp_generator = lambda: 4711
    assert sent(session, prepared).timestamp == 4711
    session.use_client_timestamp = False
    assert sent(session, prepared).timestamp is None
    session.use_client_timestamp = True
    session.timestamp_generator = MonotonicTimestampGenerator()
    assert sent(session, prepared).timestamp > 1_000_000


def counting(calls: list[Any], native: Callable[..., ResponseFuture]) -> Callable[..., ResponseFuture]:
    def execute_async(*args: Any, **kwargs: Any) -> ResponseFuture:
        calls.append(args)
        return native(*args, **kwargs)

    return execute_async


def test_execute_goes_through_execute_async_as_soon_and_as_long_as_it_is_patched(
    session: Session, prepared: PreparedStatement
) -> None:
    calls: list[Any] = []
    session.execute(prepared, VALUES)
    with mock.patch.object(Session, "execute_async", counting(calls, Session.execute_async)):
        session.execute(prepared, VALUES)
    session.execute(prepared, VALUES)
    assert len(calls) == 1
    native = session.execute_async
    session.execute_async = counting(calls, native)  # type: ignore[method-assign]
    session.execute(prepared, VALUES)
    del session.execute_async  # type: ignore[method-assign]
    session.execute(prepared, VALUES)
    assert len(calls) == 2
    with mock.patch.object(session, "execute_async", counting(calls, native)):
        session.execute(prepared, VALUES)
    session.execute(prepared, VALUES)
    assert len(calls) == 3


def test_a_session_that_counts_its_requests_in_an_attribute_sends_them(
    session: Session, prepared: PreparedStatement
) -> None:
    session.requests = 0  # type: ignore[attr-defined]
    for _ in range(OFTEN):
        session.execute(prepared, VALUES)
        session.requests += 1  # type: ignore[attr-defined]
    session.default_fetch_size = 21
    assert sent(session, prepared).fetch_size == 21
