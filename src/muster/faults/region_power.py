"""A region goes dark: its gateways and its Redis stop, by the adapter that its platform has.

The region's power port stops it, says whether it is dark, and starts it again (`platform/power`).

A region is back if it is ready in every observation for longer than a health check's interval, the
power port shows the whole region (processes, replicas), and its stream limit is as before. If the
limit cannot be read, the message says so, and the power port's own count decides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from muster.faults import capacity
from muster.faults.back import SCRAPES, Stretch, back_s_max
from muster.faults.model import FaultError, ReadBack, RegionalFault
from muster.platform import Platform
from muster.platform.looks import Look, look_at
from muster.platform.port import Change, Proof, Touch, Unusable
from muster.platform.power import PowerState

LOOK_APART_S = 0.3
OWN_PARAMS = frozenset({"steady_s", "answered", "streams_limit"})
"""Keys of an undo entry that belong to the fault; all others belong to its power port."""


class RegionPower(RegionalFault):
    """The region is stopped; `revert` starts it and waits until it is ready.

    `before`: what the power port needs to start it; `steady_s`: how long it must stay ready,
    without a break, before it counts as back.
    """

    kind = "region_power"
    stops_region = True

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
        super().__init__(platform, region)
        self.power = platform.power[region]
        self._before = dict(before or {})
        self._steady_s = steady_s
        self._answered = answered
        self._limit = streams_limit
        self._stretch = Stretch(steady_s, platform.clock)
        self._lit_s: float | None = None

    @property
    def cut_at_s(self) -> float | None:
        """When the first stream was cut, since the epoch; None: when it was applied."""
        return self.power.cut_at_s

    @property
    def subject(self) -> str:
        return f"region {self.region}"

    @property
    def aim(self) -> str:
        return "stopped"

    @property
    def retry_s(self) -> float:
        return self.power.timeout_s

    @property
    def look_s_max(self) -> float:
        return super().look_s_max + self.power.look_s_max

    @property
    def bite_s_max(self) -> float:
        return self.power.dark_s_max

    @property
    def back_s_max(self) -> float:
        """How long it may take, once started and ready, until it counts as back (seconds)."""
        access = self.target.prometheus
        return back_s_max(self._steady_s, access.scrape_interval_s) + access.delay_s

    @property
    def stops(self) -> bool:
        """Whether the region is stopped at all; if not, its capacity never changes."""
        return self.power.stops

    def touches(self) -> tuple[Touch, ...]:
        return (*super().touches(), *self.power.touches())

    def unusable(self) -> Unusable | None:
        found = self.power.unusable()
        return None if found is None else found.within(f"regions.{self.region}.power")

    def rehearse(self) -> tuple[str, ...]:
        return self.power.rehearse()

    def change(self) -> Change:
        return self.power.change()

    def undo_params(self) -> dict[str, Any]:
        self._before = self.power.before()
        if not self.stops:
            return {"steady_s": self._steady_s} if self._steady_s else {}
        self._answered = self._look().status
        try:
            self._limit = capacity.streams_limit(self.platform, self.region)
        except FaultError:
            self._limit = None
        return {
            **self._before,
            "steady_s": self._steady_s,
            "answered": self._answered,
            "streams_limit": self._limit,
        }

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

    def apply(self) -> None:
        self.power.stop()

    def observe(self) -> Proof:
        return self.power.dark(self._seen, self._answered, self._others_answer)

    def _seen(self) -> Look:
        look = self._look()
        if look.met == "blind":
            raise FaultError(f"{self.subject}: {look.said}")
        return look

    def _others_answer(self) -> bool:
        """Whether this machine's own network works: another region answers at this moment."""
        others = (url.ready_url for name, url in self.target.regions.items() if name != self.region)
        return any(look_at(url).met == "answer" for url in others)

    def revert(self) -> None:
        self.relight()
        self._await_ready()

    def relight(self) -> None:
        """Start the region again, and return once its power port reports that. Raises PortError."""
        self.power.start(self._before)
        self._lit_s = self.platform.clock.now_s()

    def read_back(self) -> ReadBack:
        """Whether it is back for good; waits for a limited time while it may still come back."""
        end = self.platform.clock.monotonic_s() + self.back_s_max
        while True:
            back, may_come = self.look_back()
            if back.ok or not may_come or self.platform.clock.monotonic_s() > end:
                return back
            self.platform.clock.sleep(LOOK_APART_S)

    def look_back(self) -> tuple[ReadBack, bool]:
        """One observation of what is back, and whether waiting may bring back what is missing.

        Observations must be a fraction of a second apart. Raises PortError.
        """
        ready = self.ready()
        steady = self._stretch.look(ready)
        state = self.power.state(self._before)
        expected, shown = ["ready"], ["ready" if ready else "not ready"]
        if ready and not steady:
            shown = [f"not ready without a break for {self._steady_s:g} s"]
        if state is not None:
            expected.append(state.expected)
            shown.append(state.shown)
        short = self._short_of_limit(state, expected, shown) if steady else False
        whole = state is None or state.whole
        back = ReadBack(
            self.subject,
            ", ".join(expected),
            ", ".join(shown),
            ready and steady and whole and not short,
        )
        waits = self._steady_s > 0 or short or (state is not None and state.comes)
        return back, waits and (whole or (state is not None and state.comes))

    def _short_of_limit(
        self, state: PowerState | None, expected: list[str], shown: list[str]
    ) -> bool:
        """Whether the region can hold fewer streams than before; `expected` and `shown` get both
        figures.
        """
        if self._limit is None:
            return False
        expected.append(f"room for {self._limit:.0f} streams")
        try:
            limit = self._limit_now()
        except FaultError as error:
            if self._samples_to_come():
                shown.append("room for streams not shown yet")
                return True
            shown.append(f"room for streams not read ({error})")
            return False
        shown.append(f"room for {limit:.0f} streams")
        if capacity.is_back(limit, self._limit):
            return False
        # An autoscaler decides how many there are, and thereby the limit.
        return state is None or not state.autoscaled

    def room(self) -> tuple[float | None, float | None]:
        """The stream limit before the fault and now; None: not read."""
        try:
            return self._limit, self._limit_now()
        except FaultError:
            return self._limit, None

    def _limit_now(self) -> float:
        """The stream limit, where samples come late only by those since it was started.

        Samples of before the fault would show it whole while it is dark. A process that did not
        start it takes its own first look as the start. Raises FaultError.
        """
        if self._lit_s is None:
            self._lit_s = self.platform.clock.now_s()
        since_s = self._lit_s if self.target.prometheus.delay_s else 0.0
        return capacity.streams_limit(self.platform, self.region, since_s)

    def _samples_to_come(self) -> bool:
        """Whether what was scraped since the start may be on its way still."""
        access, now_s = self.target.prometheus, self.platform.clock.now_s()
        late_s = access.delay_s and access.delay_s + SCRAPES * access.scrape_interval_s
        return self._lit_s is not None and now_s < self._lit_s + late_s

    def command(self) -> str | None:
        return self.power.command(self._before)

    def ready(self) -> bool:
        """Whether the region's ready_url answers 2xx now."""
        return self._look().ready

    def _look(self) -> Look:
        return look_at(self.target.regions[self.region].ready_url)

    def _await_ready(self) -> None:
        end = self.platform.clock.monotonic_s() + self.power.ready_s_max
        while not self.ready():
            if self.platform.clock.monotonic_s() > end:
                raise FaultError(f"{self.subject}: started but not ready")
            self.platform.clock.sleep(0.2)
