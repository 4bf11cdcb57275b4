"""The driver ``acsylla``, one workload, one measurement: prints a line of JSON, as ``client.py`` does.

One connection, one I/O thread and protocol v4, its defaults; rows as ``--rows`` says.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from typing import Any

from meter import PAGE_SIZE, ROWS, Meter, drive, memory, parameters

TAKE = {"named_tuple": "as_named_tuple", "tuple": "as_tuple", "dict": "as_dict"}


async def requests(session: Any, prepared: Any, args: argparse.Namespace, meter: Meter) -> None:
    """So many requests in flight."""
    workload, reads = args.workload, args.workload in ("w2", "w7r")
    take = TAKE[args.rows]

    async def once(number: int) -> None:
        statement = prepared.bind(parameters(workload, number))
        result = await session.execute(statement)
        if reads:
            getattr(result.first(), take)()

    await drive(once, args.concurrency, meter)


async def batches(session: Any, prepared: Any, args: argparse.Namespace, meter: Meter) -> None:
    """A list of parameters at a time, like ``execute_concurrent_with_args``: as many workers as are to be in flight."""
    workload, reads = args.workload, args.workload in ("w2", "w7r")
    take = TAKE[args.rows]

    async def call(count: int) -> None:
        values = iter([parameters(workload, number) for number in range(count)])

        async def worker() -> None:
            for value in values:
                result = await session.execute(prepared.bind(value))
                if reads:
                    getattr(result.first(), take)()

        await asyncio.gather(*(worker() for _ in range(args.concurrency)))

    since = time.perf_counter()
    await call(1_000)
    count = max(1_000, int(1_000 * 0.5 / (time.perf_counter() - since)))
    while True:
        await call(count)
        if not meter.tick(count):
            return


async def pages(session: Any, prepared: Any, args: argparse.Namespace, meter: Meter) -> None:
    """All rows of all pages, again and again."""
    rows, take, size = ROWS[args.workload], TAKE[args.rows], PAGE_SIZE.get(args.workload, 5_000)

    async def read() -> int:
        count, state = 0, None
        while True:
            result = await session.execute(prepared.bind((0,), page_size=size, page_state=state))
            for row in result:
                getattr(row, take)()
                count += 1
            if not result.has_more_pages():
                return count
            state = result.page_state()

    found = await read()
    if found != rows:
        raise SystemExit(f"{found} rows instead of {rows}")
    while True:
        since = time.perf_counter()
        await read()
        if meter.measuring:
            meter.latencies.append(time.perf_counter() - since)
        if not meter.tick(rows):
            return


MODES = {"sync": requests, "asyncio": requests, "concurrent": batches, "pages": pages}


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mode", choices=[*MODES, "connect"], required=True)
    parser.add_argument("--workload", required=True)
    parser.add_argument("--statement", required=True)
    parser.add_argument("--address", required=True)
    parser.add_argument("--concurrency", type=int, default=1)
    parser.add_argument("--rows", choices=[*TAKE], default="named_tuple")
    parser.add_argument("--without-schema", action="store_true")
    parser.add_argument("--warm-up", type=float, default=0.4)
    parser.add_argument("--seconds", type=float, default=1.5)
    args = parser.parse_args()
    host, _, port = args.address.rpartition(":")

    begun = time.perf_counter()
    import acsylla

    imported = time.perf_counter()
    cpu = time.process_time()
    cluster = acsylla.create_cluster(
        [host], port=int(port), protocol_version=4, use_schema=not args.without_schema, log_level="error"
    )
    session = await cluster.create_session()
    connected = time.perf_counter()
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
        prepared = await session.create_prepared(args.statement)
        meter = Meter(args.warm_up, args.seconds)
        await MODES[args.mode](session, prepared, args, meter)
        result = meter.result()
    json.dump(result, sys.stdout)
    print(flush=True)
    await session.close()


if __name__ == "__main__":
    asyncio.run(main())
