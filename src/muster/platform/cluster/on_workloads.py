"""What every disruption of workloads shares: all of it is whole before, and whole again.

Whole: as many replicas are available as before, or as many as an autoscaler asks for now; by the
workload's status, once its controller has seen the last change, and by its own pods. What was
whole before is in the undo entry: workloads that the target names no more belong to it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.cluster.model import Before, Disruption
from muster.platform.kubernetes.autoscalers import autoscalers
from muster.platform.kubernetes.changes import LOOK_APART_S
from muster.platform.kubernetes.cluster import Refused, Unanswered, look_s_max
from muster.platform.kubernetes.fields import Json, mapping
from muster.platform.kubernetes.known import Known
from muster.platform.kubernetes.pods import Pod, is_ready
from muster.platform.kubernetes.rehearsal import reading
from muster.platform.kubernetes.rights import Right
from muster.platform.kubernetes.workloads import Workloads
from muster.platform.port import PortError, Touch
from muster.targets.cluster import KubernetesCluster

REPLICAS, NAMESPACE = "replicas", "namespace"
"""The keys of `before` that hold the replicas by workload, and where they are."""
ROLLS = ("deployment/", "statefulset/", "daemonset/")
"""Workloads of which kubectl says whether they are whole."""

Shown = tuple[str, Pod, Json]
"""A pod: of which workload, and as the API shows it."""


class OnWorkloads(Disruption):
    """Something that is done to pods of the target's workloads."""

    def __init__(
        self, region: str, settings: KubernetesCluster, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.region = region
        self.clock = clock
        self.settings = settings
        self._known: Known | None = None

    @property
    def timeout_s(self) -> float:
        return self.settings.timeout_s

    @property
    def look_s_max(self) -> float:
        return look_s_max(len(self.settings.workloads))

    def touches(self) -> tuple[Touch, ...]:
        return (Touch("namespaces", self.settings.namespace),)

    @property
    def workloads(self) -> Workloads:
        """The workloads, reached when they are first needed. Raises PortError."""
        found = self._reached
        found.known = self._known
        return found

    @cached_property
    def _reached(self) -> Workloads:
        return Workloads(self.settings, self.settings.workloads, self.clock)

    def told(self, before: Before) -> None:
        """From now on it is about what `before` names, whatever the target names by now."""
        named = {
            "namespace": before.get(NAMESPACE, self.settings.namespace),
            "workloads": tuple(before.get(REPLICAS, self.settings.workloads)),
        }
        self._known = Known.of(before)
        if any(getattr(self.settings, key) != value for key, value in named.items()):
            self.settings = self.settings.model_copy(update=named)
            self.__dict__.pop("_reached", None)

    def until_s(self) -> float:
        """When a change that begins now must be done, on the monotonic clock."""
        return self.clock.monotonic_s() + self.timeout_s

    def before(self) -> dict[str, Any]:
        asked, available = self.workloads.counts()
        short = sorted(name for name, count in asked.items() if available[name] < count)
        if short or not all(asked.values()):
            shown = ", ".join(
                f"{name} {available[name]} of {asked[name]}" for name in sorted(asked)
            )
            raise PortError(f"region {self.region}: not whole before the fault: available {shown}")
        self._known = self.workloads.identify()
        return {NAMESPACE: self.settings.namespace, REPLICAS: asked, **self._known.told()}

    def to_see_whole(self) -> list[Right]:
        """The rights that `state` and `await_whole` need. Raises PortError."""
        return reading(self.workloads)

    def shown(self) -> list[Shown]:
        """The workloads' own pods. Raises PortError."""
        return self.workloads.shown()

    def serving(self) -> list[Shown]:
        """Those that are not about to end. Raises PortError."""
        return [one for one in self.shown() if not ends(one[2])]

    def replicas(self, before: Before, pods: Sequence[Shown] | None = None) -> tuple[str, str]:
        """How many replicas must be available, and how many are. Raises PortError.

        `pods`: the workloads' own, if they were listed just now.
        """
        wanted = self._wanted(before)
        available = self._available(self.shown() if pods is None else pods)
        # More than before, as an autoscaler may have set, are as good.
        shown = {name: min(available[name], count) for name, count in wanted.items()}
        return _said(wanted), _said(shown)

    def await_whole(self, before: Before, until_s: float) -> None:
        """Wait until all replicas are available. Raises PortError if they are not in time."""
        wanted = self.workloads.insist(lambda: self._wanted(before), until_s)
        self.workloads.await_available(wanted, until_s)
        while short := self._short(wanted):
            if not self.pause(until_s):
                raise PortError(f"region {self.region}: not available in time: {short}")

    def _short(self, wanted: Mapping[str, int]) -> str:
        """What lacks, or why that is unknown; empty if nothing does."""
        try:
            found = self._available(self.shown())
        except Unanswered as error:
            return str(error)
        lacks = {name: count for name, count in wanted.items() if found[name] < count}
        return ", ".join(f"{name} {found[name]} of {count}" for name, count in lacks.items())

    def _available(self, pods: Sequence[Shown]) -> dict[str, int]:
        """How many replicas of each are available, and have a pod that shows it.

        A status may be older than what was done: right after pods were killed it still counts
        them. The pods themselves show what is there; but a pod that is ready is only available
        after its workload's `minReadySeconds`, which the status knows.
        """
        _, told = self.workloads.counts()
        ready = Counter(name for name, _, one in pods if is_ready(one) and not ends(one))
        return {name: min(count, ready[name]) for name, count in told.items()}

    def pause(self, until_s: float) -> bool:
        """Wait a moment before the next look; false if the time is over."""
        if self.clock.monotonic_s() > until_s:
            return False
        self.clock.sleep(LOOK_APART_S)
        return True

    def _wanted(self, before: Before) -> dict[str, int]:
        told: Mapping[str, int] = before.get(REPLICAS, {})
        try:
            scaled = {one.workload for one in autoscalers(self.workloads)}
        except Refused:
            scaled = set()  # without the right to list them, all must be as before
        asked = self.workloads.asked() if scaled & set(told) else {}
        return {name: asked[name] if name in scaled else count for name, count in told.items()}


def ends(pod: Json) -> bool:
    """Whether somebody has asked for the pod's end."""
    return "deletionTimestamp" in mapping(pod, "metadata")


def said_of(error: Unanswered | None) -> str:
    """The last error of a change that is repeated, for a message; empty if there was none."""
    return f": {error}" if error is not None else ""


def _said(counts: Mapping[str, int]) -> str:
    shown = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    return f"available {shown}"
