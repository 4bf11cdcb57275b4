"""One Python client, one workload, one measurement: prints a line of JSON.

The same program runs under the published ``cassandra-driver``, under ``scylla-driver`` and under Helenus: only the
interpreter differs. ``acsylla_client.py`` is its counterpart with another interface. CPU time is that of the whole
process between two marks, all threads together; peak memory that of its whole life.
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

from meter import PAGE_SIZE, ROWS, SAMPLE_EVERY, Meter, drive, memory, parameters


def run_sync(session: Any, prepared: Any, args: argparse.Namespace, meter: Meter) -> None:
    """One request at a time; its row, where there is one, is taken."""
    workload, reads = args.workload, args.workload in ("w2", "w7r")
    number = 0
    while True:
        number += 1
        since = time.perf_counter()
        result = session.execute(prepared, parameters(workload, number))
        if reads:
            result.one()
        if meter.measuring and number % SAMPLE_EVERY == 0:
            meter.latencies.append(time.perf_counter() - since)
        if not meter.tick(1):
            return


def run_pages(session: Any, prepared: Any, args: argparse.Namespace, meter: Meter) -> None:
    """All rows of all pages, again and again."""
    rows = ROWS[args.workload]
    found = len(list(session.execute(prepared, (0,))))
    if found != rows:
        raise SystemExit(f"{found} rows instead of {rows}")
    while True:
        since = time.perf_counter()
        collections.deque(session.execute(prepared, (0,)), maxlen=0)
        if meter.measuring:
            meter.latencies.append(time.perf_counter() - since)
        if not meter.tick(rows):
            return


def run_concurrent(session: Any, prepared: Any, args: argparse.Namespace, meter: Meter) -> None:
    """``execute_concurrent_with_args``, in calls that take about half of a second."""
    from cassandra.concurrent import execute_concurrent_with_args

    workload, reads = args.workload, args.workload in ("w2", "w7r")

    def call(count: int) -> None:
        values = [parameters(workload, number) for number in range(count)]
        results = execute_concurrent_with_args(session, prepared, values, concurrency=args.concurrency)
        for success, result in results:
            if not success:
                raise result
            if reads:
                result.one()

    since = time.perf_counter()
    call(1_000)
    count = max(1_000, int(1_000 * 0.5 / (time.perf_counter() - since)))
    while True:
        call(count)
        if not meter.tick(count):
            return


def run_callbacks(session: Any, prepared: Any, args: argparse.Namespace, meter: Meter) -> None:
    """Each callback sends the next request."""
    workload, reads = args.workload, args.workload in ("w2", "w7r")
    lock = threading.Lock()
    finished = threading.Event()
    failure: list[BaseException] = []
    state = {"number": 0, "running": args.concurrency}

    def stop() -> None:
        with lock:
            state["running"] -= 1
            if state["running"] == 0:
                finished.set()

    def send(_rows: Any = None, since: float | None = None) -> None:
        if since is not None:
            meter.latencies.append(time.perf_counter() - since)
        if reads and _rows is not None:
            _rows[0]
        # Callbacks come on one thread; only the first requests are sent on another.
        number = state["number"] = state["number"] + 1
        if number > args.concurrency and not meter.tick(1):
            stop()
            return
        sample = time.perf_counter() if meter.measuring and number % SAMPLE_EVERY == 0 else None
        future = session.execute_async(prepared, parameters(workload, number))
        future.add_callbacks(send, fail, callback_args=(sample,))

    def fail(error: BaseException, *_: Any) -> None:
        failure.append(error)
        finished.set()

    for _ in range(args.concurrency):
        send()
    finished.wait()
    if failure:
        raise failure[0]


def run_futures(session: Any, prepared: Any, args: argparse.Namespace, meter: Meter) -> None:
    """A window of futures; the oldest is waited for, then the next request sent."""
    workload, reads = args.workload, args.workload in ("w2", "w7r")
    window: collections.deque[tuple[Any, float]] = collections.deque()
    number = 0
    while True:
        number += 1
        since = time.perf_counter()
        window.append((session.execute_async(prepared, parameters(workload, number)), since))
        if len(window) < args.concurrency:
            continue
        future, since = window.popleft()
        result = future.result()
        if reads:
            result.one()
        if meter.measuring and number % SAMPLE_EVERY == 0:
            meter.latencies.append(time.perf_counter() - since)
        if not meter.tick(1):
            break
    for future, _ in window:
        future.result()


def run_threads(session: Any, prepared: Any, args: argparse.Namespace, meter: Meter) -> None:
    """So many threads with one request at a time each."""
    lock = threading.Lock()
    running = threading.Event()
    running.set()
    failure: list[BaseException] = []

    def work(first: int) -> None:
        number = first
        try:
            while running.is_set():
                for _ in range(SAMPLE_EVERY):
                    number += 1
                    session.execute(prepared, parameters(args.workload, number))
                with lock:
                    if not meter.tick(SAMPLE_EVERY):
                        running.clear()
        except Exception as error:  # whatever it is, the main thread raises it
            failure.append(error)
            running.clear()

    threads = [threading.Thread(target=work, args=(7 * index,)) for index in range(args.concurrency)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failure:
        raise failure[0]


def run_asyncio(session: Any, prepared: Any, args: argparse.Namespace, meter: Meter) -> None:
    """Futures that are awaited, so many coroutines at a time."""
    workload, reads = args.workload, args.workload in ("w2", "w7r")

    async def once(number: int) -> None:
        result = await session.execute_async(prepared, parameters(workload, number))
        if reads:
            result.one()

    asyncio.run(drive(once, args.concurrency, meter))


def run_numpy(session: Any, prepared: Any, args: argparse.Namespace, meter: Meter) -> None:
    """Pages as arrays, one for each column."""
    rows = ROWS[args.workload]

    def read() -> int:
        count = 0
        result = session.execute(prepared, (0,))
        while True:
            # A page is one dictionary of columns, or a list with one.
            page = result.current_rows
            page = page if isinstance(page, dict) else page[0]
            count += len(next(iter(page.values())))
            if not result.has_more_pages:
                return count
            result.fetch_next_page()

    found = read()
    if found != rows:
        raise SystemExit(f"{found} rows instead of {rows}")
    while True:
        since = time.perf_counter()
        read()
        if meter.measuring:
            meter.latencies.append(time.perf_counter() - since)
        if not meter.tick(rows):
            return


def give_up(why: str) -> None:
    """Ends the program where the driver has not got what is to be measured: no failure, but a line of the report."""
    print(why, file=sys.stderr, flush=True)
    os._exit(4)


MODES: dict[str, Callable[[Any, Any, argparse.Namespace, Meter], None]] = {
    "sync": run_sync,
    "pages": run_pages,
    "concurrent": run_concurrent,
    "callbacks": run_callbacks,
    "futures": run_futures,
    "threads": run_threads,
    "asyncio": run_asyncio,
    "numpy": run_numpy,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mode", choices=[*MODES, "connect"], required=True)
    parser.add_argument("--workload", required=True)
    parser.add_argument("--statement", required=True)
    parser.add_argument("--address", required=True)
    parser.add_argument("--concurrency", type=int, default=1)
    parser.add_argument("--protocol", type=int, default=4)
    parser.add_argument("--lz4", action="store_true")
    parser.add_argument("--without-schema", action="store_true")
    parser.add_argument("--rows", choices=["named_tuple", "tuple", "dict"], default="named_tuple")
    parser.add_argument("--warm-up", type=float, default=0.4)
    parser.add_argument("--seconds", type=float, default=1.5)
    args = parser.parse_args()
    host, _, port = args.address.rpartition(":")

    begun = time.perf_counter()
    from cassandra import query
    from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile

    imported = time.perf_counter()
    factory = query.tuple_factory if args.mode == "numpy" else getattr(query, f"{args.rows}_factory")
    cpu = time.process_time()
    cluster = Cluster(
        [host],
        port=int(port),
        protocol_version=args.protocol,
        compression="lz4" if args.lz4 else False,
        schema_metadata_enabled=not args.without_schema,
        execution_profiles={EXEC_PROFILE_DEFAULT: ExecutionProfile(row_factory=factory)},
    )
    session = cluster.connect()
    connected = time.perf_counter()
    if args.mode == "connect" and not args.without_schema and not cluster.metadata.keyspaces:
        give_up("it reads no schema yet")
    if args.mode == "connect":
        result = {
            "operations": 1,
            "cpu_seconds": time.process_time() - cpu,
            "wall_seconds": connected - imported,
            "import_ms": (imported - begun) * 1e3,
            "connect_ms": (connected - imported) * 1e3,
            "idle_rss_kib": memory("VmRSS"),
            "peak_rss_kib": memory("VmHWM"),
            "p50_us": None,
            "p99_us": None,
        }
    else:
        if args.mode == "numpy":
            from cassandra import protocol

            handler = protocol.NumpyProtocolHandler
            if handler is None:
                give_up("it has no NumPy handler")
            if args.workload == "w4":
                # Vectors as one array, where there is a handler for that: NumpyProtocolHandler makes lists of them.
                handler = getattr(protocol, "NumpyColumnsProtocolHandler", handler)
            session.client_protocol_handler = handler
            session.default_fetch_size = PAGE_SIZE.get(args.workload, 5_000)
        prepared = session.prepare(args.statement)
        prepared.fetch_size = PAGE_SIZE.get(args.workload, 5_000)
        meter = Meter(args.warm_up, args.seconds)
        MODES[args.mode](session, prepared, args, meter)
        result = meter.result()
    json.dump(result, sys.stdout)
    print(flush=True)
    cluster.shutdown()


if __name__ == "__main__":
    main()
