"""When a failed connection makes a node count as down, and when it is tried again."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from cassandra import OperationTimedOut
from cassandra._policies import MODULE

if TYPE_CHECKING:
    from cassandra.pool import Host


class ConvictionPolicy:
    """Decides when failures make a node count as down; there is one for each node."""

    __module__ = MODULE

    def __init__(self, host: Host) -> None:
        self.host = host

    def add_failure(self, connection_exc: BaseException) -> bool:
        """Take note of a failure; true if the node should count as down now."""
        raise NotImplementedError()

    def reset(self) -> None:
        """Forget the failures: the node is up again."""
        raise NotImplementedError()


class SimpleConvictionPolicy(ConvictionPolicy):
    """Convicts at the first failure, but for time-outs of single requests."""

    __module__ = MODULE

    def __init__(self, host: Host) -> None:
        super().__init__(host)

    def add_failure(self, connection_exc: BaseException) -> bool:
        return not isinstance(connection_exc, OperationTimedOut)

    def reset(self) -> None:
        pass


class ReconnectionPolicy:
    """Decides how long to wait between attempts to reach a node again."""

    __module__ = MODULE

    def new_schedule(self) -> Iterable[float]:
        """Give the delays in seconds, finitely many or without end."""
        raise NotImplementedError()


class ConstantReconnectionPolicy(ReconnectionPolicy):
    """Waits the same time before each attempt."""

    __module__ = MODULE

    def __init__(self, delay: float, max_attempts: int | None = 64) -> None:
        """
        :param delay: seconds.
        :param max_attempts: after which the node is given up; ``None`` or 0 for never.
        :raises ValueError: one of them is negative.
        """
        if delay < 0:
            raise ValueError("delay must not be negative")
        if max_attempts is not None and max_attempts < 0:
            raise ValueError("max_attempts must not be negative")
        self.delay = delay
        self.max_attempts = max_attempts

    def new_schedule(self) -> Iterable[float]:
        if self.max_attempts:
            return itertools.repeat(self.delay, self.max_attempts)
        return itertools.repeat(self.delay)


class ExponentialReconnectionPolicy(ReconnectionPolicy):
    """Waits twice as long before each further attempt, up to a limit; each delay varies by up to 15 percent."""

    __module__ = MODULE

    def __init__(self, base_delay: float, max_delay: float, max_attempts: int | None = 64) -> None:
        """
        :param base_delay: seconds before the first attempt.
        :param max_delay: seconds that no delay exceeds.
        :param max_attempts: after which the node is given up; ``None`` for never.
        :raises ValueError: one of them is negative, or the limit is below the first delay.
        """
        if base_delay < 0 or max_delay < 0:
            raise ValueError("Delays may not be negative")
        if max_delay < base_delay:
            raise ValueError("Max delay must be greater than base delay")
        if max_attempts is not None and max_attempts < 0:
            raise ValueError("max_attempts must not be negative")
        self.base_delay = base_delay
        self.max_delay = max_delay
        self.max_attempts = max_attempts

    def new_schedule(self) -> Iterator[float]:
        delay = self.base_delay
        attempts = itertools.count() if self.max_attempts is None else range(self.max_attempts)
        for _ in attempts:
            yield self._vary(delay)
            delay = min(delay * 2, self.max_delay)

    def _vary(self, delay: float) -> float:
        varied = delay * random.randint(85, 115) / 100
        return min(max(self.base_delay, varied), self.max_delay)
