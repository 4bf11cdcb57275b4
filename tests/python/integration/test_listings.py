"""Every listing of the documentation pages, run as it stands against a real node.

The listings are in ``tests/python/listings``, one file each. Some go on from others (they use ``session`` or
``keyspace``), so each runs in a namespace that the test prepares.
Only addresses are exchanged: for those of the node under test.
"""

from __future__ import annotations

import queue
import uuid
from pathlib import Path
from typing import Any

import pytest

from cassandra.cluster import Cluster, Session

# The pages set a load balancing policy outside of a profile, as the published driver warns.
pytestmark = pytest.mark.filterwarnings("ignore:Legacy execution parameters:DeprecationWarning")

LISTINGS = Path(__file__).resolve().parent.parent / "listings"


class Runner:
    """Runs listings in one namespace and gives back what they printed."""

    def __init__(self, contact_point: str, capsys: pytest.CaptureFixture[str]) -> None:
        self.contact_point = contact_point
        self.capsys = capsys
        self.names: dict[str, Any] = {"__name__": "listing"}

    def run(self, name: str) -> list[str]:
        source = (LISTINGS / f"{name}.py").read_text()
        source = source.replace("'127.0.0.1'", repr(self.contact_point))
        source = source.replace("Cluster(auth_provider", f"Cluster([{self.contact_point!r}], auth_provider")
        source = source.replace("Cluster(\n    auth_provider", f"Cluster(\n    [{self.contact_point!r}], auth_provider")
        self.capsys.readouterr()
        exec(compile(source, name, "exec"), self.names)
        return self.capsys.readouterr().out.splitlines()

    def close(self) -> None:
        cluster = self.names.get("cluster")
        if cluster is not None:
            cluster.shutdown()


@pytest.fixture
def listing(contact_points: list[str], capsys: pytest.CaptureFixture[str]) -> Any:
    runner = Runner(contact_points[0], capsys)
    yield runner
    runner.close()


@pytest.fixture
def page_session(contact_points: list[str]) -> Any:
    """A session in the keyspaces that the pages name, with a users table of the shape that the core page uses."""
    cluster = Cluster(contact_points)
    session = cluster.connect()
    replication = "{'class': 'SimpleStrategy', 'replication_factor': '1'}"
    for keyspace in ("my_keyspace", "default_keyspace"):
        session.execute(f"DROP KEYSPACE IF EXISTS {keyspace}")
        session.execute(f"CREATE KEYSPACE {keyspace} WITH replication = {replication}")
    session.set_keyspace("my_keyspace")
    session.execute("CREATE TABLE users (id uuid PRIMARY KEY, name text, email text, created_at timestamp)")
    yield session
    cluster.shutdown()


def test_overview_quickstart_prints_what_the_server_says(
    listing: Runner, page_session: Session, contact_points: list[str]
) -> None:
    page_session.execute("DROP KEYSPACE my_keyspace")
    printed = listing.run("overview_quickstart")
    assert printed[:2] == ["Table 'users' created or already exists.", "Data inserted."]
    # The page's SELECT has a range on a column that is neither key nor indexed: the server refuses it.
    assert len(printed) == 3
    assert printed[2].startswith("An error occurred: Error from server: code=2200 [Invalid query] message=")
    assert "ALLOW FILTERING" in printed[2]


@pytest.mark.smoke
@pytest.mark.parametrize("connect", ["quickstart_production", "quickstart_minimal"])
def test_quickstart_connects_and_prints_the_release_version(
    listing: Runner, connect: str, contact_points: list[str]
) -> None:
    assert listing.run(connect) == []
    (version,) = listing.run("quickstart_release_version")
    assert version[0].isdigit() and version.count(".") >= 2


def test_quickstart_vector_search_finds_the_nearest(listing: Runner, page_session: Session) -> None:
    listing.run("quickstart_minimal")
    assert listing.run("quickstart_vector_table") == []
    assert listing.run("quickstart_vector_insert") == []
    assert listing.run("quickstart_vector_search") == [
        '[3] "A deep learning display that controls your mood" (sim: 0.9944)',
        '[2] "An AI quilt to help you sleep forever" (sim: 0.7967)',
    ]


@pytest.mark.filterwarnings("ignore:Legacy execution parameters:DeprecationWarning")
def test_core_page_basic_set_up_prints_the_user(listing: Runner, page_session: Session) -> None:
    user_id = uuid.uuid4()
    page_session.execute("INSERT INTO users (id, name) VALUES (%s, %s)", (user_id, "Ada"))
    listing.names["user_id"] = user_id
    assert listing.run("connectivity_basic") == ["User: Ada"]


def test_core_page_prepared_statement_writes_two_rows(listing: Runner, page_session: Session) -> None:
    listing.names["session"] = page_session
    assert listing.run("connectivity_prepared") == []
    rows = sorted(page_session.execute("SELECT name, email FROM users"))
    assert [tuple(row) for row in rows] == [("Alice Smith", "alice@example.com"), ("Bob Jones", "bob@example.com")]


def test_core_page_asynchronous_listing_prints_rows_twice(listing: Runner, page_session: Session) -> None:
    page_session.execute("INSERT INTO users (id, name) VALUES (%s, %s)", (uuid.uuid4(), "Ada"))
    listing.names["session"] = page_session
    # The callback runs on a thread of its own and may print after the listing has ended, or while capsys is read.
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    listing.names["print"] = lines.put
    listing.run("connectivity_async")
    printed = [lines.get(timeout=10) for _ in range(3)]
    assert sorted(printed) == ["Got 1 rows", "Query succeeded with 1 rows", "User: Ada"]
