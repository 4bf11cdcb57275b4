"""Load balancing policies that choose among all nodes: which are near, and in which order they are asked."""

from __future__ import annotations

import itertools
import random
import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from cassandra._policies import MODULE

if TYPE_CHECKING:
    from cassandra.pool import Host


class HostDistance:
    """How near a node is, which decides whether and how it is connected to."""

    __module__ = MODULE

    IGNORED = -1
    """Not connected to."""
    LOCAL = 0
    """Preferred."""
    REMOTE = 1
    """Connected to with fewer connections, and asked when no local node can answer."""


class HostStateListener:
    """Is told when nodes come and go; see ``Cluster.register_listener``. The calls must not block."""

    __module__ = MODULE

    def on_up(self, host: Host) -> None:
        """*host* is up again."""
        raise NotImplementedError()

    def on_down(self, host: Host) -> None:
        """*host* is down."""
        raise NotImplementedError()

    def on_add(self, host: Host) -> None:
        """*host* is new in the cluster."""
        raise NotImplementedError()

    def on_remove(self, host: Host) -> None:
        """*host* has left the cluster."""
        raise NotImplementedError()


class LoadBalancingPolicy(HostStateListener):
    """Base of load balancing policies."""

    __module__ = MODULE

    def __init__(self) -> None:
        self._hosts_lock = threading.Lock()

    def distance(self, host: Host) -> int:
        """Give the :class:`HostDistance` of *host*."""
        raise NotImplementedError()

    def populate(self, cluster: Any, hosts: Iterable[Host]) -> None:
        """Take the nodes known at the start; called once, before anything else."""
        raise NotImplementedError()

    def make_query_plan(self, working_keyspace: str | None = None, query: Any = None) -> Iterable[Host]:
        """Give the nodes to ask for one request, in order; called for every request, and walked lazily."""
        raise NotImplementedError()

    def check_supported(self) -> None:
        """Raise an exception if the policy cannot work in this cluster; called when metadata is there."""


class RoundRobinPolicy(LoadBalancingPolicy):
    """Asks all nodes in turn, without regard to datacenters."""

    __module__ = MODULE

    _live_hosts: frozenset[Host] = frozenset()
    _position = 0

    def populate(self, cluster: Any, hosts: Iterable[Host]) -> None:
        self._live_hosts = frozenset(hosts)
        if len(self._live_hosts) > 1:
            # Clients that start together do not all begin with the same node.
            self._position = random.randint(0, len(self._live_hosts) - 1)

    def distance(self, host: Host) -> int:
        return HostDistance.LOCAL

    def make_query_plan(self, working_keyspace: str | None = None, query: Any = None) -> Iterator[Host]:
        # Concurrent callers may take the same position: that only makes them ask the same node first.
        position = self._position
        self._position += 1
        return rotated(tuple(self._live_hosts), position)

    def on_up(self, host: Host) -> None:
        with self._hosts_lock:
            self._live_hosts = self._live_hosts.union((host,))

    def on_down(self, host: Host) -> None:
        with self._hosts_lock:
            self._live_hosts = self._live_hosts.difference((host,))

    def on_add(self, host: Host) -> None:
        with self._hosts_lock:
            self._live_hosts = self._live_hosts.union((host,))

    def on_remove(self, host: Host) -> None:
        with self._hosts_lock:
            self._live_hosts = self._live_hosts.difference((host,))


def rotated(hosts: Sequence[Host], position: int) -> Iterator[Host]:
    """Give all *hosts* in order, beginning at *position* and going round."""
    if not hosts:
        return iter(())
    start = position % len(hosts)
    return itertools.chain(hosts[start:], hosts[:start])


