"""Every steering adapter, one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.port import adapter
from muster.platform.steering.model import Steering

if TYPE_CHECKING:
    from muster.targets.model import Target

STEERINGS = {
    "route53": "muster.platform.steering.route53:Route53",
    "command": "muster.platform.steering.command:CommandSteering",
    "gateway_api": "muster.platform.steering.gateway_api:GatewayApi",
}


def steering_of(target: Target, clock: Clock = SYSTEM_CLOCK) -> Steering:
    """The adapter for a target's `steering` section.

    An adapter gets its settings, the regions, whether it steers a testbed's stand-in, and the clock
    by which it waits.
    """
    stand_in = target.class_ == "testbed"
    made: Steering = adapter(STEERINGS, target.steering.kind)(
        target.steering, tuple(target.regions), stand_in, clock
    )
    return made
