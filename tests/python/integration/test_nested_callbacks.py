"""Callbacks that are added to futures that are done run at once, within each other, and however many there are."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from cassandra import DriverException
from cassandra.cluster import ResponseFuture, Session

DEEPEST = 200
"""How many callbacks run within each other."""
W1 = "INSERT INTO bench.w1 (k, v) VALUES (?, ?)"


@pytest.fixture
def done(canned_session: Session) -> ResponseFuture:
    """A future that is done."""
    future = canned_session.execute_async(canned_session.prepare(W1), (1, "text"))
    future.result()
    return future


@pytest.fixture
def unlimited() -> Iterator[None]:
    """Python itself does not end a recursion."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000_000)
    yield
    sys.setrecursionlimit(before)


@pytest.mark.usefixtures("unlimited")
def test_a_chain_of_callbacks_does_not_use_up_the_stack(done: ResponseFuture) -> None:
    threads = set()
    left = 100_000

    def chain(_: Any) -> None:
        nonlocal left
        threads.add(threading.get_ident())
        left -= 1
        if left % 2:
            done.add_callback(chain)
        elif left:
            done.add_callbacks(chain, print)

    done.add_callback(chain)
    assert left == 0
    assert threads == {threading.get_ident()}


@pytest.mark.usefixtures("unlimited")
def test_a_chain_of_requests_that_are_answered_by_the_time_they_get_a_callback_ends(canned_session: Session) -> None:
    prepared = canned_session.prepare(W1)
    left = 5_000
    finished = threading.Event()

    def send() -> None:
        nonlocal left
        left -= 1
        future = canned_session.execute_async(prepared, (1, "text"))
        future.result()
        future.add_callback(chain)

    def chain(_: Any) -> None:
        if left:
            send()
        else:
            finished.set()

    send()
    assert finished.is_set()


@pytest.mark.usefixtures("unlimited")
def test_errbacks_may_be_as_many(canned_session: Session) -> None:
    canned_session.default_timeout = 0.000_001
    done = canned_session.execute_async("SELECT nothing")
    with pytest.raises(DriverException) as failure:
        done.result()
    left = 20_000

    def chain(error: BaseException) -> None:
        nonlocal left
        assert error is failure.value
        left -= 1
        if left:
            done.add_errback(chain)

    done.add_errback(chain)
    assert left == 0


def test_each_has_run_when_the_call_that_added_it_returns(done: ResponseFuture) -> None:
    seen: list[str] = []

    def nested(_: Any, level: int) -> None:
        seen.append(f"begin {level}")
        if level < 3:
            done.add_callback(nested, level + 1)
        seen.append(f"end {level}")

    done.add_callback(nested, 1)
    assert seen == ["begin 1", "begin 2", "begin 3", "end 3", "end 2", "end 1"]


@pytest.mark.usefixtures("unlimited")
def test_beyond_the_depth_they_begin_in_the_order_in_which_they_would_have_run(done: ResponseFuture) -> None:
    seen: list[str] = []
    leaves = 3

    def tree(_: Any, name: str, level: int) -> None:
        if level > DEEPEST - 2:
            seen.append(name)
        children = 1 if level < DEEPEST - 2 else leaves
        if level < DEEPEST + 2:
            for child in range(children):
                done.add_callback(tree, f"{name}{child}" if children > 1 else name, level + 1)

    done.add_callback(tree, "", 1)
    assert seen == sorted(seen)
    assert len(seen) == leaves + leaves**2 + leaves**3 + leaves**4


@pytest.mark.usefixtures("unlimited")
def test_an_exception_beyond_the_depth_is_raised_where_that_begins_and_the_others_run(
    done: ResponseFuture, caplog: pytest.LogCaptureFixture
) -> None:
    caught: list[tuple[int, str]] = []
    last: list[str] = []

    def fail(_: Any, name: str) -> None:
        raise ValueError(name)

    def nested(_: Any, level: int) -> None:
        if level == DEEPEST:
            done.add_callback(fail, "first")
            done.add_callback(fail, "second")
            done.add_callback(lambda _: last.append("ran"))
            return
        try:
            done.add_callback(nested, level + 1)
        except ValueError as error:
            caught.append((level, str(error)))

    with caplog.at_level(logging.ERROR, "cassandra.cluster"):
        done.add_callback(nested, 1)
    assert caught == [(DEEPEST - 1, "first")]
    assert last == ["ran"]
    assert [str(record.exc_info[1]) for record in caplog.records if record.exc_info] == ["second"]


def test_an_exception_reaches_who_adds_to_a_future_that_nobody_has_waited_for(canned_session: Session) -> None:
    prepared = canned_session.prepare(W1)
    future = canned_session.execute_async(prepared, (1, "text"))
    # Its own answer has come before that of a request that was sent later, on the same connection.
    canned_session.execute(prepared, (1, "text"))
    while future._current_host is None:
        canned_session.execute(prepared, (1, "text"))

    def fail(_: Any) -> None:
        raise ValueError("of the callback")

    with pytest.raises(ValueError, match="of the callback"):
        future.add_callback(fail)
    assert future.result().one() is None
