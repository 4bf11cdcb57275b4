"""Continuous paging of DSE: page after page in answer to one request."""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fake_cluster import INT, QUERY, RESULT, FakeCluster, FakeNode, Reply, error, rows

from cassandra import ProtocolVersion, UnsupportedOperation
from cassandra.cluster import (
    EXEC_PROFILE_DEFAULT,
    Cluster,
    ContinuousPagingOptions,
    ExecutionProfile,
    NoHostAvailable,
    Session,
)
from cassandra.policies import RoundRobinPolicy
from cassandra.protocol import ServerError
from cassandra.query import SimpleStatement

PAGES = "SELECT pages"
REVISE = 0xFF
CANCEL, MORE = 1, 2
VERSIONS = (ProtocolVersion.DSE_V1, ProtocolVersion.DSE_V2)


def page(number: int, last: bool) -> Reply:
    """RESULT of the kind Rows with two rows, marked as a continuous page."""
    kind, body = rows([("k", INT)], [[2 * number], [2 * number + 1]])
    flags = 1 | 0x40000000 | (0x80000000 if last else 2)
    state = b"" if last else struct.pack(">ii", 4, number)
    return kind, struct.pack(">iI", 2, flags) + body[8:12] + state + struct.pack(">i", number + 1) + body[12:]


class Paging:
    """One request that is answered by pages."""

    def __init__(self) -> None:
        self.allowed = threading.Semaphore(4)
        self.cancelled = False
        # After a cancel has been answered no page is sent.
        self.sending = threading.Lock()


class PagingNode(FakeNode):
    """Speaks the protocols of DSE, and answers one statement by pages."""

    version = 4
    count = 6
    fails_at: int | None = None

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        # Of its own: what the class says is taken back while the last threads still run.
        self.version, self.count, self.fails_at = self.version, self.count, self.fails_at
        self.revisions: list[tuple[int, ...]] = []
        self.parameters: list[bytes] = []
        self.sessions: dict[int, Paging] = {}

    def _serve(self, connection: Any) -> None:
        stream = connection.makefile("rb")
        try:
            while header := stream.read(9):
                version, _, stream_id, opcode, length = struct.unpack(">BBhBI", header)
                body = stream.read(length)
                if version != self.version:
                    self._send(connection, stream_id, *error(0x0A, "unsupported protocol version"))
                elif opcode == REVISE:
                    self._revise(struct.unpack(f">{length // 4}i", body))
                    self._send(connection, stream_id, RESULT, struct.pack(">i", 1))
                elif opcode == QUERY and PAGES.encode() in body:
                    text = struct.unpack(">i", body[:4])[0]
                    self.parameters.append(body[4 + text :])
                    session = self.sessions[stream_id] = Paging()
                    threading.Thread(target=self._pages, args=(connection, stream_id, session), daemon=True).start()
                else:
                    self._reply(connection, stream_id, opcode, body)
        except (OSError, ValueError, struct.error):
            pass
        finally:
            connection.close()

    def _revise(self, revision: tuple[int, ...]) -> None:
        self.revisions.append(revision)
        session = self.sessions[revision[1]]
        with session.sending:
            session.cancelled |= revision[0] == CANCEL
        session.allowed.release(100 if session.cancelled else revision[2])

    def _pages(self, connection: Any, stream_id: int, session: Paging) -> None:
        for number in range(self.count):
            if self.version == ProtocolVersion.DSE_V2:
                session.allowed.acquire()
            with session.sending:
                if session.cancelled:
                    return
                if number == self.fails_at:
                    self._send(connection, stream_id, *error(0, "the disk is gone"))
                    return
                self._send(connection, stream_id, *page(number, number == self.count - 1))

    def _send(self, connection: Any, stream_id: int, opcode: int, body: bytes) -> None:
        header = struct.pack(">BBhBI", 0x80 | self.version, 0, stream_id, opcode, len(body))
        with self._lock:
            try:
                connection.sendall(header + body)
            except OSError:
                connection.close()


Connect = Callable[..., tuple[Session, PagingNode]]


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Iterator[Connect]:
    """A session with a node of this protocol version."""
    monkeypatch.setattr("fake_cluster.FakeNode", PagingNode)
    made: list[tuple[Cluster, FakeCluster]] = []

    def connect(version: int, options: ContinuousPagingOptions, **node: Any) -> tuple[Session, PagingNode]:
        monkeypatch.setattr(PagingNode, "version", version)
        for name, given in node.items():
            monkeypatch.setattr(PagingNode, name, given)
        fake = FakeCluster("dc1")
        profile = ExecutionProfile(RoundRobinPolicy(), continuous_paging_options=options)
        cluster = Cluster(
            fake.contact_points,
            port=fake.port,
            protocol_version=version,
            execution_profiles={EXEC_PROFILE_DEFAULT: profile},
            schema_metadata_enabled=False,
        )
        made.append((cluster, fake))
        found = fake.nodes[0]
        assert isinstance(found, PagingNode)
        return cluster.connect(), found

    yield connect
    for cluster, fake in made:
        cluster.shutdown()
        fake.stop()


@pytest.mark.parametrize("version", VERSIONS)
def test_all_pages_answer_one_request(connect: Connect, version: int) -> None:
    session, node = connect(version, ContinuousPagingOptions(max_pages_per_second=7), count=25)
    statement = SimpleStatement(PAGES, fetch_size=700)
    assert [row.k for row in session.execute(statement)] == list(range(50))
    assert [row.k for row in session.execute_async(statement).result()] == list(range(50))
    assert len(node.parameters) == 2
    # Page size; then pages in all, in a second and, on DSE_V2, before more are asked for.
    tail = [0, 7, 4] if version == ProtocolVersion.DSE_V2 else [0, 7]
    assert node.parameters[0].endswith(struct.pack(f">{len(tail)}i", *tail))
    assert struct.pack(">i", 700) in node.parameters[0]
    asked_for_more = [revision for revision in node.revisions if revision[0] == MORE]
    assert bool(asked_for_more) == (version == ProtocolVersion.DSE_V2)
    assert not [revision for revision in node.revisions if revision[0] == CANCEL]


@pytest.mark.parametrize("version", VERSIONS)
def test_cancelling_ends_the_rows_and_the_session_goes_on(
    connect: Connect, version: int, until: Callable[..., None]
) -> None:
    session, node = connect(version, ContinuousPagingOptions(), count=1000)
    result = session.execute(PAGES)
    assert result.has_more_pages
    seen = iter(result)
    assert next(seen).k == 0
    result.cancel_continuous_paging()
    if version == ProtocolVersion.DSE_V2:
        until(lambda: CANCEL in [revision[0] for revision in node.revisions])
        # What waited to be read may still be.
        assert len(list(seen)) < 100
    assert next(iter(session.execute(PAGES))).k == 0


@pytest.mark.parametrize("version", VERSIONS)
def test_an_error_in_the_middle_comes_after_the_rows_before_it(connect: Connect, version: int) -> None:
    session, _ = connect(version, ContinuousPagingOptions(), fails_at=3)
    rows_of = iter(session.execute(PAGES))
    seen = [next(rows_of).k for _ in range(6)]
    with pytest.raises(ServerError, match="the disk is gone"):
        next(rows_of)
    assert seen == list(range(6))


def test_other_versions_refuse(connect: Connect) -> None:
    session, node = connect(ProtocolVersion.V4, ContinuousPagingOptions())
    with pytest.raises((UnsupportedOperation, NoHostAvailable), match=r"(?i)continuous paging"):
        session.execute(PAGES)
    assert not node.parameters
