"""Nodes as the application sees them, and the names of the connection pools, which live in the core."""

from __future__ import annotations

import functools
import logging
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any
from uuid import UUID

from cassandra import AuthenticationFailed as AuthenticationFailed
from cassandra import _lazy
from cassandra._endpoints import DefaultEndPoint as DefaultEndPoint
from cassandra._endpoints import EndPoint as EndPoint
from cassandra.policies import HostDistance as HostDistance

if TYPE_CHECKING:
    from cassandra.connection import ConnectionException as ConnectionException
    from cassandra.policies import ConvictionPolicy

_lazy.offer(__name__, {"cassandra.connection": "ConnectionException"})

log = logging.getLogger(__name__)


class NoConnectionsAvailable(Exception):
    """No connection to a node can take a request: all are in use to the limit, or gone."""


@functools.total_ordering
class Host:
    """A node. Equal, hashed and ordered by its endpoint."""

    endpoint: EndPoint = None  # type: ignore[assignment]
    """Where the client connects to it."""
    broadcast_address: str | None = None
    """``broadcast_address`` of the node: what other nodes connect to."""
    broadcast_port: int | None = None
    """Port that belongs to :attr:`broadcast_address`, from Cassandra 4.0 on."""
    broadcast_rpc_address: str | None = None
    """``broadcast_rpc_address`` of the node, before translation."""
    broadcast_rpc_port: int | None = None
    """Port that belongs to :attr:`broadcast_rpc_address`, from Cassandra 4.0 on."""
    listen_address: str | None = None
    """``listen_address``; known of the node with the control connection only."""
    listen_port: int | None = None
    """Port that belongs to :attr:`listen_address`, from Cassandra 4.0 on."""
    conviction_policy: ConvictionPolicy = None  # type: ignore[assignment]
    """Decides when failures make the node count as down."""
    is_up: bool | None = None
    """Whether the node is up, as far as is known; ``None`` before anything is."""
    release_version: str | None = None
    """The server's version."""
    host_id: UUID | None = None
    """The node's own id."""
    dse_version: str | None = None
    """The version of DSE, if it is DSE."""
    dse_workload: str | None = None
    """DSE up to 5.0: the node's workload."""
    dse_workloads: Any = None
    """DSE from 5.1 on: the node's workloads."""
    lock: threading.RLock = None  # type: ignore[assignment]
    """Guards changes of the node's state."""

    _datacenter: str | None = None
    _rack: str | None = None
    _reconnection_handler: Any = None
    _currently_handling_node_up = False

    def __init__(
        self,
        endpoint: EndPoint | str,
        conviction_policy_factory: Callable[[Host], ConvictionPolicy],
        datacenter: str | None = None,
        rack: str | None = None,
        host_id: UUID | None = None,
    ) -> None:
        """:raises ValueError: *endpoint* or *conviction_policy_factory* is ``None``."""
        if endpoint is None:
            raise ValueError("endpoint may not be None")
        if conviction_policy_factory is None:
            raise ValueError("conviction_policy_factory may not be None")
        self.endpoint = endpoint if isinstance(endpoint, EndPoint) else DefaultEndPoint(endpoint)
        self.conviction_policy = conviction_policy_factory(self)
        self.host_id = host_id
        self.set_location_info(datacenter, rack)
        self.lock = threading.RLock()

    @property
    def address(self) -> str:
        """The address of :attr:`endpoint`."""
        return str(self.endpoint.address)

    @property
    def datacenter(self) -> str | None:
        """The node's datacenter."""
        return self._datacenter

    @property
    def rack(self) -> str | None:
        """The node's rack."""
        return self._rack

    def set_location_info(self, datacenter: str | None, rack: str | None) -> None:
        """Set datacenter and rack. Load balancing policies must be told by the caller."""
        self._datacenter = datacenter
        self._rack = rack

    def set_up(self) -> None:
        """Mark the node up."""
        if not self.is_up:
            log.debug("host %s is now marked up", self.endpoint)
        self.conviction_policy.reset()
        self.is_up = True

    def set_down(self) -> None:
        """Mark the node down."""
        self.is_up = False

    def signal_connection_failure(self, connection_exc: BaseException) -> bool:
        """Report a failed connection; tells whether the node should count as down."""
        return bool(self.conviction_policy.add_failure(connection_exc))

    def is_currently_reconnecting(self) -> bool:
        """Tell whether somebody tries to reach the node again."""
        return self._reconnection_handler is not None

    def get_and_set_reconnection_handler(self, new_handler: Any) -> Any:
        """Exchange who tries to reach the node again; gives who did before."""
        with self.lock:
            old, self._reconnection_handler = self._reconnection_handler, new_handler
            return old

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Host) and self.endpoint == other.endpoint)

    def __hash__(self) -> int:
        return hash(self.endpoint)

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Host):
            return NotImplemented
        ours: Any = self.endpoint  # every endpoint class has an order
        return bool(ours < other.endpoint)

    def __str__(self) -> str:
        return str(self.endpoint)

    def __repr__(self) -> str:
        datacenter = f" {self._datacenter}" if self._datacenter else ""
        return f"<{type(self).__name__}: {self.endpoint}{datacenter}>"


class _PoolView:
    """What is known of the pool of one node, without its connections: these belong to the core.

    :param session: must have ``get_pool_state`` for :meth:`get_state` to say anything.
    """

    host: Host = None  # type: ignore[assignment]
    """The node."""
    host_distance: int | None = None
    """Its :class:`~cassandra.policies.HostDistance`."""
    is_shutdown: bool = False
    """Whether the pool was closed."""

    def __init__(self, host: Host, host_distance: int, session: Any) -> None:
        self.host = host
        self.host_distance = host_distance
        self._session = session

    def borrow_connection(self, timeout: float) -> Any:
        """Refuse: connections are not lent out.

        :raises NoConnectionsAvailable: always.
        """
        raise NoConnectionsAvailable(f"connections to {self.host} belong to the core and are not lent out")

    def return_connection(self, connection: Any, stream_was_orphaned: bool = False) -> None:
        """Do nothing: nothing was lent out."""

    def on_orphaned_stream_released(self) -> None:
        """Do nothing: the core counts orphaned streams."""

    def shutdown(self) -> None:
        """Mark the pool closed."""
        self.is_shutdown = True

    def get_connections(self) -> list[Any]:
        """Give the connections that can be lent out: none."""
        return []

    def get_state(self) -> dict[str, Any]:
        """Give the state of the pool: whether it is shut down, how many connections are open, requests in flight."""
        states: dict[Any, Any] = getattr(self._session, "get_pool_state", dict)()
        return {"shutdown": self.is_shutdown, "open_count": 0, "in_flights": [], **states.get(self.host, {})}


class HostConnection(_PoolView):
    """The pool of one node, protocol v3 and later."""

    shutdown_on_error: bool = False
    """Whether the pool closes at the first failed connection."""

    @property
    def open_count(self) -> int:
        """How many connections are open."""
        return int(self.get_state()["open_count"])


class HostConnectionPool(_PoolView):
    """The pool of one node, by the name it had for protocols 1 and 2."""

    open_count: int = 0
    """How many connections are open."""

    def ensure_core_connections(self) -> None:
        """Do nothing: the core keeps the pool at its size."""
