"""Kills a share of a region's pods at once, with 1 s of grace. Their controllers replace them.

Which ones follows from the seed of the run and from the pods that there are. At least one pod of
the region is left: the loss of all of them is another fault. A deletion names the pod's uid, so one
that arrives late ends no other pod.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from random import Random
from typing import Any

from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.by_hand import line
from muster.platform.cluster.model import Back, Before
from muster.platform.cluster.on_workloads import ROLLS, OnWorkloads, Shown, ends
from muster.platform.kubernetes.cluster import kubectl_of
from muster.platform.kubernetes.kinds import PODS
from muster.platform.kubernetes.pods import Pod
from muster.platform.kubernetes.rehearsal import reading
from muster.platform.kubernetes.rights import Right, missing, tried
from muster.platform.kubernetes.workloads import KILL_GRACE_S, forced
from muster.platform.port import Change, PortError, Proof
from muster.targets.cluster import KubernetesCluster

CHOSEN, OF = "pods", "of"
"""The keys of `before` that hold the uids by pod, and how many pods there were."""


class KilledPods(OnWorkloads):
    """A share of the pods of all workloads together."""

    def __init__(
        self,
        region: str,
        settings: KubernetesCluster,
        clock: Clock = SYSTEM_CLOCK,
        share_pct: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__(region, settings, clock)
        self._share_pct = share_pct
        self._seed = seed

    def rehearse(self) -> tuple[str, ...]:
        where = self.settings.namespace
        needed = [*reading(self.workloads), Right("delete", PODS, where)]
        if lines := tuple(missing(self.workloads.cluster, needed)):
            return lines
        name, uid = next(iter(self.before()[CHOSEN].items()))
        chosen = Pod(name, uid, True)
        path = PODS.path(where, chosen.name)
        delete = partial(self.workloads.cluster.delete, path, forced(chosen), dry_run=True)
        return tuple(tried(f"deleting the pod {chosen.name}", delete))

    def rehearse_revert(self) -> tuple[str, ...]:
        return tuple(missing(self.workloads.cluster, self.to_see_whole()))

    def change(self) -> Change:
        found = self.before()
        names = ", ".join(found[CHOSEN])
        return Change(
            f"{found[OF]} pods", f"killed with {KILL_GRACE_S} s of grace: {names}, and replaced"
        )

    def before(self) -> dict[str, Any]:
        whole = super().before()
        pods = {pod.name: pod.uid for _, pod, _ in self.serving()}
        if len(pods) < 2:
            raise PortError(
                f"region {self.region}: {len(pods)} pod is there: expected 2 or more, of which "
                "one is left; the loss of all is region_loss"
            )
        count = min(len(pods) - 1, max(1, int(len(pods) * self._share_pct / 100 + 0.5)))
        chosen = sorted(Random(f"{self._seed} {self.region}").sample(sorted(pods), count))
        return {**whole, CHOSEN: {name: pods[name] for name in chosen}, OF: len(pods)}

    def apply(self, before: Before) -> None:
        self.told(before)
        chosen: Mapping[str, str] = before[CHOSEN]
        until_s = self.until_s()
        self.workloads.delete([Pod(*one, True) for one in chosen.items()], until_s)
        # They stay until their processes are gone. Past the time the proof says which are left.
        while not self.workloads.insist(lambda: self.look(before), until_s).proven:
            if not self.pause(until_s):
                return

    def look(self, before: Before) -> Proof:
        self.told(before)
        chosen: Mapping[str, str] = before[CHOSEN]
        uids = {pod.uid for _, pod, _ in self.shown()}
        left = sorted(name for name, uid in chosen.items() if uid in uids)
        gone = len(chosen) - len(left)
        why = f"{gone} of {before[OF]} pods were killed"
        if left:
            why = f"pods are left: {', '.join(left)}"
        return Proof(not left, why, {"pods": before[OF], "pods_killed": gone})

    def revert(self, before: Before) -> None:
        self.told(before)
        until_s = self.until_s()
        while left := self.workloads.insist(lambda: _ending(before, self.shown()), until_s):
            if not self.pause(until_s):
                raise PortError(f"region {self.region}: killed pods are left: {', '.join(left)}")
        self.await_whole(before, until_s)

    def state(self, before: Before) -> Back:
        self.told(before)
        pods = self.shown()
        expected, shown = self.replicas(before, pods)
        whole = shown == expected
        if left := _ending(before, pods):
            whole, shown = False, f"{shown}, killed pods are left: {', '.join(left)}"
        return Back(expected, shown, whole)

    def command(self, before: Before) -> str | None:
        self.told(before)
        names = self.settings.workloads
        if not all(name.startswith(ROLLS) for name in names):
            return None
        kubectl = kubectl_of(self.settings)
        timeout = f"--timeout={self.timeout_s:.0f}s"
        return " && ".join(line(*kubectl, "rollout", "status", name, timeout) for name in names)


def _ending(before: Before, pods: Sequence[Shown]) -> list[str]:
    """The chosen pods that were killed and are still there.

    One that does not end was never killed: the drill died before it did.
    """
    uids = {pod.uid for _, pod, one in pods if ends(one)}
    return sorted(name for name, uid in before[CHOSEN].items() if uid in uids)
