"""Statements, binding, row factories and batches."""

from __future__ import annotations

import datetime
from collections import OrderedDict
from typing import Any
from uuid import UUID

import pytest

from cassandra import ConsistencyLevel, cqltypes
from cassandra.encoder import Encoder, ValueSequence
from cassandra.protocol import ColumnMetadata
from cassandra.query import (
    UNSET_VALUE,
    BatchStatement,
    BatchType,
    BoundStatement,
    HostTargetingStatement,
    PreparedStatement,
    SimpleStatement,
    TraceEvent,
    bind_params,
    dict_factory,
    named_tuple_factory,
    ordered_dict_factory,
    tuple_factory,
)

MARKERS = [
    ColumnMetadata("ks", "t", "a", cqltypes.Int32Type),
    ColumnMetadata("ks", "t", "b", cqltypes.UTF8Type),
    ColumnMetadata("ks", "t", "c", cqltypes.VectorType.apply_parameters([cqltypes.FloatType, 2], None)),
]


def prepared(protocol_version: int = 4, routing_key_indexes: list[int] | None = None) -> PreparedStatement:
    indexes = [0] if routing_key_indexes is None else routing_key_indexes
    query = "INSERT INTO t (a, b, c) VALUES (?, ?, ?)"
    return PreparedStatement(MARKERS, b"\xab", indexes, query, "ks", protocol_version, None, None)


def test_values_are_bound_by_position() -> None:
    bound = prepared().bind((1, "x", [1.0, 2.0]))
    assert bound.values == [b"\0\0\0\1", b"x", bytes.fromhex("3f80000040000000")]


def test_values_are_bound_by_name_and_unknown_names_are_ignored() -> None:
    bound = prepared().bind({"b": "x", "a": 1, "c": [1, 2], "d": 4})
    assert bound.values[:2] == [b"\0\0\0\1", b"x"]


@pytest.mark.parametrize("values", [(1,), {"a": 1}])
def test_missing_values_are_unset_from_protocol_4_on(values: Any) -> None:
    assert prepared(4).bind(values).values == [b"\0\0\0\1", UNSET_VALUE, UNSET_VALUE]


def test_a_missing_name_is_an_error_before_protocol_4() -> None:
    with pytest.raises(KeyError, match="Column name `b` not found in bound dict"):
        prepared(3).bind({"a": 1})


def test_unset_is_an_error_before_protocol_4() -> None:
    with pytest.raises(ValueError, match="unsuitable protocol version"):
        prepared(3).bind((1, UNSET_VALUE))


def test_the_routing_key_cannot_be_unset() -> None:
    with pytest.raises(ValueError, match="part of the routing key 'a'"):
        prepared().bind((UNSET_VALUE, "x"))


def test_too_many_values_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"got 4, expected 3"):
        prepared().bind((1, "x", [1, 2], 4))


@pytest.mark.parametrize("value", ["x", 2**31, 1.5, b"1", object()])
def test_a_value_of_the_wrong_type_is_an_error_that_names_the_column(value: Any) -> None:
    with pytest.raises(TypeError, match='for column "a"'):
        prepared().bind((value,))


def test_text_for_a_number_is_an_error_that_names_the_column() -> None:
    with pytest.raises(TypeError, match='for column "b"'):
        prepared().bind((1, 2))


def test_a_vector_of_the_wrong_length_is_an_error_that_names_the_column() -> None:
    with pytest.raises(ValueError, match=r'for column "c".*size 2'):
        prepared().bind((1, "x", [1.0]))


def test_a_composite_routing_key_joins_its_components() -> None:
    assert prepared(routing_key_indexes=[0, 1]).bind((1, "x")).routing_key == bytes.fromhex("0004000000010000017800")


def test_bound_statements_take_over_the_options_of_the_prepared_one() -> None:
    statement = prepared()
    statement.consistency_level = ConsistencyLevel.QUORUM
    statement.fetch_size = 10
    statement.is_idempotent = True
    bound = BoundStatement(statement)
    assert (bound.consistency_level, bound.fetch_size, bound.is_idempotent, bound.keyspace) == (4, 10, True, "ks")
    assert BoundStatement(statement, consistency_level=ConsistencyLevel.ONE).consistency_level == ConsistencyLevel.ONE


def test_serial_consistency_is_one_of_two_levels() -> None:
    assert SimpleStatement("x", serial_consistency_level=ConsistencyLevel.SERIAL).serial_consistency_level == 8
    with pytest.raises(ValueError, match="serial_consistency_level"):
        SimpleStatement("x", serial_consistency_level=ConsistencyLevel.ONE)


def test_parameters_become_literals_in_the_text() -> None:
    encoder = Encoder()
    assert bind_params("a = %s AND b IN %s", ("it's", ValueSequence([1, 2])), encoder) == "a = 'it''s' AND b IN (1, 2)"
    assert bind_params("a = %(x)s", {"x": None}, encoder) == "a = NULL"
    with pytest.raises(TypeError):
        bind_params("%s %s", (1,), encoder)


def test_column_names_become_field_names() -> None:
    columns = ["a", "class", "_b", "1c", "a b", "a", "count(*)"]
    (row,) = named_tuple_factory(columns, [tuple(range(7))])
    assert row._fields == ("a", "field_1_", "b", "field_3_", "a_b", "a_", "count")
    assert type(row).__name__ == "Row"


def test_row_factories_shape_rows() -> None:
    rows = [(1, 2)]
    assert tuple_factory(["a", "b"], rows) == [(1, 2)]
    assert dict_factory(["a", "b"], rows) == [{"a": 1, "b": 2}]
    assert ordered_dict_factory(["a", "b"], rows) == [OrderedDict(a=1, b=2)]


def test_a_batch_keeps_statements_in_order_and_takes_the_first_routing_key() -> None:
    batch = BatchStatement(BatchType.UNLOGGED)
    assert not batch
    batch.add("UPDATE t SET b = %s", ("x",)).add(prepared(), (7, "y", [1, 2])).add(prepared().bind((8,)))
    assert len(batch) == 3
    assert batch.routing_key == b"\0\0\0\7"
    assert batch.keyspace == "ks"
    assert batch._statements_and_parameters[0] == (False, "UPDATE t SET b = 'x'", ())
    batch.clear()
    assert len(batch) == 0
    assert batch.routing_key is None


def test_a_batch_refuses_values_for_a_bound_statement_and_a_65536th_statement() -> None:
    batch = BatchStatement()
    with pytest.raises(ValueError, match="BoundStatement"):
        batch.add(prepared().bind((1,)), (2,))
    for _ in range(0xFFFF):
        batch.add("x")
    with pytest.raises(ValueError, match="65535"):
        batch.add("x")


def test_a_host_targeting_statement_is_an_instance_of_the_inner_statement_s_class() -> None:
    inner = SimpleStatement("x", consistency_level=1)
    targeting = HostTargetingStatement(inner, "127.0.0.1")
    assert isinstance(targeting, SimpleStatement)
    assert (targeting.query_string, targeting.consistency_level, targeting.target_host) == ("x", 1, "127.0.0.1")
    assert not hasattr(inner, "target_host")


def test_a_trace_event_has_its_time_in_utc() -> None:
    event = TraceEvent("parsing", UUID("c4762571-d3a6-11e4-b2d1-c5f0a9d9e9f5"), "127.0.0.1", 123, "thread")
    assert event.datetime == datetime.datetime(2015, 3, 26, 10, 56, 34, 206654, datetime.timezone.utc)
    assert event.source_elapsed == datetime.timedelta(microseconds=123)
