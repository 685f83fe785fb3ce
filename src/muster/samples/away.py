"""Whether a process was away in a gap between two of its samples, as the ledger and it itself tell.

A gap is nothing to worry about where the process was stopped by a fault, and everything where it
lived and was not seen.
"""

from __future__ import annotations

from muster.samples.restarts import NONE, restarts_within
from muster.samples.series import Samples, Series
from muster.samples.windows import Window


def away(samples: Samples, one: Series, window: Window, gap: tuple[float, float]) -> bool:
    """Whether the process of `one` was stopped in `gap`, between two samples (epoch seconds)."""
    before_s, after_s = gap
    if window.absent(one.region, (before_s + after_s) / 2):
        return True
    return _began_anew(samples, one, window, gap)


def _began_anew(samples: Samples, one: Series, window: Window, gap: tuple[float, float]) -> bool:
    """Whether its process was away in the gap because a fault stopped it: it counts from 0 since.

    A live process of which no scrape succeeded goes on where it was.
    """
    before_s, after_s = gap
    if not window.may_stop(one.region, before_s):
        return False
    requests = samples.of("requests")
    restarts = restarts_within(requests, window.start_s, window.end_s, window.stale_s)
    return any(
        # A label that has not occurred again yet shows its count a little later.
        restarts.get(of.process, NONE).within(before_s, after_s + window.stale_s)
        for of in requests
        if of.owner == one.owner
    )
