"""Starts the ``cassandra`` package of this interpreter once on a large cluster: what that cost, in one line of JSON."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from cassandra.cluster import Cluster


def peak_kib() -> int:
    """``VmHWM`` of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0


def main() -> None:
    """Connect to the address of the command line."""
    host, port = sys.argv[1].rsplit(":", 1)
    begun, cpu = time.perf_counter(), time.process_time()
    cluster = Cluster([host], port=int(port), control_connection_timeout=60, connect_timeout=60)
    session = cluster.connect()
    used = {
        "wall_ms": (time.perf_counter() - begun) * 1e3,
        "cpu_ms": (time.process_time() - cpu) * 1e3,
        "peak_kib": peak_kib(),
    }
    print(json.dumps(used))
    tables = sum(len(keyspace.tables) for keyspace in cluster.metadata.keyspaces.values())
    print(f"{len(session.hosts)} nodes, {tables} tables", file=sys.stderr)
    cluster.shutdown()


if __name__ == "__main__":
    main()
