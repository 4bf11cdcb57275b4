"""Compact tables, and what DataStax Enterprise adds to a schema: our objects and texts beside the published driver's.

The test bed's Cassandra has no Thrift interface, and nothing of DSE: a fake node tells both drivers of such schemas.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import plugin_testkit
import pytest
import schema_elements
from oracle import Oracle

from cassandra.cluster import Cluster
from cassandra.metadata import TableMetadataDSE68

UNQUOTED = ("MONOTONIC ON B", 'MONOTONIC ON "B"')
"""The published driver forgets the quotes of this name, so that the function made anew would not be the same."""


@pytest.fixture(scope="module", params=["cassandra-3.11", "dse-6.8"])
def node(request: pytest.FixtureRequest) -> Iterator[tuple[str, int, list[str]]]:
    """Address and port of a fake node, and its keyspaces."""
    command = [str(plugin_testkit.binary()), "vendor", request.param]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        address, port = ready["address"].rsplit(":", 1)
        yield address, int(port), ready["keyspaces"]
        # Leaving closes its input, which ends it.


def corrected(texts: dict[str, dict[Any, tuple[str, ...]]]) -> dict[str, dict[Any, tuple[str, ...]]]:
    """Texts of the published driver, with the quotes that it forgets."""
    return {
        keyspace: {element: tuple(text.replace(*UNQUOTED) for text in all_of) for element, all_of in elements.items()}
        for keyspace, elements in texts.items()
    }


def test_tables_are_and_print_what_they_do_in_the_published_driver(
    oracle: Oracle, node: tuple[str, int, list[str]]
) -> None:
    address, port, keyspaces = node
    texts, descriptions, graphs = oracle.ask("vendor_schema", address, port, keyspaces)
    with Cluster([address], port=port) as cluster:
        cluster.connect()
        metadata = cluster.metadata
        found = {name: metadata.keyspaces[name] for name in keyspaces}
        assert {name: (one.graph_engine, one.is_graph_enabled) for name, one in found.items()} == graphs
        assert schema_elements.descriptions(metadata, keyspaces) == descriptions
        ours = schema_elements.texts(metadata, keyspaces)
    for name in keyspaces:
        assert ours[name].keys() == texts[name].keys()
    assert schema_elements.differences(ours, corrected(texts)) == {}


@pytest.mark.parametrize("node", ["dse-6.8"], indirect=True)
def test_a_table_that_is_read_alone_keeps_its_label(node: tuple[str, int, list[str]]) -> None:
    address, port, _ = node
    with Cluster([address], port=port) as cluster:
        cluster.connect()
        cluster.refresh_table_metadata("graph_core", "both")
        table = cluster.metadata.keyspaces["graph_core"].tables["both"]
        assert isinstance(table, TableMetadataDSE68)
        assert table.vertex is not None
        assert table.edge is not None
        assert (table.vertex.label_name, table.edge.label_name) == ("both", "To Itself")
