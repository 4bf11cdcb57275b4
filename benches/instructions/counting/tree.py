"""Where instructions go, as a tree in text: the flame graph's content, narrow enough for a page.

Callgrind knows who called whom, not whole stacks: what a function with several callers calls is shared out among them
by what each call cost.
"""

from __future__ import annotations

import re
from collections import defaultdict

from .callgrind import Function, Profile

_THROUGH = 0.96
"""A function that hands on so much of its cost to one other is not shown: it only leads there."""


class Tree:
    """The call tree of a profile.

    :param share: calls below this share of all instructions are not shown.
    :param depth: nor are those deeper than this.
    """

    def __init__(self, profile: Profile, units: int, *, share: float = 0.015, depth: int = 9) -> None:
        self._profile = profile
        self._units = units
        self._least = profile.total * share
        self._depth = depth
        self._callees: dict[Function, list[tuple[Function, int]]] = defaultdict(list)
        self._all: dict[Function, int] = defaultdict(int, profile.own)
        called = set()
        for (caller, callee), cost in profile.calls.items():
            if caller == callee:
                continue
            self._callees[caller].append((callee, cost))
            self._all[caller] += cost
            called.add(callee)
        self._roots = [function for function in self._all if function not in called]
        for callees in self._callees.values():
            callees.sort(key=lambda pair: -pair[1])
        self.lines: list[str] = []
        for root in sorted(self._roots, key=lambda root: -self._all[root]):
            self._add(root, float(self._all[root]), 0, (root,))

    def _add(self, function: Function, cost: float, depth: int, path: tuple[Function, ...]) -> None:
        if cost < self._least or depth > self._depth:
            return
        scale = cost / self._all[function]
        callees = [(callee, part * scale) for callee, part in self._callees[function] if callee not in path]
        if callees and callees[0][1] >= cost * _THROUGH:
            callee, part = callees[0]
            self._add(callee, part, depth, (*path, callee))
            return
        share = 100 * cost / self._profile.total
        own = self._profile.own[function] * scale
        itself = ""
        if callees and own >= self._least:
            itself = f"  (itself {100 * own / self._profile.total:.1f} %)"
        name = short(function)
        self.lines.append(f"{share:5.1f} % {cost / self._units:9,.0f}  {'  ' * depth}{name}{itself}")
        for callee, part in callees:
            self._add(callee, part, depth + 1, (*path, callee))

    def __str__(self) -> str:
        return "\n".join(self.lines)


def short(function: Function) -> str:
    """The name without generics and modules, with the crate or library that it is from."""
    name = function.name
    # An implementation is called by its type: `<impl Trait for T>::f` and `<T as Trait>::f` are `T::f`.
    name = re.sub(r"<impl [^<>]*(?:<[^<>]*>)?[^<>]* for ", "<", name)
    name = re.sub(r" as [^<>]*(?:<[^<>]*(?:<[^<>]*>)?[^<>]*>)?[^<>]*>", ">", name)
    name = re.sub(r"^<([^<>]*(?:<.*>)?)>::", r"\1::", name)
    while True:
        plain = re.sub(r"(?:::)?<[^<>]*>", "", name)
        if plain == name:
            break
        name = plain
    parts = [part for part in name.split("::") if part and part != "{{closure}}"]
    if len(parts) == 1:
        library = function.library.rsplit("/", 1)[-1].split(".")[0]
        return parts[0] if library in ("instructions", "") else f"{parts[0]} [{library}]"
    crate = parts[0].strip("& ").removeprefix("helenus_instructions") or "client"
    kept = parts[-2:] if len(parts) > 2 else parts[1:]
    return f"{'::'.join(kept)} [{crate}]"
