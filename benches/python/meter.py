"""What the Python clients have in common: what they bind, and how their operations are counted."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

KEYS = 1_000
TEXT = "x" * 100
LARGE = b"\x5a" * (1 << 20)
ROWS = {"w3": 50_000, "w3n": 50_000, "w4": 1_000}
PAGE_SIZE = {"w4": 250}
SAMPLE_EVERY = 16


def memory(field: str) -> int | None:
    """A figure of ``/proc/self/status`` in KiB."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(field + ":"):
            return int(line.split()[1])
    return None


class Meter:
    """Marks the measured part of a run, and counts in it.

    :param warm_up: seconds that are not counted.
    :param duration: seconds that are.
    """

    def __init__(self, warm_up: float, duration: float) -> None:
        self.warm_up = warm_up
        self.duration = duration
        self.measuring = False
        self.operations = 0
        self.latencies: list[float] = []
        self.started = time.perf_counter()
        self.cpu = 0.0

    def tick(self, operations: int) -> bool:
        """Count; say whether to go on."""
        now = time.perf_counter()
        if self.measuring:
            self.operations += operations
            return now - self.started < self.duration
        if now - self.started >= self.warm_up:
            self.measuring = True
            self.started = time.perf_counter()
            self.cpu = time.process_time()
        return True

    def result(self) -> dict[str, Any]:
        wall = time.perf_counter() - self.started
        cpu = time.process_time() - self.cpu
        latencies = sorted(self.latencies)

        def percentile(percent: int) -> float | None:
            if not latencies:
                return None
            return latencies[min(len(latencies) * percent // 100, len(latencies) - 1)] * 1e6

        return {
            "operations": self.operations,
            "cpu_seconds": cpu,
            "wall_seconds": wall,
            "p50_us": percentile(50),
            "p99_us": percentile(99),
            "peak_rss_kib": memory("VmHWM"),
        }


def parameters(workload: str, number: int) -> tuple[Any, ...]:
    """The values of the request with this number."""
    key = number % KEYS
    if workload == "w1":
        return (key, TEXT)
    if workload == "w7w":
        return (key, LARGE)
    if workload in ("w2", "w7r"):
        return (0 if workload == "w7r" else key,)
    return (0,)


async def drive(once: Callable[[int], Awaitable[None]], concurrency: int, meter: Meter) -> None:
    """Coroutines that each await one operation after the other: so many are in flight."""
    state = {"number": 0, "running": True}

    async def worker() -> None:
        while state["running"]:
            number = state["number"] = state["number"] + 1
            since = time.perf_counter()
            await once(number)
            if meter.measuring and number % SAMPLE_EVERY == 0:
                meter.latencies.append(time.perf_counter() - since)
            if state["running"] and not meter.tick(1):
                state["running"] = False

    await asyncio.gather(*(worker() for _ in range(concurrency)))
