"""The name server answers late: every answer comes `delay_ms` after its query.

Clients whose answer has expired wait for it before they can connect; who still holds an answer
feels nothing. The effect is verified if each of several queries on the clients' path takes as long
as it was told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from muster.faults.dns_path import Asked
from muster.faults.dns_trouble import DnsTrouble
from muster.faults.steps import Scene, Within, single_fault
from muster.platform.platform import Platform

SEEN_SHARE = 0.9
"""Of the delay: clocks and timers are not exact."""
RECALLS = (
    "[Dyn, October 2016](https://en.wikipedia.org/wiki/DDoS_attacks_on_Dyn): under a flood of "
    "queries its name servers answered late, or not at all"
)


class DnsSlow(DnsTrouble):
    """Every answer comes `delay_ms` late."""

    kind = "dns_slow"

    def __init__(self, platform: Platform, *, delay_ms: int) -> None:
        super().__init__(platform, delay_ms=delay_ms)
        self._delay_ms = delay_ms

    @property
    def trouble(self) -> Mapping[str, Any]:
        return {"delay_ms": self._delay_ms}

    def shows(self, seen: Asked) -> bool:
        return seen.took_ms >= SEEN_SHARE * self._delay_ms


@single_fault(
    "lets the name server answer late for {seconds:g} s",
    recalls=RECALLS,
)
def dns_slow(scene: Scene, delay_ms: Annotated[int, Within(50, 900, "ms")]) -> DnsSlow:
    """Answers of the name server come `delay_ms` late for `seconds` of real time."""
    return DnsSlow(scene.platform, delay_ms=delay_ms)
