"""Retry policies: what is done when a server answers with a time-out or an error, or a connection is lost.

Each method gives a pair: the decision, and the consistency level for the next attempt (``None``: unchanged).
"""

from __future__ import annotations

from typing import Any

from cassandra import ConsistencyLevel, WriteType
from cassandra._policies import MODULE

Decision = tuple[int, "int | None"]


class RetryPolicy:
    """The default: tries again at most once, and only where that is safe and likely to succeed.

    A read is tried again when enough replicas answered but the data was not among the answers; a write, when it was
    the batch log that timed out; on an unavailable node or a request error the next node is asked. A statement
    that may have been applied is never sent again by this policy.
    """

    __module__ = MODULE

    RETRY = 0
    """Try again on the same node."""
    RETHROW = 1
    """Raise the error."""
    IGNORE = 2
    """Give an empty result."""
    RETRY_NEXT_HOST = 3
    """Try again on the next node of the query plan."""

    def on_read_timeout(
        self,
        query: Any,
        consistency: int,
        required_responses: int,
        received_responses: int,
        data_retrieved: bool,
        retry_num: int,
    ) -> Decision:
        """Decide about a read that timed out on the coordinator.

        :param required_responses: how many replicas had to answer.
        :param received_responses: how many did.
        :param data_retrieved: whether the replica asked for the data itself did.
        :param retry_num: how often the request was tried again before, from 0.
        """
        if retry_num != 0:
            return self.RETHROW, None
        if received_responses >= required_responses and not data_retrieved:
            return self.RETRY, consistency
        return self.RETHROW, None

    def on_write_timeout(
        self,
        query: Any,
        consistency: int,
        write_type: int,
        required_responses: int,
        received_responses: int,
        retry_num: int,
    ) -> Decision:
        """Decide about a write that timed out on the coordinator.

        :param write_type: the :class:`~cassandra.WriteType`.
        """
        if retry_num != 0:
            return self.RETHROW, None
        if write_type == WriteType.BATCH_LOG:
            return self.RETRY, consistency
        return self.RETHROW, None

    def on_unavailable(
        self, query: Any, consistency: int, required_replicas: int, alive_replicas: int, retry_num: int
    ) -> Decision:
        """Decide about a request for which the coordinator knew too few replicas alive."""
        return (self.RETRY_NEXT_HOST, None) if retry_num == 0 else (self.RETHROW, None)

    def on_request_error(self, query: Any, consistency: int, error: BaseException, retry_num: int) -> Decision:
        """Decide about a coordinator that is overloaded, bootstrapping or failing, or whose connection was lost."""
        return self.RETRY_NEXT_HOST, None


class FallthroughRetryPolicy(RetryPolicy):
    """Never tries again: every error is raised."""

    __module__ = MODULE

    def on_read_timeout(self, *args: Any, **kwargs: Any) -> Decision:
        return self.RETHROW, None

    def on_write_timeout(self, *args: Any, **kwargs: Any) -> Decision:
        return self.RETHROW, None

    def on_unavailable(self, *args: Any, **kwargs: Any) -> Decision:
        return self.RETHROW, None

    def on_request_error(self, *args: Any, **kwargs: Any) -> Decision:
        return self.RETHROW, None


class NeverRetryPolicy(RetryPolicy):
    """Raises every error but request errors, for which the next node is asked."""

    __module__ = MODULE

    def on_read_timeout(self, *args: Any, **kwargs: Any) -> Decision:
        return self.RETHROW, None

    def on_write_timeout(self, *args: Any, **kwargs: Any) -> Decision:
        return self.RETHROW, None

    def on_unavailable(self, *args: Any, **kwargs: Any) -> Decision:
        return self.RETHROW, None


class DowngradingConsistencyRetryPolicy(RetryPolicy):
    """Tries once more at the consistency level that the replicas alive can reach. Deprecated.

    A write is then acknowledged, and a read answered, with less than was asked for: later reads may miss it.
    """

    __module__ = MODULE

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Accepts and ignores all arguments."""
        super().__init__()

    def _pick_consistency(self, num_responses: int) -> Decision:
        if num_responses >= 3:
            return self.RETRY, ConsistencyLevel.THREE
        if num_responses == 2:
            return self.RETRY, ConsistencyLevel.TWO
        if num_responses == 1:
            return self.RETRY, ConsistencyLevel.ONE
        return self.RETHROW, None

    def on_read_timeout(
        self,
        query: Any,
        consistency: int,
        required_responses: int,
        received_responses: int,
        data_retrieved: bool,
        retry_num: int,
    ) -> Decision:
        if retry_num != 0 or ConsistencyLevel.is_serial(consistency):
            return self.RETHROW, None
        if received_responses < required_responses:
            return self._pick_consistency(received_responses)
        if not data_retrieved:
            return self.RETRY, consistency
        return self.RETHROW, None

    def on_write_timeout(
        self,
        query: Any,
        consistency: int,
        write_type: int,
        required_responses: int,
        received_responses: int,
        retry_num: int,
    ) -> Decision:
        if retry_num != 0:
            return self.RETHROW, None
        if write_type in (WriteType.SIMPLE, WriteType.BATCH, WriteType.COUNTER):
            # One replica has it, so the others will get it: by hint, read repair or the batch log.
            return (self.IGNORE, None) if received_responses > 0 else (self.RETHROW, None)
        if write_type == WriteType.UNLOGGED_BATCH:
            return self._pick_consistency(received_responses)
        if write_type == WriteType.BATCH_LOG:
            return self.RETRY, consistency
        return self.RETHROW, None

    def on_unavailable(
        self, query: Any, consistency: int, required_replicas: int, alive_replicas: int, retry_num: int
    ) -> Decision:
        if retry_num != 0:
            return self.RETHROW, None
        if ConsistencyLevel.is_serial(consistency):
            return self.RETRY_NEXT_HOST, None
        return self._pick_consistency(alive_replicas)
