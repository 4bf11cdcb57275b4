"""Values of every CQL type encode to the published driver's bytes and decode to equal objects in protocols 3, 4, 5.

Both of our ways are compared: the core's bind and decode plans, which statements and rows go through, and the classes
of ``cassandra.cqltypes``.
"""

from __future__ import annotations

import random
from typing import Any

import generators
import pytest
from oracle import Oracle

from cassandra import _core, cqltypes
from cassandra.encoder import Encoder
from cassandra.metadata import Murmur3Token

VALUES = 10_000
"""How many values are compared for each type."""
PROTOCOL_VERSIONS = (3, 4, 5)

INT, TEXT = ("int",), ("text",)
PARAMETERIZED = {
    "list<int>": ("list", INT),
    "list<frozen<list<text>>>": ("list", ("frozen", ("list", TEXT))),
    "set<text>": ("set", TEXT),
    "set<frozen<tuple<int, text>>>": ("set", ("frozen", ("tuple", INT, TEXT))),
    "map<int, text>": ("map", INT, TEXT),
    "map<frozen<list<int>>, double>": ("map", ("frozen", ("list", INT)), ("double",)),
    "tuple<int, text, timestamp>": ("tuple", INT, TEXT, ("timestamp",)),
    "udt": ("udt", "address", (("street", TEXT), ("number", INT), ("tags", ("set", TEXT)))),
    "udt in udt": ("udt", "outer", (("inner", ("frozen", ("udt", "inner", (("a", ("uuid",)),)))), ("b", INT))),
    "vector<float, 4>": ("vector", ("float",), 4),
    "vector<text, 3>": ("vector", TEXT, 3),
    "vector<smallint, 2>": ("vector", ("smallint",), 2),
    "vector<vector<int, 2>, 2>": ("vector", ("vector", INT, 2), 2),
    "vector<list<int>, 2>": ("vector", ("list", INT), 2),
    "frozen<map<text, int>>": ("frozen", ("map", TEXT, INT)),
    "reversed<timestamp>": ("reversed", ("timestamp",)),
}
TYPES: dict[str, generators.CqlType] = {**{name: (name,) for name in generators.NATIVE}, **PARAMETERIZED}


def chosen(seed: int, *labels: object) -> generators.Generator:
    return generators.Generator(random.Random(f"{seed} {labels}"))


def check(ours: list[Any], theirs: list[Any], inputs: list[Any], seed: int) -> None:
    """Compare answers one by one; what the published driver refuses is not compared."""
    assert len(ours) == len(theirs) == len(inputs)
    for mine, published, given in zip(ours, theirs, inputs, strict=True):
        assert mine == published, f"seed {seed}, input {given!r}"


@pytest.mark.parametrize("protocol_version", PROTOCOL_VERSIONS)
@pytest.mark.parametrize("name", TYPES)
def test_values_encode_to_the_same_bytes_and_decode_to_equal_objects(
    oracle: Oracle, seed: int, name: str, protocol_version: int
) -> None:
    kind = TYPES[name]
    generator = chosen(seed, name, protocol_version)
    recipes = [generator.value(kind) for _ in range(VALUES)]
    cql_type, class_name = generators.type_class(kind), generators.server_name(kind)
    published = oracle.ask("encode", kind, recipes, protocol_version)
    encoded = [cql_type.to_binary(generators.build(recipe), protocol_version) for recipe in recipes]
    check(encoded, published, recipes, seed)
    bound = [_core.encode_value(class_name, generators.build(recipe), protocol_version) for recipe in recipes]
    check(bound, published, recipes, seed)

    published = oracle.ask("decode", kind, encoded, protocol_version)
    decoded = [generators.normalise(cql_type.from_binary(content, protocol_version)) for content in encoded]
    check(decoded, published, encoded, seed)
    fetched = [generators.normalise(_core.decode_value(class_name, content, protocol_version)) for content in encoded]
    check(fetched, published, encoded, seed)


