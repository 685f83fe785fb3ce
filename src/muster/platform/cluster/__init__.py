"""Cluster: what is done to the pods of a region besides stopping all of them."""

from muster.platform.cluster.model import Back, Disruption, RegionCluster
from muster.platform.cluster.registry import cluster_of

__all__ = ["Back", "Disruption", "RegionCluster", "cluster_of"]
