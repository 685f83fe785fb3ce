"""The newest samples that a look at a drill needs, and how much counters grew in the last seconds.

Lighter than `sight.facts`, which decides: the drill looks at itself while it runs, and may spend no
more than a hundredth of a core on that. A counter that fell is unknown here, whatever made it fall.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from muster.platform.metrics import RawSeries
from muster.platform.metrics.poller import SeriesKey, key_of

KEEP_POINTS = 400
ALL: Callable[[Mapping[str, str]], bool] = lambda labels: True  # noqa: E731


@dataclass
class _Series:
    labels: Mapping[str, str]
    t_s: list[float] = field(default_factory=list)
    v: list[float] = field(default_factory=list)
    fell_s: float = float("-inf")

    def add(self, t_s: float, value: float) -> None:
        if self.v and value < self.v[-1]:
            self.fell_s = t_s
        self.t_s.append(t_s)
        self.v.append(value)


class Recent:
    """Keeps the series of `signals` that `keeps` wants."""

    def __init__(
        self,
        signals: Iterable[str],
        stale_s: float,
        keeps: Callable[[str, Mapping[str, str]], bool] = lambda signal, labels: True,
    ) -> None:
        self._signals = frozenset(signals)
        self._stale_s = stale_s
        self._keeps = keeps
        self._series: dict[str, dict[SeriesKey, _Series]] = {}
        self._newest_s: dict[str, float] = {}

    def add(self, fresh: Iterable[RawSeries]) -> None:
        """Add new samples. A value that was NaN shows nothing and is left out."""
        for one in fresh:
            if one.signal not in self._signals or not self._keeps(one.signal, one.labels):
                continue
            by_key = self._series.setdefault(one.signal, {})
            kept = by_key.setdefault(key_of(one), _Series(one.labels))
            for t_s, value in zip(one.t_s, one.v, strict=True):
                if value is not None and (not kept.t_s or t_s > kept.t_s[-1]):
                    kept.add(t_s, value)
            if len(kept.t_s) > 2 * KEEP_POINTS:
                del kept.t_s[:-KEEP_POINTS], kept.v[:-KEEP_POINTS]
            if kept.t_s:
                newest_s = self._newest_s.get(one.signal, 0.0)
                self._newest_s[one.signal] = max(newest_s, kept.t_s[-1])

    def latest(
        self, signal: str, join: Callable[[float, float], float] = lambda a, b: a + b
    ) -> dict[str, float]:
        """The newest values of the live series by region, joined (added up)."""
        found: dict[str, float] = {}
        for one in self._live(signal):
            region, value = one.labels.get("region", ""), one.v[-1]
            found[region] = value if region not in found else join(found[region], value)
        return found

    def growth(
        self,
        signal: str,
        window_s: float,
        keep: Callable[[Mapping[str, str]], bool] = ALL,
        since_s: float = float("-inf"),
    ) -> dict[str, float]:
        """Growth over the last `window_s` seconds by region, not from before `since_s`.

        A region of which one counter is unknown is left out.
        """
        end_s = self._newest_s.get(signal)
        if end_s is None:
            return {}
        start_s = max(end_s - window_s, since_s)
        found: dict[str, float] = {}
        unknown: set[str] = set()
        for one in self._live(signal):
            if not keep(one.labels):
                continue
            region = one.labels.get("region", "")
            first = bisect_left(one.t_s, start_s)
            if one.fell_s >= start_s:
                unknown.add(region)
            elif first < bisect_right(one.t_s, end_s) - 1:
                found[region] = found.get(region, 0.0) + one.v[-1] - one.v[first]
        return {region: grown for region, grown in found.items() if region not in unknown}

    def _live(self, signal: str) -> list[_Series]:
        newest_s = self._newest_s.get(signal, 0.0)
        every = self._series.get(signal, {}).values()
        return [one for one in every if one.t_s and one.t_s[-1] >= newest_s - self._stale_s]
