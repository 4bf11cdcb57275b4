"""Counters and timings."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from cassandra.metrics import Metrics


def metrics() -> Metrics:
    session = SimpleNamespace(get_pool_state=lambda: {"a": {"open_count": 2}, "b": {"open_count": 1}})
    metadata = SimpleNamespace(all_hosts=lambda: ["a", "b", "c"])
    return Metrics(SimpleNamespace(metadata=metadata, sessions=[session]))


def test_counters_and_gauges_are_given_by_name() -> None:
    made = metrics()
    made.on_retry()
    made.on_retry()
    made.on_read_timeout()
    stats = made.get_stats()
    assert (stats["retries"], stats["read_timeouts"], stats["ignores"]) == (2, 1, 0)
    assert (stats["known_hosts"], stats["connected_to"], stats["open_connections"]) == (3, 2, 3)


def test_the_timer_tells_percentiles_of_the_latest_durations() -> None:
    made = metrics()
    for milliseconds in range(1, 2001):
        made.request_timer.addValue(milliseconds / 1000)
    assert made.request_timer["count"] == 2000
    assert (made.request_timer["min"], made.request_timer["max"]) == (0.001, 2.0)
    assert made.request_timer["median"] > 1.4


def test_two_clusters_cannot_have_one_name() -> None:
    first, second = metrics(), metrics()
    first.set_stats_name("one")
    with pytest.raises(ValueError, match="already exists"):
        second.set_stats_name("one")
