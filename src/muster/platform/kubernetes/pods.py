"""The pods of a workload: those that its selector matches and whose controllers lead to it.

A selector alone is not enough: a canary's pods often have all the labels of the stable workload's
and more. Terminating pods count, because they still serve while their workload's own status leaves
them out. A pod whose controllers cannot be followed to their end (one of them is deleted) is
nobody's: it may be the workload's, so no region with it is dark, and nobody else's is deleted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from muster.platform.kubernetes.cluster import Absent, Cluster
from muster.platform.kubernetes.fields import Json, each, mapping, text
from muster.platform.kubernetes.kinds import PODS, Kinds
from muster.platform.port import PortError

LEVELS_MAX = 6
ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True)
class Pod:
    """A pod that has not ended. `ours`: its controllers lead to the workload; else nobody's."""

    name: str
    uid: str
    ours: bool


@dataclass(frozen=True)
class _Owner:
    """A controller, as an object names it."""

    group_version: str
    kind: str
    name: str
    uid: str


class Pods:
    """The pods of workloads in one namespace."""

    def __init__(self, cluster: Cluster, namespace: str, kinds: Kinds) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._kinds = kinds
        self._above: dict[str, _Owner | None] = {}

    def of(self, selector: str, uid: str) -> Sequence[Pod]:
        """The pods that `selector` matches and that are not another workload's. Raises PortError.

        `uid`: of the workload. A selector without labels would match every pod: it is refused.
        """
        return [pod for pod, _ in self.shown(selector, uid)]

    def shown(self, selector: str, uid: str) -> Sequence[tuple[Pod, Json]]:
        """The same, each with the object that the API shows. Raises PortError."""
        if not selector:
            raise PortError("Kubernetes: a workload's scale names no selector for its pods")
        listed = self._cluster.items(PODS.path(self._namespace), labelSelector=selector)
        found = []
        for one in listed:
            if text(one, "status", "phase", absent="") in ENDED:
                continue
            ours = self._leads_to(uid, _controller(one))
            if ours is not False:
                meta = mapping(one, "metadata")
                found.append((Pod(text(meta, "name"), text(meta, "uid"), bool(ours)), one))
        return found

    def _leads_to(self, uid: str, owner: _Owner | None) -> bool | None:
        """Whether the chain of controllers from `owner` leads to `uid`; None: to nobody."""
        if owner is None:
            return None
        for _ in range(LEVELS_MAX):
            if owner.uid == uid:
                return True
            try:
                above = self._controller_of(owner)
            except Absent:
                return None
            if above is None:
                return False
            owner = above
        raise PortError(f"Kubernetes: over {LEVELS_MAX} controllers above {owner.name}")

    def _controller_of(self, owner: _Owner) -> _Owner | None:
        """The controller of a controller, asked once. Raises PortError; Absent if it is gone."""
        if owner.uid not in self._above:
            kind = self._kinds.of_object(owner.group_version, owner.kind)
            found = self._cluster.get(kind.path(self._namespace, owner.name))
            if text(found, "metadata", "uid") != owner.uid:
                raise Absent(f"Kubernetes: {owner.kind} {owner.name} was created anew")
            self._above[owner.uid] = _controller(found)
        return self._above[owner.uid]


def is_ready(found: Json) -> bool:
    """Whether a pod, as the API shows it, is ready. Raises PortError."""
    conditions = each(found, "status", "conditions")
    return any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions)


def _controller(found: Json) -> _Owner | None:
    for one in each(found, "metadata", "ownerReferences"):
        if one.get("controller") is True:
            return _Owner(
                text(one, "apiVersion"), text(one, "kind"), text(one, "name"), text(one, "uid")
            )
    return None
