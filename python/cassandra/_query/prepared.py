"""Prepared statements, and values bound to them (PREPARED and EXECUTE, native protocol v5 §4.2.5.4, §4.1.6)."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any

from cassandra import ProtocolVersion, _core, consistency_value_to_name
from cassandra._query import MODULE
from cassandra._query.statement import FETCH_SIZE_UNSET, UNSET_VALUE, Statement, join_key_components
from cassandra.policies import ColDesc, RetryPolicy


class PreparedStatement(_core.PreparedBase):
    """A statement that nodes have parsed and keep under an id; made by ``Session.prepare``.

    Prepare a statement once and keep it; it can be used by many threads. Options set on it are taken over by statements
    bound after that.
    """

    __module__ = MODULE

    column_metadata: Any = None
    """The bind markers: objects with ``keyspace_name``, ``table_name``, ``name`` and ``type``."""
    retry_policy: RetryPolicy | None = None
    """What is done about time-outs and errors; the profile's if ``None``."""
    consistency_level: int | None = None
    """The :class:`~cassandra.ConsistencyLevel`; the profile's if ``None``."""
    custom_payload: Mapping[str, bytes] | None = None
    """The payload of the PREPARED answer; statements bound send it."""
    fetch_size: Any = FETCH_SIZE_UNSET
    """How many rows a page has; the session's if :data:`FETCH_SIZE_UNSET`."""
    keyspace: str | None = None
    """The keyspace for which the statement was prepared, if one was given."""
    protocol_version: int | None = None
    """The protocol version by which values are serialized."""
    query_id: bytes = None  # type: ignore[assignment]
    """The id under which nodes know the statement."""
    query_string: str = None  # type: ignore[assignment]
    """The CQL text."""
    result_metadata: Any = None
    """The columns of the result."""
    result_metadata_id: bytes | None = None
    """The id of these (protocol v5)."""
    column_encryption_policy: Any = None
    """Encrypts values of chosen columns when they are bound."""
    routing_key_indexes: Sequence[int] | None = None
    """Which bind markers make up the partition key, in its order; ``None`` if not all of it is bound."""
    serial_consistency_level: int | None = None
    """The level of the Paxos round of a conditional statement."""

    __dict__ = _core.PreparedBase._attributes
    """Requests keep what the statement says until an attribute is assigned; who has this may do so unnoticed."""

    _routing_key_index_set: frozenset[int] | None = None
    _native: Any = None
    """What the native code knows of the statement; nothing unless a session has prepared it."""

    def __init__(
        self,
        column_metadata: Any,
        query_id: bytes,
        routing_key_indexes: Sequence[int] | None,
        query: str,
        keyspace: str | None,
        protocol_version: int,
        result_metadata: Any,
        result_metadata_id: bytes | None,
        column_encryption_policy: Any = None,
    ) -> None:
        self.column_metadata = column_metadata
        self.query_id = query_id
        self.routing_key_indexes = routing_key_indexes
        self.query_string = query
        self.keyspace = keyspace
        self.protocol_version = protocol_version
        self.result_metadata = result_metadata
        self.result_metadata_id = result_metadata_id
        self.column_encryption_policy = column_encryption_policy
        self.is_idempotent = False

    @classmethod
    def from_message(
        cls,
        query_id: bytes,
        column_metadata: Any,
        pk_indexes: Sequence[int] | None,
        cluster_metadata: Any,
        query: str,
        prepared_keyspace: str | None,
        protocol_version: int,
        result_metadata: Any,
        result_metadata_id: bytes | None,
        column_encryption_policy: Any = None,
    ) -> PreparedStatement:
        """Make the statement from a PREPARED answer; before protocol v4 the schema says what the partition key is."""
        routing_key_indexes: Sequence[int] | None = None
        if column_metadata:
            if pk_indexes:
                routing_key_indexes = pk_indexes
            else:
                routing_key_indexes = _partition_key_indexes(column_metadata, cluster_metadata)
        return cls(
            column_metadata,
            query_id,
            routing_key_indexes,
            query,
            prepared_keyspace,
            protocol_version,
            result_metadata,
            result_metadata_id,
            column_encryption_policy,
        )

    def bind(self, values: Any) -> BoundStatement:
        """Give this statement with *values*: a sequence in the order of the markers, or a mapping by their names.

        :raises ValueError: there are too many values, or too few.
        :raises KeyError: the mapping lacks a name (before protocol v4).
        :raises TypeError: a value is not of its column's type; the message names the column.
        """
        return BoundStatement(self).bind(values)

    def is_routing_key_index(self, i: int) -> bool:
        """Tell whether marker number *i* is a part of the partition key."""
        if self._routing_key_index_set is None:
            self._routing_key_index_set = frozenset(self.routing_key_indexes or ())
        return i in self._routing_key_index_set

    def __str__(self) -> str:
        consistency = consistency_value_to_name(self.consistency_level)
        return f'<{type(self).__name__} query="{self.query_string}", consistency={consistency}>'

    __repr__ = __str__


