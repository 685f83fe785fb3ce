"""Measures how long too many attempts failed after the loss of a region.

Attempts are counted second by second. A second without data counts as one in which too many
failed until the opposite is known, so that missing samples never shorten a recovery time.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from muster.samples.rates import FAILED_5XX
from muster.samples.series import Array, Samples, Series
from muster.samples.windows import Window, total_growth

BIN_S = 1.0
"""Attempts are counted per second, or per scrape if scrapes are further apart."""


@dataclass(frozen=True)
class Failing:
    """Seconds from the loss to the last second in which too many attempts failed.

    `worst_s` treats every second without data as such a second.
    """

    seen_s: float
    worst_s: float


def failing_until(
    samples: Samples, window: Window, share_max: float, scrape_s: float
) -> Failing | None:
    """How long more than `share_max` of the attempts failed; None without any data."""
    series = samples.of("client_answers")
    if not series or window.end_s <= window.start_s:
        return None
    if not all(len(one.t) for one in series):
        # What a counter that was never scraped counted, nobody knows: it may be every failure.
        return None
    bin_s = max(BIN_S, scrape_s)
    length_s = window.end_s - window.start_s
    if attempts := total_growth(series, window):
        # The number of attempts at which a single failure is not yet over the share.
        bin_s = max(bin_s, length_s / share_max / attempts)
    edges = np.linspace(window.start_s, window.end_s, max(1, int(length_s / bin_s)) + 1)
    total = np.zeros(len(edges) - 1)
    failed = np.zeros(len(edges) - 1)
    for one in series:
        grown = _grown(one, edges, window.stale_s)
        total += grown
        if _failed(one):
            failed += grown
    # The value of the first scrape is not growth within that second.
    total[edges[:-1] < min(one.t[0] for one in series)] = np.nan
    unknown = np.isnan(total) | (total <= 0)
    over = ~unknown & (failed > share_max * np.where(unknown, 0.0, total))
    if unknown.all():
        return None

    def last(bins: npt.NDArray[np.bool_]) -> float:
        found = np.flatnonzero(bins)
        return float(edges[found[-1] + 1] - window.start_s) if len(found) else 0.0

    return Failing(last(over), last(over | unknown))


def _grown(series: Series, edges: Array, stale_s: float) -> Array:
    """Growth between `edges`; a counter is 0 before its first sample.

    NaN after a gap and after a decrease: growth that a restart discarded is unknown.
    """
    index = np.searchsorted(series.t, edges, "right") - 1
    held = np.maximum(index, 0)
    t, v = series.t[held], series.v[held]
    values = np.where(index < 0, 0.0, np.where(edges - t > stale_s, np.nan, v))
    grown: Array = np.diff(values)
    grown[grown < 0] = np.nan
    return grown


def _failed(series: Series) -> bool:
    code = series.labels.get("code", "")
    return code.startswith("5") or code in FAILED_5XX
