"""Where a Kubernetes cluster is, and which of its workloads belong to a region."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field

from muster.documents import Document

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
