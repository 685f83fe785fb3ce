"""Cuts a region off by a NetworkPolicy that lets nobody in, one for each workload.

The API server takes such a policy whether or not anybody enforces it. Without a network plugin that
does, and for pods in their node's own network (`hostNetwork`), it changes nothing: only a look from
outside shows whether it does. Policies add up to what is allowed, so one that lets somebody in
beside it would undo it: the drill is then refused.

Every policy of a cut carries a token of its own. Whatever the target names by now, those with the
token are deleted, and none of them may be left.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import suppress
from functools import cached_property, partial
from typing import Any

from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.by_hand import line
from muster.platform.kubernetes.cluster import LOOK_S_MAX, Absent, kubectl_of
from muster.platform.kubernetes.fields import Json, each, mapping, text
from muster.platform.kubernetes.kinds import PODS, Kind
from muster.platform.kubernetes.known import Known
from muster.platform.kubernetes.pods import ENDED
from muster.platform.kubernetes.rehearsal import reading, to_identify
from muster.platform.kubernetes.rights import Right, missing, tried
from muster.platform.kubernetes.selectors import matches
from muster.platform.kubernetes.workloads import Workloads
from muster.platform.partition.model import Before, Partition, PartitionState
from muster.platform.port import PortError, Touch
from muster.targets.partition import NetworkPolicyPartition

POLICIES = Kind("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy")
OURS = {"app.kubernetes.io/managed-by": "muster"}
LABEL = "app.kubernetes.io/managed-by=muster"
MARK = "muster/partition"
"""The label of a policy that holds the token of its cut."""
NAMESPACE, TOKEN, CUT = "namespace", "mark", "policies"
"""The keys of `before`; `policies`: the workload of each, by its name."""


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
        return tuple(self._refusals())

    def rehearse_revert(self) -> tuple[str, ...]:
        where = self._settings.namespace
        needed = [*to_identify(self._workloads), Right("list", POLICIES, where)]
        for name in self._settings.workloads:
            needed.append(Right("delete", POLICIES, where, name=_policy_name(name)))
        return tuple(missing(self._workloads.cluster, needed))

    def before(self) -> dict[str, Any]:
        return {
            NAMESPACE: self._settings.namespace,
            TOKEN: uuid.uuid4().hex[:12],
            CUT: {_policy_name(name): name for name in self._settings.workloads},
            **self._workloads.identify().told(),
        }

    def state(self, before: Before) -> PartitionState:
        there = set(self._there(before))
        if there and there >= set(self._names(before)):
            return "cut"
        return "partly" if there else "whole"

    def cut(self, before: Before) -> None:
        self._workloads.repeat(
            self._names(before), lambda name: self._one_cut(name, before), self._until_s()
        )

    def join(self, before: Before) -> None:
        until_s = self._until_s()
        names = self._workloads.insist(lambda: self._there(before), until_s)
        self._workloads.repeat(tuple(names), lambda name: self._one_joined(name, before), until_s)

    def command(self, before: Before) -> str | None:
        access = self._settings.model_copy(update={"namespace": self._namespace(before)})
        kubectl = kubectl_of(access)
        names = self._names(before)
        return line(*kubectl, "delete", "networkpolicy", "--ignore-not-found", *names)

    @cached_property
    def _workloads(self) -> Workloads:
        return Workloads(self._settings, self._settings.workloads, self.clock)

    def _until_s(self) -> float:
        return self.clock.monotonic_s() + self.timeout_s

    def _namespace(self, before: Before) -> str:
        return str(before.get(NAMESPACE, self._settings.namespace))

    def _names(self, before: Before) -> tuple[str, ...]:
        """Of the policies of the cut; what has no token is all that the target names."""
        cut: Mapping[str, str] = before.get(CUT) or {
            _policy_name(name): name for name in self._settings.workloads
        }
        return tuple(cut)

    def _there(self, before: Before) -> dict[str, str]:
        """The policies of the cut that are there, uids by name; of any cut if it has no token.

        One by its name alone is a later cut's of the same drill, whose first entry still stands.
        """
        path = POLICIES.path(self._namespace(before))
        found = self._workloads.cluster.items(path, labelSelector=LABEL)
        token, names = before.get(TOKEN), self._names(before)
        self._check_those(before, any_cut=bool(found))
        return {
            _name(one): text(one, "metadata", "uid")
            for one in found
            if token is None
            or mapping(one, "metadata", "labels").get(MARK) == token
            or _name(one) in names
        }

    def _check_those(self, before: Before, *, any_cut: bool) -> None:
        """Raises PortError where the context leads to another cluster than that of the cut.

        None of its policies stands there. Nor is anything known where none of its workloads is,
        and no policy (`any_cut`).
        """
        known = Known.of(before)
        if known is None or known == self._workloads.known:
            return
        where, cluster, left = self._namespace(before), self._workloads.cluster, len(known.uids)
        for name in known.uids:
            one = self._workloads.workload(name)
            try:
                known.check(name, cluster.get(one.kind.path(where, f"{one.name}/scale")))
            except Absent:
                left -= 1
        if not left and not any_cut:
            raise PortError(
                f"none of the workloads that were cut off is in namespace {where}: "
                f"{', '.join(known.uids)}"
            )
        self._workloads.known = known

    def _one_cut(self, policy: str, before: Before) -> bool:
        """Whether the policy is there, read after the change."""
        if policy in self._there(before):
            return True
        path = POLICIES.path(self._namespace(before))
        # A conflict: one of that name is there, from a call whose answer was lost, or somebody's.
        body = self._policy(before[CUT][policy], before[TOKEN])
        self._workloads.cluster.post(path, body)
        return policy in self._there(before)

    def _one_joined(self, policy: str, before: Before) -> bool:
        """Whether the policy is gone, read after the change."""
        uid = self._there(before).get(policy)
        if uid is None:
            return True
        path = POLICIES.path(self._namespace(before), policy)
        with suppress(Absent):
            self._workloads.cluster.delete(path, {"preconditions": {"uid": uid}})
        return policy not in self._there(before)

    def _policy(self, name: str, token: str) -> Json:
        return {
            "apiVersion": POLICIES.group_version,
            "kind": POLICIES.name,
            "metadata": {"name": _policy_name(name), "labels": {**OURS, MARK: token}},
            "spec": {"podSelector": self._selector(name), "policyTypes": ["Ingress"]},
        }

    def _selector(self, name: str) -> Json:
        """The workload's own selector; an empty one would cut off every pod of the namespace."""
        found = self._workloads.cluster.get(self._workloads.path(name))
        selector = mapping(found, "spec", "selector")
        if not mapping(selector, "matchLabels") and not each(selector, "matchExpressions"):
            raise PortError(f"{name}: it names no selector for its pods")
        return selector

    def _refusals(self) -> Iterator[str]:
        where, cluster = self._settings.namespace, self._workloads.cluster
        owners = {pod.uid: name for name, pod, _ in self._workloads.shown()}
        pods, policies = cluster.items(PODS.path(where)), cluster.items(POLICIES.path(where))
        for name in self._workloads.names:
            own = {uid for uid, owner in owners.items() if owner == name}
            yield from self._refused(name, own, pods, policies)

    def _refused(
        self, name: str, own: Set[str], there: Sequence[Json], policies: Sequence[Json]
    ) -> Iterator[str]:
        """What is wrong with cutting `name` off, whose pods are `own`, in its namespace."""
        selector = self._selector(name)
        pods = [
            one
            for one in there
            if text(one, "status", "phase", absent="") not in ENDED
            and matches(selector, mapping(one, "metadata", "labels"))
        ]
        names = [_name(one) for one in pods if text(one, "metadata", "uid") not in own]
        if names:
            others = ", ".join(sorted(names))
            yield f"a NetworkPolicy for {name} would cut off pods of others too: {others}"
        for one in policies:
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
        policy = self._policy(name, "dry-run")
        path = POLICIES.path(self._settings.namespace)
        create = partial(self._workloads.cluster.post, path, policy, dry_run=True)
        yield from tried(f"a NetworkPolicy for {name}", create)


def _policy_name(workload: str) -> str:
    kind, _, name = workload.partition("/")
    return f"muster-partition-{kind}-{name}"[:253]


def _name(found: Json) -> str:
    return text(found, "metadata", "name")
