"""The test bed's fixtures themselves, on a cluster of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest
from plugin_testkit import CassandraCluster, TestkitError


def test_a_special_cluster_can_be_steered(cassandra_cluster: Callable[..., CassandraCluster]) -> None:
    cluster = cassandra_cluster("--nodes", "1", "--auth")
    assert cluster.credentials == ("cassandra", "cassandra")
    assert cluster.local_datacenter == "dc1"
    node = cluster.node(1)
    assert node.address == cluster.contact_points[0]
    node.pause()
    assert node.state == "paused"
    node.resume()
    assert "UN" in node.nodetool("status")
    with pytest.raises(TestkitError, match="node 1 is running, it cannot be resumed"):
        node.resume()
    with pytest.raises(TestkitError, match="no node 2"):
        cluster.control("node", number=2, action="kill")


def test_logs_of_a_failed_test_stay_and_are_named(tmp_path: Path) -> None:
    here = Path(__file__).parent
    (tmp_path / "test_failing.py").write_text(
        textwrap.dedent(
            """
            def test_fails(cassandra_cluster):
                cassandra_cluster()
                assert False
            """
        )
    )
    environment = {**os.environ, "PYTHONPATH": str(here), "TMPDIR": str(tmp_path)}
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "plugin_testkit", "-p", "no:cacheprovider", str(tmp_path)],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 1, run.stdout + run.stderr
    directory = next(tmp_path.glob("helenus-cassandra-*"))
    assert f"logs are kept in {directory}" in run.stdout
    assert (directory / "node1/logs/system.log").exists()
    assert not (directory / "node1/data").exists()
