"""Tables and what belongs to them; each writes itself as CQL that makes it anew."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from cassandra._metadata import MODULE
from cassandra._metadata.names import map_literal, protect_name, protect_names, protect_value

log = logging.getLogger(MODULE)

_extensions: dict[str, Any] = {}


def _join(options: Iterable[str], formatted: bool) -> str:
    return ("\n    AND " if formatted else " AND ").join(options)


class ColumnMetadata:
    """A column."""

    __module__ = MODULE

    table: Any = None
    """Its :class:`TableMetadata`, or the view."""
    name: str = None  # type: ignore[assignment]
    """Its name."""
    cql_type: str = None  # type: ignore[assignment]
    """Its type, in CQL."""
    is_static: bool = False
    """Whether it has one value for each partition."""
    is_reversed: bool = False
    """Whether it is a clustering column in descending order."""

    _cass_type: Any = None

    def __init__(
        self,
        table_metadata: Any,
        column_name: str,
        cql_type: str,
        is_static: bool = False,
        is_reversed: bool = False,
    ) -> None:
        self.table = table_metadata
        self.name = column_name
        self.cql_type = cql_type
        self.is_static = is_static
        self.is_reversed = is_reversed

    def __str__(self) -> str:
        return f"{self.name} {self.cql_type}"


class IndexMetadata:
    """A secondary index."""

    __module__ = MODULE

    keyspace_name: str = None  # type: ignore[assignment]
    """The keyspace of its table."""
    table_name: str = None  # type: ignore[assignment]
    """Its table."""
    name: str = None  # type: ignore[assignment]
    """Its name."""
    kind: str | None = None
    """``COMPOSITES``, ``KEYS`` or ``CUSTOM``."""
    index_options: Mapping[str, str] = {}
    """Its options; ``target`` says what is indexed, ``class_name`` how, if it is custom."""

    def __init__(
        self,
        keyspace_name: str,
        table_name: str,
        index_name: str,
        kind: str | None,
        index_options: Mapping[str, str],
    ) -> None:
        self.keyspace_name = keyspace_name
        self.table_name = table_name
        self.name = index_name
        self.kind = kind
        self.index_options = index_options

    def as_cql_query(self) -> str:
        """Write CREATE INDEX."""
        options = dict(self.index_options)
        target = options.pop("target")
        table = f"{protect_name(self.keyspace_name)}.{protect_name(self.table_name)}"
        if self.kind != "CUSTOM":
            return f"CREATE INDEX {protect_name(self.name)} ON {table} ({target})"
        class_name = options.pop("class_name")
        written = f"CREATE CUSTOM INDEX {protect_name(self.name)} ON {table} ({target}) USING '{class_name}'"
        if options:
            pairs = ", ".join(f"{protect_value(name)}: {protect_value(value)}" for name, value in options.items())
            written += f" WITH OPTIONS = {{{pairs}}}"
        return written

    def export_as_string(self) -> str:
        """Write CREATE INDEX with a semicolon."""
        return self.as_cql_query() + ";"


class TriggerMetadata:
    """A trigger."""

    __module__ = MODULE

    table: Any = None
    """Its :class:`TableMetadata`."""
    name: str = None  # type: ignore[assignment]
    """Its name."""
    options: Mapping[str, str] = None  # type: ignore[assignment]
    """Its options; ``class`` is the class that runs."""

    def __init__(self, table_metadata: Any, trigger_name: str, options: Mapping[str, str] | None = None) -> None:
        self.table = table_metadata
        self.name = trigger_name
        self.options = options  # type: ignore[assignment]

    def as_cql_query(self) -> str:
        """Write CREATE TRIGGER."""
        table = f"{protect_name(self.table.keyspace_name)}.{protect_name(self.table.name)}"
        return f"CREATE TRIGGER {protect_name(self.name)} ON {table} USING {protect_value(self.options['class'])}"

    def export_as_string(self) -> str:
        """Write CREATE TRIGGER with a semicolon."""
        return self.as_cql_query() + ";"


class TableMetadata:
    """A table."""

    __module__ = MODULE

    keyspace_name: str = None  # type: ignore[assignment]
    """Its keyspace."""
    name: str = None  # type: ignore[assignment]
    """Its name."""
    partition_key: list[ColumnMetadata] = None  # type: ignore[assignment]
    """The columns of the partition key, in order."""
    clustering_key: list[ColumnMetadata] = None  # type: ignore[assignment]
    """The clustering columns, in order."""
    columns: dict[str, ColumnMetadata] = None  # type: ignore[assignment]
    """All columns by name: those of the primary key first, then the others in the order of their names."""
    indexes: dict[str, IndexMetadata] = None  # type: ignore[assignment]
    """Secondary indexes by name."""
    is_compact_storage: bool = False
    """Whether it has the layout of Thrift-era tables."""
    options: dict[str, Any] = None  # type: ignore[assignment]
    """Options by name."""
    compaction_options: Mapping[str, str] = {
        "min_compaction_threshold": "min_threshold",
        "max_compaction_threshold": "max_threshold",
        "compaction_strategy_class": "class",
    }
    """Options of Cassandra 2 that are a part of the map ``compaction`` in CQL, and their names in it."""
    triggers: dict[str, TriggerMetadata] = None  # type: ignore[assignment]
    """Triggers by name."""
    views: dict[str, MaterializedViewMetadata] = None  # type: ignore[assignment]
    """Materialized views of it by name."""
    virtual: bool = False
    """Whether it is a virtual table, which nodes make up of what they know of themselves."""
    extensions: Mapping[str, bytes] | None = None
    """What tools have stored with it."""

    def __init__(
        self,
        keyspace_name: str,
        name: str,
        partition_key: list[ColumnMetadata] | None = None,
        clustering_key: list[ColumnMetadata] | None = None,
        columns: dict[str, ColumnMetadata] | None = None,
        triggers: dict[str, TriggerMetadata] | None = None,
        options: dict[str, Any] | None = None,
        virtual: bool = False,
    ) -> None:
        self.keyspace_name = keyspace_name
        self.name = name
        self.partition_key = [] if partition_key is None else partition_key
        self.clustering_key = [] if clustering_key is None else clustering_key
        self.columns = {} if columns is None else columns
        self.indexes = {}
        self.options = {} if options is None else options
        self.comparator: Any = None
        self.triggers = {} if triggers is None else triggers
        self.views = {}
        self.virtual = virtual

    @property
    def primary_key(self) -> list[ColumnMetadata]:
        """The columns of partition key and clustering key."""
        return self.partition_key + self.clustering_key

    @property
    def is_cql_compatible(self) -> bool:
        """Whether CQL can make such a table; the Thrift interface made others."""
        if not self.comparator:
            return True
        several_values = self.is_compact_storage and len(self.columns) > len(self.primary_key) + 1
        return not (several_values and len(self.clustering_key) >= 1)

    def export_as_string(self) -> str:
        """Write the table with its indexes, triggers, views and extensions; in a comment what CQL cannot make."""
        written = self._all_as_cql()
        if self.virtual:
            return (
                f"/*\nWarning: Table {self.keyspace_name}.{self.name} is a virtual table and cannot be recreated "
                f"with CQL.\nStructure, for reference:\n{written}\n*/"
            )
        if not self.is_cql_compatible:
            return (
                f"/*\nWarning: Table {self.keyspace_name}.{self.name} omitted because it has constructs not compatible "
                "with CQL (was created via legacy API).\n\nApproximate structure, for reference:\n"
                f"(this should not be used to reproduce this schema)\n\n{written}\n*/"
            )
        return written

    def _all_as_cql(self) -> str:
        written = self.as_cql_query(formatted=True) + ";"
        parts: list[Any] = [*self.indexes.values(), *self.triggers.values()]
        for part in parts:
            written += f"\n{part.as_cql_query()};"
        for view in self.views.values():
            written += f"\n\n{view.as_cql_query(formatted=True)};"
        for key, blob in (self.extensions or {}).items():
            extension = _extensions.get(key)
            if extension is not None:
                written += f"\n\n{extension.after_table_cql(self, key, blob)}"
        return written

    def as_cql_query(self, formatted: bool = False) -> str:
        """Write CREATE TABLE, *formatted* over several lines."""
        name = f"{protect_name(self.keyspace_name)}.{protect_name(self.name)}"
        separator, indent, end = (",\n    ", "\n    ", "\n") if formatted else (", ", "", "")
        definitions = [self._column_as_cql(column) for column in self.columns.values()]
        if self._has_composite_key():
            definitions.append(f"PRIMARY KEY {self._key_as_cql()}")
        written = f"{'VIRTUAL' if self.virtual else 'CREATE'} TABLE {name} ({indent}{separator.join(definitions)}{end})"
        properties = self._properties_as_cql(formatted)
        return f"{written} WITH {properties}" if properties else written

    def _has_composite_key(self) -> bool:
        return len(self.partition_key) > 1 or bool(self.clustering_key)

    def _column_as_cql(self, column: ColumnMetadata) -> str:
        written = f"{protect_name(column.name)} {column.cql_type}"
        if column.is_static:
            written += " static"
        if not self._has_composite_key() and self.partition_key and self.partition_key[0].name == column.name:
            written += " PRIMARY KEY"
        return written

    def _key_as_cql(self) -> str:
        return key_as_cql(self.partition_key, self.clustering_key)

    def _properties_as_cql(self, formatted: bool) -> str:
        properties = ["COMPACT STORAGE"] if self.is_compact_storage else []
        if self.clustering_key:
            properties.append(clustering_order_as_cql(self.clustering_key))
        properties += self._make_option_strings(self.options)
        return _join(properties, formatted)

    @classmethod
    def _make_option_strings(cls, options_map: Mapping[str, Any]) -> list[str]:
        """Write the options of Cassandra 2, which stores some parts of maps apart from them, as JSON."""
        options = dict(options_map)
        compaction = _as_map(options.pop("compaction_strategy_options", None))
        for option, name in cls.compaction_options.items():
            value = options.pop(option, None)
            if value is not None and option == "compaction_strategy_class":
                compaction.setdefault(name, value)
        if compaction:
            options["compaction"] = compaction
        compression = options.pop("compression_parameters", None)
        if compression:
            options["compression"] = _as_map(compression)
        options.pop("local_read_repair_chance", None)
        return options_as_cql(options)


def _as_map(text: Any) -> dict[str, Any]:
    if not text:
        return {}
    return json.loads(text) if isinstance(text, str) else dict(text)


def options_as_cql(options: Mapping[str, Any]) -> list[str]:
    """Write options that are set, in the order of their names."""
    written = []
    for name in sorted(options):
        value = options[name]
        if isinstance(value, Mapping):
            written.append(f"{name} = {map_literal(value)}")
        elif value is not None:
            written.append(f"{name} = {protect_value(value)}")
    return written


def key_as_cql(partition_key: Sequence[ColumnMetadata], clustering_key: Sequence[ColumnMetadata]) -> str:
    """Write a primary key, with inner parentheses if the partition key has several columns."""
    partition = ", ".join(protect_names(column.name for column in partition_key))
    if len(partition_key) > 1:
        partition = f"({partition})"
    return f"({', '.join([partition, *protect_names(column.name for column in clustering_key)])})"


def clustering_order_as_cql(clustering_key: Iterable[ColumnMetadata]) -> str:
    """Write CLUSTERING ORDER BY."""
    order = ", ".join(
        f"{protect_name(column.name)} {'DESC' if column.is_reversed else 'ASC'}" for column in clustering_key
    )
    return f"CLUSTERING ORDER BY ({order})"


class TableMetadataV3(TableMetadata):
    """A table of Cassandra 3.0 or later."""

    __module__ = MODULE

    compaction_options: Mapping[str, str] = {}
    option_maps: ClassVar[list[str]] = ["compaction", "compression", "caching", "nodesync"]
    """Options that are maps."""

    @property
    def is_cql_compatible(self) -> bool:
        """True: from Cassandra 3.0 on CQL can make every table that is there."""
        return True

    @classmethod
    def _make_option_strings(cls, options_map: Mapping[str, Any]) -> list[str]:
        return options_as_cql(options_map)


class VertexMetadata:
    """What makes a table a vertex of a DSE graph."""

    __module__ = MODULE

    keyspace_name: str = None  # type: ignore[assignment]
    """The keyspace of the table."""
    table_name: str = None  # type: ignore[assignment]
    """The table."""
    label_name: str = None  # type: ignore[assignment]
    """The vertex label."""

    def __init__(self, keyspace_name: str, table_name: str, label_name: str) -> None:
        self.keyspace_name = keyspace_name
        self.table_name = table_name
        self.label_name = label_name


class EdgeMetadata:
    """What makes a table an edge of a DSE graph."""

    __module__ = MODULE

    keyspace_name: str = None  # type: ignore[assignment]
    """The keyspace of the table."""
    table_name: str = None  # type: ignore[assignment]
    """The table."""
    label_name: str = None  # type: ignore[assignment]
    """The edge label."""
    from_table: str = None  # type: ignore[assignment]
    """The table of the vertices where edges begin."""
    from_label: str = None  # type: ignore[assignment]
    """Their label."""
    from_partition_key_columns: Sequence[str] = None  # type: ignore[assignment]
    """The columns of the edge table with their partition key."""
    from_clustering_columns: Sequence[str] = None  # type: ignore[assignment]
    """The columns of the edge table with their clustering columns."""
    to_table: str = None  # type: ignore[assignment]
    """The table of the vertices where edges end."""
    to_label: str = None  # type: ignore[assignment]
    """Their label."""
    to_partition_key_columns: Sequence[str] = None  # type: ignore[assignment]
    """The columns of the edge table with their partition key."""
    to_clustering_columns: Sequence[str] = None  # type: ignore[assignment]
    """The columns of the edge table with their clustering columns."""

    def __init__(
        self,
        keyspace_name: str,
        table_name: str,
        label_name: str,
        from_table: str,
        from_label: str,
        from_partition_key_columns: Sequence[str],
        from_clustering_columns: Sequence[str],
        to_table: str,
        to_label: str,
        to_partition_key_columns: Sequence[str],
        to_clustering_columns: Sequence[str],
    ) -> None:
        self.keyspace_name = keyspace_name
        self.table_name = table_name
        self.label_name = label_name
        self.from_table = from_table
        self.from_label = from_label
        self.from_partition_key_columns = from_partition_key_columns
        self.from_clustering_columns = from_clustering_columns
        self.to_table = to_table
        self.to_label = to_label
        self.to_partition_key_columns = to_partition_key_columns
        self.to_clustering_columns = to_clustering_columns


class TableMetadataDSE68(TableMetadataV3):
    """A table of DSE 6.8 or later, which may be a part of a graph."""

    __module__ = MODULE

    vertex: VertexMetadata | None = None
    """What makes it a vertex, if it is one."""
    edge: EdgeMetadata | None = None
    """What makes it an edge, if it is one."""

    def _properties_as_cql(self, formatted: bool) -> str:
        properties = super()._properties_as_cql(formatted)
        graph = []
        if self.vertex is not None:
            graph.append(f"VERTEX LABEL {protect_name(self.vertex.label_name)}")
        if self.edge is not None:
            graph.append(self._edge_as_cql(self.edge))
        return " AND ".join([properties, *graph] if properties else graph)

    @staticmethod
    def _edge_as_cql(edge: EdgeMetadata) -> str:
        def end(label: str, partition_key: Sequence[str], clustering: Sequence[str]) -> str:
            partition = ", ".join(protect_names(partition_key))
            if len(partition_key) > 1:
                partition = f"({partition})"
            return f"{protect_name(label)}({', '.join([partition, *protect_names(clustering)])})"

        begins = end(edge.from_label, edge.from_partition_key_columns, edge.from_clustering_columns)
        ends = end(edge.to_label, edge.to_partition_key_columns, edge.to_clustering_columns)
        return f"EDGE LABEL {protect_name(edge.label_name)} FROM {begins} TO {ends}"

    def as_cql_query(self, formatted: bool = False) -> str:
        """Write CREATE TABLE with the labels of the graph, *formatted* over several lines."""
        return super().as_cql_query(formatted)


class MaterializedViewMetadata:
    """A materialized view."""

    __module__ = MODULE

    keyspace_name: str = None  # type: ignore[assignment]
    """Its keyspace."""
    name: str = None  # type: ignore[assignment]
    """Its name."""
    base_table_name: str = None  # type: ignore[assignment]
    """The table that it is a view of."""
    partition_key: list[ColumnMetadata] = None  # type: ignore[assignment]
    """The columns of the partition key, in order."""
    clustering_key: list[ColumnMetadata] = None  # type: ignore[assignment]
    """The clustering columns, in order."""
    columns: dict[str, ColumnMetadata] = None  # type: ignore[assignment]
    """All columns by name."""
    include_all_columns: bool = None  # type: ignore[assignment]
    """Whether it has all columns of the table."""
    where_clause: str = None  # type: ignore[assignment]
    """Which rows it has."""
    options: Mapping[str, Any] = None  # type: ignore[assignment]
    """Options by name."""
    extensions: Mapping[str, bytes] | None = None
    """What tools have stored with it."""

    def __init__(
        self,
        keyspace_name: str,
        view_name: str,
        base_table_name: str,
        include_all_columns: bool,
        where_clause: str,
        options: Mapping[str, Any],
    ) -> None:
        self.keyspace_name = keyspace_name
        self.name = view_name
        self.base_table_name = base_table_name
        self.partition_key = []
        self.clustering_key = []
        self.columns = {}
        self.include_all_columns = include_all_columns
        self.where_clause = where_clause
        self.options = options or {}

    def as_cql_query(self, formatted: bool = False) -> str:
        """Write CREATE MATERIALIZED VIEW, *formatted* over several lines."""
        separator = "\n    " if formatted else " "
        keyspace = protect_name(self.keyspace_name)
        columns = "*" if self.include_all_columns else ", ".join(protect_names(self.columns))
        properties = [clustering_order_as_cql(self.clustering_key)] if self.clustering_key else []
        properties += options_as_cql(self.options)
        lines = [
            f"CREATE MATERIALIZED VIEW {keyspace}.{protect_name(self.name)} AS",
            f"SELECT {columns}",
            f"FROM {keyspace}.{protect_name(self.base_table_name)}",
            f"WHERE {self.where_clause}",
            f"PRIMARY KEY {key_as_cql(self.partition_key, self.clustering_key)}",
        ]
        if properties:
            lines.append(f"WITH {_join(properties, formatted)}")
        return separator.join(lines)

    def export_as_string(self) -> str:
        """Write CREATE MATERIALIZED VIEW over several lines with a semicolon."""
        return self.as_cql_query(formatted=True) + ";"


class TableExtensionInterface:
    """What a table extension can do."""

    __module__ = MODULE

    @classmethod
    def after_table_cql(cls, ext_key: Any, ext_blob: Any) -> str:
        """Give CQL to be written after the table's own; a registered extension is given the table first."""
        raise NotImplementedError


