"""Checks whether a histogram is consistent: its edges, its unit, and its counts.

- `le="1"` and `le="1.0"` are one edge: within one process they are one series, never added up.
- At each scrape the buckets of a process must not fall from one edge to the next, and its bucket
  `+Inf` must equal its count. NaN, an edge that is not a number, or counts that contradict each
  other make the whole histogram unknown.
- No chat answer takes an hour: a top finite edge above an hour is in another unit than seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import reduce
from math import isnan

import numpy as np
import numpy.typing as npt

from muster.samples.series import Array, Process, Series
from muster.samples.windows import Window

TOP_EDGE_S_MAX = 3600.0
INFINITE = float("inf")
UNITS = ((1e3, "milliseconds"), (1e6, "microseconds"), (1e9, "nanoseconds"))


def edge_of(le: str | None) -> float | None:
    """A bucket's upper edge, infinity for `+Inf`; None if it is not a number."""
    try:
        edge = float(le or "")
    except ValueError:
        return None
    return None if isnan(edge) else edge


def unit_of(top_edge: float) -> str:
    """The unit of a histogram with this top finite edge, if not seconds; else empty."""
    if top_edge <= TOP_EDGE_S_MAX:
        return ""
    # The smallest unit in which the edge is at most an hour.
    return next((unit for per_s, unit in UNITS if top_edge <= TOP_EDGE_S_MAX * per_s), UNITS[-1][1])


def wrong_unit(top_edge: float) -> str:
    """Why the top finite edge cannot be in seconds; empty if it can."""
    unit = unit_of(top_edge)
    if not unit:
        return ""
    return (
        f"top finite edge {top_edge:.16g} is over an hour in seconds: these look like {unit}; "
        "the thresholds are in seconds"
    )


def joined(buckets: Sequence[Series]) -> list[Series]:
    """The buckets with one series for each edge of a process, however the edge was written."""
    found: dict[tuple[Process, float | None], Series] = {}
    for one in buckets:
        key = (own_labels(one), edge_of(one.labels.get("le")))
        known = found.get(key)
        found[key] = one if known is None else _merged(known, one)
    return list(found.values())


def contradiction(
    name: str, counts: Sequence[Series], buckets: Sequence[Series], window: Window
) -> str:
    """Why the histogram's counts cannot all be right in `window`; empty if they can.

    `buckets` are joined; `name` is the signal's.
    """
    whole = {own_labels(one): one for one in counts}
    processes: dict[Process, list[tuple[float, Series]]] = {}
    for one in buckets:
        edge = edge_of(one.labels.get("le"))
        if edge is None:
            return f'{name}: le="{one.labels.get("le", "")}" is not a number'
        processes.setdefault(own_labels(one), []).append((edge, one))
    for process, own in processes.items():
        own.sort(key=lambda pair: pair[0])
        if wrong := next(_wrong(own, whole.get(process), window), ""):
            labels = dict(process)
            where = " in ".join(filter(None, (labels.get("instance"), labels.get("region"))))
            return f"{name} of {where or 'a process'}: {wrong}"
    return ""


def own_labels(series: Series) -> Process:
    """All labels of a histogram's process: those of its count."""
    return frozenset((k, v) for k, v in series.labels.items() if k != "le")


def _wrong(
    own: Sequence[tuple[float, Series]], count: Series | None, window: Window
) -> Iterator[str]:
    """The contradiction within one process's histogram."""
    series = [one for _, one in own] + ([count] if count is not None else [])
    slices = [_inside(one, window) for one in series]
    if any(np.isnan(v).any() for _, v in slices):
        yield "it contains NaN"
    common = reduce(_common, (t for t, _ in slices))
    if not len(common):
        return
    rows = [v[np.searchsorted(t, common)] for t, v in slices]
    names = [f'le="{one.labels.get("le")}"' for _, one in own]
    for index in range(1, len(own)):
        if (at := _first(rows[index] < rows[index - 1])) is not None:
            low, high = rows[index - 1][at], rows[index][at]
            yield f"{low:g} at or under {names[index - 1]}, but {high:g} under {names[index]}"
    last = rows[len(own) - 1]
    differ = _first(rows[-1] != last) if own[-1][0] == INFINITE else None
    if differ is not None:
        yield f"its count is {rows[-1][differ]:g}, its bucket +Inf {last[differ]:g}"


def _inside(series: Series, window: Window) -> tuple[Array, Array]:
    first = max(0, int(series.t.searchsorted(window.start_s, "right")) - 1)
    last = int(series.t.searchsorted(window.end_s, "right"))
    return series.t[first:last], series.v[first:last]


def _common(one: Array, other: Array) -> Array:
    if len(one) == len(other) and bool((one == other).all()):
        return one
    both: Array = np.intersect1d(one, other)
    return both


def _first(where: npt.NDArray[np.bool_]) -> int | None:
    found = np.flatnonzero(where)
    return int(found[0]) if len(found) else None


def _merged(one: Series, other: Series) -> Series:
    """Both as one series; unknown (NaN) at a scrape at which they have different values."""
    t = np.concatenate((one.t, other.t))
    v = np.concatenate((one.v, other.v))
    times, index = np.unique(t, return_index=True)
    values = v[index]
    both, first, second = np.intersect1d(one.t, other.t, return_indices=True)
    differ = both[one.v[first] != other.v[second]]
    values[np.isin(times, differ)] = np.nan
    return replace(one, t=times, v=values)
