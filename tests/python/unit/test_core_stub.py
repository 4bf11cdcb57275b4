"""The stub of the native module says what the binary has: names, members and arguments."""

from __future__ import annotations

import ast
import inspect
from pathlib import Path
from typing import Any

import pytest

from cassandra import _core

STUB = ast.parse((Path(_core.__file__).parent / "_core.pyi").read_text())
DEFINITIONS = {node.name: node for node in STUB.body if isinstance(node, (ast.ClassDef, ast.FunctionDef))}
CLASSES = [name for name, node in DEFINITIONS.items() if isinstance(node, ast.ClassDef)]
IMPLIED = {"__doc__", "__module__", "__dict__", "__weakref__"}
"""What every class of the binary has without being written down."""
COMPARISONS = {"__lt__", "__le__", "__gt__", "__ge__"}
"""Come with ``__eq__`` in a native class, and give ``NotImplemented``."""


def arguments(node: ast.FunctionDef) -> list[str]:
    spec = node.args
    names = [argument.arg for argument in (*spec.posonlyargs, *spec.args, *spec.kwonlyargs)]
    names += [argument.arg for argument in (spec.vararg, spec.kwarg) if argument is not None]
    return [name for name in names if name not in ("self", "cls")]


def native_arguments(function: Any) -> list[str]:
    return [name for name in inspect.signature(function).parameters if name not in ("self", "$self")]


def test_the_module_has_what_the_stub_names_and_nothing_else() -> None:
    public = {name for name in vars(_core) if not name.startswith("__")}
    assert public == set(DEFINITIONS)


@pytest.mark.parametrize("name", [name for name in DEFINITIONS if name not in CLASSES])
def test_functions_take_the_arguments_of_the_stub(name: str) -> None:
    node = DEFINITIONS[name]
    assert isinstance(node, ast.FunctionDef)
    assert native_arguments(getattr(_core, name)) == arguments(node)


@pytest.mark.parametrize("name", CLASSES)
def test_classes_have_the_members_of_the_stub(name: str) -> None:
    node = DEFINITIONS[name]
    assert isinstance(node, ast.ClassDef)
    written: dict[str, Any] = {}
    for part in node.body:
        if isinstance(part, ast.FunctionDef):
            written.setdefault(part.name, part)
        elif isinstance(part, ast.AnnAssign) and isinstance(part.target, ast.Name):
            written[part.target.id] = None
    native = vars(getattr(_core, name))
    implied = IMPLIED | COMPARISONS | {"__setattr__", "__delattr__", "__repr__"}
    assert {member for member in native if member not in implied} == set(written) - implied
    for member, part in written.items():
        is_property = part is None or part.decorator_list
        if not is_property and not member.startswith("__"):
            assert native_arguments(native[member]) == arguments(part), member
