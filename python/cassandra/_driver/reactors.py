"""The class that ``cassandra.cluster`` calls ``DefaultConnection``.

It is chosen as programs expect: that of gevent or eventlet where these have patched the sockets, else libev's. What it
is makes no difference to how the core connects.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cassandra.connection import Connection


def _choose() -> Any:
    if "gevent.monkey" in sys.modules and sys.modules["gevent.monkey"].is_module_patched("socket"):
        from cassandra.io.geventreactor import GeventConnection

        return GeventConnection
    if "eventlet.patcher" in sys.modules and sys.modules["eventlet.patcher"].is_monkey_patched("socket"):
        from cassandra.io.eventletreactor import EventletConnection

        return EventletConnection
    from cassandra.io.libevreactor import LibevConnection

    return LibevConnection


DefaultConnection: type[Connection] = _choose()
