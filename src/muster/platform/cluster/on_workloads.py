"""What every disruption of workloads shares: all of it is whole before, and whole again.

Whole: as many replicas are available as before, or as many as an autoscaler asks for now.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.cluster.model import Before, Disruption
from muster.platform.kubernetes.autoscalers import autoscalers
from muster.platform.kubernetes.cluster import Refused, Unanswered
from muster.platform.kubernetes.fields import Json, mapping
from muster.platform.kubernetes.pods import Pod
from muster.platform.kubernetes.workloads import LOOK_APART_S, Workloads
from muster.platform.port import PortError, Touch
from muster.targets.cluster import KubernetesCluster

REPLICAS = "replicas"
"""The key of `before` that holds the replicas by workload."""
ROLLS = ("deployment/", "statefulset/", "daemonset/")
"""Workloads of which kubectl says whether they are whole."""


class OnWorkloads(Disruption):
    """Something that is done to pods of the target's workloads."""

    def __init__(
        self, region: str, settings: KubernetesCluster, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self.region = region
        self.clock = clock
        self.settings = settings

    @property
    def timeout_s(self) -> float:
        return self.settings.timeout_s

    def touches(self) -> tuple[Touch, ...]:
        return (Touch("namespaces", self.settings.namespace),)

    @cached_property
    def workloads(self) -> Workloads:
        """The workloads, reached when they are first needed. Raises PortError."""
        return Workloads(self.settings, self.settings.workloads, self.clock)

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
        return {REPLICAS: asked}

    def serving(self) -> list[tuple[str, Pod, Json]]:
        """The workloads' own pods that are not about to end. Raises PortError."""
        return [
            one
            for one in self.workloads.shown()
            if "deletionTimestamp" not in mapping(one[2], "metadata")
        ]

    def replicas(self, before: Before) -> tuple[str, str]:
        """How many replicas must be available, and how many are. Raises PortError."""
        wanted = self._wanted(before)
        _, available = self.workloads.counts()
        # More than before, as an autoscaler may have set, are as good.
        shown = {name: min(available[name], count) for name, count in wanted.items()}
        return _said(wanted), _said(shown)

    def await_whole(self, before: Before, until_s: float) -> None:
        """Wait until all replicas are available. Raises PortError if they are not in time."""
        wanted = self.workloads.insist(lambda: self._wanted(before), until_s)
        self.workloads.await_available(wanted, until_s)

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


def said_of(error: Unanswered | None) -> str:
    """The last error of a change that is repeated, for a message; empty if there was none."""
    return f": {error}" if error is not None else ""


def _said(counts: Mapping[str, int]) -> str:
    shown = ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
    return f"available {shown}"
