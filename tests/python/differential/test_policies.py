"""The tests of policies on fake clusters pass on the published driver too: they say what it does."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

POLICIES = Path(__file__).parent.parent / "policies"
ONLY_OURS = ("test_counts.py", "test_sharing.py")
"""The published driver's metrics need a library that is not to be had any more."""


def test_the_tests_of_policies_pass_on_the_published_driver() -> None:
    python = os.environ.get("HELENUS_ORACLE_PYTHON")
    if not python:
        pytest.skip("HELENUS_ORACLE_PYTHON does not name the published driver's interpreter")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    ignored = [f"--ignore={POLICIES / name}" for name in ONLY_OURS]
    command = [python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, f"--rootdir={POLICIES}"]
    done = subprocess.run(
        [*command, *ignored, str(POLICIES)], env=environment, cwd=POLICIES, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-1000:]
