"""``EventletConnection``: accepted as ``Cluster.connection_class``; waiting threads wait as green threads.

Deprecated, as eventlet is.
"""

from __future__ import annotations

import logging
from typing import Any

from cassandra.connection import Connection as Connection
from cassandra.connection import ConnectionShutdown as ConnectionShutdown
from cassandra.connection import Timer as Timer
from cassandra.connection import TimerManager as TimerManager

log = logging.getLogger(__name__)


class EventletConnection(Connection):
    """The name of the eventlet integration."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Keep the arguments; nothing is connected to."""
        super().__init__(*args, **kwargs)
        self.uses_legacy_ssl_options = False

    @classmethod
    def service_timeouts(cls) -> None:
        """Do nothing: the core watches the deadlines."""
