"""The server's own series that the charts show: latency histograms and queue age, by region.

For display only. The table's figures are the verdict's, counted without interpolation.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

Array = npt.NDArray[np.float64]
_WANTED = {"first_token", "completion", "queue_age"}


@dataclass(frozen=True)
class Scraped:
    """One series as scraped: sample times (epoch seconds, ascending) and values."""

    signal: str
    name: str
    labels: Mapping[str, str]
    t: Array
    v: Array


@dataclass(frozen=True)
class Server:
    """The wanted series of a bundle."""

    series: tuple[Scraped, ...]

    def regions(self) -> tuple[str, ...]:
        """The regions that exported anything, by name."""
        return tuple(sorted({s.labels.get("region", "") for s in self.series} - {""}))

    def queue_age(self, region: str, at: Array, reach_s: float) -> Array:
        """The region's oldest job's age in seconds at the times `at`; NaN without a sample."""
        ages = [
            _held(series, at, reach_s)
            for series in self.series
            if series.signal == "queue_age" and series.labels.get("region") == region
        ]
        if not ages:
            return np.full(len(at), np.nan)
        stacked = np.vstack(ages)
        known = ~np.isnan(stacked).all(axis=0)
        result = np.full(len(at), np.nan)
        result[known] = np.nanmax(stacked[:, known], axis=0)
        return result

    def p95(self, signal: str, region: str, ends: Array, reach_s: float, count_min: int) -> Array:
        """p95 in seconds over each window between neighbours of `ends`; NaN where unknown.

        Interpolated within a bucket; a p95 over the highest finite edge is given as infinite, one
        of fewer than `count_min` answers as unknown.
        """
        increases: dict[float, Array] = {}
        for series in self.series:
            edge = _edge(series.labels.get("le"))
            if series.signal != signal or series.labels.get("region") != region or edge is None:
                continue
            if not series.name.endswith("_bucket"):
                continue
            grown = _increase(_held(series, ends, reach_s))
            if edge in increases:
                both = np.vstack([increases[edge], grown])
                known = ~np.isnan(both).all(axis=0)
                increases[edge] = np.where(known, np.nansum(both, axis=0), np.nan)
            else:
                increases[edge] = grown
        return _p95(increases, len(ends) - 1, count_min)


def read_server(path: Path) -> tuple[Server | None, list[str]]:
    """The wanted series in `samples.jsonl`, and a line for what could not be read."""
    heads: dict[int, Mapping[str, Any]] = {}
    times: dict[int, list[float]] = {}
    values: dict[int, list[float]] = {}
    fault = ""
    try:
        file = path.open("rb")
    except OSError as error:
        return None, [f"samples.jsonl: {error.strerror}"]
    with file:
        for text in file:
            try:
                record = orjson.loads(text)
                if "series" in record:
                    if record["signal"] in _WANTED:
                        heads[record["series"]] = record
                elif record["i"] in heads:
                    index = record["i"]
                    times.setdefault(index, []).extend(record["t"])
                    values.setdefault(index, []).extend(
                        math.nan if v is None else v for v in record["v"]
                    )
            except (ValueError, KeyError, TypeError):
                fault = "samples.jsonl: a line cannot be read and is left out"
    found = [
        _scraped(head, times.get(index, []), values.get(index, [])) for index, head in heads.items()
    ]
    faults = [fault] if fault else []
    if not any(len(series.t) for series in found):
        return None, [*faults, "samples.jsonl: holds no server sample"]
    return Server(tuple(found)), faults


def _scraped(head: Mapping[str, Any], t: list[float], v: list[float]) -> Scraped:
    size = min(len(t), len(v))
    at = np.asarray(t[:size], dtype=np.float64)
    value = np.asarray(v[:size], dtype=np.float64)
    at, first = np.unique(at, return_index=True)
    labels = {str(key): str(text) for key, text in dict(head.get("labels") or {}).items()}
    return Scraped(str(head["signal"]), str(head.get("name", "")), labels, at, value[first])


def _held(series: Scraped, at: Array, reach_s: float) -> Array:
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


def _p95(increases: Mapping[float, Array], windows: int, count_min: int) -> Array:
    result = np.full(windows, np.nan)
    edges = sorted(increases)
    if not edges or not math.isinf(edges[-1]):
        return result
    counts = np.vstack([increases[edge] for edge in edges])
    for window in range(windows):
        column = counts[:, window]
        if np.isnan(column).any() or column[-1] < count_min:
            continue
        result[window] = _quantile(edges, column, 0.95 * column[-1])
    return result


def _quantile(edges: list[float], below: Array, rank: float) -> float:
    index = int(np.searchsorted(below, rank, side="left"))
    if index >= len(edges) or math.isinf(edges[index]):
        return math.inf
    low_edge = edges[index - 1] if index else 0.0
    low = float(below[index - 1]) if index else 0.0
    share = (rank - low) / (float(below[index]) - low)
    return low_edge + (edges[index] - low_edge) * share


def _edge(le: str | None) -> float | None:
    try:
        return None if le is None else float(le)
    except ValueError:
        return None
