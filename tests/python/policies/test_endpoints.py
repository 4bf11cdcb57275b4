"""Endpoints: contact points that are some, and factories of a program, which say where nodes are."""

from __future__ import annotations

import contextlib
import socket
import threading
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_cluster import FakeCluster, FakeNode, coordinator

from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.connection import DefaultEndPoint, DefaultEndPointFactory, EndPoint, EndPointFactory, UnixSocketEndPoint
from cassandra.policies import AddressTranslator, ConstantReconnectionPolicy, RoundRobinPolicy

WHO = "SELECT who"
Client = Callable[..., Cluster]
Until = Callable[..., None]


class Behind(FakeCluster):
    """Nodes that tell clients addresses at which nobody listens, each on a port of its own."""

    def __init__(self, *nodes: str) -> None:
        self.ports: dict[str, int] = {}
        super().__init__(*nodes)

    def add(self, place: str, announce: bool = False) -> FakeNode:
        before, self.port = self.port, 0
        node = super().add(place, announce)
        self.ports[node.address] = self.port
        self.port = before or self.port
        return node

    def told(self, node: FakeNode) -> str:
        """The address that other nodes tell of this one."""
        return f"198.51.100.{self.nodes.index(node) + 1}"

    def _shared(self, node: FakeNode) -> list[Any]:
        row = super()._shared(node)
        row[4] = self.told(node)
        return row

    def where(self) -> dict[uuid.UUID, tuple[str, int]]:
        """Where each node listens."""
        return {node.host_id: (node.address, self.ports[node.address]) for node in self.nodes}


class Table(EndPointFactory):
    """A factory of a program: looks up where a node listens."""

    def __init__(self, fake: Behind) -> None:
        self.fake = fake
        self.rows: list[Any] = []

    def create(self, row: Any) -> EndPoint:
        self.rows.append(row)
        return DefaultEndPoint(*self.fake.where()[row["host_id"]])


class Named(DefaultEndPoint):
    """An endpoint of a program."""


def given(contact_points: list[Any], **options: Any) -> Cluster:
    profile = ExecutionProfile(RoundRobinPolicy())
    return Cluster(
        contact_points,
        protocol_version=4,
        schema_metadata_enabled=False,
        reconnection_policy=ConstantReconnectionPolicy(0.1),
        execution_profiles={EXEC_PROFILE_DEFAULT: profile},
        **options,
    )


def who(session: Any, times: int = 12) -> set[str]:
    return {session.execute(WHO).one().address for _ in range(times)}


def test_a_factory_says_where_each_node_is_connected_to(client: Client) -> None:
    with Behind("dc1", "dc2", "dc3") as fake:
        factory = Table(fake)
        cluster = client(fake, endpoint_factory=factory)
        assert cluster.endpoint_factory is factory and factory.cluster is cluster
        session = cluster.connect(wait_for_all_pools=True)
        assert who(session) == {node.address for node in fake.nodes}
        # The node that was asked is where it was reached; the others are where the factory says.
        hosts = cluster.metadata.all_hosts()
        assert {(host.address, host.endpoint.port) for host in hosts} == set(fake.where().values())
        second = next(host for host in hosts if host.host_id == fake.nodes[1].host_id)
        assert second.broadcast_rpc_address == fake.told(fake.nodes[1])
        assert cluster.metadata.get_host(second.endpoint) is second


def test_a_factory_is_given_the_whole_rows_of_peers(client: Client) -> None:
    with Behind("dc1", "dc2:r7") as fake:
        factory = Table(fake)
        client(fake, endpoint_factory=factory).connect(wait_for_all_pools=True)
        other = fake.nodes[1]
        row = factory.rows[0]
        assert dict(row) == {
            "peer": other.address,
            "data_center": "dc2",
            "rack": "r7",
            "host_id": other.host_id,
            "tokens": set(other.tokens),
            "rpc_address": fake.told(other),
            "release_version": "3.11.17",
            "schema_version": uuid.UUID(int=7),
        }
        assert {row["host_id"] for row in factory.rows} == {other.host_id}


def test_a_node_that_a_factory_puts_elsewhere_is_connected_to_there(client: Client, until: Until) -> None:
    with Behind("dc1", "dc2") as fake:
        factory = Table(fake)
        cluster = client(fake, endpoint_factory=factory)
        session = cluster.connect(wait_for_all_pools=True)
        moved = fake.nodes[1]
        host_id = moved.host_id
        new = fake.add("dc2")
        fake.nodes.remove(moved)
        new.host_id = host_id
        moved.stop()
        cluster.refresh_nodes()
        until(lambda: new.address in who(session, 2))
        endpoints = {host.host_id: host.endpoint for host in cluster.metadata.all_hosts()}
        assert endpoints[host_id] == DefaultEndPoint(*fake.where()[host_id])


