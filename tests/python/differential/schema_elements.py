"""A schema with an element of every kind in every shape, and how two drivers' texts of it are compared.

Imported on both sides: by the tests, and by :mod:`oracle_server` in the published driver's interpreter.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator
from typing import Any

TYPES = (
    "ascii bigint blob boolean date decimal double duration float inet int smallint text time timestamp timeuuid"
    " tinyint uuid varint"
).split()
"""The native types of every version."""

KEYSPACES = {
    "simple": "{'class': 'SimpleStrategy', 'replication_factor': '1'}",
    "spread": "{'class': 'NetworkTopologyStrategy', 'datacenter1': '1'}",
    "Quoted": "{'class': 'SimpleStrategy', 'replication_factor': '1'} AND durable_writes = false",
}
"""Replication and options, by the end of the keyspace's name."""

FIXED = (
    "CREATE TYPE place (street text, number int, tags frozen<set<text>>)",
    'CREATE TYPE "Other" ("Field One" frozen<place>, l frozen<list<frozen<place>>>, "select" int)',
    'CREATE TYPE a_first (o frozen<"Other">, m frozen<map<text, frozen<set<int>>>>,'
    " t frozen<tuple<int, frozen<place>>>)",
    'CREATE TABLE plain (id int PRIMARY KEY, a text, b list<int>, f frozen<list<text>>, p frozen<place>, "P" place,'
    ' m map<text, frozen<list<int>>>, o frozen<"Other">, t tuple<int, text>, deep'
    " map<int, frozen<map<text, frozen<list<tuple<int, text>>>>>>) WITH comment = 'it''s \"plain\"; or not' AND"
    " gc_grace_seconds = 100",
    'CREATE TABLE compound (a int, b text, c timeuuid, d int, s text static, e decimal, "Mixed Case" int, "select"'
    " text, PRIMARY KEY ((a, b), c, d)) WITH CLUSTERING ORDER BY (c DESC, d ASC) AND compaction = {'class':"
    " 'LeveledCompactionStrategy', 'sstable_size_in_mb': '160'} AND compression = {'class': 'LZ4Compressor',"
    " 'chunk_length_in_kb': '32'} AND caching = {'keys': 'ALL', 'rows_per_partition': '10'} AND speculative_retry ="
    " '95p' AND default_time_to_live = 100",
    "CREATE TABLE counters (id int, c text, n counter, PRIMARY KEY (id, c))",
    'CREATE TABLE "QuotedTable" ("Id" int, "C C" int, "select" text static, PRIMARY KEY ("Id", "C C")) WITH'
    ' CLUSTERING ORDER BY ("C C" DESC) AND bloom_filter_fp_chance = 0.5 AND crc_check_chance = 1',
    "CREATE TABLE logged (id int PRIMARY KEY) WITH cdc = true",
    "CREATE TABLE compact_static (k int, l int, b text, a int, PRIMARY KEY ((k, l))) WITH COMPACT STORAGE",
    "CREATE TABLE compact_names (k int PRIMARY KEY, column1 int, value int) WITH COMPACT STORAGE",
    "CREATE TABLE compact_counters (k int PRIMARY KEY, n counter, m counter) WITH COMPACT STORAGE",
    'CREATE TABLE compact_dense (k int, c int, "V" text, PRIMARY KEY (k, c)) WITH COMPACT STORAGE AND CLUSTERING ORDER'
    " BY (c DESC)",
    "CREATE TABLE compact_compound (k int, c int, d int, v text, PRIMARY KEY (k, c, d)) WITH COMPACT STORAGE",
    "CREATE TABLE compact_key (k int, c int, PRIMARY KEY (k, c)) WITH COMPACT STORAGE",
    "CREATE TABLE compact_compound_key (k int, c int, d int, PRIMARY KEY (k, c, d)) WITH COMPACT STORAGE",
    "CREATE INDEX compact_a ON compact_names (value)",
    "CREATE TABLE twcs (id int PRIMARY KEY, v blob) WITH compaction = {'class': 'TimeWindowCompactionStrategy',"
    " 'compaction_window_unit': 'HOURS', 'compaction_window_size': '2', 'tombstone_threshold': '0.25'} AND compression"
    " = {'enabled': 'false'} AND max_index_interval = 4096 AND min_index_interval = 64 AND memtable_flush_period_in_ms"
    " = 1000 AND read_repair = 'NONE' AND additional_write_policy = '97p'",
    "CREATE TABLE zstd (id int PRIMARY KEY, v blob) WITH compression = {'class': 'ZstdCompressor', 'compression_level':"
    " '5'} AND speculative_retry = 'NEVER' AND caching = {'keys': 'NONE', 'rows_per_partition': 'ALL'}",
    "CREATE TABLE based (id int, c int, v text, w int, PRIMARY KEY (id, c))",
    "CREATE INDEX plain_a ON plain (a)",
    "CREATE INDEX plain_m_keys ON plain (keys(m))",
    "CREATE INDEX plain_m_entries ON plain (entries(m))",
    "CREATE INDEX plain_m_values ON plain (m)",
    "CREATE INDEX plain_f ON plain (full(f))",
    "CREATE INDEX plain_b ON plain (b)",
    'CREATE INDEX "Mixed" ON compound ("Mixed Case")',
    "CREATE INDEX on_clustering ON compound (d)",
    "CREATE CUSTOM INDEX sasi ON compound (\"select\") USING 'org.apache.cassandra.index.sasi.SASIIndex' WITH OPTIONS ="
    " {'mode': 'PREFIX', 'case_sensitive': 'false', 'analyzer_class':"
    " 'org.apache.cassandra.index.sasi.analyzer.NonTokenizingAnalyzer'}",
    "CREATE CUSTOM INDEX sasi_bare ON compound (e) USING 'org.apache.cassandra.index.sasi.SASIIndex'",
    "CREATE MATERIALIZED VIEW by_e AS SELECT a, b, c, d, e FROM compound WHERE a IS NOT NULL AND b IS NOT NULL AND c IS"
    " NOT NULL AND d IS NOT NULL AND e IS NOT NULL PRIMARY KEY (e, a, b, c, d) WITH CLUSTERING ORDER BY (a DESC, b ASC,"
    " c ASC, d ASC) AND comment = 'view'",
    "CREATE MATERIALIZED VIEW all_of AS SELECT * FROM based WHERE id IS NOT NULL AND c IS NOT NULL PRIMARY KEY (c, id)",
    'CREATE MATERIALIZED VIEW "SomeOf" AS SELECT id, c, v FROM based WHERE id > 5 AND c IS NOT NULL AND v IS NOT NULL'
    " PRIMARY KEY ((v, c), id)",
    "CREATE FUNCTION plus(a int, b int) CALLED ON NULL INPUT RETURNS int LANGUAGE java AS 'return a == null ? b : a +"
    " b; // it''s'",
    'CREATE FUNCTION shown(a int, "B" place, l list<int>) RETURNS NULL ON NULL INPUT RETURNS text LANGUAGE java AS $$'
    ' return "x"; $$',
    'CREATE FUNCTION "Last"(a int) RETURNS NULL ON NULL INPUT RETURNS text LANGUAGE java AS \'return "x" + a;\'',
    "CREATE FUNCTION joined(s list<int>, a tuple<int, text>) CALLED ON NULL INPUT RETURNS list<int> LANGUAGE java"
    " AS 'return s;'",
    "CREATE FUNCTION nothing() CALLED ON NULL INPUT RETURNS int LANGUAGE java AS 'return 1;'",
    "CREATE FUNCTION pair_of(s tuple<int, int>, a int) CALLED ON NULL INPUT RETURNS tuple<int, int> LANGUAGE java AS"
    " 'return s;'",
    'CREATE AGGREGATE total(int) SFUNC plus STYPE int FINALFUNC "Last" INITCOND 0',
    "CREATE AGGREGATE sum_of(int) SFUNC plus STYPE int",
    'CREATE AGGREGATE "Pairs"(int) SFUNC pair_of STYPE tuple<int, int> INITCOND (0, 1)',
    "CREATE AGGREGATE lists(tuple<int, text>) SFUNC joined STYPE list<int> INITCOND [1, 2]",
)
"""One of each kind of element that Cassandra 4.0 has, with names and texts that need quotes."""

