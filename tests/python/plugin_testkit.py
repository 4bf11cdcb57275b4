"""Real Cassandra for tests: fixtures on the command line ``helenus-testkit``.

``cassandra`` is the node that all tests of a run share, ``contact_points`` its addresses; tests leave its processes
alone and keep to keyspaces of their own. ``cassandra_cluster`` starts special clusters, which end with the test.

A cluster ends when the standard input of its ``helenus-testkit`` closes, so it does not survive this process, however
that ends. Logs of clusters that a failed test has used stay, and the failure's report names them.

Environment: ``HELENUS_TESTKIT`` is the binary (default: the one in the workspace's target directory);
``HELENUS_CONTACT_POINTS`` names a cluster that runs already and is used as the shared one.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

WORKSPACE = Path(__file__).resolve().parents[2]
NATIVE_PORT = 9042


class TestkitError(Exception):
    """The test bed refused or failed to do what it was asked for."""

    __test__ = False


@dataclass(frozen=True)
class Control:
    """Commands to a running cluster, through its control socket."""

    socket_path: str

    def __call__(self, command: str, **arguments: Any) -> Any:
        """Send one command and wait for its result.

        :raises TestkitError: with the cluster's own words.
        """
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection, connection.makefile("rwb") as stream:
            connection.connect(self.socket_path)
            stream.write(json.dumps({"command": command, **arguments}).encode() + b"\n")
            stream.flush()
            line = stream.readline()
        if not line:
            raise TestkitError(f"the cluster ended during {command!r}")
        answer = json.loads(line)
        if "error" in answer:
            raise TestkitError(answer["error"])
        return answer["ok"]


@dataclass(frozen=True)
class Node:
    """One node of a cluster; its number counts from 1."""

    number: int
    address: str
    datacenter: str
    rack: str
    control: Control = field(repr=False)

    def start(self) -> None:
        """Start it after :meth:`stop` or :meth:`kill`, and wait until it serves clients."""
        self._act("start")

    def stop(self) -> None:
        """Stop it in order."""
        self._act("stop")

    def restart(self) -> None:
        """Stop it in order and start it again."""
        self._act("restart")

    def kill(self) -> None:
        """End its process as if by a crash."""
        self._act("kill")

    def pause(self) -> None:
        """Hold its process: connections stay open and nothing answers."""
        self._act("pause")

    def resume(self) -> None:
        """Let a paused process go on."""
        self._act("resume")

    def drain(self) -> None:
        """Make it flush its data and turn everybody away."""
        self._act("drain")

    def decommission(self) -> None:
        """Make it hand over its data and leave for good."""
        self._act("decommission")

    def nodetool(self, *arguments: str) -> str:
        """Run nodetool on it and return what that printed."""
        return str(self._act("nodetool", arguments=arguments))

    @property
    def state(self) -> str:
        """running, paused, drained, stopped or decommissioned."""
        nodes = self.control("describe")["nodes"]
        return str(next(node["state"] for node in nodes if node["number"] == self.number))

    def _act(self, action: str, **arguments: Any) -> Any:
        return self.control("node", number=self.number, action=action, **arguments)


@dataclass(frozen=True)
class CassandraCluster:
    """A running cluster."""

    contact_points: list[str]
    """Addresses of its nodes, without the port, which is always 9042."""

    description: dict[str, Any] = field(repr=False)
    """What ``helenus-testkit`` told of it."""

    @property
    def version(self) -> str:
        """Version of Cassandra, such as 5.0.6."""
        return str(self.description["version"])

    @property
    def local_datacenter(self) -> str:
        """Datacenter of node 1."""
        return str(self.description["local_datacenter"])

    @property
    def credentials(self) -> tuple[str, str] | None:
        """Name and password of the superuser, when clients have to log in."""
        if self.description.get("username") is None:
            return None
        return self.description["username"], self.description["password"]

    @property
    def tls_files(self) -> tuple[str, str, str] | None:
        """PEM files for TLS: the authority's certificate, the client's certificate, the client's key."""
        if self.description.get("tls_authority") is None:
            return None
        return self.description["tls_authority"], self.description["tls_certificate"], self.description["tls_key"]

    @property
    def control(self) -> Control:
        """Commands to the cluster; only for one that this run has started, or that tells its control socket."""
        path = self.description.get("control_socket")
        if path is None:
            raise TestkitError("the cluster that HELENUS_CONTACT_POINTS names has no control socket")
        return Control(path)

    @property
    def nodes(self) -> list[Node]:
        """All nodes there ever were; the first is number 1."""
        return [self._node(node) for node in self.control("describe")["nodes"]]

    def node(self, number: int) -> Node:
        """The node with this number, from 1."""
        return self.nodes[number - 1]

    def add_node(self, datacenter: str = "dc1", rack: str = "rack1") -> Node:
        """Add a node and wait until it serves clients."""
        return self._node(self.control("add", datacenter=datacenter, rack=rack))

    def _node(self, node: dict[str, Any]) -> Node:
        address = node["address"].rsplit(":", 1)[0]
        return Node(node["number"], address, node["datacenter"], node["rack"], self.control)


