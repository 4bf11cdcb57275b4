"""Names shared by every module of the package: consistency levels, protocol versions and the exception tree.

Invariants: importing this module imports nothing heavy (no ``ssl``, NumPy or ``asyncio``), and every exception a
server answer can become derives from :class:`DriverException`.

The exception tree::

    DriverException
    ├── RequestExecutionException
    │   ├── Unavailable
    │   ├── Timeout              ── ReadTimeout, WriteTimeout
    │   ├── CoordinationFailure  ── ReadFailure, WriteFailure
    │   ├── FunctionFailure
    │   └── CDCWriteFailure
    ├── RequestValidationException
    │   ├── ConfigurationException ── AlreadyExists
    │   ├── InvalidRequest
    │   └── Unauthorized
    ├── AuthenticationFailed
    ├── OperationTimedOut
    ├── UnsupportedOperation
    └── UnresolvableContactPoints
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable, Mapping, Sequence
from logging import NullHandler as NullHandler
from typing import Any, ClassVar

logging.getLogger("cassandra").addHandler(NullHandler())

__version__ = "3.30.1"


class ConsistencyLevel:
    """How many replicas must answer before the coordinator answers the client (native protocol §3, [consistency])."""

    ANY = 0
    """Writes only: a hint on any node is enough."""
    ONE = 1
    """One replica."""
    TWO = 2
    """Two replicas."""
    THREE = 3
    """Three replicas."""
    QUORUM = 4
    """More than half of all replicas, whatever their datacenter."""
    ALL = 5
    """Every replica."""
    LOCAL_QUORUM = 6
    """More than half of the replicas in the coordinator's datacenter."""
    EACH_QUORUM = 7
    """More than half of the replicas in each datacenter."""
    SERIAL = 8
    """Conditional statements: a Paxos quorum over all datacenters."""
    LOCAL_SERIAL = 9
    """Conditional statements: a Paxos quorum in the coordinator's datacenter."""
    LOCAL_ONE = 10
    """One replica in the coordinator's datacenter."""

    value_to_name: ClassVar[dict[int, str]]
    name_to_value: ClassVar[dict[str, int]]

    @staticmethod
    def is_serial(cl: int | None) -> bool:
        """Tell whether *cl* is one of the two levels of conditional statements."""
        return cl == ConsistencyLevel.SERIAL or cl == ConsistencyLevel.LOCAL_SERIAL


ConsistencyLevel.value_to_name = {
    ConsistencyLevel.ANY: "ANY",
    ConsistencyLevel.ONE: "ONE",
    ConsistencyLevel.TWO: "TWO",
    ConsistencyLevel.THREE: "THREE",
    ConsistencyLevel.QUORUM: "QUORUM",
    ConsistencyLevel.ALL: "ALL",
    ConsistencyLevel.LOCAL_QUORUM: "LOCAL_QUORUM",
    ConsistencyLevel.EACH_QUORUM: "EACH_QUORUM",
    ConsistencyLevel.SERIAL: "SERIAL",
    ConsistencyLevel.LOCAL_SERIAL: "LOCAL_SERIAL",
    ConsistencyLevel.LOCAL_ONE: "LOCAL_ONE",
}
ConsistencyLevel.name_to_value = {name: value for value, name in ConsistencyLevel.value_to_name.items()}


def consistency_value_to_name(value: int | None) -> str:
    """Give the name of consistency level *value*, ``Not Set`` for ``None``.

    :raises KeyError: *value* is no consistency level.
    """
    return ConsistencyLevel.value_to_name[value] if value is not None else "Not Set"


