"""A region's Redis refuses connections: its Toxiproxy proxy stops listening and drops open ones.

The effect is verified if three observations agree: the proxy says that it is disabled, its port
accepts no connection, and Redis, which answered on the gateways' path before, does not answer any
more. An error from Redis itself is an answer. Without an answer before the fault nothing could be
proven, so the fault is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from muster.faults.model import FaultError, ReadBack
from muster.faults.proxy_off import ProxyOff
from muster.faults.redis_path import PONG, RedisLook, look_at_redis, url_of
from muster.faults.steps import Scene, single_fault
from muster.platform.platform import Platform
from muster.platform.port import Proof

RECALLS = (
    "[TrackAbout, April 2024](https://status.trackabout.com/incidents/qmvnnfwcbgym): Redis "
    "was away, and no request of a user could be completed"
)


class RedisOutage(ProxyOff):
    """One region cannot reach Redis on the path that its gateways use."""

    kind = "redis_outage"
    expects = ("admission_failures:redis_unavailable",)

    def __init__(self, platform: Platform, region: str) -> None:
        super().__init__(platform, region, "redis")
        self._answered: str | None = None

    def undo_params(self) -> dict[str, Any]:
        params = super().undo_params()
        look = self._look()
        if look.reply is None:
            raise FaultError(
                f"{self.subject}: Redis gave no answer before the fault: redis_url {look.said}"
            )
        self._answered = look.reply
        return {**params, "answered": self._answered}

    @classmethod
    def restore(cls, platform: Platform, region: str, params: Mapping[str, Any]) -> Self:
        fault = cls(platform, region)
        fault._server = tuple(params.get("server", ()))
        # Older logs lack these keys.
        fault._answered = params.get("answered")
        fault._listened = bool(params.get("listened"))
        return fault

    def observe(self) -> Proof:
        look = self._look()
        facts: dict[str, Any] = {
            "redis_answers": look.met == "answer",
            "met": look.met,
            "answered_before": self._answered,
        }
        if look.met == "answer":
            return Proof(False, f"Redis still answers on the gateways' path: {look.said}", facts)
        if self._answered is None:
            return Proof(False, "it is unknown whether Redis answered before the fault", facts)
        if why := self.still_on():
            return Proof(False, why, facts)
        if look.away is None:
            raise FaultError(f"{self.subject}: redis_url {look.said}")
        return Proof(True, f"Redis {look.said}", facts)

    def read_back(self) -> ReadBack:
        shown, look = self.shown(), self._look()
        before = self._answered or PONG
        return ReadBack(
            self.subject,
            f"enabled, Redis answers {before}",
            f"{shown}, Redis {look.said}",
            shown == "enabled" and look.reply == before,
        )

    def redis_answers(self) -> bool:
        """Whether a PING on the gateways' path gets a proper answer. Raises FaultError."""
        return self._look().reply == PONG

    def _look(self) -> RedisLook:
        return look_at_redis(url_of(self.target, self.region))


@single_fault(
    "cuts {region} off from Redis for {seconds:g} s, then reconnects it",
    recalls=RECALLS,
)
def redis_outage(scene: Scene) -> RedisOutage:
    """The region's Redis refuses connections for `seconds` of real time."""
    return RedisOutage(scene.platform, scene.region)
