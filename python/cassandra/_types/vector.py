"""``vector<t, n>``: *n* values of one type, none of them null (Cassandra 5.0; travels as a custom type).

Layout: the elements one after another; each has its length as [unsigned vint] before it unless its type is of fixed
size.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from cassandra._types.base import MODULE, CassandraTypeType, _CassandraType, apache_cassandra_type_prefix
from cassandra.marshal import uvint_pack, uvint_unpack


class VectorType(_CassandraType):
    """``vector<t, n>``: :class:`list`; any sized iterable of *n* values is taken."""

    __module__ = MODULE

    typename = apache_cassandra_type_prefix + "VectorType"
    vector_size: ClassVar[int] = 0
    """How many elements there are."""
    subtype: ClassVar[Any] = None
    """The class of their type."""

    @classmethod
    def serial_size(cls) -> int | None:
        size: int | None = cls.subtype.serial_size()
        return None if size is None else size * cls.vector_size

    @classmethod
    def apply_parameters(cls, params: Sequence[Any], names: Sequence[str | None] | None = None) -> CassandraTypeType:
        """Make the class from a type class and a number.

        :raises ValueError: there are not exactly these two.
        """
        if len(params) != 2:
            raise ValueError(f"a vector needs a type and a dimension, not {len(params)} parameters")
        subtype, dimension = params
        size = int(dimension)
        body = {"vector_size": size, "subtype": subtype, "__module__": MODULE, "_anonymous": True}
        return CassandraTypeType(f"{cls.cass_parameterized_type_with([])}({size})", (cls,), body)

    @classmethod
    def deserialize(cls, byts: bytes, protocol_version: int) -> list[Any]:
        size = cls.subtype.serial_size()
        if size is not None:
            return cls._deserialize_fixed(byts, size, protocol_version)
        values: list[Any] = []
        position = 0
        while len(values) < cls.vector_size:
            try:
                length, taken = uvint_unpack(byts[position : position + 9])
                start = position + taken
                if start + length > len(byts):
                    raise IndexError
                values.append(cls.subtype.deserialize(byts[start : start + length], protocol_version))
            except Exception as error:
                raise ValueError(
                    "Error reading additional data during vector deserialization after successfully adding "
                    f"{len(values)} elements"
                ) from error
            position = start + length
        if position < len(byts):
            raise ValueError("Additional bytes remaining after vector deserialization completed")
        return values

    @classmethod
    def _deserialize_fixed(cls, byts: bytes, size: int, protocol_version: int) -> list[Any]:
        expected = size * cls.vector_size
        if len(byts) != expected:
            raise ValueError(
                f"Expected vector of type {cls.subtype.typename} and dimension {cls.vector_size} to have serialized "
                f"size {expected}; observed serialized size of {len(byts)} instead"
            )
        starts = range(0, expected, size)
        return [cls.subtype.deserialize(byts[start : start + size], protocol_version) for start in starts]

    @classmethod
    def serialize(cls, v: Any, protocol_version: int) -> bytes:
        if len(v) != cls.vector_size:
            raise ValueError(
                f"Expected sequence of size {cls.vector_size} for vector of type {cls.subtype.typename} and dimension "
                f"{cls.vector_size}, observed sequence of length {len(v)}"
            )
        elements = [cls.subtype.serialize(item, protocol_version) for item in v]
        if cls.subtype.serial_size() is not None:
            return b"".join(elements)
        return b"".join(part for element in elements for part in (uvint_pack(len(element)), element))

    @classmethod
    def cql_parameterized_type(cls) -> str:
        return f"{cls.typename}<{cls.subtype.cql_parameterized_type()}, {cls.vector_size}>"

    @classmethod
    def cass_parameterized_type(cls, full: bool = False) -> str:
        name = cls.typename if full else "VectorType"
        if cls.subtype is None:
            return name
        return f"{name}({cls.subtype.cass_parameterized_type(full=full)}, {cls.vector_size})"
