"""The port that cuts one region off from everyone outside: its clients, and its health check.

The region's processes go on. Creating an adapter sends no request. Each call is limited by
`timeout_s` and raises PortError if the platform does not do what was asked or gives a wrong answer.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, Literal

from muster.platform.port import RegionAdapter

PartitionState = Literal["whole", "cut", "partly"]
CUT_S_MAX = 10.0
STATES: tuple[PartitionState, ...] = ("whole", "cut", "partly")


class Partition(RegionAdapter):
    """How one region is cut off, and let in again."""

    cuts: ClassVar[bool] = True
    """Whether Muster can cut the region off at all."""

    @property
    def cut_s_max(self) -> float:
        """How long it may take after a cut until it shows from outside, in seconds."""
        return CUT_S_MAX

    @property
    def unenforced(self) -> str:
        """Why a region may be reached from outside that the platform says is cut off."""
        return ""

    @abstractmethod
    def state(self) -> PartitionState:
        """What the platform says: `partly` if a part of the region is cut off."""

    @abstractmethod
    def cut(self) -> None:
        """Cut it off; returns once the platform says so."""

    @abstractmethod
    def join(self) -> None:
        """Let everyone in again; calling it again changes nothing."""

    @abstractmethod
    def command(self) -> str | None:
        """The complete shell line with which a person joins it, without any secret; None if there
        is none.
        """
