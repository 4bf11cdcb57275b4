"""Keyspaces, user-defined types, functions and aggregates; each writes itself as CQL that makes it anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cassandra import SignatureDescriptor
from cassandra._metadata import MODULE
from cassandra._metadata.names import protect_name
from cassandra._metadata.replication import _ReplicationStrategy
from cassandra._metadata.tables import IndexMetadata, MaterializedViewMetadata, TableMetadata
from cassandra.cqltypes import cql_types_from_string, strip_frozen


class KeyspaceMetadata:
    """A keyspace."""

    __module__ = MODULE

    name: str = None  # type: ignore[assignment]
    """Its name."""
    durable_writes: bool = True
    """Whether writes go to the commit log."""
    replication_strategy: _ReplicationStrategy | None = None
    """Where its replicas are."""
    tables: dict[str, TableMetadata] = None  # type: ignore[assignment]
    """Tables by name."""
    indexes: dict[str, IndexMetadata] = None  # type: ignore[assignment]
    """Secondary indexes by name."""
    user_types: dict[str, UserType] = None  # type: ignore[assignment]
    """User-defined types by name."""
    functions: dict[str, Function] = None  # type: ignore[assignment]
    """Functions by signature."""
    aggregates: dict[str, Aggregate] = None  # type: ignore[assignment]
    """Aggregates by signature."""
    views: dict[str, MaterializedViewMetadata] = None  # type: ignore[assignment]
    """Materialized views by name."""
    virtual: bool = False
    """Whether it is a virtual keyspace, which nodes make up of what they know of themselves."""
    graph_engine: str | None = None
    """``Classic`` or ``Core`` in a keyspace of a DSE graph."""

    _exc_info: Any = None

    def __init__(
        self,
        name: str,
        durable_writes: bool,
        strategy_class: str | None,
        strategy_options: Mapping[str, Any],
        graph_engine: str | None = None,
    ) -> None:
        self.name = name
        self.durable_writes = durable_writes
        self.replication_strategy = _ReplicationStrategy.create(strategy_class, strategy_options)
        self.tables = {}
        self.indexes = {}
        self.user_types = {}
        self.functions = {}
        self.aggregates = {}
        self.views = {}
        self.graph_engine = graph_engine

    @property
    def is_graph_enabled(self) -> bool:
        """Whether it holds a DSE graph."""
        return self.graph_engine is not None

    def export_as_string(self) -> str:
        """Write the keyspace and everything in it, in an order in which it can be made."""
        parts = [f"{self.as_cql_query()};", *self.user_type_strings()]
        for group in (self.functions, self.aggregates, self.tables):
            parts += [part.export_as_string() for part in group.values()]
        written = "\n\n".join(parts)
        if self.virtual:
            return (
                f"/*\nWarning: Keyspace {self.name} is a virtual keyspace and cannot be recreated with CQL.\n"
                f"Structure, for reference:*/\n{written}\n"
            )
        return written

    def as_cql_query(self) -> str:
        """Write CREATE KEYSPACE."""
        if self.virtual:
            return f"// VIRTUAL KEYSPACE {protect_name(self.name)}"
        replication = "{}" if self.replication_strategy is None else self.replication_strategy.export_for_schema()
        written = f"CREATE KEYSPACE {protect_name(self.name)} WITH replication = {replication} "
        written += f" AND durable_writes = {'true' if self.durable_writes else 'false'}"
        if self.graph_engine is not None:
            written += f" AND graph_engine = '{self.graph_engine}'"
        return written

    def user_type_strings(self) -> list[str]:
        """Write CREATE TYPE of all types, each after those that it is made of."""
        waiting = dict(self.user_types)
        written: list[str] = []
        for name in list(waiting):
            self.resolve_user_types(name, waiting, written)
        return written

    def resolve_user_types(self, key: str, user_types: dict[str, UserType], user_type_strings: list[str]) -> None:
        """Move type *key*, after those that it is made of, from *user_types* to *user_type_strings*."""
        user_type = user_types.pop(key, None)
        if user_type is None:
            return
        for field_type in user_type.field_types:
            for name in cql_types_from_string(field_type):
                self.resolve_user_types(name.strip('"'), user_types, user_type_strings)
        user_type_strings.append(user_type.export_as_string())


class UserType:
    """A user-defined type."""

    __module__ = MODULE

    keyspace: str = None  # type: ignore[assignment]
    """Its keyspace."""
    name: str = None  # type: ignore[assignment]
    """Its name."""
    field_names: Sequence[str] = None  # type: ignore[assignment]
    """The names of its fields, in order."""
    field_types: Sequence[str] = None  # type: ignore[assignment]
    """Their types, in CQL."""

    def __init__(self, keyspace: str, name: str, field_names: Sequence[str], field_types: Sequence[str]) -> None:
        self.keyspace = keyspace
        self.name = name
        self.field_names = field_names
        self.field_types = field_types

    def as_cql_query(self, formatted: bool = False) -> str:
        """Write CREATE TYPE, *formatted* over several lines."""
        fields = (f"{protect_name(name)} {kind}" for name, kind in zip(self.field_names, self.field_types, strict=True))
        separator, indent, end = (",\n    ", "\n    ", "\n") if formatted else (", ", "", "")
        name = f"{protect_name(self.keyspace)}.{protect_name(self.name)}"
        return f"CREATE TYPE {name} ({indent}{separator.join(fields)}{end})"

    def export_as_string(self) -> str:
        """Write CREATE TYPE over several lines with a semicolon."""
        return self.as_cql_query(formatted=True) + ";"


class Aggregate:
    """A user-defined aggregate."""

    __module__ = MODULE

    keyspace: str = None  # type: ignore[assignment]
    """Its keyspace."""
    name: str = None  # type: ignore[assignment]
    """Its name."""
    argument_types: Sequence[str] = None  # type: ignore[assignment]
    """The types of its arguments, in CQL."""
    final_func: str | None = None
    """The function that makes the result of the last state."""
    initial_condition: str | None = None
    """The first state, as a CQL literal."""
    return_type: str = None  # type: ignore[assignment]
    """The type of the result."""
    state_func: str = None  # type: ignore[assignment]
    """The function that makes a state of the one before and the arguments."""
    state_type: str = None  # type: ignore[assignment]
    """The type of states."""
    deterministic: bool = None  # type: ignore[assignment]
    """Whether equal arguments always give equal results (DSE)."""

    def __init__(
        self,
        keyspace: str,
        name: str,
        argument_types: Sequence[str],
        state_func: str,
        state_type: str,
        final_func: str | None,
        initial_condition: str | None,
        return_type: str,
        deterministic: bool,
    ) -> None:
        self.keyspace = keyspace
        self.name = name
        self.argument_types = argument_types
        self.state_func = state_func
        self.state_type = state_type
        self.final_func = final_func
        self.initial_condition = initial_condition
        self.return_type = return_type
        self.deterministic = deterministic

    def as_cql_query(self, formatted: bool = False) -> str:
        """Write CREATE AGGREGATE, *formatted* over several lines."""
        arguments = ", ".join(strip_frozen(kind) for kind in self.argument_types)
        lines = [
            f"CREATE AGGREGATE {protect_name(self.keyspace)}.{protect_name(self.name)}({arguments})",
            f"SFUNC {protect_name(self.state_func)}",
            f"STYPE {strip_frozen(self.state_type)}",
        ]
        if self.final_func:
            lines.append(f"FINALFUNC {protect_name(self.final_func)}")
        if self.initial_condition is not None:
            lines.append(f"INITCOND {self.initial_condition}")
        if self.deterministic:
            lines.append("DETERMINISTIC")
        return ("\n    " if formatted else " ").join(lines)

    def export_as_string(self) -> str:
        """Write CREATE AGGREGATE over several lines with a semicolon."""
        return self.as_cql_query(formatted=True) + ";"

    @property
    def signature(self) -> str:
        """The key of ``KeyspaceMetadata.aggregates``."""
        return SignatureDescriptor.format_signature(self.name, self.argument_types)


class Function:
    """A user-defined function."""

    __module__ = MODULE

    keyspace: str = None  # type: ignore[assignment]
    """Its keyspace."""
    name: str = None  # type: ignore[assignment]
    """Its name."""
    argument_types: Sequence[str] = None  # type: ignore[assignment]
    """The types of its arguments, in CQL."""
    argument_names: Sequence[str] = None  # type: ignore[assignment]
    """Their names."""
    return_type: str = None  # type: ignore[assignment]
    """The type of the result."""
    language: str = None  # type: ignore[assignment]
    """The language of its body."""
    body: str = None  # type: ignore[assignment]
    """Its body."""
    called_on_null_input: bool = None  # type: ignore[assignment]
    """Whether it runs when an argument is null; the result is null otherwise."""
    deterministic: bool = None  # type: ignore[assignment]
    """Whether equal arguments always give equal results (DSE)."""
    monotonic: bool = None  # type: ignore[assignment]
    """Whether greater arguments give greater results (DSE)."""
    monotonic_on: Sequence[str] = None  # type: ignore[assignment]
    """The arguments of which only that is said (DSE)."""

    def __init__(
        self,
        keyspace: str,
        name: str,
        argument_types: Sequence[str],
        argument_names: Sequence[str],
        return_type: str,
        language: str,
        body: str,
        called_on_null_input: bool,
        deterministic: bool,
        monotonic: bool,
        monotonic_on: Sequence[str],
    ) -> None:
        self.keyspace = keyspace
        self.name = name
        self.argument_types = argument_types
        self.argument_names = argument_names
        self.return_type = return_type
        self.language = language
        self.body = body
        self.called_on_null_input = called_on_null_input
        self.deterministic = deterministic
        self.monotonic = monotonic
        self.monotonic_on = monotonic_on

    def as_cql_query(self, formatted: bool = False) -> str:
        """Write CREATE FUNCTION, *formatted* over several lines."""
        arguments = ", ".join(
            f"{protect_name(name)} {strip_frozen(kind)}"
            for name, kind in zip(self.argument_names, self.argument_types, strict=True)
        )
        lines = [
            f"CREATE FUNCTION {protect_name(self.keyspace)}.{protect_name(self.name)}({arguments})",
            f"{'CALLED' if self.called_on_null_input else 'RETURNS NULL'} ON NULL INPUT",
            f"RETURNS {self.return_type}",
        ]
        if self.deterministic:
            lines.append("DETERMINISTIC")
        if self.monotonic:
            lines.append("MONOTONIC")
        elif self.monotonic_on:
            lines.append(f"MONOTONIC ON {protect_name(self.monotonic_on[0])}")
        lines += [f"LANGUAGE {self.language}", f"AS $${self.body}$$"]
        return ("\n    " if formatted else " ").join(lines)

    def export_as_string(self) -> str:
        """Write CREATE FUNCTION over several lines with a semicolon."""
        return self.as_cql_query(formatted=True) + ";"

    @property
    def signature(self) -> str:
        """The key of ``KeyspaceMetadata.functions``."""
        return SignatureDescriptor.format_signature(self.name, self.argument_types)
