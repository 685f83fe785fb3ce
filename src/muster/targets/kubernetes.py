"""Where a Kubernetes cluster is, and which of its workloads belong to a region."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field

from muster.documents import Document
from muster.errors import BadInput

if TYPE_CHECKING:
    from muster.targets.model import Target

IN_CLUSTER = "in-cluster"
"""The context that means the service account of the pod in which Muster runs."""
_WORKLOAD = re.compile(
    r"(deployment|statefulset|replicaset|replicationcontroller|[a-z0-9-]+\.[a-z0-9.-]*[a-z0-9])"
    r"/[a-z0-9]([a-z0-9.-]*[a-z0-9])?"
)


def _workload(value: str) -> str:
    if "${" not in value and not _WORKLOAD.fullmatch(value):
        raise ValueError(
            "KIND/NAME, for example deployment/gateway, statefulset/redis, or for another kind "
            "with replicas PLURAL.GROUP/NAME: rollouts.argoproj.io/gateway"
        )
    return value


def _kubeconfig(value: str) -> str:
    # Recovery may run in another directory than the drill: both must read the same file.
    if not value.startswith(("/", "${")):
        raise ValueError("a path from the root")
    return value


WorkloadName = Annotated[str, AfterValidator(_workload)]


class ClusterAccess(Document):
    """One namespace of one cluster, and the credentials for it."""

    namespace: Annotated[str, Field(min_length=1)]
    context: Annotated[str, Field(min_length=1)] | None = Field(
        default=None,
        description="context of the kubeconfig; in-cluster: the service account of the pod in "
        "which Muster runs; null, on a testbed only: the kubeconfig's current context",
    )
    kubeconfig: Annotated[str, AfterValidator(_kubeconfig)] | None = Field(
        default=None, description="path of the kubeconfig; null: $KUBECONFIG or ~/.kube/config"
    )


def access_problems(target: Target, file: Path | str) -> Iterator[BadInput]:
    """Off a testbed each cluster must be named: the current context may be any cluster's."""
    if target.class_ == "testbed":
        return
    for name, region in target.regions.items():
        restart = region.toxiproxy.restart if region.toxiproxy else None
        for key, section in (("power", region.power), ("toxiproxy.restart", restart)):
            if isinstance(section, ClusterAccess) and section.context is None:
                wanted = (
                    f"a context of the kubeconfig, or {IN_CLUSTER}, since class is {target.class_}"
                )
                yield BadInput(file, f"regions.{name}.{key}.context", None, wanted)
