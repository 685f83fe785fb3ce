"""Counters in windows that follow each other, from samples as they come: constant memory.

The same rules as `windows`: a value at a moment is the last sample at or before it, no older than
`stale_s`; a decrease is a restart from 0; a late starter began at 0 if a sibling was seen before,
and of a process never seen before only if its first value could be a new one's.
Plain lists: a window holds some ten to a hundred samples, and arrays cost more than that.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise
from operator import le, lt, ne

from muster.contract.windows import could_be_new


class CounterStream:
    """One counter: takes samples, gives its growth in each window in turn."""

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
        """Take samples in any order; of those with the same time the first that came counts."""
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

    def close(self, start_s: float, end_s: float) -> float | None:
        """Growth from `start_s` to `end_s`, the next window; None: unknown.

        What lies before its end is let go, but for the last sample: that is the next one's start.
        """
        t, v = self._t, self._v
        first, last = bisect_right(t, start_s) - 1, bisect_right(t, end_s) - 1
        grown = self._growth(first, last, start_s, end_s)
        if last > 0:
            del t[:last], v[:last]
        return grown

    def _growth(self, first: int, last: int, start_s: float, end_s: float) -> float | None:
        t, v = self._t, self._v
        if last < 0:
            return 0.0 if t and self._began_at_zero else None
        if end_s - t[last] > self._stale_s:
            return None
        if first < 0:
            new = self._process_seen or could_be_new(t[: last + 1], v[: last + 1], self._stale_s)
            return _grown([0.0, *v[: last + 1]]) if self._began_at_zero and new else None
        # A new process after the gap: what the old one last showed can not matter.
        restarted = first < last and v[first + 1] < v[first]
        if start_s - t[first] > self._stale_s and not restarted:
            return None
        return _grown(v[first : last + 1])


def _grown(values: list[float]) -> float:
    """From the first value to the last; a decrease is a restart from 0."""
    if all(map(le, values, values[1:])):
        return values[-1] - values[0]
    return sum(b - a if b >= a else b for a, b in pairwise(values))