def _partition_key_indexes(column_metadata: Any, cluster_metadata: Any) -> list[int] | None:
    """Find the markers of the partition key by the schema; ``None`` if one is missing or the table is not known."""
    first = column_metadata[0]
    keyspace = cluster_metadata.keyspaces.get(first.keyspace_name) if cluster_metadata is not None else None
    table = keyspace.tables.get(first.table_name) if keyspace is not None else None
    if table is None:
        return None
    position_of = {marker.name: index for index, marker in enumerate(column_metadata)}
    indexes = [position_of.get(column.name) for column in table.partition_key]
    if not indexes or any(index is None for index in indexes):
        return None
    return [index for index in indexes if index is not None]


class BoundStatement(Statement):
    """A prepared statement with its values.

    Options that are not given are taken from the prepared statement.
    """

    __module__ = MODULE

    prepared_statement: PreparedStatement = None  # type: ignore[assignment]
    """The statement that was prepared."""
    values: list[Any] = None  # type: ignore[assignment]
    """The serialized values in the order of the markers; ``None`` for null, ``UNSET_VALUE`` for unset."""

    def __init__(
        self,
        prepared_statement: PreparedStatement,
        retry_policy: RetryPolicy | None = None,
        consistency_level: int | None = None,
        routing_key: Any = None,
        serial_consistency_level: int | None = None,
        fetch_size: Any = FETCH_SIZE_UNSET,
        keyspace: str | None = None,
        custom_payload: Mapping[str, bytes] | None = None,
    ) -> None:
        """:raises ValueError: an option has a value that it cannot have."""
        prepared = prepared_statement
        super().__init__(
            retry_policy if retry_policy is not None else prepared.retry_policy,
            consistency_level if consistency_level is not None else prepared.consistency_level,
            routing_key,
            serial_consistency_level if serial_consistency_level is not None else prepared.serial_consistency_level,
            prepared.fetch_size if fetch_size is FETCH_SIZE_UNSET else fetch_size,
            keyspace if keyspace is not None else _keyspace_of(prepared),
            custom_payload if custom_payload is not None else prepared.custom_payload,
            prepared.is_idempotent,
        )
        self.prepared_statement = prepared
        self.values = []
        self.raw_values: Any = []

    def bind(self, values: Any) -> BoundStatement:
        """Bind *values*, as :meth:`PreparedStatement.bind` does, and give this statement itself."""
        if values is None:
            values = ()
        prepared = self.prepared_statement
        version = prepared.protocol_version or ProtocolVersion.V4
        markers = prepared.column_metadata or ()
        if isinstance(values, Mapping):
            values = _in_order(values, markers, version)
        self._check_number(values, markers, version)
        native = prepared._native
        if native is not None and prepared.column_encryption_policy is None:
            bound = native.bind(values)
            if bound is not None:
                self.raw_values = values
                self.values = bound
                return self

        self.raw_values = values
        self.values = [self._serialize(index, values[index], version) for index in range(len(values))]
        if version >= ProtocolVersion.V4:
            for index in range(len(values), len(markers)):
                self.values.append(self._unset(index))
        return self

    def _check_number(self, values: Any, markers: Sequence[Any], version: int) -> None:
        number = len(values)
        if number > len(markers):
            raise ValueError(f"Too many arguments provided to bind() (got {number}, expected {len(markers)})")
        routing_key_indexes = self.prepared_statement.routing_key_indexes
        if version < ProtocolVersion.V4 and routing_key_indexes and number < len(routing_key_indexes):
            raise ValueError(
                f"Too few arguments provided to bind() (got {number}, "
                f"required {len(routing_key_indexes)} for routing key)"
            )

    def _serialize(self, index: int, value: Any, version: int) -> Any:
        if value is None:
            return None
        if value is UNSET_VALUE:
            if version < ProtocolVersion.V4:
                raise ValueError(f"Attempt to bind UNSET_VALUE while using unsuitable protocol version ({version} < 4)")
            return self._unset(index)
        marker = self.prepared_statement.column_metadata[index]
        policy = self.prepared_statement.column_encryption_policy
        try:
            if policy is not None:
                description = ColDesc(marker.keyspace_name, marker.table_name, marker.name)
                if policy.contains_column(description):
                    plain = policy.column_type(description).serialize(value, version)
                    return policy.encrypt(description, plain)
            return marker.type.serialize(value, version)
        except (TypeError, struct.error, AttributeError, OverflowError) as error:
            raise TypeError(_complaint(marker, value, error)) from error
        except UnicodeError:
            raise
        except (ValueError, ArithmeticError, LookupError) as error:
            raise ValueError(_complaint(marker, value, error)) from error

    def _unset(self, index: int) -> Any:
        if self.prepared_statement.is_routing_key_index(index):
            name = self.prepared_statement.column_metadata[index].name
            raise ValueError(f"Cannot bind UNSET_VALUE as a part of the routing key '{name}'")
        return UNSET_VALUE

    @property
    def routing_key(self) -> Any:
        """The serialized partition key; ``None`` if the statement does not bind all of it."""
        indexes = self.prepared_statement.routing_key_indexes
        if not indexes:
            return None
        if self._routing_key is not None:
            return self._routing_key
        if len(indexes) == 1:
            return self.values[indexes[0]]
        components = [self.values[index] for index in indexes]
        if any(component is None for component in components):
            return None
        self._routing_key = join_key_components(components)
        return self._routing_key

    @routing_key.setter
    def routing_key(self, key: Any) -> None:
        self._routing_key = join_key_components(key) if isinstance(key, (list, tuple)) else key

    @routing_key.deleter
    def routing_key(self) -> None:
        self._routing_key = None

    def __str__(self) -> str:
        consistency = consistency_value_to_name(self.consistency_level)
        return (
            f'<{type(self).__name__} query="{self.prepared_statement.query_string}", '
            f"values={self.raw_values}, consistency={consistency}>"
        )

    __repr__ = __str__


def _keyspace_of(prepared: PreparedStatement) -> str | None:
    """The keyspace that *prepared* was prepared for, else that of its table."""
    if prepared.keyspace is None and prepared.column_metadata:
        name: str = prepared.column_metadata[0].keyspace_name
        return name
    return prepared.keyspace


def _in_order(values: Mapping[str, Any], markers: Sequence[Any], version: int) -> list[Any]:
    """Put values by name into the order of the markers; a missing one is unset where the protocol can say so."""
    ordered = []
    for marker in markers:
        if marker.name in values:
            ordered.append(values[marker.name])
        elif version >= ProtocolVersion.V4:
            ordered.append(UNSET_VALUE)
        else:
            raise KeyError(f"Column name `{marker.name}` not found in bound dict.")
    return ordered


def _complaint(marker: Any, value: Any, error: BaseException) -> str:
    return (
        f'Received an argument of invalid type for column "{marker.name}". '
        f"Expected: {marker.type}, Got: {type(value)}; ({error})"
    )
