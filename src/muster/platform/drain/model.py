"""The port that asks one region to let go of its clients.

An adapter is made without asking anything; each call is bounded by `timeout_s` and raises
PortError when the platform does not do or say what it must.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.port import Touch, Unusable

DrainState = Literal["serving", "closing", "draining"]
"""`closing` stays ready; `draining` turns unready once the region is empty."""


class Drain(ABC):
    """How one region is asked to drain."""

    asks: ClassVar[bool] = True
    """Whether there is anybody to ask; not so by `none`: then clients leave by themselves."""

    def __init__(self, region: str, clock: Clock = SYSTEM_CLOCK) -> None:
        self.region = region
        self.clock = clock

    @property
    @abstractmethod
    def timeout_s(self) -> float:
        """How long one call may take, in seconds."""

    def touches(self) -> tuple[Touch, ...]:
        """What it changes besides the region itself; asks no system anything, raises nothing."""
        return ()

    def unusable(self) -> Unusable | None:
        """What of its settings cannot work on this machine; asks no other system, raises nothing.

        None: nothing, as far as this machine tells.
        """
        return None

    @abstractmethod
    def ask(self, state: DrainState) -> None:
        """Ask for `state`; `serving` takes a drain back, and calling that again changes nothing."""

    @abstractmethod
    def shown(self) -> str:
        """The state that the region says it is in."""

    @abstractmethod
    def command(self) -> str | None:
        """The whole shell line by which a person takes the drain back; None: none does."""
