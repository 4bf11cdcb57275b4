"""Timestamps that the client gives to its writes (native protocol §4.1.4, default timestamp).

Any callable without arguments that gives microseconds since the epoch can stand in for the generator here.
"""

from __future__ import annotations

import logging
import threading
import time

log = logging.getLogger(__name__)


class MonotonicTimestampGenerator:
    """Gives the time in microseconds, always more than the last time, also when the clock stands still or runs back.

    Safe to call from many threads.
    """

    warn_on_drift: bool = True
    """Whether to log a warning when timestamps run ahead of the clock."""
    warning_threshold: float = 1
    """How far ahead, in seconds, they must be for a warning."""
    warning_interval: float = 1
    """How many seconds must lie between two warnings."""

    def __init__(self, warn_on_drift: bool = True, warning_threshold: float = 1, warning_interval: float = 1) -> None:
        self.lock = threading.Lock()
        self.last = 0
        self._last_warn = 0
        self.warn_on_drift = warn_on_drift
        self.warning_threshold = warning_threshold
        self.warning_interval = warning_interval

    def _next_timestamp(self, now: int, last: int) -> int:
        """Give the timestamp after *last* at the time *now*, both in microseconds. The caller holds the lock."""
        if now > last:
            self.last = now
            return now
        self._maybe_warn(now)
        self.last = last + 1
        return self.last

    def __call__(self) -> int:
        """Give the next timestamp in microseconds."""
        with self.lock:
            return self._next_timestamp(int(time.time() * 1e6), self.last)

    def _maybe_warn(self, now: int) -> None:
        drift = self.last - now
        since_last_warning = now - self._last_warn
        if (
            self.warn_on_drift
            and drift > self.warning_threshold * 1e6
            and since_last_warning >= self.warning_interval * 1e6
        ):
            log.warning(
                "clock skew: the clock (%d) is %d microseconds behind the last timestamp (%d); "
                "timestamps count up by one until it has caught up",
                now,
                drift,
                self.last,
            )
            self._last_warn = now
