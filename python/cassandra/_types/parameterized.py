"""Types made of other types: collections, tuples, user-defined types and the server's wrappers around a type.

Layout: native protocol v5 §6 (list, map, set, tuple, udt); a length of -1 is a null. Collections inside collections
are always in the layout of protocol v3 and later, even where the outer one is not.
"""

from __future__ import annotations

import keyword
import sys
from collections import namedtuple
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from cassandra import util
from cassandra._types.base import MODULE, CassandraTypeType, _CassandraType, apache_cassandra_type_prefix
from cassandra.marshal import int32_pack, int32_unpack, uint16_pack, uint16_unpack


class _ParameterizedType(_CassandraType):
    """A type that is no type before :meth:`apply_parameters` has given it subtypes."""

    __module__ = MODULE

    num_subtypes: ClassVar[int | str] = "UNKNOWN"

    @classmethod
    def deserialize(cls, byts: bytes, protocol_version: int) -> Any:
        if not cls.subtypes:
            raise NotImplementedError(f"can't deserialize unparameterized {cls.typename}")
        return cls.deserialize_safe(byts, protocol_version)

    @classmethod
    def serialize(cls, val: Any, protocol_version: int) -> Any:
        if not cls.subtypes:
            raise NotImplementedError(f"can't serialize unparameterized {cls.typename}")
        return cls.serialize_safe(val, protocol_version)

    @classmethod
    def deserialize_safe(cls, byts: bytes, protocol_version: int) -> Any:
        """Give the Python value of *byts*; the subtypes are there."""
        raise NotImplementedError(f"values of {cls.typename} cannot be read")

    @classmethod
    def serialize_safe(cls, val: Any, protocol_version: int) -> bytes:
        """Give the bytes of *val*; the subtypes are there."""
        raise NotImplementedError(f"values of {cls.typename} cannot be written")


def _read_elements(byts: bytes, count_of_each: int, protocol_version: int) -> Iterator[bytes | None]:
    """Give the elements of a collection, *count_of_each* (1, or 2 for maps) for each counted entry."""
    size, unpack = (4, int32_unpack) if protocol_version >= 3 else (2, uint16_unpack)
    count = unpack(byts[:size])
    position = size
    for _ in range(count * count_of_each):
        length = unpack(byts[position : position + size])
        position += size
        if length < 0:
            yield None
            continue
        end = position + length
        if end > len(byts):
            raise ValueError(f"a collection element of {length} bytes ends after the value's {len(byts)} bytes")
        yield byts[position:end]
        position = end


class _SimpleParameterizedType(_ParameterizedType):
    """A collection of elements of one type, read into ``adapter``."""

    __module__ = MODULE

    adapter: ClassVar[Any]

    @classmethod
    def deserialize_safe(cls, byts: bytes, protocol_version: int) -> Any:
        (subtype,) = cls.subtypes
        inner = max(3, protocol_version)
        return cls.adapter(subtype.from_binary(item, inner) for item in _read_elements(byts, 1, protocol_version))

    @classmethod
    def serialize_safe(cls, val: Any, protocol_version: int) -> bytes:
        if isinstance(val, str):
            raise TypeError("Received a string for a type that expects a sequence")
        (subtype,) = cls.subtypes
        pack = int32_pack if protocol_version >= 3 else uint16_pack
        inner = max(3, protocol_version)
        parts = [pack(len(val))]
        for item in val:
            element = subtype.to_binary(item, inner)
            parts.append(pack(len(element)))
            parts.append(element)
        return b"".join(parts)


class ListType(_SimpleParameterizedType):
    """``list<t>``: :class:`list`; any sized iterable but text is taken."""

    __module__ = MODULE

    typename = "list"
    num_subtypes = 1
    adapter = list


class SetType(_SimpleParameterizedType):
    """``set<t>``: :class:`cassandra.util.SortedSet`; any sized iterable but text is taken."""

    __module__ = MODULE

    typename = "set"
    num_subtypes = 1
    adapter = util.SortedSet


class MapType(_ParameterizedType):
    """``map<k, v>``: :class:`cassandra.util.OrderedMapSerializedKey`; any mapping is taken."""

    __module__ = MODULE

    typename = "map"
    num_subtypes = 2

    @classmethod
    def deserialize_safe(cls, byts: bytes, protocol_version: int) -> Any:
        key_type, value_type = cls.subtypes
        inner = max(3, protocol_version)
        themap: util.OrderedMapSerializedKey[Any, Any] = util.OrderedMapSerializedKey(key_type, inner)
        elements = _read_elements(byts, 2, protocol_version)
        for flat_key, flat_value in zip(elements, elements, strict=True):
            key = key_type.from_binary(flat_key, inner)
            themap._insert_unchecked(key, flat_key or b"", value_type.from_binary(flat_value, inner))
        return themap

    @classmethod
    def serialize_safe(cls, themap: Any, protocol_version: int) -> bytes:
        key_type, value_type = cls.subtypes
        pack = int32_pack if protocol_version >= 3 else uint16_pack
        inner = max(3, protocol_version)
        parts = [pack(len(themap))]
        try:
            items = themap.items()
        except AttributeError:
            raise TypeError("Got a non-map object for a map value") from None
        for key, value in items:
            flat_key = key_type.to_binary(key, inner)
            flat_value = value_type.to_binary(value, inner)
            parts += (pack(len(flat_key)), flat_key, pack(len(flat_value)), flat_value)
        return b"".join(parts)


