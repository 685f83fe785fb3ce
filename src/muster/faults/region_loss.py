"""A region is lost abruptly: every gateway is killed at once, with all its open streams.

No drain is asked for and no weight is changed: only the platform's own health checks can notice.
The region's power port must be able to kill (`process` kills the testbed's gateways, `kubernetes`
deletes the pods with 1 s of grace). The region comes back like one that was stopped.
"""

from __future__ import annotations

from typing import Any

from muster.faults.lost import ACTIONS, check_limits
from muster.faults.model import FaultError
from muster.faults.region_power import RegionPower
from muster.faults.steps import Planned, Scene, drill_step
from muster.platform.port import Change, Unusable

RECALLS = (
    "[Google Cloud, April 2023]"
    "(https://www.theregister.com/2023/05/10/google_cloud_paris_outage_persists/): "
    "water, and a fire, shut a data centre down, and with it its region"
)


class RegionLoss(RegionPower):
    """The region's gateways are killed; `revert` starts the region and waits until it is ready."""

    kind = "region_loss"
    undone = "The region is started as it was, and read back."
    loses_region = True
    expects = ("series",)

    def unusable(self) -> Unusable | None:
        power = self.target.regions[self.region].power
        if self.power.why_not_kill():
            wanted = "process, kubernetes, or command with kills: true: a loss is abrupt"
            return Unusable(f"regions.{self.region}.power.kind", power.kind, wanted)
        return super().unusable()

    def rehearse(self) -> tuple[str, ...]:
        return self.power.rehearse(kill=True)

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


@drill_step(
    ACTIONS, phase="loss", then=("failed_over", "comeback"), fault=RegionLoss, recalls=RECALLS
)
def region_loss(scene: Scene) -> Planned:
    """Every gateway of the region is killed at once, until its comeback."""
    check_limits(scene, RegionLoss.kind)
    what = f"kills {scene.region} without warning, and waits until its traffic has moved away"
    return Planned(what, (RegionLoss(scene.platform, scene.region),))


@drill_step(ACTIONS, phase="failed_over", shared=True)
def failed_over(scene: Scene, minutes: float) -> Planned:
    """Holds without the region."""
    return Planned(f"holds the load without the region for {scene.lasts(minutes)}")


@drill_step(ACTIONS, phase="comeback", back=True, shared=True)
def comeback(scene: Scene) -> Planned:
    """Takes back by what the region was lost."""
    return Planned(
        f"brings {scene.region} back, and waits until it has its share of the streams again"
    )
