"""Sizes of pools, an option of protocol versions 1 and 2: kept by value, for programs that ask."""

from __future__ import annotations

from cassandra import UnsupportedOperation
from cassandra.policies import HostDistance

DEFAULT_MIN_REQUESTS = 5
DEFAULT_MAX_REQUESTS = 100
DEFAULT_MIN_CONNECTIONS_PER_LOCAL_HOST = 2
DEFAULT_MAX_CONNECTIONS_PER_LOCAL_HOST = 8
DEFAULT_MIN_CONNECTIONS_PER_REMOTE_HOST = 1
DEFAULT_MAX_CONNECTIONS_PER_REMOTE_HOST = 2


class PoolSizes:
    """What ``Cluster`` was told about the sizes of pools."""

    protocol_version: int

    def _set_pool_sizes(self) -> None:
        self._core_connections = {
            HostDistance.LOCAL: DEFAULT_MIN_CONNECTIONS_PER_LOCAL_HOST,
            HostDistance.REMOTE: DEFAULT_MIN_CONNECTIONS_PER_REMOTE_HOST,
        }
        self._max_connections = {
            HostDistance.LOCAL: DEFAULT_MAX_CONNECTIONS_PER_LOCAL_HOST,
            HostDistance.REMOTE: DEFAULT_MAX_CONNECTIONS_PER_REMOTE_HOST,
        }
        self._min_requests = dict.fromkeys((HostDistance.LOCAL, HostDistance.REMOTE), DEFAULT_MIN_REQUESTS)
        self._max_requests_by_distance = dict.fromkeys((HostDistance.LOCAL, HostDistance.REMOTE), DEFAULT_MAX_REQUESTS)

    def _pool_option(self, name: str, table: dict[int, int], distance: int, value: int) -> None:
        if self.protocol_version >= 3:
            raise UnsupportedOperation(f"Cluster.{name}() only has an effect when using protocol_version 1 or 2.")
        table[distance] = value

    def get_min_requests_per_connection(self, host_distance: int) -> int:
        """Requests in flight below which a connection may be closed."""
        return self._min_requests[host_distance]

    def set_min_requests_per_connection(self, host_distance: int, min_requests: int) -> None:
        """:raises UnsupportedOperation: the protocol version is 3 or later."""
        self._pool_option("set_min_requests_per_connection", self._min_requests, host_distance, min_requests)

    def get_max_requests_per_connection(self, host_distance: int) -> int:
        """Requests in flight above which a connection is added."""
        return self._max_requests_by_distance[host_distance]

    def set_max_requests_per_connection(self, host_distance: int, max_requests: int) -> None:
        """:raises UnsupportedOperation: the protocol version is 3 or later."""
        self._pool_option(
            "set_max_requests_per_connection", self._max_requests_by_distance, host_distance, max_requests
        )

    def get_core_connections_per_host(self, host_distance: int) -> int:
        """The fewest connections to a node."""
        return self._core_connections[host_distance]

    def set_core_connections_per_host(self, host_distance: int, core_connections: int) -> None:
        """:raises UnsupportedOperation: the protocol version is 3 or later."""
        self._pool_option("set_core_connections_per_host", self._core_connections, host_distance, core_connections)

    def get_max_connections_per_host(self, host_distance: int) -> int:
        """The most connections to a node."""
        return self._max_connections[host_distance]

    def set_max_connections_per_host(self, host_distance: int, max_connections: int) -> None:
        """:raises UnsupportedOperation: the protocol version is 3 or later."""
        self._pool_option("set_max_connections_per_host", self._max_connections, host_distance, max_connections)
