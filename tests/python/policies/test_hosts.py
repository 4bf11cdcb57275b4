"""What hosts, pools and the lookup of hosts show, whatever columns a server has."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from fake_cluster import INET, INT, TEXT_SET, VARCHAR, FakeCluster, FakeNode, Reply, rows

from cassandra.cluster import Cluster
from cassandra.policies import HostDistance, HostStateListener, RoundRobinPolicy
from cassandra.pool import Host

Client = Callable[..., Cluster]
Until = Callable[..., None]


class Columns(FakeCluster):
    """Nodes whose rows have further columns."""

    def __init__(self, local: dict[str, Any], peer: dict[str, Any]) -> None:
        self.of_local = local
        self.of_peer = peer
        super().__init__("dc1", "dc2")

    @staticmethod
    def _kind(name: str) -> Any:
        if name == "workloads":
            return TEXT_SET
        return INT if name.endswith("port") else INET if name.endswith("address") else VARCHAR

    def _row(self, node: FakeNode, more: dict[str, Any], columns: list[tuple[str, Any]], row: list[Any]) -> Reply:
        columns = [*columns, *self._SHARED, *((name, self._kind(name)) for name in more)]
        content = [self.port if cell == "port" else cell for cell in more.values()]
        return rows(columns, [[*row, *self._shared(node), *content]])

    def local(self, node: FakeNode) -> Reply:
        columns = [("cluster_name", VARCHAR), ("partitioner", VARCHAR)]
        row = ["fake", "org.apache.cassandra.dht.Murmur3Partitioner"]
        return self._row(node, self.of_local, columns, row)

    def peers(self, node: FakeNode) -> Reply:
        other = next(other for other in self.nodes if other is not node)
        return self._row(other, self.of_peer, [("peer", INET)], [other.address])


SHOWN = "broadcast_address broadcast_port broadcast_rpc_port listen_address listen_port".split()
SHOWN += ["dse_version", "dse_workload", "dse_workloads"]
CASES: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({}, {}, {}, {"broadcast_address": "peer"}),
    (
        {"broadcast_address": "10.0.0.1", "broadcast_port": 7000, "listen_address": "10.0.0.2", "listen_port": 7001},
        {"peer_port": 7002, "native_port": "port"},
        {"broadcast_address": "10.0.0.1", "broadcast_port": 7000, "listen_address": "10.0.0.2", "listen_port": 7001},
        {"broadcast_address": "peer", "broadcast_port": 7002, "broadcast_rpc_port": "port"},
    ),
    (
        {"rpc_port": 9043, "dse_version": "6.8.1", "workload": "Search", "workloads": ["Search", "Graph"]},
        {"dse_version": "5.0.1", "workload": "Cassandra"},
        {
            "broadcast_rpc_port": 9043,
            "dse_version": "6.8.1",
            "dse_workload": "Search",
            "dse_workloads": {"Search", "Graph"},
        },
        {"broadcast_address": "peer", "dse_version": "5.0.1", "dse_workload": "Cassandra"},
    ),
]


@pytest.mark.parametrize(("local", "peer", "first", "second"), CASES, ids=["plain", "ports", "dse"])
def test_hosts_show_what_the_rows_say(
    client: Client, local: dict[str, Any], peer: dict[str, Any], first: dict[str, Any], second: dict[str, Any]
) -> None:
    with Columns(local, peer) as fake:
        cluster = client(fake)
        cluster.connect(wait_for_all_pools=True)
        for node, expected in zip(fake.nodes, (first, second), strict=True):
            host = next(host for host in cluster.metadata.all_hosts() if host.host_id == node.host_id)
            known = {"peer": node.address, "port": fake.port}
            wanted = {
                name: known.get(value, value) if isinstance(value, str) else value for name, value in expected.items()
            }
            shown = {name: getattr(host, name) for name in SHOWN}
            assert shown == {**dict.fromkeys(SHOWN), **wanted}
            assert (host.address, host.broadcast_rpc_address) == (node.address, node.address)


def test_listeners_are_told_of_hosts_that_are_up_unless_nobody_connects_to_them(client: Client, until: Until) -> None:
    class Away(RoundRobinPolicy):
        def distance(self, host: Host) -> int:
            return HostDistance.IGNORED if host.datacenter == "away" else HostDistance.LOCAL

    class Told(HostStateListener):
        def __init__(self) -> None:
            self.heard: list[tuple[str, str, bool | None]] = []

        def on_add(self, host: Host) -> None:
            self.heard.append(("add", host.address, host.is_up))

        def on_down(self, host: Host) -> None:
            self.heard.append(("down", host.address, host.is_up))

        def on_up(self, host: Host) -> None:
            self.heard.append(("up", host.address, host.is_up))

        def on_remove(self, host: Host) -> None:
            self.heard.append(("remove", host.address, host.is_up))

    with FakeCluster("dc1", "away", "dc1") as fake:
        gone = fake.nodes[2]
        gone.stop()
        told = Told()
        cluster = client(fake, load_balancing_policy=Away())
        cluster.register_listener(told)
        session = cluster.connect(wait_for_all_pools=True)
        until(lambda: ("down", gone.address, False) in told.heard)
        assert sorted(told.heard) == sorted(
            [
                ("add", fake.nodes[0].address, True),
                ("add", fake.nodes[1].address, None),
                ("add", gone.address, True),
                ("down", gone.address, False),
            ]
        )
        session.shutdown()


def test_a_host_is_found_by_endpoint_address_and_itself(client: Client) -> None:
    with FakeCluster("dc1", "dc2") as fake:
        cluster = client(fake)
        cluster.connect(wait_for_all_pools=True)
        metadata = cluster.metadata
        second = next(host for host in metadata.all_hosts() if host.host_id == fake.nodes[1].host_id)
        for found in (
            metadata.get_host(second.endpoint),
            metadata.get_host(second),
            metadata.get_host(second.address),
            metadata.get_host(second.address, fake.port),
            # The node tells no port.
            metadata.get_host(second.address, 1),
        ):
            assert found is second
        assert metadata.get_host("192.0.2.1") is None and metadata.get_host(None) is None


def test_a_port_that_a_node_tells_is_looked_at(client: Client) -> None:
    with Columns({"rpc_port": "port"}, {"rpc_port": "port"}) as fake:
        cluster = client(fake)
        cluster.connect(wait_for_all_pools=True)
        address = fake.nodes[0].address
        assert cluster.metadata.get_host(address, fake.port) is not None
        assert cluster.metadata.get_host(address, fake.port - 1) is None


def test_pools_show_their_host_and_state(client: Client) -> None:
    with FakeCluster("dc1", "dc2") as fake:
        cluster = client(fake)
        session = cluster.connect(wait_for_all_pools=True)
        pools = sorted(session.get_pools(), key=lambda pool: pool.host)
        assert [pool.host for pool in pools] == sorted(cluster.metadata.all_hosts())
        for pool in pools:
            assert pool.host_distance == HostDistance.LOCAL and not pool.is_shutdown
            assert pool.open_count == 1
            assert pool.get_state() == session.get_pool_state()[pool.host]
            assert pool.get_state() == {
                "shutdown": False,
                "open_count": 1,
                "in_flights": [0],
                "orphan_requests": [set()],
            }
        session.shutdown()
        assert all(pool.is_shutdown for pool in session.get_pools())


def test_pools_are_made_for_nodes_that_a_policy_wants_now(client: Client, until: Until) -> None:
    class Choosy(RoundRobinPolicy):
        ignored: uuid.UUID | None = None

        def distance(self, host: Host) -> int:
            return HostDistance.IGNORED if host.host_id == self.ignored else HostDistance.LOCAL

    with FakeCluster("dc1", "dc2") as fake:
        policy = Choosy()
        policy.ignored = fake.nodes[1].host_id
        session = client(fake, load_balancing_policy=policy).connect(wait_for_all_pools=True)
        assert {pool.host.address for pool in session.get_pools()} == {fake.nodes[0].address}
        policy.ignored = None
        session.update_created_pools()
        until(lambda: {pool.host.address for pool in session.get_pools()} == {node.address for node in fake.nodes})
