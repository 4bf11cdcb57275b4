"""Where a node is reached: endpoints, and the factories that make them from rows of ``system.peers``.

Endpoints are values: equal, hashed and ordered by what they hold. Users subclass :class:`EndPoint` and
:class:`EndPointFactory`; :mod:`cassandra.connection` is the public address of all names.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Mapping
from typing import Any

_MODULE = "cassandra.connection"
_UNSPECIFIED = ("0.0.0.0", "::")


class EndPoint:
    """How a node is reached."""

    __module__ = _MODULE

    @property
    def address(self) -> Any:
        """The node's address; no name is looked up for it."""
        raise NotImplementedError()

    @property
    def port(self) -> int | None:
        """The port of the native protocol."""
        raise NotImplementedError()

    @property
    def ssl_options(self) -> dict[str, Any] | None:
        """TLS options that hold for this endpoint only, ``None`` for none."""
        return None

    @property
    def socket_family(self) -> int:
        """The family of the socket that connects to it."""
        import socket

        return socket.AF_UNSPEC

    def resolve(self) -> tuple[Any, int | None]:
        """Give the address and port to connect to now; names are looked up, which may block."""
        raise NotImplementedError()


class EndPointFactory:
    """Makes the endpoints of the nodes that are found."""

    __module__ = _MODULE

    cluster: Any = None
    """The cluster for which endpoints are made."""

    def configure(self, cluster: Any) -> EndPointFactory:
        """Take what endpoints need to know of *cluster*; called once, before :meth:`create`. Gives itself."""
        self.cluster = cluster
        return self

    def create(self, row: Mapping[str, Any]) -> EndPoint:
        """Make the endpoint of the node that *row* of ``system.peers`` or ``system.local`` is about."""
        raise NotImplementedError()


@functools.total_ordering
class DefaultEndPoint(EndPoint):
    """An address and a port."""

    __module__ = _MODULE

    def __init__(self, address: str, port: int = 9042) -> None:
        self._address = address
        self._port = port

    @property
    def address(self) -> str:
        return self._address

    @property
    def port(self) -> int:
        return self._port

    def resolve(self) -> tuple[str, int]:
        return self._address, self._port

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DefaultEndPoint) and self.address == other.address and self.port == other.port

    def __hash__(self) -> int:
        return hash((self.address, self.port))

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, EndPoint):
            return NotImplemented
        return (self.address, self.port) < (other.address, other.port)

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.address}:{self.port}>"


def _address_of(row: Mapping[str, Any]) -> Any:
    """Give the address for clients in *row*, the peer's own where it has none or an unspecified one."""
    for column in ("native_transport_address", "native_address", "rpc_address"):
        if column in row:
            address = row[column]
            break
    else:
        address = None
    if address is None or str(address) in _UNSPECIFIED:
        address = row.get("peer")
    return address


class DefaultEndPointFactory(EndPointFactory):
    """Makes a :class:`DefaultEndPoint` of each row, its address translated by the cluster's address translator."""

    __module__ = _MODULE

    port: int | None = None
    """The port for nodes whose row names none; 9042 if ``None``."""

    def __init__(self, port: int | None = None) -> None:
        self.port = port

    def create(self, row: Mapping[str, Any]) -> EndPoint:
        address = _address_of(row)
        port = row.get("rpc_port") or row.get("native_port") or self.port
        if self.cluster is not None:
            address = self.cluster.address_translator.translate(address)
        return DefaultEndPoint(address, port or 9042)


@functools.total_ordering
class SniEndPoint(EndPoint):
    """A node behind a proxy that goes by the server name of the TLS handshake, such as Astra's.

    :param proxy_address: name or address of the proxy; a name is looked up anew for each connection, and the addresses
        found are taken in turn.
    :param server_name: the node's name for the proxy.
    :param init_index: which of the addresses comes first.
    """

    __module__ = _MODULE

    def __init__(self, proxy_address: str, server_name: str, port: int = 9042, init_index: int = 0) -> None:
        self._proxy_address = proxy_address
        self._index = init_index
        self._resolved_address: str | None = None
        self._port = port
        self._server_name = server_name
        self._ssl_options = {"server_hostname": server_name}

    @property
    def address(self) -> str:
        return self._proxy_address

    @property
    def port(self) -> int:
        return self._port

    @property
    def ssl_options(self) -> dict[str, Any]:
        return self._ssl_options

    def resolve(self) -> tuple[str, int]:
        """Look the proxy up and give its next address.

        :raises UnresolvableContactPoints: it has none.
        """
        import socket

        from cassandra import UnresolvableContactPoints

        try:
            found = socket.getaddrinfo(self._proxy_address, self._port, socket.AF_UNSPEC, socket.SOCK_STREAM)
        except socket.gaierror as error:
            raise UnresolvableContactPoints(f"{self._proxy_address!r} does not resolve: {error}") from error
        addresses = sorted({str(info[4][0]) for info in found})
        self._resolved_address = addresses[self._index % len(addresses)]
        self._index += 1
        return self._resolved_address, self._port

    def _key(self) -> tuple[str, int, str]:
        return self._proxy_address, self._port, self._server_name

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SniEndPoint) and self._key() == other._key()

    def __hash__(self) -> int:
        return hash(self._key())

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, SniEndPoint):
            return NotImplemented
        return self._key() < other._key()

    def __str__(self) -> str:
        return f"{self.address}:{self.port}:{self._server_name}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self}>"


class SniEndPointFactory(EndPointFactory):
    """Makes a :class:`SniEndPoint` of each row; the node's host id is its server name."""

    __module__ = _MODULE

    def __init__(self, proxy_address: str, port: int) -> None:
        self._proxy_address = proxy_address
        self._port = port
        self._next_index = itertools.count()

    def create(self, row: Mapping[str, Any]) -> EndPoint:
        """:raises ValueError: the row has no host id."""
        host_id = row.get("host_id")
        if host_id is None:
            raise ValueError("No host_id to create the SniEndPoint")
        return self.create_from_sni(str(host_id))

    def create_from_sni(self, sni: str) -> SniEndPoint:
        """Make the endpoint with server name *sni*; each starts at another address of the proxy."""
        return SniEndPoint(self._proxy_address, sni, self._port, next(self._next_index))


@functools.total_ordering
class UnixSocketEndPoint(EndPoint):
    """A Unix domain socket."""

    __module__ = _MODULE

    def __init__(self, unix_socket_path: str) -> None:
        self._unix_socket_path = unix_socket_path

    @property
    def address(self) -> str:
        return self._unix_socket_path

    @property
    def port(self) -> None:
        return None

    @property
    def socket_family(self) -> int:
        import socket

        return socket.AF_UNIX

    def resolve(self) -> tuple[str, None]:
        return self._unix_socket_path, None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UnixSocketEndPoint) and self._unix_socket_path == other._unix_socket_path

    def __hash__(self) -> int:
        return hash(self._unix_socket_path)

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, UnixSocketEndPoint):
            return NotImplemented
        return self._unix_socket_path < other._unix_socket_path

    def __str__(self) -> str:
        return self._unix_socket_path

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self._unix_socket_path}>"
