"""Schema metadata and tokens, as ``Cluster.metadata`` shows them. Runs on the published driver too."""

from __future__ import annotations

import pytest

from cassandra.cluster import Cluster, Session
from cassandra.metadata import Murmur3Token, group_keys_by_replica


@pytest.fixture
def keyspace(session: Session) -> str:
    """The name of the session's keyspace, with one of each kind of element in it."""
    for text in (
        "CREATE TYPE place (street text, number int)",
        'CREATE TYPE "Other" (p frozen<place>, tags frozen<set<text>>)',
        "CREATE TABLE simple (id int PRIMARY KEY, a text, m map<text, int>, p frozen<place>) WITH comment = 'it''s'",
        'CREATE TABLE compound (a int, b text, c timeuuid, d int, s text static, e decimal, "Mixed" int,'
        " PRIMARY KEY ((a, b), c, d)) WITH CLUSTERING ORDER BY (c DESC, d ASC) AND gc_grace_seconds = 100",
        "CREATE INDEX simple_a ON simple (a)",
        "CREATE INDEX simple_m ON simple (keys(m))",
        "CREATE MATERIALIZED VIEW by_e AS SELECT a, b, c, d, e FROM compound WHERE a IS NOT NULL AND b IS NOT NULL AND"
        " c IS NOT NULL AND d IS NOT NULL AND e IS NOT NULL PRIMARY KEY (e, a, b, c, d)",
        "CREATE FUNCTION plus(a int, b int) CALLED ON NULL INPUT RETURNS int LANGUAGE java AS 'return a + b;'",
        "CREATE AGGREGATE total(int) SFUNC plus STYPE int INITCOND 0",
    ):
        session.execute(text, timeout=60)
    return str(session.keyspace)


def test_metadata_has_what_was_just_made(cluster: Cluster, keyspace: str) -> None:
    made = cluster.metadata.keyspaces[keyspace]
    assert set(made.tables) == {"simple", "compound"}
    compound = made.tables["compound"]
    assert [column.name for column in compound.partition_key] == ["a", "b"]
    assert [(column.name, column.is_reversed) for column in compound.clustering_key] == [("c", True), ("d", False)]
    assert list(compound.columns) == ["a", "b", "c", "d", "Mixed", "e", "s"]
    assert compound.columns["s"].is_static
    assert compound.columns["e"].cql_type == "decimal"
    assert compound.options["gc_grace_seconds"] == 100
    assert set(compound.views) == {"by_e"} == set(made.views)
    assert {name: (index.kind, index.index_options["target"]) for name, index in made.indexes.items()} == {
        "simple_a": ("COMPOSITES", "a"),
        "simple_m": ("COMPOSITES", "keys(m)"),
    }
    assert made.user_types["Other"].field_names == ["p", "tags"]
    assert made.user_types["Other"].field_types == ["frozen<place>", "frozen<set<text>>"]
    assert made.functions["plus(int,int)"].body == "return a + b;"
    assert made.aggregates["total(int)"].initial_condition == "0"
    assert made.durable_writes is True
    assert made.replication_strategy.name == "SimpleStrategy"


def test_a_keyspace_follows_its_changes(session: Session, cluster: Cluster, keyspace: str) -> None:
    held = cluster.metadata.keyspaces[keyspace]
    session.execute("CREATE TABLE later (id int PRIMARY KEY)", timeout=60)
    assert "later" in held.tables
    session.execute("ALTER TABLE later ADD v int", timeout=60)
    assert list(held.tables["later"].columns) == ["id", "v"]
    session.execute("DROP TABLE later", timeout=60)
    assert "later" not in held.tables
    assert cluster.metadata.keyspaces[keyspace] is held


def test_what_a_keyspace_prints_makes_it_anew(session: Session, cluster: Cluster, keyspace: str) -> None:
    printed = cluster.metadata.keyspaces[keyspace].export_as_string()
    session.execute(f"DROP KEYSPACE {keyspace}", timeout=60)
    assert keyspace not in cluster.metadata.keyspaces
    for statement in printed.split(";\n"):
        session.execute(statement.strip().rstrip(";"), timeout=60)
    assert cluster.metadata.keyspaces[keyspace].export_as_string() == printed


def test_virtual_tables_are_marked(cluster: Cluster, session: Session) -> None:
    views = cluster.metadata.keyspaces["system_views"]
    assert views.virtual
    assert views.tables["clients"].virtual
    assert "VIRTUAL TABLE system_views.clients" in views.tables["clients"].export_as_string()


def test_refreshing_by_hand_reads_what_is_switched_off(contact_points: list[str]) -> None:
    with Cluster(contact_points, schema_metadata_enabled=False) as cluster:
        cluster.connect()
        assert not any(keyspace.tables for keyspace in cluster.metadata.keyspaces.values())
        cluster.refresh_schema_metadata()
        assert "local" in cluster.metadata.keyspaces["system"].tables
        cluster.refresh_keyspace_metadata("system_schema")
        cluster.refresh_table_metadata("system_schema", "tables")
        assert "tables" in cluster.metadata.keyspaces["system_schema"].tables


def test_replicas_of_a_key_are_known(session: Session, cluster: Cluster, keyspace: str) -> None:
    token_map = cluster.metadata.token_map
    assert token_map is not None
    assert token_map.token_class is Murmur3Token
    hosts = cluster.metadata.all_hosts()
    assert list(cluster.metadata.get_replicas(keyspace, b"\x00\x00\x00\x01")) == hosts
    assert set(token_map.token_to_host_owner.values()) == set(hosts)
    grouped = group_keys_by_replica(session, keyspace, "simple", [(1,), (2,)])
    assert grouped == {hosts[0]: [(1,), (2,)]}
