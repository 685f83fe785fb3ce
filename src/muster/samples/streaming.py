"""Counters in consecutive windows, from samples as they arrive, in constant memory.

The same rules as `windows`: a value at a moment is the last sample at or before it, no older than
`stale_s`. A fall is a restart from 0 if `restarts` says so, and unknown otherwise. A series that
starts late began at 0 if a sibling was seen before; in a process that was never seen before, only
if its first value could be that of a new process. Plain lists: a window holds some ten to a hundred
samples, for which arrays cost more.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from operator import gt, lt, ne

from muster.samples.restarts import NONE, Points, Restarts, grown, pace, restarts_of
from muster.samples.windows import could_be_new


class CounterStream:
    """One counter: takes samples, and returns its growth in one window after the other."""

    def __init__(self, *, began_at_zero: bool, stale_s: float, process_seen: bool = False) -> None:
        self._stale_s = stale_s
        self._began_at_zero = began_at_zero
        self._process_seen = process_seen
        self._t: list[float] = []
        self._v: list[float] = []

    @property
    def newest_s(self) -> float:
        """When its newest sample was scraped; minus infinity before the first."""
        return self._t[-1] if self._t else float("-inf")

    def add(self, t_s: Sequence[float], v: Sequence[float | None]) -> None:
        """Add samples in any order; of those with the same time the first one counts."""
        plain = [x for x in v if x is not None]
        in_order = len(plain) == len(t_s) and all(map(lt, t_s, t_s[1:]))
        if in_order and t_s and t_s[0] > self.newest_s and not any(map(ne, plain, plain)):
            self._t.extend(t_s)
            self._v.extend(plain)
            return
        known = dict(zip(self._t, self._v, strict=True))
        for t, x in zip(t_s, v, strict=True):
            if x is not None and x == x:
                known.setdefault(t, x)
        self._t = sorted(known)
        self._v = [known[t] for t in self._t]

    def fell_within(self, start_s: float, end_s: float) -> bool:
        """Whether it fell after its last sample at or before `start_s`, and by `end_s`."""
        _, v = self.points(start_s, end_s)
        return any(map(gt, v, v[1:]))

    def points(self, start_s: float, end_s: float) -> Points:
        """The samples that a window uses: those in it, and the last one before."""
        first = max(0, bisect_right(self._t, start_s) - 1)
        last = bisect_right(self._t, end_s)
        return self._t[first:last], self._v[first:last]

    def close(self, start_s: float, end_s: float, restarts: Restarts | None = None) -> float | None:
        """Growth from `start_s` to `end_s`, the next window; None: unknown.

        `restarts`: of its process; None: as the counter alone shows them. Samples before the
        window's end are released, except the last one, which is the start of the next window.
        """
        if restarts is None:
            restarts = NONE
            if self.fell_within(start_s, end_s):
                own = [self.points(start_s, end_s)]
                restarts = restarts_of(own, pace([own]), self._stale_s)
        t, v = self._t, self._v
        first, last = bisect_right(t, start_s) - 1, bisect_right(t, end_s) - 1
        grew = self._growth(first, last, start_s, end_s, restarts)
        if last > 0:
            del t[:last], v[:last]
        return grew

    def _growth(
        self, first: int, last: int, start_s: float, end_s: float, restarts: Restarts
    ) -> float | None:
        t, v = self._t, self._v
        if last < 0:
            return 0.0 if t and self._began_at_zero else None
        if end_s - t[last] > self._stale_s:
            return None
        if first < 0:
            new = self._process_seen or could_be_new(t[: last + 1], v[: last + 1], self._stale_s)
            if not (self._began_at_zero and new):
                return None
            return grown([t[0], *t[: last + 1]], [0.0, *v[: last + 1]], restarts)
        # A new process after the gap: what the old one last showed does not matter.
        restarted = first < last and restarts.within(t[first], t[first + 1])
        if start_s - t[first] > self._stale_s and not restarted:
            return None
        return grown(t[first : last + 1], v[first : last + 1], restarts)
