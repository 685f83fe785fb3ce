"""The HorizontalPodAutoscalers of a namespace. KEDA's ScaledObjects act through such ones too."""

from __future__ import annotations

from dataclasses import dataclass

from muster.platform.kubernetes.fields import each, text, whole_number
from muster.platform.kubernetes.kinds import Kind
from muster.platform.kubernetes.workloads import Workloads

HPA = Kind("autoscaling", "v2", "horizontalpodautoscalers", "HorizontalPodAutoscaler")


@dataclass(frozen=True)
class Autoscaler:
    """One autoscaler of `workload`, as the target names it. `owners`: kinds of its owners."""

    name: str
    workload: str
    low: int
    high: int
    owners: tuple[str, ...]


def autoscalers(workloads: Workloads) -> list[Autoscaler]:
    """Those that scale one of the workloads. Raises PortError."""
    known = {
        (one.kind.name, one.name): name
        for name in workloads.names
        for one in [workloads.workload(name)]
    }
    found = []
    for one in workloads.cluster.items(HPA.path(workloads.namespace)):
        key = (
            text(one, "spec", "scaleTargetRef", "kind"),
            text(one, "spec", "scaleTargetRef", "name"),
        )
        if key in known:
            low = whole_number(one, "spec", "minReplicas", absent=1)
            high = whole_number(one, "spec", "maxReplicas")
            owners = [text(owner, "kind") for owner in each(one, "metadata", "ownerReferences")]
            name = text(one, "metadata", "name")
            found.append(Autoscaler(name, known[key], low, high, tuple(owners)))
    return found
