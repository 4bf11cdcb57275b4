"""From measurements to tables: medians over the rounds, ratios within each group, and what was reached of targets."""

from __future__ import annotations

import dataclasses
import statistics
from typing import Any

from . import targets
from .plan import OURS, Client, Group, Kind
from .targets import Standing

Results = dict[tuple[str, str], list[dict[str, Any]]]
"""Runs by group (its id) and client (its name)."""


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
    connect_ms: float | None = None
    import_ms: float | None = None
    idle_mib: float | None = None


def figures(runs: list[dict[str, Any]]) -> Figures:
    """Medians over the rounds."""

    def median(field: str, scale: float = 1.0) -> float | None:
        known = [run[field] for run in runs if run.get(field) is not None]
        return statistics.median(known) * scale if known else None

    cpu = [run["cpu_seconds"] / run["operations"] * 1e6 for run in runs]
    connect = median("connect_ms")
    return Figures(
        cpu_us=statistics.median(cpu),
        rate=statistics.median([run["operations"] / run["wall_seconds"] for run in runs]),
        p50_us=median("p50_us"),
        p99_us=median("p99_us"),
        peak_mib=median("peak_rss_kib", 1 / 1024),
        spread=max(cpu) / min(cpu) if min(cpu) > 0 else float("inf"),
        connect_ms=median("p50_us", 1e-3) if connect is None else connect,
        import_ms=median("import_ms"),
        idle_mib=median("idle_rss_kib", 1 / 1024),
    )


@dataclasses.dataclass(frozen=True)
class Outcome:
    """A group and what was measured of it."""

    group: Group
    found: list[tuple[Client, Figures]]

    def of(self, kind: Kind) -> list[tuple[Client, Figures]]:
        return [(client, figure) for client, figure in self.found if client.kind is kind]

    @property
    def ours(self) -> Figures | None:
        return next((figure for _, figure in self.of(Kind.OURS)), None)

    @property
    def limit(self) -> Figures | None:
        return next((figure for _, figure in self.of(Kind.LIMIT)), None)

    @property
    def best_peer(self) -> tuple[str, Figures] | None:
        """The peer with the least CPU time."""
        peers = [(client.name, figure) for client, figure in self.of(Kind.PEER)]
        return min(peers, key=lambda peer: peer[1].cpu_us) if peers else None

    @property
    def fastest(self) -> float | None:
        """The rate of the fastest peer."""
        return max((figure.rate for _, figure in self.of(Kind.PEER)), default=None)

    def least(self, field: str) -> float | None:
        """The least that a peer has of a figure."""
        known = [getattr(figure, field) for _, figure in self.of(Kind.PEER)]
        return min((figure for figure in known if figure is not None), default=None)


def outcomes(groups: list[Group], results: Results) -> list[Outcome]:
    """Groups of which anything was measured."""
    found = []
    for group in groups:
        measured = [
            (client, figures(results[group.id, client.name]))
            for client in group.clients
            if results.get((group.id, client.name))
        ]
        if measured:
            found.append(Outcome(group, measured))
    return found


def standing(target: dict[str, Any], outcome: Outcome, others: dict[str, Outcome]) -> Standing | None:
    """How a group stands to its target; ``None`` when there is no figure of ours."""
    ours = outcome.ours
    if ours is None:
        return None
    if "over" in target:
        beside = others.get(target["over"])
        if beside is None or beside.ours is None:
            return None
        return targets.judge_over(target, ours.cpu_us, beside.ours.cpu_us)
    if outcome.group.is_connecting:
        parts = []
        for field in ("connect_ms", "import_ms", "idle_mib"):
            figure = getattr(ours, field)
            if field in target and figure is not None:
                parts.append(targets.judge_figure(target, field, figure, outcome.least(field)))
        return Standing.worst(parts)
    best = outcome.best_peer
    cpu = targets.judge_cpu(target, ours.cpu_us, None if best is None else (best[0], best[1].cpu_us))
    if "rate" not in target and "rate_ratio" not in target:
        return cpu
    return Standing.worst([cpu, targets.judge_rate(target, ours.rate, outcome.fastest)])


def standings(known: dict[str, dict[str, Any]], found: list[Outcome]) -> dict[str, Standing | None]:
    """By group, for those with a target that were to be measured."""
    others = {outcome.group.id: outcome for outcome in found}
    return {name: standing(known[name], others[name], others) for name in known if name in others}


def number(value: float | None) -> str:
    """Three significant digits, thousands grouped."""
    if value is None:
        return ""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _ratio(value: float | None, base: float | None, digits: int = 2) -> str:
    return "" if value is None or not base else f"{value / base:.{digits}f}"


