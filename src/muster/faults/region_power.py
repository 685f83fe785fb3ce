"""A region goes dark: its gateways and its Redis stop, by the adapter that its platform has.

The region's power port stops it, says whether it is dark, and starts it again (`platform/power`).
"""

from __future__ import annotations

from typing import Any

from muster.faults.model import FaultError
from muster.faults.region_stopped import RegionStopped
from muster.platform.looks import Look
from muster.platform.port import Change, Proof


class RegionPower(RegionStopped):
    """The region is stopped; `revert` starts it and waits until it is ready."""

    kind = "region_power"
    stops_region = True

    drained = False
    """Whether its traffic was moved away and its gateways were asked to drain."""

    @property
    def cut_at_s(self) -> float | None:
        return self.power.cut_at_s

    @property
    def subject(self) -> str:
        return f"region {self.region}"

    @property
    def aim(self) -> str:
        return "stopped"

    @property
    def bite_s_max(self) -> float:
        return self.power.dark_s_max

    @property
    def stops(self) -> bool:
        return self.power.stops

    def change(self) -> Change:
        return self.power.change()

    def undo_params(self) -> dict[str, Any]:
        self._before = self.power.before(drained=self.drained)
        if not self.stops:
            return {"steady_s": self.steady_s} if self.steady_s else {}
        self._answered = self.outside().status
        self._room.remember()
        return {
            **self._before,
            "steady_s": self.steady_s,
            "answered": self._answered,
            "streams_limit": self._room.before,
        }

    def apply(self) -> None:
        self.power.stop()

    def observe(self) -> Proof:
        return self.power.dark(self._seen, self._answered, self.others_answer)

    def _seen(self) -> Look:
        look = self.outside()
        if look.met == "blind":
            raise FaultError(f"{self.subject}: {look.said}")
        return look
