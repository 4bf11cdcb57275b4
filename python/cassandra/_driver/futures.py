"""What a ``ResponseFuture`` shows of its request: the message, as ``cassandra.protocol`` has it."""

from __future__ import annotations

from typing import Any

from cassandra.protocol import BatchMessage, ExecuteMessage, ProtocolHandler, QueryMessage
from cassandra.query import BatchStatement, BoundStatement


def message(
    statement: Any,
    consistency_level: int,
    serial_consistency_level: int | None,
    fetch_size: int | None,
    paging_state: bytes | None,
    timestamp: int | None,
    tracing: bool,
    custom_payload: dict[str, bytes] | None,
    keyspace: str | None,
) -> Any:
    """Make the message that says what the request of *statement* says.

    The core encodes requests itself; ``skip_meta`` is the one thing that it decides by node.
    """
    made: Any
    if isinstance(statement, BatchStatement):
        made = BatchMessage(
            statement.batch_type,
            statement._statements_and_parameters,
            consistency_level,
            serial_consistency_level,
            timestamp,
            keyspace,
        )
    elif isinstance(statement, BoundStatement):
        prepared = statement.prepared_statement
        made = ExecuteMessage(
            prepared.query_id,
            statement.values,
            consistency_level,
            serial_consistency_level,
            fetch_size,
            paging_state,
            timestamp,
            skip_meta=bool(prepared.result_metadata),
            result_metadata_id=prepared.result_metadata_id,
        )
    else:
        made = QueryMessage(
            statement.query_string,
            consistency_level,
            serial_consistency_level,
            fetch_size,
            paging_state,
            timestamp,
            keyspace=keyspace,
        )
    made.tracing = tracing
    made.custom_payload = custom_payload
    return made


def encoded_size(message: Any, protocol_version: int) -> int:
    """Give how many bytes *message* has as an envelope, before compression."""
    return len(ProtocolHandler.encode_message(message, 0, protocol_version, None, False))
