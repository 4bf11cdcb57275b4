"""The nodes of a cluster, as ``Cluster`` shows them: who hears of changes, and which nodes are connected to."""

from __future__ import annotations

import threading
import uuid
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from cassandra import DriverException, UnsupportedOperation
from cassandra._endpoints import EndPoint
from cassandra.pool import Host

if TYPE_CHECKING:
    from cassandra import _core
    from cassandra._driver.hosts import HostRegistry
    from cassandra._driver.profiles import ProfileManager
    from cassandra._driver.session import Session
    from cassandra._metadata.cluster import Metadata


class NodesOfCluster:
    """What ``Cluster`` does about its nodes."""

    metadata: Metadata
    profile_manager: ProfileManager
    sessions: WeakSet[Session]
    endpoint_factory: Any
    endpoints_resolved: list[EndPoint]
    conviction_policy_factory: Any
    _followed: list[_core.ResolvedProfile]
    _core: _core.ClusterCore | None
    _hosts: HostRegistry
    _listeners: set[Any]
    _lock: threading.RLock

    def _look_at_nodes(self) -> None:
        """Take over the core's snapshot of the nodes; policies and listeners hear what has changed."""
        if self._core is None:
            return
        changes = self._hosts.update(self._core.nodes())
        told = (
            (changes.added, "on_add"),
            (changes.up, "on_up"),
            (changes.down, "on_down"),
            (changes.removed, "on_remove"),
        )
        for hosts, method in told:
            for host in hosts:
                getattr(self.profile_manager, method)(host)
        # Policies know by now what is near; listeners may take their time.
        if any(hosts for hosts, _ in told):
            self._review_distances()
        self._expect_up(changes.added)
        for hosts, method in told:
            for host in hosts:
                for listener in list(self._listeners):
                    getattr(listener, method)(host)

    def _expect_up(self, hosts: list[Host]) -> None:
        """New hosts that are connected to are up until something else is known, as listeners see them."""
        self._hosts.expect_up([host for host in hosts if self.profile_manager.distance(host) >= 0])

    def _review_distances(self) -> None:
        """Let policies written in Python say how close nodes are, and connect to those that they want."""
        hosts = self.metadata.all_hosts()
        changed = [profile.measure(hosts) for profile in self._followed]
        if any(changed):
            for session in tuple(self.sessions):
                session._review_distances()

    def _host_by_id(self, host_id: uuid.UUID) -> Host | None:
        """The host of the node with this id. Called by the native code."""
        host = self._hosts.get(host_id)
        if host is None:
            self._look_at_nodes()
            host = self._hosts.get(host_id)
        return host

    def get_control_connection_host(self) -> Host | None:
        """The node that tells about the others; ``None`` while there is none."""
        host_id = None if self._core is None else self._core.control_host_id()
        return None if host_id is None else self._host_by_id(host_id)

    def refresh_nodes(self, force_token_rebuild: bool = False) -> None:
        """Read the list of nodes again.

        :raises DriverException: no node could be asked.
        """
        if self._core is None:
            raise DriverException("Node list was not refreshed. See log for details.")
        self._core.refresh()
        self._look_at_nodes()

    def add_host(
        self,
        endpoint: EndPoint | str,
        datacenter: str | None = None,
        rack: str | None = None,
        signal: bool = True,
        refresh_nodes: bool = True,
    ) -> tuple[Host, bool]:
        """Give the host at *endpoint*, and whether it was not known before.

        Before the cluster is connected it becomes one more contact point. Afterwards nodes come from the cluster
        itself, which is asked again for a node that is not known.

        :raises UnsupportedOperation: the cluster is connected, and has no such node.
        """
        made = Host(endpoint, self.conviction_policy_factory, datacenter, rack)
        if self._core is None:
            host, new = self.metadata.add_or_return_host(made)
            if new:
                self.endpoints_resolved.append(host.endpoint)
            return host, new
        known = self.metadata.get_host(made.endpoint)
        if known is None and refresh_nodes:
            self.refresh_nodes()
            known = self.metadata.get_host(made.endpoint)
            if known is not None:
                return known, True
        if known is None:
            raise UnsupportedOperation(f"{made.endpoint} is not a node of the cluster: nodes are read from the cluster")
        return known, False

    def remove_host(self, host: Host | None) -> None:
        """Forget *host*, unless the cluster has such a node.

        :raises UnsupportedOperation: it has: a policy can leave a node alone, by giving it the distance IGNORED.
        """
        if host is None:
            return
        if self._core is not None and any(node.host_id == host.host_id for node in self._core.nodes()):
            raise UnsupportedOperation(f"{host} is a node of the cluster: it is forgotten when it leaves")
        if self.metadata.remove_host(host):
            if self._core is None:
                self.endpoints_resolved.remove(host.endpoint)
            self.profile_manager.on_remove(host)
            for listener in list(self._listeners):
                listener.on_remove(host)

    @property
    def listeners(self) -> set[Any]:
        """Who hears when nodes come and go."""
        return set(self._listeners)

    def register_listener(self, listener: Any) -> None:
        """Let *listener*, a :class:`~cassandra.policies.HostStateListener`, hear when nodes come and go."""
        with self._lock:
            self._listeners.add(listener)

    def unregister_listener(self, listener: Any) -> None:
        """:raises KeyError: *listener* was not registered."""
        with self._lock:
            self._listeners.remove(listener)
