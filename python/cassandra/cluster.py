"""Clusters, sessions and what requests give: the door of the package.

A :class:`Cluster` describes how to connect and holds what all its sessions share; a :class:`Session` executes
statements; :class:`ResponseFuture` and :class:`ResultSet` are what comes of them. The work is done by
``cassandra._core``; the pieces in Python are in ``cassandra._driver``, one idea to a module.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import uuid
import warnings
import weakref
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any
from weakref import WeakSet, WeakValueDictionary

from cassandra import AuthenticationFailed as AuthenticationFailed
from cassandra import ConsistencyLevel as ConsistencyLevel
from cassandra import DriverException as DriverException
from cassandra import OperationTimedOut as OperationTimedOut
from cassandra import ProtocolVersion as ProtocolVersion
from cassandra import SchemaTargetType as SchemaTargetType
from cassandra import UnresolvableContactPoints as UnresolvableContactPoints
from cassandra import UnsupportedOperation as UnsupportedOperation
from cassandra import _core, _lazy
from cassandra._core import ResponseFuture as ResponseFuture
from cassandra._core import ResultSet as ResultSet
from cassandra._driver import options as _options
from cassandra._driver.endpoints import NodeEndpoints, contact_target, refuse_tls_factory
from cassandra._driver.errors import NoHostAvailable as NoHostAvailable
from cassandra._driver.errors import QueryExhausted as QueryExhausted
from cassandra._driver.errors import UserTypeDoesNotExist as UserTypeDoesNotExist
from cassandra._driver.hosts import HostRegistry
from cassandra._driver.nodes import NodesOfCluster
from cassandra._driver.pool_sizes import (
    DEFAULT_MAX_CONNECTIONS_PER_LOCAL_HOST as DEFAULT_MAX_CONNECTIONS_PER_LOCAL_HOST,
)
from cassandra._driver.pool_sizes import (
    DEFAULT_MAX_CONNECTIONS_PER_REMOTE_HOST as DEFAULT_MAX_CONNECTIONS_PER_REMOTE_HOST,
)
from cassandra._driver.pool_sizes import DEFAULT_MAX_REQUESTS as DEFAULT_MAX_REQUESTS
from cassandra._driver.pool_sizes import (
    DEFAULT_MIN_CONNECTIONS_PER_LOCAL_HOST as DEFAULT_MIN_CONNECTIONS_PER_LOCAL_HOST,
)
from cassandra._driver.pool_sizes import (
    DEFAULT_MIN_CONNECTIONS_PER_REMOTE_HOST as DEFAULT_MIN_CONNECTIONS_PER_REMOTE_HOST,
)
from cassandra._driver.pool_sizes import DEFAULT_MIN_REQUESTS as DEFAULT_MIN_REQUESTS
from cassandra._driver.pool_sizes import PoolSizes
from cassandra._driver.preparing import Preparing
from cassandra._driver.profiles import _NOT_SET as _NOT_SET
from cassandra._driver.profiles import EXEC_PROFILE_DEFAULT as EXEC_PROFILE_DEFAULT
from cassandra._driver.profiles import EXEC_PROFILE_GRAPH_ANALYTICS_DEFAULT as EXEC_PROFILE_GRAPH_ANALYTICS_DEFAULT
from cassandra._driver.profiles import EXEC_PROFILE_GRAPH_DEFAULT as EXEC_PROFILE_GRAPH_DEFAULT
from cassandra._driver.profiles import EXEC_PROFILE_GRAPH_SYSTEM_DEFAULT as EXEC_PROFILE_GRAPH_SYSTEM_DEFAULT
from cassandra._driver.profiles import ExecutionProfile as ExecutionProfile
from cassandra._driver.profiles import GraphAnalyticsExecutionProfile as GraphAnalyticsExecutionProfile
from cassandra._driver.profiles import GraphExecutionProfile as GraphExecutionProfile
from cassandra._driver.profiles import ProfileManager as ProfileManager
from cassandra._driver.profiles import default_lbp_factory as default_lbp_factory
from cassandra._driver.schema import SchemaRefresh
from cassandra._driver.session import Session as Session
from cassandra._endpoints import DefaultEndPoint as DefaultEndPoint
from cassandra._endpoints import DefaultEndPointFactory as DefaultEndPointFactory
from cassandra._endpoints import EndPoint as EndPoint
from cassandra._endpoints import SniEndPointFactory as SniEndPointFactory
from cassandra._metadata.cluster import Metadata as Metadata
from cassandra.policies import DCAwareRoundRobinPolicy as DCAwareRoundRobinPolicy
from cassandra.policies import DefaultLoadBalancingPolicy as DefaultLoadBalancingPolicy
from cassandra.policies import ExponentialReconnectionPolicy as ExponentialReconnectionPolicy
from cassandra.policies import HostDistance as HostDistance
from cassandra.policies import IdentityTranslator as IdentityTranslator
from cassandra.policies import NeverRetryPolicy as NeverRetryPolicy
from cassandra.policies import NoSpeculativeExecutionPlan as NoSpeculativeExecutionPlan
from cassandra.policies import NoSpeculativeExecutionPolicy as NoSpeculativeExecutionPolicy
from cassandra.policies import RetryPolicy as RetryPolicy
from cassandra.policies import SimpleConvictionPolicy as SimpleConvictionPolicy
from cassandra.policies import TokenAwarePolicy as TokenAwarePolicy
from cassandra.pool import Host as Host
from cassandra.timestamps import MonotonicTimestampGenerator as MonotonicTimestampGenerator

if TYPE_CHECKING:
    from concurrent.futures import ThreadPoolExecutor as ThreadPoolExecutor

    from cassandra._driver.reactors import DefaultConnection as DefaultConnection
    from cassandra.auth import PlainTextAuthProvider as PlainTextAuthProvider
    from cassandra.connection import ConnectionBusy as ConnectionBusy
    from cassandra.connection import ConnectionException as ConnectionException
    from cassandra.connection import ConnectionShutdown as ConnectionShutdown
    from cassandra.connection import ProtocolVersionUnsupported as ProtocolVersionUnsupported
    from cassandra.cqltypes import UserType as UserType
    from cassandra.encoder import Encoder as Encoder
    from cassandra.pool import HostConnection as HostConnection
    from cassandra.pool import HostConnectionPool as HostConnectionPool
    from cassandra.pool import NoConnectionsAvailable as NoConnectionsAvailable
    from cassandra.protocol import BatchMessage as BatchMessage
    from cassandra.protocol import ErrorMessage as ErrorMessage
    from cassandra.protocol import ExecuteMessage as ExecuteMessage
    from cassandra.protocol import IsBootstrappingErrorMessage as IsBootstrappingErrorMessage
    from cassandra.protocol import OverloadedErrorMessage as OverloadedErrorMessage
    from cassandra.protocol import PreparedQueryNotFound as PreparedQueryNotFound
    from cassandra.protocol import PrepareMessage as PrepareMessage
    from cassandra.protocol import ProtocolException as ProtocolException
    from cassandra.protocol import ProtocolHandler as ProtocolHandler
    from cassandra.protocol import QueryMessage as QueryMessage
    from cassandra.protocol import ReadTimeoutErrorMessage as ReadTimeoutErrorMessage
    from cassandra.protocol import ResultMessage as ResultMessage
    from cassandra.protocol import ServerError as ServerError
    from cassandra.protocol import TruncateError as TruncateError
    from cassandra.protocol import UnavailableErrorMessage as UnavailableErrorMessage
    from cassandra.protocol import WriteTimeoutErrorMessage as WriteTimeoutErrorMessage
    from cassandra.query import FETCH_SIZE_UNSET as FETCH_SIZE_UNSET
    from cassandra.query import BatchStatement as BatchStatement
    from cassandra.query import BoundStatement as BoundStatement
    from cassandra.query import HostTargetingStatement as HostTargetingStatement
    from cassandra.query import PreparedStatement as PreparedStatement
    from cassandra.query import QueryTrace as QueryTrace
    from cassandra.query import SimpleStatement as SimpleStatement
    from cassandra.query import TraceUnavailable as TraceUnavailable
    from cassandra.query import bind_params as bind_params
    from cassandra.query import dict_factory as dict_factory
    from cassandra.query import named_tuple_factory as named_tuple_factory
    from cassandra.query import tuple_factory as tuple_factory
    from cassandra.util import Version as Version

_lazy.offer(
    __name__,
    {
        "cassandra._driver.reactors": "DefaultConnection",
        "cassandra.auth": "PlainTextAuthProvider",
        "cassandra.connection": "ConnectionBusy ConnectionException ConnectionShutdown ProtocolVersionUnsupported",
        "cassandra.cqltypes": "UserType",
        "cassandra.encoder": "Encoder",
        "cassandra.pool": "HostConnection HostConnectionPool NoConnectionsAvailable",
        "cassandra.protocol": (
            "BatchMessage ErrorMessage ExecuteMessage IsBootstrappingErrorMessage "
            "OverloadedErrorMessage PreparedQueryNotFound PrepareMessage ProtocolException "
            "ProtocolHandler QueryMessage ReadTimeoutErrorMessage ResultMessage ServerError "
            "TruncateError UnavailableErrorMessage WriteTimeoutErrorMessage "
        ),
        "cassandra.query": (
            "FETCH_SIZE_UNSET BatchStatement BoundStatement HostTargetingStatement PreparedStatement "
            "QueryTrace SimpleStatement TraceUnavailable bind_params dict_factory named_tuple_factory "
            "tuple_factory "
        ),
        "cassandra.util": "Version",
        "concurrent.futures": "ThreadPoolExecutor",
    },
)

log = logging.getLogger(__name__)

_LEGACY_WARNING = "Legacy execution parameters will be removed in 4.0. Consider using execution profiles."

_clusters: WeakSet[Cluster] = WeakSet()

_DRAIN_LIMIT = 5.0
"""Seconds that callbacks are given to finish when a cluster is shut down."""


class _ConfigMode:
    """Where the options of requests come from: it is fixed by the first one that is set."""

    UNCOMMITTED = 0
    LEGACY = 1
    PROFILES = 2


class Cluster(SchemaRefresh, NodesOfCluster, PoolSizes, Preparing):
    """How to connect to a cluster, and what its sessions share. Nothing is connected before :meth:`connect`."""

    contact_points: Any = ["127.0.0.1"]
    """Addresses or names of the nodes to ask first."""
    port: int = 9042
    """Port of contact points that name none."""
    cql_version: str | None = None
    """Version of CQL to ask for; the server's newest if ``None``."""
    protocol_version: Any = ProtocolVersion.DSE_V2
    """The version of the native protocol; after :meth:`connect` the one that is spoken."""
    allow_beta_protocol_version: bool = False
    """Whether a protocol version that is not final may be asked for."""
    no_compact: bool = False
    """Whether tables with COMPACT STORAGE are shown as if they had none (3.x servers)."""
    compression: Any = True
    """``True`` for the best that the server has, ``"lz4"``, ``"snappy"``, or ``False``."""
    conviction_policy_factory: Callable[[Host], Any] = None  # type: ignore[assignment]
    """Makes a :class:`~cassandra.policies.ConvictionPolicy` for each host."""
    reconnection_policy: Any = ExponentialReconnectionPolicy(1.0, 600.0)
    """How long to wait between tries to reach a node."""
    address_translator: Any = None
    """Translates the addresses that nodes tell."""
    connect_to_remote_hosts: bool = True
    metrics_enabled: bool = False
    """Whether metrics are collected."""
    metrics: Any = None
    """The metrics, if they are collected."""
    ssl_options: Mapping[str, Any] | None = None
    ssl_context: Any = None
    sockopts: Any = None
    """Options of the sockets, as tuples for ``socket.setsockopt``."""
    max_schema_agreement_wait: float = 10
    """Seconds to wait, after a change of schema, until all nodes have it."""
    metadata: Metadata = None  # type: ignore[assignment]
    """What is known about the nodes."""
    connection_class: Any = None
    """Kept for programs that name a reactor; connections are made by the core."""
    control_connection_timeout: float | None = 2.0
    """Seconds for each query of the connection that watches the cluster."""
    idle_heartbeat_interval: float = 30
    """Seconds without an answer after which a connection is tested; 0 tests none."""
    idle_heartbeat_timeout: float = 30
    """Seconds that a test may take."""
    schema_event_refresh_window: float = 2
    topology_event_refresh_window: float = 10
    status_event_refresh_window: float = 2
    connect_timeout: float = 5
    """Seconds to connect to a node, everything included."""
    timestamp_generator: Any = None
    """Gives the timestamps of writes, in microseconds."""
    monitor_reporting_enabled: bool = True
    monitor_reporting_interval: float = 30
    client_id: Any = None
    """Identifies this client in the server's reports."""
    application_name: str = ""
    application_version: str = ""
    cloud: Any = None
    column_encryption_policy: Any = None
    endpoint_factory: Any = None
    """Makes endpoints of what nodes tell about each other."""
    profile_manager: ProfileManager = None  # type: ignore[assignment]
    sessions: Any = None
    control_connection: Any = None
    scheduler: Any = None
    is_shutdown: bool = False

    _core: Any = None
    _executor: ThreadPoolExecutor | None = None
    _drain_thread: threading.Thread = None  # type: ignore[assignment]
    _config_mode = _ConfigMode.UNCOMMITTED

    def __init__(
        self,
        contact_points: Any = _NOT_SET,
        port: int = 9042,
        compression: Any = True,
        auth_provider: Any = None,
        load_balancing_policy: Any = None,
        reconnection_policy: Any = None,
        default_retry_policy: Any = None,
        conviction_policy_factory: Callable[[Host], Any] | None = None,
        metrics_enabled: bool = False,
        connection_class: Any = None,
        ssl_options: Mapping[str, Any] | None = None,
        sockopts: Any = None,
        cql_version: str | None = None,
        protocol_version: Any = _NOT_SET,
        executor_threads: int = 2,
        max_schema_agreement_wait: float = 10,
        control_connection_timeout: float | None = 2.0,
        idle_heartbeat_interval: float = 30,
        schema_event_refresh_window: float = 2,
        topology_event_refresh_window: float = 10,
        connect_timeout: float = 5,
        schema_metadata_enabled: bool = True,
        token_metadata_enabled: bool = True,
        address_translator: Any = None,
        status_event_refresh_window: float = 2,
        prepare_on_all_hosts: bool = True,
        reprepare_on_up: bool = True,
        execution_profiles: Mapping[Any, ExecutionProfile] | None = None,
        allow_beta_protocol_version: bool = False,
        timestamp_generator: Callable[[], int] | None = None,
        idle_heartbeat_timeout: float = 30,
        no_compact: bool = False,
        ssl_context: Any = None,
        endpoint_factory: Any = None,
        application_name: str | None = None,
        application_version: str | None = None,
        monitor_reporting_enabled: bool = True,
        monitor_reporting_interval: float = 30,
        client_id: Any = None,
        cloud: Any = None,
        column_encryption_policy: Any = None,
        *,
        conviction_policy: Callable[[Host], Any] | None = None,
        is_default_protocol_version: bool | None = None,
        max_requests_per_connection: int | None = None,
    ) -> None:
        """The names after *column_encryption_policy* are those of the documentation pages.

        :param conviction_policy: another name of *conviction_policy_factory*.
        :param is_default_protocol_version: ``True`` negotiates the version, whatever *protocol_version* is.
        :param max_requests_per_connection: how many requests may be in flight on one connection.
        :raises TypeError: a policy is a class, or the contact points are one string.
        :raises UnresolvableContactPoints: no contact point has an address.
        """
        self._refuse_cloud(cloud, contact_points, endpoint_factory, ssl_context, ssl_options)
        self._set_contact_points(contact_points, load_balancing_policy, execution_profiles)
        self._refuse_tls(ssl_options, ssl_context)
        if column_encryption_policy is not None:
            raise _options.not_available("column_encryption_policy")
        self.port = port
        self.compression = compression
        self._compressions = _options.compressions(compression)
        self._set_protocol_version(protocol_version, allow_beta_protocol_version, is_default_protocol_version)
        self.auth_provider = auth_provider

        _options.refuse_class("load_balancing_policy", load_balancing_policy)
        _options.refuse_class("reconnection_policy", reconnection_policy)
        _options.refuse_class("default_retry_policy", default_retry_policy)
        _options.refuse_class("address_translator", address_translator)
        self.reconnection_policy = reconnection_policy or ExponentialReconnectionPolicy(1.0, 600.0)
        factory = conviction_policy_factory or conviction_policy
        if factory is not None:
            _options.require_callable("conviction_policy_factory", factory)
        self.conviction_policy_factory = factory or SimpleConvictionPolicy
        self.address_translator = address_translator or IdentityTranslator()
        refuse_tls_factory(endpoint_factory)
        self.endpoint_factory = (endpoint_factory or DefaultEndPointFactory(port=port)).configure(self)
        if timestamp_generator is not None:
            _options.require_callable("timestamp_generator", timestamp_generator)
        self.timestamp_generator = timestamp_generator or MonotonicTimestampGenerator()
        self._set_profiles(load_balancing_policy, default_retry_policy, execution_profiles)

        self.connection_class = connection_class
        self.sockopts = sockopts
        self.cql_version = cql_version
        self.max_schema_agreement_wait = max_schema_agreement_wait
        self.control_connection_timeout = control_connection_timeout
        self.idle_heartbeat_interval = idle_heartbeat_interval
        self.idle_heartbeat_timeout = idle_heartbeat_timeout
        self.schema_event_refresh_window = schema_event_refresh_window
        self.topology_event_refresh_window = topology_event_refresh_window
        self.status_event_refresh_window = status_event_refresh_window
        self.connect_timeout = connect_timeout
        self.schema_metadata_enabled = schema_metadata_enabled
        self.token_metadata_enabled = token_metadata_enabled
        self.prepare_on_all_hosts = prepare_on_all_hosts
        self.reprepare_on_up = reprepare_on_up
        self.no_compact = no_compact
        self.monitor_reporting_enabled = monitor_reporting_enabled
        self.monitor_reporting_interval = monitor_reporting_interval
        self._warn_of_idle_options()
        self.client_id = client_id or uuid.uuid4()
        if application_name:
            self.application_name = application_name
        if application_version:
            self.application_version = application_version
        self._max_requests = max_requests_per_connection

        self.endpoints_resolved = _options.resolve_contact_points(self.contact_points, port)
        self.metadata = Metadata()
        self.sessions = WeakSet()
        self._executor_threads = executor_threads
        self._hosts = HostRegistry(self.metadata, self.conviction_policy_factory)
        self._listeners: set[Any] = set()
        self._followed: list[_core.ResolvedProfile] = []
        self.metrics_enabled = metrics_enabled
        if metrics_enabled:
            from cassandra.metrics import Metrics

            self.metrics = Metrics(weakref.proxy(self))
        self._lock = threading.RLock()
        self._user_types: defaultdict[str, dict[str, type]] = defaultdict(dict)
        self._prepared_statements: WeakValueDictionary[bytes, PreparedStatement] = WeakValueDictionary()
        self._set_pool_sizes()

    # The parts of the constructor.

    @staticmethod
    def _refuse_cloud(
        cloud: Any, contact_points: Any, endpoint_factory: Any, ssl_context: Any, ssl_options: Any
    ) -> None:
        if cloud is None:
            return
        if contact_points is not _NOT_SET or endpoint_factory or ssl_context or ssl_options:
            raise ValueError(
                "contact_points, endpoint_factory, ssl_context, and ssl_options "
                "cannot be specified with a cloud configuration"
            )
        if "secure_connect_bundle" not in cloud:
            raise ValueError("The cloud config doesn't have a secure_connect_bundle specified.")
        raise _options.not_available("cloud")

    @staticmethod
    def _refuse_tls(ssl_options: Any, ssl_context: Any) -> None:
        # Never plaintext in place of TLS.
        if ssl_context is not None:
            raise _options.not_available("ssl_context")
        if ssl_options is not None:
            raise _options.not_available("ssl_options")

    def _warn_of_idle_options(self) -> None:
        """Say which options were set that nothing acts on."""
        for name in ("monitor_reporting_enabled", "monitor_reporting_interval"):
            if getattr(self, name) != getattr(type(self), name):
                log.warning("Cluster.%s has no effect: nothing acts on it yet", name)

    def _set_contact_points(self, contact_points: Any, load_balancing_policy: Any, profiles: Any) -> None:
        self._contact_points_explicit = contact_points is not _NOT_SET and contact_points is not None
        if self._contact_points_explicit:
            if isinstance(contact_points, str):
                raise TypeError("contact_points should not be a string, it should be a sequence (e.g. list) of strings")
            contact_points = list(contact_points)
            if None in contact_points:
                raise ValueError("contact_points should not contain None (it can resolve to localhost)")
            self.contact_points = contact_points
        else:
            self.contact_points = list(type(self).contact_points)
        if self._contact_points_explicit and load_balancing_policy is None and not profiles:
            log.warning(
                "Cluster.__init__ called with contact_points specified, but no load_balancing_policy. In the next "
                "major version, this will raise an error; please specify a load-balancing policy. "
                "(contact_points = %s, lbp = None)",
                contact_points,
            )

    def _set_protocol_version(self, version: Any, allow_beta: bool, is_default: bool | None) -> None:
        self.allow_beta_protocol_version = allow_beta
        explicit = version is not _NOT_SET and version is not None and not is_default
        if explicit:
            self.protocol_version = version
        self._protocol_version_explicit = explicit
        self._version_to_ask_for = _options.core_version(version, explicit, allow_beta)

    def _set_profiles(self, load_balancing_policy: Any, retry_policy: Any, profiles: Any) -> None:
        if load_balancing_policy is not None or retry_policy is not None:
            if profiles:
                raise ValueError(
                    "Clusters constructed with execution_profiles should not specify legacy parameters "
                    "load_balancing_policy or default_retry_policy. Configure this in a profile instead."
                )
            self._config_mode = _ConfigMode.LEGACY
            warnings.warn(_LEGACY_WARNING, DeprecationWarning, stacklevel=3)
        elif profiles:
            self._config_mode = _ConfigMode.PROFILES
        self._load_balancing_policy = load_balancing_policy or default_lbp_factory()
        self._default_retry_policy = retry_policy or RetryPolicy()
        self.profile_manager = ProfileManager()
        known = self.profile_manager.profiles
        known[EXEC_PROFILE_DEFAULT] = ExecutionProfile(self._load_balancing_policy, self._default_retry_policy)
        for name, profile in (profiles or {}).items():
            if not isinstance(profile, ExecutionProfile):
                raise TypeError("profile must be an instance of ExecutionProfile")
            if not profile._load_balancing_policy_explicit:
                # Profiles that say nothing share one policy, and with it one view of what is near.
                profile.load_balancing_policy = self._load_balancing_policy
            known[name] = profile
        graph = (
            (EXEC_PROFILE_GRAPH_DEFAULT, GraphExecutionProfile),
            (EXEC_PROFILE_GRAPH_SYSTEM_DEFAULT, GraphExecutionProfile),
            (EXEC_PROFILE_GRAPH_ANALYTICS_DEFAULT, GraphAnalyticsExecutionProfile),
        )
        for name, make in graph:
            known.setdefault(name, make(load_balancing_policy=self.profile_manager.default.load_balancing_policy))

    # Options with a setter, and what is made when it is asked for.

    @property
    def executor(self) -> ThreadPoolExecutor:
        """Runs what :meth:`Session.submit` is given."""
        with self._lock:
            if self._executor is None:
                from concurrent.futures import ThreadPoolExecutor

                self._executor = ThreadPoolExecutor(max_workers=self._executor_threads)
                if self.is_shutdown:
                    self._executor.shutdown(wait=False)
            return self._executor

    @executor.setter
    def executor(self, executor: ThreadPoolExecutor) -> None:
        self._executor = executor

    @property
    def auth_provider(self) -> Any:
        """Answers the server's question who we are."""
        return self._auth_provider

    @auth_provider.setter
    def auth_provider(self, value: Any) -> None:
        if value is not None and not hasattr(value, "new_authenticator"):
            raise TypeError(
                "auth_provider must implement the cassandra.auth.AuthProvider interface when protocol_version >= 2"
            )
        self._auth_provider = value

    @property
    def load_balancing_policy(self) -> Any:
        """The policy of the default profile."""
        return self._load_balancing_policy

    @load_balancing_policy.setter
    def load_balancing_policy(self, policy: Any) -> None:
        self._set_legacy("Cluster.load_balancing_policy")
        self._load_balancing_policy = policy
        self.profile_manager.default.load_balancing_policy = policy

    @property
    def default_retry_policy(self) -> Any:
        """The retry policy of the default profile."""
        return self._default_retry_policy

    @default_retry_policy.setter
    def default_retry_policy(self, policy: Any) -> None:
        self._set_legacy("Cluster.default_retry_policy")
        self._default_retry_policy = policy
        self.profile_manager.default.retry_policy = policy

    def _set_legacy(self, name: str) -> None:
        """An option was set outside of a profile: profiles cannot be used from now on.

        :raises ValueError: they are used already.
        """
        if self._config_mode == _ConfigMode.PROFILES:
            raise ValueError(f"Cannot set {name} while using Configuration Profiles. Set this in a profile instead.")
        self._config_mode = _ConfigMode.LEGACY

    def _is_legacy(self) -> bool:
        return self._config_mode == _ConfigMode.LEGACY

    def add_execution_profile(self, name: Any, profile: ExecutionProfile, pool_wait_timeout: float = 5) -> None:
        """Add a profile.

        :raises ValueError: there is one with this name.
        """
        if not isinstance(profile, ExecutionProfile):
            raise TypeError("profile must be an instance of ExecutionProfile")
        if self._config_mode == _ConfigMode.LEGACY:
            raise ValueError("Cannot add execution profiles when legacy parameters are set explicitly.")
        if name in self.profile_manager.profiles:
            raise ValueError(f"Profile {name} already exists")
        if not profile._load_balancing_policy_explicit:
            profile.load_balancing_policy = self._load_balancing_policy
        self._config_mode = _ConfigMode.PROFILES
        self.profile_manager.profiles[name] = profile
        if self._core is not None:
            self._follow(profile, pool_wait_timeout)

    def _follow(self, profile: ExecutionProfile, pool_wait_timeout: float) -> None:
        """Connect to what only this profile asks."""
        hosts = self.metadata.all_hosts()
        if profile._load_balancing_policy_explicit:
            profile.load_balancing_policy.populate(weakref.proxy(self), hosts)
            for host in hosts:
                if host.is_up is not False:
                    profile.load_balancing_policy.on_up(host)
        resolved = _core.resolve_profile(profile)
        resolved.measure(hosts)
        self._followed.append(resolved)
        for session in tuple(self.sessions):
            session._add_profile(profile, pool_wait_timeout)

    # Connecting.

    def connect(self, keyspace: str | None = None, wait_for_all_pools: bool = False) -> Session:
        """A new session, in *keyspace* if one is given.

        :raises NoHostAvailable: no contact point can be connected to; ``errors`` says why, node by node.
        """
        with self._lock:
            if self.is_shutdown:
                raise DriverException("Cluster is already shut down")
            try:
                if self._core is None:
                    self._start()
                session = self._new_session(keyspace)
            except BaseException:
                if not self.sessions:
                    self.shutdown()
                raise
            self.sessions.add(session)
            # The pools have connected: hosts are known to be up or down.
            self._look_at_nodes()
            return session

    def _start(self) -> None:
        """Open the control connection, read the nodes and let the policies know them."""
        self._hosts.endpoints = NodeEndpoints(self.endpoint_factory, self.endpoints_resolved, self._hosts.is_up)
        core = _core.ClusterCore(self._core_options())
        core.start()
        self._core = core
        self._followed = [profile._resolved for profile in self.profile_manager.profiles.values()]
        self.protocol_version = core.protocol_version
        self.metadata.cluster_name, self.metadata.partitioner = core.description()
        self.metadata.follow(core.schema)
        drain = core.drain()
        reference = weakref.ref(self)

        def nodes_changed() -> None:
            cluster = reference()
            if cluster is not None:
                cluster._look_at_nodes()

        self._drain_thread = threading.Thread(
            target=drain.run, args=(nodes_changed,), name="cassandra-completions", daemon=True
        )
        self._drain_thread.start()
        _clusters.add(self)
        hosts = self._hosts.update(core.nodes()).added
        self.profile_manager.populate(weakref.proxy(self), hosts)
        self.profile_manager.check_supported()
        for host in hosts:
            # Now its datacenter is known: a policy without a local one takes that of a contact point.
            self.profile_manager.on_up(host)
        self._review_distances()
        self._expect_up(hosts)
        for host in hosts:
            for listener in list(self._listeners):
                listener.on_add(host)

    def _new_session(self, keyspace: str | None) -> Session:
        return Session(self, self.metadata.all_hosts(), keyspace)

    def _translator(self) -> Any:
        """What translates addresses; nothing where none is changed."""
        return None if type(self.address_translator) is IdentityTranslator else self.address_translator

    def _core_options(self) -> dict[str, Any]:
        endpoints = self._hosts.endpoints
        by_factory = not endpoints.is_default(self.port)
        return {
            "contact_points": [contact_target(endpoint) for endpoint in self.endpoints_resolved],
            "endpoints": endpoints if by_factory else None,
            "protocol_version": self._version_to_ask_for,
            "compressions": self._compressions,
            "auth_provider": self._auth_provider,
            "reconnection_policy": self.reconnection_policy,
            # The factory asks it.
            "address_translator": None if by_factory else self._translator(),
            "default_profile": self.profile_manager.default,
            "profiles": list(self.profile_manager.profiles.values()),
            "counts_failures": self.conviction_policy_factory is not SimpleConvictionPolicy,
            "measure_latency": self.metrics_enabled,
            "timestamp_generator": self.timestamp_generator,
            "connect_timeout": self.connect_timeout,
            "control_connection_timeout": self.control_connection_timeout,
            "heartbeat_interval": self.idle_heartbeat_interval,
            "heartbeat_timeout": self.idle_heartbeat_timeout,
            "schema_agreement_wait": self.max_schema_agreement_wait,
            "max_requests_per_connection": self._max_requests,
            **self._refresh_windows(),
            "prepare_on_all_hosts": bool(self.prepare_on_all_hosts),
            "reprepare_on_up": bool(self.reprepare_on_up),
            "schema_metadata": self.schema_metadata_enabled,
            "token_metadata": self.token_metadata_enabled,
            "sockopts": list(self.sockopts or ()),
            "cql_version": self.cql_version,
            "no_compact": self.no_compact,
            "client_id": str(self.client_id),
            "application_name": self.application_name,
            "application_version": self.application_version,
        }

    def _refresh_windows(self) -> dict[str, float]:
        """The windows that the program has set; otherwise the core waits for 1 s, less than they say."""
        names = ("schema_event_refresh_window", "topology_event_refresh_window", "status_event_refresh_window")
        values = {name: getattr(self, name) for name in names}
        return {name: value for name, value in values.items() if value != getattr(Cluster, name)}

    # Types and statements.

    def register_user_type(self, keyspace: str, user_type: str, klass: type) -> None:
        """Make values of *user_type* instances of *klass*, which is called with the fields as keyword arguments.

        :raises UserTypeDoesNotExist: a session is connected, and the keyspace has no such type.
        """
        if self.protocol_version < 3:
            log.warning("UDT serialization is only supported in native protocol version 3+")
        for session in tuple(self.sessions):
            session.user_type_registered(keyspace, user_type, klass)
        self._user_types[keyspace][user_type] = klass
        if self._core is not None:
            self._core.user_types_changed()

    def add_prepared(self, query_id: bytes, prepared_statement: PreparedStatement) -> None:
        """Remember a statement by its id, for as long as the program holds it."""
        self._prepared_statements[query_id] = prepared_statement

    # The end.

    def shutdown(self) -> None:
        """Close all sessions and connections. A cluster that was shut down cannot be connected again."""
        with self._lock:
            if self.is_shutdown:
                return
            self.is_shutdown = True
        for session in tuple(self.sessions):
            session.shutdown()
        if self._core is not None:
            self._core.shutdown()
            if self._drain_thread is not threading.current_thread():
                self._drain_thread.join(_DRAIN_LIMIT)
        if self._executor is not None:
            self._executor.shutdown(wait=False)
        _clusters.discard(self)

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.shutdown()


class ContinuousPagingOptions:
    """How pages are pushed by DSE without being asked for."""

    class PagingUnit:
        """What the size of a page counts."""

        BYTES = 1
        ROWS = 2

    page_unit: int | None = None
    max_pages: int | None = None
    max_pages_per_second: int | None = None
    max_queue_size: int | None = None

    def __init__(
        self,
        page_unit: int = PagingUnit.ROWS,
        max_pages: int = 0,
        max_pages_per_second: int = 0,
        max_queue_size: int = 4,
    ) -> None:
        self.page_unit = page_unit
        self.max_pages = max_pages
        self.max_pages_per_second = max_pages_per_second
        self.max_queue_size = max_queue_size

    def page_unit_bytes(self) -> bool:
        """Whether the size of a page counts bytes."""
        return self.page_unit == self.PagingUnit.BYTES


def _shutdown_all() -> None:
    """Close what a program left open, so that the interpreter ends at once."""
    for cluster in list(_clusters):
        cluster.shutdown()


atexit.register(_shutdown_all)
os.register_at_fork(after_in_child=_core.forked)
