"""Endpoints, the exceptions of connections, and the name of the connection class.

Connections themselves live in the core: sockets, streams, heartbeats and framing are not Python. :class:`Connection`
and its subclasses in :mod:`cassandra.io` are accepted as ``Cluster.connection_class`` and choose nothing but how a
thread waits.
"""

from __future__ import annotations

import errno
import logging
import struct
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from cassandra import AuthenticationFailed as AuthenticationFailed
from cassandra import ConsistencyLevel as ConsistencyLevel
from cassandra import OperationTimedOut as OperationTimedOut
from cassandra import ProtocolVersion as ProtocolVersion
from cassandra import UnsupportedOperation, __version__
from cassandra._endpoints import DefaultEndPoint as DefaultEndPoint
from cassandra._endpoints import DefaultEndPointFactory as DefaultEndPointFactory
from cassandra._endpoints import EndPoint as EndPoint
from cassandra._endpoints import EndPointFactory as EndPointFactory
from cassandra._endpoints import SniEndPoint as SniEndPoint
from cassandra._endpoints import SniEndPointFactory as SniEndPointFactory
from cassandra._endpoints import UnixSocketEndPoint as UnixSocketEndPoint
from cassandra.marshal import int32_pack as int32_pack
from cassandra.protocol import AuthChallengeMessage as AuthChallengeMessage
from cassandra.protocol import AuthenticateMessage as AuthenticateMessage
from cassandra.protocol import AuthResponseMessage as AuthResponseMessage
from cassandra.protocol import AuthSuccessMessage as AuthSuccessMessage
from cassandra.protocol import CredentialsMessage as CredentialsMessage
from cassandra.protocol import ErrorMessage as ErrorMessage
from cassandra.protocol import InvalidRequestException as InvalidRequestException
from cassandra.protocol import OptionsMessage as OptionsMessage
from cassandra.protocol import ProtocolException as ProtocolException
from cassandra.protocol import ProtocolHandler as ProtocolHandler
from cassandra.protocol import QueryMessage as QueryMessage
from cassandra.protocol import ReadyMessage as ReadyMessage
from cassandra.protocol import RegisterMessage as RegisterMessage
from cassandra.protocol import ResultMessage as ResultMessage
from cassandra.protocol import ReviseRequestMessage as ReviseRequestMessage
from cassandra.protocol import StartupMessage as StartupMessage
from cassandra.protocol import SupportedMessage as SupportedMessage
from cassandra.segment import CrcException as CrcException
from cassandra.segment import SegmentCodec as SegmentCodec

log = logging.getLogger(__name__)

DRIVER_NAME = "Helenus Python Driver"
"""How the driver introduces itself to the server."""
DRIVER_VERSION = __version__
"""The release of the published driver whose surface is served."""

DEFAULT_CQL_VERSION = "3.0.0"

PROTOCOL_VERSION_MASK = 0x7F
HEADER_DIRECTION_FROM_CLIENT = 0x00
HEADER_DIRECTION_TO_CLIENT = 0x80
HEADER_DIRECTION_MASK = 0x80

NONBLOCKING = (errno.EAGAIN, errno.EWOULDBLOCK)

frame_header_v1_v2 = struct.Struct(">BbBi")
frame_header_v3 = struct.Struct(">BhBi")

locally_supported_compressions: OrderedDict[str, Any] = OrderedDict((("lz4", (None, None)), ("snappy", (None, None))))
"""Compressions by the name the server has for them, the preferred one first; the core does the compressing."""


class ConnectionException(Exception):
    """A connection has failed."""

    def __init__(self, message: str, endpoint: Any = None) -> None:
        super().__init__(message)
        self.endpoint = endpoint

    @property
    def host(self) -> Any:
        """The address of :attr:`endpoint`."""
        return self.endpoint.address


class ConnectionShutdown(ConnectionException):
    """A connection was closed while it was in use."""


class ProtocolVersionUnsupported(ConnectionException):
    """The server does not speak the protocol version with which the connection began."""

    def __init__(self, endpoint: Any, startup_version: int) -> None:
        super().__init__(f"Unsupported protocol version on {endpoint}: {startup_version}", endpoint)
        self.startup_version = startup_version


class CrcMismatchException(ConnectionException):
    """A segment was damaged on its way (protocol v5)."""


class ConnectionBusy(Exception):
    """All stream ids of a connection are in use."""


class ProtocolError(Exception):
    """The server has answered what the protocol does not allow."""


class Timer:
    """Something to do at a time, unless it is cancelled."""

    canceled = False

    def __init__(self, timeout: float, callback: Callable[[], Any]) -> None:
        """:param timeout: seconds from now."""
        self.end = time.time() + timeout
        self.callback = callback

    def __lt__(self, other: Timer) -> bool:
        return self.end < other.end

    def cancel(self) -> None:
        """Do nothing when the time comes."""
        self.canceled = True

    def finish(self, time_now: float) -> bool:
        """Call back if it is time; tells whether there is nothing left to do."""
        if self.canceled:
            return True
        if time_now >= self.end:
            self.callback()
            return True
        return False


