"""Counters and timings of a cluster's requests; see ``Cluster.metrics``.

They need no further library here. The core counts; numbers only grow, and are asked for when they are read, as the
gauges are.
"""

from __future__ import annotations

import bisect
import functools
import itertools
import logging
import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakValueDictionary

log = logging.getLogger(__name__)

_names = itertools.count()


class _Counter:
    """A number that only grows: what was added here, and what *counted* gives."""

    def __init__(self, counted: Callable[[], int] | None = None) -> None:
        self._lock = threading.Lock()
        self._added = 0
        self._counted = counted

    def __iadd__(self, step: int) -> _Counter:
        with self._lock:
            self._added += step
        return self

    def __int__(self) -> int:
        return self._added + (self._counted() if self._counted is not None else 0)

    def __eq__(self, other: object) -> bool:
        return int(self) == (int(other) if isinstance(other, _Counter) else other)

    __hash__ = None  # type: ignore[assignment]  # its value changes

    def __repr__(self) -> str:
        return str(int(self))


class Timer:
    """Durations in seconds: their number, extremes and mean, and percentiles.

    Those of requests come from the core, as a histogram: each is known to 6 %. Of those that are added here, the
    percentiles are of the latest.
    """

    KEPT = 1024
    """How many of the latest durations that were added are kept."""

    _PERCENTILES = (
        ("median", 0.5),
        ("75percentile", 0.75),
        ("95percentile", 0.95),
        ("98percentile", 0.98),
        ("99percentile", 0.99),
        ("999percentile", 0.999),
    )

    def __init__(self, measured: Callable[[], tuple[float, list[tuple[float, int]]]] | None = None) -> None:
        """:param measured: gives the sum of all durations, and by duration how many there were, in ascending order."""
        self._lock = threading.Lock()
        self._count = 0
        self._sum = 0.0
        self._sum_of_squares = 0.0
        self._min = float("inf")
        self._max = 0.0
        self._latest: list[float] = []
        self._measured = measured

    def addValue(self, seconds: float) -> None:
        """Take one duration in."""
        with self._lock:
            if len(self._latest) < self.KEPT:
                self._latest.append(seconds)
            else:
                self._latest[self._count % self.KEPT] = seconds
            self._count += 1
            self._sum += seconds
            self._sum_of_squares += seconds * seconds
            self._min = min(self._min, seconds)
            self._max = max(self._max, seconds)

    def snapshot(self) -> dict[str, float]:
        """Give what is known of the durations, in seconds, by name."""
        total, buckets = (0.0, []) if self._measured is None else self._measured()
        with self._lock:
            count = self._count + sum(number for _, number in buckets)
            total += self._sum
            squares = self._sum_of_squares + sum(number * seconds * seconds for seconds, number in buckets)
            low = min([self._min, *(seconds for seconds, _ in buckets[:1])])
            high = max([self._max, *(seconds for seconds, _ in buckets[-1:])])
            weighted = sorted([*buckets, *((seconds, 1) for seconds in self._latest)])
        mean = total / count if count else 0.0
        variance = max(0.0, squares / count - mean * mean) if count else 0.0
        known: dict[str, float] = {
            "count": count,
            "min": low if count else 0.0,
            "max": high,
            "mean": mean,
            "stddev": variance**0.5,
        }
        ranks = list(itertools.accumulate(number for _, number in weighted))
        for name, part in self._PERCENTILES:
            place = bisect.bisect_right(ranks, part * ranks[-1]) if ranks else 0
            known[name] = weighted[min(len(weighted) - 1, place)][0] if weighted else 0.0
        return known

    def __getitem__(self, name: str) -> float:
        return self.snapshot()[name]


