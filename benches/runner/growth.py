"""Cost as work grows: what a request, a cell or a row costs when there are more of them, and a page's memory."""

from __future__ import annotations

import dataclasses
import json
import subprocess
from pathlib import Path

from . import plan, report
from .plan import OURS, PEERS, Client, Group, Kind, Placement

IN_FLIGHT = (1, 4, 16, 64, 256, 1024)
CONNECTIONS = (1, 2, 4, 8, 16, 32, 64)
COLUMNS = (1, 10, 100, 500)
ROWS = (1, 10, 100, 1_000, 10_000, 100_000)
MEMORY_LIMIT = 1.3


@dataclasses.dataclass(frozen=True)
class Step:
    """A group, and the size that it has in its row of sizes."""

    series: str
    size: int
    per: int
    """How many of what is counted one operation has."""
    group: Group


def steps(rust: Path, statements: dict[str, str], ours: Path | None) -> list[Step]:
    """All of them."""
    found: list[Step] = []

    def add(series: str, size: int, arguments: tuple[str, ...], per: int = 1, *, placement: Placement) -> None:
        command = (str(rust), *arguments)
        clients = [Client(PEERS["scylla"], (*command, "--client", "scylla"), Kind.PEER)]
        clients.append(Client(OURS, (*command, "--client", OURS), Kind.OURS))
        group = Group(f"growth-{series}-{size}", f"{series}: {size:,}", placement, tuple(clients))
        found.append(Step(series, size, per, group))

    def work(workload: str, statement: str, concurrency: int, connections: int = 1) -> tuple[str, ...]:
        arguments = ("--workload", workload, "--statement", statements[statement])
        return (*arguments, "--concurrency", str(concurrency), "--connections", str(connections))

    apart = Placement.APART
    for count in IN_FLIGHT:
        add("w1, requests in flight", count, work("w1", "w1", count), placement=apart)
    for count in CONNECTIONS:
        add("w1, 1,024 in flight, connections", count, work("w1", "w1", 1024, count), placement=apart)
    for kind in ("ints", "texts"):
        for count in COLUMNS:
            series = f"one row, columns of {kind[:-1]}, per column, 32 in flight"
            add(series, count, work(kind, f"{kind}_{count}", 32), per=count, placement=apart)
    for count in ROWS:
        # The client counts rows itself.
        add("one page, rows, per row", count, work("page", f"rows_{count}", 1), placement=apart)
    if ours is not None:
        for count in IN_FLIGHT:
            arguments = ("benches/python/client.py", "--mode", "concurrent", "--workload", "w1", "--statement")
            command = (str(ours), *arguments, statements["w1"], "--concurrency", str(count))
            series = "Python w1, execute_concurrent_with_args, in flight"
            group = Group(
                f"growth-{series}-{count}", f"{series}: {count:,}", Placement.FREE, (Client(OURS, command, Kind.OURS),)
            )
            found.append(Step(series, count, 1, group))
    return found


def table(found: list[Step], results: report.Results) -> str:
    """Markdown: a line for each size."""
    headings = ("", "helenus CPU us", "to the size before", "to the first", "CPU / scylla", "spread")
    lines = ["| " + " | ".join(headings) + " |", "|---" + "|---:" * (len(headings) - 1) + "|"]
    series, first, before = "", 0.0, 0.0
    for step in found:
        outcome = next(iter(report.outcomes([step.group], results)), None)
        if outcome is None or outcome.ours is None:
            continue
        cost = outcome.ours.cpu_us / step.per
        if step.series != series:
            series, first, before = step.series, cost, cost
            lines.append(f"| **{series}**" + " |" * len(headings))
        best = outcome.best_peer
        cells = (
            f"{step.size:,}",
            report.number(cost),
            f"{cost / before:.2f}",
            f"{cost / first:.2f}",
            "" if best is None else f"{outcome.ours.cpu_us / best[1].cpu_us:.2f}",
            f"{outcome.ours.spread:.2f}",
        )
        lines.append("| " + " | ".join(cells) + " |")
        before = cost
    return "\n".join(lines)


def memory(program: Path, statements: dict[str, str], address: str) -> str:
    """Markdown: what a page takes over its bytes on the wire, before any row of it is decoded."""
    lines = [
        f"| rows of a page | protocol | bytes on the wire | peak / wire (at most {MEMORY_LIMIT}) | held / wire | |",
        "|---:|---:|---:|---:|---:|---|",
    ]
    for count in ROWS:
        if count < 1_000:
            # What a request takes for itself outweighs a small page.
            continue
        for protocol in (4, 5):
            command = [str(program), "--address", address, "--protocol", str(protocol)]
            command += ["--statement", statements[f"rows_{count}"]]
            told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
            over = told["peak"] / told["wire"]
            met = "met" if over <= MEMORY_LIMIT else "missed"
            held = told["held"] / told["wire"]
            lines.append(f"| {told['rows']:,} | v{protocol} | {told['wire']:,} | {over:.2f} | {held:.2f} | {met} |")
    return "\n".join(lines)


def groups(found: list[Step]) -> list[plan.Group]:
    return [step.group for step in found]
