"""Hosts: what Python knows of the nodes that the core has found.

The core's snapshot of the cluster is the truth; one :class:`~cassandra.pool.Host` stands for each node in it, the same
object for as long as the node keeps its id and address.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING
from uuid import UUID

from cassandra._driver.endpoints import NodeEndpoints
from cassandra._endpoints import DefaultEndPointFactory
from cassandra.policies import SimpleConvictionPolicy
from cassandra.pool import Host

if TYPE_CHECKING:
    from cassandra import _core
    from cassandra._metadata.cluster import Metadata
    from cassandra.policies import ConvictionPolicy

log = logging.getLogger("cassandra.cluster")


class HostChanges:
    """What one look at the core's snapshot found to be different."""

    def __init__(self) -> None:
        self.added: list[Host] = []
        self.removed: list[Host] = []
        self.up: list[Host] = []
        self.down: list[Host] = []


class HostRegistry:
    """Keeps the hosts of *metadata* in step with the core's nodes."""

    def __init__(self, metadata: Metadata, conviction_policy_factory: Callable[[Host], ConvictionPolicy]) -> None:
        self._metadata = metadata
        self._conviction_policy_factory = conviction_policy_factory
        self._by_id: dict[UUID, Host] = {}
        self._asked: dict[UUID, int] = {}
        # Policies are asked while it is held.
        self._lock = threading.RLock()
        self.endpoints = NodeEndpoints(DefaultEndPointFactory(), (), self.is_up)

    def is_up(self, host_id: UUID) -> bool:
        """Whether the node with this id is known to be up."""
        host = self._by_id.get(host_id)
        return host is not None and bool(host.is_up)

    def expect_up(self, hosts: Iterable[Host]) -> None:
        """Let hosts be up of which nothing is known."""
        with self._lock:
            for host in hosts:
                if host.is_up is None:
                    host.set_up()

    def get(self, host_id: UUID) -> Host | None:
        """The host of the node with this id."""
        return self._by_id.get(host_id)

    def update(self, nodes: Iterable[_core.Node]) -> HostChanges:
        """Take over the core's snapshot, and tell what is different."""
        changes = HostChanges()
        with self._lock:
            gone = dict(self._by_id)
            for node in nodes:
                host = gone.pop(node.host_id, None)
                endpoint = self.endpoints.of(node)
                if host is not None and host.endpoint != endpoint:
                    self._remove(host, changes)
                    host = None
                if host is None:
                    host = Host(endpoint, self._conviction_policy_factory, node.datacenter, node.rack, node.host_id)
                    self._by_id[node.host_id] = host
                    self._metadata.add_or_return_host(host)
                    changes.added.append(host)
                    host.is_up = node.is_up
                elif host.is_up != node.is_up and node.is_up is not None:
                    if node.is_up:
                        # Nobody thought it down before it was tried.
                        if host.is_up is not None:
                            changes.up.append(host)
                        host.set_up()
                    elif self._is_convicted(host, node):
                        changes.down.append(host)
                        host.set_down()
                _describe(host, node)
            for host_id, host in gone.items():
                del self._by_id[host_id]
                self._asked.pop(host_id, None)
                self._remove(host, changes)
        return changes

    def _is_convicted(self, host: Host, node: _core.Node) -> bool:
        """Whether the node, without a connection, counts as down; a policy of a program decides it for each failure."""
        if type(host.conviction_policy) is SimpleConvictionPolicy or not node.failures:
            return True
        if self._asked.get(node.host_id) == node.failures:
            return False
        self._asked[node.host_id] = node.failures
        failure = node.failure
        if failure is None:
            from cassandra.connection import ConnectionException

            failure = ConnectionException(f"{host} has no connection", host.endpoint)
        try:
            return host.signal_connection_failure(failure)
        except Exception:
            log.exception("Conviction policy of %s failed: it counts as down", host)
            return True

    def _remove(self, host: Host, changes: HostChanges) -> None:
        self._metadata.remove_host(host)
        changes.removed.append(host)


def _describe(host: Host, node: _core.Node) -> None:
    host.set_location_info(node.datacenter, node.rack)
    host.release_version = node.release_version
    host.dse_version = node.dse_version
    host.broadcast_rpc_address = node.rpc_address
    host.broadcast_rpc_port = node.rpc_port
    host.broadcast_address = node.broadcast_address
    host.broadcast_port = node.broadcast_port
    host.listen_address = node.listen_address
    host.listen_port = node.listen_port
    host.dse_workload = node.dse_workload
    if node.dse_workloads is None:
        host.dse_workloads = None
    else:
        from cassandra.util import SortedSet

        host.dse_workloads = SortedSet(node.dse_workloads)
