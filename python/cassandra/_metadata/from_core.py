"""From the core's snapshots of the schema to the objects of ``cassandra.metadata``.

A keyspace is one object for as long as there is a keyspace of this name. What is in it is made when it is first asked
for, and anew after the core has read other contents.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cassandra._metadata.keyspaces import Aggregate, Function, KeyspaceMetadata, UserType
from cassandra._metadata.tables import (
    ColumnMetadata,
    EdgeMetadata,
    IndexMetadata,
    MaterializedViewMetadata,
    TableMetadata,
    TableMetadataDSE68,
    TableMetadataV3,
    TriggerMetadata,
    VertexMetadata,
)

if TYPE_CHECKING:
    from cassandra import _core

SHORT_OPTIONS = ("cdc", "incremental_backups", "allow_auto_snapshot", "memtable")
"""Options that stand in CQL only where they differ from what servers do anyway."""
USUAL = {"cdc": False, "incremental_backups": True, "allow_auto_snapshot": True, "memtable": "default"}


def followed(name: str) -> property:
    """A dictionary of a keyspace's contents that follows the core's schema, until another one is set."""

    def get(self: FollowedKeyspace) -> Any:
        return self._contents()[name]

    def set_(self: FollowedKeyspace, value: Any) -> None:
        if self._made is None:
            self._made = contents(self.name, self._snapshot)
        self._made[name] = value

    return property(get, set_)


class FollowedKeyspace(KeyspaceMetadata):
    """A keyspace of the cluster: its contents follow the schema."""

    __module__ = KeyspaceMetadata.__module__

    def __init__(self, snapshot: _core.KeyspaceSnapshot, current: Callable[[], None]) -> None:
        self._snapshot = snapshot
        self._made: dict[str, dict[str, Any]] | None = {}
        self._current = current
        name, durable_writes, replication, virtual, graph_engine = snapshot.description()
        strategy_class = replication.pop("class", None)
        super().__init__(name, durable_writes, strategy_class, replication, graph_engine)
        if virtual:
            self.virtual = True
            self.durable_writes = None  # type: ignore[assignment]
        self._made = None

    tables = followed("tables")
    indexes = followed("indexes")
    user_types = followed("user_types")
    functions = followed("functions")
    aggregates = followed("aggregates")
    views = followed("views")

    def follow(self, snapshot: _core.KeyspaceSnapshot) -> None:
        """Take over what the core has read."""
        if snapshot.is_same(self._snapshot):
            return
        current = self._current
        self.__init__(snapshot, current)  # type: ignore[misc]

    def _contents(self) -> dict[str, dict[str, Any]]:
        self._current()
        if self._made is None:
            self._made = contents(self.name, self._snapshot)
        return self._made


def contents(keyspace: str, snapshot: _core.KeyspaceSnapshot) -> dict[str, dict[str, Any]]:
    """Make all that is in a keyspace."""
    made: dict[str, dict[str, Any]] = {name: {} for name in ("tables", "indexes", "views")}
    for described in snapshot.tables():
        table = make_table(keyspace, *described)
        made["tables"][table.name] = table
        made["indexes"].update(table.indexes)
    for described in snapshot.views():
        view = make_view(keyspace, *described)
        made["views"][view.name] = view
        base = made["tables"].get(view.base_table_name)
        if base is not None:
            base.views[view.name] = view
    made["user_types"] = {name: UserType(keyspace, name, names, types) for name, names, types in snapshot.types()}
    functions = (Function(keyspace, *described) for described in snapshot.functions())
    made["functions"] = {function.signature: function for function in functions}
    aggregates = (Aggregate(keyspace, *described) for described in snapshot.aggregates())
    made["aggregates"] = {aggregate.signature: aggregate for aggregate in aggregates}
    return made


def make_table(
    keyspace: str,
    name: str,
    columns: list[tuple[str, str, str, bool]],
    options: dict[str, Any],
    indexes: list[tuple[str, str, dict[str, str]]],
    triggers: list[tuple[str, dict[str, str]]],
    is_compact: bool,
    virtual: bool,
    graph: tuple[str | None, tuple[Any, ...] | None] | None,
) -> TableMetadata:
    """Make a table of what the core says about it."""
    table: TableMetadata
    if graph is None:
        table = TableMetadataV3(keyspace, name, virtual=virtual)
    else:
        table = TableMetadataDSE68(keyspace, name, virtual=virtual)
        vertex, edge = graph
        if vertex is not None:
            table.vertex = VertexMetadata(keyspace, name, vertex)
        if edge is not None:
            label, begins, ends = edge
            table.edge = EdgeMetadata(keyspace, name, label, *begins, *ends)
    table.extensions = options.pop("extensions", {})
    table.options = usual_left_out(options)
    table.is_compact_storage = is_compact
    add_columns(table, columns)
    for index_name, kind, index_options in indexes:
        table.indexes[index_name] = IndexMetadata(keyspace, name, index_name, kind, index_options)
    table.triggers = OrderedDict(
        (trigger, TriggerMetadata(table, trigger, trigger_options)) for trigger, trigger_options in triggers
    )
    return table


def make_view(
    keyspace: str,
    name: str,
    base_table: str,
    include_all_columns: bool,
    where_clause: str,
    columns: list[tuple[str, str, str, bool]],
    options: dict[str, Any],
) -> MaterializedViewMetadata:
    """Make a view of what the core says about it."""
    extensions = options.pop("extensions", {})
    view = MaterializedViewMetadata(
        keyspace, name, base_table, include_all_columns, where_clause, usual_left_out(options)
    )
    view.extensions = extensions
    add_columns(view, columns)
    return view


def usual_left_out(options: dict[str, Any]) -> dict[str, Any]:
    """Leave out options that say what servers do anyway; older ones do not know them."""
    for name in SHORT_OPTIONS:
        if options.get(name) == USUAL[name]:
            del options[name]
    options.setdefault("cdc", None)
    return options


def add_columns(element: Any, columns: list[tuple[str, str, str, bool]]) -> None:
    """Give a table or a view its columns."""
    element.columns = OrderedDict()
    for name, cql_type, kind, descending in columns:
        column = ColumnMetadata(element, name, cql_type, is_static=kind == "static", is_reversed=descending)
        element.columns[name] = column
        if kind == "partition_key":
            element.partition_key.append(column)
        elif kind == "clustering":
            element.clustering_key.append(column)
