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


class Kind(enum.Enum):
    """What a client is in a comparison."""

    OURS = "ours"
    PEER = "peer"
    LIMIT = "limit"


@dataclasses.dataclass(frozen=True)
class Client:
    """A program to run, without the address of the server."""

    name: str
    command: tuple[str, ...]
    kind: Kind


@dataclasses.dataclass(frozen=True)
class Group:
    """Clients that do the same thing. Figures are compared within a group only."""

    id: str
    """Short, the name of the group in ``targets.toml``."""
    title: str
    placement: Placement
    clients: tuple[Client, ...]
    unit: str = "request"
    notes: tuple[str, ...] = ()
    """Why who is missing is missing."""

    @property
    def face(self) -> str:
        """Rust or Python."""
        return self.title.partition(",")[0]

    @property
    def is_connecting(self) -> bool:
        """Whether it has a table of its own."""
        return self.unit == "connect"


@dataclasses.dataclass(frozen=True)
class Programs:
    """Where the clients are; ``None`` where one could not be had."""

    rust: Path
    ours: Path | None
    published: Path | None
    fork: Path | None
    acsylla: Path | None
    floor: Path | None
    """Directory of the C extension, built for :attr:`floor_python`."""
    floor_python: Path | None


NAMES = {
    "w1": "w1 (insert int, text 100 B)",
    "w2": "w2 (select one row)",
    "w3": "w3 (ten columns, pages of 5,000)",
    "w3n": "w3n (five fixed-width columns)",
    "w4": "w4 (vector<float, 768>)",
    "w7r": "w7r (read 1 MiB)",
    "w7w": "w7w (insert 1 MiB)",
}
PEERS = {
    "scylla": "scylla 1.9.0",
    "cdrs": "cdrs-tokio 9.0.2",
    "published": "cassandra-driver 3.30.1",
    "fork": "scylla-driver 3.29.12",
    "acsylla": "acsylla 1.2.0",
}
OURS = "helenus"

NO_VECTORS = "cdrs-tokio knows no vectors"
ONE_KIND = "cdrs-tokio has rows of one kind, that of the line with owned values"
V4_ONLY = "scylla speaks v4 only"
ACSYLLA_DECIMALS = "acsylla fails on the decimals of this workload"
ACSYLLA_VECTORS = "acsylla gives vectors as undecoded bytes"
ACSYLLA_ASYNC = "acsylla has no callbacks, futures or threads: see asyncio"
ARRAYS = "helenus by NumpyColumnsProtocolHandler: one array of all vectors; NumpyProtocolHandler makes lists"
ONLY_AWAITS = "the futures of cassandra-driver and scylla-driver cannot be awaited"


class Catalogue:
    """Builds the groups.

    :param statements: by workload.
    """

    def __init__(self, programs: Programs, statements: dict[str, str]) -> None:
        self._programs = programs
        self._statements = statements
        self.groups: list[Group] = []

    def _add(
        self,
        name: str,
        title: str,
        placement: Placement,
        clients: list[Client],
        unit: str,
        notes: tuple[str, ...],
    ) -> None:
        if clients:
            self.groups.append(Group(name, title, placement, tuple(clients), unit, notes))

    def rust(
        self,
        name: str,
        title: str,
        workload: str,
        placement: Placement,
        *,
        who: str = "bare scylla cdrs",
        concurrency: int = 1,
        workers: int = 0,
        rows: str = "owned",
        protocol: int = 4,
        lz4: bool = False,
        schema: bool = False,
        unit: str = "request",
        notes: tuple[str, ...] = (),
    ) -> None:
        """A group of Rust clients: ours and those named in ``who``."""
        command: tuple[str, ...] = (str(self._programs.rust), "--workload", workload)
        command += ("--statement", self._statements.get(workload, ""), "--concurrency", str(concurrency))
        command += ("--workers", str(workers), "--rows", rows, "--protocol", str(protocol))
        command += (*(("--lz4",) if lz4 else ()), *(("--schema",) if schema else ()))
        clients = []
        for client in (*who.split(), OURS):
            label, kind = PEERS.get(client, client), Kind.PEER
            if client == OURS:
                kind = Kind.OURS
            elif client == "bare":
                label, kind = "bare socket", Kind.LIMIT
            clients.append(Client(label, (*command, "--client", client), kind))
        self._add(name, f"Rust, {title}", placement, clients, unit, notes)

    def python(
        self,
        name: str,
        title: str,
        workload: str,
        mode: str,
        placement: Placement,
        *,
        who: str = "floor published fork",
        concurrency: int = 1,
        rows: str = "named_tuple",
        protocol: int = 4,
        lz4: bool = False,
        without_schema: bool = False,
        unit: str = "request",
        notes: tuple[str, ...] = (),
    ) -> None:
        """A group of Python clients: ours and those named in ``who``."""
        programs = self._programs
        arguments: tuple[str, ...] = ("--mode", mode, "--workload", workload, "--rows", rows)
        arguments += ("--statement", self._statements.get(workload, ""), "--concurrency", str(concurrency))
        arguments += ("--without-schema",) if without_schema else ()
        wire = ("--protocol", str(protocol), *(("--lz4",) if lz4 else ()))
        known = {
            "published": (programs.published, "client.py", wire),
            "fork": (programs.fork, "client.py", wire),
            "acsylla": (programs.acsylla, "acsylla_client.py", ()),
            OURS: (programs.ours, "client.py", wire),
        }
        clients = []
        for client in (*who.split(), OURS):
            if client == "floor":
                if programs.floor is not None and programs.floor_python is not None:
                    command = (str(programs.floor_python), "benches/python/floor_client.py", *arguments)
                    command += ("--floor", str(programs.floor))
                    clients.append(Client("C extension", command, Kind.LIMIT))
                continue
            python, program, more = known[client]
            if python is None:
                continue
            command = (str(python), f"benches/python/{program}", *arguments, *more)
            clients.append(Client(PEERS.get(client, client), command, Kind.OURS if client == OURS else Kind.PEER))
        self._add(name, f"Python, {title}", placement, clients, unit, notes)


