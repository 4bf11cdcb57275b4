"""``AsyncioConnection``: accepted as ``Cluster.connection_class``; the core's own I/O is used."""

from __future__ import annotations

import logging
from typing import Any

from cassandra.connection import Connection as Connection
from cassandra.connection import ConnectionShutdown as ConnectionShutdown

log = logging.getLogger(__name__)


class AsyncioConnection(Connection):
    """The name of the asyncio integration. Futures of the driver can be awaited in any event loop without it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Keep the arguments; nothing is connected to."""
        super().__init__(*args, **kwargs)
