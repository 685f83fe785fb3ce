"""Disrupts pods of workloads of one namespace of a Kubernetes cluster."""

from __future__ import annotations

from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.cluster.drained_node import DrainedNode
from muster.platform.cluster.flawed_release import FlawedRelease
from muster.platform.cluster.killed_pods import KilledPods
from muster.platform.cluster.model import Disruption, Flaw, RegionCluster
from muster.targets.cluster import KubernetesCluster


class ClusterByKubernetes(RegionCluster):
    """A region whose pods belong to the workloads that the target names."""

    def __init__(
        self, region: str, settings: KubernetesCluster, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        super().__init__(region, clock)
        self._settings = settings

    def killing(self, share_pct: float = 0.0, seed: int = 0) -> Disruption:
        return KilledPods(self.region, self._settings, self.clock, share_pct, seed)

    def draining(self) -> Disruption:
        return DrainedNode(self.region, self._settings, self.clock)

    def releasing(self, flaw: Flaw) -> Disruption:
        return FlawedRelease(self.region, self._settings, self.clock, flaw)
