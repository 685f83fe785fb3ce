"""The provider's primary route gets uneven: every answer comes later by another time.

Each delay is between 0 and twice `jitter_ms`. The effect is verified if bare exchanges on the
gateways' own path differ by at least a quarter of `jitter_ms` more than before. There are so many
of them, all at once, that a look does not miss it by chance (less than once in 10,000), and the
longest do not count, because a busy machine delays some too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from muster.faults.provider_latency import ProviderLatency
from muster.faults.steps import Scene, Within, single_fault
from muster.platform.platform import Platform

EXCHANGES = 16
LEFT_OUT = 4

RECALLS = (
    "[OpenAI](https://status.openai.com/incidents/01JMYB80MRDHY3W4NZRAPC00WB/write-up): some "
    "requests were slow, others were not"
)


class ProviderJitter(ProviderLatency):
    """A delay of 0 to twice `jitter_ms` on everything that the primary route answers."""

    kind = "provider_jitter"

    def __init__(self, platform: Platform, region: str, *, jitter_ms: int) -> None:
        super().__init__(platform, region, latency_ms=jitter_ms, jitter_ms=jitter_ms)
        self._arguments = {"jitter_ms": jitter_ms}

    @property
    def aim(self) -> str:
        return f"delays of 0 to {2 * self.jitter_ms} ms"

    def look(self) -> Mapping[str, Any]:
        """How far the exchanges are apart, without the longest of them."""
        found = self.exchanges_at_once(EXCHANGES)[:-LEFT_OUT]
        return {"spread_ms": round(found[-1][0] - found[0][0], 3), "answer": found[0][1]}

    def why_not(self, before: Mapping[str, Any]) -> str:
        if before["spread_ms"] <= self.jitter_ms / 8:
            return ""
        return (
            f"exchanges differ by {before['spread_ms']:.0f} ms before the fault: "
            f"a jitter of {self.jitter_ms} ms could not be verified"
        )

    def effect(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[bool, str]:
        if now["answer"] != before["answer"]:
            return False, f"answers {now['answer']}, but answered {before['answer']} before"
        more_ms = now["spread_ms"] - before["spread_ms"]
        why = f"exchanges differ by {more_ms:.0f} ms more, {self.jitter_ms / 4:.0f} ms needed"
        return more_ms >= self.jitter_ms / 4, why


@single_fault(
    "makes the provider of {region} uneven for {seconds:g} s, then even again",
    recalls=RECALLS,
)
def provider_jitter(
    scene: Scene, jitter_ms: Annotated[int, Within(100, 5_000, "ms")]
) -> ProviderJitter:
    """Answers of the region's primary provider route come 0 to twice `jitter_ms` later."""
    return ProviderJitter(scene.platform, scene.region, jitter_ms=jitter_ms)