def test_reading_the_nodes_again_opens_nothing_anew(client: Client) -> None:
    class Fresh(Table):
        def create(self, row: Any) -> EndPoint:
            made = super().create(row)
            return DefaultEndPoint(made.address, made.port)

    with Behind("dc1", "dc2") as fake:
        cluster = client(fake, endpoint_factory=Fresh(fake))
        session = cluster.connect(wait_for_all_pools=True)
        hosts = set(map(id, cluster.metadata.all_hosts()))
        opened = [node.opened for node in fake.nodes]
        for _ in range(3):
            cluster.refresh_nodes()
        assert set(map(id, cluster.metadata.all_hosts())) == hosts
        assert [node.opened for node in fake.nodes] == opened
        session.shutdown()


def test_the_default_factory_has_a_port_for_nodes_that_name_none_and_asks_the_translator() -> None:
    class Nat(AddressTranslator):
        def __init__(self, fake: Behind) -> None:
            self.addresses = {fake.told(node): node.address for node in fake.nodes}

        def translate(self, addr: str) -> str:
            return self.addresses[addr]

    with Behind("dc1", "dc2") as fake:
        first, second = fake.nodes
        cluster = given(
            [(first.address, fake.ports[first.address])],
            endpoint_factory=DefaultEndPointFactory(fake.ports[second.address]),
            address_translator=Nat(fake),
        )
        with cluster:
            session = cluster.connect(wait_for_all_pools=True)
            assert who(session) == {first.address, second.address}


def test_the_default_factory_is_that_of_the_port() -> None:
    factory = Cluster(["127.0.0.1"], port=19042).endpoint_factory
    assert type(factory) is DefaultEndPointFactory and factory.port == 19042


@pytest.mark.parametrize("form", ["endpoint", "pair"])
def test_contact_points_may_have_ports_of_their_own(form: str) -> None:
    with Behind("dc1") as fake:
        address = fake.nodes[0].address
        point: Any = Named(address, fake.port) if form == "endpoint" else (address, fake.port)
        with given([point]) as cluster:
            session = cluster.connect(wait_for_all_pools=True)
            assert who(session, 1) == {address}
            (host,) = cluster.metadata.all_hosts()
            assert host.endpoint == DefaultEndPoint(address, fake.port)
            assert form == "pair" or host.endpoint is point


class Relay:
    """Listens on a Unix domain socket, and connects who comes to an address."""

    def __init__(self, path: Path, address: tuple[str, int]) -> None:
        self._address = address
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(16)
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._address)
            for pair in ((client, server), (server, client)):
                thread = threading.Thread(target=self._pump, args=pair, daemon=True)
                self._threads.append(thread)
                thread.start()

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket) -> None:
        with source, contextlib.suppress(OSError):
            while chunk := source.recv(65536):
                sink.sendall(chunk)
            sink.shutdown(socket.SHUT_WR)

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, *exc_info: object) -> None:
        with self._listener:
            self._listener.shutdown(socket.SHUT_RDWR)


def test_a_node_may_be_behind_a_unix_domain_socket(tmp_path: Path) -> None:
    with Behind("dc1") as fake, Relay(tmp_path / "node", (fake.nodes[0].address, fake.port)):
        endpoint = UnixSocketEndPoint(str(tmp_path / "node"))
        with given([endpoint]) as cluster:
            session = cluster.connect(wait_for_all_pools=True)
            fake.nodes[0].answer = coordinator
            assert who(session, 1) == {fake.nodes[0].address}
            (host,) = cluster.metadata.all_hosts()
            assert host.endpoint is endpoint and host.is_up


def test_a_factory_may_give_unix_domain_sockets(tmp_path: Path, client: Client) -> None:
    class Sockets(EndPointFactory):
        def create(self, row: Any) -> EndPoint:
            return UnixSocketEndPoint(str(tmp_path / "second"))

    with Behind("dc1", "dc2") as fake:
        second = fake.nodes[1]
        with Relay(tmp_path / "second", (second.address, fake.ports[second.address])):
            session = client(fake, endpoint_factory=Sockets()).connect(wait_for_all_pools=True)
            assert who(session) == {node.address for node in fake.nodes}