class ProtocolVersion:
    """Versions of the native protocol and what each of them can do.

    The versions spoken on the wire are 3, 4, 5 and the two of DSE; the other numbers exist for programs that name them.
    """

    V1 = 1
    """Cassandra 1.2; no server in support speaks it."""
    V2 = 2
    """Cassandra 2.0; no server in support speaks it."""
    V3 = 3
    """Cassandra 2.1 and later."""
    V4 = 4
    """Cassandra 2.2 and later."""
    V5 = 5
    """Cassandra 4.0 and later."""
    V6 = 6
    """In development: beta everywhere."""
    DSE_V1 = 0x41
    """DataStax Enterprise 5.1."""
    DSE_V2 = 0x42
    """DataStax Enterprise 6.0 and later."""

    SUPPORTED_VERSIONS = (DSE_V2, DSE_V1, V6, V5, V4, V3, V2, V1)
    """All versions, the preferred one first."""
    BETA_VERSIONS = (V6,)
    """Versions that need ``allow_beta_protocol_version``."""
    MIN_SUPPORTED = min(SUPPORTED_VERSIONS)
    """The lowest number of :attr:`SUPPORTED_VERSIONS`."""
    MAX_SUPPORTED = max(SUPPORTED_VERSIONS)
    """The highest number of :attr:`SUPPORTED_VERSIONS`."""

    @classmethod
    def get_lower_supported(cls, previous_version: int) -> int:
        """Give the next lower version that is no beta, 0 when there is none."""
        lower = (v for v in cls.SUPPORTED_VERSIONS if v < previous_version and v not in cls.BETA_VERSIONS)
        return max(lower, default=0)

    @classmethod
    def uses_int_query_flags(cls, version: int) -> bool:
        """Query and batch flags are an [int] instead of a [byte]."""
        return version >= cls.V5

    @classmethod
    def uses_prepare_flags(cls, version: int) -> bool:
        """PREPARE carries flags."""
        return version >= cls.V5 and version != cls.DSE_V1

    @classmethod
    def uses_prepared_metadata(cls, version: int) -> bool:
        """PREPARED and EXECUTE carry the id of the result metadata."""
        return version >= cls.V5 and version != cls.DSE_V1

    @classmethod
    def uses_error_code_map(cls, version: int) -> bool:
        """READ_FAILURE and WRITE_FAILURE carry a reason for each failed replica."""
        return version >= cls.V5

    @classmethod
    def uses_keyspace_flag(cls, version: int) -> bool:
        """A request can name its keyspace."""
        return version >= cls.V5 and version != cls.DSE_V1

    @classmethod
    def has_continuous_paging_support(cls, version: int) -> bool:
        """The server can push pages (DSE)."""
        return version >= cls.DSE_V1

    @classmethod
    def has_continuous_paging_next_pages(cls, version: int) -> bool:
        """The client can ask for further pushed pages (DSE)."""
        return version >= cls.DSE_V2

    @classmethod
    def has_checksumming_support(cls, version: int) -> bool:
        """Envelopes travel inside checksummed segments."""
        return cls.V5 <= version < cls.DSE_V1


class WriteType:
    """Which phase of a write timed out or failed."""

    SIMPLE = 0
    """One write outside a batch."""
    BATCH = 1
    """A logged batch whose batch log was written: it will be replayed."""
    UNLOGGED_BATCH = 2
    """An unlogged batch: no batch log, so a part of it may be applied."""
    COUNTER = 3
    """A counter update: applied or not, never to be replayed."""
    BATCH_LOG = 4
    """Writing the batch log itself."""
    CAS = 5
    """The Paxos round of a conditional statement."""
    VIEW = 6
    """The update of a materialized view."""
    CDC = 7
    """Acquiring space for change data capture."""

    name_to_value: ClassVar[dict[str, int]]
    value_to_name: ClassVar[dict[int, str]]


WriteType.name_to_value = {
    "SIMPLE": WriteType.SIMPLE,
    "BATCH": WriteType.BATCH,
    "UNLOGGED_BATCH": WriteType.UNLOGGED_BATCH,
    "COUNTER": WriteType.COUNTER,
    "BATCH_LOG": WriteType.BATCH_LOG,
    "CAS": WriteType.CAS,
    "VIEW": WriteType.VIEW,
    "CDC": WriteType.CDC,
}
WriteType.value_to_name = {value: name for name, value in WriteType.name_to_value.items()}


class SchemaChangeType:
    """What happened to a schema element (SCHEMA_CHANGE, native protocol §4.2.6)."""

    DROPPED = "DROPPED"
    CREATED = "CREATED"
    UPDATED = "UPDATED"


class SchemaTargetType:
    """Which kind of schema element changed (SCHEMA_CHANGE, native protocol §4.2.6)."""

    KEYSPACE = "KEYSPACE"
    TABLE = "TABLE"
    TYPE = "TYPE"
    FUNCTION = "FUNCTION"
    AGGREGATE = "AGGREGATE"


