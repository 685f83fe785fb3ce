"""Counters that fall: a restart from 0, or something else.

A process that restarts begins at 0 with all its counters. A fall therefore counts as a restart only
if all of these hold; otherwise nothing is known of that process in that stretch.

1. The value after the fall is one that a new process could have counted since the last scrape, at
   the rate of this process and its siblings. A sum over pods of which one was replaced stays well
   above that.
2. The process did not fall shortly before or after: processes do not start that fast, but workers
   that answer a scrape in turn look like that.
3. It does not jump up by more than it could have counted: that is a change to another worker.

Everything is decided from the samples of one stretch, so that guard and verdict agree.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from muster.samples.series import Process, Series

COUNT_MAX = 10.0
"""Counts below this say nothing about a rate."""
FALL_FACTOR = 2.0
JUMP_FACTOR = 3.0
Points = tuple[Sequence[float], Sequence[float]]
"""Times (s, ascending) and values of one counter in the stretch; no NaN."""


@dataclass(frozen=True)
class Fall:
    """A counter fell between two scrapes and no restart explains it. `of` is its index."""

    of: int
    since_s: float
    at_s: float
    before: float
    after: float
    why: str

    def said(self) -> str:
        """What happened, for a reader who knows which series it was."""
        return f"fell from {self.before:g} to {self.after:g}: {self.why}"


@dataclass(frozen=True)
class Restarts:
    """For one process: the scrapes (before, after) between which it restarted; else why it
    did not.
    """

    between: tuple[tuple[float, float], ...] = ()
    unexplained: Fall | None = None

    def within(self, since_s: float, until_s: float) -> bool:
        """Whether it restarted between two samples of one of its counters."""
        return any(since_s <= before and after <= until_s for before, after in self.between)


NONE = Restarts()


def pace(processes: Iterable[Sequence[Points]]) -> float:
    """The rate of the fastest process, in counts a second: the median rise of all its counters."""
    return max((_pace(_together(series)) for series in processes), default=0.0)


def restarts_of(series: Sequence[Points], per_s: float, stale_s: float) -> Restarts:
    """When the process with these counters restarted; `per_s` is `pace` of all siblings."""
    falls = sorted(
        (after_s, before_s, number, v0, v1)
        for number, (t, v) in enumerate(series)
        for (before_s, v0), (after_s, v1) in pairwise(zip(t, v, strict=True))
        if v1 < v0
    )
    if not falls:
        return NONE
    together = _together(series)
    times = [t for t, _, _ in together]

    def fall(index: int, why: str) -> Restarts:
        after_s, before_s, number, v0, v1 = falls[index]
        return Restarts((), Fall(number, before_s, after_s, v0, v1, why))

    for index, (after_s, before_s, *_) in enumerate(falls):
        _, reached, most = together[bisect_left(times, after_s)]
        could = FALL_FACTOR * per_s * (after_s - before_s + stale_s)
        if reached > could and most > COUNT_MAX:
            return fall(index, "a new process would begin at 0")
    between: list[tuple[float, float]] = []
    for index, (after_s, before_s, *_) in enumerate(falls):
        if between and before_s < between[-1][1]:
            # Scrapes of one restart: the shortest interval on which all its counters agree.
            between[-1] = (max(between[-1][0], before_s), between[-1][1])
            continue
        if between and after_s - between[-1][1] <= stale_s:
            return fall(index, "it fell again sooner than a process can restart")
        between.append((before_s, after_s))
    few = COUNT_MAX * len(series)
    for (t0, v0, _), (t1, v1, _) in pairwise(together):
        if v1 - v0 > max(few, JUMP_FACTOR * per_s * (t1 - t0 + stale_s)):
            return fall(
                0,
                f"it jumped from {v0:g} to {v1:g} as well, as if several processes "
                "answered in turn",
            )
    return Restarts(tuple(between))


def window_points(series: Series, start_s: float, end_s: float) -> Points:
    """The samples of `series` that a window uses: those in it, and the last one before."""
    first = max(0, int(series.t.searchsorted(start_s, "right")) - 1)
    last = int(series.t.searchsorted(end_s, "right"))
    t, v = series.t[first:last], series.v[first:last]
    known = v == v
    return t[known].tolist(), v[known].tolist()


def restarts_within(
    known: Sequence[Series], start_s: float, end_s: float, stale_s: float
) -> Mapping[Process, Restarts]:
    """Restarts of each process in a window; a process that never fell is left out."""
    fallen = {one.process for one in known if one.fell_within(start_s, end_s)}
    if not fallen:
        return {}
    processes: dict[Process, list[Points]] = {}
    for one in known:
        processes.setdefault(one.process, []).append(window_points(one, start_s, end_s))
    per_s = pace(processes.values())
    return {process: restarts_of(processes[process], per_s, stale_s) for process in fallen}


def grown(t: Sequence[float], v: Sequence[float], restarts: Restarts) -> float | None:
    """Growth from the first value to the last; after a restart it began at 0. None: unknown."""
    if restarts.unexplained is not None:
        return None
    if not restarts.between:
        return v[-1] - v[0]
    return sum(
        v1 if restarts.within(t0, t1) else v1 - v0
        for (t0, v0), (t1, v1) in pairwise(zip(t, v, strict=True))
    )


def _together(series: Sequence[Points]) -> list[tuple[float, float, float]]:
    """At each scrape of a process: the sum of its counters, and the largest of them."""
    found: dict[float, tuple[float, float]] = {}
    for t, v in series:
        for at_s, value in zip(t, v, strict=True):
            summed, most = found.get(at_s, (0.0, 0.0))
            found[at_s] = summed + value, max(most, value)
    return [(at_s, *found[at_s]) for at_s in sorted(found)]


def _pace(together: Sequence[tuple[float, float, float]]) -> float:
    rises = [(b - a) / (t1 - t0) for (t0, a, _), (t1, b, _) in pairwise(together) if b > a]
    return median(rises) if rises else 0.0
