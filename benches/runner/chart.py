"""A chart of CPU time: ours, the best peer's and the limit's, as bars on a logarithmic scale. SVG, written by hand."""

from __future__ import annotations

import math
from html import escape
from pathlib import Path

from .plan import Kind
from .report import Outcome, number

WIDTH, LABEL, RIGHT = 1040, 470, 70
BAR, GAP, HEAD, FOOT = 9, 9, 64, 34
COLOURS = {"limit": "#9aa5b1", "ours": "#0b6e99", "peer": "#d9822b"}
SHOWN = (
    "rust-w1-1",
    "rust-w1-32",
    "rust-w1-256",
    "rust-w1-1024",
    "rust-w1-256-two",
    "rust-w2-1",
    "rust-w2-256",
    "rust-w3-owned",
    "rust-w3-borrowed",
    "rust-w4-owned",
    "rust-w7r",
    "rust-w7w",
    "python-w1-sync",
    "python-w1-concurrent",
    "python-w2-concurrent",
    "python-w1-callbacks",
    "python-w1-futures",
    "python-w1-asyncio",
    "python-w1-threads",
    "python-w3-named_tuple",
    "python-w3n-named_tuple",
    "python-w3n-numpy",
    "python-w4-lists",
    "python-w7r",
    "python-w7w",
)
"""Groups that tell most; in a run of others, those are shown."""


def _bars(outcome: Outcome) -> list[tuple[str, str, float]]:
    """Kind, name and CPU time, the cheapest kind first as a rule."""
    bars = []
    if outcome.limit is not None:
        bars.append(("limit", outcome.of(Kind.LIMIT)[0][0].name, outcome.limit.cpu_us))
    if outcome.ours is not None:
        bars.append(("ours", "helenus", outcome.ours.cpu_us))
    if outcome.best_peer is not None:
        bars.append(("peer", outcome.best_peer[0], outcome.best_peer[1].cpu_us))
    return bars


def svg(found: list[Outcome], caption: str) -> str:
    """The chart."""
    by_id = {outcome.group.id: outcome for outcome in found if not outcome.group.is_connecting}
    shown = [by_id[name] for name in SHOWN if name in by_id] or list(by_id.values())
    rows = [(outcome, bars) for outcome in shown if (bars := _bars(outcome))]
    if not rows:
        raise SystemExit("there is nothing to draw")
    values = [value for _, bars in rows for _, _, value in bars]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    high = max(high, low + 1)
    room = WIDTH - LABEL - RIGHT

    def place(value: float) -> float:
        return LABEL + room * (math.log10(value) - low) / (high - low)

    height = HEAD + sum(BAR * len(bars) + GAP for _, bars in rows) + FOOT
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
        ' font-family="sans-serif" font-size="11">',
        f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
        '<text x="12" y="20" font-size="15" font-weight="bold" fill="#1f2933">'
        "CPU microseconds of one request or row, whole process (logarithmic)</text>",
    ]
    left = 12
    for kind, label in (("limit", "bare socket or C extension"), ("ours", "Helenus"), ("peer", "best peer")):
        parts.append(f'<rect x="{left}" y="32" width="10" height="10" fill="{COLOURS[kind]}"/>')
        parts.append(f'<text x="{left + 15}" y="41" fill="#1f2933">{label}</text>')
        left += 40 + 7 * len(label)
    bottom = height - FOOT
    for power in range(low, high + 1):
        x = place(10.0**power)
        parts.append(f'<line x1="{x:.1f}" y1="{HEAD - 6}" x2="{x:.1f}" y2="{bottom}" stroke="#e1e5ea"/>')
        parts.append(
            f'<text x="{x:.1f}" y="{bottom + 13}" text-anchor="middle" fill="#616e7c">{10.0**power:g} us</text>'
        )
    y = HEAD
    for outcome, bars in rows:
        middle = y + BAR * len(bars) / 2 + 4
        unit = " (row)" if outcome.group.unit == "row" else ""
        title = escape(outcome.group.title + unit)
        parts.append(
            f'<text x="{LABEL - 8}" y="{middle:.1f}" text-anchor="end" font-size="10" fill="#1f2933">{title}</text>'
        )
        for kind, name, value in bars:
            x = place(value)
            parts.append(
                f'<rect x="{LABEL}" y="{y}" width="{max(x - LABEL, 1):.1f}" height="{BAR - 1}" fill="{COLOURS[kind]}">'
                f"<title>{escape(name)}: {number(value)} us</title></rect>"
            )
            parts.append(
                f'<text x="{x + 4:.1f}" y="{y + BAR - 2}" font-size="8.5" fill="#3e4c59">{number(value)}</text>'
            )
            y += BAR
        y += GAP
    parts.append(f'<text x="12" y="{height - 6}" font-size="9" fill="#616e7c">{escape(caption)}</text>')
    parts.append("</svg>")
    return "\n".join(parts) + "\n"


def write(file: Path, found: list[Outcome], caption: str) -> None:
    file.write_text(svg(found, caption), encoding="utf-8")
