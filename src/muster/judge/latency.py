"""Judges p95 <= T by counting: the share of requests at or under T, where T is a histogram edge.

A request whose first token or end has not come by T counts as over T, also while it is open:
platform and load report how many open requests are past T. Requests that an earlier window counted
as over are not counted again when they end. A histogram that contradicts itself (`histograms`)
shows nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from muster.samples.counting import Count, Status, judge_share
from muster.samples.histograms import (
    INFINITE,
    contradiction,
    edge_of,
    joined,
    own_labels,
    wrong_unit,
)
from muster.samples.restarts import restarts_within
from muster.samples.series import Process, Samples, Series
from muster.samples.windows import Window, at, ended, total_growth

Bracket = tuple[float, float | None]


@dataclass(frozen=True)
class Latency:
    """What a histogram shows for a window. `bracket` is the range of the p95, in seconds."""

    status: Status
    reason: str
    bracket: Bracket | None
    total: int | None
    share_under_pct: float | None


def judge_latency(
    samples: Samples,
    window: Window,
    *,
    histogram: str,
    open_signal: str,
    open_phase: str,
    open_required: bool,
    threshold_s: float,
    percentile: Fraction,
    fast_others: float = 0.0,
) -> Latency:
    """Compare `histogram`'s p95 with `threshold_s`; unknown without data or edges.

    `fast_others`: requests in it that are not the load's. They are left out as if each had been as
    fast as can be, so that they can only have made the rest look faster than it was.
    """
    counts = samples.of(histogram, "_count")
    total = total_growth(counts, window)
    still_open = _open_over(samples, window, open_signal, open_phase, threshold_s)
    if still_open is None:
        # If the platform has no such gauge, the load's count is used; a gap in one is a gap.
        if open_required or samples.of(open_signal, phase=open_phase):
            return Latency("unknown", f"no data of {open_signal}", None, None, None)
        still_open = 0.0
    buckets = joined(samples.of(histogram, "_bucket"))
    under = _under(buckets, window)
    if total is None or not under:
        return Latency("unknown", "no data", None, None, None)
    if not _whole(counts, buckets):
        reason = "a process exports only a part of its histogram"
        return Latency("unknown", reason, None, None, None)
    finite = sorted(edge for edge in under if edge is not None)
    wrong = contradiction(histogram, counts, buckets, window)
    if wrong := wrong or (wrong_unit(finite[-1]) if finite else ""):
        return Latency("unknown", wrong, None, None, None)
    total = max(0.0, total - fast_others)
    under = {
        edge: None if count is None else max(0.0, count - fast_others)
        for edge, count in under.items()
    }
    whole = total + still_open
    if not finite or finite[-1] < threshold_s:
        return Latency("unknown", "no histogram edge at or above the threshold", None, None, None)
    bracket = _bracket(under, finite, whole, percentile)
    below = max((edge for edge in finite if edge <= threshold_s), default=None)
    above = min(edge for edge in finite if edge >= threshold_s)
    bad_max = 1 - percentile
    share = None
    if below is not None:
        sure = _over(under[below], whole)
        share = None if sure is None or not whole else 100 * (1 - sure / whole)
        status, reason = judge_share(Count(sure, whole), bad_max)
        if below == threshold_s or status == "pass":
            return Latency(status, reason, bracket, round(whole), share)
    possible = _over(under[above], whole)
    status, reason = judge_share(Count(possible, whole), bad_max)
    if status != "pass":
        return Latency(status, reason, bracket, round(whole), share)
    edges = f"{below:g} and {above:g} s" if below is not None else "its edges"
    return Latency("unknown", f"p95 lies between {edges}", bracket, round(whole), share)


def _over(under: float | None, whole: float) -> float | None:
    return None if under is None else max(0.0, whole - under)


def _whole(counts: Sequence[Series], buckets: Sequence[Series]) -> bool:
    """Whether every process exports its count and the same buckets."""
    owners: dict[float | None, set[Process]] = {}
    for one in buckets:
        owners.setdefault(_edge(one), set()).add(own_labels(one))
    shown = {own_labels(one) for one in counts}
    return all(owner == shown for owner in owners.values())


def _under(buckets: Sequence[Series], window: Window) -> Mapping[float | None, float | None]:
    """Growth at or under each edge (None: +Inf), over all processes and regions."""
    by_edge: dict[float | None, list[Series]] = {}
    for series in buckets:
        by_edge.setdefault(_edge(series), []).append(series)
    restarts = restarts_within(buckets, window.start_s, window.end_s, window.stale_s)
    return {
        edge: total_growth(series, window, buckets, restarts) for edge, series in by_edge.items()
    }


def _edge(bucket: Series) -> float | None:
    """The finite edge; None for infinity or for no number (`contradiction` reports the latter)."""
    edge = edge_of(bucket.labels.get("le"))
    return None if edge == INFINITE else edge


def _open_over(
    samples: Samples, window: Window, signal: str, phase: str, threshold_s: float
) -> float | None:
    """How many more requests are open past the threshold at the window's end than at its start."""
    shown = samples.of(signal, phase=phase)
    series = joined([one for one in shown if _edge(one) == threshold_s])
    if not series:
        return None
    change = 0.0
    for one in series:
        if window.absent(one.region, window.end_s) or ended(one, series, window):
            # The process ended with them; those past the threshold were counted when they passed
            # it.
            continue
        end = _open_at(one, window, window.end_s)
        start = _open_at(one, window, window.start_s)
        if end is None or start is None:
            return None
        change += end - start
    return change


def _open_at(series: Series, window: Window, t_s: float) -> float | None:
    if len(series.t) == 0:
        return None
    if window.absent(series.region, t_s) or t_s < series.t[0]:
        return 0.0
    return at(series, t_s, window.stale_s)


def _bracket(
    under: Mapping[float | None, float | None],
    finite: list[float],
    whole: float,
    percentile: Fraction,
) -> Bracket | None:
    """The edges between which the p95 lies; an upper edge of None means above the top edge."""
    needed = percentile * Fraction(round(whole))
    if not whole:
        return None
    for low, high in pairwise([0.0, *finite]):
        count = under[high]
        if count is None:
            return None
        if Fraction(round(count)) >= needed:
            return low, high
    return finite[-1], None
