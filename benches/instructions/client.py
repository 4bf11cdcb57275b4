"""One Python client that does a fixed number of requests between two marks, under callgrind.

``client.py FORM:WORKLOAD STATEMENT ADDRESS IN_FLIGHT WARM_UP COUNT`` prints how many requests or rows were done.
"""

from __future__ import annotations

import asyncio
import collections
import itertools
import json
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from cassandra.cluster import Cluster
from cassandra.concurrent import execute_concurrent_with_args

KEYS = 1_000
TEXT = "x" * 100
ROWS = 10_000


def mark() -> None:
    """Callgrind writes its counters down and begins anew where this C function is called (``--dump-before``)."""
    os.getpriority(os.PRIO_PROCESS, 0)


def parameters(workload: str, number: int) -> tuple[Any, ...]:
    """The values of the request with this number."""
    key = number % KEYS
    if workload == "w1":
        return (key, TEXT)
    return (key,) if workload == "w2" else (0,)


def sync(session: Any, prepared: Any, workload: str, _in_flight: int, count: int) -> int:
    """One request at a time."""
    for number in range(count):
        result = session.execute(prepared, parameters(workload, number))
        if workload == "w2":
            result.one()
    return count


def concurrent(session: Any, prepared: Any, workload: str, in_flight: int, count: int) -> int:
    """``execute_concurrent_with_args``; the values are made beforehand, as far as the interpreter lets one."""
    values = [parameters(workload, number) for number in range(count)]
    for success, result in execute_concurrent_with_args(session, prepared, values, concurrency=in_flight):
        if not success:
            raise result
        if workload == "w2":
            result.one()
    return count


def callbacks(session: Any, prepared: Any, workload: str, in_flight: int, count: int) -> int:
    """Each callback sends the next request."""
    left = count
    waiting = count
    finished = threading.Event()
    failure: list[BaseException] = []

    def send() -> None:
        nonlocal left
        left -= 1
        session.execute_async(prepared, parameters(workload, left)).add_callbacks(done, fail)

    def done(rows: Any) -> None:
        nonlocal waiting
        if workload == "w2":
            rows[0]
        waiting -= 1
        if left > 0:
            send()
        elif waiting == 0:
            finished.set()

    def fail(error: BaseException) -> None:
        failure.append(error)
        finished.set()

    for _ in range(in_flight):
        send()
    finished.wait()
    if failure:
        raise failure[0]
    return count


def futures(session: Any, prepared: Any, workload: str, in_flight: int, count: int) -> int:
    """A window of futures; the oldest is waited for, then the next request sent."""
    window: collections.deque[Any] = collections.deque()
    for number in range(count):
        window.append(session.execute_async(prepared, parameters(workload, number)))
        if len(window) == in_flight:
            window.popleft().result()
    for future in window:
        future.result()
    return count


def awaited(session: Any, prepared: Any, workload: str, in_flight: int, count: int) -> int:
    """Coroutines that await one future after another."""
    left = count

    async def work() -> None:
        nonlocal left
        while left > 0:
            left -= 1
            await session.execute_async(prepared, parameters(workload, left))

    async def run() -> None:
        await asyncio.gather(*(work() for _ in range(in_flight)))

    asyncio.run(run())
    return count


def pages(session: Any, prepared: Any, _workload: str, _in_flight: int, count: int) -> int:
    """The first rows of the many, as named tuples, over and over."""
    for _ in range(count):
        collections.deque(itertools.islice(session.execute(prepared, (0,)), ROWS), maxlen=0)
    return count * ROWS


FORMS: dict[str, Callable[[Any, Any, str, int, int], int]] = {
    "sync": sync,
    "concurrent": concurrent,
    "callbacks": callbacks,
    "futures": futures,
    "awaited": awaited,
    "pages": pages,
}


def main() -> None:
    operation, statement, address, *numbers = sys.argv[1:]
    in_flight, warm_up, count = map(int, numbers)
    form, _, workload = operation.partition(":")
    host, _, port = address.rpartition(":")
    cluster = Cluster([host], port=int(port), protocol_version=4, compression=False)
    session = cluster.connect()
    prepared = session.prepare(statement)
    prepared.fetch_size = 5_000
    FORMS[form](session, prepared, workload, in_flight, warm_up)
    mark()
    units = FORMS[form](session, prepared, workload, in_flight, count)
    mark()
    json.dump({"units": units}, sys.stdout)
    print(flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
