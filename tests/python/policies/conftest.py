"""Clients of fake clusters. The tests here use nothing but the public surface: they run on both drivers."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from fake_cluster import FakeCluster

from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.policies import ConstantReconnectionPolicy, RoundRobinPolicy


@pytest.fixture
def client() -> Iterator[Callable[..., Cluster]]:
    """Makes clients: ``client(fake, load_balancing_policy=..., reconnection_policy=...)``, shut down after the test.

    Options that an ``ExecutionProfile`` has go there.
    """
    made: list[Cluster] = []

    def make(fake: FakeCluster, **options: Any) -> Cluster:
        names = (
            "load_balancing_policy retry_policy consistency_level request_timeout speculative_execution_policy"
        ).split()
        profile = {name: options.pop(name) for name in names if name in options}
        profile.setdefault("load_balancing_policy", RoundRobinPolicy())
        options = {"schema_metadata_enabled": False, "reconnection_policy": ConstantReconnectionPolicy(0.1), **options}
        options.setdefault("execution_profiles", {EXEC_PROFILE_DEFAULT: ExecutionProfile(**profile)})
        made.append(Cluster(fake.contact_points, port=fake.port, protocol_version=4, **options))
        return made[-1]

    yield make
    for cluster in made:
        cluster.shutdown()


@pytest.fixture
def until() -> Callable[..., None]:
    """Waits until something is true: ``until(lambda: ...)``."""

    def wait(condition: Callable[[], Any], seconds: float = 15) -> None:
        end = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < end, "it did not become true"
            time.sleep(0.01)

    return wait