class TupleType(_ParameterizedType):
    """``tuple<t, ...>``: :class:`tuple`; missing last values are null."""

    __module__ = MODULE

    typename = "tuple"

    @classmethod
    def deserialize_safe(cls, byts: bytes, protocol_version: int) -> tuple[Any, ...]:
        inner = max(3, protocol_version)
        values = []
        position = 0
        for subtype in cls.subtypes:
            item = None
            if position < len(byts):
                length = int32_unpack(byts[position : position + 4])
                position += 4
                if length >= 0:
                    end = position + length
                    if end > len(byts):
                        raise ValueError(f"a field of {length} bytes ends after the value's {len(byts)} bytes")
                    item = byts[position:end]
                    position = end
            values.append(subtype.from_binary(item, inner))
        return tuple(values)

    @classmethod
    def serialize_safe(cls, val: Any, protocol_version: int) -> bytes:
        if len(val) > len(cls.subtypes):
            raise ValueError(f"Expected {len(cls.subtypes)} items in a tuple, but got {len(val)}: {val}")
        return cls._serialize_fields(val, protocol_version)

    @classmethod
    def _serialize_fields(cls, values: Any, protocol_version: int) -> bytes:
        inner = max(3, protocol_version)
        parts = []
        for item, subtype in zip(values, cls.subtypes, strict=False):
            if item is None:
                parts.append(_NULL)
            else:
                packed = subtype.to_binary(item, inner)
                parts += (int32_pack(len(packed)), packed)
        return b"".join(parts)

    @classmethod
    def cql_parameterized_type(cls) -> str:
        return f"frozen<tuple<{', '.join(subtype.cql_parameterized_type() for subtype in cls.subtypes)}>>"


_NULL = int32_pack(-1)


class UserType(TupleType):
    """A user-defined type: an object of the class that was registered for it, else a named tuple.

    Taken are sequences in the order of the fields, objects with attributes of the fields' names, and mappings by field
    name (absent fields are null).
    """

    __module__ = MODULE

    typename = apache_cassandra_type_prefix + "UserType"
    keyspace: ClassVar[str]
    fieldnames: ClassVar[tuple[str, ...]]
    mapped_class: ClassVar[Any]
    tuple_type: ClassVar[Any]

    _cache: ClassVar[dict[tuple[str, str], Any]] = {}

    @classmethod
    def make_udt_class(
        cls, keyspace: str, udt_name: str, field_names: Sequence[str], field_types: Sequence[Any]
    ) -> Any:
        """Give the type class of a user-defined type; the same one again until its fields change."""
        field_names, field_types = tuple(field_names), tuple(field_types)
        known = cls._cache.get((keyspace, udt_name))
        if known is not None and known.fieldnames == field_names and known.subtypes == field_types:
            return known
        body = {
            "subtypes": field_types,
            "cassname": cls.cassname,
            "typename": udt_name,
            "fieldnames": field_names,
            "keyspace": keyspace,
            "mapped_class": None,
            "tuple_type": cls._make_udt_tuple_type(keyspace, udt_name, field_names),
            "__module__": MODULE,
            "_anonymous": True,
        }
        udt = CassandraTypeType(udt_name, (cls,), body)
        cls._cache[(keyspace, udt_name)] = udt
        return udt

    @classmethod
    def evict_udt_class(cls, keyspace: str, udt_name: str) -> None:
        """Forget the class of a user-defined type that was changed or dropped."""
        cls._cache.pop((keyspace, udt_name), None)

    @classmethod
    def apply_parameters(cls, subtypes: Sequence[Any], names: Sequence[str | None] | None = None) -> CassandraTypeType:
        """Make the class from the server's notation: keyspace, name in hexadecimal, then the fields.

        :raises ValueError: keyspace or name is missing.
        """
        if len(subtypes) < 2 or names is None:
            raise ValueError("a UserType needs a keyspace and a name")
        keyspace, udt_name = (part if isinstance(part, str) else part.cassname for part in subtypes[:2])
        field_names = tuple(_name_from_hex_string(name or "") for name in names[2:])
        udt: CassandraTypeType = cls.make_udt_class(
            keyspace, _name_from_hex_string(udt_name), field_names, tuple(subtypes[2:])
        )
        return udt

    @classmethod
    def cql_parameterized_type(cls) -> str:
        return f"frozen<{cls.typename}>"

    @classmethod
    def deserialize_safe(cls, byts: bytes, protocol_version: int) -> Any:
        values = super().deserialize_safe(byts, protocol_version)
        if cls.mapped_class is not None:
            return cls.mapped_class(**dict(zip(cls.fieldnames, values, strict=True)))
        if cls.tuple_type is not None:
            return cls.tuple_type(*values)
        return values

    @classmethod
    def serialize_safe(cls, val: Any, protocol_version: int) -> bytes:
        return cls._serialize_fields(cls._field_values(val), protocol_version)

    @classmethod
    def _field_values(cls, val: Any) -> list[Any]:
        if isinstance(val, Mapping):
            unknown = set(val).difference(cls.fieldnames)
            if unknown:
                raise ValueError(f"user-defined type {cls.typename} has no field {', '.join(map(repr, unknown))}")
            return [val.get(name) for name in cls.fieldnames]
        values = []
        for index, name in enumerate(cls.fieldnames):
            try:
                item = val[index]
            except TypeError:
                item = getattr(val, name)
            values.append(item)
        return values

    @classmethod
    def _make_udt_tuple_type(cls, keyspace: str, name: str, field_names: tuple[str, ...]) -> Any:
        fields = [_identifier_or_position(field, index) for index, field in enumerate(field_names)]
        try:
            tuple_type: Any = namedtuple(name, fields)  # type: ignore[misc]
        except ValueError:
            return None
        # Pickle finds the class by this name in the public module.
        tuple_type.__module__ = MODULE
        tuple_type.__qualname__ = f"{keyspace}_{name}"
        module = sys.modules.get(MODULE)
        if module is not None:
            setattr(module, tuple_type.__qualname__, tuple_type)
        return tuple_type


