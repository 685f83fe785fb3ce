"""Answers of the provider's primary route only trickle: each connection has a limited bandwidth.

So does a route behind a congested link. Streams that share a connection share its bandwidth, so the
same limit is harder for a platform whose connections carry many streams. The experiment's is about
three quarters of what the connections of the testbed's gateways need at a tenth of `m3_20k`.

The pace is measured by a stream of its own on the gateways' path. Its events are large, because the
model's name, which the stub repeats in each, is long: at the limit the stream lasts a second. The
effect is verified if it comes no faster than twice the limit, and came four times as fast as the
limit before. A platform that keeps its service levels leaves the route once first tokens are late.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from muster.faults.provider_path import look_at_pace
from muster.faults.steps import Scene, Within, single_fault
from muster.faults.toxic import Toxic, ToxicFault
from muster.platform.platform import Platform
from muster.platform.port import Unusable

LOOK_S_MAX = 8.0

RECALLS = (
    "[Google Cloud, June 2019](https://status.cloud.google.com/incident/cloud-networking/19009): "
    "congestion between regions, with packet loss and slow answers for hours"
)


class ProviderTrickle(ToxicFault):
    """At most `rate_kb_s` kilobytes per second on each connection of the primary route."""

    kind = "provider_trickle"
    expects = ("circuit_open:primary",)

    def __init__(self, platform: Platform, region: str, *, rate_kb_s: int) -> None:
        super().__init__(platform, region, ("provider_primary",), rate_kb_s=rate_kb_s)
        self.rate_kb_s = rate_kb_s

    @property
    def aim(self) -> str:
        return f"{self.rate_kb_s} kB/s on each connection"

    @property
    def look_s_max(self) -> float:
        return super().look_s_max + LOOK_S_MAX

    @property
    def toxic(self) -> Toxic:
        return Toxic("bandwidth", "downstream", {"rate": self.rate_kb_s})

    def unusable(self) -> Unusable | None:
        if self.target.provider_stub is not None:
            return super().unusable()
        wanted = "url and token of a testbed's control API: only a stub repeats a model's long name"
        return Unusable("provider_stub", None, wanted)

    def look(self) -> Mapping[str, Any]:
        address = self._address(self._proxies[0])
        return look_at_pace(address, self.rate_kb_s * 1000, LOOK_S_MAX, self.platform.clock)

    def why_not(self, before: Mapping[str, Any]) -> str:
        if before["kb_per_s"] >= 4 * self.rate_kb_s:
            return ""
        return (
            f"a stream comes with {before['kb_per_s']:.0f} kB/s before the fault: "
            f"a limit of {self.rate_kb_s} kB/s could not be verified"
        )

    def effect(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[bool, str]:
        came = f"a stream comes with {now['kb_per_s']:.0f} kB/s"
        why = f"{came}, and came with {before['kb_per_s']:.0f} kB/s before"
        return 0 < now["kb_per_s"] <= 2 * self.rate_kb_s, why


@single_fault(
    "lets answers of the provider only trickle to {region} for {seconds:g} s",
    recalls=RECALLS,
)
def provider_trickle(
    scene: Scene, rate_kb_s: Annotated[int, Within(1, 1_000, "kB/s")]
) -> ProviderTrickle:
    """Connections of the region's primary route carry `rate_kb_s` at most for `seconds`."""
    return ProviderTrickle(scene.platform, scene.region, rate_kb_s=rate_kb_s)