class _RegisteredExtensionType(type):
    """Registers extensions by their name."""

    __module__ = MODULE

    def __new__(metacls, name: str, bases: tuple[type, ...], dct: dict[str, Any]) -> _RegisteredExtensionType:
        cls = super().__new__(metacls, name, bases, dct)
        key = dct.get("name")
        if key:
            _extensions[key] = cls
        return cls


class RegisteredTableExtension(TableExtensionInterface, metaclass=_RegisteredExtensionType):
    """Base of table extensions; a subclass is found by its ``name``, the key of ``TableMetadata.extensions``."""

    __module__ = MODULE

    name: ClassVar[str | None] = None
    """The key."""


class RLACTableExtension(RegisteredTableExtension):
    """Row-level access control of DSE."""

    __module__ = MODULE

    name = "DSE_RLACA"

    @classmethod
    def after_table_cql(cls, table_meta: Any, ext_key: Any, ext_blob: Any) -> str:  # type: ignore[override]
        """Write RESTRICT ROWS."""
        table = f"{protect_name(table_meta.keyspace_name)}.{protect_name(table_meta.name)}"
        column = ext_blob.decode("utf-8") if isinstance(ext_blob, bytes) else ext_blob
        return f"RESTRICT ROWS ON {table} USING {protect_name(column)};"
