"""How new streams are split over the regions, from the samples.

1. The tolerance follows the number of arrivals: the contract's points, or three standard errors if
  that is wider. Over twice the contract's points nothing is known, and the look-back grows.
2. Arrivals that share a resolver's answer are one draw. How many draws the arrivals are worth
  follows from the chance that two of them share one (`draws_of`).
3. A look-back never begins before the step that it judges.
4. A look that must tell a move from none (`telling_pct`) says nothing while its tolerance is wider
  than half of that move: a platform that ignores its weights would be within it by chance. It takes
  the longest look-back instead of the shortest, since each of many short ones has that chance.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from muster.drill.sight.facts import Facts
from muster.drill.stop import LOOK_S
from muster.platform.steering import shares_of

ARRIVALS_MIN = 30
"""An observed split needs at least this many arrivals in the look-back."""
ERRORS = 3.0
"""Standard errors that a healthy split may be off by."""
UNKNOWN_TIMES = 2.0
"""A tolerance wider than this multiple of the contract's says nothing."""
LOOK_BACKS = (2, 3, 5, 10, 20, 40, 80)
"""Look-backs in scrapes, the shortest first, so that a shift shows soon."""
LOOK_BACK_S_MAX = 80.0
"""... and none longer than this, in seconds: only so much is kept."""


def scheduled(labels: Mapping[str, str]) -> bool:
    """Whether a series counts arrivals of the schedule (not retries, not canaries)."""
    return labels.get("kind", "scheduled") == "scheduled"


def tolerance_of(
    wanted_pct: float, draws: float, tolerance_pct: float, most_pct: float | None = None
) -> float | None:
    """How far, in points, a healthy split may be from `wanted_pct`; None if nothing can be said.

    `draws`: independent ones; `tolerance_pct`: the contract's points; `most_pct`: a wider tolerance
    says nothing (None: twice the contract's).
    """
    if draws < ARRIVALS_MIN:
        return None
    tolerance = max(tolerance_pct, 100 * ERRORS * _error(wanted_pct, draws))
    return tolerance if tolerance <= _most(tolerance_pct, most_pct) else None


def telling_pct(moved_pct: float, tolerance_pct: float) -> float | None:
    """The widest tolerance, in points, that tells a move by `moved_pct` points from none.

    None: the contract's own `tolerance_pct` is wider than that, however many arrivals there are.
    """
    half_pct = abs(moved_pct) / 2
    return min(UNKNOWN_TIMES * tolerance_pct, half_pct) if half_pct >= tolerance_pct else None


def _most(tolerance_pct: float, most_pct: float | None) -> float:
    return UNKNOWN_TIMES * tolerance_pct if most_pct is None else most_pct


def _error(wanted_pct: float, draws: float) -> float:
    """Standard error of a share that is as wanted, seen in so many draws.

    Near 0 and 100 % a few draws lie less evenly than a normal distribution says: two more of each
    kind make the error wide enough there (Agresti and Coull, 1998). At 0 and 100 % there is none.
    """
    share = min(max(wanted_pct / 100, 0.0), 1.0)
    if share in (0.0, 1.0):
        return 0.0
    even = (draws * share + 2) / (draws + 4)
    return math.sqrt(even * (1 - even) / draws)


def needed_draws(wanted_pct: float, tolerance_pct: float, most_pct: float | None = None) -> int:
    """How many independent draws a look at a share of `wanted_pct` needs to say anything."""
    most = _most(tolerance_pct, most_pct) / 100
    return least(ARRIVALS_MIN, lambda draws: ERRORS * _error(wanted_pct, draws) <= most)


def least(start: int, enough: Callable[[int], bool]) -> int:
    """The smallest number from `start` (at least 1) on that is `enough`, as is every larger one."""
    below, above = start - 1, start
    while not enough(above):
        below, above = above, 2 * above
    while above - below > 1:
        middle = (below + above) // 2
        below, above = (below, middle) if enough(middle) else (middle, above)
    return above


def draws_of(arrivals: float, window_s: float, resolvers: int, ttl_s: float) -> float:
    """How many independent draws have the standard error of `arrivals` in `window_s`.

    The variance of a share of N arrivals, of which any two share one answer with probability s, is
    that of 1 / (1/N + s) independent ones. Two share an answer if they use the same one of
    `resolvers` caches (0: not known, no two do), and if it has not asked again between them. A
    cache asks with the first arrival after `ttl_s` (0: never again): of its arrivals a share of
    1 - b asks, and b = r / (1 + r) of them, for r arrivals in a TTL, lie evenly in the TTL after
    that. So two that are d seconds apart have the same answer with probability 1 - b d / TTL up to
    the TTL, and 0 beyond. s is the mean of that over the distances in a window of W seconds, whose
    density is 2 (W - d) / W^2.
    """
    if not resolvers or not arrivals:
        return arrivals
    reach = min(1.0, ttl_s / window_s) if ttl_s else 1.0
    asks = 1 / (1 + arrivals / resolvers * ttl_s / window_s)
    aged = (1 - asks) * min(1.0, window_s / ttl_s) if ttl_s else 0.0
    same = 2 * reach - reach**2 - aged * (reach - 2 * reach**2 / 3)
    return 1 / (1 / arrivals + same / resolvers)


