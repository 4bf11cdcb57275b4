"""What was counted before, and whether it has grown."""

from __future__ import annotations

import dataclasses
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

from .cases import PYTHON, Case
from .measure import Count

_HEAD = """\
# Instructions and allocations of one request or row, by workload: what tools/check-instructions compares with.
# Written by: tools/check-instructions --update
#
# They belong to the tools named below and to x86-64 with AVX2. With another compiler the check lets more pass; with
# another C library or interpreter it compares only what is in the driver's own code ("own").
"""

OTHER_COMPILER = 0.15
"""What is let pass when the compiler is another one."""


def tools(python: Path | None) -> dict[str, str]:
    """What the counts depend on."""
    found = {
        "machine": platform.machine(),
        "rustc": _first_line(["rustc", "--version"]),
        "libc": os.confstr("CS_GNU_LIBC_VERSION") or "",
        "valgrind": _first_line(["valgrind", "--version"]),
    }
    if python is not None:
        found["python"] = _first_line([str(python), "-VV"])
    return found


def _first_line(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[0].strip()


def write(path: Path, made_with: dict[str, str], counts: dict[str, Count]) -> None:
    """Writes a baseline."""
    lines = [_HEAD, "[made-with]", *(f'{key} = "{value}"' for key, value in made_with.items())]
    for name, count in counts.items():
        lines += ["", f"[{name}]"]
        lines += [f"{key} = {value:.2f}" for key, value in dataclasses.asdict(count).items() if value is not None]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@dataclasses.dataclass(frozen=True)
class Verdict:
    """Of one case."""

    text: str
    failed: bool = False


class Baseline:
    """A baseline, and what is different on this machine."""

    def __init__(self, path: Path, here: dict[str, str]) -> None:
        data: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        self.made_with: dict[str, str] = data.pop("made-with")
        self.counts = {name: Count(**values) for name, values in data.items()}
        self.differences = [
            f"{key} is {here[key]}, the baseline's was {self.made_with[key]}"
            for key in here
            if key in self.made_with and here[key] != self.made_with[key]
        ]
        self._same = {key: here.get(key) == value for key, value in self.made_with.items()}

    def compare(self, case: Case, count: Count) -> Verdict:
        """Whether the case costs more than it did."""
        failures = []
        before = self.counts.get(case.name)
        if (count.tasks or 0) > ((before and before.tasks) or 0):
            failures.append(f"{count.tasks:.2f} tasks spawned")
        if case.most_allocations is not None and (count.allocations or 0) > case.most_allocations:
            failures.append(f"more than {case.most_allocations:.0f} allocations")
        if before is None:
            return Verdict(", ".join(failures) or "not in the baseline", failed=True)
        # What comes once a phase does not divide evenly.
        most = (before.allocations or 0) * (1 + case.more_allocations) + 0.01
        if count.allocations is not None and count.allocations > most:
            failures.append(f"allocations grew from {before.allocations:.2f}")
        if not self._same["machine"]:
            return Verdict(", ".join(failures) or "another machine", failed=bool(failures))
        whole = self._same["libc"] and (case.language != PYTHON or self._same.get("python", False))
        now, then = (count.instructions, before.instructions) if whole else (count.own, before.own)
        margin = case.margin if self._same["rustc"] else max(case.margin, OTHER_COMPILER)
        growth = now / then - 1
        if growth > margin:
            failures.append(f"instructions grew by {100 * growth:.1f} %, {100 * margin:.0f} % may be")
        return Verdict(", ".join(failures) or f"{100 * growth:+.1f} %", failed=bool(failures))
