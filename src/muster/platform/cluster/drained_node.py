"""Cordons one node and evicts the region's pods from it, like `kubectl drain`.

A cordon carries a mark of the drill, set by the same patch. Only a node with that mark is
uncordoned, so a node that somebody else cordoned stays so. The mark outlives a `kubectl uncordon`:
the node's managed fields say whether the same hand set both. Evictions are those of the API, which
PodDisruptionBudgets may refuse for a while; they are asked for again until the time is over.

A drain is refused where the node has pods of others, except those of a DaemonSet and of the node
itself, and where no other node is ready to take the region's.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from typing import Any

from muster.platform.by_hand import line
from muster.platform.cluster.model import Back, Before
from muster.platform.cluster.on_workloads import OnWorkloads, said_of
from muster.platform.kubernetes.cluster import Absent, Conflict, Unanswered, kubectl_of
from muster.platform.kubernetes.fields import Json, each, mapping, text
from muster.platform.kubernetes.kinds import NODES, PODS
from muster.platform.kubernetes.pods import ENDED, Pod
from muster.platform.kubernetes.rehearsal import reading
from muster.platform.kubernetes.rights import Right, missing, tried
from muster.platform.port import Change, PortError, Proof, Touch, Unusable

MARK = "muster/cordoned-by"
"""The annotation of a node that a drill has cordoned: the drill's own token."""
MIRROR = "kubernetes.io/config.mirror"
"""The annotation of a pod that the node itself runs: nobody can evict it."""
NODE, TOKEN, CORDONED = "node", "mark", "cordoned"
"""The keys of `before`; `cordoned`: the node was so before."""


