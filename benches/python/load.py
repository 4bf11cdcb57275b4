"""Makes the benchmark's tables on a real node and fills them. Runs under the published driver.

What to make is read from standard input: the output of ``helenus-testkit canned --describe``.
"""

from __future__ import annotations

import argparse
import decimal
import json
import random
import sys
import uuid

from cassandra.cluster import Cluster
from cassandra.concurrent import execute_concurrent_with_args


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", required=True)
    host, _, port = parser.parse_args().address.rpartition(":")
    description = json.load(sys.stdin)
    cluster = Cluster([host], port=int(port), protocol_version=4)
    session = cluster.connect()
    # On a busy machine a node that has just started takes its time.
    session.default_timeout = 120
    for statement in description["schema"]:
        session.execute(statement)

    chance = random.Random(1)  # the same rows every time

    def load(text: str, rows: list[tuple[object, ...]], concurrency: int = 32) -> None:
        execute_concurrent_with_args(
            session, session.prepare(text), rows, concurrency=concurrency, raise_on_first_error=True
        )

    load(description["statements"]["w1"], [(key, "x" * 100) for key in range(1_000)])
    load(
        "INSERT INTO bench.w3 (p, c_int, c_bigint, c_text, c_double, c_boolean, c_timestamp, c_uuid, c_blob, c_list,"
        " c_decimal) VALUES (0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                number,
                chance.getrandbits(63),
                f"text-of-row-{number:08}",
                number + 0.5,
                number % 2 == 1,
                1_577_836_800_000 + number * 60_000,
                uuid.UUID(int=chance.getrandbits(128), version=4),
                chance.randbytes(50),
                [number, number + 1, number + 2],
                decimal.Decimal(number * 100 + 25).scaleb(-2),
            )
            for number in range(50_000)
        ],
    )
    load(
        "INSERT INTO bench.w4 (p, k, v) VALUES (0, ?, ?)",
        [(number, [chance.random() for _ in range(768)]) for number in range(1_000)],
    )
    load(description["statements"]["w7w"], [(key, b"\x5a" * (1 << 20)) for key in range(4)], concurrency=1)
    cluster.shutdown()


if __name__ == "__main__":
    main()
