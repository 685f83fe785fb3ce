"""The port that cuts one region off from everyone outside: its clients, and its health check.

The region's processes go on. Creating an adapter sends no request. Each call is limited by
`timeout_s` and raises PortError if the platform does not do what was asked or gives a wrong answer.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from muster.platform.port import RegionAdapter

PartitionState = Literal["whole", "cut", "partly"]
CUT_S_MAX = 10.0
Before = Mapping[str, Any]
"""What `before` returned, as JSON: enough for every other method, on another machine."""
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

    def before(self) -> dict[str, Any]:
        """What a cut will make, for `join`: read from the platform before. Raises PortError.

        Empty where the platform itself keeps the state of the whole region.
        """
        return {}

    @abstractmethod
    def state(self, before: Before) -> PartitionState:
        """What the platform says of what `before` names: `partly` if a part of it is cut off.

        With an empty `before`: of everything that any cut may have left.
        """

    @abstractmethod
    def cut(self, before: Before) -> None:
        """Cut it off; returns once the platform says so."""

    @abstractmethod
    def join(self, before: Before) -> None:
        """Let everyone in again; calling it again changes nothing."""

    def see(self) -> None:
        self.state({})

    @abstractmethod
    def command(self, before: Before) -> str | None:
        """The complete shell line with which a person joins it, without any secret; None if there
        is none.
        """
