"""A region's Redis hangs: its process is halted (SIGSTOP), as by a debugger or a full disk's I/O.

The kernel goes on accepting connections for it, and nothing answers them. The effect is verified if
the process is halted, and what is sent on the gateways' path gets no answer.
"""

from __future__ import annotations

from muster.faults.model import FaultError
from muster.faults.redis_by_process import RedisByProcessFault
from muster.faults.steps import Scene, single_fault
from muster.platform.port import Proof

RECALLS = (
    "[Harness](https://status.harness.io/incidents/0hfcp1z136h8): a region's Redis became "
    "unresponsive, and pipelines hung"
)


class RedisHung(RedisByProcessFault):
    """The process of one region's Redis is halted."""

    kind = "redis_hung"

    @property
    def aim(self) -> str:
        return "halted"

    def apply(self) -> None:
        self._process.halt()

    def observe(self) -> Proof:
        look, state = self._look(), self._process.state()
        facts = {"met": look.met, "process": state, "answered_before": self._answered}
        if look.met == "blind":
            raise FaultError(f"{self.subject}: redis_url {look.said}")
        proven = look.met == "silent" and state == "halted" and self._answered is not None
        return Proof(proven, f"the process is {state}, Redis {look.said}", facts)


@single_fault(
    "halts the Redis process of {region} for {seconds:g} s, then lets it go on",
    recalls=RECALLS,
)
def redis_hung(scene: Scene) -> RedisHung:
    """The region's Redis hangs (SIGSTOP) for `seconds` of real time."""
    return RedisHung(scene.platform, scene.region)
