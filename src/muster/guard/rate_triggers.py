"""5xx over the limit and 2xx below the floor, in consecutive windows computed from counters.

- A window is breach, ok or unknown. Unknown neither counts nor resets; too many in a row mean data
  lost. A window without attempts neither counts nor resets and is not data lost.
- Regions that are in rotation for the whole window are judged, each by the platform's and by the
  load's count. All of them together, with attempts that reached no region, are judged by the load's
  count.
- A window that a declared fault must break is recorded as expected and left out.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from muster.contract.model import Tier
from muster.guard.trips import Nearing, Span, Trip
from muster.samples.counting import Count, judge_share

RateSlo = Literal["rate_5xx", "success_2xx"]
RATE_SLOS: tuple[RateSlo, ...] = ("rate_5xx", "success_2xx")


@dataclass(frozen=True)
class WindowCounts:
    """One source's attempts in one window; None if unknown. `region` None: all regions together."""

    region: str | None
    source: str
    start_s: float
    end_s: float
    total: float | None
    bad: dict[RateSlo, float | None]


def tolerated(tier: Tier, slo: RateSlo) -> Fraction:
    """The tier's tolerated share of bad attempts."""
    return tier.rate_5xx_max if slo == "rate_5xx" else 1 - tier.success_2xx_min


@dataclass
class _Run:
    """Windows of one rule, region and source; memory is bounded by the number of windows that trip
    it.
    """

    seen: deque[Span]
    breaches: int = 0
    unknown: int = 0
    tripped: bool = False


@dataclass
class RateRule:
    """`windows` breaches in a row trip it; `kind` limit also requires the smallest sample size."""

    slo: RateSlo
    kind: Literal["trigger", "limit"]
    windows: int
    unknown_windows_max: int
    _runs: dict[tuple[str | None, str], _Run] = field(default_factory=dict)

    def window(self, counts: WindowCounts, bad_max: Fraction, expected: bool) -> Iterator[Trip]:
        """Take a region's and source's next window; a trip is reported once until it recovers."""
        key = (counts.region, counts.source)
        run = self._runs.setdefault(key, _Run(deque(maxlen=self.windows)))
        bad = counts.bad[self.slo]
        if counts.total is None or bad is None:
            run.unknown += 1
            if run.unknown == self.unknown_windows_max + 1 and self.kind == "trigger":
                yield self._lost(counts, run.unknown)
            return
        run.unknown = 0
        if counts.total == 0:
            return
        state = self._state(bad, counts.total, bad_max)
        if state is None:
            return
        if expected:
            if state:
                yield self._trip(counts, bad, counts.total, bad_max)
            return
        if not state:
            self._runs[key] = _Run(deque(maxlen=self.windows))
            return
        run.breaches += 1
        run.seen.append((counts.start_s, counts.end_s))
        if run.breaches >= self.windows and not run.tripped:
            run.tripped = True
            yield self._trip(counts, bad, counts.total, bad_max, tuple(run.seen))

    def leave(self, region: str | None, source: str) -> None:
        """The region left rotation: its count of windows starts anew when it returns."""
        self._runs.pop((region, source), None)

    def nearing(self, window_s: float) -> Iterator[Nearing]:
        """Where windows in breach are counted; a window lasts `window_s`."""
        for (region, _), run in self._runs.items():
            if run.breaches and not run.tripped:
                left_s = (self.windows - run.breaches) * window_s
                yield Nearing(self.kind, self.slo, region, left_s)

    def _state(self, bad: float, total: float, bad_max: Fraction) -> bool | None:
        """Whether the window is in breach; None if a limit has too few attempts to decide."""
        if self.kind == "limit":
            status, _ = judge_share(Count(bad, total), bad_max)
            return None if status == "unknown" else status == "fail"
        return Fraction(round(bad)) > bad_max * Fraction(round(total))

    def _trip(
        self,
        counts: WindowCounts,
        bad: float,
        total: float,
        bad_max: Fraction,
        seen: tuple[Span, ...] | None = None,
    ) -> Trip:
        """Return the trip of `seen` windows; None means this window, which a declared fault had to
        cause.
        """
        floor, expected = self.slo == "success_2xx", seen is None
        threshold = float(100 * (1 - bad_max if floor else bad_max))
        measured = 100 * (total - bad if floor else bad) / total
        side = "below" if floor else "over"
        many = "a window" if expected else f"{self.windows} windows in a row"
        where = "" if counts.region is None else f" in {counts.region}"
        return Trip(
            kind=self.kind,
            name=self.slo,
            region=counts.region,
            t_trip_s=counts.end_s,
            detail=(
                f"{side} {threshold:g} % for {many}{where} by the {counts.source}'s counts; last: "
                f"{measured:.3g} % of {total:.0f} attempts"
            ),
            windows=((counts.start_s, counts.end_s),) if seen is None else seen,
            source=counts.source,
            measured=round(measured, 4),
            threshold=threshold,
            unit="%",
            expected=expected,
        )

    def _lost(self, counts: WindowCounts, unknown: int) -> Trip:
        return Trip(
            kind="data_lost",
            name=self.slo,
            region=counts.region,
            t_trip_s=counts.end_s,
            detail=f"{self.slo}: {unknown} windows in a row without data from the {counts.source}",
            windows=((counts.start_s, counts.end_s),),
            source=counts.source,
        )
