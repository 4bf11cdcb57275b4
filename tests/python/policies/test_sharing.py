"""Sessions of one cluster share connections, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

from fake_cluster import FakeCluster

from cassandra.cluster import Cluster

Client = Callable[..., Cluster]


def test_sessions_of_a_cluster_share_connections_and_neither_keyspace_nor_end(
    client: Client, until: Callable[..., None]
) -> None:
    with FakeCluster("dc1") as fake:
        cluster = client(fake, metrics_enabled=True)
        first, second = cluster.connect(), cluster.connect()
        (state,) = second.get_pool_state().values()
        assert state["open_count"] == 1
        if hasattr(cluster, "_core"):
            assert cluster.metrics.stats.open_connections() == 1
        first.set_keyspace("elsewhere")
        assert (first.keyspace, second.keyspace) == ("elsewhere", None)
        for session in (first, second):
            session.execute("SELECT who")
        first.shutdown()
        assert first.is_shutdown and not second.is_shutdown
        second.execute("SELECT who")
        if hasattr(cluster, "_core"):
            until(lambda: cluster.metrics.stats.open_connections() == 1)
        second.set_keyspace("elsewhere")
        second.execute("SELECT who")