class SignatureDescriptor:
    """Names a user-defined function or aggregate: its name and the CQL types of its arguments."""

    def __init__(self, name: str, argument_types: Sequence[str]) -> None:
        self.name = name
        self.argument_types = argument_types

    @property
    def signature(self) -> str:
        """The text by which functions and aggregates are keyed in keyspace metadata: ``name(type,type)``."""
        return self.format_signature(self.name, self.argument_types)

    @staticmethod
    def format_signature(name: str, argument_types: Iterable[str]) -> str:
        """Write *name* and *argument_types* as ``name(type,type)``."""
        return f"{name}({','.join(argument_types)})"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name}, {self.argument_types})"


class UserFunctionDescriptor(SignatureDescriptor):
    """Names a user-defined function."""

    name: str = None  # type: ignore[assignment]  # a class-level default that programs may read
    argument_types: Sequence[str] = None  # type: ignore[assignment]


class UserAggregateDescriptor(SignatureDescriptor):
    """Names a user-defined aggregate."""

    name: str = None  # type: ignore[assignment]  # a class-level default that programs may read
    argument_types: Sequence[str] = None  # type: ignore[assignment]


class DriverException(Exception):
    """Base of the exceptions raised by the driver."""


class RequestExecutionException(DriverException):
    """The server accepted a request and could not carry it out."""


class Unavailable(RequestExecutionException):
    """Too few replicas were alive to reach the consistency level; nothing was done."""

    consistency: int | None = None
    """The requested :class:`ConsistencyLevel`."""
    required_replicas: int | None = None
    """How many replicas the consistency level needs."""
    alive_replicas: int | None = None
    """How many of them the coordinator believed alive."""

    def __init__(
        self,
        summary_message: str,
        consistency: int | None = None,
        required_replicas: int | None = None,
        alive_replicas: int | None = None,
    ) -> None:
        self.consistency = consistency
        self.required_replicas = required_replicas
        self.alive_replicas = alive_replicas
        info = {
            "consistency": consistency_value_to_name(consistency),
            "required_replicas": required_replicas,
            "alive_replicas": alive_replicas,
        }
        super().__init__(f"{summary_message} info={info!r}")


def _describe(
    consistency: int | None, required: int | None, received: int | None, details: Mapping[str, Any]
) -> dict[str, Any]:
    """Collect the facts that the text of a time-out or failure shows, in the order in which it shows them."""
    info: dict[str, Any] = {
        "consistency": consistency_value_to_name(consistency),
        "required_responses": required,
        "received_responses": received,
    }
    info.update(details)
    if info.get("write_type") is not None:
        info["write_type"] = WriteType.value_to_name[info["write_type"]]
    return info


class Timeout(RequestExecutionException):
    """The coordinator waited for replicas until its own time-out."""

    consistency: int | None = None
    """The requested :class:`ConsistencyLevel`."""
    required_responses: int | None = None
    """How many replicas had to answer."""
    received_responses: int | None = None
    """How many answered in time."""

    def __init__(
        self,
        summary_message: str,
        consistency: int | None = None,
        required_responses: int | None = None,
        received_responses: int | None = None,
        **kwargs: Any,
    ) -> None:
        self.consistency = consistency
        self.required_responses = required_responses
        self.received_responses = received_responses
        info = _describe(consistency, required_responses, received_responses, kwargs)
        super().__init__(f"{summary_message} info={info!r}")