@dataclass(frozen=True)
class Look:
    """A region's share of the newest streams, the number of arrivals, and its tolerance."""

    share_pct: float
    arrivals: float
    wanted_pct: float
    tolerance_pct: float

    @property
    def off_pct(self) -> float:
        """Points between the observed and the expected share."""
        return abs(self.share_pct - self.wanted_pct)

    @property
    def holds(self) -> bool:
        """Whether the share is as expected, within the tolerance."""
        return self.off_pct <= self.tolerance_pct


@dataclass(frozen=True)
class Split:
    """The observed split. `tolerance_pct` is in points of percent.

    `resolvers`: resolver caches of the load (0: not known, every arrival is a draw of its own),
    which hold an answer for `ttl_s`. `since_s`: the step that is judged, seconds since the epoch.
    `most_pct`: a look with a wider tolerance says nothing (None: twice `tolerance_pct`).
    """

    facts: Facts
    scrape_s: float
    tolerance_pct: float
    resolvers: int = 0
    ttl_s: float = 0.0
    since_s: float = 0.0
    most_pct: float | None = None

    def look(self, region: str, wanted_pct: float) -> Look | None:
        """The region's share by the shortest sufficient look-back; None if none is.

        Where a move must be told from none (`most_pct`), by the longest one.
        """
        backs = self._look_backs()
        for scrapes in backs if self.most_pct is None else reversed(backs):
            counts = self._counts(scrapes)
            arrivals = sum(counts.values())
            draws = draws_of(arrivals, scrapes * self.scrape_s, self.resolvers, self.ttl_s)
            tolerance = tolerance_of(wanted_pct, draws, self.tolerance_pct, self.most_pct)
            if tolerance is not None:
                share_pct = 100.0 * counts.get(region, 0.0) / arrivals
                return Look(share_pct, arrivals, wanted_pct, tolerance)
        return None

    def share_pct(self, region: str, arrivals_min: int = ARRIVALS_MIN) -> float | None:
        """Percent of the newest streams that went to `region`; None when too few are known."""
        for scrapes in self._look_backs():
            counts = self._counts(scrapes)
            total = sum(counts.values())
            if total >= arrivals_min:
                return 100.0 * counts.get(region, 0.0) / total
        return None

    def looks(self, weights: Mapping[str, int]) -> dict[str, Look | None]:
        """Compare every region's share with what `weights` give it."""
        return {region: self.look(region, share) for region, share in shares_of(weights).items()}

    def seen(self) -> float:
        """Arrivals in the longest look-back that begins after the step; 0: no data."""
        counts = [self._counts(scrapes) for scrapes in self._look_backs()]
        return max((sum(found.values()) for found in counts), default=0.0)

    def _look_backs(self) -> list[int]:
        return [n for n in LOOK_BACKS if n == LOOK_BACKS[0] or n * self.scrape_s <= LOOK_BACK_S_MAX]

    def _counts(self, scrapes: int) -> dict[str, float]:
        """Arrivals by region of that look-back; empty when it began before the step."""
        end_s = self.facts.newest_s("client_answers")
        # The first sample of a look-back may be a scrape older than the look-back itself.
        if end_s is None or end_s - (scrapes + 1) * self.scrape_s < self.since_s:
            return {}
        return self.facts.increase("client_answers", scrapes * self.scrape_s, scheduled)


def gone(split: Split, region: str, gone_pct: float) -> float | None:
    """The region's share if enough arrivals are known that `gone_pct` of them is one."""
    return split.share_pct(region, arrivals_min=math.ceil(100 / gone_pct))


def await_looks(
    split: Split,
    weights: Mapping[str, int],
    seconds_max: float,
    still: Callable[[], bool],
    sleep: Callable[[float], None],
    monotonic_s: Callable[[], float],
) -> tuple[float | None, dict[str, Look | None]]:
    """Seconds until every region gets what `weights` give it, and the looks that ended the wait.

    None past the bound or once not `still`; the looks are the last ones then.
    """
    began = monotonic_s()
    while True:
        looks = split.looks(weights)
        if all(look is not None and look.holds for look in looks.values()):
            return monotonic_s() - began, looks
        if monotonic_s() - began > seconds_max or not still():
            return None, looks
        sleep(2 * LOOK_S)


def await_split(
    split: Split,
    weights: Mapping[str, int],
    seconds_max: float,
    still: Callable[[], bool],
    sleep: Callable[[float], None],
    monotonic_s: Callable[[], float],
) -> float | None:
    """Seconds until new streams are split by `weights`; None past the bound or once not `still`."""
    return await_looks(split, weights, seconds_max, still, sleep, monotonic_s)[0]
