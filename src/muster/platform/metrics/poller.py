"""New samples since the last look, signal by signal, each sample handed out once.

A scrape appears in Prometheus when it has finished, with the time at which it began; so each look
reaches back somewhat before the last one and drops what was already handed out.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.metrics.model import Metrics, RawSeries

LATE_SCRAPES = 4
LATE_S_MIN = 2.4
SeriesKey = tuple[str, str, tuple[tuple[str, str], ...]]


def late_seconds(scrape_s: float) -> float:
    """How long after its beginning a scrape may appear, on a machine that is short of time."""
    return max(LATE_SCRAPES * scrape_s, LATE_S_MIN)


def key_of(series: RawSeries) -> SeriesKey:
    """What makes a series one series: signal, metric name and labels."""
    return series.signal, series.name, tuple(sorted(series.labels.items()))


@dataclass
class Poller:
    """Polls `signals` (name to selector).

    A look goes back to the last one that was answered and `late_s` more (what a scrape may take to
    appear), and never further than `reach_s`; the first one goes all the way. Both in seconds.
    """

    prometheus: Metrics
    signals: Mapping[str, str]
    reach_s: float
    late_s: float = math.inf
    clock: Clock = SYSTEM_CLOCK
    _answered_s: float = -math.inf
    _last_t_s: dict[SeriesKey, float] = field(default_factory=dict)

    def poll(self) -> list[RawSeries]:
        """The samples not handed out before. Raises MetricsError; then nothing was taken."""
        began_s = self.clock.monotonic_s()
        fetched: list[RawSeries] = []
        for signal, selector in self.signals.items():
            reach_s = min(self.reach_s, self.clock.monotonic_s() - self._answered_s + self.late_s)
            fetched.extend(self.prometheus.raw(signal, selector, reach_s))
        self._answered_s = began_s
        return [fresh for series in fetched if (fresh := self._fresh(series)) is not None]

    def _fresh(self, series: RawSeries) -> RawSeries | None:
        key = key_of(series)
        last = self._last_t_s.get(key, float("-inf"))
        first = next((i for i, t in enumerate(series.t_s) if t > last), None)
        if first is None:
            return None
        self._last_t_s[key] = series.t_s[-1]
        return RawSeries(
            series.signal, series.name, series.labels, series.t_s[first:], series.v[first:]
        )