def _reached(name: str, known: dict[str, dict[str, Any]], reached: dict[str, Standing | None]) -> tuple[str, str]:
    """The cells of target and stretch: absolute / ratio."""
    if name not in known:
        return "", ""
    here = reached.get(name)
    if here is None:
        return "missed (no figure)", "missed (no figure)"
    margin = ""
    if "python" in name and here.ratio is not None and 1 < here.ratio <= targets.PYTHON_MARGIN:
        margin = f", within {targets.PYTHON_MARGIN}x"
    met = f"{targets.verdict(here.absolute, here.rate_absolute)} / {targets.verdict(here.ratio, here.rate_ratio)}"
    return met + margin, f"{targets.verdict(here.stretch_absolute)} / {targets.verdict(here.stretch_ratio)}"


HEADINGS = (
    "",
    "CPU us",
    "CPU / peer",
    "CPU / limit",
    "ops/s",
    "rate / peer",
    "p50 us",
    "p99 us",
    "peak MiB",
    "spread",
    "target us",
    "target (absolute / ratio)",
    "stretch (absolute / ratio)",
)
CONNECTING = (
    "",
    "connect ms",
    "connect / peer",
    "CPU ms",
    "CPU / peer",
    "import ms",
    "idle MiB",
    "spread",
    "target (absolute / ratio)",
    "stretch (absolute / ratio)",
)


def _head(headings: tuple[str, ...]) -> list[str]:
    return ["| " + " | ".join(headings) + " |", "|---" + "|---:" * (len(headings) - 1) + "|"]


def _line(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |"


def _goal(target: dict[str, Any]) -> str:
    if "over" in target:
        return f"v4 + {(target['target_over'] - 1) * 100:.0f} %"
    if "ratio" in target:
        return f"{target['ratio']:.2g} x peer"
    return number(target.get("target"))


def table(found: list[Outcome], known: dict[str, dict[str, Any]]) -> str:
    """Markdown. A group is a heading line and a line for each client; connecting has a table of its own."""
    reached = standings(known, found)
    lines: list[str] = []
    working = [outcome for outcome in found if not outcome.group.is_connecting]
    if working:
        lines += _head(HEADINGS)
    for outcome in working:
        group, best, limit = outcome.group, outcome.best_peer, outcome.limit
        unit = "" if group.unit == "request" else f", by {group.unit}"
        lines.append(f"| **{group.title}** ({group.placement.value}{unit})" + " |" * len(HEADINGS))
        for client, figure in outcome.found:
            is_ours = client.kind is Kind.OURS
            cells = (
                client.name,
                number(figure.cpu_us),
                "" if best is None else _ratio(figure.cpu_us, best[1].cpu_us),
                "" if limit is None else _ratio(figure.cpu_us, limit.cpu_us, 1),
                number(figure.rate),
                _ratio(figure.rate, outcome.fastest),
                number(figure.p50_us),
                number(figure.p99_us),
                number(figure.peak_mib),
                f"{figure.spread:.2f}",
                _goal(known.get(group.id, {})) if is_ours else "",
                *(_reached(group.id, known, reached) if is_ours else ("", "")),
            )
            lines.append(_line(cells))
        if outcome.ours is None and group.id in known:
            lines.append(_line((OURS, *[""] * (len(HEADINGS) - 3), *_reached(group.id, known, reached))))
    connecting = [outcome for outcome in found if outcome.group.is_connecting]
    if connecting:
        lines += ["", *_head(CONNECTING)]
    for outcome in connecting:
        group, best = outcome.group, outcome.best_peer
        lines.append(f"| **{group.title}**" + " |" * len(CONNECTING))
        for client, figure in outcome.found:
            is_ours = client.kind is Kind.OURS
            cells = (
                client.name,
                number(figure.connect_ms),
                _ratio(figure.connect_ms, outcome.least("connect_ms")),
                number(figure.cpu_us / 1e3),
                "" if best is None else _ratio(figure.cpu_us, best[1].cpu_us),
                number(figure.import_ms),
                number(figure.idle_mib),
                f"{figure.spread:.2f}",
                *(_reached(group.id, known, reached) if is_ours else ("", "")),
            )
            lines.append(_line(cells))
        if outcome.ours is None and group.id in known:
            lines.append(_line((OURS, *[""] * (len(CONNECTING) - 3), *_reached(group.id, known, reached))))
    return "\n".join(lines)


def notes(groups: list[Group], failures: dict[tuple[str, str], str], missing: list[str]) -> str:
    """Who is not in the tables, and why: one line each."""
    why: dict[str, list[str]] = {}
    for group in groups:
        for note in group.notes:
            why.setdefault(note, []).append(group.id)
    lines = [f"- {reason}." for reason in missing]
    lines += [f"- {note} ({', '.join(of)})." for note, of in why.items()]
    lines += [f"- Not measured: {name}, {group}: {reason}." for (group, name), reason in failures.items()]
    return "\n".join(lines)
