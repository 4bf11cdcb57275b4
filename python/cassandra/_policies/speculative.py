"""Speculative execution: asking another node while the first has not answered yet (idempotent statements only)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cassandra._policies import MODULE

if TYPE_CHECKING:
    from cassandra.pool import Host


class SpeculativeExecutionPolicy:
    """Makes a plan for each request."""

    __module__ = MODULE

    def new_plan(self, keyspace: str | None, statement: Any) -> SpeculativeExecutionPlan:
        """Give the plan of one request."""
        raise NotImplementedError()


class SpeculativeExecutionPlan:
    """Says when further nodes are asked, for one request."""

    __module__ = MODULE

    def next_execution(self, host: Host) -> float:
        """Give the seconds after which the next node is asked, having asked *host* last; negative for never."""
        raise NotImplementedError()


class NoSpeculativeExecutionPlan(SpeculativeExecutionPlan):
    """Asks no further node."""

    __module__ = MODULE

    def next_execution(self, host: Host) -> float:
        return -1


class NoSpeculativeExecutionPolicy(SpeculativeExecutionPolicy):
    """Asks no further node, whatever the request. The default."""

    __module__ = MODULE

    def new_plan(self, keyspace: str | None, statement: Any) -> SpeculativeExecutionPlan:
        return NoSpeculativeExecutionPlan()


class ConstantSpeculativeExecutionPolicy(SpeculativeExecutionPolicy):
    """Asks a further node each time the same time has passed, up to a number of times."""

    __module__ = MODULE

    def __init__(self, delay: float, max_attempts: int) -> None:
        """
        :param delay: seconds.
        :param max_attempts: how many further nodes at most.
        """
        self.delay = delay
        self.max_attempts = max_attempts

    class ConstantSpeculativeExecutionPlan(SpeculativeExecutionPlan):
        """The plan of one request."""

        __module__ = MODULE

        def __init__(self, delay: float, max_attempts: int) -> None:
            self.delay = delay
            self.remaining = max_attempts

        def next_execution(self, host: Host) -> float:
            if self.remaining > 0:
                self.remaining -= 1
                return self.delay
            return -1

    def new_plan(self, keyspace: str | None, statement: Any) -> SpeculativeExecutionPlan:
        return self.ConstantSpeculativeExecutionPlan(self.delay, self.max_attempts)
