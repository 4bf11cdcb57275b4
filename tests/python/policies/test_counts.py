"""The numbers of ``Cluster.metrics``. The published driver needs a library for them that is not to be had any more."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fake_cluster import FakeCluster, read_timeout, unavailable, write_timeout

from cassandra import ReadTimeout, Unavailable, WriteTimeout
from cassandra.cluster import Cluster

WHO = "SELECT who"
Client = Callable[..., Cluster]


def test_metrics_count_requests_errors_and_retries(client: Client) -> None:
    with FakeCluster("dc1", "dc1") as fake:
        cluster = client(fake, metrics_enabled=True)
        session = cluster.connect(wait_for_all_pools=True)
        for _ in range(5):
            session.execute(WHO)
        answers = [unavailable(1, 1, 0), write_timeout(1, 0, 1, "SIMPLE"), read_timeout(1, 0, 1, False)]
        for answer in answers:
            for node in fake.nodes:
                node.answer = lambda node, text, answer=answer: answer
            with pytest.raises((Unavailable, WriteTimeout, ReadTimeout)):
                session.execute(WHO)
        stats = cluster.metrics.get_stats()
        assert stats["request_timer"]["count"] >= 8
        assert 0 < stats["request_timer"]["mean"] < 5
        assert (int(stats["write_timeouts"]), int(stats["read_timeouts"])) == (1, 1)
        assert int(stats["unavailables"]) == 2
        assert int(stats["retries"]) == 1
        assert (stats["known_hosts"], stats["connected_to"]) == (2, 2)
        assert stats["open_connections"] >= 2
