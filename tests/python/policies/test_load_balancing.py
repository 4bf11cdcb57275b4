"""Load balancing policies, built in and of programs: who is asked, who is connected to, what policies are told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fake_cluster import FakeCluster, FakeNode
from noticing import notices

from cassandra import OperationTimedOut
from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, NoHostAvailable, Session
from cassandra.policies import (
    DCAwareRoundRobinPolicy,
    DefaultLoadBalancingPolicy,
    HostDistance,
    HostFilterPolicy,
    LoadBalancingPolicy,
    RoundRobinPolicy,
    TokenAwarePolicy,
    WhiteListRoundRobinPolicy,
)
from cassandra.query import SimpleStatement

WHO = "SELECT who"
Client = Callable[..., Cluster]
Until = Callable[..., None]


def asked(session: Session, times: int, statement: Any = WHO, **options: Any) -> list[str]:
    """Which nodes answer, in order."""
    return [session.execute(statement, **options).one().address for _ in range(times)]


class FirstToLast(LoadBalancingPolicy):
    """A policy of a program: the nodes in the order of their addresses, whatever happens; remembers what it is told."""

    def __init__(self, ignored: str = "") -> None:
        super().__init__()
        self.told: list[tuple[str, str]] = []
        self.plans: list[tuple[Any, Any]] = []
        self.hosts: set[Any] = set()
        self.ignored = ignored
        self.populated: tuple[Any, set[Any]] = (None, set())

    def populate(self, cluster: Any, hosts: Any) -> None:
        self.hosts = set(hosts)
        self.populated = (cluster, set(hosts))

    def distance(self, host: Any) -> int:
        return HostDistance.IGNORED if self.ignored and host.address.endswith(self.ignored) else HostDistance.LOCAL

    def make_query_plan(self, working_keyspace: Any = None, query: Any = None) -> Iterator[Any]:
        self.plans.append((working_keyspace, query))
        yield from sorted(self.hosts, key=lambda host: host.address)

    def on_up(self, host: Any) -> None:
        self.told.append(("up", host.address))
        self.hosts.add(host)

    def on_down(self, host: Any) -> None:
        self.told.append(("down", host.address))

    def on_add(self, host: Any) -> None:
        self.told.append(("add", host.address))
        self.hosts.add(host)

    def on_remove(self, host: Any) -> None:
        self.told.append(("remove", host.address))
        self.hosts.discard(host)


def test_round_robin_asks_all_nodes_in_turn(client: Client) -> None:
    with FakeCluster("dc1", "dc2", "dc1") as fake:
        session = client(fake).connect(wait_for_all_pools=True)
        nodes = asked(session, 30)
        assert Counter(nodes) == dict.fromkeys((node.address for node in fake.nodes), 10)


def test_dc_aware_asks_the_local_datacenter_alone(client: Client, until: Until) -> None:
    with FakeCluster("dc1", "dc2", "dc1", "dc2") as fake:
        session = client(fake, load_balancing_policy=DCAwareRoundRobinPolicy("dc2")).connect(wait_for_all_pools=True)
        assert set(asked(session, 10)) == {fake.nodes[1].address, fake.nodes[3].address}
        assert fake.nodes[2].opened == 0
        fake.nodes[1].stop()
        fake.nodes[3].stop()
        until(lambda: fake.nodes[1].connections == fake.nodes[3].connections == 0)
        with pytest.raises(NoHostAvailable):
            session.execute(WHO)


def test_without_a_name_the_local_datacenter_is_that_of_the_contact_point(client: Client) -> None:
    with FakeCluster("dc7", "dc2", "dc7") as fake:
        policy = DCAwareRoundRobinPolicy()
        session = client(fake, load_balancing_policy=policy).connect(wait_for_all_pools=True)
        assert set(asked(session, 10)) == {fake.nodes[0].address, fake.nodes[2].address}
        assert policy.local_dc == "dc7"


def test_dc_aware_goes_on_with_nodes_of_other_datacenters_where_it_may(client: Client, until: Until) -> None:
    with FakeCluster("dc1", "dc2", "dc2", "dc2") as fake:
        policy = DCAwareRoundRobinPolicy("dc1", used_hosts_per_remote_dc=2)
        cluster = client(fake, load_balancing_policy=policy)
        session = cluster.connect(wait_for_all_pools=True)
        until(lambda: sum(node.opened for node in fake.nodes[1:]) == 2)
        assert set(asked(session, 5)) == {fake.nodes[0].address}
        fake.nodes[0].stop()
        until(lambda: fake.nodes[0].connections == 0)
        remote = set(asked(session, 10))
        assert remote <= {node.address for node in fake.nodes[1:]}
        assert 1 <= len(remote) <= 2
        distances = Counter(policy.distance(host) for host in cluster.metadata.all_hosts())
        assert distances[HostDistance.REMOTE] == 2


def test_a_white_list_keeps_others_from_being_asked_or_connected_to(client: Client) -> None:
    with FakeCluster("dc1", "dc1", "dc1") as fake:
        allowed = [fake.nodes[0].address, fake.nodes[2].address]
        session = client(fake, load_balancing_policy=WhiteListRoundRobinPolicy(allowed)).connect(
            wait_for_all_pools=True
        )
        assert set(asked(session, 10)) == set(allowed)
        assert fake.nodes[1].opened == 0


def test_a_host_filter_keeps_others_from_being_asked_or_connected_to(client: Client) -> None:
    with FakeCluster("dc1", "dc1", "dc1") as fake:
        policy = HostFilterPolicy(RoundRobinPolicy(), predicate=lambda host: not host.address.endswith(".2"))
        session = client(fake, load_balancing_policy=policy).connect(wait_for_all_pools=True)
        assert set(asked(session, 10)) == {fake.nodes[0].address, fake.nodes[2].address}
        assert fake.nodes[1].opened == 0


def replica(cluster: Cluster, key: bytes) -> str:
    """The address of the one replica of a partition."""
    return str(cluster.metadata.get_replicas("ks", key)[0].address)


def test_token_aware_asks_a_replica_of_bound_and_of_simple_statements(client: Client) -> None:
    with FakeCluster("dc1", "dc1", "dc1", "dc1") as fake:
        policy = TokenAwarePolicy(RoundRobinPolicy())
        cluster = client(fake, load_balancing_policy=policy, schema_metadata_enabled=True)
        session = cluster.connect(wait_for_all_pools=True)
        prepared = session.prepare("SELECT who WHERE k = ?")
        found = set()
        for number in range(20):
            key = number.to_bytes(4, "big")
            expected = replica(cluster, key)
            found.add(expected)
            assert asked(session, 1, prepared.bind((number,))) == [expected]
            assert asked(session, 1, SimpleStatement(WHO, routing_key=key, keyspace="ks")) == [expected]
        assert len(found) >= 2


def test_a_routing_key_in_parts_is_that_of_a_composite_partition_key(client: Client) -> None:
    with FakeCluster("dc1", "dc1", "dc1", "dc1") as fake:
        policy = TokenAwarePolicy(RoundRobinPolicy())
        cluster = client(fake, load_balancing_policy=policy, schema_metadata_enabled=True)
        session = cluster.connect(wait_for_all_pools=True)
        for number in range(10):
            statement = SimpleStatement(WHO, keyspace="ks")
            statement.routing_key = [b"a", bytes([number])]
            assert asked(session, 1, statement) == [replica(cluster, statement.routing_key)]


def test_the_plan_of_a_programs_policy_is_obeyed(client: Client) -> None:
    with FakeCluster("dc1", "dc1", "dc1") as fake:
        policy = FirstToLast()
        cluster = client(fake, load_balancing_policy=policy)
        session = cluster.connect(wait_for_all_pools=True)
        assert {host.address for host in policy.populated[1]} | {
            address for what, address in policy.told if what in ("add", "up")
        } == {node.address for node in fake.nodes}
        assert policy.populated[0].metadata is cluster.metadata
        statement = SimpleStatement(WHO)
        policy.plans.clear()
        assert asked(session, 3, statement) == [fake.nodes[0].address] * 3
        assert policy.plans[-1] == (None, statement)
        fake.nodes[0].answer = lambda node, text: None if text == "never" else (0, b"\0\0\x10\x01\0\4busy")
        assert asked(session, 2) == [fake.nodes[1].address] * 2


def test_nodes_that_a_programs_policy_ignores_are_not_connected_to(client: Client) -> None:
    with FakeCluster("dc1", "dc1", "dc1") as fake:
        session = client(fake, load_balancing_policy=FirstToLast(ignored=".2")).connect(wait_for_all_pools=True)
        assert asked(session, 3) == [fake.nodes[0].address] * 3
        assert [node.opened > 0 for node in fake.nodes] == [True, False, True]


def test_a_policy_hears_of_nodes_that_go_down_come_up_join_and_leave(client: Client, until: Until) -> None:
    with FakeCluster("dc1", "dc1") as fake:
        policy = FirstToLast()
        session = client(fake, load_balancing_policy=policy, topology_event_refresh_window=0).connect(
            wait_for_all_pools=True
        )
        address = fake.nodes[1].address
        fake.nodes[1].stop()
        until(lambda: notices(session) and ("down", address) in policy.told)
        fake.nodes[1].start()
        until(lambda: policy.told.index(("down", address)) < _last(policy.told, ("up", address)))
        joined = fake.add("dc1", announce=True)
        until(lambda: ("add", joined.address) in policy.told)
        until(lambda: joined.opened > 0)
        joined.stop()
        fake.nodes.remove(joined)
        fake.push("TOPOLOGY_CHANGE", "REMOVED_NODE", joined)
        until(lambda: ("remove", joined.address) in policy.told)
        assert asked(session, 1) == [fake.nodes[0].address]


def test_news_of_the_topology_change_nothing_when_their_window_is_negative(client: Client, until: Until) -> None:
    with FakeCluster("dc1") as fake:
        cluster = client(fake, topology_event_refresh_window=-1)
        cluster.connect()
        other = client(fake, topology_event_refresh_window=0)
        other.connect()
        fake.push("TOPOLOGY_CHANGE", "NEW_NODE", fake.add("dc1"))
        until(lambda: len(other.metadata.all_hosts()) == 2)
        assert len(cluster.metadata.all_hosts()) == 1
        cluster.refresh_nodes()
        assert len(cluster.metadata.all_hosts()) == 2


def _last(told: list[Any], what: Any) -> int:
    return max((index for index, entry in enumerate(told) if entry == what), default=-1)


def test_a_named_host_is_asked_and_no_other(client: Client) -> None:
    with FakeCluster("dc1", "dc1", "dc1") as fake:
        cluster = client(fake)
        session = cluster.connect(wait_for_all_pools=True)
        for host in cluster.metadata.all_hosts():
            assert set(asked(session, 3, host=host)) == {host.address}
        fake.nodes[1].answer = lambda node, text: (0, b"\0\0\x10\x01\0\4busy")
        target = cluster.metadata.get_host(fake.nodes[1].address)
        with pytest.raises((NoHostAvailable, OperationTimedOut)):
            session.execute(WHO, host=target, timeout=1)


def test_a_profile_has_a_policy_of_its_own(client: Client) -> None:
    with FakeCluster("dc1", "dc1", "dc1") as fake:
        only = {
            number: ExecutionProfile(WhiteListRoundRobinPolicy([fake.nodes[number].address])) for number in range(3)
        }
        profiles = {EXEC_PROFILE_DEFAULT: only[0], "second": only[1]}
        cluster = client(fake, execution_profiles=profiles)
        session = cluster.connect(wait_for_all_pools=True)
        cluster.add_execution_profile("third", only[2])
        assert set(asked(session, 3)) == {fake.nodes[0].address}
        assert set(asked(session, 3, execution_profile="second")) == {fake.nodes[1].address}
        assert set(asked(session, 3, execution_profile="third")) == {fake.nodes[2].address}
        clone = session.execution_profile_clone_update("second", load_balancing_policy=only[2].load_balancing_policy)
        assert set(asked(session, 3, execution_profile=clone)) == {fake.nodes[2].address}


def test_the_default_policy_asks_the_node_that_a_statement_targets_first(client: Client) -> None:
    with FakeCluster("dc1", "dc1", "dc1") as fake:
        policy = DefaultLoadBalancingPolicy(RoundRobinPolicy())
        session = client(fake, load_balancing_policy=policy).connect(wait_for_all_pools=True)
        assert len(set(asked(session, 9))) == 3
        for node in fake.nodes:
            statement = SimpleStatement(WHO)
            statement.target_host = node.address
            assert asked(session, 3, statement) == [node.address] * 3


def test_a_node_without_answers_does_not_keep_others_from_answering(client: Client) -> None:
    with FakeCluster("dc1", "dc1") as fake:

        def silent(node: FakeNode, text: str) -> None:
            return None

        session = client(fake, request_timeout=0.3).connect(wait_for_all_pools=True)
        fake.nodes[0].answer = silent
        outcomes = []
        for _ in range(4):
            try:
                outcomes.append(session.execute(WHO).one().address)
            except OperationTimedOut as error:
                outcomes.append(next(iter(error.errors)) if error.errors else "")
        assert outcomes.count(fake.nodes[1].address) == 2
