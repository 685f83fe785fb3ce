"""The port that moves traffic between regions.

An adapter shows the current state as parts (a record, a backend of a route, a region's dial), each
with a weight and everything else about it as one text. Creating it sends no request: only a call of
its methods reaches the platform. Weights are whole numbers; a region's share is its weight over the
sum of all weights. The port never says whether traffic follows: the load observes that.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from muster.platform.port import Other, PortError, TimedAdapter, Touch
from muster.platform.steering.parts import Shown, Snapshot, Weights
from muster.platform.steering.shares import UNITS, shares_of, weights_for

RegionWeights = Mapping[str, int]
Saved = Mapping[str, Any]
"""What `saved` returned, as JSON; only its adapter can interpret it."""


class SteeringError(PortError):
    """The steering API did not answer, refused, or gave a wrong answer."""


class SteeringAway(SteeringError):
    """The steering API was not reached, or said that it cannot serve at present: the same call may
    succeed later. A change may have been made.
    """


@contextmanager
def as_steering(away: tuple[type[PortError], ...], subject: str = "") -> Iterator[None]:
    """Raise what is raised below as an error of steering: SteeringAway for the errors `away`.

    `subject`: what a message begins with, if it does not name it itself.
    """
    prefix = f"{subject}: " if subject else ""
    try:
        yield
    except SteeringError:
        raise
    except away as error:
        raise SteeringAway(f"{prefix}{error}") from error
    except PortError as error:
        raise SteeringError(f"{prefix}{error}") from error


class Trial(ABC):
    """A harmless change that needs the same permissions as steering; nothing on the platform reads
    it.
    """

    subject: str
    touches: tuple[Touch, ...]

    @abstractmethod
    def read(self) -> str | None:
        """The current value; None if there is none. Raises PortError."""

    @abstractmethod
    def write(self, text: str | None) -> None:
        """Set the value (None: remove it). Raises PortError."""


Check = Callable[[Snapshot], None]
"""Sees the state right before a change, and raises to prevent it."""


def no_check(shown: Snapshot) -> None:
    """Does not check the state."""


def not_told() -> None:
    """Ignores when the change was accepted."""


class Steering(TimedAdapter):
    """Which region gets the traffic of one public name."""

    units: int = UNITS
    """The approximate sum of the weights of a step: no share can be finer than 1/units."""

    @property
    @abstractmethod
    def subject(self) -> str:
        """What is changed, as a person would look it up: the kind and the name."""

    @property
    @abstractmethod
    def name(self) -> str:
        """The name that messages use."""

    @abstractmethod
    def touches(self) -> tuple[Touch, ...]:
        """What it changes, in its own words. Sends no request, raises nothing."""

    def others(self) -> tuple[Other, ...]:
        """Who else sets these weights, as far as it shows where they stand. Raises SteeringError.

        Empty: nobody shows there.
        """
        return ()

    @abstractmethod
    def shown(self) -> dict[str, Shown]:
        """The current state, part by part; empty if no part is left. Raises SteeringError."""

    @abstractmethod
    def by_region(self, shown: Snapshot) -> dict[str, int]:
        """Weight by region, from an observed state. Raises SteeringError if parts disagree."""

    def weights(self) -> dict[str, int]:
        """Current weight by region. Raises SteeringError, also if no part is left."""
        shown = self.shown()
        if not shown:
            raise SteeringError(f"{self.name}: no part is left that steers traffic")
        return self.by_region(shown)

    def weights_for(self, before: RegionWeights, region: str, share_pct: float) -> dict[str, int]:
        """Weights that give `region` the nearest possible share; the others keep their proportions.

        A share above 0 never becomes weight 0. Raises ValueError as `shares.weights_for` does.
        """
        return weights_for(before, region, share_pct, units=self.units)

    def share_had(self, before: RegionWeights, region: str, share_pct: float) -> float:
        """The percentage that `region` really gets if `share_pct` is asked for."""
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

        `accepted` is called once the platform accepted the change. Raises SteeringError if a region
        has no part, or if the platform refuses. A change that raised an error may have been made
        anyway: the caller reads back.
        """

    @abstractmethod
    def set_parts(self, weights: Weights) -> None:
        """Change the weights of the named parts at once. Raises SteeringError."""

    def not_acted_on(self) -> str:
        """Why traffic does not follow the current weights, as far as the platform says so.

        Empty: it says nothing of the kind. Raises SteeringError.
        """
        return ""

    @abstractmethod
    def saved(self) -> dict[str, Any]:
        """What `stood` and `command` need, read before the first change. Raises SteeringError."""

    @abstractmethod
    def stood(self, saved: Saved) -> dict[str, Shown]:
        """The state when it was saved, part by part; empty if an old log does not hold it."""

    def check_same(self, saved: Saved) -> None:
        """Raises SteeringError if the target now leads elsewhere than when it was saved.

        What is there was never changed, and would look as if it were back.
        """

    @abstractmethod
    def command(self, saved: Saved, before: RegionWeights) -> str | None:
        """The complete shell line with which a person restores `before`; None if there is none."""

    def see(self) -> None:
        self.weights()

    def rehearse_revert(self) -> tuple[str, ...]:
        return super().rehearse_revert() or self.rehearse()

    @abstractmethod
    def trial(self) -> Trial:
        """A harmless change of its own. Raises BadInput if this adapter has none."""
