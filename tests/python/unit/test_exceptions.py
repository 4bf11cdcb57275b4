"""The names of :mod:`cassandra` itself: consistency levels, protocol versions and exceptions."""

from __future__ import annotations

import subprocess
import sys

import pytest

import cassandra
from cassandra import ConsistencyLevel, ProtocolVersion, WriteType


def test_unavailable_says_what_was_needed_and_what_was_there() -> None:
    error = cassandra.Unavailable("no", ConsistencyLevel.QUORUM, 3, 2)
    assert str(error) == "no info={'consistency': 'QUORUM', 'required_replicas': 3, 'alive_replicas': 2}"
    assert (error.consistency, error.required_replicas, error.alive_replicas) == (4, 3, 2)


def test_write_timeout_names_the_write_type() -> None:
    error = cassandra.WriteTimeout("late", write_type=WriteType.BATCH, consistency=1, required_responses=2)
    assert "'write_type': 'BATCH'" in str(error)
    assert error.write_type == WriteType.BATCH


def test_read_failure_shows_reasons_in_hexadecimal() -> None:
    error = cassandra.ReadFailure("bad", consistency=1, failures=1, error_code_map={"127.0.0.1": 2})
    assert "'error_code_map': {'127.0.0.1': '0x0002'}" in str(error)
    assert error.error_code_map == {"127.0.0.1": 2}


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (cassandra.AlreadyExists("ks", "t"), "Table 'ks.t' already exists"),
        (cassandra.AlreadyExists("ks"), "Keyspace 'ks' already exists"),
        (cassandra.OperationTimedOut({"a": 1}, "a"), "errors={'a': 1}, last_host=a"),
    ],
)
def test_exceptions_have_the_texts_that_programs_match(error: Exception, text: str) -> None:
    assert str(error) == text


def test_every_exception_of_a_request_is_a_driver_exception() -> None:
    for name in ("Unavailable", "ReadTimeout", "WriteFailure", "FunctionFailure", "InvalidRequest", "Unauthorized"):
        assert issubclass(getattr(cassandra, name), cassandra.DriverException)


def test_downgrading_passes_by_beta_versions() -> None:
    assert ProtocolVersion.get_lower_supported(ProtocolVersion.DSE_V1) == ProtocolVersion.V5
    assert ProtocolVersion.get_lower_supported(ProtocolVersion.V1) == 0


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = (
        "import cassandra.connection, cassandra.metadata, cassandra.pool, cassandra.query, sys;"
        "print([name for name in ('ssl', 'asyncio', 'numpy', 'inspect', 'email') if name in sys.modules])"
    )
    # -S: whatever site-packages starts up is not ours.
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, env={"PYTHONPATH": _path()}
    )
    assert done.stdout.strip() == "[]", done.stderr


def _path() -> str:
    return str(cassandra.__path__[0].removesuffix("/cassandra"))
