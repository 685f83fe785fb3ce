"""Every power adapter, one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.port import adapter
from muster.platform.power.model import Power

if TYPE_CHECKING:
    from muster.targets.model import Region

POWERS = {
    "process": "muster.platform.power.process:PowerByProcess",
    "kubernetes": "muster.platform.power.kubernetes:PowerByKubernetes",
    "command": "muster.platform.power.command:PowerByCommand",
    "none": "muster.platform.power.none:PowerByNobody",
}


def power_of(name: str, region: Region, clock: Clock = SYSTEM_CLOCK) -> Power:
    """The adapter for a region's `power` section."""
    made: Power = adapter(POWERS, region.power.kind)(name, region.power, clock)
    return made
