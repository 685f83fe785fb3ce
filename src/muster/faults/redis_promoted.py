"""A region's primary Redis is lost, and Redis Sentinel promotes its replica.

Until then nothing answers on the gateways' path. Afterwards another primary does, at an address to
which the platform itself has moved the path. The effect is verified at every look: the process is
gone, and the path has no answer, or that of a primary which is not the one from before, at the
address that Sentinel gives. How long the promotion took is judged by the target's
`redis_sentinel.promoted_s_max`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from muster.faults.model import FaultError
from muster.faults.redis_by_sentinel import RedisBySentinelFault
from muster.faults.steps import Scene, single_fault
from muster.platform.platform import Platform
from muster.platform.port import Proof

RECALLS = (
    "[Buildkite](https://buildkitestatus.com/incidents/7v72j67hz899): a replica of Redis was "
    "promoted, the application did not follow, and up to 70 % of its requests failed"
)


class RedisPromoted(RedisBySentinelFault):
    """The primary of one region's Redis is killed."""

    kind = "redis_promoted"

    def __init__(self, platform: Platform, region: str) -> None:
        super().__init__(platform, region)
        self._run_id = ""
        self._killed_s: float | None = None
        self._promoted_s: float | None = None

    @property
    def aim(self) -> str:
        return "killed, its replica promoted by Sentinel"

    def undo_params(self) -> dict[str, Any]:
        params = super().undo_params()
        self._run_id = self._pair.on_the_path().run_id
        return {**params, "run_id": self._run_id}

    @classmethod
    def restore(cls, platform: Platform, region: str, params: Mapping[str, Any]) -> Self:
        fault = super().restore(platform, region, params)
        fault._run_id = params["run_id"]
        return fault

    def apply(self) -> None:
        self._process.kill()
        self._killed_s = self.platform.clock.monotonic_s()

    def observe(self) -> Proof:
        look, state = self._look(), self._process.state()
        if not look.away and look.reply is None:
            raise FaultError(f"{self.subject}: redis_url {look.said}")
        said, seen = f"Redis {look.said}", look.away is True
        if not look.away:
            said, seen = self._other_primary()
        facts = {"met": look.met, "process": state, "promoted_s": self._promoted_s}
        proven = seen and state == "gone" and self._answered is not None
        return Proof(proven, f"the process is {state}; {said}", facts)

    def _other_primary(self) -> tuple[str, bool]:
        """What answers on the path, and whether it is another primary, as Sentinel says too."""
        server, sight = self._pair.on_the_path(), self._pair.sight()
        host, port = sight.primary
        said = f"a {server.role} answers, and Sentinel says that {host}:{port} is the primary"
        other = server.run_id != self._run_id and server.role == "master"
        seen = other and sight.primary != self._primary
        if seen and self._promoted_s is None and self._killed_s is not None:
            self._promoted_s = round(self.platform.clock.monotonic_s() - self._killed_s, 3)
        return said, seen


@single_fault(
    "kills the primary Redis of {region}, and Sentinel's new one serves for {seconds:g} s",
    recalls=RECALLS,
)
def redis_promoted(scene: Scene) -> RedisPromoted:
    """The region's primary Redis is lost for `seconds`, and its replica is promoted."""
    return RedisPromoted(scene.platform, scene.region)
