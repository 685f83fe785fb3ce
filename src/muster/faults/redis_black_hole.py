"""A region's Redis accepts connections and never answers: nothing that is sent reaches it.

A refused connection fails at once; this one makes callers wait. A platform without a time limit of
its own hangs. The toxic drops what the gateways send, on open connections too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from muster.faults.model import FaultError
from muster.faults.redis_path import look_at_redis, url_of
from muster.faults.steps import Scene, single_fault
from muster.faults.toxic import Toxic, ToxicFault
from muster.platform.platform import Platform

RECALLS = (
    "[OpenAI, December 2024](https://status.openai.com/incidents/55qs3vq1m35z): a dependency "
    "did not answer, and requests stalled for 30 s"
)


class RedisBlackHole(ToxicFault):
    """What is sent to one region's Redis disappears."""

    kind = "redis_black_hole"
    expects = ("admission_failures:redis_unavailable",)

    def __init__(self, platform: Platform, region: str) -> None:
        super().__init__(platform, region, ("redis",))

    @property
    def toxic(self) -> Toxic:
        # A time limit of 0: the connection stays open until the toxic is removed.
        return Toxic("timeout", "upstream", {"timeout": 0})

    def look(self) -> Mapping[str, Any]:
        look = look_at_redis(url_of(self.target, self.region))
        if look.met == "blind":
            raise FaultError(f"{self.subject}: redis_url {look.said}")
        return {"met": look.met, "reply": look.reply, "said": look.said}

    def why_not(self, before: Mapping[str, Any]) -> str:
        if before["met"] == "answer":
            return ""
        return f"Redis gave no answer before the fault: redis_url {before['said']}"

    def effect(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[bool, str]:
        return now["met"] == "silent", f"Redis {now['said']}"


@single_fault(
    "lets the Redis of {region} accept and never answer for {seconds:g} s",
    recalls=RECALLS,
)
def redis_black_hole(scene: Scene) -> RedisBlackHole:
    """The region's Redis accepts connections and never answers for `seconds` of real time."""
    return RedisBlackHole(scene.platform, scene.region)
