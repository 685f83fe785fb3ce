"""How much counters grew between two moments: exactly, or unknown.

1. A counter's value at a moment is its last sample at or before it, no older than `stale_s`.
2. Growth is the value at the end minus the value at the start; after a restart of its process the
   counter began from 0 again. Scrapes in between matter only for finding restarts. A fall that is
   not a restart (`restarts`) makes the growth of every counter of that process unknown.
3. A series that begins inside the window or after it began at 0 if its siblings (same signal) were
   already being scraped: either its label had not occurred yet, or its process did not exist. The
   latter is accepted only if a new process could have reached the first value: otherwise an old
   process that was out of sight would add its whole past as growth. If no sibling was scraped
   before, the growth is unknown.
4. A series that ends inside the window is unknown, unless the ledger declares that its process was
   gone by then (a darkened region, or one some of whose pods are replaced): then its last value is
   final. It stays final when the region is back, if the process is seen to be back without it or
   others are seen in its place. If only a part of the region was, as many must have come as ended.
5. Adjoining windows share their boundary, so that the parts add up to the whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from muster.samples.restarts import NONE, Restarts, grown, restarts_within, window_points
from muster.samples.series import Process, Series

NEW_GAPS = 2.0
NEW_COUNT_MAX = 10.0


@dataclass(frozen=True)
class Absence:
    """From `start_s` to `end_s` the processes of `region` are declared to be stopped.

    `part`: some of them, while others go on. Then nothing is said of any one process: it must be
    seen to have ended, by one that came after it, or by its own counters that began anew.
    """

    region: str
    start_s: float
    end_s: float
    part: bool = False

    def covers(self, region: str, t_s: float) -> bool:
        """Whether all of `region` is declared to be gone at `t_s`."""
        return not self.part and self.allows(region, t_s, 0.0)

    def allows(self, region: str, t_s: float, stale_s: float) -> bool:
        """Whether a process of `region` that was last seen at `t_s` may have been stopped."""
        return region == self.region and self.start_s - stale_s <= t_s <= self.end_s


@dataclass(frozen=True)
class Window:
    """A stretch of time to judge, and how samples in it are read."""

    start_s: float
    end_s: float
    stale_s: float
    absences: tuple[Absence, ...] = ()

    def absent(self, region: str, t_s: float) -> bool:
        """Whether the region's processes are declared to be gone at `t_s`."""
        return any(absence.covers(region, t_s) for absence in self.absences)

    def may_stop(self, region: str, t_s: float) -> bool:
        """Whether a process of the region that was last seen then is declared as one that may be
        stopped.
        """
        return any(absence.allows(region, t_s, self.stale_s) for absence in self.absences)


def growth(
    series: Series,
    window: Window,
    first_scrape_s: float,
    process_scrape_s: float = float("inf"),
    final: bool = False,
    restarts: Restarts | None = None,
) -> float | None:
    """How much `series` grew within `window`; None is unknown.

    `first_scrape_s` is when any sibling was first scraped: a series that begins later began at 0,
    if its process had been scraped before it (from `process_scrape_s` on) or is a new one. `final`:
    after its last sample there was no more growth. `restarts`: of its process; None: as the series
    alone shows them.
    """
    if len(series.t) == 0:
        return None
    if final and series.t[-1] < window.start_s:
        return 0.0
    if restarts is None:
        found = restarts_within([series], window.start_s, window.end_s, window.stale_s)
        restarts = found.get(series.process, NONE)
    start = _start_value(series, window, first_scrape_s, process_scrape_s, restarts)
    if start is None:
        return None
    since, base = start
    last = int(series.t.searchsorted(window.end_s, "right")) - 1
    if last < 0:
        # It began at 0 after the window: its label had not occurred yet.
        return 0.0
    if last < since:
        # Nothing newer than the start: acceptable only if the process is declared to be gone.
        if window.end_s - series.t[last] <= window.stale_s:
            return 0.0
        return 0.0 if final or window.absent(series.region, window.end_s) else None
    if window.end_s - series.t[last] > window.stale_s and not (
        final or window.absent(series.region, window.end_s)
    ):
        return None
    if np.isnan(series.v[last]):
        return None
    if restarts is NONE:
        return float(series.v[last]) - base
    t, v = window_points(series, window.start_s, window.end_s)
    return grown(t, v, restarts) if since else grown([t[0], *t], [base, *v], restarts)


def _start_value(
    series: Series,
    window: Window,
    first_scrape_s: float,
    process_scrape_s: float,
    restarts: Restarts,
) -> tuple[int, float] | None:
    """(index of the first sample after the start, value at the start); None is unknown."""
    since = int(series.t.searchsorted(window.start_s, "right"))
    if since == 0:
        began_at_zero = series.t[0] > first_scrape_s and (
            series.t[0] > process_scrape_s
            or could_be_new(series.t.tolist(), series.v.tolist(), window.stale_s)
        )
        return (0, 0.0) if began_at_zero else None
    before = since - 1
    value = float(series.v[before])
    if np.isnan(value):
        return None
    if window.start_s - series.t[before] > window.stale_s and not (
        window.absent(series.region, window.start_s) or _dead_before(series, since, restarts)
    ):
        return None
    return since, value


