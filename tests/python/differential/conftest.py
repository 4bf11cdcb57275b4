"""What the comparison with the published driver needs: its process, and the seed of all random values."""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from oracle import Oracle

SEED = int(os.environ.get("HELENUS_DIFFERENTIAL_SEED", "0") or 0) or random.SystemRandom().getrandbits(32)


def pytest_report_header() -> str:
    """Print the seed with which a failure can be repeated."""
    return f"differential tests: HELENUS_DIFFERENTIAL_SEED={SEED}"


@pytest.fixture(scope="session")
def seed() -> int:
    """The seed of this run; also a part of each failure's message."""
    return SEED


@pytest.fixture(scope="session")
def oracle() -> Iterator[Oracle]:
    """The published driver, if its interpreter is named by ``HELENUS_ORACLE_PYTHON``."""
    python = os.environ.get("HELENUS_ORACLE_PYTHON")
    if not python:
        pytest.skip("HELENUS_ORACLE_PYTHON does not name the published driver's interpreter")
    process = Oracle(python)
    assert process.ask("version") == "3.30.1"
    yield process
    process.close()
