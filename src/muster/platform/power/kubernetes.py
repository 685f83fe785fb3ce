"""Scales deployments to 0 and back to the replicas that they had.

Dark: no pod of the deployments' selectors is left, including terminating ones, and `ready_url` gets
no answer except a load balancer's 502, 503 or 504 for a missing upstream.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.by_hand import line
from muster.platform.deployments import Deployments
from muster.platform.kubernetes_others import others_of
from muster.platform.looks import Look, serves
from muster.platform.port import Change, Other, PortError, Proof, Touch
from muster.platform.power.model import Before, Power, PowerState
from muster.targets.power import KubernetesPower

REPLICAS = "replicas"
"""The key of `before` that holds the replicas by deployment."""


class PowerByKubernetes(Power):
    """A region's power by scaling its deployments."""

    def __init__(self, region: str, settings: KubernetesPower, clock: Clock = SYSTEM_CLOCK) -> None:
        super().__init__(region, clock)
        self._settings = settings

    @property
    def timeout_s(self) -> float:
        return self._settings.timeout_s

    def touches(self) -> tuple[Touch, ...]:
        return (Touch("namespaces", self._settings.namespace),)

    @property
    def workloads(self) -> tuple[str, ...]:
        return tuple(self._settings.deployments)

    def others(self) -> tuple[Other, ...]:
        return others_of(self._deployments)

    def change(self, *, kill: bool = False) -> Change:
        shown = ", ".join(f"{name} {count}" for name, count in self._deployments.replicas().items())
        after = "replicas 0, pods deleted without grace" if kill else "replicas 0"
        return Change(f"replicas {shown}", after)

    def before(self) -> dict[str, Any]:
        replicas = self._deployments.replicas()
        if not all(replicas.values()):
            raise PortError(f"region {self.region}: not running before the fault: {replicas}")
        return {REPLICAS: replicas}

    def stop(self) -> None:
        deployments = self._deployments
        deployments.scale(dict.fromkeys(self._settings.deployments, 0))
        deployments.await_gone(self.timeout_s)

    def kill(self) -> None:
        self._deployments.kill()

    def start(self, before: Before) -> None:
        replicas = _replicas(before)
        if replicas is None:
            raise PortError(f"region {self.region}: the replicas before the fault are unknown")
        deployments = self._deployments
        deployments.scale(replicas)
        deployments.await_available(replicas, self.timeout_s)

    def state(self, before: Before) -> PowerState | None:
        replicas = _replicas(before)
        return None if replicas is None else state_of(self._deployments, replicas)

    def dark(
        self, look: Callable[[], Look], answered: int | None, others: Callable[[], bool]
    ) -> Proof:
        running = self._deployments.running()
        shown = look()
        return Proof(
            proven=not any(running.values()) and not serves(shown),
            why=f"pods left: {running}; ready_url {shown.said}",
            facts={"pods": running, "met": shown.met, "status": shown.status, "ready": shown.ready},
        )

    def command(self, before: Before) -> str | None:
        replicas = _replicas(before)
        if replicas is None:
            return None
        where = ["kubectl", "-n", self._settings.namespace]
        where += ["--context", self._settings.context] if self._settings.context else []
        return "; ".join(
            line(*where, "scale", "deployment", name, f"--replicas={count}")
            for name, count in replicas.items()
        )

    @property
    def _deployments(self) -> Deployments:
        one = self._settings
        return Deployments(one.namespace, one.deployments, one.context, self.clock)


def state_of(deployments: Deployments, before: Mapping[str, int]) -> PowerState:
    """Desired and available replicas, as before or within an autoscaler's limits.

    Raises PortError.
    """
    asked, available = deployments.replicas(), deployments.available()
    whole, comes, scaled = True, True, False
    bounds = deployments.autoscaled() if asked != dict(before) else {}
    for name, count in before.items():
        low, high = bounds.get(name, (count, count))
        as_before = asked[name] == count
        scaled = scaled or not as_before
        if not as_before and not low <= asked[name] <= high:
            whole = comes = False
        whole = whole and available[name] >= asked[name]
    shown = f"replicas {_counts(asked)}"
    if available != asked:
        shown += f", available {_counts(available)}"
    return PowerState(
        f"replicas {_counts(before)}", shown, whole, comes and not whole, scaled and whole
    )


def _replicas(before: Before) -> dict[str, int] | None:
    replicas = before.get(REPLICAS)
    return dict(replicas) if replicas is not None else None


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
