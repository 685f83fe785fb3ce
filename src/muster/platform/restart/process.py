"""Restarts it through the testbed's control API."""

from __future__ import annotations

from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.http_hook import call
from muster.platform.restart.model import Restart
from muster.targets.restart import ProcessRestart


class RestartByProcess(Restart):
    """The testbed ends the server's process and starts another one."""

    def __init__(self, settings: ProcessRestart, clock: Clock = SYSTEM_CLOCK) -> None:
        super().__init__(clock)
        self._settings = settings

    @property
    def timeout_s(self) -> float:
        return self._settings.timeout_s

    def restart(self) -> None:
        call("POST", self._settings.url, self._settings.token, self._settings.timeout_s)
