"""On which hosts statements are prepared, and when."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fake_cluster import FakeCluster
from noticing import notices

from cassandra.cluster import Cluster

INSERT = "INSERT INTO ks.t (c0) VALUES (?)"
OTHER = "INSERT INTO ks.t (c0, c1) VALUES (?, ?)"
Client = Callable[..., Cluster]
Until = Callable[..., None]


def prepared(fake: FakeCluster) -> list[list[str]]:
    return [node.prepared for node in fake.nodes]


def test_both_are_on_unless_somebody_says_otherwise() -> None:
    assert Cluster.prepare_on_all_hosts is True
    assert Cluster.reprepare_on_up is True
    cluster = Cluster()
    assert (cluster.prepare_on_all_hosts, cluster.reprepare_on_up) == (True, True)
    cluster = Cluster(prepare_on_all_hosts=False, reprepare_on_up=False)
    assert (cluster.prepare_on_all_hosts, cluster.reprepare_on_up) == (False, False)


def test_a_statement_is_prepared_on_all_hosts_as_the_cluster_says_now(client: Client, until: Until) -> None:
    with FakeCluster("dc1", "dc1", "dc1") as fake:
        cluster = client(fake)
        session = cluster.connect(wait_for_all_pools=True)
        session.prepare(INSERT)
        until(lambda: prepared(fake) == [[INSERT]] * 3)
        cluster.prepare_on_all_hosts = False
        session.prepare(OTHER)
        assert sorted(texts.count(OTHER) for texts in prepared(fake)) == [0, 0, 1]
        cluster.prepare_on_all_hosts = True
        session.prepare(OTHER)
        until(lambda: sorted(texts.count(OTHER) for texts in prepared(fake)) in ([1, 1, 2], [1, 1, 1]))


def test_a_statement_is_prepared_on_one_host_if_the_cluster_is_made_so(client: Client) -> None:
    with FakeCluster("dc1", "dc1", "dc1") as fake:
        session = client(fake, prepare_on_all_hosts=False).connect(wait_for_all_pools=True)
        session.prepare(INSERT)
        assert sorted(len(texts) for texts in prepared(fake)) == [0, 0, 1]


def test_a_program_may_have_a_statement_prepared_on_the_other_hosts(client: Client, until: Until) -> None:
    with FakeCluster("dc1", "dc1", "dc1") as fake:
        cluster = client(fake, prepare_on_all_hosts=False)
        session = cluster.connect(wait_for_all_pools=True)
        first = cluster.metadata.get_host(fake.nodes[0].address)
        session.prepare_on_all_hosts(INSERT, first)
        until(lambda: prepared(fake) == [[], [INSERT], [INSERT]])


@pytest.mark.parametrize("reprepare", [True, False])
def test_a_host_that_comes_up_prepares_what_the_session_has(client: Client, until: Until, reprepare: bool) -> None:
    with FakeCluster("dc1", "dc1") as fake:
        cluster = client(fake, reprepare_on_up=reprepare)
        session = cluster.connect(wait_for_all_pools=True)
        statements = [session.prepare(text) for text in (INSERT, OTHER)]
        node = fake.nodes[1]
        host = cluster.metadata.get_host(node.address)
        until(lambda: len(node.prepared) == 2)
        node.stop()
        until(lambda: notices(session) and not host.is_up)
        node.start()
        until(lambda: host.is_up)
        if reprepare:
            until(lambda: sorted(node.prepared[2:]) == sorted([INSERT, OTHER]))
        # The second host answers again.
        asked = len(node.asked)
        until(lambda: notices(session) and len(node.asked) > asked)
        assert len(node.prepared) == (4 if reprepare else 2)
        del statements
