"""Only a person can restart it: a server that hangs ends the drill as ROLLBACK_FAILED."""

from __future__ import annotations

from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.port import PortError
from muster.platform.restart.model import Restart
from muster.targets.restart import NoRestart


class RestartByNobody(Restart):
    """The target names no way to restart it."""

    restarts = False

    def __init__(self, settings: NoRestart, clock: Clock = SYSTEM_CLOCK) -> None:
        super().__init__(clock)
        self._settings = settings

    @property
    def timeout_s(self) -> float:
        return 0.0

    def restart(self) -> None:
        raise PortError("the target names no way to restart that Toxiproxy")
