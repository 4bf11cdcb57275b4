"""The base of all CQL type classes, and the registry that finds them by the class names of the server.

A CQL type is a Python class, never an instance: ``ListType.apply_parameters((Int32Type,))`` makes the class of
``list<int>``. Invariant: every concrete class has ``typename`` (its name in CQL) and ``cassname`` (its name in the
server); classes whose name starts with an underscore are not registered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

apache_cassandra_type_prefix = "org.apache.cassandra.db.marshal."
MODULE = "cassandra.cqltypes"

casstypes: dict[str, CassandraTypeType] = {}
"""Type classes by the name of the server's class, without the package of Apache Cassandra."""
cqltypes: dict[str, CassandraTypeType] = {}
"""Type classes by their CQL name."""


def trim_if_startswith(s: str, prefix: str) -> str:
    """Give *s* without *prefix*, unchanged when it does not start with it."""
    return s.removeprefix(prefix)


class EmptyValue:
    """The value of a column whose bytes are there but have length 0, where the type has no such value.

    Only types with ``support_empty_values`` give it; the others give ``None``.
    """

    __module__ = MODULE

    def __str__(self) -> str:
        return "EMPTY"

    __repr__ = __str__


EMPTY = EmptyValue()


class CassandraTypeType(type):
    """The class of type classes: it registers each of them."""

    __module__ = MODULE

    typename: str
    cassname: str
    subtypes: Sequence[Any]
    num_subtypes: int | str
    serialize: Any
    deserialize: Any

    def __new__(metacls, name: str, bases: tuple[type, ...], dct: dict[str, Any]) -> CassandraTypeType:
        dct.setdefault("cassname", name)
        anonymous = dct.pop("_anonymous", False)
        cls = super().__new__(metacls, name, bases, dct)
        if not name.startswith("_") and not anonymous:
            casstypes[name] = cls
            if not cls.typename.startswith(apache_cassandra_type_prefix):
                cqltypes[cls.typename] = cls
        return cls


class _CassandraType(metaclass=CassandraTypeType):
    """Base of all type classes; a subclass has at least ``typename``, ``serialize`` and ``deserialize``."""

    __module__ = MODULE

    subtypes: ClassVar[Sequence[Any]] = ()
    """The classes of the types in angle brackets."""
    num_subtypes: ClassVar[int | str] = 0
    """How many there must be, ``UNKNOWN`` for any number."""
    empty_binary_ok: ClassVar[bool] = False
    """Zero bytes are a value of this type."""
    support_empty_values: ClassVar[bool] = False
    """Zero bytes, where they are no value of this type, give :data:`EMPTY` instead of ``None``."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    @classmethod
    def from_binary(cls, byts: bytes | None, protocol_version: int) -> Any:
        """Give the Python value of *byts*, the content of a cell; ``None`` for a null."""
        if byts is None:
            return None
        if len(byts) == 0 and not cls.empty_binary_ok:
            return EMPTY if cls.support_empty_values else None
        return cls.deserialize(byts, protocol_version)

    @classmethod
    def to_binary(cls, val: Any, protocol_version: int) -> bytes:
        """Give the bytes of *val*; none for ``None``."""
        return b"" if val is None else cls.serialize(val, protocol_version)

    @staticmethod
    def deserialize(byts: bytes, protocol_version: int) -> Any:
        """Give the Python value of *byts*, which are there and fit the type."""
        return byts

    @staticmethod
    def serialize(val: Any, protocol_version: int) -> Any:
        """Give the bytes of *val*, which is not ``None``."""
        return val

    @classmethod
    def cass_parameterized_type_with(cls, subtypes: Sequence[CassandraTypeType], full: bool = False) -> str:
        """Write this type with *subtypes* in the server's notation; *full* adds the package to the class names."""
        cassname = cls.cassname
        if full and "." not in cassname:
            cassname = apache_cassandra_type_prefix + cassname
        if not subtypes:
            return cassname
        sub = ", ".join(subtype.cass_parameterized_type(full=full) for subtype in subtypes)  # type: ignore[attr-defined]
        return f"{cassname}({sub})"

    @classmethod
    def apply_parameters(cls, subtypes: Sequence[Any], names: Sequence[str | None] | None = None) -> CassandraTypeType:
        """Make the class of this type with *subtypes*; *names* are the labels that some types put before them.

        :raises ValueError: the type takes another number of subtypes.
        """
        if cls.num_subtypes != "UNKNOWN" and len(subtypes) != cls.num_subtypes:
            raise ValueError(f"{cls.typename} types require {cls.num_subtypes} subtypes ({len(subtypes)} given)")
        name = cls.cass_parameterized_type_with(subtypes)
        body = {"subtypes": subtypes, "cassname": cls.cassname, "fieldnames": names, "__module__": MODULE}
        return CassandraTypeType(name, (cls,), {**body, "_anonymous": True})

    @classmethod
    def cql_parameterized_type(cls) -> str:
        """Write this type in CQL."""
        if not cls.subtypes:
            return cls.typename
        return f"{cls.typename}<{', '.join(subtype.cql_parameterized_type() for subtype in cls.subtypes)}>"

    @classmethod
    def cass_parameterized_type(cls, full: bool = False) -> str:
        """Write this type in the server's notation; *full* adds the package to the class names."""
        return cls.cass_parameterized_type_with(cls.subtypes, full=full)

    @classmethod
    def serial_size(cls) -> int | None:
        """Give the number of bytes that each value takes, ``None`` if they differ; vectors depend on it."""
        return None


CassandraType = _CassandraType


class _UnrecognizedType(_CassandraType):
    """A server class that is not known: its values stay bytes."""

    __module__ = MODULE

    num_subtypes = "UNKNOWN"


def mkUnrecognizedType(casstypename: str) -> CassandraTypeType:
    """Make the class for an unknown server class *casstypename*."""
    body = {"typename": f"'{casstypename}'", "__module__": MODULE, "_anonymous": True}
    return CassandraTypeType(casstypename, (_UnrecognizedType,), body)
