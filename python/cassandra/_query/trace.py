"""Traces: what the nodes did for one request, read back from ``system_traces``."""

from __future__ import annotations

import datetime as _datetime
import time
from typing import Any
from uuid import UUID

from cassandra import ConsistencyLevel
from cassandra._query import MODULE
from cassandra._query.rows import named_tuple_factory
from cassandra._query.statement import SimpleStatement


class TraceUnavailable(Exception):
    """The nodes have not written the trace in time."""

    __module__ = MODULE


class QueryTrace:
    """The trace of one request; empty until :meth:`populate` has read it."""

    __module__ = MODULE

    trace_id: UUID = None  # type: ignore[assignment]
    """The id of the trace."""
    request_type: str | None = None
    """What the coordinator calls the request."""
    duration: _datetime.timedelta | None = None
    """How long it took on the coordinator."""
    client: str | None = None
    """The client's address (Cassandra 2.2 and later)."""
    coordinator: str | None = None
    """The coordinator's address."""
    parameters: Any = None
    """What the coordinator says about the request, by name."""
    started_at: _datetime.datetime | None = None
    """When the coordinator received it, in UTC."""
    events: list[TraceEvent] | None = None
    """What the nodes did, in order."""

    _session: Any = None

    _SELECT_SESSION = "SELECT * FROM system_traces.sessions WHERE session_id = %s"
    _SELECT_EVENTS = "SELECT * FROM system_traces.events WHERE session_id = %s"
    _BASE_RETRY_SLEEP = 0.003

    def __init__(self, trace_id: UUID, session: Any) -> None:
        self.trace_id = trace_id
        self._session = session

    def populate(
        self, max_wait: float | None = 2.0, wait_for_complete: bool = True, query_cl: int | None = None
    ) -> None:
        """Read the trace, again and again until it is complete.

        :param max_wait: seconds; ``None`` waits without limit.
        :param wait_for_complete: whether an unfinished trace is not enough.
        :param query_cl: the consistency level of reading; ``LOCAL_ONE`` if ``None``.
        :raises TraceUnavailable: the time is over.
        """
        deadline = None if max_wait is None else time.monotonic() + max_wait
        attempt = 0
        while True:
            session_row = self._read_session(deadline, query_cl, max_wait)
            complete = session_row is not None and session_row.duration is not None
            if session_row is not None and (complete or not wait_for_complete):
                break
            pause = self._BASE_RETRY_SLEEP * 2**attempt
            if deadline is not None and time.monotonic() + pause >= deadline:
                raise TraceUnavailable(f"Trace information was not available within {max_wait:f} seconds")
            time.sleep(pause)
            attempt += 1
        self._take(session_row)
        rows = self._execute(self._SELECT_EVENTS, self._left(deadline, max_wait), query_cl)
        self.events = sorted(
            (
                TraceEvent(row.activity, row.event_id, row.source, row.source_elapsed, row.thread)
                for row in named_tuple_factory(*rows)
            ),
            key=lambda event: event.datetime,
        )

    def _read_session(self, deadline: float | None, query_cl: int | None, max_wait: float | None) -> Any:
        names_and_rows = self._execute(self._SELECT_SESSION, self._left(deadline, max_wait), query_cl)
        rows = named_tuple_factory(*names_and_rows)
        return rows[0] if rows else None

    def _left(self, deadline: float | None, max_wait: float | None) -> float | None:
        if deadline is None:
            return None
        left = deadline - time.monotonic()
        if left <= 0:
            raise TraceUnavailable(f"Trace information was not available within {max_wait:f} seconds")
        return left

    def _execute(self, query: str, timeout: float | None, query_cl: int | None) -> tuple[Any, Any]:
        """Run *query* for this trace; gives column names and rows as tuples, whatever the session makes of rows."""
        level = ConsistencyLevel.LOCAL_ONE if query_cl is None else query_cl
        statement = SimpleStatement(query, consistency_level=level)
        read_rows = getattr(self._session, "_read_rows", self._session.execute)
        result = read_rows(statement, (self.trace_id,), timeout=timeout)
        names = result.column_names
        rows = [tuple(row.values()) if isinstance(row, dict) else tuple(row) for row in result]
        return names, rows

    def _take(self, session_row: Any) -> None:
        self.request_type = session_row.request
        if session_row.duration is not None:
            self.duration = _datetime.timedelta(microseconds=session_row.duration)
        self.started_at = session_row.started_at
        self.coordinator = session_row.coordinator
        self.parameters = session_row.parameters
        self.client = getattr(session_row, "client", None)

    def __str__(self) -> str:
        return (
            f"{self.request_type} [{self.trace_id}] coordinator: {self.coordinator}, started at: {self.started_at}, "
            f"duration: {self.duration}, parameters: {self.parameters}"
        )


class TraceEvent:
    """One thing that one node did."""

    __module__ = MODULE

    description: str = None  # type: ignore[assignment]
    """What it was."""
    datetime: _datetime.datetime = None  # type: ignore[assignment]
    """When, in UTC."""
    source: str = None  # type: ignore[assignment]
    """The address of the node."""
    source_elapsed: _datetime.timedelta | None = None
    """The time since that node began with the request."""
    thread_name: str = None  # type: ignore[assignment]
    """The thread that did it."""

    def __init__(
        self, description: str, timeuuid: UUID, source: str, source_elapsed: int | None, thread_name: str
    ) -> None:
        """:param source_elapsed: microseconds."""
        self.description = description
        from cassandra.util import datetime_from_uuid1

        self.datetime = datetime_from_uuid1(timeuuid).replace(tzinfo=_datetime.timezone.utc)
        self.source = source
        self.source_elapsed = None if source_elapsed is None else _datetime.timedelta(microseconds=source_elapsed)
        self.thread_name = thread_name

    def __str__(self) -> str:
        return f"{self.description} on {self.source}[{self.thread_name}] at {self.datetime}"
