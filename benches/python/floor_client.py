"""The limit for Python, one workload, one measurement: prints a line of JSON, as ``client.py`` does.

The C extension ``benches/floor`` encodes, writes, reads and decodes into the objects that a driver makes; nothing else
is done. Requests that are in flight together are written together and waited for together, whatever the mode is called.
"""

from __future__ import annotations

import argparse
import collections
import importlib
import json
import socket
import struct
import sys
import time
from typing import Any

from meter import PAGE_SIZE, ROWS, SAMPLE_EVERY, Meter, parameters

TYPES = {"w2": "is", "w3": "ilsdbtuxLD", "w3n": "ildbt", "w4": "iF", "w7r": "x"}
COLUMNS = {
    "w2": ("k", "v"),
    "w3": tuple("c_int c_bigint c_text c_double c_boolean c_timestamp c_uuid c_blob c_list c_decimal".split()),
    "w3n": ("c_int", "c_bigint", "c_double", "c_boolean", "c_timestamp"),
    "w4": ("k", "v"),
    "w7r": ("v",),
}
STARTUP, READY, PREPARE, RESULT = 0x01, 0x02, 0x09, 0x08


def ask(wire: socket.socket, opcode: int, body: bytes, expected: int) -> bytes:
    """One request of protocol v4 and the body of its answer."""
    wire.sendall(struct.pack(">BBhBi", 4, 0, 0, opcode, len(body)) + body)

    def read(length: int) -> bytes:
        found = b""
        while len(found) < length:
            more = wire.recv(length - len(found))
            if not more:
                raise ConnectionError("the server closed the connection")
            found += more
        return found

    _, _, _, answered, length = struct.unpack(">BBhBi", read(9))
    answer = read(length)
    if answered != expected:
        raise RuntimeError(f"answered by opcode {answered}: {answer!r}")
    return answer


def short(text: bytes) -> bytes:
    return struct.pack(">H", len(text)) + text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mode", required=True)
    parser.add_argument("--workload", required=True)
    parser.add_argument("--statement", required=True)
    parser.add_argument("--address", required=True)
    parser.add_argument("--floor", required=True, help="directory of the extension")
    parser.add_argument("--concurrency", type=int, default=1)
    parser.add_argument("--rows", choices=["named_tuple", "tuple", "dict"], default="named_tuple")
    parser.add_argument("--warm-up", type=float, default=0.4)
    parser.add_argument("--seconds", type=float, default=1.5)
    args = parser.parse_args()
    sys.path.insert(0, args.floor)
    floor: Any = importlib.import_module("floor")

    host, _, port = args.address.rpartition(":")
    wire = socket.create_connection((host, int(port)))
    wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    ask(wire, STARTUP, struct.pack(">H", 1) + short(b"CQL_VERSION") + short(b"3.0.0"), READY)
    text = args.statement.encode()
    answer = ask(wire, PREPARE, struct.pack(">i", len(text)) + text, RESULT)
    identifier = answer[6 : 6 + struct.unpack(">H", answer[4:6])[0]]

    types, columns = TYPES.get(args.workload, ""), COLUMNS.get(args.workload, ())
    kinds: dict[str, tuple[type, Any]] = {
        "named_tuple": (collections.namedtuple("Row", columns), None),
        "tuple": (tuple, None),
        "dict": (dict, columns),
    }
    kind, names = kinds[args.rows]
    meter = Meter(args.warm_up, args.seconds)

    def pages() -> None:
        rows, size = ROWS[args.workload], PAGE_SIZE.get(args.workload, 5_000)
        while True:
            since = time.perf_counter()
            state, count = None, 0
            while True:
                page, state = floor.page(wire.fileno(), identifier, (0,), size, state, types, kind, names)
                count += len(page)
                if state is None:
                    break
            if count != rows:
                raise SystemExit(f"{count} rows instead of {rows}")
            if meter.measuring:
                meter.latencies.append(time.perf_counter() - since)
            if not meter.tick(rows):
                return

    def requests() -> None:
        number = 0
        while True:
            values = [parameters(args.workload, number + more) for more in range(args.concurrency)]
            since = time.perf_counter()
            for answer in floor.pipeline(wire.fileno(), identifier, values, types, kind, names):
                if types:
                    answer[0]
            number += args.concurrency
            if meter.measuring and (number // args.concurrency) % SAMPLE_EVERY == 0:
                meter.latencies.append(time.perf_counter() - since)
            if not meter.tick(args.concurrency):
                return

    (pages if args.mode == "pages" else requests)()
    json.dump(meter.result(), sys.stdout)
    print(flush=True)


if __name__ == "__main__":
    main()
