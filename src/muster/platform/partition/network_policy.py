"""Cuts a region off by a NetworkPolicy that lets nobody in, one for each workload.

The API server takes such a policy whether or not anybody enforces it. Without a network plugin that
does, and for pods in their node's own network (`hostNetwork`), it changes nothing: only a look from
outside shows whether it does. Policies add up to what is allowed, so one that lets somebody in
beside it would undo it: the drill is then refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property, partial

from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.by_hand import line
from muster.platform.kubernetes.cluster import Absent, kubectl_of
from muster.platform.kubernetes.fields import Json, each, mapping, text
from muster.platform.kubernetes.kinds import PODS, Kind
from muster.platform.kubernetes.pods import ENDED
from muster.platform.kubernetes.rehearsal import reading
from muster.platform.kubernetes.rights import Right, missing, tried
from muster.platform.kubernetes.selectors import matches
from muster.platform.kubernetes.workloads import Workloads
from muster.platform.partition.model import Partition, PartitionState
from muster.platform.port import PortError, Touch
from muster.targets.partition import NetworkPolicyPartition

POLICIES = Kind("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")
OURS = {"app.kubernetes.io/managed-by": "muster"}
LABEL = "app.kubernetes.io/managed-by=muster"
LOOK_S_MAX = 5.0


class PartitionByNetworkPolicy(Partition):
    """The policies of one region's workloads."""

    def __init__(
        self, region: str, settings: NetworkPolicyPartition, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        super().__init__(region, clock)
        self._settings = settings

    @property
    def timeout_s(self) -> float:
        return self._settings.timeout_s

    @property
    def look_s_max(self) -> float:
        return min(LOOK_S_MAX, self.timeout_s)

    @property
    def cut_s_max(self) -> float:
        return self.timeout_s

    @property
    def unenforced(self) -> str:
        return (
            "the cluster took the NetworkPolicy, and no controller enforces it for these pods "
            "(no network plugin that does, or hostNetwork)"
        )

    def touches(self) -> tuple[Touch, ...]:
        return (Touch("namespaces", self._settings.namespace),)

    def rehearse(self) -> tuple[str, ...]:
        where = self._settings.namespace
        needed = reading(self._workloads)
        needed += [Right(verb, POLICIES, where) for verb in ("list", "create", "delete")]
        if lines := tuple(missing(self._workloads.cluster, needed)):
            return lines
        return tuple(said for name in self._workloads.names for said in self._refused(name))

    def state(self) -> PartitionState:
        there = self._there()
        wanted = {_policy_name(name) for name in self._settings.workloads}
        if wanted <= there:
            return "cut"
        return "partly" if wanted & there else "whole"

    def cut(self) -> None:
        self._workloads.repeat(self._workloads.names, self._one_cut, self._until_s())

    def join(self) -> None:
        self._workloads.repeat(self._workloads.names, self._one_joined, self._until_s())

    def command(self) -> str | None:
        words = (*kubectl_of(self._settings), "delete", "networkpolicy", "--ignore-not-found")
        return line(*words, *(_policy_name(name) for name in self._settings.workloads))

    @cached_property
    def _workloads(self) -> Workloads:
        return Workloads(self._settings, self._settings.workloads, self.clock)

    def _until_s(self) -> float:
        return self.clock.monotonic_s() + self.timeout_s

    def _there(self) -> set[str]:
        """The names of Muster's own policies."""
        path = POLICIES.path(self._settings.namespace)
        found = self._workloads.cluster.items(path, labelSelector=LABEL)
        return {text(one, "metadata", "name") for one in found}

    def _one_cut(self, name: str) -> bool:
        """Whether the workload's policy is there, read after the change."""
        if _policy_name(name) in self._there():
            return True
        path = POLICIES.path(self._settings.namespace)
        # A conflict: one of that name is there, from a call whose answer was lost, or somebody's.
        self._workloads.cluster.post(path, self._policy(name))
        return _policy_name(name) in self._there()

    def _one_joined(self, name: str) -> bool:
        """Whether the workload's policy is gone, read after the change."""
        if _policy_name(name) not in self._there():
            return True
        with suppress(Absent):
            self._workloads.cluster.delete(
                POLICIES.path(self._settings.namespace, _policy_name(name)), {}
            )
        return _policy_name(name) not in self._there()

    def _policy(self, name: str) -> Json:
        return {
            "apiVersion": POLICIES.group_version,
            "kind": POLICIES.name,
            "metadata": {"name": _policy_name(name), "labels": OURS},
            "spec": {"podSelector": self._selector(name), "policyTypes": ["Ingress"]},
        }

    def _selector(self, name: str) -> Json:
        """The workload's own selector; an empty one would cut off every pod of the namespace."""
        found = self._workloads.cluster.get(self._workloads.path(name))
        selector = mapping(found, "spec", "selector")
        if not mapping(selector, "matchLabels") and not each(selector, "matchExpressions"):
            raise PortError(f"{name}: it names no selector for its pods")
        return selector

    def _refused(self, name: str) -> Iterator[str]:
        where, cluster = self._settings.namespace, self._workloads.cluster
        selector = self._selector(name)
        own = {pod.uid for one, pod, _ in self._workloads.shown() if one == name}
        pods = [
            one
            for one in cluster.items(PODS.path(where))
            if text(one, "status", "phase", absent="") not in ENDED
            and matches(selector, mapping(one, "metadata", "labels"))
        ]
        names = [_name(one) for one in pods if text(one, "metadata", "uid") not in own]
        if names:
            others = ", ".join(sorted(names))
            yield f"a NetworkPolicy for {name} would cut off pods of others too: {others}"
        for one in cluster.items(POLICIES.path(where)):
            spec = mapping(one, "spec")
            reaches = any(
                matches(mapping(spec, "podSelector"), mapping(pod, "metadata", "labels"))
                for pod in pods
            )
            if reaches and each(spec, "ingress"):
                yield (
                    f"NetworkPolicy {_name(one)} lets somebody in to pods of {name}: policies add "
                    "up, so one that lets nobody in changes nothing beside it"
                )
        policy = self._policy(name)
        create = partial(cluster.post, POLICIES.path(where), policy, dry_run=True)
        yield from tried(f"a NetworkPolicy for {name}", create)


def _policy_name(workload: str) -> str:
    kind, _, name = workload.partition("/")
    return f"muster-partition-{kind}-{name}"[:253]


def _name(found: Json) -> str:
    return text(found, "metadata", "name")
