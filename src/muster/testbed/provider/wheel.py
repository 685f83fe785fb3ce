"""A timer wheel of 10 ms ticks: what is due at a tick is called then; late ticks are caught up."""

from __future__ import annotations

import time
from typing import Protocol

from muster.testbed.wire.ticker import TICK_S


class Due(Protocol):
    """Something on the wheel."""

    def due(self, tick: int) -> None:
        """Called at its tick; it may put itself on the wheel again."""


class Wheel:
    """Ticks count the monotonic clock, so that they coincide with the process's beats."""

    def __init__(self) -> None:
        self._slots: dict[int, list[Due]] = {}
        self._tick = int(self.tick_at(time.monotonic()))

    def tick_at(self, now_s: float) -> float:
        """The moment `now_s` in ticks."""
        return now_s / TICK_S

    def add(self, tick: int, what: Due) -> None:
        """Call `what` at `tick`, or at the next one if that has passed."""
        tick = max(tick, self._tick + 1)
        slot = self._slots.get(tick)
        if slot is None:
            self._slots[tick] = [what]
        else:
            slot.append(what)

    def advance(self, now_s: float, lag_s: float) -> None:
        """Call everything due by `now_s`."""
        until = int(self.tick_at(now_s))
        while self._tick < until:
            self._tick += 1
            for what in self._slots.pop(self._tick, ()):
                what.due(self._tick)
