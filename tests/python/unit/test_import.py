"""What importing the package costs, and that names come when they are asked for."""

import subprocess
import sys

import pytest

COLD = {
    "asyncio",
    "calendar",
    "cassandra.connection",
    "cassandra.cqltypes",
    "cassandra.encoder",
    "cassandra.metadata",
    "cassandra.protocol",
    "cassandra.util",
    "concurrent.futures",
    "decimal",
    "hashlib",
    "ipaddress",
    "json",
    "numpy",
    "pickle",
    "socket",
    "ssl",
}


def run(program: str) -> str:
    """What *program* prints in an interpreter of its own."""
    return subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.strip()


def test_importing_the_cluster_imports_nothing_that_it_does_not_need() -> None:
    before = set(run("import sys; print(*sys.modules)").split())
    loaded = set(run("import sys, cassandra.cluster; print(*sys.modules)").split())
    assert not (COLD & loaded) - before


@pytest.mark.parametrize("module", ["cassandra.cluster", "cassandra.query", "cassandra.pool"])
def test_every_name_that_a_module_offers_is_there(module: str) -> None:
    program = f"import {module} as m; print(*[n for n in dir(m) if not hasattr(m, n)])"
    assert run(program) == ""


def test_names_that_come_late_are_part_of_a_star_import() -> None:
    assert run("from cassandra.cluster import *; print(SimpleStatement.__name__, Cluster.__name__)") == (
        "SimpleStatement Cluster"
    )


def test_modules_that_came_along_with_the_cluster_are_found_on_the_package() -> None:
    assert run("import cassandra.cluster; print(cassandra.protocol.SyntaxException.__name__)") == "SyntaxException"


def test_a_name_that_no_module_has_is_an_attribute_error() -> None:
    import cassandra
    import cassandra.cluster

    for module in (cassandra, cassandra.cluster):
        with pytest.raises(AttributeError, match="nothing_like_this"):
            module.nothing_like_this  # type: ignore[attr-defined]  # noqa: B018
