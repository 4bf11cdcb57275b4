"""RESULT and EVENT messages (native protocol v5 §4.2.5, §4.2.6)."""

from __future__ import annotations

import io
from collections import namedtuple
from typing import Any, ClassVar

from cassandra import (
    DriverException,
    ProtocolVersion,
    SchemaTargetType,
    UserAggregateDescriptor,
    UserFunctionDescriptor,
    cqltypes,
    type_codes,
)
from cassandra._protocol import MODULE
from cassandra._protocol.errors import NotSupportedError
from cassandra._protocol.messages import _MessageType
from cassandra._protocol.notation import (
    read_binary_longstring,
    read_binary_string,
    read_inet,
    read_int,
    read_short,
    read_string,
    read_stringlist,
    read_value,
)
from cassandra.cqltypes import lookup_casstype
from cassandra.policies import ColDesc

CUSTOM_TYPE = object()
"""Stands for the type code of a type given by its class name."""

ColumnMetadata = namedtuple("ColumnMetadata", ["keyspace_name", "table_name", "name", "type"])
"""A bind marker of a prepared statement."""
ColumnMetadata.__module__ = MODULE

RESULT_KIND_VOID = 0x0001
RESULT_KIND_ROWS = 0x0002
RESULT_KIND_SET_KEYSPACE = 0x0003
RESULT_KIND_PREPARED = 0x0004
RESULT_KIND_SCHEMA_CHANGE = 0x0005

known_event_types = frozenset(("TOPOLOGY_CHANGE", "STATUS_CHANGE", "SCHEMA_CHANGE"))


def read_schema_change(f: Any, protocol_version: int) -> dict[str, Any]:
    """Read what changed in the schema; before v3 only keyspaces and tables were told."""
    change_type = read_string(f)
    if protocol_version < ProtocolVersion.V3:
        keyspace, table = read_string(f), read_string(f)
        event: dict[str, Any] = {
            "target_type": SchemaTargetType.TABLE if table else SchemaTargetType.KEYSPACE,
            "change_type": change_type,
            "keyspace": keyspace,
        }
        if table:
            event["table"] = table
        return event
    target = read_string(f)
    event = {"target_type": target, "change_type": change_type, "keyspace": read_string(f)}
    if target == SchemaTargetType.FUNCTION:
        event["function"] = UserFunctionDescriptor(read_string(f), read_stringlist(f))
    elif target == SchemaTargetType.AGGREGATE:
        event["aggregate"] = UserAggregateDescriptor(read_string(f), read_stringlist(f))
    elif target != SchemaTargetType.KEYSPACE:
        event[target.lower()] = read_string(f)
    return event


class EventMessage(_MessageType):
    """EVENT: something has happened in the cluster."""

    __module__ = MODULE
    opcode = 0x0C
    name = "EVENT"

    def __init__(self, event_type: str, event_args: dict[str, Any]) -> None:
        self.event_type = event_type
        self.event_args = event_args

    @classmethod
    def recv_body(cls, f: Any, protocol_version: int, *args: Any) -> EventMessage:
        """Read the body.

        :raises NotSupportedError: the kind of event is not known.
        """
        event_type = read_string(f).upper()
        if event_type not in known_event_types:
            raise NotSupportedError(f"Unknown event type {event_type!r}")
        read_args = getattr(cls, f"recv_{event_type.lower()}")
        return cls(event_type=event_type, event_args=read_args(f, protocol_version))

    @classmethod
    def recv_topology_change(cls, f: Any, protocol_version: int) -> dict[str, Any]:
        """Read which node has come or gone."""
        return {"change_type": read_string(f), "address": read_inet(f)}

    @classmethod
    def recv_status_change(cls, f: Any, protocol_version: int) -> dict[str, Any]:
        """Read which node is up or down."""
        return {"change_type": read_string(f), "address": read_inet(f)}

    @classmethod
    def recv_schema_change(cls, f: Any, protocol_version: int) -> dict[str, Any]:
        """Read what has changed in the schema."""
        return read_schema_change(f, protocol_version)