def _identifier_or_position(name: str, index: int) -> str:
    usable = name.isidentifier() and not keyword.iskeyword(name) and not name.startswith("_")
    return name if usable else f"field_{index}_"


def _name_from_hex_string(encoded_name: str) -> str:
    return bytes.fromhex(encoded_name).decode("utf-8")


class CompositeType(_ParameterizedType):
    """The composite of Thrift-era tables: :class:`tuple`, which can only be read."""

    __module__ = MODULE

    typename = apache_cassandra_type_prefix + "CompositeType"

    @classmethod
    def cql_parameterized_type(cls) -> str:
        return f"'{cls.cass_parameterized_type(full=True) if cls.subtypes else cls.typename}'"

    @classmethod
    def deserialize_safe(cls, byts: bytes, protocol_version: int) -> tuple[Any, ...]:
        """Read as many components as are there: each is a length of 2 bytes, its bytes, and one byte for slices."""
        values = []
        position = 0
        for subtype in cls.subtypes:
            if position >= len(byts):
                break
            length = uint16_unpack(byts[position : position + 2])
            position += 2
            values.append(subtype.from_binary(byts[position : position + length], protocol_version))
            position += length + 1
        return tuple(values)


class DynamicCompositeType(_ParameterizedType):
    """A composite that names the types of its components in each value; neither read nor written."""

    __module__ = MODULE

    typename = apache_cassandra_type_prefix + "DynamicCompositeType"
    fieldnames: ClassVar[Sequence[str]] = ()

    @classmethod
    def cql_parameterized_type(cls) -> str:
        pairs = zip(cls.fieldnames, cls.subtypes, strict=True)
        sub = ", ".join(f"{alias}=>{subtype.cass_parameterized_type(full=True)}" for alias, subtype in pairs)
        return f"'{cls.typename}({sub})'"


class ColumnToCollectionType(_ParameterizedType):
    """The last part of the comparator of a table with collections, before 3.0; neither read nor written."""

    __module__ = MODULE

    typename = apache_cassandra_type_prefix + "ColumnToCollectionType"


class _WrapperType(_ParameterizedType):
    """A type that only wraps another one."""

    @classmethod
    def deserialize_safe(cls, byts: bytes, protocol_version: int) -> Any:
        (subtype,) = cls.subtypes
        return subtype.from_binary(byts, protocol_version)

    @classmethod
    def serialize_safe(cls, val: Any, protocol_version: int) -> bytes:
        (subtype,) = cls.subtypes
        packed: bytes = subtype.to_binary(val, protocol_version)
        return packed


class ReversedType(_ParameterizedType):
    """A clustering column in descending order; its values are those of the subtype."""

    __module__ = MODULE

    typename = apache_cassandra_type_prefix + "ReversedType"
    num_subtypes = 1

    deserialize_safe = _WrapperType.__dict__["deserialize_safe"]
    serialize_safe = _WrapperType.__dict__["serialize_safe"]


class FrozenType(_ParameterizedType):
    """``frozen<t>``; its values are those of the subtype."""

    __module__ = MODULE

    typename = "frozen"
    num_subtypes = 1

    deserialize_safe = _WrapperType.__dict__["deserialize_safe"]
    serialize_safe = _WrapperType.__dict__["serialize_safe"]


def is_counter_type(t: Any) -> bool:
    """Tell whether *t*, a type class or its name, is or holds a counter."""
    if isinstance(t, str):
        from cassandra._types.parser import lookup_casstype

        t = lookup_casstype(t)
    return t.typename == "counter" or any(is_counter_type(subtype) for subtype in t.subtypes)


def is_reversed_casstype(data_type: Any) -> bool:
    """Tell whether *data_type* is that of a clustering column in descending order."""
    return issubclass(data_type, ReversedType)