@pytest.mark.parametrize("name", TYPES)
def test_bytes_of_a_server_decode_to_equal_objects(oracle: Oracle, seed: int, name: str) -> None:
    kind = TYPES[name]
    generator = chosen(seed, "wire", name)
    contents = [generator.wire(kind) for _ in range(VALUES // 5)]
    cql_type, class_name = generators.type_class(kind), generators.server_name(kind)
    published = oracle.ask("decode", kind, contents, 4)
    decoded = [generators.normalise(cql_type.from_binary(content, 4)) for content in contents]
    check(decoded, published, contents, seed)
    fetched = [generators.normalise(_core.decode_value(class_name, content, 4)) for content in contents]
    check(fetched, published, contents, seed)


def published_differs(kind: Any) -> bool:
    """Whether *kind* has ``frozen`` or ``reversed`` where the published driver heeds it and servers do not.

    Around the element of a vector, and where that is a vector itself, it writes the element's length, and around text
    it reads empty text as null; servers, and the core, see the type inside.
    """
    if not isinstance(kind, tuple):
        return False
    if kind and kind[0] == "vector" and kind[1][0] in ("frozen", "reversed", "vector"):
        return True
    if kind and kind[0] in ("frozen", "reversed") and innermost(kind) in ("ascii", "blob", "text", "varchar"):
        return True
    return any(published_differs(part) for part in kind)


def innermost(kind: Any) -> Any:
    """Give the name of the type inside of all ``frozen`` and ``reversed``."""
    while kind[0] in ("frozen", "reversed"):
        kind = kind[1]
    return kind[0]


def test_values_of_nested_types_encode_and_decode_alike(oracle: Oracle, seed: int) -> None:
    generator = chosen(seed, "nested")
    for _ in range(400):
        kind = generator.type()
        cql_type, class_name = generators.type_class(kind), generators.server_name(kind)
        recipes = [generator.value(kind) for _ in range(25)]
        published = oracle.ask("encode", kind, recipes, 4)
        encoded = [cql_type.to_binary(generators.build(recipe), 4) for recipe in recipes]
        check(encoded, published, recipes, seed)
        if not published_differs(kind):
            bound = [_core.encode_value(class_name, generators.build(recipe), 4) for recipe in recipes]
            check(bound, published, recipes, seed)
        contents = encoded + [generator.wire(kind) for _ in range(10)]
        published = oracle.ask("decode", kind, contents, 4)
        decoded = [generators.normalise(cql_type.from_binary(content, 4)) for content in contents]
        check(decoded, published, contents, seed)
        if not published_differs(kind):
            fetched = [generators.normalise(_core.decode_value(class_name, content, 4)) for content in contents]
            check(fetched, published, contents, seed)


@pytest.mark.parametrize("name", TYPES)
def test_values_are_written_as_the_same_literals(oracle: Oracle, seed: int, name: str) -> None:
    kind = TYPES[name]
    generator = chosen(seed, "literal", name)
    # The literal of an object without a mapping is its repr, which differs from process to process.
    recipes = [
        recipe
        for recipe in (generator.value(kind) for _ in range(VALUES // 4))
        if "object" not in repr(recipe) and "memoryview" not in repr(recipe)
    ]
    encoder = Encoder()
    literals = [encoder.cql_encode_all_types(generators.build(recipe)) for recipe in recipes]
    check(literals, oracle.ask("literal", recipes), recipes, seed)


def test_types_of_the_server_have_the_same_names_in_cql(oracle: Oracle, seed: int) -> None:
    generator = chosen(seed, "names")
    for _ in range(1000):
        kind = generator.type()
        ours = cqltypes.lookup_casstype(generators.server_name(kind)).cql_parameterized_type()
        try:
            theirs = oracle.ask("describe", kind)
        except RuntimeError:
            pytest.fail(f"seed {seed}, type {kind}")
        assert ours == theirs, f"seed {seed}, type {kind}"


def test_tokens_are_the_same(oracle: Oracle, seed: int) -> None:
    rng = random.Random(seed)
    keys = [rng.randbytes(rng.choice((0, 1, 7, 8, 15, 16, 17, 31, 32, rng.randint(0, 200)))) for _ in range(VALUES)]
    check([Murmur3Token.from_key(key).value for key in keys], oracle.ask("murmur3", keys), keys, seed)
