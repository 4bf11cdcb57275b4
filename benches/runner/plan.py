"""What is measured: groups of clients that do the same thing and are compared with one another."""

from __future__ import annotations

import dataclasses
import enum
from pathlib import Path


class Placement(enum.Enum):
    """Which cores client and server run on."""

    ONE_CORE = "one core"
    """Client and server share one core: the whole way of one request at a time, without waking another core."""
    APART = "a core each"
    """The client has one core, the server another."""
    FREE = "free"
    """The scheduler decides."""


@dataclasses.dataclass(frozen=True)
class Client:
    """A program to run, without the address of the server."""

    name: str
    command: tuple[str, ...]
    is_limit: bool = False
    is_peer: bool = False


@dataclasses.dataclass(frozen=True)
class Group:
    """Clients that do the same thing. Figures are compared within a group only."""

    title: str
    workload: str
    placement: Placement
    clients: tuple[Client, ...]
    unit: str = "request"


@dataclasses.dataclass(frozen=True)
class Programs:
    """Where the clients are."""

    rust: Path
    ours: Path | None
    published: Path


SINGLE = ("w1", "w2")
IN_FLIGHT = (32, 256, 1024)
NAMES = {
    "w1": "w1 (insert int, text 100 B)",
    "w2": "w2 (select one row)",
    "w3": "w3 (ten columns, pages of 5,000)",
    "w3n": "w3n (five fixed-width columns)",
    "w4": "w4 (vector<float, 768>)",
    "w7r": "w7r (read 1 MiB)",
    "w7w": "w7w (insert 1 MiB)",
}


def groups(programs: Programs, statements: dict[str, str], protocol: int, *, lz4: bool) -> list[Group]:
    """All groups, cheap ones first."""
    common = ("--protocol", str(protocol), *(("--lz4",) if lz4 else ()))

    def rust(workload: str, concurrency: int, workers: int = 0) -> tuple[Client, ...]:
        arguments = ("--workload", workload, "--statement", statements[workload], *common)
        in_flight = ("--concurrency", str(concurrency), "--workers", str(workers))

        def client(kind: str, name: str, *, is_limit: bool = False, is_peer: bool = False) -> Client:
            return Client(name, (str(programs.rust), "--client", kind, *arguments, *in_flight), is_limit, is_peer)

        clients = []
        if workers == 0:
            clients.append(client("bare", "bare socket", is_limit=True))
        # It speaks v4 only.
        if protocol == 4:
            clients.append(client("scylla", "scylla 1.9.0", is_peer=True))
        clients.append(client("helenus", "helenus"))
        return tuple(clients)

    def python(workload: str, mode: str, concurrency: int = 1, rows: str = "named_tuple") -> tuple[Client, ...]:
        arguments: tuple[str, ...] = ("benches/python/client.py", "--mode", mode, "--workload", workload)
        arguments += ("--statement", statements[workload], "--rows", rows, *common)
        arguments += ("--concurrency", str(concurrency))
        clients = [Client("cassandra-driver", (str(programs.published), *arguments), is_peer=True)]
        if programs.ours is not None:
            clients.append(Client("helenus", (str(programs.ours), *arguments)))
        return tuple(clients)

    found: list[Group] = []

    def add(
        title: str, workload: str, placement: Placement, clients: tuple[Client, ...], unit: str = "request"
    ) -> None:
        found.append(Group(title, workload, placement, clients, unit))

    for workload in SINGLE:
        name = NAMES[workload]
        add(f"Rust, {name}, 1 at a time, one core", workload, Placement.ONE_CORE, rust(workload, 1))
        for concurrency in IN_FLIGHT:
            title = f"Rust, {name}, {concurrency} in flight, current-thread runtime"
            add(title, workload, Placement.APART, rust(workload, concurrency))
        title = f"Rust, {name}, 256 in flight, two workers"
        add(title, workload, Placement.FREE, rust(workload, 256, workers=2))
    for workload in ("w3", "w3n", "w4"):
        title = f"Rust, {NAMES[workload]}, owned values"
        add(title, workload, Placement.APART, rust(workload, 1), unit="row")
    for workload in ("w7r", "w7w"):
        add(f"Rust, {NAMES[workload]}", workload, Placement.APART, rust(workload, 1))
    for workload in SINGLE:
        name = NAMES[workload]
        title = f"Python, {name}, execute, 1 at a time, one core"
        add(title, workload, Placement.ONE_CORE, python(workload, "sync"))
        title = f"Python, {name}, execute_concurrent_with_args, 256 in flight"
        add(title, workload, Placement.FREE, python(workload, "concurrent", 256))
        title = f"Python, {name}, callbacks, 256 in flight"
        add(title, workload, Placement.FREE, python(workload, "callbacks", 256))
        title = f"Python, {name}, futures, 256 in flight"
        add(title, workload, Placement.FREE, python(workload, "futures", 256))
    add(f"Python, {NAMES['w1']}, 16 threads", "w1", Placement.FREE, python("w1", "threads", 16))
    for rows in ("named_tuple", "tuple", "dict"):
        title = f"Python, {NAMES['w3']}, {rows}"
        add(title, "w3", Placement.FREE, python("w3", "pages", rows=rows), unit="row")
    title = f"Python, {NAMES['w3n']}, named_tuple"
    add(title, "w3n", Placement.FREE, python("w3n", "pages"), unit="row")
    title = f"Python, {NAMES['w4']}, lists"
    add(title, "w4", Placement.FREE, python("w4", "pages"), unit="row")
    for workload in ("w7r", "w7w"):
        add(f"Python, {NAMES[workload]}", workload, Placement.FREE, python(workload, "sync"))
    return [group for group in found if group.clients]
