"""What cannot be done about endpoints is said: the published driver does not connect at all then."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import pytest
from fake_cluster import FakeCluster

import cassandra
from cassandra import DriverException
from cassandra.cluster import Cluster
from cassandra.connection import DefaultEndPoint, EndPoint, EndPointFactory, SniEndPoint, SniEndPointFactory

pytestmark = pytest.mark.skipif(not hasattr(cassandra, "_core"), reason="differs on purpose from the published driver")

Client = Callable[..., Cluster]


class Secured(DefaultEndPoint):
    """An endpoint of a program, with TLS."""

    @property
    def ssl_options(self) -> dict[str, Any]:
        return {"server_hostname": "node"}


class Fails(EndPointFactory):
    """Fails for a datacenter, in the way that it is told."""

    def __init__(self, way: Any) -> None:
        self.way = way

    def create(self, row: Any) -> Any:
        if row["data_center"] != "dc2":
            return DefaultEndPoint(row["rpc_address"], self.cluster.port)
        if isinstance(self.way, Exception):
            raise self.way
        return self.way


WAYS = [
    RuntimeError("who is that?"),
    None,
    "127.0.0.1",
    EndPoint(),
    DefaultEndPoint("127.0.0.1", 70000),
    DefaultEndPoint("a name that is none", 9042),
    Secured("127.0.0.1", 9042),
]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: type(way).__name__)
def test_a_node_for_which_a_factory_fails_is_left_out_with_a_warning(
    client: Client, caplog: pytest.LogCaptureFixture, way: Any
) -> None:
    with FakeCluster("dc1", "dc2", "dc3") as fake, caplog.at_level(logging.WARNING, "cassandra.cluster"):
        cluster = client(fake, endpoint_factory=Fails(way))
        session = cluster.connect(wait_for_all_pools=True)
        assert sorted(host.datacenter for host in cluster.metadata.all_hosts()) == ["dc1", "dc3"]
        assert {session.execute("SELECT who").one().address for _ in range(8)} == {
            fake.nodes[0].address,
            fake.nodes[2].address,
        }
        assert any("left out" in record.getMessage() for record in caplog.records)
        assert fake.nodes[1].opened == 0


def test_endpoints_that_need_tls_are_refused() -> None:
    factory = SniEndPointFactory("proxy.example.com", 9042)
    with pytest.raises(DriverException, match=r"SniEndPointFactory.*TLS"):
        Cluster(["127.0.0.1"], endpoint_factory=factory)
    for point in (SniEndPoint("127.0.0.1", "node"), Secured("127.0.0.1")):
        with pytest.raises(DriverException, match="TLS"):
            Cluster([point])


def test_an_endpoint_factory_must_be_one() -> None:
    with pytest.raises(AttributeError):
        Cluster(["127.0.0.1"], endpoint_factory=object())
