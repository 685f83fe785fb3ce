"""The port that moves traffic between regions.

An adapter shows what stands as parts (a record, a backend of a route, a region's dial), each with a
weight and all the rest of it as one text. It is made without asking anything: only a call of its
methods reaches the platform. Weights are whole numbers; a region's share is its weight over the sum
of all weights. Whether traffic follows is never asked here: the load observes that.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from muster.platform.port import Other, PortError, Touch, Unusable
from muster.platform.steering.parts import Shown, Snapshot, Weights
from muster.platform.steering.shares import UNITS, shares_of, weights_for

RegionWeights = Mapping[str, int]
Saved = Mapping[str, Any]
"""What `saved` returned, as JSON keeps it; opaque to all but its adapter."""


class SteeringError(PortError):
    """The steering API did not answer, refused, or answered not as it must."""


class Trial(ABC):
    """A harmless change by the rights that steering needs; nothing in the platform reads it."""

    subject: str
    touches: tuple[Touch, ...]

    @abstractmethod
    def read(self) -> str | None:
        """What stands there now; None: nothing. Raises PortError."""

    @abstractmethod
    def write(self, text: str | None) -> None:
        """Make it stand there (None: nothing). Raises PortError."""


Check = Callable[[Snapshot], None]
"""Sees what stands right before a change, and raises to prevent it."""


def no_check(shown: Snapshot) -> None:
    """Nothing is asked of what stands."""


def not_told() -> None:
    """Nobody asks when the change was accepted."""


class Steering(ABC):
    """Who gets the traffic of one public name."""

    units: int = UNITS
    """The weights of a step sum to about so many: finer shares than 1/units cannot be had."""

    @property
    @abstractmethod
    def subject(self) -> str:
        """What is changed, as a person looks it up: the kind and the name."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What messages call it."""

    @property
    @abstractmethod
    def timeout_s(self) -> float:
        """How long one call may take, in seconds."""

    @abstractmethod
    def touches(self) -> tuple[Touch, ...]:
        """What it changes, in its own words; asks no system anything, raises nothing."""

    def unusable(self) -> Unusable | None:
        """What of its settings cannot work on this machine; asks no other system, raises nothing.

        None: nothing, as far as this machine tells.
        """
        return None

    def others(self) -> tuple[Other, ...]:
        """Who else sets these weights, as far as it shows where they stand. Raises SteeringError.

        Empty: nobody shows there.
        """
        return ()

    @abstractmethod
    def shown(self) -> dict[str, Shown]:
        """What stands now, part by part; empty when nothing is left. Raises SteeringError."""

    @abstractmethod
    def by_region(self, shown: Snapshot) -> dict[str, int]:
        """Weight by region of what was shown. Raises SteeringError where parts disagree."""

    def weights(self) -> dict[str, int]:
        """Weight by region now. Raises SteeringError, also when no part is left."""
        shown = self.shown()
        if not shown:
            raise SteeringError(f"{self.name}: nothing there steers any traffic")
        return self.by_region(shown)

    def weights_for(self, before: RegionWeights, region: str, share_pct: float) -> dict[str, int]:
        """Weights that give `region` the nearest share that can be had; others in proportion.

        A share above 0 never becomes weight 0. Raises ValueError as `shares.weights_for` does.
        """
        return weights_for(before, region, share_pct, units=self.units)

    def share_had(self, before: RegionWeights, region: str, share_pct: float) -> float:
        """The percent that `region` really gets when `share_pct` is asked for."""
        return shares_of(self.weights_for(before, region, share_pct))[region]

    @abstractmethod
    def plan(self, weights: RegionWeights) -> dict[str, int]:
        """Weight by part that gives each region its weight. Raises SteeringError."""

    @abstractmethod
    def set_weights(
        self,
        weights: RegionWeights,
        *,
        check: Check = no_check,
        accepted: Callable[[], None] = not_told,
    ) -> None:
        """Change all regions' weights at once; everything else stays as it is.

        `accepted` is called once the platform took the change. Raises SteeringError when a region
        has no part, or the platform refuses. A change that raised may have been made all the same:
        the caller reads back.
        """

    @abstractmethod
    def set_parts(self, weights: Weights) -> None:
        """Change the weights of the named parts at once. Raises SteeringError."""

    @abstractmethod
    def saved(self) -> dict[str, Any]:
        """What `stood` and `command` need, read before the first change. Raises SteeringError."""

    @abstractmethod
    def stood(self, saved: Saved) -> dict[str, Shown]:
        """What stood when it was saved, part by part; empty where an old log does not say."""

    @abstractmethod
    def command(self, saved: Saved, before: RegionWeights) -> str | None:
        """The whole shell line by which a person puts `before` back; None: there is none."""

    @abstractmethod
    def trial(self) -> Trial:
        """A harmless change of its own. Raises BadInput where this way has none."""
