"""Every adapter that disrupts the pods of a region, one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.cluster.model import RegionCluster
from muster.platform.port import adapter

if TYPE_CHECKING:
    from muster.targets.model import Region

CLUSTERS = {
    "kubernetes": "muster.platform.cluster.kubernetes:ClusterByKubernetes",
    "none": "muster.platform.cluster.none:ClusterOfNobody",
}


def cluster_of(name: str, region: Region, clock: Clock = SYSTEM_CLOCK) -> RegionCluster:
    """The adapter for a region's `cluster` section."""
    settings = region.cluster
    made: RegionCluster = adapter(CLUSTERS, settings.kind)(name, settings, clock)
    return made
