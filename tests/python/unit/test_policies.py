"""Policies: order of query plans, decisions about failures, delays."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest

from cassandra import ConsistencyLevel, OperationTimedOut, WriteType
from cassandra.connection import DefaultEndPoint
from cassandra.policies import (
    ConstantReconnectionPolicy,
    ConstantSpeculativeExecutionPolicy,
    DCAwareRoundRobinPolicy,
    DefaultLoadBalancingPolicy,
    DowngradingConsistencyRetryPolicy,
    DSELoadBalancingPolicy,
    ExponentialReconnectionPolicy,
    FallthroughRetryPolicy,
    HostDistance,
    HostFilterPolicy,
    RetryPolicy,
    RoundRobinPolicy,
    SimpleConvictionPolicy,
    TokenAwarePolicy,
    WhiteListRoundRobinPolicy,
)
from cassandra.pool import Host
from cassandra.query import HostTargetingStatement, SimpleStatement


def host(number: int, datacenter: str = "dc1") -> Host:
    made = Host(DefaultEndPoint(f"127.0.0.{number}"), SimpleConvictionPolicy, datacenter, "r1")
    made.is_up = True
    return made


def numbers(plan: Iterable[Host]) -> list[int]:
    return [int(host.address.rsplit(".", 1)[1]) for host in plan]


HOSTS = [host(number, "dc1" if number < 4 else "dc2") for number in range(1, 7)]


def cluster(**attributes: Any) -> Any:
    return SimpleNamespace(**{"metadata": SimpleNamespace(), "endpoints_resolved": [], **attributes})


def test_round_robin_begins_each_plan_with_the_next_node() -> None:
    policy = RoundRobinPolicy()
    policy.populate(cluster(), HOSTS)
    first, second = numbers(policy.make_query_plan()), numbers(policy.make_query_plan())
    assert sorted(first) == [1, 2, 3, 4, 5, 6]
    assert second == first[1:] + first[:1]


def test_round_robin_leaves_out_nodes_that_are_down() -> None:
    policy = RoundRobinPolicy()
    policy.populate(cluster(), HOSTS)
    policy.on_down(HOSTS[0])
    assert 1 not in numbers(policy.make_query_plan())
    policy.on_up(HOSTS[0])
    assert 1 in numbers(policy.make_query_plan())


def test_dc_aware_asks_local_nodes_first_and_then_some_remote_ones() -> None:
    policy = DCAwareRoundRobinPolicy("dc1", used_hosts_per_remote_dc=1)
    policy.populate(cluster(), HOSTS)
    plan = numbers(policy.make_query_plan())
    assert sorted(plan[:3]) == [1, 2, 3]
    assert plan[3:] == [4]
    distances = [policy.distance(host) for host in HOSTS]
    assert distances == [HostDistance.LOCAL] * 3 + [HostDistance.REMOTE] + [HostDistance.IGNORED] * 2


def test_dc_aware_takes_the_datacenter_of_the_first_contact_point_that_is_found() -> None:
    policy = DCAwareRoundRobinPolicy()
    policy.populate(cluster(endpoints_resolved=[HOSTS[4].endpoint]), HOSTS)
    assert numbers(policy.make_query_plan()) == []
    policy.on_add(HOSTS[0])
    policy.on_add(HOSTS[4])
    assert policy.local_dc == "dc2"
    assert sorted(numbers(policy.make_query_plan())) == [4, 5, 6]


def test_white_list_ignores_all_others() -> None:
    policy = WhiteListRoundRobinPolicy(["127.0.0.1", "127.0.0.2"])
    policy.populate(cluster(), HOSTS)
    policy.on_add(HOSTS[2])
    assert sorted(numbers(policy.make_query_plan())) == [1, 2]
    assert policy.distance(HOSTS[2]) == HostDistance.IGNORED


def test_host_filter_may_be_subclassed_with_a_method() -> None:
    class OnlyFirst(HostFilterPolicy):
        def __init__(self, child: RoundRobinPolicy) -> None:
            super().__init__(child, predicate=None)  # type: ignore[arg-type]

        def predicate(self, host: Host) -> bool:  # type: ignore[override]
            return host.address.endswith(".1")

    policy = OnlyFirst(RoundRobinPolicy())
    policy.populate(cluster(), HOSTS)
    assert numbers(policy.make_query_plan()) == [1]
    assert policy.distance(HOSTS[1]) == HostDistance.IGNORED


class Replicas:
    """Metadata that knows the replicas."""

    def __init__(self, *replicas: Host) -> None:
        self.replicas = replicas
        self.asked: list[tuple[str, bytes]] = []

    def get_replicas(self, keyspace: str, key: bytes) -> list[Host]:
        self.asked.append((keyspace, key))
        return list(self.replicas)

    def can_support_partitioner(self) -> bool:
        return True


def test_token_aware_asks_local_replicas_that_are_up_first() -> None:
    down = host(3)
    down.is_up = False
    hosts = [HOSTS[0], HOSTS[1], down, *HOSTS[3:]]
    metadata = Replicas(HOSTS[4], HOSTS[1], down)
    policy = TokenAwarePolicy(DCAwareRoundRobinPolicy("dc1", 3))
    policy.populate(cluster(metadata=metadata), hosts)
    statement = SimpleStatement("x", routing_key=b"k", keyspace="own")
    plan = numbers(policy.make_query_plan("ks", statement))
    assert plan[0] == 2
    assert plan[1:] == [1, 4, 5, 6]
    assert metadata.asked == [("own", b"k")]


def test_token_aware_leaves_statements_without_routing_key_to_the_child() -> None:
    metadata = Replicas(HOSTS[4])
    policy = TokenAwarePolicy(RoundRobinPolicy())
    policy.populate(cluster(metadata=metadata), HOSTS)
    assert len(numbers(policy.make_query_plan("ks", SimpleStatement("x")))) == 6
    assert metadata.asked == []


def test_the_default_policy_asks_the_targeted_node_first() -> None:
    policy = DefaultLoadBalancingPolicy(RoundRobinPolicy())
    policy.populate(cluster(metadata=SimpleNamespace(get_host=lambda address: HOSTS[2])), HOSTS)
    plan = numbers(policy.make_query_plan("ks", HostTargetingStatement(SimpleStatement("x"), "127.0.0.3")))
    assert plan[0] == 3
    assert sorted(plan) == [1, 2, 3, 4, 5, 6]


def test_the_old_name_of_the_default_policy_warns() -> None:
    with pytest.warns(DeprecationWarning, match="DefaultLoadBalancingPolicy"):
        DSELoadBalancingPolicy(RoundRobinPolicy())


def test_delays_of_reconnection() -> None:
    assert list(ConstantReconnectionPolicy(2.0, 3).new_schedule()) == [2.0, 2.0, 2.0]
    assert len(list(itertools.islice(ConstantReconnectionPolicy(2.0, None).new_schedule(), 100))) == 100
    delays = list(ExponentialReconnectionPolicy(1, 60, 10).new_schedule())
    assert len(delays) == 10
    assert all(1 <= delay <= 60 for delay in delays)
    assert 6.8 <= delays[3] <= 9.2


@pytest.mark.parametrize("arguments", [(-1, 5), (1, -5), (6, 5), (1, 5, -1)])
def test_senseless_delays_are_an_error(arguments: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        ExponentialReconnectionPolicy(*arguments)


def test_the_default_retry_policy_tries_again_once_where_it_is_safe() -> None:
    policy = RetryPolicy()
    assert policy.on_read_timeout(None, 1, 2, 2, False, 0) == (RetryPolicy.RETRY, 1)
    assert policy.on_read_timeout(None, 1, 2, 2, True, 0) == (RetryPolicy.RETHROW, None)
    assert policy.on_read_timeout(None, 1, 2, 2, False, 1) == (RetryPolicy.RETHROW, None)
    assert policy.on_write_timeout(None, 1, WriteType.BATCH_LOG, 2, 1, 0) == (RetryPolicy.RETRY, 1)
    assert policy.on_write_timeout(None, 1, WriteType.SIMPLE, 2, 1, 0) == (RetryPolicy.RETHROW, None)
    assert policy.on_unavailable(None, 1, 2, 1, 0) == (RetryPolicy.RETRY_NEXT_HOST, None)
    assert policy.on_unavailable(None, 1, 2, 1, 1) == (RetryPolicy.RETHROW, None)
    assert policy.on_request_error(None, 1, OperationTimedOut(), 5) == (RetryPolicy.RETRY_NEXT_HOST, None)
    assert FallthroughRetryPolicy().on_unavailable() == (RetryPolicy.RETHROW, None)


def test_downgrading_takes_the_level_that_can_be_reached() -> None:
    policy = DowngradingConsistencyRetryPolicy()
    assert policy.on_unavailable(None, ConsistencyLevel.ALL, 3, 2, 0) == (RetryPolicy.RETRY, ConsistencyLevel.TWO)
    assert policy.on_unavailable(None, ConsistencyLevel.ALL, 3, 0, 0) == (RetryPolicy.RETHROW, None)
    assert policy.on_write_timeout(None, 1, WriteType.SIMPLE, 2, 1, 0) == (RetryPolicy.IGNORE, None)


def test_a_speculative_plan_ends_after_its_attempts() -> None:
    plan = ConstantSpeculativeExecutionPolicy(0.5, 2).new_plan("ks", None)
    assert [plan.next_execution(HOSTS[0]) for _ in range(4)] == [0.5, 0.5, -1, -1]


def test_time_outs_of_requests_do_not_convict_a_node() -> None:
    policy = SimpleConvictionPolicy(HOSTS[0])
    assert policy.add_failure(ValueError())
    assert not policy.add_failure(OperationTimedOut())
