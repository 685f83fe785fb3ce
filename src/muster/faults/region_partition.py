"""A region is up, but nobody outside reaches it: neither its clients nor its health check.

Its processes go on and know of nothing; whatever watches them from inside is content. Connections
are refused and open ones are reset, as by a firewall or a router that rejects. So clients notice at
once, and what is measured is the platform's detection, not their own time-outs.

The effect is verified if the region's `ready_url`, which answered before, refuses connections, or
gives no answer while another region does, and the platform says that the region is cut off.
"""

from __future__ import annotations

from typing import Any

from muster.faults.by_port import PortFault
from muster.faults.lost import ACTIONS, BEFORE, Lost, check_limits
from muster.faults.model import FaultError
from muster.faults.steps import Planned, Scene, drill_step
from muster.platform.looks import serves
from muster.platform.partition import Partition
from muster.platform.port import Change, Proof, Unusable

RECALLS = (
    "[Google Cloud, June 2019](https://status.cloud.google.com/incident/cloud-networking/19009): "
    "the routes of whole regions were withdrawn while their machines ran"
)


class RegionPartition(PortFault, Lost):
    """The region is cut off; `revert` lets everyone in again."""

    kind = "region_partition"
    key = "partition"
    each_time = True
    undone = "The region is joined again, and read back from outside."

    @property
    def port(self) -> Partition:
        return self.platform.partition[self.region]

    @property
    def subject(self) -> str:
        return f"partition of region {self.region}"

    @property
    def aim(self) -> str:
        return "cut off"

    @property
    def bite_s_max(self) -> float:
        return self.port.cut_s_max

    def unusable(self) -> Unusable | None:
        if self.port.cuts:
            return super().unusable()
        kind = self.target.regions[self.region].partition.kind
        return Unusable(f"{self.section}.kind", kind, "process, command or network_policy")

    def change(self) -> Change:
        return Change(self.port.state({}), "cut")

    def undo_params(self) -> dict[str, Any]:
        if (state := self.port.state({})) != "whole":
            raise FaultError(f"{self.subject}: {state} before the fault")
        if not (look := self.outside()).ready:
            raise FaultError(f"{self.subject}: before the fault its ready_url {look.said}")
        self.before = self.port.before()
        return {"steady_s": self.steady_s, BEFORE: self.before}

    def apply(self) -> None:
        self.port.cut(self.before)

    def observe(self) -> Proof:
        look = self.seen_from_outside()
        state = self.port.state(self.before)
        why = f"partition {state}; from outside its ready_url {look.said}"
        if state == "cut" and serves(look) and self.port.unenforced:
            why += f": {self.port.unenforced}"
        facts = {"state": state, "met": look.met, "status": look.status}
        return Proof(state == "cut" and not serves(look), why, facts)

    def revert(self) -> None:
        self.port.join(self.before)

    def left(self) -> tuple[str, str]:
        return "whole", self.port.state(self.before)

    def command(self) -> str | None:
        return self.port.command(self.before)


@drill_step(
    ACTIONS, phase="loss", then=("failed_over", "comeback"), fault=RegionPartition, recalls=RECALLS
)
def region_partition(scene: Scene) -> Planned:
    """Nobody outside reaches the region, whose processes go on, until its comeback."""
    check_limits(scene, RegionPartition.kind)
    what = f"cuts {scene.region} off from outside, and waits until its traffic has moved away"
    return Planned(what, (RegionPartition(scene.platform, scene.region),))
