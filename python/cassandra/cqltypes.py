"""CQL types as Python classes: values to bytes, bytes to values, and the types' names.

Each CQL type is a class (never an instance); a column's type in ``ResultSet.column_types`` and in metadata is one of
them. ``from_binary`` and ``to_binary`` convert a value, ``cql_parameterized_type`` writes the type in CQL.
``lookup_casstype`` finds a class by the name of the server's class. The implementation is in ``cassandra._types``.
"""

from __future__ import annotations

import logging

from cassandra import util as util
from cassandra._types.base import EMPTY as EMPTY
from cassandra._types.base import CassandraType as CassandraType
from cassandra._types.base import CassandraTypeType as CassandraTypeType
from cassandra._types.base import EmptyValue as EmptyValue
from cassandra._types.base import _CassandraType as _CassandraType
from cassandra._types.base import _UnrecognizedType as _UnrecognizedType
from cassandra._types.base import apache_cassandra_type_prefix as apache_cassandra_type_prefix
from cassandra._types.base import casstypes as _casstypes
from cassandra._types.base import cqltypes as _cqltypes
from cassandra._types.base import mkUnrecognizedType as mkUnrecognizedType
from cassandra._types.base import trim_if_startswith as trim_if_startswith
from cassandra._types.dse import BoundKind as BoundKind
from cassandra._types.dse import DateRangeType as DateRangeType
from cassandra._types.dse import LineStringType as LineStringType
from cassandra._types.dse import PointType as PointType
from cassandra._types.dse import PolygonType as PolygonType
from cassandra._types.dse import WKBGeometryType as WKBGeometryType
from cassandra._types.parameterized import ColumnToCollectionType as ColumnToCollectionType
from cassandra._types.parameterized import CompositeType as CompositeType
from cassandra._types.parameterized import DynamicCompositeType as DynamicCompositeType
from cassandra._types.parameterized import FrozenType as FrozenType
from cassandra._types.parameterized import ListType as ListType
from cassandra._types.parameterized import MapType as MapType
from cassandra._types.parameterized import ReversedType as ReversedType
from cassandra._types.parameterized import SetType as SetType
from cassandra._types.parameterized import TupleType as TupleType
from cassandra._types.parameterized import UserType as UserType
from cassandra._types.parameterized import _name_from_hex_string as _name_from_hex_string
from cassandra._types.parameterized import _ParameterizedType as _ParameterizedType
from cassandra._types.parameterized import _SimpleParameterizedType as _SimpleParameterizedType
from cassandra._types.parameterized import is_counter_type as is_counter_type
from cassandra._types.parameterized import is_reversed_casstype as is_reversed_casstype
from cassandra._types.parser import _strip_frozen_from_python as _strip_frozen_from_python
from cassandra._types.parser import casstype_scanner as casstype_scanner
from cassandra._types.parser import cql_type_scanner as cql_type_scanner
from cassandra._types.parser import cql_typename as cql_typename
from cassandra._types.parser import cql_types_from_string as cql_types_from_string
from cassandra._types.parser import cqltype_to_python as cqltype_to_python
from cassandra._types.parser import lookup_casstype as lookup_casstype
from cassandra._types.parser import lookup_casstype_simple as lookup_casstype_simple
from cassandra._types.parser import parse_casstype_args as parse_casstype_args
from cassandra._types.parser import python_to_cqltype as python_to_cqltype
from cassandra._types.parser import strip_frozen as strip_frozen
from cassandra._types.scalars import AsciiType as AsciiType
from cassandra._types.scalars import BooleanType as BooleanType
from cassandra._types.scalars import BytesType as BytesType
from cassandra._types.scalars import ByteType as ByteType
from cassandra._types.scalars import CounterColumnType as CounterColumnType
from cassandra._types.scalars import DateType as DateType
from cassandra._types.scalars import DecimalType as DecimalType
from cassandra._types.scalars import DoubleType as DoubleType
from cassandra._types.scalars import DurationType as DurationType
from cassandra._types.scalars import FloatType as FloatType
from cassandra._types.scalars import InetAddressType as InetAddressType
from cassandra._types.scalars import Int32Type as Int32Type
from cassandra._types.scalars import IntegerType as IntegerType
from cassandra._types.scalars import LongType as LongType
from cassandra._types.scalars import ShortType as ShortType
from cassandra._types.scalars import SimpleDateType as SimpleDateType
from cassandra._types.scalars import TimestampType as TimestampType
from cassandra._types.scalars import TimeType as TimeType
from cassandra._types.scalars import TimeUUIDType as TimeUUIDType
from cassandra._types.scalars import UTF8Type as UTF8Type
from cassandra._types.scalars import UUIDType as UUIDType
from cassandra._types.scalars import VarcharType as VarcharType
from cassandra._types.scalars import cql_timestamp_formats as cql_timestamp_formats
from cassandra._types.vector import VectorType as VectorType
from cassandra.marshal import double_pack as double_pack
from cassandra.marshal import double_unpack as double_unpack
from cassandra.marshal import float_pack as float_pack
from cassandra.marshal import float_unpack as float_unpack
from cassandra.marshal import int8_pack as int8_pack
from cassandra.marshal import int8_unpack as int8_unpack
from cassandra.marshal import int16_pack as int16_pack
from cassandra.marshal import int16_unpack as int16_unpack
from cassandra.marshal import int32_pack as int32_pack
from cassandra.marshal import int32_unpack as int32_unpack
from cassandra.marshal import int64_pack as int64_pack
from cassandra.marshal import int64_unpack as int64_unpack
from cassandra.marshal import point_be as point_be
from cassandra.marshal import point_le as point_le
from cassandra.marshal import uint16_pack as uint16_pack
from cassandra.marshal import uint16_unpack as uint16_unpack
from cassandra.marshal import uint32_pack as uint32_pack
from cassandra.marshal import uint32_unpack as uint32_unpack
from cassandra.marshal import uvint_pack as uvint_pack
from cassandra.marshal import uvint_unpack as uvint_unpack
from cassandra.marshal import varint_pack as varint_pack
from cassandra.marshal import varint_unpack as varint_unpack
from cassandra.marshal import vints_pack as vints_pack
from cassandra.marshal import vints_unpack as vints_unpack

log = logging.getLogger(__name__)

cassandra_empty_type = "org.apache.cassandra.db.marshal.EmptyType"
cql_empty_type = "empty"

for _function in (
    cql_typename,
    cql_types_from_string,
    cqltype_to_python,
    is_counter_type,
    is_reversed_casstype,
    lookup_casstype,
    lookup_casstype_simple,
    mkUnrecognizedType,
    parse_casstype_args,
    python_to_cqltype,
    strip_frozen,
    trim_if_startswith,
):
    _function.__module__ = __name__
del _function

_casstypes, _cqltypes = _casstypes, _cqltypes
