"""A region goes dark: its gateways and its Redis stop. The way is the target's `power`.

`process` asks the testbed's control API, `kubernetes` scales the named deployments to 0 and back to
the replicas that the undo log remembers, `none` does nothing and says so.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Self

import httpx

from muster.faults.by_hand import line
from muster.faults.http_hook import call
from muster.faults.kubernetes import Deployments
from muster.faults.model import Change, Fault, FaultError, Proof, ReadBack, Touch
from muster.targets.model import KubernetesPower, ProcessPower, Target

READY_S_MAX = 2.0


class RegionPower(Fault):
    """The region is stopped; `revert` starts it and waits until it is ready."""

    kind = "region_power"

    def __init__(
        self, target: Target, region: str, replicas: Mapping[str, int] | None = None
    ) -> None:
        super().__init__(target, region)
        self._power = target.regions[region].power
        self._replicas = dict(replicas) if replicas is not None else None

    @property
    def subject(self) -> str:
        return f"region {self.region}"

    def touches(self) -> tuple[Touch, ...]:
        if isinstance(self._power, KubernetesPower):
            return (*super().touches(), Touch("namespaces", self._power.namespace))
        return super().touches()

    def change(self) -> Change:
        if isinstance(self._power, KubernetesPower):
            replicas = Deployments(self._power).replicas()
            shown = ", ".join(f"{name} {count}" for name, count in replicas.items())
            return Change(f"replicas {shown}", "replicas 0")
        if isinstance(self._power, ProcessPower):
            return Change(str(self._process_state()["power"]), "off")
        return Change("on", "on: the target's power is none, weight 0 stands for dark")

    def undo_params(self) -> dict[str, Any]:
        if isinstance(self._power, KubernetesPower):
            self._replicas = Deployments(self._power).replicas()
            if not all(self._replicas.values()):
                raise FaultError(f"{self.subject}: not running before the fault: {self._replicas}")
            return {"replicas": self._replicas}
        if isinstance(self._power, ProcessPower) and self._process_state()["power"] != "on":
            raise FaultError(f"{self.subject}: not running before the fault")
        return {}

    @classmethod
    def restore(cls, target: Target, region: str, params: Mapping[str, Any]) -> Self:
        return cls(target, region, replicas=params.get("replicas"))

    def apply(self) -> None:
        if isinstance(self._power, ProcessPower):
            self._process("stop")
        elif isinstance(self._power, KubernetesPower):
            Deployments(self._power).scale(dict.fromkeys(self._power.deployments, 0))

    def observe(self) -> Proof:
        if self._power.kind == "none":
            return Proof(
                True, "not stopped: the target's power is none; weight 0 stands for dark", {}
            )
        if isinstance(self._power, KubernetesPower):
            return self._observe_deployments(self._power)
        answers = self.answers()
        return Proof(
            proven=not answers,
            why="the region still answers" if answers else "the region refuses connections",
            facts={"answers": answers},
        )

    def _observe_deployments(self, power: KubernetesPower) -> Proof:
        # A load balancer goes on answering for a region without pods: it must only not be ready.
        running = Deployments(power).running()
        ready = self.ready()
        return Proof(
            proven=not any(running.values()) and not ready,
            why=f"pods left: {running}; the region is {'ready' if ready else 'not ready'}",
            facts={"pods": running, "ready": ready},
        )

    def revert(self) -> None:
        if isinstance(self._power, ProcessPower):
            self._process("start")
        elif isinstance(self._power, KubernetesPower):
            if self._replicas is None:
                raise FaultError(f"{self.subject}: the replicas before the fault are unknown")
            deployments = Deployments(self._power)
            deployments.scale(self._replicas)
            deployments.await_available(self._replicas, self._power.timeout_s)
        self._await_ready()

    def read_back(self) -> ReadBack:
        ready = self.ready()
        shown = "ready" if ready else "not ready"
        if isinstance(self._power, ProcessPower):
            # One gateway of several is ready too: all of the region must be on.
            power = str(self._process_state().get("power", "unknown"))
            whole = ready and power == "on"
            return ReadBack(self.subject, "ready, power on", f"{shown}, power {power}", whole)
        if not isinstance(self._power, KubernetesPower) or self._replicas is None:
            return ReadBack(self.subject, "ready", shown, ready)
        replicas = Deployments(self._power).replicas()
        return ReadBack(
            self.subject,
            f"ready, {self._replicas}",
            f"{shown}, {replicas}",
            ready and replicas == self._replicas,
        )

    def command(self) -> str | None:
        power = self._power
        if isinstance(power, KubernetesPower):
            if self._replicas is None:
                return None
            where = ["kubectl", "-n", power.namespace]
            where += ["--context", power.context] if power.context else []
            return "; ".join(
                line(*where, "scale", "deployment", name, f"--replicas={count}")
                for name, count in self._replicas.items()
            )
        if isinstance(power, ProcessPower):
            return None
        return f"# {self.subject} was not stopped"

    def ready(self) -> bool:
        """Whether the region's ready_url answers 2xx now."""
        status = self._status()
        return status is not None and 200 <= status < 300

    def answers(self) -> bool:
        """Whether anything answers there, whatever it says."""
        return self._status() is not None

    def _status(self) -> int | None:
        url = self.target.regions[self.region].ready_url
        try:
            return httpx.get(url, timeout=READY_S_MAX, trust_env=False).status_code
        except httpx.HTTPError:
            return None

    def _await_ready(self) -> None:
        end = time.monotonic() + getattr(self._power, "timeout_s", 60.0)
        while not self.ready():
            if time.monotonic() > end:
                raise FaultError(f"{self.subject}: started but not ready")
            time.sleep(0.2)

    def _process(self, verb: str) -> dict[str, Any]:
        power = self._process_power()
        return call("POST", f"{power.url}/{verb}", power.token, power.timeout_s)

    def _process_state(self) -> dict[str, Any]:
        power = self._process_power()
        return call("GET", power.url, power.token, power.timeout_s)

    def _process_power(self) -> ProcessPower:
        if not isinstance(self._power, ProcessPower):
            raise FaultError(f"{self.subject}: its power is {self._power.kind}, not process")
        return self._power
