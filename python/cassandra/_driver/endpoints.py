"""Which endpoint stands for each node, and where that has the core connect to.

The core knows addresses; a program sees the endpoints that it gave as contact points, and those that its endpoint
factory made of rows of ``system.peers``. The node behind the control connection keeps the one by which it was reached.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from cassandra import DriverException
from cassandra._endpoints import DefaultEndPoint, DefaultEndPointFactory, EndPoint, SniEndPointFactory

if TYPE_CHECKING:
    from cassandra import _core

log = logging.getLogger("cassandra.cluster")

Target = tuple[str, "int | None"]
"""An address and a port; the path of a Unix domain socket and ``None``."""


def refuse_tls(endpoint: EndPoint) -> None:
    """:raises DriverException: *endpoint* can be reached with TLS only, which is not there: never plaintext instead."""
    if endpoint.ssl_options is not None:
        raise DriverException(f"{endpoint!r} needs TLS (ssl_options), which is not available in this version")


def refuse_tls_factory(factory: Any) -> None:
    """:raises DriverException: *factory* makes endpoints that need TLS."""
    if isinstance(factory, SniEndPointFactory):
        raise DriverException(
            f"Cluster(endpoint_factory={type(factory).__name__}): its endpoints need TLS, "
            "which is not available in this version"
        )


def is_unix(endpoint: EndPoint) -> bool:
    """Whether *endpoint* is a Unix domain socket."""
    import socket

    return endpoint.socket_family == getattr(socket, "AF_UNIX", None)


def contact_target(endpoint: EndPoint) -> Target:
    """Where *endpoint* is; a name stays one, and is looked up whenever it is connected to.

    :raises DriverException: it needs TLS.
    """
    refuse_tls(endpoint)
    address, port = endpoint.resolve()
    return (str(address), None) if is_unix(endpoint) else (str(address), _port(endpoint, port))


def _port(endpoint: EndPoint, port: Any) -> int:
    number = int(9042 if port is None else port)
    if not 0 < number < 1 << 16:
        raise ValueError(f"{endpoint!r}: {port!r} is no port")
    return number


def _is_address(text: str) -> bool:
    import ipaddress

    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _targets(endpoint: EndPoint) -> list[Target]:
    """Everywhere that *endpoint* is: several addresses where it is a name.

    :raises OSError: the name does not resolve.
    """
    name, port = contact_target(endpoint)
    if port is None or _is_address(name):
        return [(name, port)]
    import socket

    found = socket.getaddrinfo(name, port, endpoint.socket_family, socket.SOCK_STREAM)
    return [(str(address[0]), int(address[1])) for *_, address in found]


class NodeEndpoints:
    """The endpoints of the nodes of one cluster."""

    def __init__(self, factory: Any, contact_points: Iterable[EndPoint], is_up: Callable[[UUID], bool]) -> None:
        self._factory = factory
        self._contact_points = tuple(contact_points)
        self._is_up = is_up
        self._by_target: dict[Target, EndPoint] | None = None
        self._made: dict[UUID, tuple[EndPoint, Target]] = {}
        self._lock = threading.Lock()

    def is_default(self, port: int) -> bool:
        """Whether all nodes are where they say, at *port* where they name none: the core knows that itself."""
        factory = self._factory
        return (
            type(factory) is DefaultEndPointFactory
            and (factory.port or 9042) == port
            and not any(is_unix(point) for point in self._contact_points)
        )

    def create(self, row: dict[str, Any]) -> Target:
        """Have the factory make the endpoint of a peer, and say where that is. Called by the core, row by row.

        While the node is up, an endpoint that equals the one before stays where it was: names are not looked up again.

        :raises Exception: the factory's own; the row is left out.
        """
        host_id = row["host_id"]
        try:
            endpoint = self._factory.create(row)
            if not isinstance(endpoint, EndPoint):
                raise TypeError(f"{type(self._factory).__name__}.create gave {endpoint!r}, which is no EndPoint")
            refuse_tls(endpoint)
            with self._lock:
                known = self._made.get(host_id)
            if known is not None and known[0] == endpoint and self._is_up(host_id):
                return known[1]
            target = _targets(endpoint)[0]
        except Exception as error:
            message = "Peer %s (%s) is left out: the endpoint factory failed"
            log.warning(message, row.get("peer"), host_id, exc_info=error)
            raise
        with self._lock:
            # Endpoints that compare by identity are still the same where they lead to the same place.
            if known is None or known[1] != target:
                self._made[host_id] = (endpoint, target)
        return target

    def of(self, node: _core.Node) -> EndPoint:
        """The endpoint of *node*, as the program made or gave it."""
        target = (node.address, node.port)
        with self._lock:
            made = self._made.get(node.host_id)
        if made is not None and made[1] == target:
            return made[0]
        if self._by_target is None:
            self._by_target = self._contact_targets()
        found = self._by_target.get(target)
        # The type says int: a node without a port is a Unix domain socket, which was made or given.
        return DefaultEndPoint(node.address, node.port) if found is None else found

    def _contact_targets(self) -> dict[Target, EndPoint]:
        found: dict[Target, EndPoint] = {}
        for point in self._contact_points:
            try:
                targets = _targets(point)
            except OSError as error:
                log.warning("Contact point %s does not resolve: %s", point, error)
                continue
            for target in targets:
                found.setdefault(target, point)
        return found
