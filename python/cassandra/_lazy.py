"""Names that a module offers and imports when they are asked for.

Most programs use few of the names that the modules of the package have always had. For type checkers the same names are
imported under ``TYPE_CHECKING``.
"""

from __future__ import annotations

import sys


def offer(module: str, sources: dict[str, str]) -> None:
    """Let *module* have the names that *sources* lists, separated by spaces, by the module that defines them.

    A name is imported when it is first asked for, also by ``from module import *``, and stays as an attribute.
    """
    target = sys.modules[module]
    origin = {name: source for source, names in sources.items() for name in names.split()}

    def public_names() -> list[str]:
        return sorted({name for name in vars(target) if name[0] != "_"} | {name for name in origin if name[0] != "_"})

    def lookup(name: str) -> object:
        if name == "__all__":
            return public_names()
        try:
            source = origin[name]
        except KeyError:
            raise AttributeError(f"module {module!r} has no attribute {name!r}") from None
        __import__(source)
        value: object = getattr(sys.modules[source], name)
        setattr(target, name, value)
        return value

    def names() -> list[str]:
        return sorted({*vars(target), *origin})

    vars(target)["__getattr__"] = lookup
    vars(target)["__dir__"] = names
