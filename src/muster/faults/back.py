"""A region that comes back is looked at until it is back for good, not for one moment.

A region that flaps answers 200 at half of the looks. So it counts as ready only after a stretch of
looks that are all good and that together outlast a health check's interval.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from muster.clock import SYSTEM_CLOCK, Clock

SCRAPES = 6
START_S = 10.0
STRETCHES = 3


@dataclass
class Stretch:
    """Good looks in a row that span at least `needed_s` seconds; 0: one good look is enough."""

    needed_s: float
    clock: Clock = SYSTEM_CLOCK
    _since_s: float | None = field(default=None, init=False)

    def look(self, good: bool) -> bool:
        """Take in one look; whether the stretch is long enough now."""
        now_s = self.clock.monotonic_s()
        if not good:
            self._since_s = None
            return False
        if self._since_s is None:
            self._since_s = now_s
        return now_s - self._since_s >= self.needed_s


def back_s_max(steady_s: float, scrape_s: float) -> float:
    """How long a started region may take to be back for good, in seconds.

    Several stretches, since one late look begins it anew, and the scrapes that show its capacity.
    """
    return START_S + STRETCHES * steady_s + SCRAPES * scrape_s
