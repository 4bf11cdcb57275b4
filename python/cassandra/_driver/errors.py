"""Exceptions of :mod:`cassandra.cluster`. They derive from ``Exception`` directly, as programs have known them."""

from __future__ import annotations

from typing import Any


class NoHostAvailable(Exception):
    """Every node that was tried failed, or there was none to try.

    ``errors`` maps each :class:`~cassandra.pool.Host` (or endpoint, while connecting) to the exception it caused.
    """

    errors: dict[Any, Any] | None = None

    def __init__(self, message: str, errors: dict[Any, Any]) -> None:
        Exception.__init__(self, message, errors)
        self.errors = errors


class QueryExhausted(Exception):
    """A further page was asked for, and the last one has been read."""


class UserTypeDoesNotExist(Exception):
    """A class was registered for a user-defined type that the keyspace does not have."""


for _exception in (NoHostAvailable, QueryExhausted, UserTypeDoesNotExist):
    _exception.__module__ = "cassandra.cluster"