class DrainedNode(OnWorkloads):
    """The node that the target names."""

    def touches(self) -> tuple[Touch, ...]:
        node = self.settings.node
        return (*super().touches(), *([] if node is None else [Touch("nodes", node)]))

    def unusable(self) -> Unusable | None:
        if self.settings.node is not None:
            return None
        return Unusable("node", None, "the name of the node that the drill drains")

    def rehearse(self) -> tuple[str, ...]:
        where, node = self.settings.namespace, self._node_name()
        needed = reading(self.workloads)
        needed += [Right(verb, NODES, "", name=node) for verb in ("get", "patch")]
        needed += [Right("list", NODES, ""), Right("list", PODS, "")]
        needed.append(Right("create", PODS, where, "eviction"))
        if lines := tuple(missing(self.workloads.cluster, needed)):
            return lines
        return tuple(self._refused())

    def rehearse_revert(self) -> tuple[str, ...]:
        node, cluster = self._node_name(), self.workloads.cluster
        needed = self.to_see_whole()
        needed += [Right(verb, NODES, "", name=node) for verb in ("get", "patch")]
        return tuple(missing(cluster, needed))

    def _refused(self) -> Iterator[str]:
        node = self._node_name()
        if others := self._others():
            yield f"node {node} has pods of others, which a drain would evict: {', '.join(others)}"
        if not any(
            _takes_pods(one, node) for one in self.workloads.cluster.items(NODES.everywhere())
        ):
            yield f"no other node is ready to take the pods of {node}"
        cordon = partial(self._patched, self._node(), "dry-run", dry_run=True)
        yield from tried(f"cordoning {node}", cordon)
        uncordon = partial(self._patched, self._node(), None, dry_run=True)
        yield from tried(f"uncordoning {node}", uncordon)
        for pod in self._on_it():
            yield from tried(f"evicting {pod.name}", partial(self._evict, pod, dry_run=True))

    def change(self) -> Change:
        names = [pod.name for pod in self._on_it()]
        others = self._others()
        more = f"; pods of others there: {', '.join(others)}" if others else ""
        cordoned = "cordoned" if _cordoned(self._node()) else "open for new pods"
        after = f"cordoned, evicted from it: {', '.join(names) or 'nothing'}{more}"
        return Change(
            f"node {self._node_name()} {cordoned}, {len(names)} pods of the region", after
        )

    def before(self) -> dict[str, Any]:
        whole = super().before()
        name, cordoned = self._node_name(), _cordoned(self._node())
        if not self._on_it():
            raise PortError(f"node {name} has no pod of the region: its drain would show nothing")
        return {**whole, NODE: name, TOKEN: uuid.uuid4().hex[:12], CORDONED: cordoned}

    def apply(self, before: Before) -> None:
        self.told(before)
        until_s = self.until_s()
        node = before[NODE]
        if not before[CORDONED]:
            self.workloads.repeat([node], lambda _: self._one_cordoned(before), until_s)
        said: Unanswered | None = None
        while pods := self.workloads.insist(partial(self._on_it, node), until_s):
            for pod in pods:
                try:
                    # A pod that is gone, or of which another has the name, is looked at again.
                    with suppress(Absent, Conflict):
                        self._evict(pod)
                except Unanswered as error:
                    # Also 429: a PodDisruptionBudget allows it only later.
                    said = error
            if not self.pause(until_s):
                left = ", ".join(pod.name for pod in pods)
                raise PortError(f"node {node}: not drained in time: {left}{said_of(said)}")

    def look(self, before: Before) -> Proof:
        self.told(before)
        name = before[NODE]
        node = self._node(name)
        cordoned = _cordoned(node)
        pods = [pod.name for pod in self._on_it(name)]
        why = f"node {name} is {'cordoned' if cordoned else 'open for new pods'}, "
        why += f"{len(pods)} pods of the region are on it"
        another = "" if cordoned else f"node {name} cordoned -> open for new pods"
        facts = {"node": name, "pods_left": len(pods), "cordoned": cordoned}
        return Proof(cordoned and not pods, why, facts, another)

    def revert(self, before: Before) -> None:
        self.told(before)
        until_s = self.until_s()
        if not before[CORDONED]:
            self.workloads.repeat([before[NODE]], lambda _: self._one_opened(before), until_s)
        self.await_whole(before, until_s)

    def state(self, before: Before) -> Back:
        self.told(before)
        expected, shown = self.replicas(before)
        whole, another = shown == expected, ""
        if not before[CORDONED]:
            how, another = self._how(before)
            expected += ", the drill's cordon lifted"
            shown += ", the drill's cordon lifted" if not how else f", {how}"
            whole = whole and not how
        return Back(expected, shown, whole, another)

    def command(self, before: Before) -> str | None:
        self.told(before)
        if before[CORDONED]:
            return None
        kubectl, node = kubectl_of(self.settings), before[NODE]
        # With its mark left, a later cordon of somebody else's would look like the drill's.
        unmarked = line(*kubectl, "annotate", "node", node, f"{MARK}-")
        return f"{line(*kubectl, 'uncordon', node)} && {unmarked}"

    def _how(self, before: Before) -> tuple[str, str]:
        """What shows of the drill's own cordon, and what somebody else did; empty: nothing."""
        try:
            node = self._node(before[NODE])
        except Absent:
            return "", f"node {before[NODE]} was removed"
        if not _cordoned(node):
            return "", ""
        if _mark(node) == before[TOKEN] and _set_together(node):
            return f"node {before[NODE]} is cordoned by the drill", ""
        return "", f"node {before[NODE]} was cordoned by somebody else"

    def _one_cordoned(self, before: Before) -> bool:
        """Whether the node carries the drill's own cordon, read after the change."""
        node = self._node(before[NODE])
        if _mark(node) == before[TOKEN] and _cordoned(node) and _set_together(node):
            return True
        if _cordoned(node):
            raise PortError(f"node {before[NODE]}: somebody else has cordoned it meanwhile")
        self._patched(node, before[TOKEN])
        return bool(_mark(self._node(before[NODE])) == before[TOKEN])

    def _one_opened(self, before: Before) -> bool:
        """Whether nothing of the drill's own cordon is left, read after the change."""
        try:
            node = self._node(before[NODE])
            if _mark(node) != before[TOKEN]:
                return True
            if _cordoned(node) and not _set_together(node):
                self._unmarked(node)
            else:
                self._patched(node, None)
            return bool(_mark(self._node(before[NODE])) != before[TOKEN])
        except Absent:
            return True

    def _patched(self, node: Json, mark: str | None, *, dry_run: bool = False) -> None:
        """Cordon the node with a mark, or lift its cordon (None), if it is still as read."""
        meta = {
            "resourceVersion": text(node, "metadata", "resourceVersion"),
            "annotations": {MARK: mark},
        }
        # A key set to null is removed.
        body = {"metadata": meta, "spec": {"unschedulable": None if mark is None else True}}
        path = NODES.everywhere(text(node, "metadata", "name"))
        self.workloads.cluster.patch(path, body, dry_run=dry_run)

    def _unmarked(self, node: Json) -> None:
        """Take the mark away, and leave the cordon, which is somebody else's."""
        version = text(node, "metadata", "resourceVersion")
        meta = {"resourceVersion": version, "annotations": {MARK: None}}
        path = NODES.everywhere(text(node, "metadata", "name"))
        self.workloads.cluster.patch(path, {"metadata": meta})

    def _evict(self, pod: Pod, *, dry_run: bool = False) -> None:
        where = self.settings.namespace
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod.name, "namespace": where},
            "deleteOptions": {"preconditions": {"uid": pod.uid}},
        }
        self.workloads.cluster.post(PODS.path(where, f"{pod.name}/eviction"), body, dry_run=dry_run)

    def _on_it(self, name: str | None = None) -> list[Pod]:
        """The region's own pods on the node, those that are about to end too."""
        node = name or self._node_name()
        return [
            pod
            for _, pod, one in self.workloads.shown()
            if text(one, "spec", "nodeName", absent="") == node
        ]

    def _others(self) -> list[str]:
        """Pods on the node that are not the region's and that a drain would evict."""
        own = {pod.uid for pod in self._on_it()}
        chosen = f"spec.nodeName={self._node_name()}"
        listed = self.workloads.cluster.items(PODS.everywhere(), fieldSelector=chosen)
        return sorted(
            f"{text(one, 'metadata', 'namespace')}/{text(one, 'metadata', 'name')}"
            for one in listed
            if text(one, "metadata", "uid") not in own and not _stays(one)
        )

    def _node(self, name: str | None = None) -> Json:
        return self.workloads.cluster.get(NODES.everywhere(name or self._node_name()))

    def _node_name(self) -> str:
        if self.settings.node is None:
            raise PortError(f"the target names no regions.{self.region}.cluster.node")
        return self.settings.node


