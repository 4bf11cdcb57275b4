"""Tokens, replication, and schema objects as CQL."""

from __future__ import annotations

from typing import Any

import pytest

from cassandra.connection import DefaultEndPoint
from cassandra.metadata import (
    Aggregate,
    BytesToken,
    ColumnMetadata,
    Function,
    IndexMetadata,
    KeyspaceMetadata,
    MaterializedViewMetadata,
    MD5Token,
    Metadata,
    Murmur3Token,
    ReplicationFactor,
    TableMetadataV3,
    UserType,
    protect_name,
)
from cassandra.murmur3 import murmur3
from cassandra.policies import SimpleConvictionPolicy
from cassandra.pool import Host


@pytest.mark.parametrize(
    ("key", "value"),
    [
        (b"", 0),
        (b"a", -8839064797231613815),
        (b"\xff", -4442228696663692417),
        (b"abcdefghijklmnop", -4266531025627334877),
        (b"\xff\x80" * 20, 3422661128022425185),
    ],
)
def test_murmur3_gives_the_server_s_tokens(key: bytes, value: int) -> None:
    assert murmur3(key) == value
    assert Murmur3Token.from_key(key) == Murmur3Token(value)


def test_tokens_of_the_other_partitioners() -> None:
    assert MD5Token.from_key(b"abc").value == 148866708576779697295343134153845407886
    assert BytesToken.from_string("0a0b").value == b"\n\x0b"
    assert Murmur3Token.from_string("-5") < Murmur3Token(6)


def hosts() -> list[Host]:
    return [
        Host(DefaultEndPoint(f"127.0.0.{number}"), SimpleConvictionPolicy, f"dc{number % 2}", f"r{number % 3}")
        for number in range(1, 9)
    ]


def ring(strategy: str, options: dict[str, Any]) -> Metadata:
    metadata = Metadata()
    nodes = hosts()
    for node in nodes:
        metadata.add_or_return_host(node)
    tokens = {node: [str(index * 1000 - 4000), str(index * 100 + 7)] for index, node in enumerate(nodes)}
    metadata.rebuild_token_map("org.apache.cassandra.dht.Murmur3Partitioner", tokens)
    metadata.keyspaces = {"ks": KeyspaceMetadata("ks", True, strategy, options)}
    return metadata


# What the published driver computes for the same ring.
SIMPLE = {-4000: "123", -3000: "234", -1000: "451", 7: "123", 607: "786", 3000: "812"}
SPREAD = {-4000: "1324", -3000: "3524", -2000: "3542", 7: "1324", 207: "3546", 607: "7386", 3000: "1384"}


@pytest.mark.parametrize(
    ("strategy", "options", "expected"),
    [
        ("SimpleStrategy", {"replication_factor": "3"}, SIMPLE),
        ("org.apache.cassandra.locator.NetworkTopologyStrategy", {"dc0": "2", "dc1": "2"}, SPREAD),
    ],
)
def test_replicas_come_in_the_order_of_the_ring_walk(
    strategy: str, options: dict[str, Any], expected: dict[int, str]
) -> None:
    metadata = ring(strategy, options)
    assert metadata.token_map is not None
    for token, nodes in expected.items():
        replicas = metadata.token_map.get_replicas("ks", Murmur3Token(token))
        assert "".join(replica.address[-1] for replica in replicas) == nodes, token


def test_the_ring_begins_anew_after_the_last_token() -> None:
    metadata = ring("SimpleStrategy", {"replication_factor": "1"})
    assert metadata.token_map is not None
    (replica,) = metadata.token_map.get_replicas("ks", Murmur3Token(4000))
    assert replica.address == "127.0.0.1"


def test_more_replicas_than_nodes_are_all_nodes_once() -> None:
    metadata = ring("NetworkTopologyStrategy", {"dc0": "9"})
    assert metadata.token_map is not None
    replicas = metadata.token_map.get_replicas("ks", Murmur3Token(2000))
    assert sorted(replica.address[-1] for replica in replicas) == ["2", "4", "6", "8"]


def test_unknown_keyspaces_have_no_replicas() -> None:
    metadata = ring("LocalStrategy", {})
    assert list(metadata.get_replicas("ks", b"k")) == []
    assert list(metadata.get_replicas("none", b"k")) == []


def test_transient_replicas_are_told() -> None:
    factor = ReplicationFactor.create("3/1")
    assert (factor.all_replicas, factor.full_replicas, str(factor)) == (3, 2, "3/1")
    with pytest.raises(ValueError, match="replication factor"):
        ReplicationFactor.create("x")


