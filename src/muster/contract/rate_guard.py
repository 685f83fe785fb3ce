"""From counters to the windows that the rate triggers and limits look at.

Each region in rotation is counted by itself, by the platform and by the load, and by the load all
of them together, with the attempts that reached no region. A process gone for a whole window
while its region went on is left out of later ones: its own last window stays unknown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from muster.contract.model import Contract, Tier
from muster.contract.rate_triggers import RATE_SLOS, RateRule, RateSlo, WindowCounts, tolerated
from muster.contract.rates import FAILED_5XX
from muster.contract.samples import Array
from muster.contract.streaming import CounterStream
from muster.contract.trips import Declared, Rotation, Trip, cause_of

COUNTED = frozenset({"requests", "client_attempts", "streams_broken"})
SOURCE = {"requests": "server", "streams_broken": "server", "client_attempts": "client"}
SeriesKey = tuple[str, str, frozenset[tuple[str, str]]]


@dataclass
class _Counted:
    """A counter and what it counts for."""

    signal: str
    region: str
    stream: CounterStream
    total: bool
    bad: frozenset[RateSlo]


@dataclass
class RateGuard:
    """Takes counters' samples; `close` judges every window that ended."""

    contract: Contract
    tier: Tier
    regions: tuple[str, ...]
    stale_s: float
    after_s: float
    _series: dict[SeriesKey, _Counted] = field(default_factory=dict)
    _first_s: dict[str, float] = field(default_factory=dict)
    _rules: list[RateRule] = field(default_factory=list)

    def __post_init__(self) -> None:
        triggers, limits = self.contract.triggers, self.contract.abort_limits
        most = triggers.unknown_windows_max
        for slo in RATE_SLOS:
            self._rules.append(RateRule(slo, "trigger", getattr(triggers, slo).windows, most))
            self._rules.append(RateRule(slo, "limit", getattr(limits, slo).windows, most))

    def add(
        self,
        signal: str,
        name: str,
        labels: Mapping[str, str],
        t_s: Sequence[float],
        v: Sequence[float | None],
    ) -> None:
        """Take new samples of one counter."""
        key = (signal, name, frozenset(labels.items()))
        counted = self._series.get(key)
        if counted is None:
            if not t_s:
                return
            # A series that shows up after its siblings began at 0 with its process.
            later = self._first_s.setdefault(signal, t_s[0]) < t_s[0]
            stream = CounterStream(began_at_zero=later, stale_s=self.stale_s)
            total, bad = _counts_for(signal, labels)
            counted = _Counted(signal, labels.get("region", ""), stream, total, bad)
            self._series[key] = counted
        counted.stream.add(t_s, v)

    def close(
        self, bounds: Array, rotation: Rotation, declared: Sequence[Declared]
    ) -> Iterator[Trip]:
        """Judge the windows between `bounds`."""
        self._drop_gone(float(bounds[0]))
        spans = [(float(a), float(b)) for a, b in pairwise(bounds)]
        kept = [rotation.throughout(start_s, end_s) for start_s, end_s in spans]
        grown = [(counted, counted.stream.close(bounds)) for counted in self._series.values()]
        groups: list[tuple[str | None, str]] = [(None, "client")]
        groups += [(region, source) for region in self.regions for source in ("client", "server")]
        for region, source in groups:
            rows = [
                (counted, self._in_rotation(counted, growth, kept) if region is None else growth)
                for counted, growth in grown
                if SOURCE[counted.signal] == source and region in (None, counted.region)
            ]
            totals = _sum([growth for counted, growth in rows if counted.total], len(spans))
            bads = {
                slo: _sum([growth for counted, growth in rows if slo in counted.bad], len(spans))
                for slo in RATE_SLOS
            }
            for index, (start_s, end_s) in enumerate(spans):
                if not kept[index] or (region is not None and region not in kept[index]):
                    for rule in self._rules:
                        rule.leave(region, source)
                    continue
                total = None if not rows else _known(totals[index])
                bad = {slo: None if not rows else _known(bads[slo][index]) for slo in RATE_SLOS}
                counts = WindowCounts(region, source, start_s, end_s, total, bad)
                for rule in self._rules:
                    expected = self._expected(rule.slo, counts, declared)
                    yield from rule.window(counts, tolerated(self.tier, rule.slo), expected)

    def _in_rotation(
        self, counted: _Counted, growth: Array, kept: Sequence[frozenset[str]]
    ) -> Array:
        """`growth`, zero where the series' region is known and was out of rotation."""
        if counted.region not in self.regions:
            return growth
        return np.where([counted.region in regions for regions in kept], growth, 0.0)

    def _expected(self, slo: RateSlo, counts: WindowCounts, declared: Sequence[Declared]) -> bool:
        """Whether a declared fault must cause a breach of `slo` at any time in the window."""
        for one in declared:
            if counts.region in (None, one.region) and counts.end_s > one.declared_s:
                t_s = max(counts.start_s, one.declared_s)
                if cause_of((one,), one.region, slo, t_s, self.after_s) is not None:
                    return True
        return False

    def _drop_gone(self, start_s: float) -> None:
        """Forget processes that ended before `start_s` while their region went on."""
        newest: dict[tuple[str, str], float] = {}
        for counted in self._series.values():
            key = (counted.signal, counted.region)
            newest[key] = max(newest.get(key, float("-inf")), counted.stream.newest_s)
        for series_key, counted in list(self._series.items()):
            ended = counted.stream.newest_s < start_s - self.stale_s
            if ended and newest[(counted.signal, counted.region)] >= start_s:
                del self._series[series_key]


def _counts_for(signal: str, labels: Mapping[str, str]) -> tuple[bool, frozenset[RateSlo]]:
    """(counts as an attempt, rates in which it is a bad one)."""
    if signal == "streams_broken":
        return False, frozenset({"success_2xx"})
    bad: set[RateSlo] = set()
    if signal == "requests":
        code = labels.get("code", "")
        failed, succeeded = code.startswith("5"), code.startswith("2")
    else:
        outcome = labels.get("outcome", "")
        failed, succeeded = outcome in FAILED_5XX, outcome == "success"
    if failed:
        bad.add("rate_5xx")
    if not succeeded:
        bad.add("success_2xx")
    return True, frozenset(bad)


def _sum(rows: Sequence[Array], windows: int) -> Array:
    """Their sum by window; one that is unknown makes the sum unknown, none of them make zero."""
    return np.sum(rows, axis=0) if rows else np.zeros(windows)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
