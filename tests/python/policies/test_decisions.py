"""Retry and speculative execution policies, reconnection, listeners, translators: what they are asked, and what for."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fake_cluster import FakeCluster, FakeNode, Reply, coordinator, overloaded, read_timeout, unavailable, write_timeout
from noticing import notices

from cassandra import ConsistencyLevel, ReadTimeout, Unavailable, WriteTimeout, WriteType
from cassandra.cluster import Cluster, NoHostAvailable
from cassandra.policies import (
    AddressTranslator,
    ConstantSpeculativeExecutionPolicy,
    DowngradingConsistencyRetryPolicy,
    FallthroughRetryPolicy,
    HostStateListener,
    ReconnectionPolicy,
    RetryPolicy,
    SpeculativeExecutionPlan,
    SpeculativeExecutionPolicy,
    WhiteListRoundRobinPolicy,
)
from cassandra.protocol import OverloadedErrorMessage
from cassandra.query import SimpleStatement

WHO = "SELECT who"
Client = Callable[..., Cluster]
Until = Callable[..., None]


class Told(RetryPolicy):
    """A policy of a program: remembers what it is asked, and answers what it was given."""

    def __init__(self, *answers: tuple[int, Any]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[Any, ...]] = []

    def _answer(self, *arguments: Any) -> tuple[int, Any]:
        self.asked.append(arguments)
        return self.answers.pop(0) if self.answers else (self.RETHROW, None)

    def on_read_timeout(
        self,
        query: Any,
        consistency: Any,
        required_responses: Any,
        received_responses: Any,
        data_retrieved: Any,
        retry_num: Any,
    ) -> tuple[int, Any]:
        return self._answer(
            "read", query, consistency, required_responses, received_responses, data_retrieved, retry_num
        )

    def on_write_timeout(
        self,
        query: Any,
        consistency: Any,
        write_type: Any,
        required_responses: Any,
        received_responses: Any,
        retry_num: Any,
    ) -> tuple[int, Any]:
        return self._answer("write", query, consistency, write_type, required_responses, received_responses, retry_num)

    def on_unavailable(
        self, query: Any, consistency: Any, required_replicas: Any, alive_replicas: Any, retry_num: Any
    ) -> tuple[int, Any]:
        return self._answer("unavailable", query, consistency, required_replicas, alive_replicas, retry_num)

    def on_request_error(self, query: Any, consistency: Any, error: Any, retry_num: Any) -> tuple[int, Any]:
        return self._answer("request", query, consistency, error, retry_num)


def fails(reply: Reply, times: int) -> tuple[Callable[[FakeNode, str], Reply], list[str]]:
    """An answer for all nodes: *reply* so often, then the coordinator's address. Also who was asked."""
    left = [reply] * times
    who: list[str] = []

    def answer(node: FakeNode, text: str) -> Reply:
        who.append(node.address)
        return left.pop() if left else coordinator(node, text)

    return answer, who


ERRORS = [
    (read_timeout(4, 1, 2, False), ("read", 4, 2, 1, False), ReadTimeout),
    (read_timeout(4, 2, 2, True), ("read", 4, 2, 2, True), ReadTimeout),
    (write_timeout(4, 1, 2, "SIMPLE"), ("write", 4, WriteType.SIMPLE, 2, 1), WriteTimeout),
    (write_timeout(6, 0, 2, "BATCH_LOG"), ("write", 6, WriteType.BATCH_LOG, 2, 0), WriteTimeout),
    (unavailable(5, 3, 1), ("unavailable", 5, 3, 1), Unavailable),
    (overloaded(), ("request",), NoHostAvailable),
]


@pytest.mark.parametrize(("reply", "arguments", "raised"), ERRORS)
def test_a_programs_policy_is_told_everything_and_its_decisions_are_obeyed(
    client: Client, reply: Reply, arguments: tuple[Any, ...], raised: type[Exception]
) -> None:
    with FakeCluster("dc1", "dc1") as fake:
        policy = Told()
        session = client(fake, retry_policy=policy).connect(wait_for_all_pools=True)
        statement = SimpleStatement(WHO, consistency_level=ConsistencyLevel.QUORUM, is_idempotent=True)

        def run(*answers: tuple[int, Any], times: int) -> tuple[Any, list[str]]:
            answer, who = fails(reply, times)
            for node in fake.nodes:
                node.answer = answer
            policy.answers[:] = answers
            policy.asked.clear()
            result = session.execute(statement)
            return result, who

        result, who = run((RetryPolicy.RETRY, ConsistencyLevel.ONE), times=1)
        assert len(who) == 2 and who[0] == who[1] == result.one().address
        kind, query, *rest = policy.asked[0]
        assert query is statement
        if kind == "request":
            level, error, retry_num = rest
            assert (level, retry_num) == (ConsistencyLevel.QUORUM, 0)
            assert isinstance(error, OverloadedErrorMessage)
        else:
            assert (kind, *rest) == (*arguments, 0)
        result, who = run((RetryPolicy.RETRY_NEXT_HOST, None), (RetryPolicy.RETRY, None), times=2)
        assert len(who) == 3 and who[0] != who[1] == who[2]
        assert [asked[-1] for asked in policy.asked] == [0, 1]
        result, who = run((RetryPolicy.IGNORE, None), times=1)
        assert len(who) == 1 and list(result) == []
        if kind != "request":
            with pytest.raises(raised):
                run((RetryPolicy.RETHROW, None), times=1)


