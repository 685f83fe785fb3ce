"""A region's Redis is killed, stays away, and comes back empty.

Whatever the platform kept there is gone: counts, scripts, sessions. The effect is verified if the
process is gone and nothing answers on the gateways' path. A Redis that saves to disk is refused,
because it would not come back empty. The read-back says by Redis's run id whether another server
answers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from muster.faults.model import FaultError, ReadBack
from muster.faults.redis_by_process import RedisByProcessFault
from muster.faults.steps import Scene, single_fault
from muster.platform.platform import Platform
from muster.platform.port import Proof

if TYPE_CHECKING:
    from redis import Redis

RECALLS = (
    "[Twilio, July 2013](https://www.twilio.com/blog/2013/07/"
    "billing-incident-post-mortem-breakdown-analysis-and-root-cause.html): "
    "a Redis was restarted, and did not load what it had held"
)


class RedisRestarted(RedisByProcessFault):
    """The process of one region's Redis is killed; `revert` starts an empty one."""

    kind = "redis_restarted"

    def __init__(self, platform: Platform, region: str) -> None:
        super().__init__(platform, region)
        self._keys: int | None = None
        self._run_id = ""

    @property
    def aim(self) -> str:
        return "killed, then started empty"

    def undo_params(self) -> dict[str, Any]:
        params = super().undo_params()
        saves, self._keys, self._run_id = self._ask(_kept)
        if saves:
            raise FaultError(f"{self.subject}: it saves to disk ({saves}) and would keep its data")
        return {**params, "keys": self._keys, "run_id": self._run_id}

    @classmethod
    def restore(cls, platform: Platform, region: str, params: Mapping[str, Any]) -> Self:
        fault = super().restore(platform, region, params)
        fault._keys, fault._run_id = params["keys"], params["run_id"]
        return fault

    def apply(self) -> None:
        self._process.kill()

    def observe(self) -> Proof:
        look, state = self._look(), self._process.state()
        facts = {"met": look.met, "process": state, "keys_lost": self._keys}
        if look.away is None:
            raise FaultError(f"{self.subject}: redis_url {look.said}")
        proven = look.away and state == "gone" and self._answered is not None
        return Proof(proven, f"the process is {state}, Redis {look.said}", facts)

    def _back(self) -> ReadBack:
        back = super()._back()
        if not back.ok:
            return back
        # The same server is no failure: the drill may have ended before it killed anything.
        same = self._ask(_run_id) == self._run_id
        actual = f"{back.actual}, {'the same server as before' if same else 'another server'}"
        return replace(back, actual=actual)


def _run_id(client: Redis) -> str:
    return str(client.info("server")["run_id"])


def _kept(client: Redis) -> tuple[str, int, str]:
    """By which settings it saves to disk (empty: by none), how many keys it holds, its run id."""
    settings: dict[str, str] = client.config_get("save", "appendonly")  # type: ignore[assignment]
    said = {"save": settings["save"], "appendonly": settings["appendonly"].replace("no", "")}
    saves = ", ".join(f"{name} {value}" for name, value in said.items() if value)
    return saves, int(client.dbsize()), _run_id(client)


@single_fault(
    "kills the Redis of {region}, and starts an empty one after {seconds:g} s",
    recalls=RECALLS,
)
def redis_restarted(scene: Scene) -> RedisRestarted:
    """The region's Redis is killed, stays away for `seconds`, and comes back empty."""
    return RedisRestarted(scene.platform, scene.region)
