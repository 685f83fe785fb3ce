"""New samples since the last look, signal by signal, each sample handed out once.

A scrape appears in Prometheus when it has finished, with the time at which it began; so each look
reaches back over several polls and drops what was already handed out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from muster.signals.prometheus import Prometheus, RawSeries

SeriesKey = tuple[str, str, tuple[tuple[str, str], ...]]


def key_of(series: RawSeries) -> SeriesKey:
    """What makes a series one series: signal, metric name and labels."""
    return series.signal, series.name, tuple(sorted(series.labels.items()))


@dataclass
class Poller:
    """Polls `signals` (name to selector); `reach_s` is how far back each look goes, in seconds."""

    prometheus: Prometheus
    signals: Mapping[str, str]
    reach_s: float
    _last_t_s: dict[SeriesKey, float] = field(default_factory=dict)

    def poll(self) -> list[RawSeries]:
        """The samples not handed out before. Raises PrometheusError; then nothing was taken."""
        fetched: list[RawSeries] = []
        for signal, selector in self.signals.items():
            fetched.extend(self.prometheus.raw(signal, selector, self.reach_s))
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