NEW_5_0 = (
    "CREATE TABLE vectors (id int PRIMARY KEY, v vector<float, 4>, w text, x vector<text, 2>, m map<text, int>)",
    "CREATE CUSTOM INDEX sai_v ON vectors (v) USING 'StorageAttachedIndex' WITH OPTIONS = {'similarity_function':"
    " 'cosine'}",
    "CREATE INDEX sai_w ON vectors (w) USING 'sai' WITH OPTIONS = {'case_sensitive': 'false', 'normalize': 'true'}",
    "CREATE INDEX sai_m ON vectors (entries(m)) USING 'sai'",
    "CREATE TABLE in_trie (id int PRIMARY KEY) WITH memtable = 'default' AND incremental_backups = false AND"
    " allow_auto_snapshot = false",
    "CREATE TABLE ucs (id int PRIMARY KEY) WITH compaction = {'class': 'UnifiedCompactionStrategy',"
    " 'scaling_parameters': 'T4, L10'}",
    "CREATE TABLE masked (id int PRIMARY KEY, v text MASKED WITH DEFAULT, w text MASKED WITH mask_outer(1, 2, '#'))",
)
"""Of Cassandra 5.0."""


def statements(seed: int, version: tuple[int, ...]) -> Iterator[str]:
    """Give CREATE statements of at least 200 elements, in an order in which they can be made."""
    yield from FIXED
    if version >= (5, 0):
        yield from NEW_5_0
    for number, kind in enumerate(TYPES):
        yield from _of_type(kind, "DESC" if number % 2 else "ASC")
    source = random.Random(seed)
    for number in range(40):
        yield _any_table(source, number)


