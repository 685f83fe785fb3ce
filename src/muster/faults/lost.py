"""A fault by which users lose a region whose processes go on.

No drain is asked for and no weight is changed: only the platform's own health checks can notice.
The guard leaves such a region out, as if its series had vanished: what its users suffer is judged
by the target's own limits. It is back if nothing shows the fault any more, and the region is ready
without a break for longer than a health check's interval.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Self

from muster.errors import BadInput
from muster.faults.back import back_s_max
from muster.faults.model import FaultError, ReadBack
from muster.faults.region_away import RegionAway
from muster.faults.steps import Scene
from muster.platform import Platform
from muster.platform.looks import Look

ACTIONS = "muster.actions.loss"
BEFORE = "before"
"""The key of an undo entry that holds what its port said before the fault."""


class Lost(RegionAway):
    """What the phases of a loss ask of a fault that stops nothing."""

    loses_region = True
    expects = ("series",)
    before: Mapping[str, Any] = MappingProxyType({})
    """What its port said before the fault; it holds all that the revert needs."""

    @classmethod
    def restore(cls, platform: Platform, region: str, params: Mapping[str, Any]) -> Self:
        # Older logs lack these keys.
        fault = cls(platform, region, steady_s=float(params.get("steady_s") or 0.0))
        fault.before = params.get(BEFORE) or {}
        return fault

    @abstractmethod
    def left(self) -> tuple[str, str]:
        """What must show that nothing of the fault is left, and what shows. Raises PortError."""

    @property
    def heals_s_max(self) -> float:
        """How long the region may take to be ready once the fault is gone, in seconds."""
        return self.platform.power[self.region].ready_s_max

    @property
    def back_s_max(self) -> float:
        access = self.target.prometheus
        return self.heals_s_max + back_s_max(self.steady_s, access.scrape_interval_s)

    def look_back(self) -> tuple[ReadBack, bool]:
        wanted, shown = self.left()
        ready = self.outside().ready
        steady = self.steady(ready)
        state = ("ready" if steady else self.broken) if ready else "not ready"
        back = ReadBack(
            self.subject, f"ready, {wanted}", f"{state}, {shown}", steady and shown == wanted
        )
        return back, shown == wanted

    def seen_from_outside(self) -> Look:
        """What its ready_url shows. Raises FaultError if that may be this machine's own network."""
        look = self.outside()
        if look.met == "blind" or (look.met == "silent" and not self.others_answer()):
            raise FaultError(f"{self.subject}: this machine could not look: {look.said}")
        return look


def check_limits(scene: Scene, kind: str) -> None:
    """Raises BadInput if the target states no limits for a region that is lost by `kind`."""
    if getattr(scene.target, kind) is None:
        wanted = "rto_s_max and streams_broken_share_max, the limits for a loss"
        raise BadInput(f"target {scene.target.name}", kind, None, wanted)
