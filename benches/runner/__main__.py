"""``benches/run``: measures Helenus beside its peers and beside bare sockets, in one interleaved run."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import os
import platform
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from . import plan, report, servers
from .plan import Placement

PUBLISHED = "cassandra-driver==3.30.1"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benches/run", description=__doc__)
    parser.add_argument("--only", default="", metavar="REGEX", help="groups whose title matches")
    parser.add_argument("--clients", default="", metavar="REGEX", help="clients whose name matches")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each client (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=1.5, help="length of one (default %(default)s)")
    parser.add_argument("--protocol", type=int, default=4, choices=(3, 4, 5), help="protocol version")
    parser.add_argument("--lz4", action="store_true", help="with compression")
    parser.add_argument("--real", action="store_true", help="against a real Cassandra node instead")
    parser.add_argument("--address", help="of a server that is up already and has the tables")
    parser.add_argument("--load", action="store_true", help="make and fill the tables at --address first")
    parser.add_argument("--ours", type=Path, default=Path("build/venv/bin/python"), help="Python with Helenus")
    parser.add_argument(
        "--published", type=Path, default=Path("build/oracle/bin/python"), help=f"Python with {PUBLISHED}"
    )
    parser.add_argument("--out", type=Path, default=Path("build/bench"), help="where results go")
    parser.add_argument("--list", action="store_true", help="say what would be measured")
    return parser.parse_args()


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def build() -> tuple[Path, Path]:
    """The test bed and the Rust clients, in release mode."""
    say("== building the clients (some minutes the first time)")
    target = Path(os.environ.get("CARGO_TARGET_DIR", "target")).absolute()
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target)}
    for manifest, package in (("Cargo.toml", "helenus-testkit"), ("benches/rust/Cargo.toml", "helenus-bench")):
        command = ["cargo", "build", "--release", "--quiet", "--manifest-path", manifest, "--package", package]
        subprocess.run(command, check=True, env=environment)
    return target / "release" / "helenus-testkit", target / "release" / "helenus-bench"


def published(python: Path) -> Path:
    """The published driver, installed into an environment of its own where there is none yet."""
    if not python.exists():
        say(f"== installing {PUBLISHED} to compare with")
        environment = python.parent.parent
        subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
        subprocess.run([str(environment / "bin" / "pip"), "install", "--quiet", PUBLISHED, "numpy", "lz4"], check=True)
    return python


def run_client(client: plan.Client, group: plan.Group, address: str, seconds: float) -> dict[str, Any]:
    """One measurement in a process of its own.

    :raises RuntimeError: with what the client said, when it fails.
    """
    command = (*client.command, "--address", address, "--seconds", str(seconds))
    done = subprocess.run(
        servers.pinned(command, servers.cores(group.placement)[0]),
        capture_output=True,
        text=True,
        timeout=60 + 10 * seconds,
        check=False,
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise RuntimeError(lines[-1])
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    if not result["operations"]:
        raise RuntimeError("no operation was finished in time")
    return result


def machine() -> str:
    """The kind of machine."""
    model = platform.machine()
    with contextlib.suppress(OSError):
        names = re.findall(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
        model = names[0] if names else model
    return f"{len(os.sched_getaffinity(0))} cores of {model}, Linux {platform.release().split('-')[0]}"


def measure(args: argparse.Namespace, groups: list[plan.Group], addresses: dict[Placement, str]) -> int:
    """All rounds. Within a round everything runs once, from another place on each time."""
    results: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    failures: dict[tuple[str, str], str] = {}
    pairs = [(group, client) for group in groups for client in group.clients]
    for index in range(args.rounds):
        start = index * len(pairs) // args.rounds
        for step, (group, client) in enumerate(pairs[start:] + pairs[:start]):
            key = group.title, client.name
            if key in failures:
                continue
            say(f"round {index + 1}/{args.rounds}, {step + 1}/{len(pairs)}: {client.name}: {group.title}")
            try:
                results[key].append(run_client(client, group, addresses[group.placement], args.seconds))
            except (RuntimeError, subprocess.TimeoutExpired, ValueError) as error:
                failures[key] = str(error)
                say(f"   failed: {error}")
    head = "\n".join(
        (
            f"Machine: {machine()}; load at the end {os.getloadavg()[0]:.1f}.",
            f"Server: {'real Cassandra' if args.address else 'canned responder'}; protocol v{args.protocol}"
            f"{', LZ4' if args.lz4 else ''}; medians of {args.rounds} interleaved rounds of {args.seconds} s.",
        )
    )
    text = f"{head}\n\n{report.table(groups, results)}\n"
    for (title, name), why in failures.items():
        text += f"\nFailed: {name}, {title}: {why}\n"
    args.out.mkdir(parents=True, exist_ok=True)
    stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    kind = "real" if args.address else "canned"
    file = args.out / f"{stamp}-{kind}-v{args.protocol}{'-lz4' if args.lz4 else ''}"
    file.with_suffix(".md").write_text(text, encoding="utf-8")
    kept = [{"group": title, "client": name, "runs": runs} for (title, name), runs in results.items()]
    file.with_suffix(".json").write_text(
        json.dumps({"machine": machine(), "results": kept}, indent=1), encoding="utf-8"
    )
    print(text)
    say(f"kept as {file}.md and .json")
    return 1 if failures else 0


def main() -> int:
    args = arguments()
    testkit, rust = build()
    if args.real:
        contact_points = os.environ.get("HELENUS_CONTACT_POINTS")
        if contact_points is None:
            say("== starting a real node")
            # This program again, inside of the cluster's life.
            command = [str(testkit), "cluster", "run", "--nodes", "1", "--"]
            return subprocess.run([*command, sys.executable, "-m", "runner", *sys.argv[1:]], check=False).returncode
        args.address = contact_points.split(",")[0]
        args.load = True
    description = servers.describe(testkit)
    programs = plan.Programs(rust, args.ours if args.ours.exists() else None, published(args.published))
    if programs.ours is None:
        say(f"== {args.ours} does not exist: Helenus for Python is not measured (make python)")
    statements = json.loads(description)["statements"]
    groups = [
        plan.Group(group.title, group.workload, group.placement, clients, group.unit)
        for group in plan.groups(programs, statements, args.protocol, lz4=args.lz4)
        if re.search(args.only, group.title)
        and (clients := tuple(client for client in group.clients if re.search(args.clients, client.name)))
    ]
    if args.list:
        for group in groups:
            print(group.title, "--", ", ".join(client.name for client in group.clients))
        return 0
    if args.address:
        if args.load:
            say("== loading")
            servers.load(args.published, args.address, description)
        return measure(args, groups, dict.fromkeys(Placement, args.address))
    with servers.canned(testkit) as addresses:
        return measure(args, groups, addresses)


if __name__ == "__main__":
    sys.exit(main())