def _of_type(kind: str, order: str) -> Iterator[str]:
    key = "int" if kind == "duration" else kind
    yield f"CREATE TYPE type_{kind} (f {kind}, l frozen<list<{kind}>>, t frozen<tuple<{kind}, int>>)"
    yield f"CREATE TABLE key_{kind} (k {key} PRIMARY KEY, v {kind}, s set<{key}>, u frozen<type_{kind}>)"
    yield (
        f"CREATE TABLE cluster_{kind} (k int, c {key}, d {key}, v map<{key}, {kind}>, st {kind} static, PRIMARY KEY"
        f" (k, c, d)) WITH CLUSTERING ORDER BY (c {order}, d ASC)"
    )
    if kind != "duration":
        yield f"CREATE INDEX index_{kind} ON key_{kind} (s)"
        yield f"CREATE INDEX values_{kind} ON cluster_{kind} (keys(v))"
    yield (
        f"CREATE MATERIALIZED VIEW view_{kind} AS SELECT k, c, d FROM cluster_{kind} WHERE k IS NOT NULL AND c IS NOT"
        f" NULL AND d IS NOT NULL PRIMARY KEY (d, k, c)"
    )
    called = f"CALLED ON NULL INPUT RETURNS {kind} LANGUAGE java AS 'return a;'"
    yield f"CREATE FUNCTION first_{kind}(a {kind}, b {kind}) {called}"
    yield f"CREATE AGGREGATE only_{kind}({kind}) SFUNC first_{kind} STYPE {kind}"


def _any_table(source: random.Random, number: int) -> str:
    keys = [kind for kind in TYPES if kind != "duration"]
    partition = [f"p{index}" for index in range(source.randint(1, 3))]
    clustering = [f"c{index}" for index in range(source.randint(0, 3))]
    columns = [f"{name} {source.choice(keys)}" for name in partition + clustering]
    columns += [f'"V {index}" {_any_type(source, 3, keys)}' for index in range(source.randint(0, 4))]
    if clustering and source.random() < 0.5:
        columns.append(f"s {_any_type(source, 2, keys)} static")
    key = ", ".join([f"({', '.join(partition)})", *clustering])
    options = []
    if clustering:
        order = ", ".join(f"{name} {source.choice(('ASC', 'DESC'))}" for name in clustering)
        options.append(f"CLUSTERING ORDER BY ({order})")
    offered = {
        "bloom_filter_fp_chance": source.choice(("0.01", "0.1", "1.0")),
        "default_time_to_live": str(source.randint(0, 10_000)),
        "gc_grace_seconds": str(source.randint(0, 100_000)),
        "comment": f"'{source.choice(('plain', 'größe', '{not: a map}', 'a AND b', 'two  spaces'))}'",
        "crc_check_chance": source.choice(("0.0", "0.5", "1.0")),
        "speculative_retry": source.choice(("'ALWAYS'", "'99p'", "'50ms'", "'MIN(99p, 50ms)'")),
        "compaction": "{'class': 'SizeTieredCompactionStrategy', 'min_threshold': '5', 'max_threshold': '40'}",
        "compression": "{'class': 'SnappyCompressor', 'chunk_length_in_kb': '64', 'min_compress_ratio': '1.1'}",
    }
    options += [f"{name} = {offered[name]}" for name in source.sample(sorted(offered), source.randint(0, 5))]
    ending = f" WITH {' AND '.join(options)}" if options else ""
    return f"CREATE TABLE any_{number} ({', '.join(columns)}, PRIMARY KEY ({key})){ending}"


def _any_type(source: random.Random, depth: int, keys: list[str]) -> str:
    """A type as a column has it: what is inside of it is frozen."""

    def inner(left: int) -> str:
        kind = source.choice(("native", "native", "list", "set", "map", "tuple", "type")) if left else "native"
        if kind == "native":
            return source.choice(TYPES)
        if kind == "list":
            return f"frozen<list<{inner(left - 1)}>>"
        if kind == "set":
            return f"frozen<set<{source.choice(keys)}>>"
        if kind == "map":
            return f"frozen<map<{source.choice(keys)}, {inner(left - 1)}>>"
        if kind == "tuple":
            return f"frozen<tuple<{inner(left - 1)}, {inner(left - 1)}>>"
        return f"frozen<{source.choice(('place', 'a_first', 'type_int', 'type_text'))}>"

    found = inner(depth)
    if found.startswith("frozen<") and source.random() < 0.5 and "tuple" not in found[:13]:
        return found[len("frozen<") : -1]
    return found


