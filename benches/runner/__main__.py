"""``benches/run``: measures Helenus beside its peers and beside the limit of the machine, in one interleaved run."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import datetime
import json
import os
import platform
import re
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from . import chart, growth, peers, plan, report, servers, targets
from .peers import say
from .plan import Placement

TARGETS = Path("benches/targets.toml")
MARKER = "<!-- figures, {}: {} -->"
"""A line of a file that takes tables; of which kind, and whether they begin or end there."""
NOT_THERE = 4
"""Exit status of a client that has not got what is to be measured: a line of the report, not a failure of the run."""


class NotThere(RuntimeError):
    """The client has not got what is to be measured."""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benches/run", description=__doc__)
    parser.add_argument("--only", default="", metavar="REGEX", help="groups whose title or id matches")
    parser.add_argument("--clients", default="", metavar="REGEX", help="clients whose name matches")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each client (default %(default)s)")
    parser.add_argument("--seconds", type=float, default=0.6, help="length of one (default %(default)s)")
    parser.add_argument("--warm-up", type=float, default=0.25, help="before each, not counted (default %(default)s)")
    parser.add_argument("--real", action="store_true", help="against a real Cassandra node instead")
    parser.add_argument("--address", help="of a real node that is up already and has the tables")
    parser.add_argument("--load", action="store_true", help="make and fill the tables at --address first")
    parser.add_argument("--ours", type=Path, default=Path("build/venv/bin/python"), help="Python with Helenus")
    parser.add_argument("--peers", type=Path, default=Path("build/peers"), help="where peers are installed")
    parser.add_argument("--out", type=Path, default=Path("build/bench"), help="where results go")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="put the tables between its markers")
    parser.add_argument("--chart", type=Path, metavar="FILE", help="draw the CPU times, as SVG")
    parser.add_argument("--growth", action="store_true", help="measure cost as work grows instead")
    parser.add_argument("--from", type=Path, dest="kept", metavar="FILE", help="a kept run (.json), to report anew")
    parser.add_argument("--list", action="store_true", help="say what would be measured")
    return parser.parse_args()


def run_client(client: plan.Client, group: plan.Group, address: str, args: argparse.Namespace) -> dict[str, Any]:
    """One measurement in a process of its own.

    :raises NotThere: when the client has not got it.
    :raises RuntimeError: with what the client said, when it fails.
    """
    times = ("--seconds", str(args.seconds), "--warm-up", str(args.warm_up))
    done = subprocess.run(
        servers.pinned((*client.command, "--address", address, *times), servers.cores(group.placement)[0]),
        capture_output=True,
        text=True,
        timeout=60 + 10 * args.seconds,
        check=False,
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise (NotThere if done.returncode == NOT_THERE else RuntimeError)(lines[-1])
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


def commit() -> str:
    """What is measured."""
    command = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() or "unknown"


@dataclasses.dataclass
class Run:
    """All measurements."""

    results: report.Results = dataclasses.field(default_factory=lambda: defaultdict(list))
    failures: dict[tuple[str, str], str] = dataclasses.field(default_factory=dict)
    is_complete: bool = True
    """Whether nothing failed that should not have."""


def left(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 90 else f"{seconds:.0f} s"


def measure(args: argparse.Namespace, groups: list[plan.Group], addresses: dict[Placement, str]) -> Run:
    """All rounds. Within a round everything runs once, from another place on each time."""
    run = Run()
    pairs = [(group, client) for group in groups for client in group.clients]
    begun, total, done = time.monotonic(), args.rounds * len(pairs), 0
    for index in range(args.rounds):
        start = index * len(pairs) // args.rounds
        for group, client in pairs[start:] + pairs[:start]:
            key = group.id, client.name
            done += 1
            if key in run.failures:
                continue
            remaining = (time.monotonic() - begun) / max(done - 1, 1) * (total - done + 1)
            estimate = f", {left(remaining)} left" if done > 10 else ""
            say(f"round {index + 1}/{args.rounds}, {done}/{total}{estimate}: {client.name}: {group.title}")
            try:
                run.results[key].append(run_client(client, group, addresses[group.placement], args))
            except NotThere as error:
                run.failures[key] = str(error)
                say(f"   skipped: {error}")
            except (RuntimeError, subprocess.TimeoutExpired, ValueError) as error:
                run.failures[key] = str(error)
                run.is_complete = False
                say(f"   failed: {error}")
    return run


def splice(file: Path, kind: str, text: str) -> None:
    """Replaces what is between the two markers of this kind of run.

    :raises SystemExit: when the file has not got them.
    """
    begin, end = MARKER.format(kind, "begin"), MARKER.format(kind, "end")
    before, found, rest = file.read_text(encoding="utf-8").partition(begin)
    _, ended, after = rest.partition(end)
    if not found or not ended:
        raise SystemExit(f"{file} has not got the lines {begin} and {end}")
    file.write_text(f"{before}{begin}\n{text.strip()}\n{end}{after}", encoding="utf-8")


def heading(args: argparse.Namespace) -> str:
    """What a reader has to know of a run."""
    server = "one real Cassandra node" if args.address else "canned responder"
    return (
        f"{machine()}; load at the end {os.getloadavg()[0]:.1f}; commit {commit()}. Server: {server}. Medians of"
        f" {args.rounds} interleaved rounds of {args.seconds} s (`{' '.join(['benches/run', *sys.argv[1:]])}`)."
    )


def keep(args: argparse.Namespace, kind: str, text: str, run: Run, more: dict[str, Any]) -> None:
    """Prints the tables and keeps them with the measurements."""
    args.out.mkdir(parents=True, exist_ok=True)
    stamp = datetime.datetime.now(datetime.timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    file = args.out / f"{stamp}-{kind}"
    file.with_suffix(".md").write_text(text, encoding="utf-8")
    kept = [{"group": group, "client": name, "runs": runs} for (group, name), runs in run.results.items()]
    failed = [{"group": group, "client": name, "why": why} for (group, name), why in run.failures.items()]
    data = {**more, "results": kept, "failures": failed}
    file.with_suffix(".json").write_text(json.dumps(data, indent=1), encoding="utf-8")
    print(text)
    if args.markdown is not None:
        splice(args.markdown, kind, text)
    say(f"kept as {file}.md and .json")


def publish(args: argparse.Namespace, groups: list[plan.Group], run: Run, missing: list[str], head: str) -> None:
    """The tables of groups, and the chart."""
    known = targets.load(TARGETS)
    found = report.outcomes(groups, run.results)
    reached = report.standings(known, found)
    summary = "\n".join(f"- {line}" for line in targets.summary(reached))
    notes = report.notes(groups, run.failures, missing)
    text = "\n\n".join(part for part in (head, summary, report.table(found, known), notes) if part) + "\n"
    keep(args, "real" if groups[0].id.startswith("real-") else "canned", text, run, {"head": head, "missing": missing})
    if args.chart is not None:
        chart.write(args.chart, found, head.partition(" (`")[0])


def restored(file: Path) -> tuple[Run, list[str], str]:
    """A run that was kept."""
    data = json.loads(file.read_text(encoding="utf-8"))
    run = Run()
    for entry in data["results"]:
        run.results[entry["group"], entry["client"]] = entry["runs"]
    for entry in data["failures"]:
        run.failures[entry["group"], entry["client"]] = entry["why"]
    return run, data["missing"], data["head"]


def grow(args: argparse.Namespace, testkit: Path, rust: Path, statements: dict[str, str]) -> int:
    """Cost as work grows."""
    steps = [
        step
        for step in growth.steps(rust, statements, args.ours if args.ours.exists() else None)
        if re.search(args.only, step.group.title)
    ]
    if args.list:
        for step in steps:
            print(step.group.title)
        return 0
    with servers.canned(testkit) as addresses:
        run = measure(args, growth.groups(steps), addresses)
        say("== memory of pages")
        memory = growth.memory(rust.with_name("page-memory"), statements, addresses[Placement.FREE])
    parts = [heading(args), growth.table(steps, run.results), memory]
    keep(args, "growth", "\n\n".join(parts) + "\n", run, {})
    return 0 if run.is_complete else 1


def main() -> int:
    args = arguments()
    testkit, rust = peers.rust()
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
    statements = json.loads(description)["statements"]
    if args.growth:
        return grow(args, testkit, rust, statements)
    programs, missing = peers.programs(rust, args.ours, args.peers)
    is_real = args.address or (args.kept is not None and args.kept.stem.endswith("-real"))
    groups = [
        dataclasses.replace(group, clients=clients)
        for group in (plan.real if is_real else plan.canned)(programs, statements)
        if (re.search(args.only, group.title) or re.search(args.only, group.id))
        and (clients := tuple(client for client in group.clients if re.search(args.clients, client.name)))
    ]
    if args.list:
        for group in groups:
            print(f"{group.id}: {group.title} -- {', '.join(client.name for client in group.clients)}")
        return 0
    if args.kept is not None:
        run, missing, head = restored(args.kept)
        publish(args, groups, run, missing, head)
        return 0
    if args.address:
        if args.load:
            if programs.published is None:
                say("the tables are loaded by cassandra-driver, which is not there")
                return 1
            say("== loading")
            servers.load(programs.published, args.address, description)
        run = measure(args, groups, dict.fromkeys(Placement, args.address))
    else:
        with servers.canned(testkit) as addresses:
            run = measure(args, groups, addresses)
    publish(args, groups, run, missing, heading(args))
    return 0 if run.is_complete else 1


if __name__ == "__main__":
    sys.exit(main())
