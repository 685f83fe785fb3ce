"""A region counts as back only after a stretch of good observations, not after a single one.

A region that flaps answers 200 in half of the observations. It therefore counts as ready only if
all observations of a stretch are good and the stretch is longer than a health check's interval.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from muster.clock import SYSTEM_CLOCK, Clock
from muster.faults.model import ReadBack

BACK_S_MAX = 10.0
"""Within how many seconds of its revert a change must be read back, however long a look takes."""
LOOK_APART_S = 0.1
TOO_LATE = f"seen later than {BACK_S_MAX:g} s after the revert"
SCRAPES = 6
START_S = 10.0
STRETCHES = 3


@dataclass
class Stretch:
    """Good observations in a row that span at least `needed_s` seconds; 0: one is enough."""

    needed_s: float
    clock: Clock = SYSTEM_CLOCK
    _since_s: float | None = field(default=None, init=False)

    def look(self, good: bool) -> bool:
        """Add one observation; return whether the stretch is long enough now."""
        now_s = self.clock.monotonic_s()
        if not good:
            self._since_s = None
            return False
        if self._since_s is None:
            self._since_s = now_s
        return now_s - self._since_s >= self.needed_s


def back_s_max(steady_s: float, scrape_s: float) -> float:
    """How long a started region may take until it counts as back, in seconds.

    This allows for several stretches, because one late bad observation starts a new one, and for
    the scrapes that show its capacity.
    """
    return START_S + STRETCHES * steady_s + SCRAPES * scrape_s


def await_back(look: Callable[[], ReadBack], clock: Clock) -> ReadBack:
    """The first look that finds everything back within `BACK_S_MAX` seconds, else the last one.

    For what needs a moment after its revert, as a server that starts does. A look that ends later
    than that does not count as back, whatever it found.
    """
    end_s = clock.monotonic_s() + BACK_S_MAX
    while True:
        back = look()
        now_s = clock.monotonic_s()
        if back.ok and now_s > end_s:
            return replace(back, actual=f"{back.actual}, {TOO_LATE}", ok=False)
        if back.ok or now_s + LOOK_APART_S >= end_s:
            return back
        clock.sleep(LOOK_APART_S)
