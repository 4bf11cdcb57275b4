"""``LibevConnection``: accepted as ``Cluster.connection_class``; the core's own I/O is used."""

from __future__ import annotations

import logging
from typing import Any

from cassandra import DependencyException as DependencyException
from cassandra.connection import NONBLOCKING as NONBLOCKING
from cassandra.connection import Connection as Connection
from cassandra.connection import ConnectionShutdown as ConnectionShutdown
from cassandra.connection import Timer as Timer
from cassandra.connection import TimerManager as TimerManager

log = logging.getLogger(__name__)


class LibevConnection(Connection):
    """The name of the libev integration."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Keep the arguments; nothing is connected to."""
        super().__init__(*args, **kwargs)
