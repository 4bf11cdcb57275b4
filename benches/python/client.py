"""One Python client, one workload, one measurement: prints a line of JSON.

The same program runs under the published ``cassandra-driver`` and under Helenus: only the interpreter differs. CPU time
is that of the whole process between two marks, all threads together; peak memory that of its whole life.
"""

from __future__ import annotations

import argparse
import collections
import json
import sys
import threading
import time
from collections.abc import Callable
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


MODES: dict[str, Callable[[Any, Any, argparse.Namespace, Meter], None]] = {
    "sync": run_sync,
    "pages": run_pages,
    "concurrent": run_concurrent,
    "callbacks": run_callbacks,
    "futures": run_futures,
    "threads": run_threads,
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
    parser.add_argument("--rows", choices=["named_tuple", "tuple", "dict"], default="named_tuple")
    parser.add_argument("--warm-up", type=float, default=0.4)
    parser.add_argument("--seconds", type=float, default=1.5)
    args = parser.parse_args()
    host, _, port = args.address.rpartition(":")

    begun = time.perf_counter()
    from cassandra import query
    from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile

    imported = time.perf_counter()
    factory = getattr(query, f"{args.rows}_factory")
    cluster = Cluster(
        [host],
        port=int(port),
        protocol_version=args.protocol,
        compression="lz4" if args.lz4 else False,
        execution_profiles={EXEC_PROFILE_DEFAULT: ExecutionProfile(row_factory=factory)},
    )
    session = cluster.connect()
    connected = time.perf_counter()
    if args.mode == "connect":
        result = {
            "import_ms": (imported - begun) * 1e3,
            "connect_ms": (connected - imported) * 1e3,
            "idle_rss_kib": memory("VmRSS"),
        }
    else:
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
