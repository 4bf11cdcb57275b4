"""Asks for the same row again and again: run under Helenus and under the published driver, with a proxy between."""

from __future__ import annotations

from typing import Any

import generators

from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile
from cassandra.policies import RoundRobinPolicy


class CutClient:
    """One session on one connection to one node.

    :param host: address of the node.
    :param port: port of the proxy before it.
    :param compression: ``"lz4"`` or ``False``.
    """

    def __init__(self, host: str, port: int, protocol_version: int, compression: str | bool, table: str) -> None:
        self._cluster = Cluster(
            [host],
            port=port,
            protocol_version=protocol_version,
            compression=compression,
            schema_metadata_enabled=False,
            token_metadata_enabled=False,
            execution_profiles={EXEC_PROFILE_DEFAULT: ExecutionProfile(RoundRobinPolicy())},
        )
        self._session = self._cluster.connect()
        self._statement = self._session.prepare(f"SELECT * FROM {table} WHERE id = ?")

    def ask(self) -> Any:
        """Give the column names and the rows, normalised."""
        bound = self._session.execute(self._statement, (1,))
        return (bound.column_names, [generators.normalise(tuple(row)) for row in bound])

    def refused(self) -> Any:
        """Give what an error answer becomes."""
        try:
            self._session.execute("SELECT nothing FROM system.missing_table")
        except Exception as error:
            return (type(error).__name__, getattr(error, "code", None), getattr(error, "message", str(error)))
        return None

    def close(self) -> None:
        """Shut the cluster down."""
        self._cluster.shutdown()
