"""A session in a keyspace of the test's own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import uuid
from collections.abc import Iterator

import pytest

from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, Session
from cassandra.policies import DCAwareRoundRobinPolicy, TokenAwarePolicy


@pytest.fixture
def cluster(contact_points: list[str]) -> Iterator[Cluster]:
    """A cluster of the shared node, shut down after the test."""
    profile = ExecutionProfile(TokenAwarePolicy(DCAwareRoundRobinPolicy()))
    with Cluster(contact_points, execution_profiles={EXEC_PROFILE_DEFAULT: profile}) as made:
        yield made


@pytest.fixture
def session(cluster: Cluster) -> Iterator[Session]:
    """A session of the cluster, in a keyspace that ends with the test."""
    keyspace = f"test_{uuid.uuid4().hex[:12]}"
    made = cluster.connect()
    made.execute(
        f"CREATE KEYSPACE {keyspace} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}"
    )
    made.set_keyspace(keyspace)
    yield made
    made.execute(f"DROP KEYSPACE {keyspace}", timeout=60)


@pytest.fixture
def canned() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server that answers the statements of a benchmark at once, without Cassandra, and its address."""
    testkit = os.environ.get("HELENUS_TESTKIT")
    if testkit is None:
        pytest.skip("HELENUS_TESTKIT names no test bed")
    with subprocess.Popen([testkit, "canned"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process, json.loads(process.stdout.readline())["address"]
        process.send_signal(signal.SIGCONT)
        process.stdin.close()


@pytest.fixture
def canned_session(canned: tuple[subprocess.Popen[str], str]) -> Iterator[Session]:
    """A session with that server."""
    host, _, port = canned[1].rpartition(":")
    with Cluster([host], port=int(port), protocol_version=4) as made:
        yield made.connect()
