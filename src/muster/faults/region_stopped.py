"""How a region that was stopped is started again, and when it counts as back.

It is back if it is ready in every observation for longer than a health check's interval, the power
port shows the whole region (processes, replicas), and its stream limit is as before. If the limit
cannot be read, the message says so, and the power port's own count decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from muster.faults.back import back_s_max
from muster.faults.by_port import PortFault
from muster.faults.capacity import Room
from muster.faults.model import FaultError, ReadBack
from muster.faults.region_away import RegionAway
from muster.platform import Platform
from muster.platform.power import Power

OWN_PARAMS = frozenset({"steady_s", "answered", "streams_limit"})
"""Keys of an undo entry that belong to the fault; all others belong to its power port."""


class RegionStopped(PortFault, RegionAway):
    """The part of the fault that its undo entry describes: start it, and see it whole.

    `before`: what the power port needs to start it; `answered`: the status of its ready_url then.
    """

    key = "power"
    each_time = True  # which of KEDA's ScaledObjects it paused

    def __init__(
        self,
        platform: Platform,
        region: str,
        before: Mapping[str, Any] | None = None,
        *,
        steady_s: float = 0.0,
        answered: int | None = None,
        streams_limit: float | None = None,
    ) -> None:
        super().__init__(platform, region, steady_s=steady_s)
        self.power = platform.power[region]
        self._before = dict(before or {})
        self._answered = answered
        self._room = Room(platform, region, streams_limit)

    @property
    def port(self) -> Power:
        return self.power

    @property
    def back_s_max(self) -> float:
        access = self.target.prometheus
        return back_s_max(self.steady_s, access.scrape_interval_s) + access.delay_s

    @classmethod
    def restore(cls, platform: Platform, region: str, params: Mapping[str, Any]) -> Self:
        return cls(
            platform,
            region,
            before={key: value for key, value in params.items() if key not in OWN_PARAMS},
            # Older logs lack these keys.
            steady_s=float(params.get("steady_s") or 0.0),
            answered=params.get("answered"),
            streams_limit=params.get("streams_limit"),
        )

    def revert(self) -> None:
        self.relight()
        end_s = self.platform.clock.monotonic_s() + self.power.ready_s_max
        while not self.ready():
            if self.platform.clock.monotonic_s() > end_s:
                raise FaultError(f"{self.subject}: started but not ready")
            self.platform.clock.sleep(0.2)

    def relight(self) -> None:
        """Start the region again, and return once its power port reports that. Raises PortError."""
        self.power.start(self._before)
        self._room.lit()

    def look_back(self) -> tuple[ReadBack, bool]:
        ready = self.ready()
        steady = self.steady(ready)
        state = self.power.state(self._before)
        expected, shown = ["ready"], ["ready" if ready else "not ready"]
        if ready and not steady:
            shown = [self.broken]
        if state is not None:
            expected.append(state.expected)
            shown.append(state.shown)
        short = False
        if steady:
            wanted, found, short = self._room.look(state is not None and state.autoscaled)
            expected.extend(wanted)
            shown.extend(found)
        whole = state is None or state.whole
        ok = ready and steady and whole and not short
        back = ReadBack(self.subject, ", ".join(expected), ", ".join(shown), ok)
        comes = state is not None and state.comes
        return back, (self.steady_s > 0 or short or comes) and (whole or comes)

    def room(self) -> tuple[float | None, float | None]:
        return self._room.both()

    def command(self) -> str | None:
        return self.power.command(self._before)

    def ready(self) -> bool:
        """Whether the region's ready_url answers 2xx now."""
        return self.outside().ready
