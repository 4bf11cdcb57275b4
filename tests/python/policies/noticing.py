"""What a test does so that either driver sees how nodes are."""

from __future__ import annotations

import contextlib

from cassandra import OperationTimedOut
from cassandra.cluster import NoHostAvailable, Session


def notices(session: Session) -> bool:
    """Ask each node something: the published driver notices the end of a connection when it uses it."""
    for host in session.cluster.metadata.all_hosts():
        with contextlib.suppress(NoHostAvailable, OperationTimedOut):
            session.execute("SELECT who", host=host, timeout=1)
    return True