class Metrics:
    """What a cluster has done so far."""

    request_timer: Timer = None  # type: ignore[assignment]
    """Time of requests, from being sent to being answered."""
    connection_errors: Any = None
    """Connections that failed."""
    write_timeouts: Any = None
    """Writes that timed out on the coordinator."""
    read_timeouts: Any = None
    """Reads that timed out on the coordinator."""
    unavailables: Any = None
    """Requests for which too few replicas were alive."""
    other_errors: Any = None
    """Requests that failed in another way."""
    retries: Any = None
    """Attempts made because the retry policy said so."""
    ignores: Any = None
    """Errors passed over because the retry policy said so."""
    known_hosts: Callable[[], int] = None  # type: ignore[assignment]
    """Gives how many nodes are known."""
    connected_to: Callable[[], int] = None  # type: ignore[assignment]
    """Gives how many nodes a session has a connection to."""
    open_connections: Callable[[], int] = None  # type: ignore[assignment]
    """Gives how many connections are open."""

    _COUNTERS = (
        "connection_errors",
        "write_timeouts",
        "read_timeouts",
        "unavailables",
        "other_errors",
        "retries",
        "ignores",
    )
    _registered: WeakValueDictionary[str, Metrics] = WeakValueDictionary()

    def __init__(self, cluster_proxy: Any) -> None:
        """:param cluster_proxy: the cluster, or a weak proxy of it."""
        self.stats_name = f"cassandra-{next(_names)}"
        self._registered[self.stats_name] = self
        self._cluster = cluster_proxy
        self.request_timer = Timer(self._latencies)
        for name in self._COUNTERS:
            setattr(self, name, _Counter(functools.partial(self._counted, name)))
        self.known_hosts = lambda: len(self._cluster.metadata.all_hosts())
        self.connected_to = lambda: len(
            {host for session in self._cluster.sessions for host in session.get_pool_state()}
        )
        self.open_connections = self._open_connections

    def _core(self) -> dict[str, Any]:
        """What the core has counted; nothing before the cluster is connected."""
        try:
            core = getattr(self._cluster, "_core", None)
        except ReferenceError:
            core = None
        return {} if core is None else core.metrics()

    def _open_connections(self) -> int:
        # Sessions may share connections: each counts once.
        known = self._core().get("open_connections")
        if known is not None:
            return int(known)
        states = (state for session in self._cluster.sessions for state in session.get_pool_state().values())
        return sum(state["open_count"] for state in states)

    def _counted(self, name: str) -> int:
        return int(self._core().get(name, 0))

    def _latencies(self) -> tuple[float, list[tuple[float, int]]]:
        counted = self._core()
        return counted.get("latency_sum", 0.0), counted.get("latencies", [])

    @property
    def stats(self) -> Metrics:
        """The object with the counters: this one."""
        return self

    def on_connection_error(self) -> None:
        """Count a failed connection."""
        self.connection_errors += 1

    def on_write_timeout(self) -> None:
        """Count a write that timed out."""
        self.write_timeouts += 1

    def on_read_timeout(self) -> None:
        """Count a read that timed out."""
        self.read_timeouts += 1

    def on_unavailable(self) -> None:
        """Count a request for which too few replicas were alive."""
        self.unavailables += 1

    def on_other_error(self) -> None:
        """Count a request that failed in another way."""
        self.other_errors += 1

    def on_ignore(self) -> None:
        """Count an error that was passed over."""
        self.ignores += 1

    def on_retry(self) -> None:
        """Count another attempt."""
        self.retries += 1

    def get_stats(self) -> dict[str, Any]:
        """Give all numbers by name; those of the timer are a dictionary of their own, in seconds."""
        stats: dict[str, Any] = {name: int(getattr(self, name)) for name in self._COUNTERS}
        stats["request_timer"] = self.request_timer.snapshot()
        for name in ("known_hosts", "connected_to", "open_connections"):
            stats[name] = getattr(self, name)()
        return stats

    def set_stats_name(self, stats_name: str) -> None:
        """Give these numbers another name.

        :raises ValueError: another cluster's have it.
        """
        if self.stats_name == stats_name:
            return
        if stats_name in self._registered:
            raise ValueError(f'"{stats_name}" already exists in stats.')
        del self._registered[self.stats_name]
        self.stats_name = stats_name
        self._registered[stats_name] = self