class DCAwareRoundRobinPolicy(LoadBalancingPolicy):
    """Asks the nodes of the local datacenter in turn, and then some of the others."""

    __module__ = MODULE

    local_dc: str | None = None
    """The local datacenter; while it is empty, that of the first contact point found is taken."""
    used_hosts_per_remote_dc: int = 0
    """How many nodes of each other datacenter are asked when no local node answers."""

    def __init__(self, local_dc: str = "", used_hosts_per_remote_dc: int = 0) -> None:
        self.local_dc = local_dc
        self.used_hosts_per_remote_dc = used_hosts_per_remote_dc
        self._dc_live_hosts: dict[str | None, tuple[Host, ...]] = {}
        # The same as sets: clusters of a thousand nodes are told of one by one.
        self._dc_members: dict[str | None, set[Host]] = {}
        self._position = 0
        self._endpoints: list[Any] = []
        super().__init__()

    def _dc(self, host: Host) -> str | None:
        return host.datacenter or self.local_dc

    def populate(self, cluster: Any, hosts: Iterable[Host]) -> None:
        grouped: dict[str | None, dict[Host, None]] = {}
        for host in hosts:
            grouped.setdefault(self._dc(host), {})[host] = None
        self._dc_live_hosts = {dc: tuple(members) for dc, members in grouped.items()}
        self._dc_members = {dc: set(members) for dc, members in grouped.items()}
        if not self.local_dc:
            self._endpoints = list(cluster.endpoints_resolved)
        local = len(self._dc_live_hosts.get(self.local_dc, ()))
        self._position = random.randint(0, local - 1) if local else 0

    def distance(self, host: Host) -> int:
        dc = self._dc(host)
        if dc == self.local_dc:
            return HostDistance.LOCAL
        if host in self._dc_live_hosts.get(dc, ())[: self.used_hosts_per_remote_dc]:
            return HostDistance.REMOTE
        return HostDistance.IGNORED

    def make_query_plan(self, working_keyspace: str | None = None, query: Any = None) -> Iterator[Host]:
        position = self._position
        self._position += 1
        by_dc = self._dc_live_hosts
        yield from rotated(by_dc.get(self.local_dc, ()), position)
        for dc, hosts in by_dc.items():
            if dc != self.local_dc:
                yield from hosts[: self.used_hosts_per_remote_dc]

    def on_up(self, host: Host) -> None:
        if not self.local_dc and host.datacenter and host.endpoint in self._endpoints:
            self.local_dc = host.datacenter
            self._endpoints = []
        with self._hosts_lock:
            dc = self._dc(host)
            members = self._dc_members.setdefault(dc, set())
            if host not in members:
                members.add(host)
                self._dc_live_hosts = {**self._dc_live_hosts, dc: (*self._dc_live_hosts.get(dc, ()), host)}

    def on_down(self, host: Host) -> None:
        with self._hosts_lock:
            dc = self._dc(host)
            self._dc_members.get(dc, set()).discard(host)
            left = tuple(other for other in self._dc_live_hosts.get(dc, ()) if other != host)
            by_dc = {**self._dc_live_hosts, dc: left}
            if not left:
                del by_dc[dc]
            self._dc_live_hosts = by_dc

    def on_add(self, host: Host) -> None:
        self.on_up(host)

    def on_remove(self, host: Host) -> None:
        self.on_down(host)


class WhiteListRoundRobinPolicy(RoundRobinPolicy):
    """Asks only the nodes given to it, in turn.

    For test set-ups and tools that must stay with certain nodes; it does not keep the cluster's other nodes
    from being coordinators for other clients.
    """

    __module__ = MODULE

    def __init__(self, hosts: Iterable[str]) -> None:
        """
        :param hosts: names or addresses of nodes.
        :raises socket.gaierror: one does not resolve.
        """
        import socket

        self._allowed_hosts = tuple(hosts)
        self._allowed_hosts_resolved = [
            info[4][0]
            for name in self._allowed_hosts
            for info in socket.getaddrinfo(name, None, socket.AF_UNSPEC, socket.SOCK_STREAM)
        ]
        super().__init__()

    def _is_allowed(self, host: Host) -> bool:
        address = host.endpoint.address
        return address in self._allowed_hosts or address in self._allowed_hosts_resolved

    def populate(self, cluster: Any, hosts: Iterable[Host]) -> None:
        super().populate(cluster, [host for host in hosts if self._is_allowed(host)])

    def distance(self, host: Host) -> int:
        return HostDistance.LOCAL if self._is_allowed(host) else HostDistance.IGNORED

    def on_up(self, host: Host) -> None:
        if self._is_allowed(host):
            super().on_up(host)

    def on_add(self, host: Host) -> None:
        if self._is_allowed(host):
            super().on_add(host)