class ReadTimeout(Timeout):
    """Replicas did not answer a read in time."""

    data_retrieved: bool | None = None
    """Whether the replica asked for the data itself (others send digests) was among those that answered."""

    def __init__(self, message: str, data_retrieved: bool | None = None, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.data_retrieved = data_retrieved


class WriteTimeout(Timeout):
    """Replicas did not answer a write in time; it may still be applied."""

    write_type: int | None = None
    """The :class:`WriteType`: which phase timed out."""

    def __init__(self, message: str, write_type: int | None = None, **kwargs: Any) -> None:
        super().__init__(message, write_type=write_type, **kwargs)
        self.write_type = write_type


class CDCWriteFailure(RequestExecutionException):
    """A write was refused: no space is left for change data capture."""

    def __init__(self, message: str) -> None:
        super().__init__(message)


class CoordinationFailure(RequestExecutionException):
    """Replicas answered with errors."""

    consistency: int | None = None
    """The requested :class:`ConsistencyLevel`."""
    required_responses: int | None = None
    """How many replicas had to answer."""
    received_responses: int | None = None
    """How many answered without an error."""
    failures: int | None = None
    """How many answered with an error."""
    error_code_map: Mapping[str, int] | None = None
    """Protocol v5 and DSE: the reason for each failed replica, by its address; ``None`` before."""

    def __init__(
        self,
        summary_message: str,
        consistency: int | None = None,
        required_responses: int | None = None,
        received_responses: int | None = None,
        failures: int | None = None,
        error_code_map: Mapping[str, int] | None = None,
    ) -> None:
        self.consistency = consistency
        self.required_responses = required_responses
        self.received_responses = received_responses
        self.failures = failures
        self.error_code_map = error_code_map
        details: dict[str, Any] = {"failures": failures}
        if error_code_map is not None:
            details["error_code_map"] = {address: f"0x{code:04x}" for address, code in error_code_map.items()}
        info = _describe(consistency, required_responses, received_responses, details)
        super().__init__(f"{summary_message} info={info!r}")


class ReadFailure(CoordinationFailure):
    """Replicas answered a read with errors."""

    data_retrieved: bool | None = None
    """Whether the replica asked for the data itself (others send digests) answered."""

    def __init__(self, message: str, data_retrieved: bool | None = None, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.data_retrieved = data_retrieved


class WriteFailure(CoordinationFailure):
    """Replicas answered a write with errors."""

    write_type: int | None = None
    """The :class:`WriteType`: which phase failed."""

    def __init__(self, message: str, write_type: int | None = None, **kwargs: Any) -> None:
        super().__init__(message, **kwargs)
        self.write_type = write_type


class FunctionFailure(RequestExecutionException):
    """A user-defined function raised while the request ran."""

    keyspace: str | None = None
    """Keyspace of the function."""
    function: str | None = None
    """Name of the function."""
    arg_types: Sequence[str] | None = None
    """CQL types of its arguments."""

    def __init__(self, summary_message: str, keyspace: str, function: str, arg_types: Sequence[str]) -> None:
        self.keyspace = keyspace
        self.function = function
        self.arg_types = arg_types
        super().__init__(summary_message)


class RequestValidationException(DriverException):
    """The server found the request wrong before running it."""


class ConfigurationException(RequestValidationException):
    """A schema statement was refused for what it configures."""


class AlreadyExists(ConfigurationException):
    """A keyspace or table of this name is there already."""

    keyspace: str | None = None
    """The keyspace that exists, or that holds the existing table."""
    table: str | None = None
    """The table that exists; ``None`` or empty when it is the keyspace."""

    def __init__(self, keyspace: str | None = None, table: str | None = None) -> None:
        if table:
            message = f"Table '{keyspace}.{table}' already exists"
        else:
            message = f"Keyspace '{keyspace}' already exists"
        super().__init__(message)
        self.keyspace = keyspace
        self.table = table


class InvalidRequest(RequestValidationException):
    """The request has a syntax error, or names something that does not exist or does not fit."""


class Unauthorized(RequestValidationException):
    """The role has no permission for the request."""


class AuthenticationFailed(DriverException):
    """The server did not accept the credentials, or none were given where it wants some."""


class OperationTimedOut(DriverException):
    """The client's own time-out ran out; the statement may still be applied."""

    errors: Mapping[Any, Any] | None = None
    """Errors by node, as far as nodes were tried."""
    last_host: Any = None
    """The node that was asked last."""

    def __init__(self, errors: Mapping[Any, Any] | None = None, last_host: Any = None) -> None:
        self.errors = errors
        self.last_host = last_host
        super().__init__(f"errors={errors}, last_host={last_host}")


class UnsupportedOperation(DriverException):
    """The negotiated protocol version or the environment does not have what was asked for."""


class UnresolvableContactPoints(DriverException):
    """No contact point resolves to an address."""


class DependencyException(Exception):
    """An optional library is missing or does not work."""

    excs: Sequence[BaseException] = []
    """What was raised while trying it."""

    def __init__(self, msg: str, excs: Sequence[BaseException] = []) -> None:  # never mutated
        self.excs = excs
        if excs:
            lines = "".join(f"\n - {exc}" for exc in excs)
            msg = f"{msg}\nThe following exceptions were observed: {lines}"
        super().__init__(msg)


_SUBMODULES = frozenset(
    (
        "auth",
        "connection",
        "cqltypes",
        "cython_deps",
        "encoder",
        "marshal",
        "metadata",
        "murmur3",
        "protocol",
        "query",
        "segment",
        "type_codes",
        "util",
    )
)
"""Modules that ``import cassandra.cluster`` has always brought along; it imports them when they are used."""


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES and "cassandra.cluster" in sys.modules:
        __import__(f"{__name__}.{name}")
        return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
