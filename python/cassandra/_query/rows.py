"""Row factories: ``f(column_names, rows)`` gives the rows of one page in the shape that the application wants.

The core builds the four shapes here itself; these functions say what it builds, and serve whoever calls them.
"""

from __future__ import annotations

import keyword
import re
from collections import OrderedDict, namedtuple
from collections.abc import Iterable, Sequence
from typing import Any

from cassandra._query import MODULE

Rows = Iterable[Sequence[Any]]

_NO_IDENTIFIER = re.compile("[^a-zA-Z0-9]")
_BAD_START = re.compile("^[^a-zA-Z0-9]*")
_BAD_END = re.compile("[^a-zA-Z0-9_]*$")


def tuple_factory(colnames: Sequence[str], rows: Rows) -> Any:
    """Give rows as tuples: they pass unchanged."""
    return rows


def named_tuple_factory(colnames: Iterable[str], rows: Rows) -> list[Any]:
    """Give rows as named tuples of a class ``Row``. The default.

    Column names that are no identifiers are cleaned: other signs become ``_``, leading ones go; keywords, names that
    begin with a digit and empty ones become ``field_N_`` by their position; a repeated name gets a ``_`` at its end.
    """
    row_class = namedtuple("Row", _field_names(colnames))  # type: ignore[misc]
    return [row_class(*row) for row in rows]


def dict_factory(colnames: Iterable[str], rows: Rows) -> list[dict[str, Any]]:
    """Give rows as dictionaries by column name."""
    names = list(colnames)
    return [dict(zip(names, row, strict=False)) for row in rows]


def ordered_dict_factory(colnames: Iterable[str], rows: Rows) -> list[OrderedDict[str, Any]]:
    """Give rows as ordered dictionaries by column name."""
    names = list(colnames)
    return [OrderedDict(zip(names, row, strict=False)) for row in rows]


def _field_names(colnames: Iterable[str]) -> list[str]:
    names: list[str] = []
    taken: set[str] = set()
    for index, colname in enumerate(colnames):
        name = _identifier(colname)
        if not name or name[0].isdigit() or keyword.iskeyword(name):
            name = f"field_{index}_"
        while name in taken:
            name += "_"
        taken.add(name)
        names.append(name)
    return names


def _identifier(name: str) -> str:
    """Clean *name*; almost every name is an identifier already."""
    if name.isidentifier() and name.isascii() and name[0] != "_":
        return name
    return _NO_IDENTIFIER.sub("_", _BAD_END.sub("", _BAD_START.sub("", name)))


for _function in (tuple_factory, named_tuple_factory, dict_factory, ordered_dict_factory):
    _function.__module__ = MODULE
del _function
