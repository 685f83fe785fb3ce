"""What all faults that take a region away share: when the whole region counts as back.

A region is back if everything that the fault took shows again, and the region was ready at every
look for longer than a health check's interval.
"""

from __future__ import annotations

from abc import abstractmethod

from muster.faults.back import Stretch
from muster.faults.model import ReadBack, RegionalFault
from muster.platform import Platform
from muster.platform.looks import Look, look_at

LOOK_APART_S = 0.3


class RegionAway(RegionalFault):
    """`steady_s`: how long the region must be ready, without a break, before it counts as back."""

    steady_s: float = 0.0
    _stretch: Stretch | None = None

    def __init__(self, platform: Platform, region: str, *, steady_s: float = 0.0) -> None:
        super().__init__(platform, region)
        self.steady_s = steady_s

    @property
    def cut_at_s(self) -> float | None:
        """When its first stream was cut, since the epoch; None: when it was applied."""
        return None

    @property
    def stops(self) -> bool:
        """Whether the region's processes end; if not, its capacity never changes."""
        return False

    @property
    @abstractmethod
    def back_s_max(self) -> float:
        """How long it may take, once reverted, until it counts as back (seconds)."""

    def room(self) -> tuple[float | None, float | None]:
        """The stream limit before the fault and now; None: not read, or nothing can change it."""
        return None, None

    def read_back(self) -> ReadBack:
        """Whether it is back for good; waits for a limited time while it may still come back."""
        end_s = self.platform.clock.monotonic_s() + self.back_s_max
        while True:
            back, may_come = self.look_back()
            if back.ok or not may_come or self.platform.clock.monotonic_s() > end_s:
                return back
            self.platform.clock.sleep(LOOK_APART_S)

    @abstractmethod
    def look_back(self) -> tuple[ReadBack, bool]:
        """One observation of what is back, and whether waiting may bring back what is missing.

        Observations must be a fraction of a second apart. Raises PortError.
        """

    def steady(self, ready: bool) -> bool:
        """Add one observation; return whether the region is ready without a break for long enough.

        The stretch begins with the first one, because another process may look than the one that
        applied the fault.
        """
        if self._stretch is None:
            self._stretch = Stretch(self.steady_s, self.platform.clock)
        return self._stretch.look(ready)

    @property
    def broken(self) -> str:
        """What a region is that was not ready for long enough, for people."""
        return f"not ready without a break for {self.steady_s:g} s"

    def outside(self) -> Look:
        """What its ready_url shows from here."""
        return look_at(self.target.regions[self.region].ready_url)

    def others_answer(self) -> bool:
        """Whether this machine's own network works: another region answers at this moment."""
        others = (one.ready_url for name, one in self.target.regions.items() if name != self.region)
        return any(look_at(url).met == "answer" for url in others)
