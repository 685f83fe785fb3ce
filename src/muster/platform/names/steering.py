"""Names read from the steering: Route 53 records have TTL, values and health checks."""

from __future__ import annotations

from muster.platform.names.model import Names
from muster.platform.steering.route53 import Route53
from muster.targets.names import SteeringNames as Settings


class SteeringNames(Names):
    """Only for a steering that has names; the check of a target allows no other."""

    def __init__(self, settings: Settings, regions: tuple[str, ...], steering: Route53) -> None:
        self._steering = steering

    def ttl_s(self) -> int:
        return self._steering.ttl_s()

    def detection(self) -> dict[str, tuple[int, int]]:
        return self._steering.health_checks()

    def addresses(self) -> dict[str, tuple[str, ...]]:
        return self._steering.addresses()
