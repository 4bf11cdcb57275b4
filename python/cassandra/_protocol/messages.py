"""Requests, and the answers without a section of their own (native protocol v5 §4.1, §4.2).

Each class knows its opcode; requests write their body, answers read theirs. The driver's own requests are encoded by
the core: these classes serve protocol handlers, request listeners and tools.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from cassandra import ProtocolVersion, UnsupportedOperation
from cassandra._protocol import MODULE
from cassandra._protocol.notation import (
    read_binary_longstring,
    read_string,
    read_stringmultimap,
    read_value,
    write_byte,
    write_bytesmap,
    write_consistency_level,
    write_flags,
    write_int,
    write_long,
    write_longstring,
    write_short,
    write_string,
    write_stringlist,
    write_stringmap,
    write_uint,
    write_value,
)

_message_types_by_opcode: dict[int, type] = {}
"""Answers by opcode."""

_VALUES_FLAG = 0x01
_SKIP_METADATA_FLAG = 0x02
_PAGE_SIZE_FLAG = 0x04
_WITH_PAGING_STATE_FLAG = 0x08
_WITH_SERIAL_CONSISTENCY_FLAG = 0x10
_PROTOCOL_TIMESTAMP_FLAG = 0x20
_WITH_KEYSPACE_FLAG = 0x80
_PREPARED_WITH_KEYSPACE_FLAG = 0x01
_PAGE_SIZE_BYTES_FLAG = 0x40000000
_PAGING_OPTIONS_FLAG = 0x80000000


class _RegisterMessageType(type):
    """Registers each class of message by its opcode."""

    __module__ = MODULE

    def __init__(cls, name: str, bases: tuple[type, ...], dct: dict[str, Any]) -> None:
        super().__init__(name, bases, dct)
        if not name.startswith("_"):
            register_class(cls)


def register_class(cls: Any) -> None:
    """Make *cls* the class of the messages with its opcode."""
    _message_types_by_opcode[cls.opcode] = cls


def get_registered_classes() -> dict[int, Any]:
    """Give the classes of messages by opcode, as a new dictionary."""
    return dict(_message_types_by_opcode)


class _MessageType(metaclass=_RegisterMessageType):
    """Base of messages."""

    __module__ = MODULE

    tracing = False
    custom_payload: Mapping[str, bytes] | None = None
    warnings: Sequence[str] | None = None
    stream_id: int
    trace_id: Any

    def update_custom_payload(self, other: Mapping[str, bytes] | None) -> None:
        """Add *other* to the custom payload.

        :raises ValueError: it has more than 65535 entries then.
        """
        if other:
            self.custom_payload = {**(self.custom_payload or {}), **other}
            if len(self.custom_payload) > 0xFFFF:
                raise ValueError("a custom payload cannot have more than 65535 entries")

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in vars(self).items() if not name.startswith("_"))
        return f"<{type(self).__name__}({shown})>"


class StartupMessage(_MessageType):
    """STARTUP: the first request on a connection."""

    __module__ = MODULE
    opcode = 0x01
    name = "STARTUP"
    KNOWN_OPTION_KEYS: ClassVar[set[str]] = {"CQL_VERSION", "COMPRESSION", "NO_COMPACT"}

    def __init__(self, cqlversion: str, options: Mapping[str, str]) -> None:
        self.cqlversion = cqlversion
        self.options = options

    def send_body(self, f: Any, protocol_version: int) -> None:
        """Write the body."""
        write_stringmap(f, {**self.options, "CQL_VERSION": self.cqlversion})


class ReadyMessage(_MessageType):
    """READY: the server takes requests."""

    __module__ = MODULE
    opcode = 0x02
    name = "READY"

    @classmethod
    def recv_body(cls, *args: Any) -> ReadyMessage:
        """Read the body: there is none."""
        return cls()


class AuthenticateMessage(_MessageType):
    """AUTHENTICATE: the server wants credentials."""

    __module__ = MODULE
    opcode = 0x03
    name = "AUTHENTICATE"

    def __init__(self, authenticator: str) -> None:
        self.authenticator = authenticator

    @classmethod
    def recv_body(cls, f: Any, *args: Any) -> AuthenticateMessage:
        """Read the body."""
        return cls(authenticator=read_string(f))


class CredentialsMessage(_MessageType):
    """CREDENTIALS of protocol v1."""

    __module__ = MODULE
    opcode = 0x04
    name = "CREDENTIALS"

    def __init__(self, creds: Mapping[str, str]) -> None:
        self.creds = creds

    def send_body(self, f: Any, protocol_version: int) -> None:
        """Write the body.

        :raises UnsupportedOperation: the protocol is a later one.
        """
        if protocol_version > 1:
            raise UnsupportedOperation(
                "Credentials-based authentication is not supported with protocol version 2 or higher"
            )
        write_short(f, len(self.creds))
        for name, value in self.creds.items():
            write_string(f, name)
            write_string(f, value)


class AuthChallengeMessage(_MessageType):
    """AUTH_CHALLENGE: the next token from the server."""

    __module__ = MODULE
    opcode = 0x0E
    name = "AUTH_CHALLENGE"

    def __init__(self, challenge: bytes | None) -> None:
        self.challenge = challenge

    @classmethod
    def recv_body(cls, f: Any, *args: Any) -> AuthChallengeMessage:
        """Read the body."""
        return cls(read_binary_longstring(f))


class AuthResponseMessage(_MessageType):
    """AUTH_RESPONSE: the next token from the client."""

    __module__ = MODULE
    opcode = 0x0F
    name = "AUTH_RESPONSE"

    def __init__(self, response: bytes) -> None:
        self.response = response

    def send_body(self, f: Any, protocol_version: int) -> None:
        """Write the body."""
        write_longstring(f, self.response)


class AuthSuccessMessage(_MessageType):
    """AUTH_SUCCESS: the last token from the server."""

    __module__ = MODULE
    opcode = 0x10
    name = "AUTH_SUCCESS"

    def __init__(self, token: bytes | None) -> None:
        self.token = token

    @classmethod
    def recv_body(cls, f: Any, *args: Any) -> AuthSuccessMessage:
        """Read the body."""
        return cls(read_value(f))


class OptionsMessage(_MessageType):
    """OPTIONS: asks what the server supports; also the heartbeat."""

    __module__ = MODULE
    opcode = 0x05
    name = "OPTIONS"

    def send_body(self, f: Any, protocol_version: int) -> None:
        """Write the body: there is none."""


class SupportedMessage(_MessageType):
    """SUPPORTED: what the server supports."""

    __module__ = MODULE
    opcode = 0x06
    name = "SUPPORTED"

    def __init__(self, cql_versions: Sequence[str], options: Mapping[str, Sequence[str]]) -> None:
        self.cql_versions = cql_versions
        self.options = options

    @classmethod
    def recv_body(cls, f: Any, *args: Any) -> SupportedMessage:
        """Read the body."""
        options = read_stringmultimap(f)
        return cls(cql_versions=options.pop("CQL_VERSION", []), options=options)


class _QueryMessage(_MessageType):
    """What QUERY and EXECUTE have in common: the query parameters (v5 §4.1.4)."""

    __module__ = MODULE

    def __init__(
        self,
        query_params: Sequence[Any] | None,
        consistency_level: int,
        serial_consistency_level: int | None = None,
        fetch_size: int | None = None,
        paging_state: bytes | None = None,
        timestamp: int | None = None,
        skip_meta: bool = False,
        continuous_paging_options: Any = None,
        keyspace: str | None = None,
    ) -> None:
        self.query_params = query_params
        self.consistency_level = consistency_level
        self.serial_consistency_level = serial_consistency_level
        self.fetch_size = fetch_size
        self.paging_state = paging_state
        self.timestamp = timestamp
        self.skip_meta = skip_meta
        self.continuous_paging_options = continuous_paging_options
        self.keyspace = keyspace

    def _flags(self, protocol_version: int) -> int:
        flags = 0
        if self.query_params is not None:
            flags |= _VALUES_FLAG
        if self.skip_meta:
            flags |= _SKIP_METADATA_FLAG
        if self.fetch_size:
            flags |= _PAGE_SIZE_FLAG
        if self.paging_state:
            flags |= _WITH_PAGING_STATE_FLAG
        if self.serial_consistency_level:
            flags |= _WITH_SERIAL_CONSISTENCY_FLAG
        if self.timestamp is not None:
            flags |= _PROTOCOL_TIMESTAMP_FLAG
        if self.continuous_paging_options:
            if not ProtocolVersion.has_continuous_paging_support(protocol_version):
                raise UnsupportedOperation(
                    f"continuous paging may only be used with DSE's protocols, not {protocol_version}"
                )
            flags |= _PAGING_OPTIONS_FLAG
            if self.continuous_paging_options.page_unit_bytes():
                flags |= _PAGE_SIZE_BYTES_FLAG
        if self.keyspace is not None:
            _require_keyspace_flag(protocol_version)
            flags |= _WITH_KEYSPACE_FLAG
        return flags

    def _write_query_params(self, f: Any, protocol_version: int) -> None:
        write_consistency_level(f, self.consistency_level)
        write_flags(f, self._flags(protocol_version), protocol_version)
        if self.query_params is not None:
            write_short(f, len(self.query_params))
            for value in self.query_params:
                write_value(f, value)
        if self.fetch_size:
            write_int(f, self.fetch_size)
        if self.paging_state:
            write_longstring(f, self.paging_state)
        if self.serial_consistency_level:
            write_consistency_level(f, self.serial_consistency_level)
        if self.timestamp is not None:
            write_long(f, self.timestamp)
        if self.keyspace is not None:
            write_string(f, self.keyspace)
        if self.continuous_paging_options:
            options = self.continuous_paging_options
            write_int(f, options.max_pages)
            write_int(f, options.max_pages_per_second)
            if ProtocolVersion.has_continuous_paging_next_pages(protocol_version):
                write_int(f, options.max_queue_size)


def _require_keyspace_flag(protocol_version: int) -> None:
    if not ProtocolVersion.uses_keyspace_flag(protocol_version):
        raise UnsupportedOperation(
            "Keyspaces may only be set on queries with protocol version 5 or DSE_V2 or higher. "
            "Consider setting Cluster.protocol_version to 5 or DSE_V2."
        )


class QueryMessage(_QueryMessage):
    """QUERY: a statement as text."""

    __module__ = MODULE
    opcode = 0x07
    name = "QUERY"

    def __init__(
        self,
        query: str,
        consistency_level: int,
        serial_consistency_level: int | None = None,
        fetch_size: int | None = None,
        paging_state: bytes | None = None,
        timestamp: int | None = None,
        continuous_paging_options: Any = None,
        keyspace: str | None = None,
    ) -> None:
        self.query = query
        super().__init__(
            None,
            consistency_level,
            serial_consistency_level,
            fetch_size,
            paging_state,
            timestamp,
            False,
            continuous_paging_options,
            keyspace,
        )

    def send_body(self, f: Any, protocol_version: int) -> None:
        """Write the body."""
        write_longstring(f, self.query)
        self._write_query_params(f, protocol_version)


class ExecuteMessage(_QueryMessage):
    """EXECUTE: a prepared statement with its values."""

    __module__ = MODULE
    opcode = 0x0A
    name = "EXECUTE"

    def __init__(
        self,
        query_id: bytes,
        query_params: Sequence[Any] | None,
        consistency_level: int,
        serial_consistency_level: int | None = None,
        fetch_size: int | None = None,
        paging_state: bytes | None = None,
        timestamp: int | None = None,
        skip_meta: bool = False,
        continuous_paging_options: Any = None,
        result_metadata_id: bytes | None = None,
    ) -> None:
        self.query_id = query_id
        self.result_metadata_id = result_metadata_id
        super().__init__(
            query_params,
            consistency_level,
            serial_consistency_level,
            fetch_size,
            paging_state,
            timestamp,
            skip_meta,
            continuous_paging_options,
        )

    def send_body(self, f: Any, protocol_version: int) -> None:
        """Write the body."""
        write_string(f, self.query_id)
        if ProtocolVersion.uses_prepared_metadata(protocol_version):
            write_string(f, self.result_metadata_id or b"")
        self._write_query_params(f, protocol_version)


class PrepareMessage(_MessageType):
    """PREPARE: a statement to be parsed and kept."""

    __module__ = MODULE
    opcode = 0x09
    name = "PREPARE"

    def __init__(self, query: str, keyspace: str | None = None) -> None:
        self.query = query
        self.keyspace = keyspace

    def send_body(self, f: Any, protocol_version: int) -> None:
        """Write the body.

        :raises UnsupportedOperation: a keyspace is given, and the protocol has no place for it.
        """
        if self.keyspace is not None:
            _require_keyspace_flag(protocol_version)
        write_longstring(f, self.query)
        if ProtocolVersion.uses_prepare_flags(protocol_version):
            write_uint(f, 0 if self.keyspace is None else _PREPARED_WITH_KEYSPACE_FLAG)
        if self.keyspace is not None:
            write_string(f, self.keyspace)


class BatchMessage(_MessageType):
    """BATCH: several writes."""

    __module__ = MODULE
    opcode = 0x0D
    name = "BATCH"

    def __init__(
        self,
        batch_type: Any,
        queries: Sequence[tuple[bool, Any, Sequence[Any]]],
        consistency_level: int,
        serial_consistency_level: int | None = None,
        timestamp: int | None = None,
        keyspace: str | None = None,
    ) -> None:
        self.batch_type = batch_type
        self.queries = queries
        self.consistency_level = consistency_level
        self.serial_consistency_level = serial_consistency_level
        self.timestamp = timestamp
        self.keyspace = keyspace

    def send_body(self, f: Any, protocol_version: int) -> None:
        """Write the body.

        :raises UnsupportedOperation: an option is set for which the protocol has no place.
        """
        write_byte(f, self.batch_type.value)
        write_short(f, len(self.queries))
        for prepared, query_or_id, values in self.queries:
            if prepared:
                write_byte(f, 1)
                write_string(f, query_or_id)
            else:
                write_byte(f, 0)
                write_longstring(f, query_or_id)
            write_short(f, len(values))
            for value in values:
                write_value(f, value)
        write_consistency_level(f, self.consistency_level)
        if protocol_version >= ProtocolVersion.V3:
            self._write_options(f, protocol_version)

    def _write_options(self, f: Any, protocol_version: int) -> None:
        flags = 0
        if self.serial_consistency_level:
            flags |= _WITH_SERIAL_CONSISTENCY_FLAG
        if self.timestamp is not None:
            flags |= _PROTOCOL_TIMESTAMP_FLAG
        if self.keyspace:
            _require_keyspace_flag(protocol_version)
            flags |= _WITH_KEYSPACE_FLAG
        write_flags(f, flags, protocol_version)
        if self.serial_consistency_level:
            write_consistency_level(f, self.serial_consistency_level)
        if self.timestamp is not None:
            write_long(f, self.timestamp)
        if self.keyspace:
            write_string(f, self.keyspace)


class RegisterMessage(_MessageType):
    """REGISTER: asks for events."""

    __module__ = MODULE
    opcode = 0x0B
    name = "REGISTER"

    def __init__(self, event_list: Sequence[str]) -> None:
        self.event_list = event_list

    def send_body(self, f: Any, protocol_version: int) -> None:
        """Write the body."""
        write_stringlist(f, self.event_list)


class ReviseRequestMessage(_MessageType):
    """REVISE_REQUEST of DSE: cancels continuous paging, or asks for more pages."""

    __module__ = MODULE
    opcode = 0xFF
    name = "REVISE_REQUEST"

    class RevisionType:
        """What is asked."""

        __module__ = MODULE

        PAGING_CANCEL = 1
        PAGING_BACKPRESSURE = 2

    def __init__(self, op_type: int, op_id: int, next_pages: int = 0) -> None:
        self.op_type = op_type
        self.op_id = op_id
        self.next_pages = next_pages

    def send_body(self, f: Any, protocol_version: int) -> None:
        """Write the body.

        :raises UnsupportedOperation: more pages are asked for, which the protocol does not have.
        """
        write_int(f, self.op_type)
        write_int(f, self.op_id)
        if self.op_type == self.RevisionType.PAGING_BACKPRESSURE:
            if self.next_pages <= 0:
                raise UnsupportedOperation("Continuous paging backpressure requires next_pages > 0")
            if not ProtocolVersion.has_continuous_paging_next_pages(protocol_version):
                raise UnsupportedOperation(
                    "Continuous paging backpressure may only be used with protocol version DSE_V2 or higher."
                )
            write_int(f, self.next_pages)


def write_custom_payload(f: Any, payload: Mapping[str, bytes]) -> None:
    """Write the custom payload before a request's body."""
    write_bytesmap(f, payload)


for _function in (register_class, get_registered_classes):
    _function.__module__ = MODULE
del _function
