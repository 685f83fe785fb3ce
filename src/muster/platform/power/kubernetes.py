"""Scales workloads to 0 and back to the replicas that they had.

Dark: no workload is asked for replicas, none of their pods is left, including terminating ones, and
`ready_url` gets no answer except a load balancer's 502, 503 or 504 for a missing upstream.

Back: as many replicas are available as were asked for before, or as many as its autoscaler asks for
now. Muster never lowers replicas, and never sets those that an autoscaler set within its limits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from typing import Any

from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.by_hand import line
from muster.platform.kubernetes.autoscalers import autoscalers
from muster.platform.kubernetes.cluster import Refused, kubectl_of, look_s_max
from muster.platform.kubernetes.keda import PAUSED, pause, resume, still_paused, to_pause
from muster.platform.kubernetes.known import Known
from muster.platform.kubernetes.others import others_of
from muster.platform.kubernetes.rehearsal import refusals, refusals_of_start
from muster.platform.kubernetes.workloads import KILL_GRACE_S, Workloads
from muster.platform.looks import Look, serves
from muster.platform.port import Change, Other, PortError, Proof, Touch
from muster.platform.power.model import Before, Power, PowerState
from muster.targets.power import KubernetesPower

REPLICAS = "replicas"
"""The key of `before` that holds the replicas by workload."""
AUTOSCALED = "autoscaled"
"""The key of `before` that lists the workloads that an autoscaler scaled then."""
KEDA = "keda"
"""The key of `before` that lists KEDA's ScaledObjects that the stop pauses."""
NAMESPACE = "namespace"
"""The key of `before` that says where they are."""
Bounds = Mapping[str, tuple[int, int]]


class PowerByKubernetes(Power):
    """A region's power by scaling its workloads."""

    def __init__(self, region: str, settings: KubernetesPower, clock: Clock = SYSTEM_CLOCK) -> None:
        super().__init__(region, clock)
        self._settings = settings
        self._told: list[str] | None = None

    @property
    def timeout_s(self) -> float:
        return self._settings.timeout_s

    @property
    def look_s_max(self) -> float:
        return look_s_max(len(self._settings.workloads))

    @property
    def dark_s_max(self) -> float:
        return self.timeout_s

    def touches(self) -> tuple[Touch, ...]:
        return (Touch("namespaces", self._settings.namespace),)

    @property
    def workloads(self) -> tuple[str, ...]:
        return tuple(name.partition("/")[2] for name in self._settings.workloads)

    def others(self) -> tuple[Other, ...]:
        return others_of(self._cluster, pauses_keda=self._settings.pause_keda)

    def rehearse(self, *, kill: bool = False) -> tuple[str, ...]:
        return refusals(self._cluster, kill=kill, pauses_keda=self._settings.pause_keda)

    def rehearse_revert(self) -> tuple[str, ...]:
        return refusals_of_start(self._cluster, pauses_keda=self._settings.pause_keda)

    def change(self, *, kill: bool = False) -> Change:
        shown = f"replicas {_counts(self._cluster.asked())}"
        for name, (low, high) in sorted(self._bounds().items()):
            shown += f", {name} autoscaled from {low} to {high}"
        after = f"replicas 0, pods deleted with {KILL_GRACE_S} s of grace" if kill else "replicas 0"
        if names := self._to_pause():
            after += f", KEDA's {', '.join(names)} paused"
        return Change(shown, after)

    def before(self, *, drained: bool = False) -> dict[str, Any]:
        asked, available = self._cluster.counts()
        if not all(asked.values()):
            raise PortError(f"region {self.region}: not running before the fault: {asked}")
        # A draining gateway fails its readiness probe, and its workload then counts none available.
        if not drained and any(available[name] < count for name, count in asked.items()):
            shown = f"replicas {_counts(asked)}, available {_counts(available)}"
            raise PortError(f"region {self.region}: not whole before the fault: {shown}")
        self._told = self._to_pause()
        lists = {AUTOSCALED: sorted(self._bounds()), KEDA: self._told}
        found = {NAMESPACE: self._settings.namespace, REPLICAS: asked}
        found |= self._cluster.identify().told()
        return found | {key: names for key, names in lists.items() if names}

    def stop(self) -> None:
        until_s = self._until_s()
        self._pause(until_s)
        self._cluster.set(lambda name, asked: 0, until_s)
        self._cluster.await_gone(until_s)

    def kill(self) -> None:
        until_s = self._until_s()
        self._pause(until_s)
        self._cluster.kill(until_s)

    @property
    def cut_at_s(self) -> float | None:
        return self._cluster.cut_at_s

    def start(self, before: Before) -> None:
        wanted = _replicas(before)
        if wanted is None:
            raise PortError(f"region {self.region}: the replicas before the fault are unknown")
        until_s, stopped = self._until_s(), self._stopped(before, wanted)
        bounds = stopped.insist(lambda: bounds_of(stopped), until_s)

        def wish(name: str, asked: int) -> int | None:
            count = wanted.get(name)
            return None if count is None or _enough(asked, count, bounds.get(name)) else count

        needed = {
            name: min(count, bounds[name][0]) if name in bounds else count
            for name, count in wanted.items()
        }
        stopped.set(wish, until_s)
        paused = before.get(KEDA, ())
        try:
            stopped.await_available(needed, until_s)
        except PortError as error:
            # KEDA may still bring the region back.
            try:
                resume(stopped, paused, until_s)
            except PortError as second:
                raise PortError(f"{error}; {second}") from error
            raise
        resume(stopped, paused, until_s)

    def state(self, before: Before) -> PowerState | None:
        wanted = _replicas(before)
        if wanted is None:
            return None
        stopped = self._stopped(before, wanted)
        asked, available = stopped.counts()
        moved = any(asked[name] != count for name, count in wanted.items())
        found = state_of(wanted, asked, available, bounds_of(stopped) if moved else {})
        paused = _still_paused(stopped, before)
        return replace(found, shown=f"{found.shown}, {paused}", whole=False) if paused else found

    def dark(
        self, look: Callable[[], Look], answered: int | None, others: Callable[[], bool]
    ) -> Proof:
        seen = self._cluster.pods()
        asked = {name: count for name, (count, _) in seen.items() if count}
        left = {name: len(pods) for name, (_, pods) in seen.items()}
        shown = look()
        facts = {"pods": left, "met": shown.met, "status": shown.status, "ready": shown.ready}
        return Proof(
            proven=not asked and not any(left.values()) and not serves(shown),
            why=f"pods left: {left}; ready_url {shown.said}",
            facts=facts,
            another=f"replicas 0 -> {_counts(asked)}" if asked else "",
        )

    def command(self, before: Before) -> str | None:
        wanted = _replicas(before)
        if wanted is None:
            return None
        where = kubectl_of(self._access(before))
        # What an autoscaler has set since must stay: it sets nothing as long as there are none.
        from_none = dict.fromkeys(before.get(AUTOSCALED, ()), ("--current-replicas=0",))
        lines = [
            line(*where, "scale", name, *from_none.get(name, ()), f"--replicas={count}")
            for name, count in wanted.items()
        ]
        lines += [
            line(*where, "annotate", f"scaledobject/{name}", f"{PAUSED}-")
            for name in before.get(KEDA, ())
        ]
        return "; ".join(lines)

    @cached_property
    def _cluster(self) -> Workloads:
        return Workloads(self._settings, self._settings.workloads, self.clock)

    def _until_s(self) -> float:
        return self.clock.monotonic_s() + self.timeout_s

    def _to_pause(self) -> list[str]:
        return to_pause(self._cluster) if self._settings.pause_keda else []

    def _pause(self, until_s: float) -> None:
        if not self._settings.pause_keda:
            return
        names = self._to_pause()
        if self._told is not None and (new := sorted(set(names) - set(self._told))):
            # Nobody would resume it.
            raise PortError(f"region {self.region}: KEDA's {', '.join(new)} came meanwhile")
        pause(self._cluster, names, until_s)

    def _bounds(self) -> Bounds:
        return bounds_of(self._cluster)

    def _access(self, before: Before) -> KubernetesPower:
        """The way to what was stopped, wherever the target says that its workloads are by now."""
        where = before.get(NAMESPACE, self._settings.namespace)
        return self._settings.model_copy(update={"namespace": where})

    def _stopped(self, before: Before, wanted: Mapping[str, int]) -> Workloads:
        """What was stopped, whatever the target names by now."""
        access, names = self._access(before), tuple(wanted)
        found = self._cluster
        if (access.namespace, names) != (self._settings.namespace, found.names):
            found = Workloads(access, names, self.clock)
        found.known = Known.of(before)
        return found