def test_the_policy_of_a_statement_comes_before_that_of_the_profile(client: Client) -> None:
    with FakeCluster("dc1") as fake:
        of_profile, of_statement = Told(), Told((RetryPolicy.IGNORE, None))
        session = client(fake, retry_policy=of_profile).connect(wait_for_all_pools=True)
        fake.nodes[0].answer = lambda node, text: unavailable(1, 1, 0)
        assert list(session.execute(SimpleStatement(WHO, retry_policy=of_statement))) == []
        assert len(of_statement.asked) == 1 and of_profile.asked == []


def test_fallthrough_rethrows_at_once(client: Client) -> None:
    with FakeCluster("dc1", "dc1") as fake:
        session = client(fake, retry_policy=FallthroughRetryPolicy()).connect(wait_for_all_pools=True)
        answer, who = fails(unavailable(1, 1, 0), 1)
        for node in fake.nodes:
            node.answer = answer
        with pytest.raises(Unavailable) as caught:
            session.execute(WHO)
        assert (caught.value.required_replicas, caught.value.alive_replicas, len(who)) == (1, 0, 1)


def test_the_default_policy_asks_the_next_node_once_when_replicas_are_unavailable(client: Client) -> None:
    with FakeCluster("dc1", "dc1", "dc1") as fake:
        session = client(fake).connect(wait_for_all_pools=True)
        answer, who = fails(unavailable(1, 1, 0), 1)
        for node in fake.nodes:
            node.answer = answer
        assert session.execute(WHO).one().address == who[1] != who[0]
        answer, who = fails(unavailable(1, 1, 0), 5)
        for node in fake.nodes:
            node.answer = answer
        with pytest.raises(Unavailable):
            session.execute(WHO)
        assert len(who) == 2


def test_downgrading_goes_on_at_the_level_that_can_be_reached(client: Client) -> None:
    with FakeCluster("dc1") as fake:
        session = client(fake, retry_policy=DowngradingConsistencyRetryPolicy()).connect(wait_for_all_pools=True)
        statement = SimpleStatement(WHO, consistency_level=ConsistencyLevel.QUORUM)
        answer, who = fails(unavailable(4, 2, 1), 1)
        fake.nodes[0].answer = answer
        assert session.execute(statement).one().address == who[1]
        answer, who = fails(unavailable(4, 2, 0), 1)
        fake.nodes[0].answer = answer
        with pytest.raises(Unavailable):
            session.execute(statement)


def held(fake: FakeCluster) -> tuple[threading.Event, str]:
    """Let the first node not answer until the event is set."""
    gate = threading.Event()

    def answer(node: FakeNode, text: str) -> Reply:
        gate.wait(20)
        return coordinator(node, text)

    fake.nodes[0].answer = answer
    return gate, fake.nodes[0].address


class FirstNodeFirst(WhiteListRoundRobinPolicy):
    """A policy of a program: the nodes in the order of their addresses."""

    def make_query_plan(self, working_keyspace: Any = None, query: Any = None) -> Iterator[Any]:
        return iter(sorted(self._live_hosts))


def test_another_node_is_asked_when_the_first_one_is_slow_and_the_statement_is_idempotent(client: Client) -> None:
    with FakeCluster("dc1", "dc1", "dc1") as fake:
        nodes = FirstNodeFirst([node.address for node in fake.nodes])
        speculative = ConstantSpeculativeExecutionPolicy(0.05, 1)
        session = client(fake, load_balancing_policy=nodes, speculative_execution_policy=speculative).connect(
            wait_for_all_pools=True
        )
        gate, slow = held(fake)
        statement = SimpleStatement("SELECT idempotent", is_idempotent=True)
        future = session.execute_async(statement)
        assert future.result().one().address == fake.nodes[1].address
        assert fake.asked("SELECT idempotent") == [slow, fake.nodes[1].address]
        gate.set()


def test_no_other_node_is_asked_for_a_statement_that_may_not_run_twice(client: Client) -> None:
    with FakeCluster("dc1", "dc1") as fake:
        nodes = FirstNodeFirst([node.address for node in fake.nodes])
        speculative = ConstantSpeculativeExecutionPolicy(0.02, 1)
        session = client(fake, load_balancing_policy=nodes, speculative_execution_policy=speculative).connect(
            wait_for_all_pools=True
        )
        gate, slow = held(fake)
        future = session.execute_async(SimpleStatement("UPDATE counter", is_idempotent=False))
        threading.Timer(0.3, gate.set).start()
        assert future.result().one().address == slow
        assert fake.asked("UPDATE counter") == [slow]


