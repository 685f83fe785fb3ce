"""Returns new samples since the last poll, signal by signal, each sample once.

A signal that cannot be mapped is returned as one sample of the signal `refused`, whose labels give
the signal and the reason. The evidence then shows when nothing about it was known.

A scrape appears in Prometheus when it has finished, with the time at which it began. Each poll
therefore reaches back before the last one and drops samples that were already returned.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from muster.clock import SYSTEM_CLOCK, Clock
from muster.platform.metrics.model import Metrics, RawSeries
from muster.platform.metrics.reading import read
from muster.samples.series import REFUSED
from muster.targets.signals import Signal

LATE_SCRAPES = 4
LATE_S_MIN = 2.4
SeriesKey = tuple[str, str, tuple[tuple[str, str], ...]]


def late_seconds(scrape_s: float) -> float:
    """How long after its beginning a scrape may appear on a busy machine, in seconds."""
    return max(LATE_SCRAPES * scrape_s, LATE_S_MIN)


def key_of(series: RawSeries) -> SeriesKey:
    """The key of a series: signal, metric name and labels."""
    return series.signal, series.name, tuple(sorted(series.labels.items()))


@dataclass
class Poller:
    """Polls `signals` (name to selector or mapping).

    A poll reaches back to the last one that was answered and `late_s` more (the time that a scrape
    may take to appear), but never further than `reach_s`; the first poll reaches back by `reach_s`.
    Both in seconds.
    """

    prometheus: Metrics
    signals: Mapping[str, Signal]
    reach_s: float
    late_s: float = math.inf
    clock: Clock = SYSTEM_CLOCK
    refused: Mapping[str, str] = field(default_factory=dict)
    """By signal, why the last poll could trust nothing of it."""
    _answered_s: float = -math.inf
    _last_t_s: dict[SeriesKey, float] = field(default_factory=dict)

    def poll(self) -> list[RawSeries]:
        """Return the samples not returned before. Raises MetricsError; then none counts as
        returned.
        """
        began_s = self.clock.monotonic_s()
        fetched: list[RawSeries] = []
        refused: dict[str, str] = {}
        for signal, how in self.signals.items():
            reach_s = min(self.reach_s, self.clock.monotonic_s() - self._answered_s + self.late_s)
            reading = read(self.prometheus, signal, how, reach_s)
            fetched.extend(reading.series)
            if reading.refused:
                refused[signal] = reading.refused
        self._answered_s, self.refused = began_s, refused
        found = [fresh for series in fetched if (fresh := self._fresh(series)) is not None]
        now_s = (self.clock.now_s(),)
        for signal, why in refused.items():
            found.append(RawSeries(REFUSED, REFUSED, {"signal": signal, "why": why}, now_s, (1.0,)))
        return found

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
