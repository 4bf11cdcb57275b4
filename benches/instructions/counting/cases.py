"""What is counted."""

from __future__ import annotations

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Case:
    """One workload, done in one way."""

    name: str
    """How the baseline calls it."""
    title: str
    language: str
    """``rust`` or ``python``."""
    operation: str
    """What the client is told to do."""
    workload: str
    """Whose statement it prepares."""
    in_flight: int = 1
    warm_up: int = 1
    """Operations before the count. Of each task, in Rust."""
    count: int = 1
    """Operations that are counted. Of each task, in Rust."""
    unit: str = "request"
    margin: float = 0.05
    """Growth that is let pass: more than the count swings by."""
    most_allocations: float | None = None
    """What has been promised, whatever the baseline says."""
    more_allocations: float = 0.0
    """Growth of their number that is let pass."""
    swings: bool = False
    """Whether the machine has a say in it: the baseline is then the most of several counts."""


RUST = "rust"
PYTHON = "python"


def _rust() -> list[Case]:
    single: dict[str, Any] = {"warm_up": 500, "count": 2_000}
    batch: dict[str, Any] = {"in_flight": 256, "warm_up": 8, "count": 64}
    rows: dict[str, Any] = {"unit": "row"}
    return [
        Case("w1-1", "w1, 1 at a time", RUST, "w1", "w1", **single, most_allocations=2),
        Case("w1-256", "w1, 256 in flight", RUST, "w1", "w1", **batch, most_allocations=2),
        Case("w2-1", "w2, 1 at a time", RUST, "w2", "w2", **single),
        Case("w2-256", "w2, 256 in flight", RUST, "w2", "w2", **batch),
        Case("w3", "w3, owned values", RUST, "w3", "w3", **rows),
        Case("w3-borrowed", "w3, borrowed values", RUST, "w3-borrowed", "w3", **rows),
        Case("w3n", "w3n, owned values", RUST, "w3n", "w3n", **rows),
        Case("w4", "w4, owned values", RUST, "w4", "w4", **rows),
        # How a large body comes in pieces is the kernel's business.
        Case("w7r", "w7r", RUST, "w7r", "w7r", warm_up=4, count=16, margin=0.10, swings=True),
        Case("w7w", "w7w", RUST, "w7w", "w7w", warm_up=4, count=16, margin=0.10, swings=True),
        # Sockets and tasks of the one before end while the next one connects.
        Case(
            "w6",
            "w6, connecting",
            RUST,
            "w6",
            "w1",
            warm_up=8,
            count=32,
            unit="connect",
            margin=0.10,
            more_allocations=0.10,
            swings=True,
        ),
    ]


def _python() -> list[Case]:
    # Two threads take turns, not the same ones every time: counts swing by 4 % one at a time and with callbacks, by
    # 1.5 % where one call has many requests.
    single: dict[str, Any] = {"warm_up": 500, "count": 1_000, "margin": 0.08}
    batch: dict[str, Any] = {"in_flight": 256, "warm_up": 1_024, "count": 4_096}
    together: dict[str, Any] = {**batch, "margin": 0.06}
    called: dict[str, Any] = {**batch, "margin": 0.10}
    return [
        Case("py-w1", "w1, execute, 1 at a time", PYTHON, "sync:w1", "w1", **single),
        Case("py-w2", "w2, execute, 1 at a time", PYTHON, "sync:w2", "w2", **single),
        Case("py-w1-concurrent", "w1, execute_concurrent_with_args, 256", PYTHON, "concurrent:w1", "w1", **together),
        Case("py-w2-concurrent", "w2, execute_concurrent_with_args, 256", PYTHON, "concurrent:w2", "w2", **together),
        Case("py-w1-callbacks", "w1, callbacks, 256 in flight", PYTHON, "callbacks:w1", "w1", **called),
        Case("py-w2-callbacks", "w2, callbacks, 256 in flight", PYTHON, "callbacks:w2", "w2", **called),
        Case("py-w1-futures", "w1, futures, 256 in flight", PYTHON, "futures:w1", "w1", **called),
        Case("py-w1-asyncio", "w1, asyncio, 256 in flight", PYTHON, "awaited:w1", "w1", **called),
        Case("py-w3", "w3, named tuples", PYTHON, "pages:w3", "w3", unit="row"),
    ]


CASES = [*_rust(), *_python()]
