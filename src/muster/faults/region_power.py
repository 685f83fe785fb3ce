"""A region goes dark: its gateways and its Redis stop. The way is the target's `power`.

`process` asks the testbed's control API, `kubernetes` scales the named deployments to 0 and back to
the replicas that the undo log remembers, `none` does nothing and says so.

Dark, by `process`: the region's `ready_url` answered before, and now it refuses connections, or
takes none while another region answers. An answer of any status, or an accepted connection without
one, means that something still serves there. Dark, by `kubernetes`: no pod of the deployments'
selectors is left, terminating ones included, and `ready_url` gets no answer but a load balancer's
502, 503 or 504 for a missing upstream.

Back: ready in every look for a stretch longer than a health check's interval, the power port shows
the whole region (processes, replicas), and its stream limit is what it was before. A limit that
cannot be read is said; then the power port's own count decides.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Self

from muster.faults import capacity
from muster.faults.back import Stretch, back_s_max
from muster.faults.by_hand import line
from muster.faults.http_hook import call
from muster.faults.kubernetes import Deployments
from muster.faults.model import Fault, FaultError, ReadBack
from muster.faults.power_state import PowerState, kubernetes_state, process_state
from muster.platform.looks import UPSTREAM_MISSING, Look, look_at
from muster.platform.port import Change, Proof, Touch
from muster.targets.model import Target
from muster.targets.power import KubernetesPower, NoPower, ProcessPower

LOOK_APART_S = 0.3


class RegionPower(Fault):
    """The region is stopped; `revert` starts it and waits until it is ready.

    `steady_s` is how long it must stay ready, without a break, before it counts as back.
    """

    kind = "region_power"

    def __init__(
        self,
        target: Target,
        region: str,
        replicas: Mapping[str, int] | None = None,
        *,
        steady_s: float = 0.0,
        answered: int | None = None,
        streams_limit: float | None = None,
    ) -> None:
        super().__init__(target, region)
        self._power = target.regions[region].power
        self._replicas = dict(replicas) if replicas is not None else None
        self._steady_s = steady_s
        self._answered = answered
        self._limit = streams_limit
        self._stretch = Stretch(steady_s)

    @property
    def subject(self) -> str:
        return f"region {self.region}"

    @property
    def retry_s(self) -> float:
        return getattr(self._power, "timeout_s", 0.0)

    @property
    def back_s_max(self) -> float:
        """How long it may take, once started and ready, to be back for good (seconds)."""
        return back_s_max(self._steady_s, self.target.prometheus.scrape_interval_s)

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
            return {"replicas": self._replicas, **self._before()}
        if isinstance(self._power, ProcessPower):
            if self._process_state()["power"] != "on":
                raise FaultError(f"{self.subject}: not running before the fault")
            return self._before()
        return {"steady_s": self._steady_s} if self._steady_s else {}

    def _before(self) -> dict[str, Any]:
        """What the region shows before it is stopped, as the undo log keeps it."""
        self._answered = self._look().status
        try:
            self._limit = capacity.streams_limit(self.target, self.region)
        except FaultError:
            self._limit = None
        return {
            "steady_s": self._steady_s,
            "answered": self._answered,
            "streams_limit": self._limit,
        }

    @classmethod
    def restore(cls, target: Target, region: str, params: Mapping[str, Any]) -> Self:
        return cls(
            target,
            region,
            replicas=params.get("replicas"),
            # Logs that are older than these keys lack them.
            steady_s=float(params.get("steady_s") or 0.0),
            answered=params.get("answered"),
            streams_limit=params.get("streams_limit"),
        )

    def apply(self) -> None:
        if isinstance(self._power, ProcessPower):
            self._process("stop")
        elif isinstance(self._power, KubernetesPower):
            deployments = Deployments(self._power)
            deployments.scale(dict.fromkeys(self._power.deployments, 0))
            deployments.await_gone(self._power.timeout_s)

    def observe(self) -> Proof:
        if self._power.kind == "none":
            return Proof(
                True, "not stopped: the target's power is none; weight 0 stands for dark", {}
            )
        if isinstance(self._power, KubernetesPower):
            return self._observe_deployments(self._power)
        look = self._look()
        facts = {"answers": look.listens, "met": look.met, "answered_before": self._answered}
        if look.met == "blind":
            raise FaultError(f"{self.subject}: {look.said}")
        if look.listens:
            return Proof(False, f"the region still answers: ready_url {look.said}", facts)
        if self._answered is None:
            return Proof(False, "ready_url gave no answer before the fault either", facts)
        if look.met == "silent" and not self._others_answer():
            raise FaultError(f"{self.subject}: {look.said}, and no other region answers either")
        return Proof(True, f"the region {look.said}", facts)

    def _observe_deployments(self, power: KubernetesPower) -> Proof:
        running = Deployments(power).running()
        look = self._look()
        facts = {"pods": running, "met": look.met, "status": look.status, "ready": look.ready}
        if look.met == "blind":
            raise FaultError(f"{self.subject}: {look.said}")
        # A load balancer goes on answering for a region without pods: by such a status alone.
        serves = look.status is not None and look.status not in UPSTREAM_MISSING
        return Proof(
            proven=not any(running.values()) and not serves,
            why=f"pods left: {running}; ready_url {look.said}",
            facts=facts,
        )

    def _others_answer(self) -> bool:
        """Whether the way out of here works: another region is reached at this moment."""
        others = (url.ready_url for name, url in self.target.regions.items() if name != self.region)
        return any(look_at(url).met == "answer" for url in others)

    def revert(self) -> None:
        self.relight()
        self._await_ready()

    def relight(self) -> None:
        """Start the region again, and return once its power port says so. Raises FaultError."""
        if isinstance(self._power, ProcessPower):
            self._process("start")
        elif isinstance(self._power, KubernetesPower):
            if self._replicas is None:
                raise FaultError(f"{self.subject}: the replicas before the fault are unknown")
            deployments = Deployments(self._power)
            deployments.scale(self._replicas)
            deployments.await_available(self._replicas, self._power.timeout_s)

    def read_back(self) -> ReadBack:
        """Whether it is back for good; waits for as long as it may still come, and is bounded."""
        end = time.monotonic() + self.back_s_max
        while True:
            back, may_come = self.look_back()
            if back.ok or not may_come or time.monotonic() > end:
                return back
            time.sleep(LOOK_APART_S)

    def look_back(self) -> tuple[ReadBack, bool]:
        """One look at what is back, and whether what is missing may still come by waiting.

        Looks are to be a fraction of a second apart. Raises FaultError.
        """
        ready = self.ready()
        steady = self._stretch.look(ready)
        state = self._state()
        expected, shown = ["ready"], ["ready" if ready else "not ready"]
        if ready and not steady:
            shown = [f"not ready without a break for {self._steady_s:g} s"]
        if state is not None:
            expected.append(state.expected)
            shown.append(state.shown)
        short = self._short_of_limit(state, expected, shown) if steady else False
        whole = state is None or state.whole
        back = ReadBack(
            self.subject,
            ", ".join(expected),
            ", ".join(shown),
            ready and steady and whole and not short,
        )
        waits = self._steady_s > 0 or short or (state is not None and state.comes)
        return back, waits and (whole or (state is not None and state.comes))

    def _short_of_limit(
        self, state: PowerState | None, expected: list[str], shown: list[str]
    ) -> bool:
        """Whether fewer streams fit than before; both figures go to `expected` and `shown`."""
        if self._limit is None:
            return False
        expected.append(f"room for {self._limit:.0f} streams")
        try:
            limit = capacity.streams_limit(self.target, self.region)
        except FaultError as error:
            shown.append(f"room for streams not read ({error})")
            return False
        shown.append(f"room for {limit:.0f} streams")
        if capacity.is_back(limit, self._limit):
            return False
        # An autoscaler decides how many there are, and so how much fits.
        return state is None or not state.autoscaled

    def room(self) -> tuple[float | None, float | None]:
        """Streams that fitted before the fault, and that fit now; None: not read."""
        try:
            return self._limit, capacity.streams_limit(self.target, self.region)
        except FaultError:
            return self._limit, None

    @property
    def stops(self) -> bool:
        """Whether the region is stopped at all; by the power `none` its room never changes."""
        return not isinstance(self._power, NoPower)

    def _state(self) -> PowerState | None:
        if isinstance(self._power, ProcessPower):
            return process_state(self._process_state())
        if isinstance(self._power, KubernetesPower) and self._replicas is not None:
            return kubernetes_state(Deployments(self._power), self._replicas)
        return None

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
        return self._look().ready

    def _look(self) -> Look:
        return look_at(self.target.regions[self.region].ready_url)

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