def could_be_new(t_s: Sequence[float], v: Sequence[float], stale_s: float) -> bool:
    """Whether the first value could be that of a new process.

    It was first scraped within `NEW_GAPS` * `stale_s` of its start, and counted until then at most
    as fast as at any time after; small counts decide nothing.
    """
    if v[0] <= NEW_COUNT_MAX:
        return True
    per_s = max(
        ((b - a) / (later - t) for (t, a), (later, b) in pairwise(zip(t_s, v, strict=True))),
        default=0.0,
    )
    return v[0] <= NEW_GAPS * stale_s * per_s


def _dead_before(series: Series, since: int, restarts: Restarts) -> bool:
    """Whether it restarted before the next sample: then the value before does not matter."""
    return since < len(series.t) and restarts.within(
        float(series.t[since - 1]), float(series.t[since])
    )


def ended(series: Series, siblings: Sequence[Series], window: Window) -> bool:
    """Whether `series` ended by the end of `window` because its process was stopped.

    The ledger declares the region to be gone around its last sample; and either its siblings in the
    same process went on without it, or there is a process that came after it. Where only a part of
    the region is declared to be gone, that takes more (`_replaced`).
    """
    if not window.absences or len(series.t) == 0:
        return False
    last_s = float(series.t[-1])
    declared = [one for one in window.absences if one.allows(series.region, last_s, window.stale_s)]
    if last_s >= window.end_s - window.stale_s or not declared:
        return False
    seen = [one for one in siblings if len(one.t)]
    there = [one for one in seen if one.region == series.region]
    if all(one.part for one in declared):
        until_s = max(float(one.t[-1]) for one in (*seen, series))
        return _replaced(series, [*there, series], window, until_s)
    return any(
        one.t[-1] > last_s if one.owner == series.owner else one.t[0] > last_s for one in there
    )


def _replaced(series: Series, there: Sequence[Series], window: Window, seen_until_s: float) -> bool:
    """Whether the process of `series` ended while others of its region went on.

    Its siblings began anew; or none of them goes on, and at least as many processes came since the
    declaration as ended: else one of those only shows nothing any more, and nobody knows which.
    """
    last_s = float(series.t[-1])
    later = [one for one in there if one.owner == series.owner and one.t[-1] > last_s]
    if any(_fell_after(one, last_s) for one in later):
        return True
    if any(one.t[-1] > last_s + window.stale_s for one in later):
        return False
    lives: dict[tuple[str, str], tuple[float, float]] = {}
    for one in there:
        first_s, until_s = lives.get(one.owner, (float("inf"), float("-inf")))
        lives[one.owner] = min(first_s, one.first_s), max(until_s, float(one.t[-1]))
    parts = [one for one in window.absences if one.part and one.region == series.region]
    whole = [one for one in window.absences if not one.part and one.region == series.region]
    since_s = min(one.start_s for one in parts)
    ends = [
        owner == series.owner
        or (
            until_s < seen_until_s - window.stale_s
            and any(one.allows(series.region, until_s, window.stale_s) for one in parts)
        )
        for owner, (_, until_s) in lives.items()
    ]
    # What came when the whole region was back took the place of others.
    comes = [
        first_s > since_s and not any(since_s <= one.start_s < first_s for one in whole)
        for first_s, _ in lives.values()
    ]
    after = any(first_s > last_s for first_s, _ in lives.values())
    return (after or lives[series.owner][0] > since_s) and sum(ends) <= sum(comes)


def _fell_after(series: Series, t_s: float) -> bool:
    """Whether it fell between its last sample until `t_s` and the next one."""
    after = int(series.t.searchsorted(t_s, "right"))
    return 0 < after < len(series.t) and bool(series.v[after] < series.v[after - 1])


def total_growth(
    series: Iterable[Series],
    window: Window,
    siblings: Sequence[Series] | None = None,
    restarts: Mapping[Process, Restarts] | None = None,
) -> float | None:
    """Growth of all `series` together; None if one of them is unknown or there is none.

    A series that ended before the window began adds nothing if its process is declared to be gone.
    `restarts`: of the siblings in this window, if they are known already.
    """
    chosen = list(series)
    if not chosen:
        return None
    known = chosen if siblings is None else siblings
    first = min((one.first_s for one in known), default=float("inf"))
    if restarts is None:
        restarts = restarts_within(known, window.start_s, window.end_s, window.stale_s)
    total = 0.0
    for one in chosen:
        process_s = float("inf")
        if len(one.t) and one.t[0] > max(window.start_s, first):
            own = (s.first_s for s in known if s.owner == one.owner)
            process_s = min(own, default=process_s)
        final = ended(one, known, window)
        grew = growth(one, window, first, process_s, final, restarts.get(one.process, NONE))
        if grew is None:
            return None
        total += grew
    return total


def at(series: Series, t_s: float, stale_s: float) -> float | None:
    """The value at `t_s`: the last sample at or before it, no older than `stale_s`."""
    index = int(series.t.searchsorted(t_s, "right")) - 1
    if index < 0 or t_s - series.t[index] > stale_s or np.isnan(series.v[index]):
        return None
    return float(series.v[index])
