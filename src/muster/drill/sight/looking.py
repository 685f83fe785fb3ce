"""What the checks before a drill look at: the part of a session that is there before any effect.

Preflight looks with the session of a drill, `chaos drill doctor` without any drill: both by the
same checks.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from muster.clock import Clock
from muster.drill.lock.held import TargetLock
from muster.drill.plan.plan import DrillPlan
from muster.drill.stop import StopFlag
from muster.platform import Platform
from muster.platform.metrics import Metrics
from muster.platform.steering import Steering
from muster.targets import Target


class Looking(Protocol):
    """A planned drill, the platform that it is planned for, and a way to wait for a fact."""

    @property
    def plan(self) -> DrillPlan:
        """The drill; placeholders of its target are not filled."""

    @property
    def platform(self) -> Platform:
        """The ports to the platform."""

    @property
    def target(self) -> Target:
        """What the platform was made from, its placeholders filled."""

    @property
    def steering(self) -> Steering:
        """What steers the platform's traffic."""

    @property
    def metrics(self) -> Metrics:
        """Where samples come from."""

    @property
    def bundle(self) -> Path:
        """Where the drill keeps its evidence."""

    @property
    def lock(self) -> TargetLock:
        """The target's lock."""

    @property
    def stop(self) -> StopFlag:
        """Ends every wait."""

    @property
    def clock(self) -> Clock:
        """Where time comes from."""

    @property
    def streams_target(self) -> int:
        """Concurrent streams that the drill must hold."""

    def wait_until(
        self, holds: Callable[[], bool], seconds_max: float, look_s: float = 0.2
    ) -> float | None:
        """Wait for a fact; return the seconds, None past the time limit. Raises DrillAborted."""
