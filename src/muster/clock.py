"""Time from outside: wall time names moments, monotonic time measures lengths."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where modules that decide or wait get time from, so that tests can hold it."""

    def now_s(self) -> float:
        """Seconds since the epoch (wall clock; may step)."""

    def monotonic_s(self) -> float:
        """Seconds on a clock that never steps; only differences mean anything."""

    def sleep(self, seconds: float) -> None:
        """Wait `seconds`."""


class SystemClock:
    """The machine's clocks."""

    def now_s(self) -> float:
        return time.time()

    def monotonic_s(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


SYSTEM_CLOCK: Clock = SystemClock()
