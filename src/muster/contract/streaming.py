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
        self._t = np.empty(0)
        self._v = np.empty(0)

    def add(self, t_s: Sequence[float], v: Sequence[float | None]) -> None:
        """Take samples in any order; NaN and what is not newer than the newest are left out."""
        t_new = np.array(t_s, dtype=np.float64)
        v_new = np.array(v, dtype=np.float64)
        keep = ~np.isnan(v_new)
        if len(self._t):
            keep &= t_new > self._t[-1]
        if not keep.all():
            t_new, v_new = t_new[keep], v_new[keep]
        if len(t_new) > 1 and not bool(np.all(np.diff(t_new) > 0)):
            t_new, index = np.unique(t_new, return_index=True)
            v_new = v_new[index]
        self._t = np.concatenate((self._t, t_new))
        self._v = np.concatenate((self._v, v_new))

    def close(self, bounds: Array) -> Array:
        """Growth between each two of the rising `bounds`; what lies before the last is dropped."""
        if len(self._t) == 0:
            return np.full(len(bounds) - 1, np.nan)
        steps = np.diff(self._v)
        grown = np.concatenate(([0.0], np.where(steps >= 0, steps, self._v[1:]).cumsum()))
        index = np.searchsorted(self._t, bounds, "right") - 1
        known = (index >= 0) & (bounds - self._t[index] <= self._stale_s)
        at = np.where(index >= 0, grown[index], 0.0)
        starts_known: Flags = known[:-1] | self._restarts_after(index[:-1])
        if self._began_at_zero:
            before = index < 0
            at = np.where(before, -self._v[0], at)
            starts_known |= before[:-1]
            known |= before
        result = np.where(starts_known & known[1:], np.diff(at), np.nan)
        last = int(index[-1])
        if last > 0:
            # The newest sample before the window to come is its start.
            self._t, self._v = self._t[last:], self._v[last:]
        if last >= 0:
            self._began_at_zero = False
        return result

    def _restarts_after(self, index: npt.NDArray[np.intp]) -> Flags:
        """Where the next sample is lower: a new process, so what stood before cannot matter."""
        following = np.clip(index + 1, 0, len(self._v) - 1)
        here = np.clip(index, 0, None)
        restarted: Flags = (index >= 0) & (self._v[following] < self._v[here])
        return restarted
