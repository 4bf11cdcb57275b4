"""Load balancing policies around another one: replicas first, a filter, one node picked out."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from cassandra._policies import MODULE
from cassandra._policies.load_balancing import HostDistance, LoadBalancingPolicy

if TYPE_CHECKING:
    from cassandra.pool import Host


class TokenAwarePolicy(LoadBalancingPolicy):
    """Asks the replicas of the statement's partition first, then the nodes of the child policy.

    Needs the statement's routing key and keyspace; without them the child policy alone decides.
    """

    __module__ = MODULE

    _child_policy: LoadBalancingPolicy
    _cluster_metadata: Any = None
    shuffle_replicas: bool = False
    """Whether the replicas are asked in random order instead of that of the token ring."""

    def __init__(self, child_policy: LoadBalancingPolicy, shuffle_replicas: bool = False) -> None:
        self._child_policy = child_policy
        self.shuffle_replicas = shuffle_replicas

    def populate(self, cluster: Any, hosts: Iterable[Host]) -> None:
        self._cluster_metadata = cluster.metadata
        self._child_policy.populate(cluster, hosts)

    def check_supported(self) -> None:
        """:raises RuntimeError: tokens of the cluster's partitioner cannot be computed here."""
        if not self._cluster_metadata.can_support_partitioner():
            raise RuntimeError(
                f"{type(self).__name__} cannot be used with the cluster partitioner "
                f"({self._cluster_metadata.partitioner}) because the relevant driver support is missing"
            )

    def distance(self, *args: Any, **kwargs: Any) -> int:
        return self._child_policy.distance(*args, **kwargs)

    def make_query_plan(self, working_keyspace: str | None = None, query: Any = None) -> Iterator[Host]:
        keyspace = query.keyspace if query is not None and query.keyspace else working_keyspace
        child = self._child_policy
        routing_key = query.routing_key if query is not None else None
        if routing_key is None or keyspace is None:
            yield from child.make_query_plan(keyspace, query)
            return

        replicas = self._cluster_metadata.get_replicas(keyspace, routing_key)
        if self.shuffle_replicas:
            replicas = random.sample(list(replicas), len(replicas))
        for replica in replicas:
            if replica.is_up and child.distance(replica) == HostDistance.LOCAL:
                yield replica
        for host in child.make_query_plan(keyspace, query):
            if host not in replicas or child.distance(host) == HostDistance.REMOTE:
                yield host

    def on_up(self, *args: Any, **kwargs: Any) -> None:
        return self._child_policy.on_up(*args, **kwargs)

    def on_down(self, *args: Any, **kwargs: Any) -> None:
        return self._child_policy.on_down(*args, **kwargs)

    def on_add(self, *args: Any, **kwargs: Any) -> None:
        return self._child_policy.on_add(*args, **kwargs)

    def on_remove(self, *args: Any, **kwargs: Any) -> None:
        return self._child_policy.on_remove(*args, **kwargs)


class HostFilterPolicy(LoadBalancingPolicy):
    """Asks only those nodes of the child policy for which a predicate is true.

    A subclass may have a method ``predicate(host)`` instead of giving one.
    """

    __module__ = MODULE

    def __init__(self, child_policy: LoadBalancingPolicy, predicate: Callable[[Host], bool]) -> None:
        super().__init__()
        self._child_policy = child_policy
        self._predicate = predicate

    def on_up(self, host: Host, *args: Any, **kwargs: Any) -> None:
        return self._child_policy.on_up(host, *args, **kwargs)

    def on_down(self, host: Host, *args: Any, **kwargs: Any) -> None:
        return self._child_policy.on_down(host, *args, **kwargs)

    def on_add(self, host: Host, *args: Any, **kwargs: Any) -> None:
        return self._child_policy.on_add(host, *args, **kwargs)

    def on_remove(self, host: Host, *args: Any, **kwargs: Any) -> None:
        return self._child_policy.on_remove(host, *args, **kwargs)

    @property
    def predicate(self) -> Callable[[Host], bool]:
        """What decides whether a node may be asked; called for each node of each query plan."""
        return self._predicate

    def distance(self, host: Host) -> int:
        """The child policy's, or :attr:`HostDistance.IGNORED` where the predicate is false."""
        return self._child_policy.distance(host) if self.predicate(host) else HostDistance.IGNORED

    def populate(self, cluster: Any, hosts: Iterable[Host]) -> None:
        self._child_policy.populate(cluster, hosts)

    def make_query_plan(self, working_keyspace: str | None = None, query: Any = None) -> Iterator[Host]:
        plan = self._child_policy.make_query_plan(working_keyspace=working_keyspace, query=query)
        return (host for host in plan if self.predicate(host))

    def check_supported(self) -> None:
        return self._child_policy.check_supported()


class WrapperPolicy(LoadBalancingPolicy):
    """Leaves everything to the child policy: a base for policies that change a part."""

    __module__ = MODULE

    def __init__(self, child_policy: LoadBalancingPolicy) -> None:
        self._child_policy = child_policy

    def distance(self, *args: Any, **kwargs: Any) -> int:
        return self._child_policy.distance(*args, **kwargs)

    def populate(self, cluster: Any, hosts: Iterable[Host]) -> None:
        self._child_policy.populate(cluster, hosts)

    def make_query_plan(self, working_keyspace: str | None = None, query: Any = None) -> Iterable[Host]:
        return self._child_policy.make_query_plan(working_keyspace, query)

    def check_supported(self) -> None:
        return self._child_policy.check_supported()

    def on_up(self, *args: Any, **kwargs: Any) -> None:
        return self._child_policy.on_up(*args, **kwargs)

    def on_down(self, *args: Any, **kwargs: Any) -> None:
        return self._child_policy.on_down(*args, **kwargs)

    def on_add(self, *args: Any, **kwargs: Any) -> None:
        return self._child_policy.on_add(*args, **kwargs)

    def on_remove(self, *args: Any, **kwargs: Any) -> None:
        return self._child_policy.on_remove(*args, **kwargs)


class DefaultLoadBalancingPolicy(WrapperPolicy):
    """Asks the node that a statement names first (``HostTargetingStatement``), then those of the child policy."""

    __module__ = MODULE

    _cluster_metadata: Any = None

    def populate(self, cluster: Any, hosts: Iterable[Host]) -> None:
        self._cluster_metadata = cluster.metadata
        self._child_policy.populate(cluster, hosts)

    def make_query_plan(self, working_keyspace: str | None = None, query: Any = None) -> Iterator[Host]:
        keyspace = query.keyspace if query is not None and query.keyspace else working_keyspace
        target = None
        address = getattr(query, "target_host", None)
        if address:
            target = self._cluster_metadata.get_host(address)
        if target is not None and target.is_up:
            yield target
        else:
            target = None
        for host in self._child_policy.make_query_plan(keyspace, query):
            if host != target:
                yield host


class DSELoadBalancingPolicy(DefaultLoadBalancingPolicy):
    """The old name of :class:`DefaultLoadBalancingPolicy`. Deprecated."""

    __module__ = MODULE

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        import warnings

        super().__init__(*args, **kwargs)
        warnings.warn(
            "DSELoadBalancingPolicy will be removed; use DefaultLoadBalancingPolicy instead",
            DeprecationWarning,
            stacklevel=2,
        )
