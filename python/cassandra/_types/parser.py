"""Type names of the server (``...ListType(...Int32Type)``) to type classes, and the names of types in CQL.

The server's notation is that of its class ``TypeParser``: ``class(parameter, ...)``, where a parameter is a type or a
number and may have a label before it, ``label:type`` or ``alias=>type``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from cassandra._types.base import (
    CassandraTypeType,
    apache_cassandra_type_prefix,
    casstypes,
    mkUnrecognizedType,
    trim_if_startswith,
)

casstype_scanner = re.Scanner(  # type: ignore[attr-defined]
    (
        (r"[()]", lambda _, text: text),
        (r"[a-zA-Z0-9_./$+-]+:", lambda _, text: text),
        (r"[a-zA-Z0-9_./$+-]+=>", lambda _, text: text),
        (r"[a-zA-Z0-9_./$+-]+", lambda _, text: text),
        (r"[\s,]", None),
    )
)

cql_type_scanner = re.Scanner(  # type: ignore[attr-defined]
    (
        (r"[a-zA-Z0-9_]+", lambda _, text: text),
        (r'"(?:[^"]|"")*"', lambda _, text: text),
        (r"[\s,<>]", None),
    )
)

_CQL_TOKEN = re.compile(r'\s*("(?:[^"]|"")*"|\'[^\']*\'|[<>,]|[^\s<>,"\']+)')


class _Node:
    """One type in the server's notation, not looked up yet."""

    def __init__(self, name: str, label: str | None = None) -> None:
        self.name = name
        self.label = label
        self.parameters: list[_Node] = []


def lookup_casstype_simple(casstype: str) -> CassandraTypeType:
    """Find the class of a type without parameters; an unknown one is made into a class whose values stay bytes."""
    shortname = trim_if_startswith(casstype, apache_cassandra_type_prefix)
    known = casstypes.get(shortname)
    if known is None:
        known = casstypes[casstype] = mkUnrecognizedType(casstype)
    return known


def parse_casstype_args(typestring: str) -> CassandraTypeType:
    """Make the class of a type in the server's notation.

    :raises ValueError: it is not in that notation.
    """
    tokens, remainder = casstype_scanner.scan(typestring)
    if remainder:
        raise ValueError(f"weird characters {remainder!r} at end")
    if not tokens:
        raise ValueError("no type at all")
    return _build(_parse(tokens))


def _parse(tokens: Sequence[str]) -> _Node:
    root = _Node("")
    open_nodes = [root]
    label = None
    for token in tokens:
        if token == "(":
            if not open_nodes[-1].parameters:
                raise ValueError("a parenthesis without a type before it")
            open_nodes.append(open_nodes[-1].parameters[-1])
        elif token == ")":
            if len(open_nodes) == 1:
                raise ValueError("a parenthesis is closed that was not opened")
            open_nodes.pop()
        elif token.endswith((":", "=>")):
            label = token.rstrip(":=>")
        else:
            open_nodes[-1].parameters.append(_Node(token, label))
            label = None
    if len(root.parameters) != 1:
        raise ValueError("more than one type")
    return root.parameters[0]


def _build(node: _Node) -> CassandraTypeType:
    base: Any = lookup_casstype_simple(node.name)
    if not node.parameters:
        return base  # type: ignore[no-any-return]
    if base.cassname == "UserType":
        # The keyspace and the hexadecimal name are no types.
        parameters: list[Any] = [parameter.name for parameter in node.parameters[:2]]
        parameters += [_build(parameter) for parameter in node.parameters[2:]]
    elif base.cassname == "VectorType" and len(node.parameters) == 2:
        parameters = [_build(node.parameters[0]), int(node.parameters[1].name)]
    else:
        parameters = [_build(parameter) for parameter in node.parameters]
    made: CassandraTypeType = base.apply_parameters(parameters, [parameter.label for parameter in node.parameters])
    return made


def lookup_casstype(casstype: Any) -> Any:
    """Find the class of a type in the server's notation; a type class is given back.

    :raises ValueError: it is not in that notation.
    """
    if isinstance(casstype, CassandraTypeType):
        return casstype
    known = casstypes.get(casstype)
    if known is not None:
        return known
    try:
        return parse_casstype_args(casstype)
    except (ValueError, AssertionError, IndexError) as error:
        raise ValueError(f"Don't know how to parse type string {casstype!r}: {error}") from error


def cql_typename(casstypename: str) -> str:
    """Translate a type from the server's notation into CQL."""
    written: str = lookup_casstype(casstypename).cql_parameterized_type()
    return written


def cqltype_to_python(cql_string: str) -> list[Any]:
    """Give a CQL type as nested lists: ``map<text, list<int>>`` as ``['map', ['text', 'list', ['int']]]``.

    :raises ValueError: brackets do not match.
    """
    levels: list[list[Any]] = [[]]
    position = 0
    text = cql_string.rstrip()
    while position < len(text):
        match = _CQL_TOKEN.match(text, position)
        if match is None:
            raise ValueError(f"can't interpret {cql_string!r} as a CQL type")
        position = match.end()
        token = match.group(1)
        if token == "<":
            levels[-1].append([])
            levels.append(levels[-1][-1])
        elif token == ">":
            if len(levels) == 1:
                raise ValueError(f"a bracket is closed in {cql_string!r} that was not opened")
            levels.pop()
        elif token != ",":
            levels[-1].append(token)
    if len(levels) != 1:
        raise ValueError(f"a bracket is not closed in {cql_string!r}")
    return levels[0]


def python_to_cqltype(types: Iterable[Any]) -> str:
    """Undo :func:`cqltype_to_python`."""
    written: list[str] = []
    for item in types:
        if isinstance(item, list):
            written[-1] = f"{written[-1] if written else ''}<{python_to_cqltype(item)}>"
        else:
            written.append(item)
    return ", ".join(written)


def _strip_frozen_from_python(types: Iterable[Any]) -> list[Any]:
    stripped: list[Any] = []
    was_frozen = False
    for item in types:
        if item == "frozen":
            was_frozen = True
        elif isinstance(item, list):
            inner = _strip_frozen_from_python(item)
            stripped += inner if was_frozen else [inner]
            was_frozen = False
        else:
            stripped.append(item)
    return stripped


def strip_frozen(cql: str) -> str:
    """Write a CQL type without any ``frozen<...>``."""
    return python_to_cqltype(_strip_frozen_from_python(cqltype_to_python(cql)))


def cql_types_from_string(cql_type: str) -> list[str]:
    """Give the names of all types that a CQL type is made of, but ``frozen``, in the order of writing."""
    names, _ = cql_type_scanner.scan(cql_type)
    return [name for name in names if name != "frozen"]
