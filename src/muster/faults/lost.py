"""A fault by which users lose a region whose processes go on.

No drain is asked for and no weight is changed: only the platform's own health checks can notice.
The guard leaves such a region out, as if its series had vanished: what its users suffer is judged
by the target's own limits. It is back if nothing shows the fault any more, and the region is ready
without a break for longer than a health check's interval.
"""

from __future__ import annotations

from abc import abstractmethod

from muster.errors import BadInput
from muster.faults.back import Stretch, back_s_max
from muster.faults.model import ReadBack, RegionalFault
from muster.faults.region_power import LOOK_APART_S, RegionPower
from muster.faults.steps import Scene
from muster.platform.looks import Look, look_at

ACTIONS = "muster.actions.loss"


class Lost(RegionalFault):
    """What the phases of a loss ask of a fault that stops nothing.

    `steady_s`: how long the region must be ready, without a break, before it counts as back.
    """

    loses_region = True
    expects = ("series",)
    stops = False
    steady_s: float = 0.0
    cut_at_s: float | None = None
    """When its first stream was cut, since the epoch; None: when it was applied."""
    _stretch: Stretch | None = None

    @abstractmethod
    def left(self) -> tuple[str, str]:
        """What must show that nothing of the fault is left, and what shows. Raises PortError."""

    @property
    def heals_s_max(self) -> float:
        """How long the region may take to be ready once the fault is gone, in seconds."""
        return self.platform.power[self.region].ready_s_max

    @property
    def back_s_max(self) -> float:
        """How long it may take, once reverted, until it counts as back (seconds)."""
        access = self.target.prometheus
        return self.heals_s_max + back_s_max(self.steady_s, access.scrape_interval_s)

    def room(self) -> tuple[float | None, float | None]:
        """Its stream limit before and now: nothing that could change it was stopped."""
        return None, None

    def read_back(self) -> ReadBack:
        """Whether it is back for good; waits for a limited time while it may still come back."""
        end_s = self.platform.clock.monotonic_s() + self.back_s_max
        while True:
            back, may_come = self.look_back()
            if back.ok or not may_come or self.platform.clock.monotonic_s() > end_s:
                return back
            self.platform.clock.sleep(LOOK_APART_S)

    def look_back(self) -> tuple[ReadBack, bool]:
        """One observation of what is back, and whether waiting may bring back what is missing.

        Observations must be a fraction of a second apart. Raises PortError.
        """
        wanted, shown = self.left()
        ready = self.outside().ready
        if self._stretch is None:
            self._stretch = Stretch(self.steady_s, self.platform.clock)
        steady = self._stretch.look(ready)
        state = "ready" if steady else f"not ready without a break for {self.steady_s:g} s"
        back = ReadBack(
            self.subject,
            f"ready, {wanted}",
            f"{state if ready else 'not ready'}, {shown}",
            steady and shown == wanted,
        )
        return back, shown == wanted

    def outside(self) -> Look:
        """What its ready_url shows from here."""
        return look_at(self.target.regions[self.region].ready_url)

    def others_answer(self) -> bool:
        """Whether this machine's own network works: another region answers at this moment."""
        others = (one.ready_url for name, one in self.target.regions.items() if name != self.region)
        return any(look_at(url).met == "answer" for url in others)


Losing = RegionPower | Lost
"""Every fault with `loses_region`."""


def check_limits(scene: Scene, kind: str) -> None:
    """Raises BadInput if the target states no limits for a region that is lost by `kind`."""
    if getattr(scene.target, kind) is None:
        wanted = "rto_s_max and streams_broken_share_max, the limits for a loss"
        raise BadInput(f"target {scene.target.name}", kind, None, wanted)
