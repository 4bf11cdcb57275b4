"""Answers that arrive in two pieces, cut at every byte, become the objects that the published driver makes of them."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from cut_client import CutClient
from cutting_proxy import CuttingProxy
from oracle import Oracle

from cassandra.cluster import Cluster

PLACES_MOST = 2_000
"""More bytes than any answer of this test has."""
SEGMENT_HEADER = {False: 6, "lz4": 8}
"""Bytes of a segment's header. The published driver gives a connection up that is cut within one."""
LOST = {"ask": ("raised", "NoHostAvailable"), "refused": ("NoHostAvailable",)}


@pytest.fixture(scope="module")
def table(contact_points: list[str]) -> Iterator[str]:
    """A table with a row that has a value of most kinds."""
    keyspace = f"cut_{uuid.uuid4().hex[:12]}"
    with Cluster(contact_points) as cluster:
        session = cluster.connect()
        session.execute(
            f"CREATE KEYSPACE {keyspace} WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}"
        )
        session.execute(f"CREATE TYPE {keyspace}.place (street text, number int)")
        session.execute(
            f"CREATE TABLE {keyspace}.kinds (id int PRIMARY KEY, b bigint, c text, d double, e boolean, f timestamp,"
            " g uuid, h blob, i list<int>, j decimal, k map<text, inet>, l set<date>, m tuple<int, text>,"
            " n frozen<place>, o duration, p varint, q text)"
        )
        session.execute(
            f"INSERT INTO {keyspace}.kinds (id, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p) VALUES (1, -2, 'grüße',"
            " 2.5, true, '2026-11-21T07:00:00Z', 123e4567-e89b-12d3-a456-426614174000, 0x00ff80, [1, 2, 3], -12.345,"
            " {'home': '127.0.0.1', 'six': '::1'}, {'2026-11-21'}, (7, 'seven'), {street: 'High', number: 5}, 1mo2d3ns,"
            " -123456789012345678901234567890)"
        )
        yield f"{keyspace}.kinds"
        session.execute(f"DROP KEYSPACE {keyspace}", timeout=60)


@pytest.mark.parametrize("compression", [False, "lz4"], ids=["plain", "lz4"])
@pytest.mark.parametrize("protocol_version", [3, 4, 5])
def test_answers_cut_at_every_byte_decode_as_in_the_published_driver(
    oracle: Oracle, contact_points: list[str], table: str, protocol_version: int, compression: str | bool
) -> None:
    host = contact_points[0]
    ours_proxy, published_proxy = CuttingProxy(host, 9042), CuttingProxy(host, 9042)
    try:
        ours = CutClient(host, ours_proxy.port, protocol_version, compression, table)
        oracle.ask("cut_open", host, published_proxy.port, protocol_version, compression, table)
        try:
            for question in ("ask", "refused"):
                whole = oracle.ask(f"cut_{question}")
                assert getattr(ours, question)() == whole
                places = 0
                for cut in range(1, PLACES_MOST):
                    ours_proxy.arm(cut)
                    published_proxy.arm(cut)
                    answer, published = getattr(ours, question)(), oracle.ask(f"cut_{question}")
                    cut_ours, cut_published = ours_proxy.disarm(), published_proxy.disarm()
                    assert answer == whole, f"cut after byte {cut}"
                    if protocol_version == 5 and cut < SEGMENT_HEADER[compression] and published != whole:
                        assert published[: len(LOST[question])] == LOST[question]
                        oracle.ask("cut_close")
                        oracle.ask("cut_open", host, published_proxy.port, protocol_version, compression, table)
                        continue
                    assert published == whole, f"cut after byte {cut}"
                    # Answers differ in length on v5, where only ours leave out the columns that are known already.
                    if not cut_ours and not cut_published:
                        break
                    places += min(len(cut_ours), len(cut_published))
                assert places >= 40, "the answers went through the proxies"
        finally:
            ours.close()
            oracle.ask("cut_close")
        for proxy in (ours_proxy, published_proxy):
            assert proxy.compressed == bool(compression)
            assert (proxy.segments > 0) == (protocol_version == 5)
    finally:
        ours_proxy.close()
        published_proxy.close()
