"""How threads wait: one alone drives the sockets itself, and everything else goes on beside it."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from cassandra import ConsistencyLevel, OperationTimedOut, Unavailable
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, Session
from cassandra.policies import RetryPolicy
from cassandra.query import SimpleStatement

PATIENCE = 20
ONE_BY_ONE = 200
LOCAL = "SELECT key FROM system.local"
W1 = "INSERT INTO bench.w1 (k, v) VALUES (?, ?)"


@pytest.fixture
def session(contact_points: list[str]) -> Iterator[Session]:
    with Cluster(contact_points) as cluster:
        yield cluster.connect()


def wait_one_by_one(session: Session) -> None:
    """As many as it takes until the thread drives the sockets itself."""
    prepared = session.prepare(LOCAL)
    for _ in range(ONE_BY_ONE):
        assert session.execute(prepared).one().key == "local"


def test_callbacks_run_though_the_thread_that_sent_the_request_never_waits_again(session: Session) -> None:
    for _ in range(3):
        wait_one_by_one(session)
        called = threading.Event()
        session.execute_async(LOCAL).add_callback(lambda _, called: called.set(), called)
        assert called.wait(PATIENCE)


def test_other_threads_and_event_loops_go_on_while_one_thread_waits_for_one_request_after_another(
    session: Session,
) -> None:
    done = threading.Event()
    failures: list[BaseException] = []

    def one_by_one() -> None:
        try:
            while not done.is_set():
                wait_one_by_one(session)
        except BaseException as error:
            failures.append(error)

    async def ask() -> int:
        results = await asyncio.gather(*(session.execute_async(LOCAL) for _ in range(100)))
        return len(results)

    threads = [threading.Thread(target=one_by_one)]
    threads[0].start()
    try:
        for _ in range(5):
            assert asyncio.run(ask()) == 100
        threads.append(threading.Thread(target=one_by_one))
        threads[1].start()
        wait_one_by_one(session)
    finally:
        done.set()
        for thread in threads:
            thread.join(PATIENCE)
    assert not failures
    assert not any(thread.is_alive() for thread in threads)


def test_a_retry_policy_may_run_requests_of_its_own(contact_points: list[str]) -> None:
    seen: list[str] = []

    class Asking(RetryPolicy):
        def on_unavailable(self, *args: Any, **kwargs: Any) -> tuple[int, Any]:
            seen.append(session.execute(LOCAL).one().key)
            return self.RETHROW, None

    profile = ExecutionProfile(retry_policy=Asking())
    with Cluster(contact_points, execution_profiles={EXEC_PROFILE_DEFAULT: profile}) as cluster:
        session = cluster.connect()
        session.execute(
            "CREATE KEYSPACE IF NOT EXISTS waiting "
            "WITH replication = {'class': 'SimpleStrategy', 'replication_factor': 3}"
        )
        session.execute("CREATE TABLE IF NOT EXISTS waiting.t (k int PRIMARY KEY)")
        refused = SimpleStatement("INSERT INTO waiting.t (k) VALUES (1)", consistency_level=ConsistencyLevel.ALL)
        for times in (1, 2):
            wait_one_by_one(session)
            with pytest.raises(Unavailable):
                session.execute(refused)
            assert seen == ["local"] * times
        session.execute("DROP KEYSPACE waiting")


def test_a_request_times_out_while_its_thread_drives_the_sockets(
    canned: tuple[subprocess.Popen[str], str],
) -> None:
    process, address = canned
    host, _, port = address.rpartition(":")
    with Cluster([host], port=int(port), protocol_version=4) as cluster:
        session = cluster.connect()
        prepared = session.prepare(W1)

        def until_it_has_stopped() -> None:
            while True:
                session.execute(prepared, (0, "text"), timeout=0.05)

        for _ in range(3):
            for number in range(ONE_BY_ONE):
                session.execute(prepared, (number, "text"))
            process.send_signal(signal.SIGSTOP)
            with pytest.raises(OperationTimedOut):
                until_it_has_stopped()
            process.send_signal(signal.SIGCONT)
            session.execute(prepared, (0, "text"))


def test_ctrl_c_ends_the_wait_of_a_thread_that_drives_the_sockets(
    canned: tuple[subprocess.Popen[str], str],
) -> None:
    server, address = canned
    program = """
import os, signal, sys
from cassandra.cluster import Cluster
host, _, port = sys.argv[1].rpartition(":")
server = int(sys.argv[2])
session = Cluster([host], port=int(port), protocol_version=4).connect()
prepared = session.prepare(sys.argv[3])
for number in range(200):
    session.execute(prepared, (number, "text"))
os.kill(server, signal.SIGSTOP)
try:
    print("waiting", flush=True)
    while True:
        session.execute(prepared, (0, "text"), timeout=None)
except KeyboardInterrupt:
    os.kill(server, signal.SIGCONT)
    print("interrupted", session.execute(prepared, (0, "text")).one())
"""
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", program, address, str(server.pid), W1],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "waiting\n"
    process.send_signal(signal.SIGINT)
    out, error = process.communicate(timeout=60)
    assert out == "interrupted None\n", error
    assert process.returncode == 0
