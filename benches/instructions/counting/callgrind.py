"""What callgrind wrote down: instructions by function, and who called whom."""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict
from pathlib import Path

_FIELD = re.compile(r"(ob|fl|fi|fe|fn|cob|cfi|cfl|cfn)=\((\d+)\)(?: (.*))?$")


@dataclasses.dataclass(frozen=True)
class Function:
    """A function and the program or library that it is in."""

    name: str
    library: str


@dataclasses.dataclass
class Profile:
    """Counts of one run.

    Functions that were inlined are not known by name, only by the file their lines are in.
    """

    own: dict[Function, int] = dataclasses.field(default_factory=lambda: defaultdict(int))
    """Instructions of the function itself."""
    files: dict[str, int] = dataclasses.field(default_factory=lambda: defaultdict(int))
    """Instructions by source file, inlined ones where they were written."""
    calls: dict[tuple[Function, Function], int] = dataclasses.field(default_factory=lambda: defaultdict(int))
    """Instructions of a function and all that it called, by caller."""
    counts: dict[Function, int] = dataclasses.field(default_factory=lambda: defaultdict(int))
    """How often a function was called."""

    @property
    def total(self) -> int:
        return sum(self.own.values())

    def within(self, library: str) -> int:
        """Instructions in libraries that have this in their path."""
        return sum(cost for function, cost in self.own.items() if library in function.library)

    @classmethod
    def read(cls, path: Path) -> Profile:
        """Reads one part of callgrind's output.

        Names come once and are numbered from then on; a line of costs has its position first and its count last; the
        line after ``calls=`` has the cost of the call.
        """
        profile = cls()
        names: dict[str, dict[str, str]] = {"ob": {}, "fl": {}, "fn": {}}
        kinds = {"ob": "ob", "cob": "ob", "fn": "fn", "cfn": "fn"}
        state = {"ob": "", "fl": "", "fn": ""}
        callee: dict[str, str] = {}
        calls: int | None = None
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            if not line:
                continue
            if line[0] in "+-*0123456789":
                cost = int(line.split()[-1])
                here = Function(state["fn"], state["ob"])
                if calls is None:
                    profile.own[here] += cost
                    profile.files[state["fl"]] += cost
                else:
                    target = Function(callee.get("cfn", ""), callee.get("cob", state["ob"]))
                    profile.calls[here, target] += cost
                    profile.counts[target] += calls
                    calls, callee = None, {}
                continue
            if line.startswith("calls="):
                calls = int(line[len("calls=") :].split()[0])
                continue
            match = _FIELD.match(line)
            if match is None:
                continue
            field, number, name = match.groups()
            known = names[kinds.get(field, "fl")]
            if name is not None:
                known[number] = name
            value = known.get(number, "")
            if field in ("cob", "cfn"):
                callee[field] = value
            elif field in ("fi", "fe", "fl"):
                state["fl"] = value
            elif field in ("ob", "fn"):
                state[field] = value
        return profile
