"""Protocol handlers: messages to envelopes and back (native protocol v5 §2).

``Session.client_protocol_handler`` is such a class. While it is :class:`ProtocolHandler` or one of those in
:mod:`cassandra._protocol.columns`, the core encodes and decodes.
"""

from __future__ import annotations

import io
import uuid
from collections.abc import Callable
from typing import Any, ClassVar

from cassandra import DriverException, ProtocolVersion, UnsupportedOperation
from cassandra._protocol import MODULE, errors, results
from cassandra._protocol.messages import get_registered_classes
from cassandra._protocol.notation import read_bytesmap, read_stringlist, write_bytesmap
from cassandra.marshal import int32_pack, v3_header_pack

COMPRESSED_FLAG = 0x01
TRACING_FLAG = 0x02
CUSTOM_PAYLOAD_FLAG = 0x04
WARNING_FLAG = 0x08
USE_BETA_FLAG = 0x10
USE_BETA_MASK = ~USE_BETA_FLAG

_REGISTERED = (errors, results)
"""The modules whose classes of messages must be known before a handler takes the dictionary of them."""


class _ProtocolHandler:
    """Encodes requests and decodes answers; a subclass may do either in its own way."""

    __module__ = MODULE

    message_types_by_opcode: ClassVar[dict[int, Any]] = get_registered_classes()
    """The classes of messages by opcode; a subclass may put its own in the place of some."""
    column_encryption_policy: Any = None
    """Decrypts values of chosen columns."""

    @classmethod
    def encode_message(
        cls,
        msg: Any,
        stream_id: int,
        protocol_version: int,
        compressor: Callable[[bytes], bytes] | None,
        allow_beta_protocol_version: bool,
    ) -> bytes:
        """Encode a request as an envelope.

        :raises UnsupportedOperation: it has an option for which the protocol has no place.
        """
        flags = 0
        body = io.BytesIO()
        if msg.custom_payload:
            if protocol_version < ProtocolVersion.V4:
                raise UnsupportedOperation(
                    "Custom key/value payloads can only be used with protocol version 4 or higher"
                )
            flags |= CUSTOM_PAYLOAD_FLAG
            write_bytesmap(body, msg.custom_payload)
        msg.send_body(body, protocol_version)
        content = body.getvalue()
        # With checksums, segments are compressed instead of envelopes.
        if compressor is not None and content and not ProtocolVersion.has_checksumming_support(protocol_version):
            content = compressor(content)
            flags |= COMPRESSED_FLAG
        if msg.tracing:
            flags |= TRACING_FLAG
        if allow_beta_protocol_version:
            flags |= USE_BETA_FLAG
        return v3_header_pack(protocol_version, flags, stream_id, msg.opcode) + int32_pack(len(content)) + content

    @classmethod
    def decode_message(
        cls,
        protocol_version: int,
        user_type_map: Any,
        stream_id: int,
        flags: int,
        opcode: int,
        body: bytes,
        decompressor: Callable[[bytes], bytes] | None,
        result_metadata: Any,
    ) -> Any:
        """Decode the body of an answer.

        :raises DriverException: it is compressed without a compression having been agreed, or its opcode is not known.
        """
        if flags & COMPRESSED_FLAG and not ProtocolVersion.has_checksumming_support(protocol_version):
            if decompressor is None:
                raise DriverException("No de-compressor available for compressed frame!")
            body = decompressor(body)
        reader = io.BytesIO(body)
        trace_id = uuid.UUID(bytes=reader.read(16)) if flags & TRACING_FLAG else None
        warnings = read_stringlist(reader) if flags & WARNING_FLAG else None
        custom_payload = read_bytesmap(reader) if flags & CUSTOM_PAYLOAD_FLAG else None
        message_class = cls.message_types_by_opcode.get(opcode)
        if message_class is None:
            raise DriverException(f"an answer has the unknown opcode 0x{opcode:02x}")
        message = message_class.recv_body(
            reader, protocol_version, user_type_map, result_metadata, cls.column_encryption_policy
        )
        message.stream_id = stream_id
        message.trace_id = trace_id
        message.custom_payload = custom_payload
        message.warnings = warnings
        return message


class ProtocolHandler(_ProtocolHandler):
    """The handler that sessions have unless they are given another one."""

    __module__ = MODULE
