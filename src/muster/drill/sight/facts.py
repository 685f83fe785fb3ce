"""What the platform and the load show right now, from the samples of the last minute.

A fact that the samples do not show is None, never zero.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import islice, pairwise

from muster.platform.metrics import RawSeries, key_of
from muster.platform.metrics.poller import SeriesKey
from muster.samples.restarts import NONE, Restarts, grown, restarts_within, window_points
from muster.samples.series import NAN, Series, series_of

KEEP_S = 90.0
"""How far back samples are kept, in seconds."""


@dataclass
class _Recent:
    labels: Mapping[str, str]
    name: str
    t_s: deque[float] = field(default_factory=deque)
    v: deque[float | None] = field(default_factory=deque)

    def extend(self, series: RawSeries, keep_s: float) -> None:
        self.t_s.extend(series.t_s)
        self.v.extend(series.v)
        while self.t_s and self.t_s[0] < self.t_s[-1] - keep_s:
            self.t_s.popleft()
            self.v.popleft()


class Facts:
    """The newest samples by signal, of `keep_s` seconds; threads may share it.

    `due_s`: until when every series must be there, where samples come late (seconds since the
    epoch). One that shows nothing newer has not ended: its samples may come later than others'.
    """

    def __init__(
        self,
        stale_s: float,
        keep_s: float = KEEP_S,
        due_s: Callable[[], float] = lambda: float("inf"),
    ) -> None:
        self.stale_s = stale_s
        self.keep_s = keep_s
        self._due_s = due_s
        self._lock = threading.Lock()
        self._series: dict[SeriesKey, _Recent] = {}
        self._newest_s: dict[str, float] = {}
        self._known_s: dict[str, float] = {}

    def add(self, fresh: Iterable[RawSeries]) -> None:
        """Add the samples of one poll."""
        with self._lock:
            for series in fresh:
                if not series.t_s:
                    continue
                recent = self._series.setdefault(
                    key_of(series), _Recent(dict(series.labels), series.name)
                )
                recent.extend(series, self.keep_s)
                newest = self._newest_s.get(series.signal, 0.0)
                self._newest_s[series.signal] = max(newest, series.t_s[-1])
                known = [t for t, v in zip(series.t_s, series.v, strict=True) if v is not None]
                if known:
                    before = self._known_s.get(series.signal, 0.0)
                    self._known_s[series.signal] = max(before, known[-1])

    def newest_s(self, signal: str) -> float | None:
        """When `signal` was last scraped (seconds since the epoch)."""
        with self._lock:
            return self._newest_s.get(signal)

    def known_s(self, signal: str) -> float | None:
        """When `signal` last had a value: a scrape of NaN shows nothing."""
        with self._lock:
            return self._known_s.get(signal)

    def total(self, signal: str, **labels: str) -> float | None:
        """Sum of the newest values of the live series with those labels; None if there is none."""
        found = [recent.v[-1] for recent in self._live(signal, labels)]
        known = [value for value in found if value is not None]
        return sum(known) if known and len(known) == len(found) else None

    def total_at(self, signal: str, t_s: float, **labels: str) -> float | None:
        """`total` as it was at `t_s` (seconds since the epoch); None also before the first sample.

        A series that began later is left out.
        """
        found: list[float | None] = []
        for recent in self._live(signal, labels):
            pairs = zip(reversed(recent.t_s), reversed(recent.v), strict=True)
            found += [value for _, value in islice(((t, v) for t, v in pairs if t <= t_s), 1)]
        known = [value for value in found if value is not None]
        return sum(known) if known and len(known) == len(found) else None

    def shown_until_s(self, signal: str, **labels: str) -> float:
        """Until when every live series with those labels shows `signal` (seconds since the epoch).

        Minus infinity if there is none.
        """
        ends = [recent.t_s[-1] for recent in self._live(signal, labels)]
        return min(ends, default=float("-inf"))

    def total_since(self, signal: str, since_s: float) -> float | None:
        """`total` once every live series shows it as it was after `since_s`; None before that."""
        return self.total(signal) if self.shown_until_s(signal) > since_s else None

    def series(self, signal: str) -> tuple[Series, ...]:
        """The kept samples of `signal`, as a bundle would hold them."""
        with self._lock:
            kept = [
                (recent.name, recent.labels, list(recent.t_s), list(recent.v))
                for key, recent in self._series.items()
                if key[0] == signal and recent.t_s
            ]
        return tuple(
            series_of(
                signal, name, labels, zip(t_s, (NAN if x is None else x for x in v), strict=True)
            )
            for name, labels, t_s, v in kept
        )

    def by_region(self, signal: str) -> dict[str, float]:
        """`total` by the label `region`."""
        regions = {recent.labels.get("region", "") for recent in self._live(signal, {})}
        totals = {region: self.total(signal, region=region) for region in regions if region}
        return {region: total for region, total in totals.items() if total is not None}

    def unseen(self, signal: str, region: str, since_s: float) -> float:
        """Sum of what series of `region` last showed that fell silent after `since_s`.

        A value that was NaN then shows nothing. `since_s`: seconds since the epoch.
        """
        with self._lock:
            newest = min(self._newest_s.get(signal, 0.0), self._due_s())
            last = [
                recent.v[-1]
                for key, recent in self._series.items()
                if key[0] == signal
                and recent.labels.get("region") == region
                and recent.t_s
                and since_s < recent.t_s[-1] < newest - self.stale_s
            ]
        return sum(value for value in last if value is not None)

    def increase(
        self,
        signal: str,
        window_s: float,
        keep: Callable[[Mapping[str, str]], bool] = lambda labels: True,
    ) -> dict[str, float]:
        """Increase over the last `window_s` seconds by region, of the live series that `keep`.

        A decrease is a restart from zero if a new process could have counted that much; any other
        decrease makes the result unknown. A series with a single sample shows no increase (not an
        increase of zero) and is left out. Empty if nothing is known.
        """
        end = self.newest_s(signal)
        if end is None:
            return {}
        found: dict[str, float] = {}
        for recent in self._live(signal, {}):
            if not keep(recent.labels):
                continue
            grown, restarts = _increase(recent, end - window_s, end, self.stale_s)
            if restarts.unexplained is not None:
                return {}
            if grown is not None:
                region = recent.labels.get("region", "")
                found[region] = found.get(region, 0.0) + grown
        return found

    def last_share_at(
        self,
        signal: str,
        region: str,
        share: float,
        since_s: float,
        keep: Callable[[Mapping[str, str]], bool],
    ) -> float | None:
        """When `region` last had at least `share` of `signal`'s increase, after `since_s`.

        Seconds since the epoch, to the scrape; `since_s` itself if it never had; None if nothing is
        known.
        """
        bins: dict[float, dict[str, float]] = {}
        for recent in self._live(signal, {}):
            if not keep(recent.labels):
                continue
            pairs = zip(recent.t_s, recent.v, strict=True)
            points = [(t, v) for t, v in pairs if v is not None and t >= since_s - 1]
            for (_, before), (t, after) in pairwise(points):
                # Shards are scraped at different moments: a quarter of a second joins them.
                by_region = bins.setdefault(round(t * 4) / 4, {})
                name = recent.labels.get("region", "")
                by_region[name] = by_region.get(name, 0.0) + _step(before, after)
        if not bins:
            return None
        last = since_s
        for t, by_region in sorted(bins.items()):
            total = sum(by_region.values())
            if t > since_s and total and by_region.get(region, 0.0) / total >= share:
                last = t
        return last

    def _live(self, signal: str, labels: Mapping[str, str]) -> list[_Recent]:
        with self._lock:
            newest = self._newest_s.get(signal)
            if newest is None:
                return []
            newest = min(newest, self._due_s())
            return [
                _Recent(recent.labels, recent.name, deque(recent.t_s), deque(recent.v))
                for key, recent in self._series.items()
                if key[0] == signal
                and recent.t_s
                and recent.t_s[-1] >= newest - self.stale_s
                and all(recent.labels.get(name) == value for name, value in labels.items())
            ]


def _increase(
    recent: _Recent, since_s: float, end_s: float, stale_s: float
) -> tuple[float | None, Restarts]:
    """Growth since `since_s` (None: unknown), and the restarts that it includes."""
    points = zip(recent.t_s, (NAN if x is None else x for x in recent.v), strict=True)
    series = series_of("", recent.name, recent.labels, points)
    found = restarts_within([series], since_s, end_s, stale_s)
    restarts = found.get(series.process, NONE)
    t, v = window_points(series, since_s, end_s)
    return (grown(t, v, restarts) if len(v) > 1 else None), restarts


def _step(before: float, after: float) -> float:
    """A counter's growth from one sample to the next; a decrease is a restart from zero."""
    return after - before if after >= before else after
