"""Judges gauges over a stretch of time: the queue's oldest job, and open streams.

- The age of a queue's oldest job grows by at most one second per second. Where a scrape is missing,
  the age was at most the last one plus the gap: if that is over the limit the result is unknown,
  else the limit held.
- A sample of open streams stands for one scrape interval. To pass, unseen time counts as no
  streams; to fail, the seen time alone must show too few.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from muster.samples.away import away
from muster.samples.counting import Status
from muster.samples.series import Samples, Series
from muster.samples.windows import Window, could_be_new, ended

MISSING_SCRAPES = 1.5
"""Two samples further apart than this many scrape intervals miss a sample between them."""


@dataclass(frozen=True)
class QueueAge:
    """The worst value seen of one region's queue, in seconds."""

    status: Status
    age_s_max: float | None
    scrapes: int
    reason: str


def judge_queue_age(
    samples: Samples, window: Window, region: str, limit_s: float, scrape_s: float
) -> QueueAge:
    """Judge that no job of `region` was ever older than `limit_s` (a gap may hide one).

    Not judged if the ledger declares the region dark for the whole window and no sample of its
    queue exists.
    """
    series = samples.of("queue_age", region=region)
    worst: float | None = None
    scrapes = 0
    reason = ""
    lived_here = False
    for one in series:
        inside = (one.t >= window.start_s) & (one.t <= window.end_s)
        ages = one.v[inside]
        scrapes += int(inside.sum())
        known = ages[~np.isnan(ages)]
        if len(known):
            worst = max(worst or 0.0, float(known.max()))
        start_s, end_s = window.start_s, window.end_s
        if _newly_started(samples, one, window.stale_s):
            start_s = max(start_s, float(one.t[0]))
        if ended(one, series, window):
            end_s = min(end_s, float(one.t[-1]))
        if start_s <= end_s:
            lived_here = True
            lived = replace(window, start_s=start_s, end_s=end_s)
            reason = reason or _gap(samples, one, lived, limit_s, scrape_s)
    if worst is not None and worst > limit_s:
        return QueueAge("fail", worst, scrapes, "")
    if reason:
        return QueueAge("unknown", worst, scrapes, reason)
    if worst is None:
        # A process may have been stopped, unscraped, just after the window began.
        slack_s = window.stale_s if lived_here else 0.0
        gone = all(
            window.absent(region, t_s) for t_s in (window.start_s + slack_s, window.end_s - slack_s)
        )
        if not gone:
            return QueueAge("unknown", None, scrapes, "no data")
        return QueueAge("not_judged", None, scrapes, "the region was dark")
    return QueueAge("pass", worst, scrapes, "")


def _newly_started(samples: Samples, series: Series, stale_s: float) -> bool:
    """Whether the process started with the window, as its own count of requests shows."""
    counts = [one for one in samples.of("requests") if len(one.t)]
    own = [one for one in counts if one.owner == series.owner]
    if not own or len(series.t) == 0:
        return False
    began_s = min(float(one.t[0]) for one in own)
    first = [one for one in own if one.t[0] == began_s]
    return (
        began_s > min(float(one.t[0]) for one in counts)
        and float(series.t[0]) <= began_s + stale_s
        and all(could_be_new(one.t.tolist(), one.v.tolist(), stale_s) for one in first)
    )


def _gap(samples: Samples, series: Series, window: Window, limit_s: float, scrape_s: float) -> str:
    """Why the samples do not decide whether the limit held; empty if they do."""
    region = series.region
    good = ~np.isnan(series.v)
    t, v = series.t[good], series.v[good]
    first = max(0, int(np.searchsorted(t, window.start_s, "right")) - 1)
    last = int(np.searchsorted(t, window.end_s, "right"))
    points = [(float(a), float(b)) for a, b in zip(t[first:last], v[first:last], strict=True)]
    # Before the first sample the queue's age is unknown, unless the process was just started.
    previous_t, previous_v = points[0] if points else (window.start_s, float("inf"))
    late = bool(points) and previous_t > window.start_s + MISSING_SCRAPES * scrape_s
    if late and not window.absent(region, window.start_s):
        return f"no sample for the first {previous_t - window.start_s:.0f} s"
    for now_t, now_v in [*points[1:], (window.end_s, 0.0)]:
        gap_s = now_t - previous_t
        too_long = gap_s > MISSING_SCRAPES * scrape_s and previous_v + gap_s > limit_s
        if too_long and not away(samples, series, window, (previous_t, now_t)):
            return f"no sample for {gap_s:.0f} s"
        previous_t, previous_v = now_t, now_v
    return ""


@dataclass(frozen=True)
class Held:
    """The mean of what was seen, and the lower bound if unseen time counts as zero."""

    seen: float
    at_least: float


def mean_total(samples: Samples, signal: str, window: Window, scrape_s: float) -> Held | None:
    """Mean over `window` of the sum of `signal`'s series; None if a series has no samples there."""
    series = samples.of(signal)
    if not series or window.end_s <= window.start_s:
        return None
    seen = at_least = 0.0
    for one in series:
        known = (one.t <= window.end_s) & ~np.isnan(one.v)
        t, v = one.t[known], one.v[known]
        inside = t >= window.start_s
        if not inside.any():
            return None
        seen += float(v[inside].mean())
        follows = np.append(t[1:], window.end_s)
        until = np.where(follows - t > MISSING_SCRAPES * scrape_s, t + scrape_s, follows)
        stands_s = np.clip(until - np.maximum(t, window.start_s), 0.0, None)
        at_least += float((v * stands_s).sum()) / (window.end_s - window.start_s)
    return Held(seen, at_least)
