"""The port that asks one region to release its clients.

Creating an adapter sends no request. Each call is limited by `timeout_s` and raises PortError if
the platform does not do what was asked or gives a wrong answer.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal

from muster.platform.port import RegionAdapter

DrainState = Literal["serving", "closing", "draining"]
"""`closing` stays ready; `draining` becomes unready once the region is empty."""


class Drain(RegionAdapter):
    """How one region is asked to drain."""

    asks: ClassVar[bool] = True
    """Whether the region has a drain call. The adapter `none` has none: clients leave by
    themselves.
    """

    @abstractmethod
    def ask(self, state: DrainState) -> None:
        """Ask for `state`. `serving` reverts a drain; calling that again changes nothing."""

    @abstractmethod
    def shown(self) -> str:
        """The state that the region reports."""

    def see(self) -> None:
        self.shown()

    @abstractmethod
    def command(self) -> str | None:
        """The complete shell line with which a person reverts the drain; None if there is none."""
