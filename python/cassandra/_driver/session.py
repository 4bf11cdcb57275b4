"""The session: where statements are executed.

Executing is done by the native base class; here is what is set up once, or asked seldom. Tracers may patch
``execute_async`` or override it: ``execute`` and ``execute_concurrent`` go through it if it is not the native one.
"""

from __future__ import annotations

import copy
import logging
import uuid
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from cassandra import ConsistencyLevel, DriverException, UnsupportedOperation, _core
from cassandra._driver.errors import NoHostAvailable, UserTypeDoesNotExist
from cassandra._driver.profiles import (
    EXEC_PROFILE_DEFAULT,
    EXEC_PROFILE_GRAPH_ANALYTICS_DEFAULT,
    EXEC_PROFILE_GRAPH_DEFAULT,
    EXEC_PROFILE_GRAPH_SYSTEM_DEFAULT,
    ExecutionProfile,
    check_serial,
)
from cassandra._query.rows import tuple_factory

if TYPE_CHECKING:
    from cassandra.cluster import Cluster
    from cassandra.encoder import Encoder
    from cassandra.pool import Host, HostConnection
    from cassandra.query import PreparedStatement

log = logging.getLogger("cassandra.cluster")

_PROFILE_NAMES = {
    EXEC_PROFILE_DEFAULT: "EXEC_PROFILE_DEFAULT",
    EXEC_PROFILE_GRAPH_DEFAULT: "EXEC_PROFILE_GRAPH_DEFAULT",
    EXEC_PROFILE_GRAPH_SYSTEM_DEFAULT: "EXEC_PROFILE_GRAPH_SYSTEM_DEFAULT",
    EXEC_PROFILE_GRAPH_ANALYTICS_DEFAULT: "EXEC_PROFILE_GRAPH_ANALYTICS_DEFAULT",
}

_LEVEL_WARNING = (
    "Setting the consistency level at the session level will be removed in 4.0. Consider using execution profiles and "
    "setting the desired consistency level to the EXEC_PROFILE_DEFAULT profile."
)


