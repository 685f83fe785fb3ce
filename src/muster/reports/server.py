"""The server's own series in the charts: latency histograms and queue age, by region.

For display only. The figures in the table are the verdict's, counted without interpolation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from muster.errors import BadInput
from muster.samples.histograms import edge_of, joined
from muster.samples.series import Array, Samples, Series, read_samples

_WANTED = frozenset(
    {"first_token", "completion", "queue_age", "rig_lag", "streams_limit", "admission_failures"}
)


@dataclass(frozen=True)
class Server:
    """The needed series of a bundle, as the judge reads them."""

    samples: Samples

    def regions(self) -> tuple[str, ...]:
        """The regions that exported any series, by name."""
        found = {one.region for series in self.samples.by_signal.values() for one in series}
        return tuple(sorted(found - {""}))

    def queue_age(self, region: str, at: Array, reach_s: float) -> Array:
        """The age of the region's oldest job in seconds at the times `at`; NaN without a sample."""
        ages = [_held(one, at, reach_s) for one in self.samples.of("queue_age", region=region)]
        if not ages:
            return np.full(len(at), np.nan)
        stacked = np.vstack(ages)
        known = ~np.isnan(stacked).all(axis=0)
        result = np.full(len(at), np.nan)
        result[known] = np.nanmax(stacked[:, known], axis=0)
        return result

    def sum_at(self, signal: str, region: str, at: Array, reach_s: float) -> Array:
        """The sum of the region's gauges at the times `at`; NaN where one has no sample."""
        held = [_held(one, at, reach_s) for one in self.samples.of(signal, region=region)]
        return np.sum(held, axis=0) if held else np.full(len(at), np.nan)

    def least(self, signal: str, region: str, start_s: float, end_s: float) -> float | None:
        """The lowest known sum of the region's gauges within the times given."""
        sums = self.sum_at(signal, region, np.arange(start_s, end_s, 1.0), 3.0)
        known = sums[np.isfinite(sums)]
        return float(known.min()) if len(known) else None

    def grown(self, signal: str, region: str, start_s: float, end_s: float) -> dict[str, float]:
        """How much the region's counters grew between two times, by their label `reason`."""
        ends = np.arange(start_s, end_s + 1.0, 1.0)
        found: dict[str, float] = {}
        for one in self.samples.of(signal, region=region):
            grown = _increase(_held(one, ends, 3.0))
            reason = one.labels.get("reason", one.name)
            found[reason] = found.get(reason, 0.0) + float(np.nansum(grown))
        return found

    def values(self, signal: str, label: str) -> list[str]:
        """What the label says in the series of the signal, sorted."""
        found = {one.labels.get(label, "") for one in self.samples.by_signal.get(signal, ())}
        return sorted(found - {""})

    def p95(self, signal: str, region: str, ends: Array, reach_s: float, count_min: int) -> Array:
        """p95 in seconds over each window between neighbours of `ends`, as `quantile` gives it."""
        return self.quantile(signal, {"region": region}, ends, reach_s, count_min, 0.95)

    def quantile(
        self,
        signal: str,
        labels: Mapping[str, str],
        ends: Array,
        reach_s: float,
        count_min: int,
        share: float,
    ) -> Array:
        """A quantile in seconds over each window between neighbours of `ends`; NaN if unknown.

        Interpolated within a bucket. One over the highest finite edge is infinite; one from fewer
        than `count_min` answers is unknown.
        """
        increases: dict[float, Array] = {}
        for series in joined(self.samples.of(signal, "_bucket", **labels)):
            edge = edge_of(series.labels.get("le"))
            if edge is None:
                continue
            grown = _increase(_held(series, ends, reach_s))
            if edge in increases:
                both = np.vstack([increases[edge], grown])
                known = ~np.isnan(both).all(axis=0)
                increases[edge] = np.where(known, np.nansum(both, axis=0), np.nan)
            else:
                increases[edge] = grown
        return _quantiles(increases, len(ends) - 1, count_min, share)


def read_server(path: Path) -> tuple[Server | None, list[str]]:
    """The needed series in `samples.jsonl`, and a line for what could not be read."""
    try:
        samples = read_samples(path, _WANTED)
    except BadInput as error:
        return None, [f"samples.jsonl: {error.value}"]
    faults = ["samples.jsonl: a line cannot be read and is left out"] if samples.torn else []
    if not samples.by_signal:
        return None, [*faults, "samples.jsonl: holds no server sample"]
    return Server(samples), faults


def _held(series: Series, at: Array, reach_s: float) -> Array:
    """The last value at or before each moment, if it is not older than `reach_s`."""
    if not len(series.t):
        return np.full(len(at), np.nan)
    index = np.searchsorted(series.t, at, side="right") - 1
    safe = np.maximum(index, 0)
    fresh = (index >= 0) & (at - series.t[safe] <= reach_s)
    return np.where(fresh, series.v[safe], np.nan)


def _increase(held: Array) -> Array:
    grown = np.diff(held)
    return np.where(grown < 0, held[1:], grown)


def _quantiles(
    increases: Mapping[float, Array], windows: int, count_min: int, share: float
) -> Array:
    result = np.full(windows, np.nan)
    edges = sorted(increases)
    if not edges or not math.isinf(edges[-1]):
        return result
    counts = np.vstack([increases[edge] for edge in edges])
    for window in range(windows):
        column = counts[:, window]
        if np.isnan(column).any() or column[-1] < count_min:
            continue
        result[window] = _quantile(edges, column, share * column[-1])
    return result


def _quantile(edges: list[float], below: Array, rank: float) -> float:
    index = int(np.searchsorted(below, rank, side="left"))
    if index >= len(edges) or math.isinf(edges[index]):
        return math.inf
    low_edge = edges[index - 1] if index else 0.0
    low = float(below[index - 1]) if index else 0.0
    share = (rank - low) / (float(below[index]) - low)
    return low_edge + (edges[index] - low_edge) * share