def elements(keyspace: Any) -> Iterator[tuple[tuple[str, str], Any]]:
    """Give all that is in a keyspace, and itself, by kind and name."""
    yield ("keyspace", keyspace.name), keyspace
    for kind in ("tables", "indexes", "views", "user_types", "functions", "aggregates"):
        for name, element in getattr(keyspace, kind).items():
            yield (kind, name), element
    for table in keyspace.tables.values():
        for name, trigger in table.triggers.items():
            yield ("triggers", name), trigger


def texts(metadata: Any, keyspaces: Iterable[str]) -> dict[str, dict[tuple[str, str], tuple[str, str, str]]]:
    """Give the texts of all elements: the statement, the statement over several lines, the export."""
    return {name: {key: _texts(found) for key, found in elements(metadata.keyspaces[name])} for name in keyspaces}


def _texts(element: Any) -> tuple[str, str, str]:
    statement = element.as_cql_query()
    try:
        formatted = element.as_cql_query(formatted=True)
    except TypeError:
        formatted = statement
    return statement, formatted, element.export_as_string()


def descriptions(metadata: Any, keyspaces: Iterable[str]) -> dict[tuple[str, str], dict[str, Any]]:
    """Give what is known of each table, as plain values."""
    return {
        (name, table.name): _description(table)
        for name in keyspaces
        for table in metadata.keyspaces[name].tables.values()
    }


def _description(table: Any) -> dict[str, Any]:
    columns = [(column.name, column.cql_type, column.is_static) for column in table.columns.values()]
    return {
        "class": type(table).__name__,
        "columns": columns,
        "partition_key": [column.name for column in table.partition_key],
        "clustering_key": [(column.name, column.is_reversed) for column in table.clustering_key],
        "is_compact_storage": table.is_compact_storage,
        "is_cql_compatible": table.is_cql_compatible,
        "extensions": dict(table.extensions),
        "nodesync": table.options.get("nodesync"),
        "vertex": _attributes(getattr(table, "vertex", None)),
        "edge": _attributes(getattr(table, "edge", None)),
    }


def _attributes(element: Any) -> dict[str, Any] | None:
    return None if element is None else dict(vars(element))


MASK = re.compile(r" MASKED WITH [\w.]+\([^()]*\)")


def differences(
    ours: dict[Any, Any], published: dict[Any, Any], only_ours: tuple[str, ...] = ()
) -> dict[tuple[str, Any], Any]:
    """The elements whose texts differ by more than white space, the order of options, options *only_ours*, and masks.

    The published driver prints no masks of columns: a table made anew would show its values to all.
    """
    assert list(ours) == list(published)
    return {
        (keyspace, element): (our, published[keyspace][element])
        for keyspace, elements in ours.items()
        for element, our in elements.items()
        if any(
            normal(MASK.sub("", text), only_ours) != normal(other)
            for text, other in zip(our, published[keyspace][element], strict=True)
        )
    }


TOKEN = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|\$\$.*?\$\$|//[^\n]*|/\*|\*/|[\w.+-]+|\S", re.DOTALL)


def normal(text: str, without: tuple[str, ...] = ()) -> list[Any]:
    """The statements of *text*, without white space, options and pairs of maps in the order of their names; sorted.

    :param without: names of options that do not count.
    """
    found: list[list[str]] = [[]]
    for token in TOKEN.findall(text):
        if token == ";":
            found.append([])
        else:
            found[-1].append(token)
    return sorted(_statement(tokens, without) for tokens in found if tokens)


def split(text: str) -> list[str]:
    """The statements of *text*, as they are, without their semicolons."""
    found, start = [], 0
    for token in TOKEN.finditer(text):
        if token.group() == ";":
            found.append(text[start : token.start()])
            start = token.end()
    return found


def _statement(tokens: list[str], without: tuple[str, ...]) -> list[Any]:
    place = tokens.index("WITH") if "WITH" in tokens else len(tokens)
    options = [option for option in _split(tokens[place + 1 :], "AND") if option[0] not in without]
    return [" ".join(tokens[:place]), *sorted(" ".join(_map_sorted(option)) for option in options)]


def _split(tokens: list[str], separator: str) -> Iterator[list[str]]:
    part: list[str] = []
    for token in tokens:
        if token == separator:
            yield part
            part = []
        else:
            part.append(token)
    if part:
        yield part


def _map_sorted(option: list[str]) -> list[str]:
    if "{" not in option or option[-1] != "}":
        return option
    start = option.index("{")
    pairs = sorted(" ".join(pair) for pair in _split(option[start + 1 : -1], ","))
    return [*option[:start], "{", " , ".join(pairs), "}"]