class ResultMessage(_MessageType):
    """RESULT: the answer to QUERY, EXECUTE, PREPARE and BATCH."""

    __module__ = MODULE
    opcode = 0x08
    name = "RESULT"

    kind: int = None  # type: ignore[assignment]
    """Which of the ``RESULT_KIND_`` numbers it is."""
    results: Any = None
    paging_state: bytes | None = None
    type_codes: ClassVar[dict[int, Any]] = {
        code: CUSTOM_TYPE if name == "CUSTOM_TYPE" else getattr(cqltypes, name)
        for name, code in vars(type_codes).items()
        if isinstance(code, int)
    }
    """Type classes by type code."""
    column_names: list[str] | None = None
    """The columns of rows."""
    column_types: list[Any] | None = None
    """Their type classes."""
    parsed_rows: Any = None
    """The rows, as tuples of Python values."""
    continuous_paging_seq: int | None = None
    continuous_paging_last: bool | None = None
    new_keyspace: str | None = None
    """The keyspace that is used now."""
    column_metadata: Any = None
    """The columns of the result, as (keyspace, table, name, type) tuples."""
    query_id: bytes | None = None
    """The id of a prepared statement."""
    bind_metadata: list[Any] | None = None
    """Its bind markers."""
    pk_indexes: list[int] | None = None
    """Which of them make up the partition key."""
    schema_change_event: dict[str, Any] | None = None
    """What has changed in the schema."""
    result_metadata_id: bytes | None = None

    _FLAGS_GLOBAL_TABLES_SPEC = 0x0001
    _HAS_MORE_PAGES_FLAG = 0x0002
    _NO_METADATA_FLAG = 0x0004
    _METADATA_ID_FLAG = 0x0008
    _CONTINUOUS_PAGING_FLAG = 0x40000000
    _CONTINUOUS_PAGING_LAST_FLAG = 0x80000000

    def __init__(self, kind: int) -> None:
        self.kind = kind

    @classmethod
    def recv_body(
        cls, f: Any, protocol_version: int, user_type_map: Any, result_metadata: Any, column_encryption_policy: Any
    ) -> ResultMessage:
        """Read the body."""
        message = cls(read_int(f))
        message.recv(f, protocol_version, user_type_map, result_metadata, column_encryption_policy)
        return message

    def recv(
        self, f: Any, protocol_version: int, user_type_map: Any, result_metadata: Any, column_encryption_policy: Any
    ) -> None:
        """Read what follows the kind.

        :raises DriverException: the kind is not known.
        """
        if self.kind == RESULT_KIND_VOID:
            return
        if self.kind == RESULT_KIND_ROWS:
            self.recv_results_rows(f, protocol_version, user_type_map, result_metadata, column_encryption_policy)
        elif self.kind == RESULT_KIND_SET_KEYSPACE:
            self.new_keyspace = read_string(f)
        elif self.kind == RESULT_KIND_PREPARED:
            self.recv_results_prepared(f, protocol_version, user_type_map)
        elif self.kind == RESULT_KIND_SCHEMA_CHANGE:
            self.recv_results_schema_change(f, protocol_version)
        else:
            raise DriverException(f"Unknown RESULT kind: {self.kind}")

    def recv_results_rows(
        self, f: Any, protocol_version: int, user_type_map: Any, result_metadata: Any, column_encryption_policy: Any
    ) -> None:
        """Read rows and their columns; the columns are those of *result_metadata* where the server leaves them out.

        :raises DriverException: a value cannot be read; the message names the column.
        """
        self.recv_results_metadata(f, user_type_map)
        columns = self.column_metadata or result_metadata or []
        self.column_names = [column[2] for column in columns]
        self.column_types = [column[3] for column in columns]
        rows = [self.recv_row(f, len(columns)) for _ in range(read_int(f))]
        self.parsed_rows = [
            tuple(
                _decode(column, value, protocol_version, column_encryption_policy)
                for column, value in zip(columns, row, strict=True)
            )
            for row in rows
        ]

    def recv_results_prepared(self, f: Any, protocol_version: int, user_type_map: Any) -> None:
        """Read the id and the metadata of a prepared statement."""
        self.query_id = read_binary_string(f)
        if ProtocolVersion.uses_prepared_metadata(protocol_version):
            self.result_metadata_id = read_binary_string(f)
        self.recv_prepared_metadata(f, protocol_version, user_type_map)

    def recv_results_metadata(self, f: Any, user_type_map: Any) -> None:
        """Read the columns of rows."""
        flags = read_int(f)
        count = read_int(f)
        if flags & self._HAS_MORE_PAGES_FLAG:
            self.paging_state = read_binary_longstring(f)
        if flags & self._METADATA_ID_FLAG:
            self.result_metadata_id = read_binary_string(f)
        if flags & self._NO_METADATA_FLAG:
            return
        if flags & self._CONTINUOUS_PAGING_FLAG:
            self.continuous_paging_seq = read_int(f)
            self.continuous_paging_last = bool(flags & self._CONTINUOUS_PAGING_LAST_FLAG)
        self.column_metadata = self._read_columns(f, flags, count, user_type_map)

    def recv_prepared_metadata(self, f: Any, protocol_version: int, user_type_map: Any) -> None:
        """Read the bind markers and the columns of a prepared statement."""
        flags = read_int(f)
        count = read_int(f)
        if protocol_version >= ProtocolVersion.V4:
            self.pk_indexes = [read_short(f) for _ in range(read_int(f))]
        columns = self._read_columns(f, flags, count, user_type_map)
        self.bind_metadata = [ColumnMetadata(*column) for column in columns]
        if protocol_version >= ProtocolVersion.V2:
            self.recv_results_metadata(f, user_type_map)

    def recv_results_schema_change(self, f: Any, protocol_version: int) -> None:
        """Read what has changed in the schema."""
        self.schema_change_event = read_schema_change(f, protocol_version)

    def _read_columns(self, f: Any, flags: int, count: int, user_type_map: Any) -> list[tuple[str, str, str, Any]]:
        table = None
        if flags & self._FLAGS_GLOBAL_TABLES_SPEC:
            table = (read_string(f), read_string(f))
        columns = []
        for _ in range(count):
            keyspace_name, table_name = table or (read_string(f), read_string(f))
            columns.append((keyspace_name, table_name, read_string(f), self.read_type(f, user_type_map)))
        return columns

    @classmethod
    def read_type(cls, f: Any, user_type_map: Any) -> Any:
        """Read an [option] that is a type.

        :raises NotSupportedError: its code is not known.
        """
        code = read_short(f)
        try:
            base = cls.type_codes[code]
        except KeyError:
            raise NotSupportedError(f"Unknown data type code 0x{code:04x}. Have to skip entire result set.") from None
        if base is CUSTOM_TYPE:
            return lookup_casstype(read_string(f))
        if base in (cqltypes.ListType, cqltypes.SetType):
            return base.apply_parameters((cls.read_type(f, user_type_map),))
        if base is cqltypes.MapType:
            return base.apply_parameters((cls.read_type(f, user_type_map), cls.read_type(f, user_type_map)))
        if base is cqltypes.TupleType:
            return base.apply_parameters(tuple(cls.read_type(f, user_type_map) for _ in range(read_short(f))))
        if base is cqltypes.UserType:
            return cls._read_user_type(f, user_type_map)
        return base

    @classmethod
    def _read_user_type(cls, f: Any, user_type_map: Any) -> Any:
        keyspace, udt_name = read_string(f), read_string(f)
        fields = [(read_string(f), cls.read_type(f, user_type_map)) for _ in range(read_short(f))]
        names = tuple(name for name, _ in fields)
        udt = cqltypes.UserType.make_udt_class(keyspace, udt_name, names, tuple(kind for _, kind in fields))
        udt.mapped_class = (user_type_map or {}).get(keyspace, {}).get(udt_name)
        return udt

    @staticmethod
    def recv_row(f: Any, colcount: int) -> list[bytes | None]:
        """Read the bytes of the *colcount* values of a row."""
        return [read_value(f) for _ in range(colcount)]


def _decode(column: Any, value: bytes | None, protocol_version: int, policy: Any) -> Any:
    keyspace, table, name, kind = column
    try:
        if policy is not None and value is not None:
            description = ColDesc(keyspace, table, name)
            if policy.contains_column(description):
                kind = policy.column_type(description)
                value = policy.decrypt(description, value)
        return kind.from_binary(value, protocol_version)
    except Exception as error:
        raise DriverException(
            f'Failed decoding result column "{name}" of type {kind.cql_parameterized_type()}: {error}'
        ) from error


def body_reader(body: bytes) -> io.BytesIO:
    """Give a body as a file to read from."""
    return io.BytesIO(body)
