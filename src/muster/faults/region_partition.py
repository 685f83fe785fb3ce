"""A region is up, but nobody outside reaches it: neither its clients nor its health check.

Its processes go on and know of nothing; whatever watches them from inside is content. Connections
are refused and open ones are reset, as by a firewall or a router that rejects. So clients notice at
once, and what is measured is the platform's detection, not their own time-outs.

The effect is verified if the region's `ready_url`, which answered before, refuses connections, or
gives no answer while another region does, and the platform says that the region is cut off.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from muster.faults.lost import ACTIONS, Lost, check_limits
from muster.faults.model import FaultError
from muster.faults.steps import Planned, Scene, drill_step
from muster.platform import Platform
from muster.platform.looks import serves
from muster.platform.port import Change, Proof, Touch, Unusable

RECALLS = (
    "[Google Cloud, June 2019](https://status.cloud.google.com/incident/cloud-networking/19009): "
    "the routes of whole regions were withdrawn while their machines ran"
)


class RegionPartition(Lost):
    """The region is cut off; `revert` lets everyone in again."""

    kind = "region_partition"
    undone = "The region is joined again, and read back from outside."

    def __init__(self, platform: Platform, region: str, *, steady_s: float = 0.0) -> None:
        super().__init__(platform, region)
        self.steady_s = steady_s
        self._port = platform.partition[region]

    @property
    def subject(self) -> str:
        return f"partition of region {self.region}"

    @property
    def aim(self) -> str:
        return "cut off"

    @property
    def retry_s(self) -> float:
        return self._port.timeout_s

    @property
    def look_s_max(self) -> float:
        return super().look_s_max + self._port.look_s_max

    @property
    def bite_s_max(self) -> float:
        return self._port.cut_s_max

    def touches(self) -> tuple[Touch, ...]:
        return (*super().touches(), *self._port.touches())

    def unusable(self) -> Unusable | None:
        section = f"regions.{self.region}.partition"
        if not self._port.cuts:
            kind = self.target.regions[self.region].partition.kind
            return Unusable(f"{section}.kind", kind, "process, command or network_policy")
        found = self._port.unusable()
        return None if found is None else found.within(section)

    def rehearse(self) -> tuple[str, ...]:
        return self._port.rehearse()

    def change(self) -> Change:
        return Change(self._port.state(), "cut")

    def undo_params(self) -> dict[str, Any]:
        if (state := self._port.state()) != "whole":
            raise FaultError(f"{self.subject}: {state} before the fault")
        if not (look := self.outside()).ready:
            raise FaultError(f"{self.subject}: before the fault its ready_url {look.said}")
        return {"steady_s": self.steady_s}

    @classmethod
    def restore(cls, platform: Platform, region: str, params: Mapping[str, Any]) -> Self:
        return cls(platform, region, steady_s=float(params.get("steady_s") or 0.0))

    def apply(self) -> None:
        self._port.cut()

    def observe(self) -> Proof:
        look = self.outside()
        if look.met == "blind" or (look.met == "silent" and not self.others_answer()):
            raise FaultError(f"{self.subject}: this machine could not look: {look.said}")
        state = self._port.state()
        why = f"partition {state}; from outside its ready_url {look.said}"
        if state == "cut" and serves(look) and self._port.unenforced:
            why += f": {self._port.unenforced}"
        facts = {"state": state, "met": look.met, "status": look.status}
        return Proof(state == "cut" and not serves(look), why, facts)

    def revert(self) -> None:
        self._port.join()

    def left(self) -> tuple[str, str]:
        return "whole", self._port.state()

    def command(self) -> str | None:
        return self._port.command()


@drill_step(
    ACTIONS, phase="loss", then=("failed_over", "comeback"), fault=RegionPartition, recalls=RECALLS
)
def region_partition(scene: Scene) -> Planned:
    """Nobody outside reaches the region, whose processes go on, until its comeback."""
    check_limits(scene, RegionPartition.kind)
    what = f"cuts {scene.region} off from outside, and waits until its traffic has moved away"
    return Planned(what, (RegionPartition(scene.platform, scene.region),))
