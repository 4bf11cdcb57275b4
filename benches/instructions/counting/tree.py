"""Where instructions go, as a tree in text: the flame graph's content, narrow enough for a page.

Callgrind knows who called whom and :data:`CALLERS` callers above; where that does not tell callers apart, what a
function calls is shared out among them by what each call cost.
"""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict

from .callgrind import Function, Profile

CALLERS = 12
"""How many callers tell a function apart from itself."""

_THROUGH = 0.96
"""A function that hands on so much of its cost to one other is not shown: it only leads there."""

_HIDDEN = re.compile(
    r"trampoline|method_vectorcall|vectorcall_|_PyObject_MakeTpCall|PyObject_Vectorcall|_PyObject_Call|cfunction|"
    r"^type_call|^slot_tp|marker::Python::detach|__pymethod_|tp_dealloc|^_Py_Dealloc|^object_new$|into_new_object"
)
"""What only leads from the interpreter to an extension module and back. It counts for its caller."""


@dataclasses.dataclass
class _Node:
    cost: float = 0.0
    own: float = 0.0
    children: dict[str, _Node] = dataclasses.field(default_factory=lambda: defaultdict(_Node))


class Tree:
    """The call tree of a profile.

    :param share: calls below this share of all instructions are not shown.
    :param depth: nor are those deeper than this.
    """

    def __init__(self, profile: Profile, units: int, *, share: float = 0.02, depth: int = 9) -> None:
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
        top = _Node()
        for root in [function for function in self._all if function not in called]:
            node = top.children[short(root)]
            node.cost += self._all[root]
            self._build(root, float(self._all[root]), node, (root,))
        self.lines: list[str] = []
        self._show_children(top, 0)

    def _build(self, function: Function, cost: float, node: _Node, path: tuple[Function, ...]) -> None:
        scale = cost / self._all[function]
        node.own += self._profile.own[function] * scale
        for callee, whole in self._callees[function]:
            part = whole * scale
            if callee in path or part < self._least / 20:
                continue
            child = node
            if not _HIDDEN.search(_plain(callee)):
                child = node.children[short(callee)]
                child.cost += part
            self._build(callee, part, child, (*path, callee))

    def _show_children(self, node: _Node, depth: int) -> None:
        for name, child in sorted(node.children.items(), key=lambda pair: -pair[1].cost):
            self._show(name, child, depth)

    def _show(self, name: str, node: _Node, depth: int) -> None:
        if node.cost < self._least or depth > self._depth:
            return
        if any(child.cost >= node.cost * _THROUGH for child in node.children.values()):
            self._show_children(node, depth)
            return
        share = 100 / self._profile.total
        itself = ""
        if node.children and node.own >= self._least:
            itself = f"  (itself {share * node.own:.1f} %)"
        self.lines.append(f"{share * node.cost:5.1f} % {node.cost / self._units:7,.0f}  {'  ' * depth}{name}{itself}")
        self._show_children(node, depth + 1)

    def __str__(self) -> str:
        return "\n".join(self.lines)


def _plain(function: Function) -> str:
    """The name without its callers and how deep it is in itself."""
    return function.name.partition("'")[0]


def short(function: Function) -> str:
    """The name without generics and modules, with the crate or library that it is from."""
    name = _plain(function)
    if name == "_PyEval_EvalFrameDefault":
        return "Python code"
    if "memcpy" in name or "memmove" in name:
        return "memcpy"
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
