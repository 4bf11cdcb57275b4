"""The servers that clients are measured against."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from .plan import Placement


def cores(placement: Placement) -> tuple[list[int] | None, list[int] | None]:
    """Cores of client and server; ``None`` leaves them to the scheduler."""
    usable = sorted(os.sched_getaffinity(0))
    if placement is Placement.FREE:
        return None, None
    if placement is Placement.ONE_CORE or len(usable) == 1:
        return [usable[0]], [usable[0]]
    return [usable[0]], [usable[1]]


def pinned(command: tuple[str, ...], on: list[int] | None) -> list[str]:
    """The command, held on these cores."""
    if on is None:
        return list(command)
    return ["taskset", "-c", ",".join(map(str, on)), *command]


@contextlib.contextmanager
def canned(testkit: Path) -> Iterator[dict[Placement, str]]:
    """A canned responder for each placement; the idle ones cost nothing.

    :returns: addresses by placement. The responders end with the block, and when this process dies.
    """
    with contextlib.ExitStack() as stack:
        addresses = {}
        for placement in Placement:
            process = stack.enter_context(
                subprocess.Popen(
                    pinned((str(testkit), "canned"), cores(placement)[1]),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    text=True,
                )
            )
            assert process.stdin is not None
            assert process.stdout is not None
            # They run until their standard input closes.
            stack.callback(process.stdin.close)
            addresses[placement] = json.loads(process.stdout.readline())["address"]
        yield addresses


def describe(testkit: Path) -> str:
    """Statements and schema of the workloads, as JSON."""
    command = [str(testkit), "canned", "--describe"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def load(python: Path, address: str, description: str) -> None:
    """Makes and fills the tables on a real node."""
    command = [str(python), "benches/python/load.py", "--address", address]
    subprocess.run(command, check=True, input=description, text=True)
