"""A region is lost abruptly: every gateway is killed at once, with all the streams that it held.

Nothing is asked to drain and no weight is moved: what notices is the platform's own health checks.
The way is the target's `power`: `process` kills the testbed's gateways, `kubernetes` scales the
named deployments to 0 and deletes their pods without grace. It comes back as a stopped region does.
"""

from __future__ import annotations

from typing import Any

from muster.faults.kubernetes import Deployments
from muster.faults.model import FaultError
from muster.faults.region_power import RegionPower
from muster.platform.port import Change
from muster.targets.power import KubernetesPower, ProcessPower


class RegionLoss(RegionPower):
    """The region's gateways are killed; `revert` starts the region and waits until it is ready."""

    kind = "region_loss"
    expects = ("series",)

    def change(self) -> Change:
        if isinstance(self._power, KubernetesPower):
            return Change(super().change().before, "replicas 0, pods deleted without grace")
        if isinstance(self._power, ProcessPower):
            return Change(super().change().before, "gateways killed")
        return Change("on", "refused: the target's power is none, so nothing can be killed")

    def undo_params(self) -> dict[str, Any]:
        self._can_kill()
        return super().undo_params()

    def apply(self) -> None:
        self._can_kill()
        if isinstance(self._power, KubernetesPower):
            Deployments(self._power).kill()
        else:
            self._process("kill")

    def _can_kill(self) -> None:
        if self._power.kind == "none":
            where = f"target {self.target.name}: regions.{self.region}.power"
            raise FaultError(f"{where} is none: a loss needs process or kubernetes")
