"""What a plan and a platform give to everybody who has both: a session, and the doctor."""

from __future__ import annotations

from muster.drill.plan.plan import DrillPlan
from muster.platform import Platform
from muster.platform.metrics import Metrics
from muster.platform.steering import Steering
from muster.targets import Target


class OnPlatform:
    """A planned drill and the ports to its platform."""

    plan: DrillPlan
    platform: Platform

    @property
    def target(self) -> Target:
        """What the platform was made from, its placeholders filled."""
        return self.platform.target

    @property
    def steering(self) -> Steering:
        """What steers the platform's traffic."""
        return self.platform.steering

    @property
    def metrics(self) -> Metrics:
        """Where samples come from."""
        return self.platform.metrics

    @property
    def streams_target(self) -> int:
        """Concurrent streams that the drill must hold."""
        return self.plan.streams_target
