"""Faults that delay every answer of a service: a latency toxic, timed by bare exchanges.

The effect is verified if an exchange on the gateways' own path takes at least half the added
latency longer than before, and ends as it did before. The jitter and the time that an exchange took
before are at most a quarter of the latency each, so that neither can hide it. A path that was
slower before, or that answers differently, proves nothing.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

from muster.faults.steps import WrongArgument
from muster.faults.toxic import Toxic, ToxicFault
from muster.platform.platform import Platform

PROBES = 3
ROUND_TRIPS_MAX = 2
"""Round trips that one exchange may take: the toxic delays each answer of the other end."""


class DelayFault(ToxicFault):
    """`latency_ms` plus or minus `jitter_ms` on everything that comes back through the proxies."""

    def __init__(
        self,
        platform: Platform,
        region: str,
        roles: Sequence[str],
        *,
        latency_ms: int,
        jitter_ms: int,
    ) -> None:
        super().__init__(platform, region, roles, latency_ms=latency_ms, jitter_ms=jitter_ms)
        self.latency_ms, self.jitter_ms = latency_ms, jitter_ms

    @abstractmethod
    def exchange(self) -> str:
        """One exchange on the gateways' path; what was answered. Raises FaultError."""

    @property
    def aim(self) -> str:
        return f"latency of {self.latency_ms} ms, jitter {self.jitter_ms} ms"

    @property
    def look_s_max(self) -> float:
        return super().look_s_max + ROUND_TRIPS_MAX * (self.latency_ms + self.jitter_ms) / 1000

    @property
    def toxic(self) -> Toxic:
        delay = {"latency": self.latency_ms, "jitter": self.jitter_ms}
        return Toxic("latency", "downstream", delay)

    def look(self) -> Mapping[str, Any]:
        """The shortest of a few exchanges: the toxic delays all, and a busy machine only some."""
        clock, found = self.platform.clock, []
        for _ in range(PROBES):
            start_s = clock.monotonic_s()
            answer = self.exchange()
            found.append((round((clock.monotonic_s() - start_s) * 1000, 3), answer))
        shortest_ms, answer = min(found)
        return {"exchange_ms": shortest_ms, "answer": answer}

    def why_not(self, before: Mapping[str, Any]) -> str:
        if before["exchange_ms"] <= self.latency_ms / 4:
            return ""
        return (
            f"an exchange takes {before['exchange_ms']:.0f} ms before the fault: "
            f"another {self.latency_ms} ms could not be verified"
        )

    def effect(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[bool, str]:
        if now["answer"] != before["answer"]:
            return False, f"answers {now['answer']}, but answered {before['answer']} before"
        added_ms = now["exchange_ms"] - before["exchange_ms"]
        why = f"an exchange takes {added_ms:.0f} ms longer, {self._needed_ms:.0f} ms needed"
        return 0 < self._needed_ms <= added_ms, why

    @property
    def _needed_ms(self) -> float:
        return self.latency_ms / 2


def check_jitter(latency_ms: int, jitter_ms: int) -> None:
    """Raises WrongArgument if the jitter could hide the latency from the look."""
    if jitter_ms > latency_ms / 4:
        wanted = f"at most a quarter of latency_ms: {latency_ms // 4} ms"
        raise WrongArgument("jitter_ms", jitter_ms, wanted)
