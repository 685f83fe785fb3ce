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
from muster.faults.toxiproxy import ProxyHandle
from muster.platform.platform import Platform

PROBES = 3
EXCHANGE_S_MAX = 1.0
"""How long an exchange may take without the fault, in seconds."""


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
    def exchange(self, proxy: ProxyHandle) -> str:
        """One exchange through `proxy`, on the gateways' path; what was answered. Raises
        FaultError.
        """

    @property
    def aim(self) -> str:
        return f"latency of {self.latency_ms} ms, jitter {self.jitter_ms} ms"

    @property
    def look_s_max(self) -> float:
        slowest_s = (self.latency_ms + self.jitter_ms) / 1000
        return super().look_s_max + len(self._proxies) * PROBES * slowest_s

    @property
    def toxic(self) -> Toxic:
        delay = {"latency": self.latency_ms, "jitter": self.jitter_ms}
        return Toxic("latency", "downstream", delay)

    def look(self) -> Mapping[str, Any]:
        """The shortest of a few exchanges through each proxy: the toxic delays all of them, and a
        busy machine only some.
        """
        found = {proxy.name: min(self._timed(proxy, PROBES)) for proxy in self._proxies}
        return {
            "exchange_ms": {name: round(took_ms, 3) for name, (took_ms, _) in found.items()},
            "answer": {name: answer for name, (_, answer) in found.items()},
        }

    def why_not(self, before: Mapping[str, Any]) -> str:
        slowest_ms = max(before["exchange_ms"].values())
        if slowest_ms <= self.latency_ms / 4:
            return ""
        return (
            f"an exchange takes {slowest_ms:.0f} ms before the fault: "
            f"another {self.latency_ms} ms could not be verified"
        )

    def effect(self, before: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[bool, str]:
        if now["answer"] != before["answer"]:
            said = ", ".join(now["answer"].values())
            was = ", ".join(before["answer"].values())
            return False, f"answers {said}, but answered {was} before"
        was_ms = before["exchange_ms"]
        added_ms = min(took_ms - was_ms[name] for name, took_ms in now["exchange_ms"].items())
        why = f"an exchange takes {added_ms:.0f} ms longer, {self._needed_ms:.0f} ms needed"
        return 0 < self._needed_ms <= added_ms, why

    def _timed(self, proxy: ProxyHandle, count: int) -> list[tuple[float, str]]:
        """How long each of `count` exchanges took, in milliseconds, and its answer."""
        clock, found = self.platform.clock, []
        for _ in range(count):
            start_s = clock.monotonic_s()
            answer = self.exchange(proxy)
            found.append(((clock.monotonic_s() - start_s) * 1000, answer))
        return found

    @property
    def _exchange_s_max(self) -> float:
        """How long one exchange may take, in seconds."""
        return EXCHANGE_S_MAX + 2 * (self.latency_ms + self.jitter_ms) / 1000

    @property
    def _needed_ms(self) -> float:
        return self.latency_ms / 2


def check_jitter(latency_ms: int, jitter_ms: int) -> None:
    """Raises WrongArgument if the jitter could hide the latency from the look."""
    if jitter_ms > latency_ms / 4:
        wanted = f"at most a quarter of latency_ms: {latency_ms // 4} ms"
        raise WrongArgument("jitter_ms", jitter_ms, wanted)
