"""KEDA's ScaledObjects of a region's workloads: which are paused, and pausing them for a drill.

KEDA raises replicas from 0 again, unless an annotation of the ScaledObject pauses it (KEDA, Pausing
a ScaledObject). `paused` leaves the replicas as they are; `paused-replicas` sets a number of its
own, so Muster only reads that one.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from muster.platform.kubernetes.cluster import Absent
from muster.platform.kubernetes.fields import Json, mapping, text
from muster.platform.kubernetes.kinds import Kind
from muster.platform.kubernetes.workloads import Workloads

SCALED_OBJECTS = Kind("keda.sh", "v1alpha1", "scaledobjects", "ScaledObject")
PAUSED = "autoscaling.keda.sh/paused"
PAUSED_BY = (PAUSED, "autoscaling.keda.sh/paused-replicas")


@dataclass(frozen=True)
class ScaledObject:
    """One that scales `workload`. `paused_by`: the annotation that pauses it; empty: none does."""

    name: str
    workload: str
    paused_by: str


def scaled_objects(workloads: Workloads) -> list[ScaledObject]:
    """Those that scale one of the workloads; none where the cluster has no KEDA. Raises
    PortError.
    """
    try:
        listed = workloads.cluster.items(SCALED_OBJECTS.path(workloads.namespace))
    except Absent:
        return []
    found = []
    for one in listed:
        target = mapping(one, "spec", "scaleTargetRef")
        aim = (target.get("kind") or "Deployment", target.get("name"))
        for name in workloads.names:
            workload = workloads.workload(name)
            if aim == (workload.kind.name, workload.name):
                found.append(ScaledObject(text(one, "metadata", "name"), name, _paused_by(one)))
    return found


def to_pause(workloads: Workloads) -> list[str]:
    """The names of those that nobody has paused. Raises PortError."""
    return sorted({one.name for one in scaled_objects(workloads) if not one.paused_by})


def pause(workloads: Workloads, names: Sequence[str], until_s: float) -> None:
    """Pause those called `names`, and read it back. Raises PortError."""
    workloads.repeat(names, lambda name: _set(workloads, name, "true"), until_s)


def resume(workloads: Workloads, names: Sequence[str], until_s: float) -> None:
    """Let those called `names` scale again, and read it back; one that is gone needs nothing.

    Raises PortError.
    """

    def resumed(name: str) -> bool:
        try:
            return _set(workloads, name, None)
        except Absent:
            return True

    workloads.repeat(names, resumed, until_s)


def still_paused(workloads: Workloads, names: Sequence[str]) -> list[str]:
    """Those called `names` that the drill's pause still holds, whatever they scale by now.

    One that is gone holds nothing. Raises PortError.
    """
    found = []
    for name in sorted(set(names)):
        with suppress(Absent):
            if _paused_by(workloads.cluster.get(_path(workloads, name))) == PAUSED:
                found.append(name)
    return found


def change_of(value: str | None) -> dict[str, object]:
    """The change that sets the annotation; None takes it away."""
    return {"metadata": {"annotations": {PAUSED: value}}}


def _set(workloads: Workloads, name: str, value: str | None) -> bool:
    path = _path(workloads, name)
    found = workloads.cluster.get(path)
    notes = mapping(found, "metadata", "annotations")
    if notes.get(PAUSED) == value:
        return True
    version = text(found, "metadata", "resourceVersion")
    change = {"metadata": {"annotations": {PAUSED: value}, "resourceVersion": version}}
    workloads.cluster.patch(path, change)
    return mapping(workloads.cluster.get(path), "metadata", "annotations").get(PAUSED) == value


def _path(workloads: Workloads, name: str) -> str:
    return SCALED_OBJECTS.path(workloads.namespace, name)


def _paused_by(one: Json) -> str:
    notes = mapping(one, "metadata", "annotations")
    for key in PAUSED_BY:
        # A number of replicas pauses whatever it is; the other one is a truth value.
        if str(notes.get(key, "false")).lower() != "false":
            return key
    return ""