def _rust(found: Catalogue) -> None:
    for workload in ("w1", "w2"):
        name = NAMES[workload]
        found.rust(f"rust-{workload}-1", f"{name}, 1 at a time, one core", workload, Placement.ONE_CORE)
        for concurrency in (32, 256, 1024):
            title = f"{name}, {concurrency} in flight, current-thread runtime"
            key = f"rust-{workload}-{concurrency}"
            found.rust(key, title, workload, Placement.APART, concurrency=concurrency)
        for concurrency in (256, 1024):
            title = f"{name}, {concurrency} in flight, two workers"
            key = f"rust-{workload}-{concurrency}-two"
            who = "scylla cdrs"
            found.rust(key, title, workload, Placement.FREE, who=who, concurrency=concurrency, workers=2)
    for workload in ("w3", "w3n", "w4"):
        name, key = NAMES[workload], f"rust-{workload}"
        who, notes = ("bare scylla", (NO_VECTORS,)) if workload == "w4" else ("bare scylla cdrs", ())
        found.rust(f"{key}-owned", f"{name}, owned values", workload, Placement.APART, who=who, unit="row", notes=notes)
        for rows in ("dynamic", "borrowed"):
            title = f"{name}, {rows} values"
            arguments = {"who": "bare scylla", "rows": rows, "unit": "row"}
            notes = (NO_VECTORS if workload == "w4" else ONE_KIND,)
            found.rust(f"{key}-{rows}", title, workload, Placement.APART, notes=notes, **arguments)
    for workload in ("w7r", "w7w"):
        found.rust(f"rust-{workload}", NAMES[workload], workload, Placement.APART)


def _python(found: Catalogue) -> None:
    every = "floor published fork acsylla"
    threads = "floor published fork"
    free = Placement.FREE
    for workload in ("w1", "w2"):
        name, key = NAMES[workload], f"python-{workload}"
        title = f"{name}, execute, 1 at a time, one core"
        found.python(f"{key}-sync", title, workload, "sync", Placement.ONE_CORE, who=every)
        title = f"{name}, execute_concurrent_with_args, 256 in flight"
        found.python(f"{key}-concurrent", title, workload, "concurrent", free, who=every, concurrency=256)
        for mode in ("callbacks", "futures"):
            title = f"{name}, {mode}, 256 in flight"
            arguments = {"who": threads, "concurrency": 256, "notes": (ACSYLLA_ASYNC,)}
            found.python(f"{key}-{mode}", title, workload, mode, free, **arguments)
        title = f"{name}, asyncio, 256 in flight"
        arguments = {"who": "floor acsylla", "concurrency": 256, "notes": (ONLY_AWAITS,)}
        found.python(f"{key}-asyncio", title, workload, "asyncio", free, **arguments)
    title = f"{NAMES['w1']}, 16 threads"
    found.python("python-w1-threads", title, "w1", "threads", free, concurrency=16, notes=(ACSYLLA_ASYNC,))
    for rows in ("named_tuple", "tuple", "dict"):
        title = f"{NAMES['w3']}, {rows}"
        arguments = {"rows": rows, "unit": "row", "notes": (ACSYLLA_DECIMALS,)}
        found.python(f"python-w3-{rows}", title, "w3", "pages", free, **arguments)
    title = f"{NAMES['w3n']}, named_tuple"
    found.python("python-w3n-named_tuple", title, "w3n", "pages", free, who=every, unit="row")
    title = f"{NAMES['w4']}, lists"
    found.python("python-w4-lists", title, "w4", "pages", free, unit="row", notes=(ACSYLLA_VECTORS,))
    for workload in ("w3n", "w3", "w4"):
        title = f"{NAMES[workload]}, NumPy"
        arguments = {"who": "published fork", "unit": "row", "notes": (ARRAYS,) if workload == "w4" else ()}
        found.python(f"python-{workload}-numpy", title, workload, "numpy", free, **arguments)
    for workload in ("w7r", "w7w"):
        found.python(f"python-{workload}", NAMES[workload], workload, "sync", free, who=every)


