"""The published driver's side: answers questions about values until its standard input ends.

Each question and each answer is a pickle with its length in 4 bytes before it. This file is run by the interpreter of
the published driver, whose ``cassandra`` it imports; nothing of ours but :mod:`generators` beside it.
"""

from __future__ import annotations

import pickle
import struct
import sys
from collections.abc import Callable
from typing import Any

import generators
import schema_elements

cut_clients: list[Any] = []
"""The client of :func:`answer_cut_open`, while it is open."""


def main() -> None:
    """Answer until there are no more questions."""
    source, target = sys.stdin.buffer, sys.stdout.buffer
    while True:
        head = source.read(4)
        if len(head) < 4:
            return
        name, arguments = pickle.loads(source.read(struct.unpack(">I", head)[0]))
        answer = pickle.dumps(globals()[f"answer_{name}"](*arguments), protocol=4)
        target.write(struct.pack(">I", len(answer)) + answer)
        target.flush()


def attempt(function: Callable[[], Any]) -> Any:
    """Give what *function* gives, or the name of what it raises."""
    try:
        return function()
    except Exception as error:
        return ("raised", type(error).__name__)


def answer_version() -> str:
    """Give the version of the driver."""
    from cassandra import __version__

    return __version__


def answer_encode(kind: Any, recipes: list[Any], protocol_version: int) -> list[Any]:
    """Give the bytes of each value."""
    cql_type = generators.type_class(kind)
    return [
        attempt(lambda r=recipe: bytes(cql_type.to_binary(generators.build(r), protocol_version))) for recipe in recipes
    ]


def answer_decode(kind: Any, contents: list[bytes], protocol_version: int) -> list[Any]:
    """Give the normalised value of each content."""
    cql_type = generators.type_class(kind)
    return [
        attempt(lambda c=content: generators.normalise(cql_type.from_binary(c, protocol_version)))
        for content in contents
    ]


def answer_literal(recipes: list[Any]) -> list[Any]:
    """Give the CQL literal of each value."""
    from cassandra.encoder import Encoder

    encoder = Encoder()
    return [attempt(lambda r=recipe: str(encoder.cql_encode_all_types(generators.build(r)))) for recipe in recipes]


def answer_describe(kind: Any) -> Any:
    """Give the names of a type."""
    from cassandra import cqltypes

    looked_up = cqltypes.lookup_casstype(generators.server_name(kind))
    return looked_up.cql_parameterized_type()


def answer_murmur3(keys: list[bytes]) -> list[int]:
    """Give the token value of each key."""
    from cassandra.metadata import Murmur3Token

    return [Murmur3Token.from_key(key).value for key in keys]


def answer_schema(contact_points: list[str], keyspaces: list[str]) -> dict[str, Any]:
    """Give the texts of all that is in the keyspaces."""
    from cassandra.cluster import EXEC_PROFILE_DEFAULT, Cluster, ExecutionProfile

    profiles = {EXEC_PROFILE_DEFAULT: ExecutionProfile()}
    with Cluster(contact_points, execution_profiles=profiles, control_connection_timeout=60) as cluster:
        cluster.connect()
        return schema_elements.texts(cluster.metadata, keyspaces)


def answer_vendor_schema(address: str, port: int, keyspaces: list[str]) -> Any:
    """Give the texts of all that is in the keyspaces of a fake node, and what is known of their tables."""
    from cassandra.cluster import Cluster

    with Cluster([address], port=port, monitor_reporting_enabled=False) as cluster:
        cluster.connect()
        metadata = cluster.metadata
        graphs = {
            name: (metadata.keyspaces[name].graph_engine, metadata.keyspaces[name].is_graph_enabled)
            for name in keyspaces
        }
        return (
            schema_elements.texts(metadata, keyspaces),
            schema_elements.descriptions(metadata, keyspaces),
            graphs,
        )


def answer_cut_open(*arguments: Any) -> None:
    """Connect through a proxy that cuts answers."""
    from cut_client import CutClient

    cut_clients.append(CutClient(*arguments))


def answer_cut_ask() -> Any:
    """Give the rows that arrive through the proxy."""
    return attempt(cut_clients[-1].ask)


def answer_cut_refused() -> Any:
    """Give the error that arrives through the proxy."""
    return cut_clients[-1].refused()


def answer_cut_close() -> None:
    """End the connection through the proxy."""
    cut_clients.pop().close()


if __name__ == "__main__":
    main()
