"""A region fails its users while it says that it is well: its way to the provider is gone.

Every connection of its gateways to the provider is reset, on both routes. Processes, Redis and
front go on, so a health check that asks only whether the process lives sees nothing. A platform
must notice by its own results. The effect is verified by a small stream on each of the gateways'
own routes, which must end in a reset where it was whole before.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from muster.faults.lost import ACTIONS, Lost, check_limits
from muster.faults.model import LOOK_S_MAX, ReadBack
from muster.faults.provider_path import look_at_stream
from muster.faults.steps import Planned, Scene, drill_step
from muster.faults.toxic import Toxic, ToxicFault
from muster.platform.platform import Platform

ROLES = ("provider_primary", "provider_fallback")
WHOLE, RESET = "whole", "reset"
RECALLS = (
    "[Amazon, December 2021](https://aws.amazon.com/message/12721/): the network between a "
    "region's front and what lies behind it failed, and its monitoring saw little of it"
)


class RegionGrey(ToxicFault, Lost):
    """The region's routes to the provider reset every connection."""

    kind = "region_grey"
    undone = f"{ToxicFault.undone} Then the region must be ready again by its own results."

    def __init__(self, platform: Platform, region: str, *, steady_s: float = 0.0) -> None:
        super().__init__(platform, region, ROLES, steady_s=steady_s)
        self.steady_s = steady_s

    @property
    def toxic(self) -> Toxic:
        return Toxic("reset_peer", "downstream", {"timeout": 0})

    @property
    def look_s_max(self) -> float:
        return len(ROLES) * LOOK_S_MAX

    def look(self) -> Mapping[str, Any]:
        return {
            proxy.name: look_at_stream(self._address(proxy), LOOK_S_MAX, self.platform.clock)[
                "outcome"
            ]
            for proxy in self._proxies
        }

    def why_not(self, before: Mapping[str, Any]) -> str:
        bad = [f"{name} {said}" for name, said in before.items() if said != WHOLE]
        return f"before the fault: {', '.join(bad)}" if bad else ""

    def effect(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[bool, str]:
        said = ", ".join(f"{name} {outcome}" for name, outcome in now.items())
        return all(outcome == RESET for outcome in now.values()), f"streams by {said}"

    def left(self) -> tuple[str, str]:
        return "no toxics", self._shown() or self.still() or "no toxics"

    def read_back(self) -> ReadBack:
        return Lost.read_back(self)


@drill_step(
    ACTIONS, phase="loss", then=("failed_over", "comeback"), fault=RegionGrey, recalls=RECALLS
)
def region_grey(scene: Scene) -> Planned:
    """The region's gateways lose every route to the provider, until its comeback."""
    check_limits(scene, RegionGrey.kind)
    what = f"takes {scene.region} its provider, and waits until its traffic has moved away"
    return Planned(what, (RegionGrey(scene.platform, scene.region),))
