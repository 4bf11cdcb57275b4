"""Whether figures are where they are meant to be: ``benches/targets.toml`` against one run.

A figure is judged twice: as it is, and as its ratio to the best peer of the same run, against the ratio that target and
peer had where the targets were set.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import tomllib

PYTHON_MARGIN = 1.6


@dataclasses.dataclass(frozen=True)
class Standing:
    """What a group reached of its target: a figure over what it should be at most, so that 1 or less is met.

    ``None``: nothing to hold it to.
    """

    absolute: float | None
    ratio: float | None
    stretch_absolute: float | None
    stretch_ratio: float | None
    rate_absolute: float | None = None
    """The part of ``absolute`` that is the rate."""
    rate_ratio: float | None = None

    @staticmethod
    def worst(standings: list[Standing]) -> Standing:
        """The worst of several figures of a group."""

        def most(values: list[float | None]) -> float | None:
            known = [value for value in values if value is not None]
            return max(known) if known else None

        return Standing(
            most([standing.absolute for standing in standings]),
            most([standing.ratio for standing in standings]),
            most([standing.stretch_absolute for standing in standings]),
            most([standing.stretch_ratio for standing in standings]),
            most([standing.rate_absolute for standing in standings]),
            most([standing.rate_ratio for standing in standings]),
        )


def load(file: Path) -> dict[str, dict[str, Any]]:
    """The targets by group.

    :raises ValueError: when a key means nothing.
    """
    known = {"target", "stretch", "peers", "rate", "peer_rate", "rate_ratio", "over", "target_over", "stretch_over"}
    known |= {"ratio", "stretch_ratio"}
    for figure in ("connect_ms", "import_ms", "idle_mib"):
        known |= {figure, f"stretch_{figure}", f"peer_{figure}"}
    found = tomllib.loads(file.read_text(encoding="utf-8"))
    for group, target in found.items():
        if not target.keys() <= known:
            raise ValueError(f"{file}: {group}: {sorted(target.keys() - known)}")
    return found


def _over(figure: float, limit: float | None) -> float | None:
    return None if limit is None else figure / limit


def _to_peer(ours: float, peer: float | None, limit: float | None, then: float | None) -> float | None:
    """How far above the ratio ``limit / then`` the ratio to the peer of this run is."""
    if peer is None or limit is None or then is None:
        return None
    return (ours / peer) / (limit / then)


def peer_then(target: dict[str, Any], name: str | None) -> float | None:
    """What the peer took where the target was set; the lowest figure there for one that is not among them."""
    peers: dict[str, float] = target.get("peers", {})
    if not peers:
        return None
    return peers.get((name or "").partition(" ")[0], min(peers.values()))


def judge_cpu(target: dict[str, Any], ours: float, peer: tuple[str, float] | None) -> Standing:
    """CPU time of one operation. ``peer`` is the cheapest of the run."""
    name, theirs = peer if peer is not None else (None, None)
    then = peer_then(target, name)
    goal, stretch = target.get("target"), target.get("stretch")
    ratio = _to_peer(ours, theirs, goal, then)
    stretch_ratio = _to_peer(ours, theirs, stretch, then)
    if "ratio" in target and theirs is not None:
        ratio, stretch_ratio = ours / theirs / target["ratio"], ours / theirs / target["stretch_ratio"]
    return Standing(_over(ours, goal), ratio, _over(ours, stretch), stretch_ratio)


def judge_rate(target: dict[str, Any], ours: float, peer: float | None) -> Standing:
    """Operations a second: more is better. ``peer`` is the fastest of the run. It has no stretch of its own."""
    absolute = None if "rate" not in target else target["rate"] / ours
    ratio = None
    if peer is not None:
        goal = target.get("rate_ratio")
        if goal is None and "peer_rate" in target:
            goal = target["rate"] / target["peer_rate"]
        ratio = None if goal is None else goal / (ours / peer)
    return Standing(absolute, ratio, None, None, absolute, ratio)


def judge_over(target: dict[str, Any], ours: float, beside: float) -> Standing:
    """CPU time beside that of another group of ours, which is a ratio within the run as it is."""
    over = ours / beside
    met, stretch = over / target["target_over"], over / target["stretch_over"]
    return Standing(met, met, stretch, stretch)


def judge_figure(target: dict[str, Any], figure: str, ours: float, peer: float | None) -> Standing:
    """One of the figures of connecting: ``connect_ms``, ``import_ms``, ``idle_mib``."""
    goal, stretch = target.get(figure), target.get(f"stretch_{figure}")
    then = target.get(f"peer_{figure}")
    return Standing(
        _over(ours, goal),
        _to_peer(ours, peer, goal, then),
        _over(ours, stretch),
        _to_peer(ours, peer, stretch, then),
    )


def verdict(value: float | None, rate: float | None = None) -> str:
    """``met``, or ``missed`` and by how much; whether it was by the rate; nothing for no target.

    :param rate: the part of the value that is the rate.
    """
    if value is None:
        return "-"
    if value <= 1:
        return "met"
    return f"missed ({value:.2f}x{' by its rate' if rate == value else ''})"


def summary(standings: dict[str, Standing | None]) -> list[str]:
    """How many rows are where they are meant to be. ``None``: a group that has a target and no figure of ours."""
    lines = []
    for face in ("rust", "python"):
        margin = PYTHON_MARGIN if face == "python" else 1.0
        rows = {name: standing for name, standing in standings.items() if face in name.split("-")[:2]}
        if not rows:
            continue

        def count(field: str, limit: float, rows: dict[str, Standing | None] = rows) -> str:
            values = [None if standing is None else getattr(standing, field) for standing in rows.values()]
            # A row that was not measured has missed whatever it was to meet.
            there = [standing is None or getattr(standing, field) is not None for standing in rows.values()]
            met = sum(value is not None and value <= limit for value in values)
            return f"{met} of {sum(there)}"

        within = f"within {margin} x of their target" if margin > 1 else "at their target"
        line = f"{face.capitalize()}: rows {within}: {count('ratio', margin)} by ratio, "
        line += f"{count('absolute', margin)} absolute"
        if margin > 1:
            line += f"; at their target: {count('ratio', 1.0)} by ratio, {count('absolute', 1.0)} absolute"
        line += f"; at their stretch: {count('stretch_ratio', 1.0)} by ratio, "
        lines.append(line + f"{count('stretch_absolute', 1.0)} absolute.")
    return lines
