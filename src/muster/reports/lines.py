"""The charts' data as lines with gaps: pure arithmetic on the evidence.

A line's NaN is a gap and stays one. Long runs are thinned so that every bin keeps its first,
lowest, highest and last value: a spike of one second is still visible after two hours.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from muster.reports.loadfile import LoadSeconds, Second
from muster.reports.server import Server

Array = npt.NDArray[np.float64]
BINS_MAX = 360
P95_WINDOW_S = 5
P95_SAMPLES_MIN = 20
"""A window with fewer answers shows no p95: a single slow answer would be the p95."""
STREAM_CLASSES = {
    "broken": "broken",
    "error in stream": "error_in_stream",
    "empty stream": "empty_stream",
}
"""Classes of streams that were answered 2xx without success, by the outcome that counts them."""
ERROR_CLASSES = ("2xx", "429", "5xx", *STREAM_CLASSES, "other 4xx")
_UNREACHED = {"refused", "reset", "timeout"}
_APART = ("429", "5xx", "refused", "reset", "timeout", *STREAM_CLASSES, "other 4xx")


@dataclass(frozen=True)
class Line:
    """One line: `t` in seconds since the drill's start, ascending; `v` with NaN for a gap."""

    name: str
    t: Array
    v: Array
    source: str = "client"

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not bool(np.isfinite(self.v).any())


def new_streams(load: LoadSeconds, start_s: float) -> list[Line]:
    """New streams a second by region (2xx heads), counted by the load."""
    return [
        _by_second(load, region, start_s, partial(_new, region=region)) for region in load.regions
    ]


def open_streams(load: LoadSeconds, start_s: float) -> list[Line]:
    """Open streams by region, and the target for all regions together."""
    lines = [
        _by_second(load, region, start_s, partial(_open, region=region)) for region in load.regions
    ]
    return [*lines, _by_second(load, "target", start_s, lambda second: second.streams_target)]


def loop_lag(load: LoadSeconds, start_s: float) -> Line:
    """The load's worst loop lag in each second, in milliseconds."""
    return _by_second(
        load,
        "load",
        start_s,
        lambda second: math.nan if second.loop_lag_ms_max is None else second.loop_lag_ms_max,
    )


def errors(load: LoadSeconds, start_s: float) -> list[Line]:
    """Attempts a second without success, each class by itself; 429, 5xx and broken always."""
    values = {name: np.full(load.length, np.nan) for name in _APART}
    for index, second in load.seconds.items():
        for name, n in _apart(second).items():
            values[name][index] = n
    t = np.arange(load.length, dtype=float) + (load.start_s - start_s)
    found = [Line(name, t, v) for name, v in values.items()]
    always = {"429", "5xx", "broken"}
    return [line for line in found if line.name in always or np.nansum(line.v) > 0]


def classes(second: Second) -> dict[str, float]:
    """One second's attempts by class, over all regions."""
    found = dict.fromkeys(ERROR_CLASSES, 0.0)
    for counts in second.answers.values():
        for code, n in counts.items():
            found[_class(code)] += n
    for counts in second.outcomes.values():
        for name, outcome in STREAM_CLASSES.items():
            found[name] += counts.get(outcome, 0.0)
    return found


def client_p95(load: LoadSeconds, kind: str, start_s: float) -> list[Line]:
    """p95 by region over windows of P95_WINDOW_S, in seconds: its 1 % bucket's upper edge."""
    lines = []
    for region in load.regions:
        starts = range(0, load.length, P95_WINDOW_S)
        values = [_window_p95(load, kind, region, first) for first in starts]
        mids = [first + P95_WINDOW_S / 2 + load.start_s - start_s for first in starts]
        lines.append(Line(region, np.asarray(mids, dtype=float), np.asarray(values, dtype=float)))
    return [line for line in lines if not line.empty or np.isinf(line.v).any()]


def server_p95(server: Server, signal: str, start_s: float, end_s: float) -> list[Line]:
    """p95 by region from the server's histograms over windows of P95_WINDOW_S, in seconds."""
    ends = _ends(start_s, end_s, P95_WINDOW_S)
    lines = [
        Line(
            region,
            ends[1:] - start_s - P95_WINDOW_S / 2,
            server.p95(signal, region, ends, P95_WINDOW_S, P95_SAMPLES_MIN),
            "server",
        )
        for region in server.regions()
    ]
    return [line for line in lines if len(line.v) and not np.isnan(line.v).all()]


def queue_age(server: Server, start_s: float, end_s: float) -> list[Line]:
    """The oldest queued job's age by region, in seconds, once a second."""
    at = _ends(start_s, end_s, 1.0)
    lines = [
        Line(region, at - start_s, server.queue_age(region, at, 3.0), "server")
        for region in server.regions()
    ]
    return [line for line in lines if not line.empty]


def rig_lag(server: Server, start_s: float, end_s: float) -> list[Line]:
    """p99 of the loop lag of each part of the rig but the load, in ms, over P95_WINDOW_S."""
    ends = _ends(start_s, end_s, P95_WINDOW_S)
    found = [
        Line(
            part,
            ends[1:] - start_s - P95_WINDOW_S / 2,
            1000 * server.quantile("rig_lag", {"component": part}, ends, P95_WINDOW_S, 1, 0.99),
            "server",
        )
        for part in server.values("rig_lag", "component")
        if part != "load"
    ]
    return [line for line in found if not line.empty]


