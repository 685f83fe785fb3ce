"""What a drill may do to the pods of a region, besides stopping all of them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from muster.documents import Document
from muster.targets.kinds import PositiveSeconds
from muster.targets.kubernetes import ClusterAccess, WorkloadName


class KubernetesCluster(ClusterAccess):
    """Pods are killed, a node is drained, a flawed release is rolled out."""

    kind: Literal["kubernetes"]
    workloads: Annotated[tuple[WorkloadName, ...], Field(min_length=1)] = Field(
        description="KIND/NAME of each whose pods serve the streams: deployment/gateway"
    )
    released: tuple[WorkloadName, ...] = Field(
        default=(),
        description="those of workloads that get a flawed release, deployments alone; empty: all",
    )
    node: Annotated[str, Field(min_length=1)] | None = Field(
        default=None, description="the node that a drill drains; blast_radius.nodes must name it"
    )
    timeout_s: PositiveSeconds = Field(
        default=300.0, description="for one change, and until all pods are available again"
    )


class NoCluster(Document):
    """Nothing is done to pods: the drill that needs it is refused before anything is started."""

    kind: Literal["none"] = "none"


RegionCluster = Annotated[KubernetesCluster | NoCluster, Field(discriminator="kind")]
