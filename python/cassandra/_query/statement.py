"""What all statements have in common, and the statement that is text."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from cassandra import ConsistencyLevel, consistency_value_to_name
from cassandra._query import MODULE
from cassandra.policies import RetryPolicy

if TYPE_CHECKING:
    from cassandra.encoder import Encoder

UNSET_VALUE: Any = object()
"""A value for binding that leaves the column as it is, where ``None`` would delete it (protocol v4 and later)."""

FETCH_SIZE_UNSET: Any = object()
"""The fetch size of a statement that takes that of the session."""


def join_key_components(components: Sequence[bytes]) -> bytes:
    """Give the routing key of a partition key: its only component, or all as length, bytes and a zero byte."""
    if len(components) == 1:
        return components[0]
    return b"".join(struct.pack(f">H{len(part)}sB", len(part), part, 0) for part in components)


class Statement:
    """Options of a request; base of all statements."""

    __module__ = MODULE

    retry_policy: RetryPolicy | None = None
    """What is done about time-outs and errors; the profile's if ``None``."""
    consistency_level: int | None = None
    """The :class:`~cassandra.ConsistencyLevel`; the profile's if ``None``."""
    fetch_size: Any = FETCH_SIZE_UNSET
    """How many rows a page has; the session's if :data:`FETCH_SIZE_UNSET`, all rows in one page if ``None``."""
    keyspace: str | None = None
    """The keyspace of the statement, for token-aware routing, and for the request on protocol v5."""
    custom_payload: Mapping[str, bytes] | None = None
    """Bytes by name for a custom query handler in the server (protocol v4 and later)."""
    is_idempotent: bool = False
    """Whether the statement may safely run more than once: a condition of speculative execution."""

    _serial_consistency_level: int | None = None
    _routing_key: Any = None

    def __init__(
        self,
        retry_policy: RetryPolicy | None = None,
        consistency_level: int | None = None,
        routing_key: Any = None,
        serial_consistency_level: int | None = None,
        fetch_size: Any = FETCH_SIZE_UNSET,
        keyspace: str | None = None,
        custom_payload: Mapping[str, bytes] | None = None,
        is_idempotent: bool = False,
    ) -> None:
        """:raises ValueError: an option has a value that it cannot have."""
        if retry_policy and not hasattr(retry_policy, "on_read_timeout"):
            raise ValueError("retry_policy should implement cassandra.policies.RetryPolicy")
        if retry_policy is not None:
            self.retry_policy = retry_policy
        if consistency_level is not None:
            self.consistency_level = consistency_level
        self._routing_key = routing_key
        if serial_consistency_level is not None:
            self.serial_consistency_level = serial_consistency_level
        if fetch_size is not FETCH_SIZE_UNSET:
            self.fetch_size = fetch_size
        if keyspace is not None:
            self.keyspace = keyspace
        if custom_payload is not None:
            self.custom_payload = custom_payload
        self.is_idempotent = is_idempotent

    @property
    def routing_key(self) -> Any:
        """The serialized partition key, by which token-aware policies find replicas; ``None`` if not known.

        May be set to bytes, or to a list of bytes with one item for each component of the partition key.
        """
        return self._routing_key

    @routing_key.setter
    def routing_key(self, key: Any) -> None:
        self._routing_key = join_key_components(key) if isinstance(key, (list, tuple)) else key

    @routing_key.deleter
    def routing_key(self) -> None:
        self._routing_key = None

    @property
    def serial_consistency_level(self) -> int | None:
        """The level of the Paxos round of a conditional statement: ``SERIAL``, ``LOCAL_SERIAL`` or ``None``.

        Setting another one raises :class:`ValueError`.
        """
        return self._serial_consistency_level

    @serial_consistency_level.setter
    def serial_consistency_level(self, serial_consistency_level: int | None) -> None:
        if serial_consistency_level is not None and not ConsistencyLevel.is_serial(serial_consistency_level):
            raise ValueError(
                "serial_consistency_level must be either ConsistencyLevel.SERIAL or ConsistencyLevel.LOCAL_SERIAL"
            )
        self._serial_consistency_level = serial_consistency_level

    @serial_consistency_level.deleter
    def serial_consistency_level(self) -> None:
        self._serial_consistency_level = None


class SimpleStatement(Statement):
    """A statement as CQL text, for what is run seldom; what is run often should be prepared.

    Parameters given at execution are put into the text at ``%s`` and ``%(name)s``.
    """

    __module__ = MODULE

    def __init__(
        self,
        query_string: str,
        retry_policy: RetryPolicy | None = None,
        consistency_level: int | None = None,
        routing_key: Any = None,
        serial_consistency_level: int | None = None,
        fetch_size: Any = FETCH_SIZE_UNSET,
        keyspace: str | None = None,
        custom_payload: Mapping[str, bytes] | None = None,
        is_idempotent: bool = False,
    ) -> None:
        super().__init__(
            retry_policy,
            consistency_level,
            routing_key,
            serial_consistency_level,
            fetch_size,
            keyspace,
            custom_payload,
            is_idempotent,
        )
        self._query_string = query_string

    @property
    def query_string(self) -> str:
        """The CQL text."""
        return self._query_string

    def __str__(self) -> str:
        consistency = consistency_value_to_name(self.consistency_level)
        return f'<{type(self).__name__} query="{self.query_string}", consistency={consistency}>'

    __repr__ = __str__


def bind_params(query: str, params: Any, encoder: Encoder) -> str:
    """Put *params* into the text *query* as CQL literals.

    :param params: a mapping for ``%(name)s`` in the text, else a sequence for ``%s``.
    :raises TypeError: there are more or fewer parameters than places.
    :raises KeyError: a name in the text is not in the mapping.
    """
    if isinstance(params, dict):
        return query % {name: encoder.cql_encode_all_types(value) for name, value in params.items()}
    return query % tuple(encoder.cql_encode_all_types(value) for value in params)


bind_params.__module__ = MODULE


class HostTargetingStatement:
    """Another statement, with the address of the node that :class:`DefaultLoadBalancingPolicy` asks first."""

    __module__ = MODULE

    _combined: ClassVar[dict[type, type]] = {}

    def __new__(cls, inner_statement: Any, target_host: Any) -> Any:
        # An instance of the inner statement's class too, since statements are told apart by their class.
        kind = type(inner_statement)
        combined = cls._combined.get(kind)
        if combined is None:
            combined = type(kind.__name__, (cls, kind), {"__module__": MODULE, "__doc__": cls.__doc__})
            cls._combined[kind] = combined
        return super(HostTargetingStatement, combined).__new__(combined)  # type: ignore[misc]

    def __init__(self, inner_statement: Any, target_host: Any) -> None:
        vars(self).update(vars(inner_statement))
        self.target_host = target_host
