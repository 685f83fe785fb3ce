"""Gauges over a stretch of time: the queue's oldest job, and streams held.

The age of a queue's oldest job grows at most one second a second. So between two scrapes it was at
most the later one, or the earlier one plus the gap: over the limit is unknown, else it held.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from muster.contract.findings import Status
from muster.contract.samples import Samples, Series
from muster.contract.windows import Window


@dataclass(frozen=True)
class QueueAge:
    """The worst that was seen of one region's queue, in seconds."""

    status: Status
    age_s_max: float | None
    scrapes: int
    reason: str


def judge_queue_age(samples: Samples, window: Window, region: str, limit_s: float) -> QueueAge:
    """Whether no job of `region` was ever older than `limit_s` (a gap may hide it)."""
    series = samples.of("queue_age", region=region)
    if not series:
        gone = window.absent(region, window.start_s) and window.absent(region, window.end_s)
        return (
            QueueAge("pass", None, 0, "the region was dark")
            if gone
            else QueueAge("unknown", None, 0, "no data")
        )
    worst: float | None = None
    scrapes = 0
    reason = ""
    for one in series:
        inside = (one.t >= window.start_s) & (one.t <= window.end_s)
        ages = one.v[inside]
        scrapes += int(inside.sum())
        known = ages[~np.isnan(ages)]
        if len(known):
            worst = max(worst or 0.0, float(known.max()))
        reason = reason or _gap(one, window, region, limit_s)
    if worst is not None and worst > limit_s:
        return QueueAge("fail", worst, scrapes, "")
    if reason:
        return QueueAge("unknown", worst, scrapes, reason)
    return QueueAge("pass", worst, scrapes, "")


def _gap(series: Series, window: Window, region: str, limit_s: float) -> str:
    """Why the samples leave it open whether the limit held; empty when they do not."""
    good = ~np.isnan(series.v)
    t, v = series.t[good], series.v[good]
    first = max(0, int(np.searchsorted(t, window.start_s, "right")) - 1)
    last = int(np.searchsorted(t, window.end_s, "right"))
    points = [(float(a), float(b)) for a, b in zip(t[first:last], v[first:last], strict=True)]
    # Before the first sample a queue may have stood at anything, unless it was just started.
    previous_t, previous_v = points[0] if points else (window.start_s, float("inf"))
    if points and previous_t > window.start_s + window.stale_s:
        gone = window.absent(region, window.start_s) or first == 0
        if not gone:
            return f"no sample for the first {previous_t - window.start_s:.0f} s"
    for now_t, now_v in [*points[1:], (window.end_s, 0.0)]:
        gap_s = now_t - previous_t
        if gap_s > window.stale_s and previous_v + gap_s > limit_s:
            middle = (previous_t + now_t) / 2
            if not window.absent(region, middle):
                return f"no sample for {gap_s:.0f} s"
        previous_t, previous_v = now_t, now_v
    return ""


def mean_total(samples: Samples, signal: str, window: Window) -> float | None:
    """Mean over `window` of the sum of `signal`'s series; None when one has no samples there."""
    series = samples.of(signal)
    if not series:
        return None
    total = 0.0
    for one in series:
        inside = one.v[(one.t >= window.start_s) & (one.t <= window.end_s)]
        if len(inside) == 0 or bool(np.isnan(inside).any()):
            return None
        total += float(inside.mean())
    return total