def _cordoned(node: Json) -> bool:
    return mapping(node, "spec").get("unschedulable") is True


def _mark(node: Json) -> str | None:
    mark = mapping(node, "metadata", "annotations").get(MARK)
    return mark if isinstance(mark, str) else None


def _set_together(node: Json) -> bool:
    """Whether who set the mark has set the cordon too; true if no managed fields tell."""
    owners = [
        (
            f"f:{MARK}" in mapping(one, "fieldsV1", "f:metadata", "f:annotations"),
            "f:unschedulable" in mapping(one, "fieldsV1", "f:spec"),
        )
        for one in each(node, "metadata", "managedFields")
    ]
    marked = [cordoned for mark, cordoned in owners if mark]
    return not marked or any(marked) or not any(cordoned for _, cordoned in owners)


def _takes_pods(node: Json, drained: str) -> bool:
    ready = any(
        one.get("type") == "Ready" and one.get("status") == "True"
        for one in each(node, "status", "conditions")
    )
    return ready and not _cordoned(node) and text(node, "metadata", "name") != drained


def _stays(pod: Json) -> bool:
    """Whether a drain leaves the pod: it has ended, or belongs to a DaemonSet or to the node."""
    owners = each(pod, "metadata", "ownerReferences")
    return (
        text(pod, "status", "phase", absent="") in ENDED
        or MIRROR in mapping(pod, "metadata", "annotations")
        or any(one.get("kind") == "DaemonSet" and one.get("controller") is True for one in owners)
    )
