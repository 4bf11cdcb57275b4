"""Execution profiles: the options of a request, bundled under a name.

A profile may be changed at any time (``session.row_factory = dict_factory`` changes the default one). The native code
keeps what it worked out from a profile in the profile's ``_resolved`` attribute; every assignment drops it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from cassandra import ConsistencyLevel
from cassandra._query.rows import named_tuple_factory
from cassandra.policies import (
    DCAwareRoundRobinPolicy,
    DefaultLoadBalancingPolicy,
    LoadBalancingPolicy,
    NeverRetryPolicy,
    NoSpeculativeExecutionPolicy,
    RetryPolicy,
    SpeculativeExecutionPolicy,
    TokenAwarePolicy,
)

if TYPE_CHECKING:
    from cassandra.pool import Host


_NOT_SET: Any = object()

EXEC_PROFILE_DEFAULT: Any = object()
EXEC_PROFILE_GRAPH_DEFAULT: Any = object()
EXEC_PROFILE_GRAPH_SYSTEM_DEFAULT: Any = object()
EXEC_PROFILE_GRAPH_ANALYTICS_DEFAULT: Any = object()


def default_lbp_factory() -> LoadBalancingPolicy:
    """A new instance of the load balancing policy that is used when none is given."""
    return TokenAwarePolicy(DCAwareRoundRobinPolicy())


default_lbp_factory.__module__ = "cassandra.cluster"


def check_serial(level: int | None) -> int | None:
    """*level*, if it is one of the two serial levels or ``None``.

    :raises ValueError: it is another level.
    """
    if level is not None and not ConsistencyLevel.is_serial(level):
        raise ValueError(
            "serial_consistency_level must be either ConsistencyLevel.SERIAL or ConsistencyLevel.LOCAL_SERIAL."
        )
    return level


class ExecutionProfile:
    """How requests of one kind are run: which nodes, how often, how consistent, how long, and what rows become."""

    __module__ = "cassandra.cluster"

    load_balancing_policy: Any = None
    retry_policy: Any = None
    consistency_level: int = ConsistencyLevel.LOCAL_ONE
    serial_consistency_level: int | None = None
    request_timeout: float | None = 10.0
    row_factory: Any = staticmethod(named_tuple_factory)
    speculative_execution_policy: Any = None
    continuous_paging_options: Any = None

    _load_balancing_policy_explicit = False
    _consistency_level_explicit = False
    _resolved: Any = None

    def __init__(
        self,
        load_balancing_policy: Any = _NOT_SET,
        retry_policy: RetryPolicy | None = None,
        consistency_level: int = _NOT_SET,
        serial_consistency_level: int | None = None,
        request_timeout: float | None = 10.0,
        row_factory: Callable[[list[str], list[tuple[Any, ...]]], Any] | None = named_tuple_factory,
        speculative_execution_policy: SpeculativeExecutionPolicy | None = None,
        continuous_paging_options: Any = None,
    ) -> None:
        self._load_balancing_policy_explicit = load_balancing_policy is not _NOT_SET
        self.load_balancing_policy = (
            load_balancing_policy if self._load_balancing_policy_explicit else default_lbp_factory()
        )
        self._consistency_level_explicit = consistency_level is not _NOT_SET
        self.consistency_level = consistency_level if self._consistency_level_explicit else ConsistencyLevel.LOCAL_ONE
        self.retry_policy = retry_policy or RetryPolicy()
        self.serial_consistency_level = check_serial(serial_consistency_level)
        self.request_timeout = request_timeout
        self.row_factory = row_factory
        self.speculative_execution_policy = speculative_execution_policy or NoSpeculativeExecutionPolicy()
        self.continuous_paging_options = continuous_paging_options

    def __setattr__(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)
        if name != "_resolved":
            object.__setattr__(self, "_resolved", None)


class GraphExecutionProfile(ExecutionProfile):
    """A profile for graph statements: no retries, thirty seconds."""

    __module__ = "cassandra.cluster"

    graph_options: Any = None

    def __init__(
        self,
        load_balancing_policy: Any = _NOT_SET,
        retry_policy: RetryPolicy | None = None,
        consistency_level: int = _NOT_SET,
        serial_consistency_level: int | None = None,
        request_timeout: float | None = 30.0,
        row_factory: Callable[[list[str], list[tuple[Any, ...]]], Any] | None = None,
        graph_options: Any = None,
        continuous_paging_options: Any = _NOT_SET,
    ) -> None:
        super().__init__(
            load_balancing_policy,
            retry_policy or NeverRetryPolicy(),
            consistency_level,
            serial_consistency_level,
            request_timeout,
            row_factory,
            continuous_paging_options=continuous_paging_options,
        )
        self.graph_options = graph_options


class GraphAnalyticsExecutionProfile(GraphExecutionProfile):
    """A profile for graph statements that scan everything: a week of time."""

    __module__ = "cassandra.cluster"

    def __init__(
        self,
        load_balancing_policy: Any = None,
        retry_policy: RetryPolicy | None = None,
        consistency_level: int = _NOT_SET,
        serial_consistency_level: int | None = None,
        request_timeout: float | None = 3600.0 * 24.0 * 7.0,
        row_factory: Callable[[list[str], list[tuple[Any, ...]]], Any] | None = None,
        graph_options: Any = None,
    ) -> None:
        super().__init__(
            load_balancing_policy or DefaultLoadBalancingPolicy(default_lbp_factory()),
            retry_policy,
            consistency_level,
            serial_consistency_level,
            request_timeout,
            row_factory,
            graph_options,
        )


class ProfileManager:
    """The profiles of a cluster by name, and what they all must hear about hosts."""

    __module__ = "cassandra.cluster"

    def __init__(self) -> None:
        self.profiles: dict[Any, ExecutionProfile] = {}

    @property
    def default(self) -> ExecutionProfile:
        """The profile of requests that name none."""
        return self.profiles[EXEC_PROFILE_DEFAULT]

    def _policies(self) -> Iterable[Any]:
        return (profile.load_balancing_policy for profile in list(self.profiles.values()))

    def distance(self, host: Host) -> int:
        """The nearest distance that any profile gives *host*."""
        distances = {policy.distance(host) for policy in self._policies()}
        return min((distance for distance in distances if distance >= 0), default=-1)

    def populate(self, cluster: Any, hosts: Iterable[Host]) -> None:
        """Tell every load balancing policy about *hosts*."""
        for policy in self._policies():
            policy.populate(cluster, hosts)

    def check_supported(self) -> None:
        """Let every load balancing policy refuse the cluster."""
        for policy in self._policies():
            policy.check_supported()

    def on_up(self, host: Host) -> None:
        """A node answers again."""
        for policy in self._policies():
            policy.on_up(host)

    def on_down(self, host: Host) -> None:
        """A node stopped to answer."""
        for policy in self._policies():
            policy.on_down(host)

    def on_add(self, host: Host) -> None:
        """A node joined the cluster."""
        for policy in self._policies():
            policy.on_add(host)

    def on_remove(self, host: Host) -> None:
        """A node left the cluster."""
        for policy in self._policies():
            policy.on_remove(host)
