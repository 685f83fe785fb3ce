"""Latency distributions from the load's own record, whose buckets are 1 % wide. Pure.

They decide nothing: the verdict counts at the contract's edges.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from muster.reports.hurt import changed_span
from muster.reports.lines import Array
from muster.reports.loadfile import LoadSeconds
from muster.reports.model import LatencyRow, PhaseRow
from muster.reports.numbers import NO_DATA, count, quantity

KINDS = {"first_token": "First token", "completion": "Completion"}
_SHARES = (0.5, 0.95, 0.99)


@dataclass(frozen=True)
class Distribution:
    """`share` of the streams that came within `edges_s`, the upper edges of the buckets."""

    name: str
    count: float
    edges_s: Array
    share: Array

    def quantile(self, share: float) -> float | None:
        """Upper edge of the bucket that holds the quantile, in seconds; infinite: over every
        bucket.
        """
        if not len(self.share):
            return None
        index = int(np.searchsorted(self.share, share * (1 - 1e-12)))
        return float(self.edges_s[index]) if index < len(self.edges_s) else math.inf


def stretches(phases: Sequence[PhaseRow]) -> list[tuple[str, float, float]]:
    """Before (the judged phases before any change), during and after, as epoch seconds."""
    span = changed_span(phases)
    if span is None:
        return []
    known = [p for p in phases if p.start_s is not None and p.end_s is not None]
    before = [p for p in known if p.tier and p.end_s is not None and p.end_s <= span[0] + 1e-6]
    after = [p for p in known if p.start_s is not None and p.start_s >= span[1] - 1e-6]
    found = [("during", *span)]
    if before and before[0].start_s is not None:
        found.insert(0, ("before", before[0].start_s, span[0]))
    ends = [p.end_s for p in after if p.end_s is not None]
    if ends and max(ends) > span[1]:
        found.append(("after", span[1], max(ends)))
    return found


def distribution(
    load: LoadSeconds, kind: str, name: str, start_s: float, end_s: float, region: str | None = None
) -> Distribution | None:
    """Of `kind` (first_token or completion) from `start_s` to `end_s`; None without a stream."""
    counts = load.counts(kind, start_s, end_s, region)
    every = float(counts.sum())
    if not every:
        return None
    used = counts > 0
    return Distribution(name, every, load.edges_s[used], np.cumsum(counts)[used] / every)


def latency_rows(load: LoadSeconds | None, phases: Sequence[PhaseRow]) -> tuple[LatencyRow, ...]:
    """p50, p95 and p99 before, during and after, over all regions and in each."""
    if load is None:
        return ()
    rows = []
    for kind, title in KINDS.items():
        for name, start_s, end_s in stretches(phases):
            for region in (None, *load.regions):
                one = distribution(load, kind, name, start_s, end_s, region)
                if one is not None or region is None:
                    shown = [_shown(one, share) for share in _SHARES]
                    n = count(one.count) if one else "0"
                    rows.append(LatencyRow(title, name, region or "all", n, *shown))
    return tuple(rows)


def _shown(one: Distribution | None, share: float) -> str:
    value = one.quantile(share) if one else None
    if value is None:
        return NO_DATA
    return "over every bucket" if math.isinf(value) else quantity(value, "s")
