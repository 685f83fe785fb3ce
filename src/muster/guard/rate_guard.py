"""Computes from counters the windows that the rate triggers and limits judge.

Each region in rotation is counted by itself, once by the platform and once by the load; the load
also counts all of them together, with the attempts that reached no region. If a process is gone for
a whole window while its region went on, later windows leave it out; its own last window stays
unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from muster.contract.model import Contract, Tier
from muster.guard.rate_triggers import RATE_SLOS, RateRule, RateSlo, WindowCounts, tolerated
from muster.guard.trips import Declared, Nearing, Trip, cause_of
from muster.samples.rates import FAILED_5XX, is_status
from muster.samples.restarts import NONE, Points, Restarts, pace, restarts_of
from muster.samples.series import process_of
from muster.samples.streaming import CounterStream

COUNTED = frozenset({"requests", "client_attempts", "streams_broken"})
SOURCE = {"requests": "server", "streams_broken": "server", "client_attempts": "client"}
Process = tuple[str, str, str]
"""Signal, region and instance."""
SeriesKey = tuple[str, str, frozenset[tuple[str, str]]]


@dataclass
class _Counted:
    """A counter and what it counts."""

    process: Process
    source: str
    stream: CounterStream
    total: bool
    bad: frozenset[RateSlo]
    owner: SeriesKey
    no_status: bool = False

    @property
    def region(self) -> str:
        """The region that its process names."""
        return self.process[1]


@dataclass
class RateGuard:
    """Takes counters' samples; `close` judges every window that has ended."""

    contract: Contract
    tier: Tier
    regions: tuple[str, ...]
    stale_s: float
    after_s: float
    on_window: Callable[[WindowCounts], None] | None = None
    _series: dict[SeriesKey, _Counted] = field(default_factory=dict)
    _first_s: dict[str, float] = field(default_factory=dict)
    _since_s: dict[Process, float] = field(default_factory=dict)
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
            # A series that appears after its siblings began at 0: its label, or its process, is
            # new.
            later = self._first_s.setdefault(signal, t_s[0]) < t_s[0]
            process = (signal, labels.get("region", ""), labels.get("instance", ""))
            seen = self._since_s.setdefault(process, t_s[0]) < t_s[0]
            stream = CounterStream(began_at_zero=later, stale_s=self.stale_s, process_seen=seen)
            total, bad = _counts_for(signal, labels)
            owner = (signal, "", process_of(labels))
            no_status = signal == "requests" and not is_status(labels.get("code", ""))
            counted = _Counted(process, SOURCE[signal], stream, total, bad, owner, no_status)
            self._series[key] = counted
        counted.stream.add(t_s, v)

    def close(
        self, start_s: float, end_s: float, kept: frozenset[str], declared: Sequence[Declared]
    ) -> Iterator[Trip]:
        """Judge the next window; `kept` are the regions in rotation during all of it."""
        self._drop_gone(start_s)
        grown = self._grown(start_s, end_s)
        groups: list[tuple[str | None, str]] = [(None, "client")]
        groups += [(region, source) for region in self.regions for source in ("client", "server")]
        for region, source in groups:
            if not kept or (region is not None and region not in kept):
                for rule in self._rules:
                    rule.leave(region, source)
                continue
            rows = [
                (one, growth)
                for one, growth in grown
                if one.source == source
                and (one.region == region or (region is None and self._in_rotation(one, kept)))
            ]
            total = _sum([growth for one, growth in rows if one.total]) if rows else None
            bad = {
                slo: _sum([growth for one, growth in rows if slo in one.bad]) for slo in RATE_SLOS
            }
            counts = WindowCounts(region, source, start_s, end_s, total, bad)
            if self.on_window is not None:
                self.on_window(counts)
            for rule in self._rules:
                expected = self._expected(rule.slo, counts, declared)
                yield from rule.window(counts, tolerated(self.tier, rule.slo), expected)

    def nearing(self, window_s: float) -> Iterator[Nearing]:
        """The rules that count windows in breach."""
        for rule in self._rules:
            yield from rule.nearing(window_s)

    def _grown(self, start_s: float, end_s: float) -> list[tuple[_Counted, float | None]]:
        """Each counter's growth in the window; None if unknown."""
        restarts = self._restarts(start_s, end_s)
        grown = []
        for one in self._series.values():
            growth = one.stream.close(start_s, end_s, restarts.get(one.owner, NONE))
            grown.append((one, None if one.no_status and growth else growth))
        return grown

    def _restarts(self, start_s: float, end_s: float) -> dict[SeriesKey, Restarts]:
        """Restarts in the window, for each process whose counter decreased in it."""
        every = self._series.values()
        fallen = {one.owner for one in every if one.stream.fell_within(start_s, end_s)}
        found: dict[SeriesKey, Restarts] = {}
        for signal in {owner[0] for owner in fallen}:
            processes: dict[SeriesKey, list[Points]] = {}
            for one in every:
                if one.owner[0] == signal:
                    points = one.stream.points(start_s, end_s)
                    processes.setdefault(one.owner, []).append(points)
            per_s = pace(processes.values())
            for owner in fallen & set(processes):
                found[owner] = restarts_of(processes[owner], per_s, self.stale_s)
        return found

    def _in_rotation(self, one: _Counted, kept: frozenset[str]) -> bool:
        """Whether its region is in rotation, or its region is unknown."""
        return one.region in kept or one.region not in self.regions

    def _expected(self, slo: RateSlo, counts: WindowCounts, declared: Sequence[Declared]) -> bool:
        """Whether a declared fault must cause a breach of `slo` at any time in the window."""
        for one in declared:
            if counts.region in (None, one.region) and counts.end_s > one.declared_s:
                t_s = max(counts.start_s, one.declared_s)
                if cause_of((one,), one.region, slo, t_s, self.after_s) is not None:
                    return True
        return False

    def _drop_gone(self, start_s: float) -> None:
        """Forget processes that ended before `start_s` while their region went on.

        A single series that stops while its process goes on is unknown and stays unknown.
        """
        newest: dict[tuple[str, ...], float] = {}
        for counted in self._series.values():
            for key in (counted.process, counted.process[:2]):
                newest[key] = max(newest.get(key, float("-inf")), counted.stream.newest_s)
        for series_key, counted in list(self._series.items()):
            ended = newest[counted.process] < start_s - self.stale_s
            if ended and newest[counted.process[:2]] >= start_s:
                del self._series[series_key]
                self._since_s.pop(counted.process, None)


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


def _sum(growths: Sequence[float | None]) -> float | None:
    """The sum; None if one is unknown, 0 if there are none."""
    total = 0.0
    for growth in growths:
        if growth is None:
            return None
        total += growth
    return total
