"""Why a drill stops. The first reason counts; every wait of the drill checks for it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from muster.clock import SYSTEM_CLOCK, Clock
from muster.errors import DrillAborted

StopVerdict = Literal["FAIL", "ABORTED", "INCONCLUSIVE"]
LOOK_S = 0.1
HEADWAY_S_MAX = 60.0
"""The longest time without a check: more than the timeouts of any one call, with its retries. A
call that takes longer announces it by `allow`.
"""


@dataclass(frozen=True)
class StopReason:
    """`by` is the reason's name, `verdict` what it makes of the drill, `t_trip_s` when it arose."""

    by: str
    verdict: StopVerdict
    detail: str
    t_trip_s: float


class StopFlag:
    """Set once, from any thread or signal handler.

    No `threading.Event`: its lock is not reentrant, so that a handler which sets it while the
    interrupted code is inside its `wait` would never come back.
    """

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._lock = threading.RLock()
        self._look_due_s = self._clock.monotonic_s() + HEADWAY_S_MAX
        self.reason: StopReason | None = None

    def set(self, reason: StopReason) -> bool:
        """Whether `reason` was the first."""
        with self._lock:
            if self.reason is not None:
                return False
            self.reason = reason
            return True

    @property
    def is_set(self) -> bool:
        """Whether the drill must stop."""
        return self.reason is not None

    @property
    def makes_headway(self) -> bool:
        """Whether the drill has checked recently, so that it does not hang."""
        return self._clock.monotonic_s() < self._look_due_s

    def allow(self, seconds: float) -> None:
        """Announce a slow call: the next check may be `seconds` later than usual."""
        self._look_due_s = self._clock.monotonic_s() + HEADWAY_S_MAX + seconds

    def check(self) -> None:
        """Raise DrillAborted if the drill must stop."""
        self._look_due_s = self._clock.monotonic_s() + HEADWAY_S_MAX
        reason = self.reason
        if reason is not None:
            raise DrillAborted(reason.by, reason.detail)

    def wait(self, seconds: float) -> None:
        """Sleep `seconds`, or raise DrillAborted as soon as the drill must stop."""
        end = self._clock.monotonic_s() + seconds
        while True:
            self.check()
            left_s = end - self._clock.monotonic_s()
            if left_s <= 0:
                return
            self._clock.sleep(min(LOOK_S, left_s))

    def wait_until(
        self, holds: Callable[[], bool], seconds_max: float, look_s: float = LOOK_S
    ) -> float | None:
        """Wait until `holds()`; the seconds it took, or None when `seconds_max` passed first.

        Raises DrillAborted as soon as the drill must stop.
        """
        start = self._clock.monotonic_s()
        while True:
            self.check()
            if holds():
                return self._clock.monotonic_s() - start
            if self._clock.monotonic_s() - start > seconds_max:
                return None
            self.wait(look_s)
