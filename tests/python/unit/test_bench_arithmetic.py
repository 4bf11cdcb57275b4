"""What the benchmark runner computes from measurements: medians, ratios to the best peer, and targets met or missed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("tomllib", reason="the runner needs Python 3.11")
BENCHES = Path(__file__).parents[3] / "benches"
sys.path.insert(0, str(BENCHES))

from runner import report, targets  # noqa: E402
from runner.plan import Client, Group, Kind, Placement  # noqa: E402

CLIENTS = (
    Client("bare socket", (), Kind.LIMIT),
    Client("scylla 1.9.0", (), Kind.PEER),
    Client("cdrs-tokio 9.0.2", (), Kind.PEER),
    Client("helenus", (), Kind.OURS),
)
GROUP = Group("rust-w1-256", "Rust, w1", Placement.APART, CLIENTS)


def run(cpu_us: float, rate: float) -> dict[str, Any]:
    operations = 1_000
    figures = {"p50_us": None, "p99_us": None, "peak_rss_kib": 1_024}
    return {
        "operations": operations,
        "cpu_seconds": cpu_us * 1e-6 * operations,
        "wall_seconds": operations / rate,
    } | figures


def outcome(**cost: float) -> report.Outcome:
    results: report.Results = {
        (GROUP.id, client.name): [run(cost[client.name.partition("-")[0].partition(" ")[0]], 1e6)] for client in CLIENTS
    }
    return report.outcomes([GROUP], results)[0]


def test_median_of_the_rounds_is_what_counts() -> None:
    figures = report.figures([run(3.0, 10), run(1.0, 30), run(2.0, 20)])
    assert (figures.cpu_us, figures.rate, figures.spread) == (pytest.approx(2), pytest.approx(20), pytest.approx(3))


def test_best_peer_is_the_cheapest_of_the_run() -> None:
    found = outcome(bare=0.1, scylla=2.0, cdrs=1.5, helenus=0.5).best_peer
    assert found is not None and found[0] == "cdrs-tokio 9.0.2"


def test_ratio_is_held_to_the_ratio_that_target_and_peer_had() -> None:
    target = {"target": 0.7, "stretch": 0.5, "peers": {"scylla": 2.0}}
    found = targets.judge_cpu(target, ours=1.4, peer=("scylla 1.9.0", 4.0))
    assert found.absolute == pytest.approx(2)
    assert found.ratio == pytest.approx(1)
    assert found.stretch_ratio == pytest.approx(1.4)


def test_peer_without_a_figure_of_its_own_is_held_to_the_lowest() -> None:
    assert targets.peer_then({"peers": {"scylla": 2.7, "cpp": 1.8}}, "cdrs-tokio 9.0.2") == 1.8
    assert targets.peer_then({"peers": {"scylla": 2.7, "cpp": 1.8}}, "scylla 1.9.0") == 2.7


def test_rate_below_its_target_misses_though_cpu_time_meets_it() -> None:
    target = {"target": 0.7, "stretch": 0.5, "peers": {"scylla": 2.0}, "rate": 2e6, "peer_rate": 1e6}
    found = report.standing(target, outcome(bare=0.1, scylla=2.0, cdrs=2.0, helenus=0.5), {})
    assert found is not None
    assert found.absolute == found.rate_absolute == pytest.approx(2)
    assert targets.verdict(found.absolute, found.rate_absolute) == "missed (2.00x by its rate)"
    assert targets.verdict(found.stretch_ratio) == "met"


def test_row_without_a_figure_of_ours_has_missed() -> None:
    met = targets.Standing(0.9, 1.0, 1.2, 0.8)
    (line,) = targets.summary({"rust-a": met, "rust-b": None})
    assert "1 of 2 by ratio, 1 of 2 absolute; at their stretch: 1 of 2 by ratio, 0 of 2 absolute" in line


def test_every_target_names_a_group_that_there_is() -> None:
    from runner import plan

    python = Path("python")
    programs = plan.Programs(Path("rust"), python, python, python, python, python, python)
    known = {group.id for group in (*plan.canned(programs, {}), *plan.real(programs, {}))}
    assert targets.load(BENCHES / "targets.toml").keys() <= known
