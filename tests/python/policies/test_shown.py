"""What a ``ResponseFuture`` shows of its request."""

from __future__ import annotations

from collections.abc import Callable

from fake_cluster import FakeCluster

from cassandra import ConsistencyLevel
from cassandra.cluster import Cluster
from cassandra.protocol import BatchMessage, ExecuteMessage, QueryMessage
from cassandra.query import BatchStatement, SimpleStatement

Client = Callable[..., Cluster]


def test_a_future_shows_its_message_and_the_size_of_it(client: Client) -> None:
    with FakeCluster("dc1") as fake:
        session = client(fake).connect()
        statement = SimpleStatement("SELECT who", consistency_level=ConsistencyLevel.QUORUM, fetch_size=7)
        future = session.execute_async(statement)
        future.result()
        message = future.message
        assert isinstance(message, QueryMessage)
        assert (message.query, message.consistency_level, message.fetch_size) == ("SELECT who", 4, 7)
        assert isinstance(message.timestamp, int)
        assert future.request_encoded_size == 38
        assert str(future) == repr(future) and "SELECT who" in str(future)
        prepared = session.prepare("SELECT who WHERE k = ?")
        future = session.execute_async(prepared, (1,))
        future.result()
        assert isinstance(future.message, ExecuteMessage)
        assert future.message.query_params == [b"\0\0\0\1"]
        assert future.request_encoded_size == 52
        batch = BatchStatement()
        batch.add("INSERT 1")
        future = session.execute_async(batch)
        future.result()
        assert isinstance(future.message, BatchMessage)


def test_a_future_that_is_not_sent_yet_has_no_size(client: Client) -> None:
    with FakeCluster("dc1") as fake:
        session = client(fake).connect()
        sizes = []
        session.add_request_init_listener(lambda future: sizes.append(future.request_encoded_size))
        session.execute("SELECT who")
        assert sizes == [None]