def bounds_of(workloads: Workloads) -> Bounds:
    """Least and most replicas of each workload that an autoscaler scales. Raises PortError.

    None without the right to list them: then the replicas must be as before.
    """
    try:
        return {one.workload: (one.low, one.high) for one in autoscalers(workloads)}
    except Refused:
        return {}


def _still_paused(stopped: Workloads, before: Before) -> str:
    """Which of KEDA's ScaledObjects that the stop paused still are; empty: none."""
    said = still_paused(stopped, before.get(KEDA, ()))
    return f"KEDA's {', '.join(said)} paused" if said else ""


def state_of(
    before: Mapping[str, int],
    asked: Mapping[str, int],
    available: Mapping[str, int],
    bounds: Bounds,
) -> PowerState:
    """Whether as many replicas are available as before, or as an autoscaler asks for now."""
    whole, comes, scaled = True, True, False
    for name, count in before.items():
        limits = bounds.get(name)
        enough = _enough(asked[name], count, limits)
        needed = count if limits is None else asked[name]
        whole = whole and enough and available[name] >= needed
        comes = comes and enough
        scaled = scaled or (limits is not None and asked[name] != count)
    shown = f"replicas {_counts(asked)}"
    if available != asked:
        shown += f", available {_counts(available)}"
    return PowerState(
        f"replicas {_counts(before)}", shown, whole, comes and not whole, scaled and whole
    )


def _enough(asked: int, before: int, limits: tuple[int, int] | None) -> bool:
    """Whether `asked` need not be changed: as before or more, or within an autoscaler's limits."""
    if limits is not None and asked > 0:
        return limits[0] <= asked <= limits[1] or asked == before
    return asked >= before


def _replicas(before: Before) -> dict[str, int] | None:
    replicas = before.get(REPLICAS)
    if replicas is None:
        return None
    # Logs of before workloads had kinds name deployments alone.
    return {name if "/" in name else f"deployment/{name}": n for name, n in replicas.items()}


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
