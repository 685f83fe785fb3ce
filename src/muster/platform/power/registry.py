"""Every way to stop a region, a line each."""

from __future__ import annotations

from muster.platform.port import adapter
from muster.platform.power.model import Power
from muster.targets.model import Region

POWERS = {
    "process": "muster.platform.power.process:ProcessRegion",
    "kubernetes": "muster.platform.power.kubernetes:KubernetesRegion",
    "command": "muster.platform.power.command:CommandRegion",
    "none": "muster.platform.power.none:NoPowerRegion",
}


def power_of(name: str, region: Region) -> Power:
    """The adapter of a region's `power` section."""
    made: Power = adapter(POWERS, region.power.kind)(name, region.power)
    return made
