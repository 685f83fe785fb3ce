"""Computes when the rig itself was pinned: scrape by scrape, from its processes' exported loop lag.

A process was pinned while its beats came later than the contract's limit, or while its loop did not
beat at all. A histogram does not say when a beat occurred between two scrapes, and gives its lag
only by edges. Each late beat therefore counts with its upper edge, at most for the whole time
between the scrapes. The blackout is the time in which any process was pinned; where their scrapes
overlap, their times add up, to at most the whole time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from muster.samples.series import Samples, Series
from muster.samples.windows import Window

Process = tuple[str, str, str]
"""Component, region and instance."""


@dataclass(frozen=True)
class Pinned:
    """One process pinned for up to `pinned_s` between two scrapes, `start_s` and `end_s`.

    `lag_s` is the histogram edge at or under which its latest beat lies; infinite above the top
    edge.
    """

    component: str
    instance: str
    start_s: float
    end_s: float
    pinned_s: float
    lag_s: float


@dataclass(frozen=True)
class Span:
    """A stretch of scrapes in which the rig was pinned for up to `pinned_s`."""

    start_s: float
    end_s: float
    pinned_s: float


@dataclass(frozen=True)
class Blackout:
    """`spans`: when any process was pinned, disjoint. `unseen`: processes without complete data."""

    pinned: tuple[Pinned, ...]
    spans: tuple[Span, ...]
    unseen: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """Sum of all spans, in seconds."""
        return sum(span.pinned_s for span in self.spans)

    def within(self, start_s: float, end_s: float) -> float:
        """Seconds of it that may lie between two moments."""
        overlaps = (
            (span, min(span.end_s, end_s) - max(span.start_s, start_s)) for span in self.spans
        )
        return sum(min(span.pinned_s, common) for span, common in overlaps if common > 0)

    @property
    def worst(self) -> Pinned | None:
        """The longest stretch of one process."""
        return max(self.pinned, key=lambda one: one.pinned_s, default=None)


def blackout(samples: Samples, window: Window, limit_s: float) -> Blackout:
    """The rig's blackout within `window`; `limit_s` is the limit for the p99 of the lag."""
    pinned: list[Pinned] = []
    unseen: list[str] = []
    shown: set[str] = set()
    for process, series in sorted(_by_process(samples).items()):
        component, region, instance = process
        shown.add(component)
        found, seen = _of_process(process, series, window, limit_s)
        pinned += _joined(found)
        if not seen and not window.absent(region, window.end_s):
            unseen.append(f"{component} {instance}".strip())
    if "load" not in shown:
        unseen.append("load")
    spans = _union(pinned)
    return Blackout(tuple(pinned), spans, tuple(unseen))


def _by_process(samples: Samples) -> dict[Process, list[Series]]:
    found: dict[Process, list[Series]] = {}
    for one in samples.of("rig_lag"):
        labels = one.labels
        key = (labels.get("component", ""), one.region, labels.get("instance", ""))
        found.setdefault(key, []).append(one)
    return found


def _of_process(
    process: Process, series: list[Series], window: Window, limit_s: float
) -> tuple[list[Pinned], bool]:
    """The intervals in which it was pinned, and whether its data is complete."""
    component, region, instance = process
    counts = [one for one in series if one.name.endswith("_count")]
    edges = {
        float(one.labels["le"]): one for one in series if one.labels.get("le", "+Inf") != "+Inf"
    }
    limits = [edge for edge in edges if edge <= limit_s]
    if len(counts) != 1 or not limits:
        return [], False
    t = counts[0].t
    n = _steps(counts[0], t)
    by_edge = {edge: _steps(one, t) for edge, one in sorted(edges.items())}
    under = by_edge[max(limits)]
    found = []
    whole = True
    first = max(0, int(np.searchsorted(t, window.start_s, "right")) - 1)
    for i in range(first, len(t) - 1):
        start_s, end_s = max(float(t[i]), window.start_s), min(float(t[i + 1]), window.end_s)
        if start_s >= end_s or window.absent(region, (start_s + end_s) / 2):
            continue
        if np.isnan(n[i]) or np.isnan(under[i]):
            whole = False
        elif n[i] == 0 or under[i] < n[i]:
            between = {edge: float(grown[i]) for edge, grown in by_edge.items()}
            length_s = end_s - start_s
            late_s, lag_s = (
                _late(between, max(limits), float(n[i])) if n[i] else (length_s, length_s)
            )
            late_s = min(late_s, length_s)
            found.append(Pinned(component, instance, start_s, end_s, late_s, lag_s))
    begun = len(t) > 0 and t[0] <= window.start_s
    return found, whole and begun and bool(window.end_s - t[-1] <= window.stale_s)


def _late(under: Mapping[float, float], limit_s: float, total: float) -> tuple[float, float]:
    """Seconds by which beats were over the limit, each by its upper edge; and the largest edge."""
    late_s, worst_s, below = 0.0, limit_s, under[limit_s]
    for edge in sorted(edge for edge in under if edge > limit_s):
        if under[edge] > below:
            late_s += (under[edge] - below) * edge
            worst_s = edge
        below = max(below, under[edge])
    return (late_s, worst_s) if below >= total else (float("inf"), float("inf"))


def _steps(series: Series, t: np.ndarray) -> np.ndarray:
    """Growth between the moments `t`; NaN where the series was not scraped at one of them."""
    index = np.searchsorted(series.t, t)
    index[index == len(series.t)] = 0
    v = np.where(series.t[index] == t, series.v[index], np.nan)
    steps = np.diff(v)
    # A decrease is a restart from 0: the new value is the new process's growth.
    return np.where(steps >= 0, steps, np.where(np.isnan(steps), np.nan, v[1:]))


def _joined(found: list[Pinned]) -> list[Pinned]:
    """Merge consecutive intervals."""
    joined: list[Pinned] = []
    for one in found:
        if joined and joined[-1].end_s >= one.start_s:
            last = joined.pop()
            one = replace(
                last,
                end_s=one.end_s,
                pinned_s=last.pinned_s + one.pinned_s,
                lag_s=max(last.lag_s, one.lag_s),
            )
        joined.append(one)
    return joined


def _union(pinned: Iterable[Pinned]) -> tuple[Span, ...]:
    spans: list[Span] = []
    for one in sorted(pinned, key=lambda one: (one.start_s, one.end_s)):
        if spans and one.start_s <= spans[-1].end_s:
            last = spans.pop()
            end_s = max(last.end_s, one.end_s)
            together_s = min(last.pinned_s + one.pinned_s, end_s - last.start_s)
            spans.append(Span(last.start_s, end_s, together_s))
        else:
            spans.append(Span(one.start_s, one.end_s, one.pinned_s))
    return tuple(spans)