class Session(_core.SessionBase):
    """Executes statements on the nodes of a cluster; made by :meth:`.Cluster.connect`, used by any number of
    threads."""

    __module__ = "cassandra.cluster"

    __dict__ = _core.SessionBase._attributes
    """Requests keep what the session says until an attribute is assigned; who has this may do so unnoticed."""

    cluster: Cluster = None  # type: ignore[assignment]
    """The cluster that the session belongs to."""
    hosts: Any = None
    """The nodes that were known when the session was made."""
    is_shutdown: bool = False
    """Whether the session has been shut down."""
    session_id: uuid.UUID = None  # type: ignore[assignment]
    """Identifies the session in reports."""

    max_trace_wait: float | None = 2.0
    """Seconds to wait until a trace is complete."""
    default_fetch_size: int | None = 5000
    """Rows in a page, for statements that say nothing else; ``None`` puts all rows in one page."""
    use_client_timestamp: bool = True
    """Whether writes carry a timestamp made here."""
    timestamp_generator: Callable[[], int] = None  # type: ignore[assignment]
    """Gives these timestamps, in microseconds."""
    _protocol_handler: Any = None
    _encoder: Encoder | None = None

    def __init__(self, cluster: Cluster, hosts: Iterable[Host], keyspace: str | None = None) -> None:
        self.cluster = cluster
        self.hosts = hosts
        self.session_id = uuid.uuid4()
        self.timestamp_generator = cluster.timestamp_generator
        self._profile_manager = cluster.profile_manager
        self._connect(cluster._core, cluster, cluster.profile_manager.profiles, keyspace)
        for user_type_keyspace, types in cluster._user_types.items():
            for user_type, klass in types.items():
                self.user_type_registered(user_type_keyspace, user_type, klass)

    @property
    def keyspace(self) -> str | None:
        """The keyspace of statements that name none."""
        return self._keyspace

    @property
    def encoder(self) -> Encoder:
        """Makes CQL literals of the parameters of statements that are not prepared."""
        if self._encoder is None:
            from cassandra.encoder import Encoder

            self._encoder = Encoder()
        return self._encoder

    @encoder.setter
    def encoder(self, encoder: Encoder) -> None:
        self._encoder = encoder

    @property
    def client_protocol_handler(self) -> Any:
        """Decodes pages of rows: a class of :mod:`cassandra.protocol`.

        :raises UnsupportedOperation: on assignment, of a handler with an ``encode_message`` of its own, or with classes
            of its own for other answers than results.
        """
        if self._protocol_handler is None:
            from cassandra.protocol import ProtocolHandler

            return ProtocolHandler
        return self._protocol_handler

    @client_protocol_handler.setter
    def client_protocol_handler(self, handler: Any) -> None:
        from cassandra._protocol.columns import page_form

        form = page_form(handler)
        if form is None:
            raise UnsupportedOperation(
                f"client_protocol_handler {handler!r} has ways of its own that this version of the driver does not "
                "support: it may decode results differently, and no more"
            )
        self._set_page_form(form, handler)
        self._protocol_handler = handler

    # Options that belong to the default profile, or to the session itself once one of them has been set here.

    @property
    def row_factory(self) -> Any:
        """Makes rows of the column names and the values."""
        return self._default_profile().row_factory

    @row_factory.setter
    def row_factory(self, row_factory: Any) -> None:
        self._set_option("row_factory", row_factory)

    @property
    def default_timeout(self) -> float | None:
        """Seconds for a whole request; ``None`` waits forever."""
        return self._default_profile().request_timeout

    @default_timeout.setter
    def default_timeout(self, timeout: float | None) -> None:
        self._set_option("default_timeout", timeout)

    @property
    def default_consistency_level(self) -> int:
        """The consistency level of statements that say nothing else."""
        return self._default_profile().consistency_level

    @default_consistency_level.setter
    def default_consistency_level(self, level: int) -> None:
        warnings.warn(_LEVEL_WARNING, DeprecationWarning, stacklevel=2)
        self._set_option("default_consistency_level", level)

    @property
    def default_serial_consistency_level(self) -> int | None:
        """The serial consistency level of statements that say nothing else."""
        return self._default_profile().serial_consistency_level

    @default_serial_consistency_level.setter
    def default_serial_consistency_level(self, level: int | None) -> None:
        if level is not None and not ConsistencyLevel.is_serial(level):
            raise ValueError(
                "default_serial_consistency_level must be either ConsistencyLevel.SERIAL "
                "or ConsistencyLevel.LOCAL_SERIAL."
            )
        self._set_option("default_serial_consistency_level", check_serial(level))

    _OPTIONS = {
        "row_factory": "row_factory",
        "default_timeout": "request_timeout",
        "default_consistency_level": "consistency_level",
        "default_serial_consistency_level": "serial_consistency_level",
    }

    def _default_profile(self) -> ExecutionProfile:
        return self._legacy_profile or self._profile_manager.default

    def _set_option(self, name: str, value: Any) -> None:
        self.cluster._set_legacy(f"Session.{name}")
        if self._legacy_profile is None:
            self._legacy_profile = copy.copy(self._profile_manager.default)
        setattr(self._legacy_profile, self._OPTIONS[name], value)

    # Profiles.

    def get_execution_profile(self, name: Any) -> ExecutionProfile:
        """The profile called *name*.

        :raises ValueError: there is none.
        """
        profiles = self._profile_manager.profiles
        try:
            return profiles[name]
        except KeyError:
            names = ", ".join(_PROFILE_NAMES.get(known, f'"{known}"') for known in profiles)
            raise ValueError(f'Invalid execution_profile: "{name}"; valid profiles are: {names}.') from None

    def _maybe_get_execution_profile(self, ep: Any) -> ExecutionProfile:
        return ep if isinstance(ep, ExecutionProfile) else self.get_execution_profile(ep)

    def _profile_for_request(self, execution_profile: Any) -> ExecutionProfile:
        """The profile of a request that names one. Called by the native code."""
        if self._legacy_profile is not None or self.cluster._is_legacy():
            raise ValueError("Cannot specify execution_profile while using legacy parameters.")
        return self._maybe_get_execution_profile(execution_profile)

    def execution_profile_clone_update(self, ep: Any, **kwargs: Any) -> ExecutionProfile:
        """A copy of profile *ep* (or of the one with that name) with other values for the attributes in *kwargs*.

        The load balancing policy is shared between the two.
        """
        clone = copy.copy(self._maybe_get_execution_profile(ep))
        for name, value in kwargs.items():
            setattr(clone, name, value)
        return clone

    # Preparing.

    def prepare(
        self, query: str, custom_payload: Mapping[str, bytes | None] | None = None, keyspace: str | None = None
    ) -> PreparedStatement:
        """Let the server parse *query* once; the statement is then executed with values.

        :param keyspace: the keyspace of this statement (protocol v5 and later).
        :raises InvalidRequest: the server refuses the statement.
        """
        from cassandra.query import PreparedStatement

        native = self._prepare(query, keyspace, custom_payload)
        prepared = PreparedStatement.from_message(
            native.query_id,
            native.column_metadata,
            native.routing_key_indexes,
            self.cluster.metadata,
            query,
            keyspace,
            native.protocol_version,
            native.result_metadata,
            native.result_metadata_id,
            self.cluster.column_encryption_policy,
        )
        prepared.custom_payload = native.custom_payload
        prepared._native = native
        self.cluster.add_prepared(native.query_id, prepared)
        return prepared

    def prepare_on_all_hosts(self, query: str, excluded_host: Host | None, keyspace: str | None = None) -> None:
        """Let all hosts that are up parse *query*, other than *excluded_host*.

        A host that cannot do so now is told when the statement is executed there.
        :meth:`prepare` does so by itself, unless :attr:`Cluster.prepare_on_all_hosts` is false.
        """
        from cassandra._protocol.errors import ErrorMessage

        for host in self.cluster.metadata.all_hosts():
            if host is excluded_host or not host.is_up:
                continue
            try:
                self._prepare_on(host, query, keyspace)
            except (DriverException, ErrorMessage, NoHostAvailable) as error:
                log.debug("%s was not prepared on %s: %s", query, host, error)

    # Running many at once.

    def execute_concurrent(
        self,
        statements_and_parameters: Iterable[tuple[Any, Any]],
        concurrency: int = 100,
        raise_on_first_error: bool = True,
        results_generator: bool = False,
        execution_profile: Any = EXEC_PROFILE_DEFAULT,
    ) -> Any:
        """See :func:`cassandra.concurrent.execute_concurrent`."""
        from cassandra.concurrent import execute_concurrent

        return execute_concurrent(
            self, statements_and_parameters, concurrency, raise_on_first_error, results_generator, execution_profile
        )

    def execute_concurrent_with_args(self, statement: Any, parameters: Iterable[Any], *args: Any, **kwargs: Any) -> Any:
        """See :func:`cassandra.concurrent.execute_concurrent_with_args`."""
        from cassandra.concurrent import execute_concurrent_with_args

        return execute_concurrent_with_args(self, statement, parameters, *args, **kwargs)

    def execute_concurrent_async(
        self,
        statements_and_parameters: Iterable[tuple[Any, Any]],
        concurrency: int = 100,
        raise_on_first_error: bool = False,
        execution_profile: Any = EXEC_PROFILE_DEFAULT,
    ) -> Any:
        """See :func:`cassandra.concurrent.execute_concurrent_async`."""
        from cassandra.concurrent import execute_concurrent_async

        return execute_concurrent_async(
            self, statements_and_parameters, concurrency, raise_on_first_error, execution_profile
        )

    # Keyspace and user-defined types.

    def set_keyspace(self, keyspace: str) -> None:
        """Make *keyspace* that of all statements that name none, on every connection.

        :raises InvalidRequest: there is no such keyspace.
        """
        self._use_keyspace(keyspace)

    def user_type_registered(self, keyspace: str, user_type: str, klass: type) -> None:
        """Let the encoder write instances of *klass* as literals of *user_type*."""
        field_names = self._user_type_fields(keyspace, user_type)

        def encode(instance: Any) -> str:
            fields = ", ".join(
                f"{name} : {self.encoder.cql_encode_all_types(getattr(instance, name, None))}" for name in field_names
            )
            return f"{{ {fields} }}"

        self.encoder.mapping[klass] = encode

    def _user_type_fields(self, keyspace: str, user_type: str) -> list[str]:
        """:raises UserTypeDoesNotExist: the keyspace has no such type."""
        result = self._read_schema(
            "SELECT field_names FROM system_schema.types WHERE keyspace_name = %s AND type_name = %s",
            (keyspace, user_type),
        )
        if not result:
            known = self._read_schema(
                "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = %s", (keyspace,)
            )
            if not known:
                raise UserTypeDoesNotExist(
                    f"Keyspace {keyspace} does not exist or has not been discovered by the driver"
                )
            raise UserTypeDoesNotExist(f"User type {user_type} does not exist in keyspace {keyspace}")
        return list(result[0][0])

    def _read_schema(self, query: str, parameters: tuple[Any, ...]) -> list[Any]:
        return self._read_rows(query, parameters, self.default_timeout).all()

    def _read_rows(self, query: Any, parameters: tuple[Any, ...], timeout: float | None) -> _core.ResultSet:
        """Ask a question of the driver's own: its rows are tuples, whatever the session makes of rows."""
        policy = self._default_profile().load_balancing_policy
        profile = ExecutionProfile(policy, row_factory=tuple_factory, request_timeout=timeout)
        return self._execute_with_profile(profile, query, parameters)

    # Requests as they are made.

    def add_request_init_listener(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Call *fn* with each new ``ResponseFuture`` before its request is sent, then *args* and *kwargs*."""
        self._request_init_callbacks.append((fn, args, kwargs))

    def remove_request_init_listener(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        """Take away what was added with the same arguments.

        :raises ValueError: nothing was.
        """
        self._request_init_callbacks.remove((fn, args, kwargs))

    def execute_graph(
        self,
        query: Any,
        parameters: Any = None,
        trace: bool = False,
        execution_profile: Any = EXEC_PROFILE_GRAPH_DEFAULT,
        execute_as: str | None = None,
    ) -> Any:
        """:raises UnsupportedOperation: graph statements of DSE cannot be executed by this version."""
        raise UnsupportedOperation("DSE graph statements cannot be executed by this version of the driver")

    def execute_graph_async(
        self,
        query: Any,
        parameters: Any = None,
        trace: bool = False,
        execution_profile: Any = EXEC_PROFILE_GRAPH_DEFAULT,
        execute_as: str | None = None,
    ) -> Any:
        """:raises UnsupportedOperation: graph statements of DSE cannot be executed by this version."""
        raise UnsupportedOperation("DSE graph statements cannot be executed by this version of the driver")

    # The end.

    def shutdown(self) -> None:
        """Close the session's connections. Requests in flight are given a moment to finish."""
        if self.is_shutdown:
            return
        self.is_shutdown = True
        self._close()
        self.cluster.sessions.discard(self)

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.shutdown()

    def __del__(self) -> None:
        # Interpreter exit may have taken away what shutting down needs.
        if not self.is_shutdown and getattr(self, "cluster", None) is not None:
            self.is_shutdown = True
            self._close_in_background()

    # Names that other parts of a program may call.

    def submit(self, fn: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Run *fn* on a thread of the cluster's executor."""
        return self.cluster.executor.submit(fn, *args, **kwargs)

    def get_pools(self) -> list[HostConnection]:
        """The pools, one for each node that is connected to; their connections belong to the core and are not shown."""
        from cassandra.pool import HostConnection

        hosts = (self.cluster._host_by_id(host_id) for host_id, _ in self._connections_by_node())
        distance = self.cluster.profile_manager.distance
        pools = [HostConnection(host, distance(host), self) for host in hosts if host is not None]
        for pool in pools:
            pool.is_shutdown = self.is_shutdown
        return pools

    def update_created_pools(self) -> set[Any]:
        """Ask the policies again how close the nodes are, and connect to those that they want now.

        :returns: what remains to be waited for: nothing, the core connects in the background.
        """
        self.cluster._review_distances()
        return set()

    def get_pool_state(self) -> dict[Any, dict[str, Any]]:
        """What each node's connections do: how many are open, and for each of them the requests in flight.

        ``orphan_requests`` has a set for each connection, with as many numbers as there are requests that nobody waits
        for any more.
        """
        states = {}
        for host_id, connections in self._connections_by_node():
            host = self.cluster._host_by_id(host_id)
            if host is not None:
                states[host] = {
                    "shutdown": self.is_shutdown,
                    "open_count": len(connections),
                    "in_flights": [in_flight for in_flight, _ in connections],
                    "orphan_requests": [set(range(orphans)) for _, orphans in connections],
                }
        return states
