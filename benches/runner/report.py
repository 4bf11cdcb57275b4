"""From measurements to one table: medians over the rounds, and ratios within each group."""

from __future__ import annotations

import dataclasses
import statistics
from typing import Any

from .plan import Client, Group


@dataclasses.dataclass(frozen=True)
class Figures:
    """Medians of one client in one group."""

    cpu_us: float
    rate: float
    p50_us: float | None
    p99_us: float | None
    peak_mib: float | None
    spread: float
    """Highest over lowest CPU time of the rounds."""


def figures(runs: list[dict[str, Any]]) -> Figures:
    """Medians over the rounds."""

    def median(values: list[Any]) -> float | None:
        known = [value for value in values if value is not None]
        return statistics.median(known) if known else None

    cpu = [run["cpu_seconds"] / run["operations"] * 1e6 for run in runs]
    peak = median([run["peak_rss_kib"] for run in runs])
    return Figures(
        cpu_us=statistics.median(cpu),
        rate=statistics.median([run["operations"] / run["wall_seconds"] for run in runs]),
        p50_us=median([run["p50_us"] for run in runs]),
        p99_us=median([run["p99_us"] for run in runs]),
        peak_mib=None if peak is None else peak / 1024,
        spread=max(cpu) / min(cpu),
    )


def number(value: float | None) -> str:
    """Three significant digits, thousands grouped."""
    if value is None:
        return ""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


HEADINGS = ("", "CPU us", "CPU / peer", "CPU / limit", "ops/s", "rate / peer", "p50 us", "p99 us", "peak MiB", "spread")


def table(groups: list[Group], results: dict[tuple[str, str], list[dict[str, Any]]]) -> str:
    """Markdown. A group is a heading line and a line for each client that was measured."""
    lines = ["| " + " | ".join(HEADINGS) + " |", "|---" + "|---:" * (len(HEADINGS) - 1) + "|"]
    for group in groups:
        found: list[tuple[Client, Figures]] = [
            (client, figures(results[group.title, client.name]))
            for client in group.clients
            if results.get((group.title, client.name))
        ]
        if not found:
            continue
        peer = next((figure for client, figure in found if client.is_peer), None)
        limit = next((figure for client, figure in found if client.is_limit), None)
        unit = "" if group.unit == "request" else f", by {group.unit}"
        lines.append(f"| **{group.title}** ({group.placement.value}{unit})" + " |" * len(HEADINGS))
        for client, figure in found:
            cells = (
                client.name,
                number(figure.cpu_us),
                "" if peer is None else f"{figure.cpu_us / peer.cpu_us:.2f}",
                "" if limit is None else f"{figure.cpu_us / limit.cpu_us:.1f}",
                number(figure.rate),
                "" if peer is None else f"{figure.rate / peer.rate:.2f}",
                number(figure.p50_us),
                number(figure.p99_us),
                number(figure.peak_mib),
                f"{figure.spread:.2f}",
            )
            lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
