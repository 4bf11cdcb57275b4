"""``tools/check-instructions``: instructions and allocations of one request, compared with what they were."""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

from .baseline import Baseline, tools, write
from .callgrind import Profile
from .cases import CASES, PYTHON, RUST, Case
from .measure import Count, Measuring, Programs
from .tree import CALLERS, Tree

BASELINE = Path("benches/instructions/baseline.toml")
IN_THE_PAGE = ("w1-1", "w1-256", "w3", "w3-borrowed", "py-w1", "py-w1-concurrent", "py-w3")
"""Cases whose trees are in the page on performance."""
MORE_COUNTS = 5
"""Counts of a case that swings which a baseline is made of, beside the first."""
MORE_TRIES = 2
"""How often a case that costs too much is counted again.

What the machine adds (an answer that came in more pieces, threads that took other turns) differs between runs; what the
code costs is in each of them, so the least of them tells.
"""


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="tools/check-instructions", description=__doc__)
    parser.add_argument("--only", default="", metavar="REGEX", help="cases whose name matches")
    parser.add_argument("--testkit", type=Path, help="the test bed, if it is built already")
    parser.add_argument("--python", type=Path, default=Path("build/venv/bin/python"), help="Python with Helenus")
    parser.add_argument("--update", action="store_true", help=f"write {BASELINE} instead of comparing with it")
    parser.add_argument("--tree", action="store_true", help="show where the instructions go instead")
    parser.add_argument("--markdown", type=Path, metavar="PAGE", help="write the table and the trees into a page")
    return parser.parse_args()


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def build(testkit: Path | None) -> tuple[Path, Path]:
    """The test bed, unless there is one, and the clients."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", "target")).absolute()
    environment = {**os.environ, "CARGO_TARGET_DIR": str(target)}
    command = ["cargo", "build", "--quiet", "--manifest-path"]
    if testkit is None:
        testkit = target / "debug" / "helenus-testkit"
        subprocess.run([*command, "Cargo.toml", "--package", "helenus-testkit"], check=True, env=environment)
    manifest = "benches/instructions/Cargo.toml"
    subprocess.run([*command, manifest, "--release"], check=True, env=environment)
    return testkit.absolute(), target / "release"


def row(case: Case, count: Count, verdict: str) -> str:
    allocations = "" if count.allocations is None else f"{count.allocations:12.2f} {count.bytes:14,.0f}"
    return (
        f"{case.language:7} {case.title:40} {count.instructions:12,.0f} {count.own:12,.0f} {allocations:27} {verdict}"
    )


def table(cases: list[Case], counts: dict[str, Count]) -> str:
    """Markdown."""
    lines = [
        "| | for each | instructions | of them the driver's own | allocations | bytes allocated |",
        "|---|---|---:|---:|---:|---:|",
    ]
    for case in cases:
        count = counts[case.name]
        language = "Rust" if case.language == RUST else "Python"
        memory = " | "
        if count.allocations is not None and count.bytes is not None:
            memory = f"{round(count.allocations, 2):g} | {count.bytes:,.0f}"
        lines.append(
            f"| {language}, {case.title} | {case.unit} | {count.instructions:,.0f} | {count.own:,.0f} | {memory} |"
        )
    return "\n".join(lines)


def put(page: Path, name: str, text: str) -> None:
    """Replaces what is between the markers of this name."""
    begin, end = f"<!-- {name}: written by tools/check-instructions --markdown -->", f"<!-- end of {name} -->"
    content = page.read_text(encoding="utf-8")
    before, found, rest = content.partition(begin)
    _, ended, after = rest.partition(end)
    if not (found and ended):
        raise SystemExit(f"{page} lacks the markers of '{name}'")
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def tree(case: Case, profile: Profile, units: int) -> str:
    """The tree of a case, headed by what it is of."""
    language = "Rust" if case.language == RUST else "Python"
    head = f"{language}, {case.title}: {profile.total / units:,.0f} instructions a {case.unit}"
    return f"{head}\n{Tree(profile, units)}"


def main() -> int:
    args = arguments()
    # A link to the interpreter is what makes it that environment's.
    python = args.python.absolute() if args.python.exists() else None
    cases = [case for case in CASES if re.search(args.only, case.name)]
    if python is None and any(case.language == PYTHON for case in cases):
        say(f"== {args.python} is not there: Python is not counted")
        cases = [case for case in cases if case.language != PYTHON]
    if args.update and cases != CASES:
        raise SystemExit("--update counts everything")
    say("== building what is counted")
    testkit, binaries = build(args.testkit)
    measuring = Measuring(Programs(testkit, binaries, python))
    here = tools(python)
    counts = {}
    failed = False
    with measuring.serving({case.in_flight for case in cases}):
        if args.tree:
            for case in cases:
                print(tree(case, *measuring.profile(case, CALLERS)), end="\n\n", flush=True)
            return 0
        shown: dict[str, list[str]] = defaultdict(list)
        baseline = None if args.update or args.markdown else Baseline(BASELINE, here)
        for difference in baseline.differences if baseline else ():
            say(f"   {difference}")
        print(f"{'':48} {'instructions':>12} {'own':>12} {'allocations':>12} {'bytes':>14}")
        for case in cases:
            is_shown = args.markdown is not None and case.name in IN_THE_PAGE
            count, profile, units = measuring.count(case, CALLERS if is_shown else 0)
            if args.update and case.swings:
                for _ in range(MORE_COUNTS):
                    count = count.most(measuring.count(case)[0])
            counts[case.name] = count
            if is_shown:
                shown[case.language].append(tree(case, profile, units))
            verdict = baseline.compare(case, count) if baseline else None
            for _ in range(MORE_TRIES):
                if baseline is None or verdict is None or not verdict.failed:
                    break
                count = count.least(measuring.count(case)[0])
                counts[case.name] = count
                verdict = baseline.compare(case, count)
            failed |= verdict is not None and verdict.failed
            text = "" if verdict is None else f"FAILED: {verdict.text}" if verdict.failed else verdict.text
            print(row(case, count, text), flush=True)
        if args.markdown:
            put(args.markdown, "counts", table(cases, counts))
            for language, texts in shown.items():
                put(args.markdown, f"{language} trees", "```text\n" + "\n\n".join(texts) + "\n```")
    if args.update:
        write(BASELINE, here, counts)
    if failed:
        say(f"Too much. If it is worth it: tools/check-instructions --update, and commit {BASELINE}.")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
