"""The way to the provider gets slower for one region: a Toxiproxy latency toxic with jitter.

The toxic delays the whole stream, so the first token and the completion are both later. It is timed
by an exchange through each proxy's port, which is the gateways' own path.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from muster.faults.delay import DelayFault, check_jitter
from muster.faults.provider_exchange import exchange_at, exchanges_at_once
from muster.faults.steps import Scene, Within, single_fault
from muster.faults.toxiproxy import ProxyHandle
from muster.platform.platform import Platform

RECALLS = (
    "[OpenAI](https://status.openai.com/incidents/01JMYB80MRDHY3W4NZRAPC00WB/write-up): "
    "completions were slow, some up to a time-out"
)


class ProviderLatency(DelayFault):
    """`latency_ms` plus or minus `jitter_ms` on everything that the primary route answers."""

    kind = "provider_latency"
    expects: ClassVar[tuple[str, ...]] = ("circuit_open:primary",)
    roles: ClassVar[tuple[str, ...]] = ("provider_primary",)

    def __init__(
        self, platform: Platform, region: str, *, latency_ms: int = 0, jitter_ms: int = 0
    ) -> None:
        super().__init__(platform, region, self.roles, latency_ms=latency_ms, jitter_ms=jitter_ms)

    def exchange(self, proxy: ProxyHandle) -> str:
        """The status of a bare HTTP exchange: the path is timed, not the provider's work."""
        return exchange_at(self._address(proxy), self._exchange_s_max, self.subject)

    def exchanges_at_once(self, count: int) -> list[tuple[float, str]]:
        """The same for `count` of them on connections of their own: milliseconds, and answer."""
        address, clock = self._address(self._proxies[0]), self.platform.clock
        return exchanges_at_once(address, count, self._exchange_s_max, self.subject, clock)


class ProviderLatencyBoth(ProviderLatency):
    """The same on both routes: there is no quicker one to take."""

    kind = "provider_latency_both"
    expects = ("circuit_open:primary", "circuit_open:fallback")
    roles = ("provider_primary", "provider_fallback")


@single_fault(
    "slows the provider of {region} for {seconds:g} s, then removes the delay",
    recalls=RECALLS,
)
def provider_latency(
    scene: Scene,
    latency_ms: Annotated[int, Within(1, 60_000, "ms")],
    jitter_ms: Annotated[int, Within(0, 15_000, "ms")],
) -> ProviderLatency:
    """The region's primary provider route is `latency_ms` slower for `seconds` of real time."""
    check_jitter(latency_ms, jitter_ms)
    return ProviderLatency(scene.platform, scene.region, latency_ms=latency_ms, jitter_ms=jitter_ms)


@single_fault(
    "slows both routes of {region} to the provider for {seconds:g} s",
    recalls=RECALLS,
)
def provider_latency_both(
    scene: Scene,
    latency_ms: Annotated[int, Within(1, 60_000, "ms")],
    jitter_ms: Annotated[int, Within(0, 15_000, "ms")],
) -> ProviderLatencyBoth:
    """Both of the region's provider routes are `latency_ms` slower for `seconds` of real time."""
    check_jitter(latency_ms, jitter_ms)
    return ProviderLatencyBoth(
        scene.platform, scene.region, latency_ms=latency_ms, jitter_ms=jitter_ms
    )
