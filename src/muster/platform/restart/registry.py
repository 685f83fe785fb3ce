"""Every adapter that restarts a Toxiproxy server, one line each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.port import adapter
from muster.platform.restart.model import Restart

if TYPE_CHECKING:
    from muster.targets.restart import Restart as Settings

RESTARTS = {
    "process": "muster.platform.restart.process:RestartByProcess",
    "kubernetes": "muster.platform.restart.kubernetes:RestartByKubernetes",
    "command": "muster.platform.restart.command:RestartByCommand",
    "none": "muster.platform.restart.none:RestartByNobody",
}


def restart_of(settings: Settings, clock: Clock = SYSTEM_CLOCK) -> Restart:
    """The adapter for a Toxiproxy's `restart` section."""
    made: Restart = adapter(RESTARTS, settings.kind)(settings, clock)
    return made
