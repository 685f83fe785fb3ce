"""A region's Redis answers late: a latency toxic with jitter in front of it.

A slow store is worse than none for a gateway that asks it for every request: nothing fails, and
everything waits. The delay is timed by PING on a new connection on the gateways' own path.
"""

from __future__ import annotations

from typing import Annotated

from muster.faults.delay import DelayFault, check_jitter
from muster.faults.model import FaultError
from muster.faults.redis_path import look_at_redis, url_of
from muster.faults.steps import Scene, Within, single_fault
from muster.faults.toxiproxy import ProxyHandle
from muster.platform.platform import Platform

RECALLS = (
    "[Twilio, July 2013](https://www.twilio.com/blog/2013/07/"
    "billing-incident-post-mortem-breakdown-analysis-and-root-cause.html): "
    "a Redis under load answered so late that its clients failed"
)


class RedisSlow(DelayFault):
    """`latency_ms` plus or minus `jitter_ms` on everything that Redis answers."""

    kind = "redis_slow"
    expects = ("admission_failures:redis_unavailable",)

    def __init__(
        self, platform: Platform, region: str, *, latency_ms: int = 0, jitter_ms: int = 0
    ) -> None:
        super().__init__(platform, region, ("redis",), latency_ms=latency_ms, jitter_ms=jitter_ms)

    def exchange(self, proxy: ProxyHandle) -> str:
        look = look_at_redis(url_of(self.target, self.region), self._exchange_s_max)
        if look.reply is None:
            raise FaultError(f"{self.subject}: redis_url {look.said}")
        return look.reply


@single_fault(
    "slows the Redis of {region} for {seconds:g} s, then removes the delay",
    recalls=RECALLS,
)
def redis_slow(
    scene: Scene,
    latency_ms: Annotated[int, Within(20, 10_000, "ms")],
    jitter_ms: Annotated[int, Within(0, 2_500, "ms")],
) -> RedisSlow:
    """The region's Redis answers `latency_ms` later for `seconds` of real time."""
    check_jitter(latency_ms, jitter_ms)
    return RedisSlow(scene.platform, scene.region, latency_ms=latency_ms, jitter_ms=jitter_ms)
