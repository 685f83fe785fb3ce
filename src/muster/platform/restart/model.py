"""The port that restarts one Toxiproxy server.

An adapter is made without asking anything; a restart is bounded by `timeout_s` and raises PortError
when it did not go well.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.port import Touch, Unusable


class Restart(ABC):
    """How one server is restarted."""

    restarts: ClassVar[bool] = True
    """Whether anybody but a person restarts it."""

    def __init__(self, clock: Clock = SYSTEM_CLOCK) -> None:
        self.clock = clock

    @property
    @abstractmethod
    def timeout_s(self) -> float:
        """How long a restart may take, in seconds."""

    def touches(self) -> tuple[Touch, ...]:
        """What it changes besides the server; asks no system anything, raises nothing."""
        return ()

    def unusable(self) -> Unusable | None:
        """What of its settings cannot work on this machine; asks no other system, raises nothing.

        None: nothing, as far as this machine tells.
        """
        return None

    @abstractmethod
    def restart(self) -> None:
        """Restart the server, and return once the platform says that it was done."""

    def command(self) -> str | None:
        """The shell words by which a person restarts it, without any secret; None: there are none.

        They return once the server was restarted.
        """
        return None
