"""The port that restarts one Toxiproxy server.

Creating an adapter sends no request. A restart is limited by `timeout_s` and raises PortError if it
fails.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.port import TimedAdapter


class Restart(TimedAdapter):
    """How one server is restarted."""

    restarts: ClassVar[bool] = True
    """Whether Muster can restart it, or only a person."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self.clock = clock

    @abstractmethod
    def restart(self) -> None:
        """Restart the server, and return once the platform reports that it is done."""

    def command(self) -> str | None:
        """The shell words with which a person restarts it, without any secret; None if there are
        none.

        They return once the server was restarted.
        """
        return None
