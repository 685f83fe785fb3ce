"""Counters in windows that follow each other, from samples as they come: constant memory.

The same rules as `windows`: a value at a moment is the last sample at or before it, no older than
`stale_s`; a decrease is a restart from 0; a late starter began at 0 if a sibling was seen before.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from muster.contract.samples import Array

Flags = npt.NDArray[np.bool_]


class CounterStream:
    """One counter: takes samples, gives its growth in each closed window (NaN: unknown)."""

    def __init__(self, *, began_at_zero: bool, stale_s: float) -> None:
        self._stale_s = stale_s
        self._began_at_zero = began_at_zero
        self._t: list[float] = []
        self._v: list[float | None] = []
        self.newest_s = float("-inf")

    def add(self, t_s: Sequence[float], v: Sequence[float | None]) -> None:
        """Take samples, in any order."""
        self._t.extend(t_s)
        self._v.extend(v)
        if t_s:
            self.newest_s = max(self.newest_s, t_s[-1])

    def close(self, bounds: Array) -> Array:
        """Growth between each two of the rising `bounds`; what lies before the last is dropped."""
        t, v = self._ordered()
        if len(t) == 0:
            return np.full(len(bounds) - 1, np.nan)
        steps = np.diff(v)
        grown = np.concatenate(([0.0], np.where(steps >= 0, steps, v[1:]).cumsum()))
        index = np.searchsorted(t, bounds, "right") - 1
        known: Flags = (index >= 0) & (bounds - t[index] <= self._stale_s)
        at = np.where(index >= 0, grown[index], 0.0)
        starts_known: Flags = known[:-1] | _restarts_after(v, index[:-1])
        if self._began_at_zero:
            before = index < 0
            at = np.where(before, -v[0], at)
            starts_known |= before[:-1]
            known |= before
        last = max(0, int(index[-1]))
        # The newest sample before the window to come is its start.
        self._t, self._v = t[last:].tolist(), v[last:].tolist()
        if index[-1] >= 0:
            self._began_at_zero = False
        return np.where(starts_known & known[1:], np.diff(at), np.nan)

    def _ordered(self) -> tuple[Array, Array]:
        """By time, without NaN; of samples with the same time the first that came."""
        t, v = np.array(self._t, dtype=np.float64), np.array(self._v, dtype=np.float64)
        keep = ~np.isnan(v)
        if not keep.all():
            t, v = t[keep], v[keep]
        if len(t) > 1 and not bool(np.all(np.diff(t) > 0)):
            t, index = np.unique(t, return_index=True)
            v = v[index]
        return t, v


def _restarts_after(v: Array, index: npt.NDArray[np.intp]) -> Flags:
    """Where the next sample is lower: a new process, so what stood before cannot matter."""
    following = np.clip(index + 1, 0, len(v) - 1)
    here = np.clip(index, 0, None)
    restarted: Flags = (index >= 0) & (v[following] < v[here])
    return restarted
