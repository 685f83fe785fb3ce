"""How new streams are split over the regions, from the samples; whoever holds facts may ask."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from muster.drill.facts import Facts
from muster.drill.stop import LOOK_S
from muster.steering import shares_of

ARRIVALS_MIN = 30
"""Arrivals in the look-back, at least, before an observed split means anything."""


def scheduled(labels: Mapping[str, str]) -> bool:
    """Whether a series counts arrivals of the schedule (not retries, not canaries)."""
    return labels.get("kind", "scheduled") == "scheduled"


@dataclass(frozen=True)
class Split:
    """The observed split. `tolerance_pct` is in points of percent."""

    facts: Facts
    scrape_s: float
    tolerance_pct: float

    def share_pct(self, region: str, arrivals_min: int = ARRIVALS_MIN) -> float | None:
        """Percent of the newest streams that went to `region`; None when too few are known.

        The look-back is the shortest that holds `arrivals_min` arrivals, so that a shift shows
        soon.
        """
        for scrapes in (2, 3, 5, 10):
            counts = self.facts.increase("client_answers", scrapes * self.scrape_s, scheduled)
            total = sum(counts.values())
            if total >= arrivals_min:
                return 100.0 * counts.get(region, 0.0) / total
        return None

    def is_as(self, weights: Mapping[str, int]) -> bool:
        """Whether every region gets what `weights` give it, within the tolerance."""
        wanted = shares_of(weights)
        seen = {region: self.share_pct(region) for region in wanted}
        return all(
            share is not None and abs(share - wanted[region]) <= self.tolerance_pct
            for region, share in seen.items()
        )


def await_split(
    split: Split,
    weights: Mapping[str, int],
    seconds_max: float,
    still: Callable[[], bool],
    sleep: Callable[[float], None],
    monotonic_s: Callable[[], float],
) -> float | None:
    """Seconds until new streams are split by `weights`; None past the bound or once not `still`."""
    began = monotonic_s()
    while monotonic_s() - began <= seconds_max:
        if split.is_as(weights):
            return monotonic_s() - began
        if not still():
            return None
        sleep(2 * LOOK_S)
    return None