def thin(line: Line, bins_max: int = BINS_MAX) -> Line:
    """`line` in at most `bins_max` bins of equal length, each with its first, min, max and last.

    A gap inside a bin stays a gap: a bin that holds one is not thinned.
    """
    if len(line.t) <= 4 * bins_max:
        return line
    bins = np.minimum(
        ((line.t - line.t[0]) / (line.t[-1] - line.t[0]) * bins_max).astype(int), bins_max - 1
    )
    begins = np.flatnonzero(np.diff(bins, prepend=-1))
    gaps = np.flatnonzero(np.isnan(line.v))
    # The values at a gap's edges, and one NaN to break the line.
    edges = [gaps[_same_bin(bins, gaps, step)] + step for step in (-1, 0, 1)]
    ends = np.append(begins[1:], len(bins)) - 1
    extremes = [_first_by(bins, sign * line.v) for sign in (1, -1)]
    chosen = np.unique(np.concatenate([begins, ends, *edges, *extremes]))
    return Line(line.name, line.t[chosen], line.v[chosen], line.source)


def _same_bin(bins: npt.NDArray[np.int64], at: npt.NDArray[np.int64], step: int) -> Any:
    """Where the neighbour at `step` exists and is in the same bin."""
    beside = at + step
    inside = (beside >= 0) & (beside < len(bins))
    return inside & (bins[np.where(inside, beside, 0)] == bins[at])


def _first_by(bins: npt.NDArray[np.int64], v: Array) -> npt.NDArray[np.int64]:
    """The place of the lowest known value of each bin that has one, the first among equals."""
    known = np.flatnonzero(~np.isnan(v))
    order = known[np.lexsort((v[known], bins[known]))]
    return order[np.flatnonzero(np.diff(bins[order], prepend=-1))]


def mean_between(line: Line, t0: float, t1: float) -> float | None:
    """Mean of the line's known values in [t0, t1); None if there are none."""
    inside = line.v[(line.t >= t0) & (line.t < t1)]
    known = inside[np.isfinite(inside)]
    return float(known.mean()) if len(known) else None


def share_between(lines: Sequence[Line], name: str, t0: float, t1: float) -> float | None:
    """`name`'s share of the sum of all lines in [t0, t1); None without any data."""
    means = {line.name: mean_between(line, t0, t1) for line in lines}
    if any(value is None for value in means.values()) or name not in means:
        return None
    total = sum(value for value in means.values() if value is not None)
    own = means[name]
    return own / total if own is not None and total > 0 else None


def peak(lines: Sequence[Line]) -> tuple[float, float, str] | None:
    """Highest known value of all lines: (value, time, line); infinite values count."""
    best: tuple[float, float, str] | None = None
    for line in lines:
        known = ~np.isnan(line.v)
        if not known.any():
            continue
        index = int(np.argmax(np.where(known, line.v, -np.inf)))
        if best is None or line.v[index] > best[0]:
            best = (float(line.v[index]), float(line.t[index]), line.name)
    return best


def total(line: Line) -> float:
    """Sum of the known values."""
    return float(np.nansum(line.v))


def _by_second(
    load: LoadSeconds, name: str, start_s: float, value: Callable[[Second], float]
) -> Line:
    v = np.full(load.length, np.nan)
    for index, second in load.seconds.items():
        v[index] = value(second)
    t = np.arange(load.length, dtype=float) + (load.start_s - start_s)
    return Line(name, t, v)


def _open(second: Second, region: str) -> float:
    return second.streams_open.get(region, 0.0)


def _apart(second: Second) -> dict[str, float]:
    found = dict.fromkeys(_APART, 0.0)
    for counts in second.answers.values():
        for code, n in counts.items():
            name = code if code in _UNREACHED else _class(code)
            if name != "2xx":
                found[name] += n
    for counts in second.outcomes.values():
        for name, outcome in STREAM_CLASSES.items():
            found[name] += counts.get(outcome, 0.0)
    return found


def _new(second: Second, region: str) -> float:
    return sum(n for code, n in second.answers.get(region, {}).items() if code.startswith("2"))


def _class(code: str) -> str:
    if code.startswith("2"):
        return "2xx"
    if code == "429":
        return "429"
    return "5xx" if code.startswith("5") or code in _UNREACHED else "other 4xx"


def _window_p95(load: LoadSeconds, kind: str, region: str, first: int) -> float:
    last = min(first + P95_WINDOW_S, load.length)
    if any(index not in load.seconds for index in range(first, last)):
        return math.nan
    counts = load.tallies.counts(kind, first, last, region)
    if counts.sum() < P95_SAMPLES_MIN:
        return math.nan
    edge_s = load.quantile(counts, 0.95)
    return math.nan if edge_s is None else edge_s


def _ends(start_s: float, end_s: float, step_s: float) -> Array:
    count = max(0, math.floor((end_s - start_s) / step_s))
    return np.asarray(start_s + step_s * np.arange(count + 1), dtype=np.float64)
