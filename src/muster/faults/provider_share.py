"""Some connections to the provider's primary route are slow, and the others are not.

So is a provider of which one server of many is ill. Each new connection draws by itself whether it
is slow. The effect is verified if, of many bare exchanges on connections of their own, at least one
is late by the whole latency and at least one by less than half of it.

There are 48 exchanges, all at once. With a share of 20 to 80 % the chance that all of them draw the
same is at most 0.8^48 + 0.2^48, that is 1 in 45,000: less than once in 10,000 looks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from muster.faults.provider_latency import ProviderLatency
from muster.faults.steps import Scene, Within, single_fault
from muster.faults.toxic import Toxic
from muster.platform.platform import Platform

EXCHANGES = 48
EXCHANGE_S_MAX = 5.0
"""How long each may take besides the latency: there are many at once."""

RECALLS = (
    "[OpenAI](https://status.openai.com/incidents/01JMYB80MRDHY3W4NZRAPC00WB/write-up): some "
    "requests were slow, others were not"
)


class ProviderShare(ProviderLatency):
    """`latency_ms` on `share_pct` per cent of the connections of the primary route."""

    kind = "provider_share"

    def __init__(self, platform: Platform, region: str, *, latency_ms: int, share_pct: int) -> None:
        super().__init__(platform, region, latency_ms=latency_ms)
        self.share_pct = share_pct
        self._arguments = {"latency_ms": latency_ms, "share_pct": share_pct}

    @property
    def aim(self) -> str:
        return f"latency of {self.latency_ms} ms on {self.share_pct} % of the connections"

    @property
    def toxic(self) -> Toxic:
        delay = {"latency": self.latency_ms, "jitter": 0}
        return Toxic("latency", "downstream", delay, self.share_pct / 100)

    @property
    def look_s_max(self) -> float:
        return super().look_s_max + EXCHANGE_S_MAX

    @property
    def _exchange_s_max(self) -> float:
        return EXCHANGE_S_MAX + self.latency_ms / 1000

    def look(self) -> Mapping[str, Any]:
        """How many exchanges are slow and how many are not, each on a new connection."""
        found = self.exchanges_at_once(EXCHANGES)
        took_ms = [one for one, _ in found]
        return {
            "slow": sum(one >= self.latency_ms for one in took_ms),
            "fast": sum(one < self.latency_ms / 2 for one in took_ms),
            "slowest_ms": round(max(took_ms), 3),
            "answer": ", ".join(sorted({answer for _, answer in found})),
        }

    def why_not(self, before: Mapping[str, Any]) -> str:
        if before["slowest_ms"] <= self.latency_ms / 4:
            return ""
        return (
            f"an exchange takes {before['slowest_ms']:.0f} ms before the fault: "
            f"another {self.latency_ms} ms on a share could not be verified"
        )

    def effect(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[bool, str]:
        if now["answer"] != before["answer"]:
            return False, f"answers {now['answer']}, but answered {before['answer']} before"
        slow, fast = now["slow"], now["fast"]
        why = f"of {EXCHANGES} connections {slow} are {self.latency_ms} ms slow, {fast} are not"
        return slow > 0 and fast > 0, why


@single_fault(
    "slows a share of the connections of {region} to the provider for {seconds:g} s",
    recalls=RECALLS,
)
def provider_share(
    scene: Scene,
    latency_ms: Annotated[int, Within(400, 60_000, "ms")],
    share_pct: Annotated[int, Within(20, 80, "%")],
) -> ProviderShare:
    """`share_pct` of the connections to the region's primary route are `latency_ms` slower."""
    return ProviderShare(scene.platform, scene.region, latency_ms=latency_ms, share_pct=share_pct)
