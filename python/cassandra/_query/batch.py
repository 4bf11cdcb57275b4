"""Batches: several writes in one request (BATCH, native protocol §4.1.7).

Values of a batch go by position: no server takes named values in a batch (CASSANDRA-10246).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from cassandra import consistency_value_to_name
from cassandra._query import MODULE
from cassandra._query.prepared import BoundStatement, PreparedStatement
from cassandra._query.statement import FETCH_SIZE_UNSET, Statement, bind_params
from cassandra.policies import RetryPolicy

_MAX_STATEMENTS = 0xFFFF
"""The protocol counts the statements of a batch in two bytes."""


class BatchType:
    """What a batch promises."""

    __module__ = MODULE

    LOGGED: ClassVar[BatchType]
    """All or nothing, in the end: the batch is logged first. The default."""
    UNLOGGED: ClassVar[BatchType]
    """Nothing: a failure may leave a part applied. For writes to one partition."""
    COUNTER: ClassVar[BatchType]
    """For counters, which cannot be in another batch."""

    def __init__(self, name: str, value: int) -> None:
        self.name = name
        self.value = value

    def __str__(self) -> str:
        return self.name

    def __repr__(self) -> str:
        return f"BatchType.{self.name}"


BatchType.LOGGED = BatchType("LOGGED", 0)
BatchType.UNLOGGED = BatchType("UNLOGGED", 1)
BatchType.COUNTER = BatchType("COUNTER", 2)


class BatchStatement(Statement):
    """Writes that go as one request.

    Text with parameters is filled in here with the literals of the session's encoder, if *session* is given.
    """

    __module__ = MODULE

    batch_type: BatchType = None  # type: ignore[assignment]
    """What the batch promises."""
    serial_consistency_level: Any = Statement.serial_consistency_level
    """The level of the Paxos round of conditional statements: ``SERIAL``, ``LOCAL_SERIAL`` or ``None``."""

    _statements_and_parameters: list[tuple[bool, Any, Any]]
    _session: Any = None
    _is_lwt = False

    def __init__(
        self,
        batch_type: BatchType = BatchType.LOGGED,
        retry_policy: RetryPolicy | None = None,
        consistency_level: int | None = None,
        serial_consistency_level: int | None = None,
        session: Any = None,
        custom_payload: Mapping[str, bytes] | None = None,
    ) -> None:
        """:raises ValueError: an option has a value that it cannot have."""
        self.batch_type = batch_type
        self._statements_and_parameters = []
        self._session = session
        super().__init__(
            retry_policy=retry_policy,
            consistency_level=consistency_level,
            serial_consistency_level=serial_consistency_level,
            fetch_size=FETCH_SIZE_UNSET,
            custom_payload=custom_payload,
        )

    def clear(self) -> None:
        """Remove all statements, and what was taken over from them."""
        del self._statements_and_parameters[:]
        self.keyspace = None
        self.routing_key = None
        if self.custom_payload:
            self.custom_payload = {}

    def add(self, statement: Any, parameters: Any = None) -> BatchStatement:
        """Add a statement, and give the batch itself.

        :param statement: text, or a simple, prepared or bound statement.
        :param parameters: values for a prepared statement or for the places in text; none with a bound one.
        :raises ValueError: values come with a bound statement, or the batch is full (65535 statements).
        """
        entry: tuple[bool, Any, Any]
        if isinstance(statement, str):
            entry = (False, self._fill_in(statement, parameters), ())
        else:
            if isinstance(statement, PreparedStatement):
                statement = statement.bind(() if parameters is None else parameters)
                parameters = None
            if isinstance(statement, BoundStatement):
                if parameters:
                    raise ValueError("Parameters cannot be passed with a BoundStatement to BatchStatement.add()")
                entry = (True, statement.prepared_statement.query_id, statement.values)
            else:
                entry = (False, self._fill_in(statement.query_string, parameters), ())
        if len(self._statements_and_parameters) >= _MAX_STATEMENTS:
            raise ValueError(f"a batch cannot have more than {_MAX_STATEMENTS} statements")
        if not isinstance(statement, str):
            self._take_over(statement)
        self._statements_and_parameters.append(entry)
        return self

    def add_all(self, statements: Iterable[Any], parameters: Iterable[Any]) -> BatchStatement:
        """Add each of *statements* with the item of *parameters* at its place, and give the batch itself."""
        for statement, values in zip(statements, parameters, strict=False):
            self.add(statement, values)
        return self

    def _fill_in(self, query_string: str, parameters: Any) -> str:
        if not parameters:
            return query_string
        if self._session is not None:
            encoder = self._session.encoder
        else:
            from cassandra.encoder import Encoder

            encoder = Encoder()
        return bind_params(query_string, parameters, encoder)

    def _take_over(self, statement: Statement) -> None:
        """Take from *statement* what the batch has no value for: the first partition key decides the routing."""
        if self.routing_key is None and statement.routing_key is not None:
            self.routing_key = statement.routing_key
            self.keyspace = statement.keyspace
        if statement.custom_payload:
            self.custom_payload = {**(self.custom_payload or {}), **statement.custom_payload}

    def __len__(self) -> int:
        return len(self._statements_and_parameters)

    def __str__(self) -> str:
        consistency = consistency_value_to_name(self.consistency_level)
        return f"<{type(self).__name__} type={self.batch_type}, statements={len(self)}, consistency={consistency}>"

    __repr__ = __str__