class TimerManager:
    """Timers in the order of their times."""

    def __init__(self) -> None:
        self._queue: list[Timer] = []
        self._new_timers: list[Timer] = []

    def add_timer(self, timer: Timer) -> None:
        """Take another timer; safe on any thread."""
        self._new_timers.append(timer)

    def service_timeouts(self) -> float | None:
        """Call back the timers that are due; gives the time of the next one, ``None`` if there is none."""
        while self._new_timers:
            self._queue.append(self._new_timers.pop())
        self._queue.sort()
        now = time.time()
        while self._queue:
            try:
                finished = self._queue[0].finish(now)
            except Exception:
                log.exception("a timer's callback has raised")
                finished = True
            if not finished:
                return self._queue[0].end
            del self._queue[0]
        return None

    @property
    def next_timeout(self) -> float | None:
        """The time of the next timer, ``None`` if there is none."""
        return self._queue[0].end if self._queue else None


class _ThreadTimer(Timer):
    """A timer with a thread of its own."""

    def __init__(self, timeout: float, callback: Callable[[], Any]) -> None:
        super().__init__(timeout, callback)
        self._thread = threading.Timer(timeout, callback)
        self._thread.daemon = True
        self._thread.start()

    def cancel(self) -> None:
        super().cancel()
        self._thread.cancel()


class Connection:
    """The base of the classes that ``Cluster.connection_class`` accepts; never instantiated by the driver.

    It may be subclassed: ``initialize_reactor`` and ``handle_fork`` are called as class methods.
    """

    CALLBACK_ERR_THREAD_THRESHOLD = 100

    in_buffer_size = 4096
    out_buffer_size = 4096

    cql_version: str | None = None
    no_compact = False
    protocol_version = ProtocolVersion.MAX_SUPPORTED
    keyspace: str | None = None
    compression: Any = True
    _compression_type: str | None = None
    compressor: Any = None
    decompressor: Any = None
    endpoint: Any = None
    ssl_options: Any = None
    ssl_context: Any = None
    last_error: BaseException | None = None
    in_flight = 0
    max_in_flight = 2**15
    request_ids: Any = None
    highest_request_id = 0
    orphaned_request_ids: Any = None
    orphaned_threshold_reached = False
    orphaned_threshold = 3 * 2**15 // 4
    is_defunct = False
    is_closed = False
    lock: Any = None
    user_type_map: Any = None
    msg_received = False
    is_unsupported_proto_version = False
    is_control_connection = False
    signaled_error = False
    allow_beta_protocol_version = False

    def __init__(
        self,
        host: Any = "127.0.0.1",
        port: int = 9042,
        authenticator: Any = None,
        ssl_options: Any = None,
        sockopts: Any = None,
        compression: Any = True,
        cql_version: str | None = None,
        protocol_version: int = ProtocolVersion.MAX_SUPPORTED,
        is_control_connection: bool = False,
        user_type_map: Any = None,
        connect_timeout: float | None = None,
        allow_beta_protocol_version: bool = False,
        no_compact: bool = False,
        ssl_context: Any = None,
        on_orphaned_stream_released: Callable[[], Any] | None = None,
    ) -> None:
        """Keep the arguments; nothing is connected to."""
        self.endpoint = host if isinstance(host, EndPoint) else DefaultEndPoint(host, port)
        self.authenticator = authenticator
        self.ssl_options = ssl_options.copy() if ssl_options else {}
        self.ssl_context = ssl_context
        self.sockopts = sockopts
        self.compression = compression
        self.cql_version = cql_version
        self.protocol_version = protocol_version
        self.is_control_connection = is_control_connection
        self.user_type_map = user_type_map
        self.connect_timeout = connect_timeout
        self.allow_beta_protocol_version = allow_beta_protocol_version
        self.no_compact = no_compact
        self.max_request_id = self.max_in_flight - 1
        self.lock = threading.RLock()
        self.connected_event = threading.Event()

    @property
    def host(self) -> Any:
        """The address of :attr:`endpoint`."""
        return self.endpoint.address

    @property
    def port(self) -> Any:
        """The port of :attr:`endpoint`."""
        return self.endpoint.port

    @classmethod
    def initialize_reactor(cls) -> None:
        """Get ready, once for each process; called when a cluster is made."""

    @classmethod
    def handle_fork(cls) -> None:
        """Get ready again in a forked process."""

    @classmethod
    def create_timer(cls, timeout: float, callback: Callable[[], Any]) -> Any:
        """Call *callback* after *timeout* seconds, unless the returned object's ``cancel`` is called before."""
        return _ThreadTimer(timeout, callback)

    @classmethod
    def factory(cls, endpoint: Any, timeout: float, *args: Any, **kwargs: Any) -> Connection:
        """Refuse: connections are made by the core.

        :raises UnsupportedOperation: always.
        """
        raise UnsupportedOperation(f"connections to {endpoint} are made by the core, not by {cls.__name__}")

    def close(self) -> None:
        """Mark this closed."""
        self.is_closed = True

    def __str__(self) -> str:
        state = " (closed)" if self.is_closed else ""
        return f"<{type(self).__name__}({id(self)}) {self.endpoint}{state}>"

    __repr__ = __str__