class Testkit:
    """Starts clusters and ends them."""

    __test__ = False

    def __init__(self) -> None:
        self.running: list[tuple[subprocess.Popen[str], CassandraCluster]] = []

    def start(self, *options: str) -> CassandraCluster:
        """Start a cluster with the options of ``helenus-testkit cluster run``.

        :raises TestkitError: when it does not come up; the reason is on standard error.
        """
        command = [str(binary()), "cluster", "run", *options]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        line = process.stdout.readline()
        if not line:
            self._close(process)
            raise TestkitError(f"{' '.join(command)} ended with {process.returncode}")
        description = json.loads(line)
        addresses = [point.rsplit(":", 1)[0] for point in description["contact_points"]]
        cluster = CassandraCluster(addresses, description)
        self.running.append((process, cluster))
        return cluster

    def keep_logs(self) -> list[str]:
        """Let the logs of all running clusters stay, and return their directories."""
        return [cluster.control("keep_logs") for process, cluster in self.running if process.poll() is None]

    def stop(self) -> None:
        """End all clusters, and wait until they have."""
        while self.running:
            process, _ = self.running.pop()
            self._close(process)

    @staticmethod
    def _close(process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.close()
        process.stdout.close()
        process.wait()


def binary() -> Path:
    """The command line of the test bed.

    :raises pytest.UsageError: when it has not been built.
    """
    named = os.environ.get("HELENUS_TESTKIT")
    target = Path(os.environ.get("CARGO_TARGET_DIR", WORKSPACE / "target"))
    path = Path(named) if named else target / "debug" / "helenus-testkit"
    if not path.exists():
        raise pytest.UsageError(f"{path} does not exist: cargo build -p helenus-testkit")
    return path


TESTKITS = pytest.StashKey[list[Testkit]]()


@contextmanager
def _testkit(config: pytest.Config) -> Iterator[Testkit]:
    testkit = Testkit()
    testkits = config.stash.setdefault(TESTKITS, [])
    testkits.append(testkit)
    try:
        yield testkit
    finally:
        testkits.remove(testkit)
        testkit.stop()


@pytest.fixture(scope="session")
def cassandra(pytestconfig: pytest.Config) -> Iterator[CassandraCluster]:
    """The cluster that all tests share: what HELENUS_CONTACT_POINTS names, or one node of 5.0 with every feature on."""
    contact_points = os.environ.get("HELENUS_CONTACT_POINTS")
    if contact_points:
        addresses = [point.strip().split(":", 1)[0] for point in contact_points.split(",")]
        names = {
            "version": "HELENUS_CASSANDRA_VERSION",
            "local_datacenter": "HELENUS_LOCAL_DATACENTER",
            "username": "HELENUS_USERNAME",
            "password": "HELENUS_PASSWORD",
            "tls_authority": "HELENUS_TLS_AUTHORITY",
            "tls_certificate": "HELENUS_TLS_CERTIFICATE",
            "tls_key": "HELENUS_TLS_KEY",
            "control_socket": "HELENUS_CONTROL_SOCKET",
        }
        yield CassandraCluster(addresses, {name: os.environ.get(variable) for name, variable in names.items()})
        return
    with _testkit(pytestconfig) as testkit:
        yield testkit.start("--dc", "datacenter1:1", "--all-features", "--prefix", "auto")


@pytest.fixture(scope="session")
def contact_points(cassandra: CassandraCluster) -> list[str]:
    """Addresses of the shared cluster."""
    return cassandra.contact_points


@pytest.fixture
def cassandra_cluster(pytestconfig: pytest.Config) -> Iterator[Callable[..., CassandraCluster]]:
    """Starts clusters for one test, with the options of ``helenus-testkit cluster run``.

    They get addresses of their own, beside the shared one: ``cassandra_cluster("--dc", "dc1:2,dc2:1", "--auth")``.
    """
    with _testkit(pytestconfig) as testkit:
        yield lambda *options: testkit.start("--prefix", "auto", *options)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Lets the logs stay and names them when a test that used a cluster fails."""
    outcome: Any = yield
    report: pytest.TestReport = outcome.get_result()
    used = {"cassandra", "cassandra_cluster"} & set(getattr(item, "fixturenames", ()))
    if report.failed and used:
        for testkit in item.config.stash.get(TESTKITS, []):
            for directory in testkit.keep_logs():
                report.sections.append(("Cassandra", f"logs are kept in {directory}\n{_last_lines(directory)}"))


def _last_lines(directory: str, count: int = 15) -> str:
    lines = []
    for log in sorted(Path(directory).glob("node*/logs/system.log")):
        lines += [f"{log.parent.parent.name}: {line}" for line in log.read_text(errors="replace").splitlines()[-count:]]
    return "\n".join(lines)
