"""Time from outside: wall time names moments, monotonic time measures durations.

Code that decides or waits takes a `Clock` and gets the time from nothing else, so that a test can
control it: a wait on a held clock returns at once and advances the time by the wait.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Waitable(Protocol):
    """Something to wait for: a `threading.Event`."""

    def is_set(self) -> bool:
        """Whether it has happened."""

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for it, at most `timeout` seconds; whether it has happened."""


class Clock(Protocol):
    """The source of time for modules that decide or wait, so that tests can control it."""

    def now_s(self) -> float:
        """Seconds since the epoch (wall clock; may step)."""

    def monotonic_s(self) -> float:
        """Seconds on a clock that never steps; only differences mean anything."""

    def boot_s(self) -> float:
        """Seconds on a clock that never steps and goes on while the machine sleeps.

        The same for every process of the machine. On a system without such a clock it is
        `monotonic_s`.
        """

    def sleep(self, seconds: float) -> None:
        """Wait `seconds`."""

    def wait(self, event: Waitable, seconds: float) -> bool:
        """Wait until `event` is set, at most `seconds`; returns whether it is set."""


class SystemClock:
    """The machine's clocks."""

    def now_s(self) -> float:
        return time.time()

    def monotonic_s(self) -> float:
        return time.monotonic()

    def boot_s(self) -> float:
        return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def wait(self, event: Waitable, seconds: float) -> bool:
        return event.wait(seconds)


SYSTEM_CLOCK: Clock = SystemClock()


def utc(clock: Clock) -> datetime:
    """The wall clock's moment, in UTC."""
    return datetime.fromtimestamp(clock.now_s(), UTC)
