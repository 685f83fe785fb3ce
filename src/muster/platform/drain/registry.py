"""Every drain adapter, one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.drain.model import Drain
from muster.platform.port import adapter

if TYPE_CHECKING:
    from muster.targets.model import Region

DRAINS = {
    "http": "muster.platform.drain.http:DrainByHttp",
    "command": "muster.platform.drain.command:DrainByCommand",
    "none": "muster.platform.drain.none:DrainByNobody",
}


def drain_of(name: str, region: Region, clock: Clock = SYSTEM_CLOCK) -> Drain:
    """The adapter for a region's `drain` section; the adapter `none` if the target has no such
    section.
    """
    kind = "none" if region.drain is None else region.drain.kind
    made: Drain = adapter(DRAINS, kind)(name, region.drain, clock)
    return made
