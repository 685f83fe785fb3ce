"""When the rig itself was pinned: scrape by scrape, from its processes' published loop lag.

Between two scrapes a process was pinned when its lag's p99 was over the contract's limit, or when
its loop did not beat at all. The blackout is all the time in which any process of the rig was.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from muster.contract.rig import LAG_SHARE_MIN
from muster.contract.samples import Samples, Series
from muster.contract.windows import Window

Span = tuple[float, float]
Process = tuple[str, str, str]
"""Component, region and instance."""


@dataclass(frozen=True)
class Pinned:
    """One process pinned from `start_s` to `end_s` (since the epoch), to the scrape.

    `lag_s` is the histogram's edge at or under which its latest beat was late; infinite past them.
    """

    component: str
    instance: str
    start_s: float
    end_s: float
    lag_s: float


@dataclass(frozen=True)
class Blackout:
    """`spans`: when any process was pinned, apart from each other. `unseen`: who was not seen."""

    pinned: tuple[Pinned, ...]
    spans: tuple[Span, ...]
    unseen: tuple[str, ...]

    @property
    def seconds(self) -> float:
        """All spans together."""
        return sum(end_s - start_s for start_s, end_s in self.spans)

    def within(self, start_s: float, end_s: float) -> float:
        """Seconds of it between two moments."""
        return sum(max(0.0, min(b, end_s) - max(a, start_s)) for a, b in self.spans)

    @property
    def worst(self) -> Pinned | None:
        """The longest stretch of one process."""
        return max(self.pinned, key=lambda one: one.end_s - one.start_s, default=None)


def blackout(samples: Samples, window: Window, limit_s: float) -> Blackout:
    """The rig's blackout within `window`; `limit_s` is what p99 of the lag may be."""
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
    spans = _union((one.start_s, one.end_s) for one in pinned)
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
    """Its pinned intervals, and whether it was seen throughout."""
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
        elif n[i] == 0 or under[i] < LAG_SHARE_MIN * n[i]:
            lag_s = next((e for e, grown in by_edge.items() if grown[i] >= n[i]), float("inf"))
            # A loop without a beat was late for as long as that.
            lag_s = lag_s if n[i] else end_s - start_s
            found.append(Pinned(component, instance, start_s, end_s, lag_s))
    begun = len(t) > 0 and t[0] <= window.start_s
    return found, whole and begun and bool(window.end_s - t[-1] <= window.stale_s)


def _steps(series: Series, t: np.ndarray) -> np.ndarray:
    """Growth between the moments `t`; NaN where the series was not scraped at one of them."""
    index = np.searchsorted(series.t, t)
    index[index == len(series.t)] = 0
    v = np.where(series.t[index] == t, series.v[index], np.nan)
    steps = np.diff(v)
    # A decrease is a restart from 0: what the new process shows is its own growth.
    return np.where(steps >= 0, steps, np.where(np.isnan(steps), np.nan, v[1:]))


def _joined(found: list[Pinned]) -> Iterator[Pinned]:
    """Intervals that follow each other as one."""
    held: Pinned | None = None
    for one in found:
        if held is not None and held.end_s >= one.start_s:
            lag_s = max(held.lag_s, one.lag_s)
            held = Pinned(held.component, held.instance, held.start_s, one.end_s, lag_s)
            continue
        if held is not None:
            yield held
        held = one
    if held is not None:
        yield held


def _union(spans: Iterable[Span]) -> tuple[Span, ...]:
    joined: list[Span] = []
    for start_s, end_s in sorted(spans):
        if joined and start_s <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end_s))
        else:
            joined.append((start_s, end_s))
    return tuple(joined)
