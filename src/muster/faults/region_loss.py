"""A region is lost abruptly: every gateway is killed at once, with all its open streams.

No drain is asked for and no weight is changed: only the platform's own health checks can notice.
The region's power port must be able to kill (`process` kills the testbed's gateways, `kubernetes`
deletes the pods without grace). The region comes back like one that was stopped.
"""

from __future__ import annotations

from typing import Any

from muster.errors import BadInput
from muster.faults.model import FaultError
from muster.faults.region_power import RegionPower
from muster.faults.steps import Planned, Scene, drill_step
from muster.platform.port import Change, Unusable


class RegionLoss(RegionPower):
    """The region's gateways are killed; `revert` starts the region and waits until it is ready."""

    kind = "region_loss"
    expects = ("series",)

    def unusable(self) -> Unusable | None:
        power = self.target.regions[self.region].power
        if self.power.why_not_kill():
            wanted = "process, kubernetes, or command with kills: true: a loss is abrupt"
            return Unusable(f"regions.{self.region}.power.kind", power.kind, wanted)
        return super().unusable()

    def change(self) -> Change:
        return self.power.change(kill=True)

    def undo_params(self) -> dict[str, Any]:
        self._can_kill()
        return super().undo_params()

    def apply(self) -> None:
        self._can_kill()
        self.power.kill()

    def _can_kill(self) -> None:
        if why := self.power.why_not_kill():
            raise FaultError(f"target {self.target.name}: regions.{self.region}.power {why}")


ACTIONS = "muster.actions.loss"


@drill_step(ACTIONS, phase="loss", then=("failed_over", "comeback"))
def region_loss(scene: Scene) -> Planned:
    """Kills the region. Raises BadInput if the target states no limits for that case."""
    if scene.target.region_loss is None:
        wanted = "rto_s_max and streams_broken_share_max, the limits for a loss"
        raise BadInput(f"target {scene.target.name}", "region_loss", None, wanted)
    what = f"kills {scene.region} without warning, and waits until its traffic has moved away"
    return Planned(what, (RegionLoss(scene.platform, scene.region),))


@drill_step(ACTIONS, phase="failed_over")
def failed_over(scene: Scene, minutes: float) -> Planned:
    """Holds without the region."""
    return Planned(f"holds the load without the region for {scene.lasts(minutes)}")


@drill_step(ACTIONS, phase="comeback", back=True)
def comeback(scene: Scene) -> Planned:
    """Starts the region again."""
    what = f"starts {scene.region}, and waits until it has its share of the streams again"
    return Planned(what, (RegionLoss(scene.platform, scene.region),))
