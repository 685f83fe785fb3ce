"""A share of a region's pods is killed at once, with the streams that they hold.

Which pods follows from the seed of the run. Their controllers replace them; the others must serve
meanwhile. The effect is verified if none of the chosen pods is left, and clients of the region saw
streams break: pods that held none would show nothing of their loss. A share of all pods is
`region_loss`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from muster.faults.cluster_fault import ClusterFault
from muster.faults.steps import Scene, Within, single_fault
from muster.faults.streams_cut import SCRAPES, broken_streams
from muster.platform.cluster import Disruption
from muster.platform.platform import Platform
from muster.platform.port import Proof

RECALLS = (
    "[OpenAI, November 2023](https://status.openai.com/incidents/00fpy0yxrx1q): nodes ran out of "
    "memory, and the requests that they held failed"
)


class PodsKilled(ClusterFault):
    """`share_pct` per cent of the pods; the undo entry names them before they are killed."""

    kind = "pods_killed"
    undone = "Controllers replace the pods; all replicas must be available again."

    def __init__(
        self,
        platform: Platform,
        region: str,
        before: Mapping[str, Any] | None = None,
        *,
        share_pct: float = 0.0,
        seed: int = 0,
    ) -> None:
        self.share_pct, self.seed = share_pct, seed
        self._broken_before: float | None = None
        super().__init__(platform, region, before)

    @property
    def subject(self) -> str:
        return f"pods of region {self.region}"

    @property
    def aim(self) -> str:
        return f"{self.share_pct:g} % of the pods killed"

    @property
    def bite_s_max(self) -> float:
        access = self.target.prometheus
        return self.disruption.timeout_s + access.delay_s + SCRAPES * access.scrape_interval_s

    def disrupted(self) -> Disruption:
        return self.platform.cluster[self.region].killing(self.share_pct, self.seed)

    def apply(self) -> None:
        self._broken_before = broken_streams(self.platform, self.region)
        super().apply()

    def observe(self) -> Proof:
        proof = super().observe()
        broken = broken_streams(self.platform, self.region) - (self._broken_before or 0.0)
        return replace(
            proof,
            proven=proof.proven and self._broken_before is not None and broken > 0,
            why=f"{proof.why}; {broken:.0f} streams of {self.region} broke",
            facts={**proof.facts, "streams_broken": broken},
        )


@single_fault("kills some pods of {region} at once, and holds for {seconds:g} s", recalls=RECALLS)
def pods_killed(scene: Scene, share_pct: Annotated[float, Within(1, 90, "%")]) -> PodsKilled:
    """`share_pct` of the region's pods are killed at random, from the run's seed."""
    return PodsKilled(scene.platform, scene.region, share_pct=share_pct, seed=scene.seed)
