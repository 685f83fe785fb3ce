"""The planned drill and its platform that the checks examine, before any lock or start."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from muster import home, targets, testbed
from muster.clock import SYSTEM_CLOCK, Clock
from muster.drill.lock.held import TargetLock
from muster.drill.plan.plan import DrillPlan
from muster.drill.sight.on_platform import OnPlatform
from muster.drill.stop import StopFlag
from muster.errors import BadInput
from muster.platform import Platform, platform_of

T = TypeVar("T")


@dataclass
class Examined(OnPlatform):
    """Implements `muster.drill.sight.looking.Looking`; the lock is not held."""

    plan: DrillPlan
    platform: Platform
    bundle: Path
    lock: TargetLock
    stop: StopFlag
    clock: Clock = SYSTEM_CLOCK
    _once: dict[str, Any] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    @property
    def addresses(self) -> Mapping[str, tuple[str, ...]]:
        """By region, the addresses or names that reach only this region; empty if unknown.

        Raises PortError.
        """

        def read() -> dict[str, tuple[str, ...]]:
            said = {name: tuple(spec.addresses) for name, spec in self.target.regions.items()}
            if all(said.values()):
                return said
            shown = self.platform.names.addresses()
            return {name: own or tuple(shown.get(name, ())) for name, own in said.items()}

        return self._asked_once("addresses", read)

    @property
    def weights(self) -> Mapping[str, int]:
        """The present weight by region. Raises SteeringError."""
        return self._asked_once("weights", self.steering.weights)

    def wait_until(
        self, holds: Callable[[], bool], seconds_max: float, look_s: float = 0.2
    ) -> float | None:
        """Wait until `holds` returns true; return the seconds, or None after the time limit.

        Raises DrillAborted.
        """
        return self.stop.wait_until(holds, seconds_max, look_s)

    def _asked_once(self, what: str, ask: Callable[[], T]) -> T:
        """Ask once for a value that several checks need, since the API allows one call a second."""
        with self._guard:
            if what not in self._once:
                self._once[what] = ask()
            found: T = self._once[what]
            return found


def examined(plan: DrillPlan, clock: Clock = SYSTEM_CLOCK) -> Examined:
    """The platform and target of `plan`. Sends no request yet.

    Raises BadInput if the testbed is not up or a placeholder has no value.
    """
    state = testbed.status(plan.target.name) if plan.target.class_ == "testbed" else None
    if plan.target.class_ == "testbed" and state is None:
        raise BadInput(
            f"testbed {plan.target.name}", "", "down", "a testbed that is up: chaos drill up"
        )
    endpoints = None if state is None else state.endpoints
    target = targets.resolve(plan.target, testbed=endpoints)
    holder = f"doctor-{socket.gethostname()}-{os.getpid()}"
    return Examined(
        plan=plan,
        platform=platform_of(target, clock),
        bundle=home.out_dir() / holder,
        lock=TargetLock(target, holder, clock),
        stop=StopFlag(clock),
        clock=clock,
    )