def _wire(found: Catalogue) -> None:
    """v5 beside v4 and LZ4 beside plain: the groups of v4 without compression are those of the same title."""
    v5 = {"protocol": 5, "notes": (V4_ONLY,)}
    lz4 = {"lz4": True}
    both = {**v5, **lz4}
    for suffix, wire in (("v5", v5), ("lz4", lz4), ("v5-lz4", both)):
        label = {"v5": "v5", "lz4": "v4 with LZ4", "v5-lz4": "v5 with LZ4"}[suffix]
        who = "bare cdrs" if "protocol" in wire else "bare scylla cdrs"
        title = f"{NAMES['w1']}, 256 in flight, current-thread runtime, {label}"
        arguments = {"who": who, "concurrency": 256, **wire}
        found.rust(f"rust-w1-256-{suffix}", title, "w1", Placement.APART, **arguments)
        title = f"{NAMES['w3']}, owned values, {label}"
        found.rust(f"rust-w3-owned-{suffix}", title, "w3", Placement.APART, who=who, unit="row", **wire)
        wire = {key: value for key, value in wire.items() if key != "notes"}
        arguments = {"who": "published fork", **wire}
        title = f"{NAMES['w1']}, execute_concurrent_with_args, 256 in flight, {label}"
        key = f"python-w1-concurrent-{suffix}"
        found.python(key, title, "w1", "concurrent", Placement.FREE, concurrency=256, **arguments)
        title = f"{NAMES['w3']}, named_tuple, {label}"
        key = f"python-w3-named_tuple-{suffix}"
        found.python(key, title, "w3", "pages", Placement.FREE, unit="row", **arguments)


def _connecting(found: Catalogue) -> None:
    title = "w6, connect without schema"
    found.rust("rust-w6", title, "w6", Placement.FREE, unit="connect")
    title = "w6, connect with schema"
    notes = ("cdrs-tokio does not read the schema",)
    found.rust("rust-w6-schema", title, "w6", Placement.FREE, who="scylla", schema=True, unit="connect", notes=notes)
    who = "published fork acsylla"
    for key, label, without in (("", "without", True), ("-schema", "with", False)):
        title = f"w6, import and connect {label} schema"
        arguments = {"who": who, "unit": "connect", "without_schema": without}
        found.python(f"python-w6{key}", title, "w6", "connect", Placement.FREE, **arguments)


def canned(programs: Programs, statements: dict[str, str]) -> list[Group]:
    """All groups against the canned responder."""
    found = Catalogue(programs, statements)
    _rust(found)
    _python(found)
    _wire(found)
    _connecting(found)
    return found.groups


def real(programs: Programs, statements: dict[str, str]) -> list[Group]:
    """The groups against a real node."""
    found = Catalogue(programs, statements)
    for workload in ("w1", "w2"):
        name, free = NAMES[workload], Placement.FREE
        title = f"{name}, 256 in flight, current-thread runtime"
        found.rust(f"real-rust-{workload}", title, workload, free, concurrency=256)
        title = f"{name}, 256 in flight, two workers"
        arguments = {"who": "scylla cdrs", "concurrency": 256, "workers": 2}
        found.rust(f"real-rust-{workload}-two", title, workload, free, **arguments)
    found.rust("real-rust-w3", f"{NAMES['w3']}, owned values", "w3", Placement.FREE, unit="row")
    every = "floor published fork acsylla"
    for workload in ("w1", "w2"):
        title = f"{NAMES[workload]}, execute_concurrent_with_args, 256 in flight"
        key = f"real-python-{workload}"
        found.python(key, title, workload, "concurrent", Placement.FREE, who=every, concurrency=256)
    title = f"{NAMES['w3']}, named_tuple"
    notes = (ACSYLLA_DECIMALS,)
    found.python("real-python-w3", title, "w3", "pages", Placement.FREE, unit="row", notes=notes)
    return found.groups
