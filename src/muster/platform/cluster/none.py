"""Nothing is done to the pods of a region: a target without `cluster`."""

from __future__ import annotations

from typing import Any

from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.cluster.model import Back, Before, Disruption, Flaw, RegionCluster
from muster.platform.port import Change, PortError, Proof, Unusable
from muster.targets.cluster import NoCluster

NONE = "none"
WANTED = "kubernetes, whose pods are killed, evicted or released anew"


class ClusterOfNobody(RegionCluster):
    """The target names no cluster of the region."""

    disrupts = False

    def __init__(self, region: str, settings: NoCluster, clock: Clock = SYSTEM_CLOCK) -> None:
        super().__init__(region, clock)

    def killing(self, share_pct: float = 0.0, seed: int = 0) -> Disruption:
        return Impossible(self.region)

    def draining(self) -> Disruption:
        return Impossible(self.region)

    def releasing(self, flaw: Flaw) -> Disruption:
        return Impossible(self.region)


class Impossible(Disruption):
    """Cannot be done; there is nothing to take back."""

    def __init__(self, region: str) -> None:
        self._why = f"the target names no regions.{region}.cluster"

    @property
    def timeout_s(self) -> float:
        return 0.0

    def unusable(self) -> Unusable | None:
        return Unusable("kind", NONE, WANTED)

    def rehearse(self) -> tuple[str, ...]:
        return (self._why,)

    def change(self) -> Change:
        raise PortError(self._why)

    def before(self) -> dict[str, Any]:
        raise PortError(self._why)

    def apply(self, before: Before) -> None:
        raise PortError(self._why)

    def look(self, before: Before) -> Proof:
        raise PortError(self._why)

    def revert(self, before: Before) -> None:
        """Nothing was done."""

    def state(self, before: Before) -> Back:
        raise PortError(self._why)

    def command(self, before: Before) -> str | None:
        return None