@pytest.mark.parametrize(
    ("name", "written"), [("abc", "abc"), ("Abc", '"Abc"'), ("select", '"select"'), ("key", "key"), ('a"b', '"a""b"')]
)
def test_names_are_quoted_where_they_need_it(name: str, written: str) -> None:
    assert protect_name(name) == written


def table() -> TableMetadataV3:
    made = TableMetadataV3("ks", "My tab")
    a, k2 = ColumnMetadata(made, "a", "int"), ColumnMetadata(made, "k2", "uuid")
    b = ColumnMetadata(made, "B", "text", is_reversed=True)
    made.columns = {
        column.name: column for column in (a, k2, b, ColumnMetadata(made, "s", "frozen<x>", is_static=True))
    }
    made.partition_key = [a, k2]
    made.clustering_key = [b]
    made.options = {"comment": "it's", "caching": {"rows": "NONE", "keys": "ALL"}, "gc_grace_seconds": 5, "cdc": None}
    return made


def test_a_table_writes_itself() -> None:
    assert table().as_cql_query() == (
        'CREATE TABLE ks."My tab" (a int, k2 uuid, "B" text, s frozen<x> static, PRIMARY KEY ((a, k2), "B")) '
        "WITH CLUSTERING ORDER BY (\"B\" DESC) AND caching = {'keys': 'ALL', 'rows': 'NONE'} "
        "AND comment = 'it''s' AND gc_grace_seconds = 5"
    )


def test_a_table_is_exported_with_what_belongs_to_it() -> None:
    made = table()
    made.options = {}
    made.indexes["i"] = IndexMetadata("ks", "My tab", "i", "CUSTOM", {"target": "s", "class_name": "Sai", "mode": "x"})
    view = MaterializedViewMetadata("ks", "v", "My tab", True, "a IS NOT NULL", {})
    view.partition_key = [made.columns["a"]]
    made.views["v"] = view
    assert made.export_as_string() == (
        'CREATE TABLE ks."My tab" (\n    a int,\n    k2 uuid,\n    "B" text,\n    s frozen<x> static,\n'
        '    PRIMARY KEY ((a, k2), "B")\n) WITH CLUSTERING ORDER BY ("B" DESC);\n'
        "CREATE CUSTOM INDEX i ON ks.\"My tab\" (s) USING 'Sai' WITH OPTIONS = {'mode': 'x'};\n\n"
        'CREATE MATERIALIZED VIEW ks.v AS\n    SELECT *\n    FROM ks."My tab"\n    WHERE a IS NOT NULL\n'
        "    PRIMARY KEY (a);"
    )


def test_types_are_exported_after_those_that_they_are_made_of() -> None:
    keyspace = KeyspaceMetadata("ks", True, "SimpleStrategy", {"replication_factor": "1"})
    keyspace.user_types = {
        "outer": UserType("ks", "outer", ["x"], ["frozen<list<frozen<inner>>>"]),
        "inner": UserType("ks", "inner", ["y"], ["int"]),
    }
    first, second = keyspace.user_type_strings()
    assert first.startswith("CREATE TYPE ks.inner")
    assert second.startswith("CREATE TYPE ks.outer")
    assert "'class': 'SimpleStrategy', 'replication_factor': '1'" in keyspace.as_cql_query()


def test_functions_and_aggregates_write_themselves() -> None:
    function = Function("ks", "f", ["int"], ["a"], "int", "java", "return a;", True, False, False, [])
    assert function.as_cql_query() == (
        "CREATE FUNCTION ks.f(a int) CALLED ON NULL INPUT RETURNS int LANGUAGE java AS $$return a;$$"
    )
    assert function.signature == "f(int)"
    aggregate = Aggregate("ks", "g", ["frozen<list<int>>"], "f", "int", None, "0", "int", False)
    assert aggregate.as_cql_query() == "CREATE AGGREGATE ks.g(list<int>) SFUNC f STYPE int INITCOND 0"


def test_nodes_are_found_by_endpoint_and_by_address() -> None:
    metadata = Metadata()
    node = hosts()[0]
    assert metadata.add_or_return_host(node) == (node, True)
    assert metadata.add_or_return_host(hosts()[0]) == (node, False)
    assert metadata.get_host(node.endpoint) is node
    assert metadata.get_host("127.0.0.1") is node
    assert metadata.get_host("127.0.0.1", 1) is None
    assert metadata.remove_host(node)
    assert metadata.all_hosts() == []