class OnceSoon(SpeculativeExecutionPolicy):
    """A policy of a program: one more node at once for some statements, none for others."""

    def __init__(self) -> None:
        self.plans: list[tuple[Any, Any]] = []

    def new_plan(self, keyspace: Any, statement: Any) -> Any:
        self.plans.append((keyspace, statement))
        delays = iter([0.01, -1] if statement.query_string.startswith("SELECT soon") else [-1])

        class Plan(SpeculativeExecutionPlan):
            def next_execution(self, host: Any) -> float:
                return next(delays)

        return Plan()


def test_a_programs_speculative_policy_is_asked_for_each_idempotent_statement(client: Client) -> None:
    with FakeCluster("dc1", "dc1", "dc1") as fake:
        nodes = FirstNodeFirst([node.address for node in fake.nodes])
        policy = OnceSoon()
        session = client(fake, load_balancing_policy=nodes, speculative_execution_policy=policy).connect(
            wait_for_all_pools=True
        )
        policy.plans.clear()
        gate, slow = held(fake)
        soon = SimpleStatement("SELECT soon", is_idempotent=True)
        assert session.execute(soon).one().address == fake.nodes[1].address
        assert policy.plans == [(None, soon)]
        never = session.execute_async(SimpleStatement("SELECT later", is_idempotent=True))
        other = session.execute_async(SimpleStatement("UPDATE counter", is_idempotent=False))
        threading.Timer(0.2, gate.set).start()
        assert [future.result().one().address for future in (never, other)] == [slow, slow]
        assert len(policy.plans) == 2


class Noted(HostStateListener):
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []

    def on_up(self, host: Any) -> None:
        self.told.append(("up", host.address))

    def on_down(self, host: Any) -> None:
        self.told.append(("down", host.address))

    def on_add(self, host: Any) -> None:
        self.told.append(("add", host.address))

    def on_remove(self, host: Any) -> None:
        self.told.append(("remove", host.address))


class OwnSchedule(ReconnectionPolicy):
    """A policy of a program: short delays, as often as it takes."""

    def __init__(self) -> None:
        self.schedules = 0

    def new_schedule(self) -> Iterator[float]:
        self.schedules += 1
        while True:
            yield 0.05


def test_listeners_hear_what_happens_to_nodes_and_a_programs_schedule_brings_them_back(
    client: Client, until: Until
) -> None:
    with FakeCluster("dc1", "dc1") as fake:
        listener, schedule = Noted(), OwnSchedule()
        cluster = client(fake, reconnection_policy=schedule)
        cluster.register_listener(listener)
        session = cluster.connect(wait_for_all_pools=True)
        address = fake.nodes[1].address
        fake.nodes[1].stop()
        until(lambda: notices(session) and ("down", address) in listener.told)
        host = cluster.metadata.get_host(address)
        assert host.is_up is False
        fake.nodes[1].start()
        until(lambda: ("up", address) in listener.told[listener.told.index(("down", address)) :])
        assert host is cluster.metadata.get_host(address) and host.is_up
        until(lambda: {session.execute(WHO).one().address for _ in range(4)} == {node.address for node in fake.nodes})
        assert schedule.schedules > 0
        cluster.unregister_listener(listener)
        told = list(listener.told)
        fake.nodes[1].stop()
        until(lambda: notices(session) and not host.is_up)
        assert listener.told == told


class Translator(AddressTranslator):
    """Knows the nodes under other addresses."""

    def __init__(self) -> None:
        self.known: dict[str, str] = {}

    def translate(self, addr: str) -> str:
        return self.known.get(addr, addr)


def test_peers_are_connected_to_where_the_translator_says(client: Client) -> None:
    with FakeCluster("dc1", "dc1") as fake:
        translator = Translator()
        hidden, real = "192.0.2.9", fake.nodes[1].address
        translator.known[hidden] = real
        tell = fake.peers
        fake.peers = lambda node: _announced(tell, node, fake, hidden)  # type: ignore[method-assign]
        cluster = client(fake, address_translator=translator)
        session = cluster.connect(wait_for_all_pools=True)
        assert {session.execute(WHO).one().address for _ in range(6)} == {node.address for node in fake.nodes}
        host = cluster.metadata.get_host(hidden)
        assert (host.address, host.broadcast_rpc_address) == (real, hidden)


def _announced(tell: Callable[[FakeNode], Reply], node: FakeNode, fake: FakeCluster, hidden: str) -> Reply:
    real = fake.nodes[1].address
    fake.nodes[1].address = hidden
    try:
        return tell(node)
    finally:
        fake.nodes[1].address = real


def test_the_state_of_pools_names_each_node(client: Client, until: Until) -> None:
    with FakeCluster("dc1", "dc1") as fake:
        cluster = client(fake)
        session = cluster.connect(wait_for_all_pools=True)
        until(lambda: all(state["open_count"] for state in session.get_pool_state().values()))
        states = session.get_pool_state()
        assert {host.address for host in states} == {node.address for node in fake.nodes}
        for state in states.values():
            assert (state["shutdown"], state["open_count"], state["in_flights"]) == (False, 1, [0])
        control = cluster.get_control_connection_host()
        assert control in cluster.metadata.all_hosts()
        assert control.address == fake.nodes[0].address
