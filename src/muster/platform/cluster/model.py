"""The port that does something to the pods of one region, and takes it back.

A `RegionCluster` names the disruptions that its platform can make. Creating either sends no
request. Every method that reaches the platform raises PortError.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.port import Adapter, Change, Proof, TimedAdapter

Before = Mapping[str, Any]
"""What `before` returned, as JSON without any secret: enough for every other method, elsewhere."""
Flaw = Literal["readiness", "image"]
"""What is wrong with a release: its pods never become ready, or their image cannot be pulled."""


@dataclass(frozen=True)
class Back:
    """What must show once it is taken back, and what shows.

    `whole`: all of it is back. `another`: what somebody else has set since, and was left so.
    """

    expected: str
    shown: str
    whole: bool
    another: str = ""


class Disruption(TimedAdapter):
    """One thing that is done to pods of a region."""

    @property
    def look_s_max(self) -> float:
        """How long one `look` or `state` may take, in seconds."""
        return 5.0

    @abstractmethod
    def rehearse(self) -> tuple[str, ...]:
        """What the platform would refuse of it, a line each. Changes nothing."""

    @abstractmethod
    def change(self) -> Change:
        """The state before and after `apply`, read from the platform, in words."""

    @abstractmethod
    def before(self) -> dict[str, Any]:
        """What is chosen and what stands before. Raises PortError if not all of it is whole."""

    @abstractmethod
    def apply(self, before: Before) -> None:
        """Do it to what `before` chose."""

    @abstractmethod
    def look(self, before: Before) -> Proof:
        """Whether its effect shows now."""

    @abstractmethod
    def revert(self, before: Before) -> None:
        """Take it back, and wait until all pods are available. Calling it again changes nothing."""

    @abstractmethod
    def state(self, before: Before) -> Back:
        """Whether it is taken back, read from the platform."""

    @abstractmethod
    def command(self, before: Before) -> str | None:
        """The complete shell line with which a person takes it back; None if there is none."""


class RegionCluster(Adapter, ABC):
    """What can be done to the pods of one region."""

    disrupts: ClassVar[bool] = True
    """Whether anything can be done at all."""

    def __init__(self, region: str, clock: Clock = SYSTEM_CLOCK) -> None:
        self.region = region
        self.clock = clock

    def rehearse_revert(self) -> tuple[str, ...]:
        """What the platform would refuse of the undo of any of these, a line each.

        As `TimedAdapter.rehearse_revert`; of what the target lets a drill do. Raises PortError.
        """
        every = (self.killing(), self.draining(), self.releasing("readiness"))
        usable = (one for one in every if one.unusable() is None)
        return tuple(dict.fromkeys(line for one in usable for line in one.rehearse_revert()))

    @abstractmethod
    def killing(self, share_pct: float = 0.0, seed: int = 0) -> Disruption:
        """Kill `share_pct` per cent of the pods, chosen by `seed`, and await their end.

        What `before` returned names the pods: the arguments are needed to choose alone.
        """

    @abstractmethod
    def draining(self) -> Disruption:
        """Cordon one node, and evict the region's pods from it."""

    @abstractmethod
    def releasing(self, flaw: Flaw) -> Disruption:
        """Roll a release out that has `flaw`."""
