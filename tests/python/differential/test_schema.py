"""Every element of a generated schema prints the published driver's CQL, and that CQL makes an equal element."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
import schema_elements
from oracle import Oracle

from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile, Session

pytestmark = pytest.mark.smoke

ONLY_OURS = ("allow_auto_snapshot", "incremental_backups")
"""Options of Cassandra 4.1 and later that the published driver does not print: a table made anew would lack them."""


@pytest.fixture(scope="module")
def session(contact_points: list[str]) -> Iterator[Session]:
    """A session that waits long for changes of the schema."""
    profile = ExecutionProfile(request_timeout=120)
    with Cluster(contact_points, execution_profiles={EXEC_PROFILE_DEFAULT: profile}) as cluster:
        yield cluster.connect()


@pytest.fixture(scope="module")
def keyspaces(session: Session, seed: int) -> Iterator[list[str]]:
    """Keyspaces with all elements in them."""
    unique = f"schema_{uuid.uuid4().hex[:8]}_"
    names = [unique + ending for ending in schema_elements.KEYSPACES]
    version = tuple(int(part) for part in session.cluster.metadata.all_hosts()[0].release_version.split(".")[:2])
    enabled = session.cluster.schema_metadata_enabled
    session.cluster.schema_metadata_enabled = False
    try:
        for name, options in zip(names, schema_elements.KEYSPACES.values(), strict=True):
            session.execute(f'CREATE KEYSPACE "{name}" WITH replication = {options}')
        session.set_keyspace(names[0])
        for statement in schema_elements.statements(seed, version):
            session.execute(statement)
        for name in names[1:]:
            session.set_keyspace(name)
            for statement in schema_elements.FIXED:
                if not statement.startswith("CREATE CUSTOM INDEX"):
                    session.execute(statement)
    finally:
        session.cluster.schema_metadata_enabled = enabled
    session.cluster.refresh_schema_metadata()
    yield names
    for name in names:
        session.execute(f'DROP KEYSPACE IF EXISTS "{name}"')


def test_every_element_prints_what_the_published_driver_prints(
    oracle: Oracle, session: Session, contact_points: list[str], keyspaces: list[str]
) -> None:
    names = [*keyspaces, "system", "system_schema", "system_auth", "system_views", "system_virtual_schema"]
    ours = schema_elements.texts(session.cluster.metadata, names)
    assert sum(len(ours[name]) for name in keyspaces) >= 200
    published = oracle.ask("schema", contact_points, names)
    for name in names:
        assert ours[name].keys() == published[name].keys()
    assert schema_elements.differences(ours, published, ONLY_OURS) == {}


def test_the_printed_statements_make_equal_elements(
    oracle: Oracle, session: Session, contact_points: list[str], keyspaces: list[str]
) -> None:
    metadata = session.cluster.metadata
    before = schema_elements.texts(metadata, keyspaces)
    session.cluster.schema_metadata_enabled = False
    try:
        for name in keyspaces:
            exported = metadata.keyspaces[name].export_as_string()
            session.execute(f'DROP KEYSPACE "{name}"')
            for statement in schema_elements.split(exported):
                session.execute(statement)
    finally:
        session.cluster.schema_metadata_enabled = True
    session.cluster.refresh_schema_metadata()
    assert schema_elements.texts(metadata, keyspaces) == before
    published = oracle.ask("schema", contact_points, keyspaces)
    assert schema_elements.differences(before, published, ONLY_OURS) == {}
