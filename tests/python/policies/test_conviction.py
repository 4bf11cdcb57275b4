"""Conviction policies of a program: what they are asked, and that their answer decides when a node is down."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fake_cluster import FakeCluster
from noticing import notices

import cassandra
from cassandra.cluster import Cluster
from cassandra.policies import ConvictionPolicy, HostStateListener, SimpleConvictionPolicy
from cassandra.pool import Host

ours = pytest.mark.skipif(not hasattr(cassandra, "_core"), reason="differs on purpose from the published driver")

Client = Callable[..., Cluster]
Until = Callable[..., None]


class Told(HostStateListener):
    """Remembers what happened to which host."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []

    def on_up(self, host: Host) -> None:
        self.heard.append(("up", host.address))

    def on_down(self, host: Host) -> None:
        self.heard.append(("down", host.address))

    def on_add(self, host: Host) -> None:
        self.heard.append(("add", host.address))

    def on_remove(self, host: Host) -> None:
        self.heard.append(("remove", host.address))


class Jury:
    """Makes policies, which remember what they were asked by address, and answer from what they have heard."""

    def __init__(self, answer: Callable[[int], bool]) -> None:
        self.answer = answer
        self.failures: dict[str, list[Any]] = {}
        self.resets: dict[str, int] = {}
        jury = self

        class Juror(ConvictionPolicy):
            def add_failure(self, connection_exc: Any) -> bool:
                heard = jury.failures[self.host.address]
                heard.append(connection_exc)
                return jury.answer(len(heard))

            def reset(self) -> None:
                jury.resets[self.host.address] += 1

        self.kind = Juror

    def __call__(self, host: Host) -> ConvictionPolicy:
        self.failures.setdefault(host.address, [])
        self.resets.setdefault(host.address, 0)
        return self.kind(host)


def test_each_host_has_a_policy_of_the_factory(client: Client) -> None:
    with FakeCluster("dc1", "dc1") as fake:
        jury = Jury(lambda heard: True)
        cluster = client(fake, conviction_policy_factory=jury)
        cluster.connect(wait_for_all_pools=True)
        assert set(jury.failures) == {node.address for node in fake.nodes}
        for host in cluster.metadata.all_hosts():
            assert isinstance(host.conviction_policy, jury.kind) and host.conviction_policy.host is host
        assert jury.failures == {node.address: [] for node in fake.nodes}


def test_a_host_that_is_convicted_is_down_and_its_policy_is_reset_when_it_is_up(client: Client, until: Until) -> None:
    with FakeCluster("dc1", "dc1") as fake:
        jury, told = Jury(lambda heard: True), Told()
        cluster = client(fake, conviction_policy_factory=jury)
        cluster.register_listener(told)
        session = cluster.connect(wait_for_all_pools=True)
        node = fake.nodes[1]
        host = cluster.metadata.get_host(node.address)
        until(lambda: jury.resets[node.address] == 1)
        node.stop()
        until(lambda: notices(session) and host.is_up is False)
        assert len(jury.failures[node.address]) >= 1 and jury.failures[fake.nodes[0].address] == []
        until(lambda: ("down", node.address) in told.heard)
        assert jury.resets[node.address] == 1
        node.start()
        until(lambda: ("up", node.address) in told.heard)
        assert host.is_up and jury.resets[node.address] == 2


def test_a_host_that_is_acquitted_stays_up_and_is_used_again_when_it_answers(client: Client, until: Until) -> None:
    with FakeCluster("dc1", "dc1") as fake:
        jury, told = Jury(lambda heard: False), Told()
        cluster = client(fake, conviction_policy_factory=jury)
        cluster.register_listener(told)
        session = cluster.connect(wait_for_all_pools=True)
        node = fake.nodes[1]
        host = cluster.metadata.get_host(node.address)
        until(lambda: host.is_up)
        node.stop()
        until(lambda: notices(session) and jury.failures[node.address])
        assert host.is_up
        node.start()
        asked = len(node.asked)
        until(lambda: notices(session) and len(node.asked) > asked)
        assert host.is_up
        assert [event for event, _ in told.heard if event != "add"] == []


def test_a_policy_hears_why_a_node_could_not_be_connected_to(client: Client, until: Until) -> None:
    with FakeCluster("dc1", "dc1") as fake:
        node = fake.nodes[1]
        node.stop()
        jury = Jury(lambda heard: True)
        cluster = client(fake, conviction_policy_factory=jury)
        session = cluster.connect(wait_for_all_pools=True)
        host = cluster.metadata.get_host(node.address)
        until(lambda: host.is_up is False)
        assert isinstance(jury.failures[node.address][0], ConnectionRefusedError)
        session.shutdown()


@ours
def test_an_acquitted_host_is_tried_again_for_each_further_failure(client: Client, until: Until) -> None:
    with FakeCluster("dc1", "dc1") as fake:
        jury, told = Jury(lambda heard: heard >= 3), Told()
        cluster = client(fake, conviction_policy_factory=jury)
        cluster.register_listener(told)
        session = cluster.connect(wait_for_all_pools=True)
        node = fake.nodes[1]
        host = cluster.metadata.get_host(node.address)
        until(lambda: host.is_up)
        node.stop()
        until(lambda: ("down", node.address) in told.heard)
        assert host.is_up is False and len(jury.failures[node.address]) == 3
        assert all(isinstance(failure, Exception) for failure in jury.failures[node.address])
        session.shutdown()


@ours
def test_a_host_counts_as_down_when_its_policy_fails(
    client: Client, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    class Absent(SimpleConvictionPolicy):
        def add_failure(self, connection_exc: BaseException) -> bool:
            raise LookupError("no jury")

    with FakeCluster("dc1", "dc1") as fake:
        cluster = client(fake, conviction_policy_factory=Absent)
        session = cluster.connect(wait_for_all_pools=True)
        host = cluster.metadata.get_host(fake.nodes[1].address)
        fake.nodes[1].stop()
        until(lambda: host.is_up is False)
        assert "no jury" in caplog.text
        session.shutdown()
