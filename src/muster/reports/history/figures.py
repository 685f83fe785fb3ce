"""The figures by which drills are compared, as data: which way is worse, and how much is noise.

A figure is worse if it moved in its worse direction by more than both tolerances, and better if it
moved the other way by as much. Two drills of one unchanged platform differ: a poll of the metrics,
a DNS answer that was cached a moment longer, a scrape that came late.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from muster.reports.history.kept import Mark
from muster.reports.history.past import Past


@dataclass(frozen=True)
class Figure:
    """A figure of a drill in `unit` ("s" or "share"), None if unknown.

    `noise`: differences up to this are noise, in the unit; `noise_share`: and up to this share of
    the earlier value. `optional`: not every drill has it, because it belongs to a phase or to a
    stop.
    """

    key: str
    title: str
    unit: Literal["s", "share"]
    worse: Literal["higher", "lower"]
    noise: float
    noise_share: float
    of: Callable[[Past], float | None]
    optional: bool = False

    def mark(self, before: float | None, after: float | None) -> Mark:
        """How `after` stands to `before`. An unknown value is never the same as another."""
        if before is None or after is None:
            return "absent" if self.optional and before is after else "unknown"
        return moved(before, after, self.worse, self.noise, self.noise_share)


def moved(
    before: float, after: float, worse: Literal["higher", "lower"], noise: float, noise_share: float
) -> Mark:
    """How `after` stands to `before`, with the tolerances of a `Figure`."""
    change = after - before
    if abs(change) <= max(noise, noise_share * abs(before)):
        return "same"
    return "worse" if (change > 0) == (worse == "higher") else "better"


FIGURES = (
    Figure("shift", "Time to shift", "s", "higher", 3.0, 0.25, lambda p: p.shift_s, True),
    Figure("drain", "Time to drain", "s", "higher", 3.0, 0.25, lambda p: p.drain_s, True),
    Figure("restore", "Time to restore", "s", "higher", 5.0, 0.25, lambda p: p.restore_s, True),
    Figure(
        "trip_to_restored",
        "Trip to restored",
        "s",
        "higher",
        3.0,
        0.25,
        lambda p: p.trip_to_restored_s,
        True,
    ),
    # A tenth of a limit: the contract's limits leave room of that order for an ordinary day.
    Figure("headroom", "Least room to a limit", "share", "lower", 0.10, 0.0, lambda p: p.headroom),
    # One attempt in a thousand is the error budget of Tier G.
    Figure("hurt", "Users hurt", "share", "higher", 0.001, 0.25, lambda p: p.hurt_share),
)
