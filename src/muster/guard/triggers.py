"""The guard: evaluates the five rollback triggers and a drill's own abort limits on each new
sample.

Pure: it is given the samples, the regions in rotation and the declared faults, and returns what
tripped. Lengths and windows are shortened by the time scale, thresholds never. Memory is constant:
one window of samples, and the newest sample of each series. A window closes `stale_s` after its
end, so that the scrapes around it have arrived. What a declared fault must cause is kept in
`expected` and trips nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from muster.contract.model import Contract, Gate, OverRule, Tier
from muster.guard.presence import Presence
from muster.guard.rate_guard import COUNTED, RateGuard
from muster.guard.rate_triggers import WindowCounts
from muster.guard.sample_triggers import OpenFor, OverFor, Unresolved
from muster.guard.trips import Declared, Nearing, Rotation, Trip, TripKind, cause_of

__all__ = ["Declared", "Fresh", "Guard", "Trip"]

Fresh = tuple[str, str, Mapping[str, str], Sequence[float], Sequence[float | None]]
"""New samples of one series: signal, metric name, labels, scrape times (s), values (None: NaN)."""
SERIES = "series"
"""What a fault that removes a region's processes expects: their series vanish."""
WATCHED = ("queue_age", "circuit_open", "admission_failures")
PART_OF = {"circuit_open": "route", "admission_failures": "reason"}
"""The label by which the parts of a watched signal are told apart."""
Point = tuple[float, str, float]


@dataclass
class Guard:
    """Push samples in, get trips out; its first window begins at the first push."""

    contract: Contract
    gate: Gate
    tier: Tier
    time_scale: float
    regions: tuple[str, ...]
    stale_s: float
    expected: list[Trip] = field(default_factory=list)
    on_window: Callable[[WindowCounts], None] | None = None
    """Called with the counts of each window that closes, for callers that need to know unknown
    ones.
    """
    declared_none: frozenset[str] = frozenset()
    """Signals that the platform does not have: their absence is no lost data."""
    _rotation: Rotation = field(default_factory=Rotation)
    _lost: frozenset[str] = frozenset()
    _window_start_s: float | None = None
    _queues: dict[tuple[TripKind, str], OverFor] = field(default_factory=dict)
    _circuits: dict[tuple[str, str], OpenFor] = field(default_factory=dict)
    _failures: dict[tuple[str, str], Unresolved] = field(default_factory=dict)

    def __post_init__(self) -> None:
        triggers = self.contract.triggers
        self.after_s = triggers.expected_after_revert_s / self.time_scale
        judged = {
            "queue_age": ("",),
            "circuit_open": (triggers.circuit_open.route,),
            "admission_failures": tuple(triggers.hard_failure.reasons),
        }
        self._presence = Presence(judged, triggers.unknown_windows_max, self.stale_s)
        self._rates = RateGuard(
            self.contract, self.tier, self.regions, self.stale_s, self.after_s, self.on_window
        )

    @property
    def window_s(self) -> float:
        """Length of a window, in seconds of real time."""
        return self.contract.triggers.window_s / self.time_scale

    def push(
        self,
        fresh: Iterable[Fresh],
        now_s: float,
        *,
        rotation: frozenset[str],
        declared: Sequence[Declared],
    ) -> list[Trip]:
        """Take new samples; return what tripped, in order of time."""
        if self._window_start_s is None:
            self._window_start_s = now_s
        rotation, left_s = self._without_lost(rotation, now_s, declared)
        for gone in self.regions:
            if gone not in rotation:
                self._leave(gone)
        self._rotation.set(left_s, rotation)
        trips: list[Trip] = []
        points: dict[tuple[str, str, str], list[Point]] = {}
        for signal, name, labels, t_s, v in fresh:
            region, instance = labels.get("region", ""), labels.get("instance", "")
            if t_s and region in rotation:
                self._presence.alive(region, instance, max(t_s))
            if signal in COUNTED:
                self._rates.add(signal, name, labels, t_s, v)
            elif signal in WATCHED and region in rotation:
                part = labels.get(PART_OF.get(signal, ""), "")
                if t_s and self._calm(signal, region, part, instance, t_s, v):
                    self._presence.saw((signal, region, part, instance), max(t_s))
                    if signal == "admission_failures":
                        for t in t_s:
                            self._failures[region, part].saw(t)
                    continue
                # What a negative count or age means, nobody knows.
                points.setdefault((signal, region, part), []).extend(
                    (t, instance, x)
                    for t, x in zip(t_s, v, strict=True)
                    if x is not None and x >= 0
                )
        for (signal, region, part), found in points.items():
            found.sort()
            trips += self._look(signal, region, part, found, declared)
        trips += self._close(now_s, declared)
        self.expected += [trip for trip in trips if trip.expected]
        return sorted((t for t in trips if not t.expected), key=lambda trip: trip.t_trip_s)

    def nearing(self, now_s: float) -> list[Nearing]:
        """What has begun to count and has not tripped, the next to trip first."""
        found = list(self._rates.nearing(self.window_s))
        for (kind, region), queue in self._queues.items():
            if (left_s := queue.left_s) is not None:
                found.append(Nearing(kind, "queue_age", region, left_s))
        for (region, _), circuit in self._circuits.items():
            if (left_s := circuit.left_s(now_s)) is not None:
                found.append(Nearing("trigger", "circuit_open", region, left_s))
        for (region, reason), failure in self._failures.items():
            if (left_s := failure.left_s) is not None:
                found.append(Nearing("trigger", f"hard_failure:{reason}", region, left_s))
        return sorted(found, key=lambda one: one.trips_in_s)

    def _without_lost(
        self, rotation: frozenset[str], now_s: float, declared: Sequence[Declared]
    ) -> tuple[frozenset[str], float]:
        """Rotation without regions whose processes a fault removed, and since when it is so.

        Such a region's samples say nothing from the fault on, not only from the next samples on:
        its broken streams must not count in a window that began before the fault.
        """
        lost = {one: cause_of(declared, one, SERIES, now_s, self.after_s) for one in rotation}
        since_s = {one: cause.declared_s for one, cause in lost.items() if cause is not None}
        newly_s = [t_s for one, t_s in since_s.items() if one not in self._lost]
        self._lost = frozenset(since_s)
        return rotation - self._lost, min([now_s, *newly_s])

    def _calm(
        self,
        signal: str,
        region: str,
        part: str,
        instance: str,
        t_s: Sequence[float],
        v: Sequence[float | None],
    ) -> bool:
        """Whether these samples can change nothing, so that a quiet time costs little CPU."""
        if None in v:
            return False
        low, high = min(v), max(v)  # type: ignore[type-var]
        if low < 0:  # type: ignore[operator]
            return False
        if signal == "circuit_open":
            circuit = self._circuits.get((region, instance))
            return not high and (circuit is None or circuit.since_s is None)
        if signal == "queue_age":
            # Trigger and limit compare the same samples with the same age.
            queue = self._queues.get(("trigger", region))
            low_enough = high <= self.gate.queue_age_s_max  # type: ignore[operator]
            return bool(low_enough) and (queue is None or not queue.over)
        failure = self._failures.get((region, part))
        if failure is None or failure.odd(instance, min(t_s)):
            return False
        return low == high and failure.shown(instance) == low

    def _look(
        self, signal: str, region: str, part: str, points: list[Point], declared: Sequence[Declared]
    ) -> Iterator[Trip]:
        if signal != "admission_failures":
            for t_s, instance, _ in points:
                self._presence.saw((signal, region, part, instance), t_s)
        if signal == "queue_age":
            return self._queue(region, points, declared)
        if signal == "circuit_open":
            return self._circuit(region, part, points, declared)
        return self._failure(region, part, points, declared)

    def _queue(
        self, region: str, points: list[Point], declared: Sequence[Declared]
    ) -> Iterator[Trip]:
        limit_s = self.gate.queue_age_s_max
        rules: tuple[tuple[TripKind, OverRule], ...] = (
            ("trigger", self.contract.triggers.queue_age),
            ("limit", self.contract.abort_limits.queue_age),
        )
        for kind, rule in rules:
            over_s_max = rule.over_s_max / self.time_scale
            made = OverFor(limit_s, over_s_max, self.stale_s)
            detector = self._queues.setdefault((kind, region), made)
            for t_s, instance, age_s in points:
                cause = cause_of(declared, region, "queue_age", t_s, self.after_s)
                worst_s = detector.sample(t_s, instance, age_s, cause is not None)
                if worst_s is not None:
                    began_s = t_s - detector.over_s
                    yield Trip(
                        kind,
                        "queue_age",
                        region,
                        t_s,
                        f"oldest job {worst_s:.1f} s, over {limit_s:g} s for {detector.over_s:g} s",
                        ((began_s, t_s),),
                        measured=worst_s,
                        threshold=limit_s,
                        unit="s",
                    )

    def _circuit(
        self, region: str, route: str, points: list[Point], declared: Sequence[Declared]
    ) -> Iterator[Trip]:
        rule = self.contract.triggers.circuit_open
        if route != rule.route:
            return
        open_s_max = rule.open_s_max / self.time_scale
        for t_s, instance, value in points:
            detector = self._circuits.setdefault((region, instance), OpenFor(open_s_max))
            cause = cause_of(declared, region, f"circuit_open:{route}", t_s, self.after_s)
            open_s = detector.sample(t_s, value > 0, cause is not None)
            if open_s is not None:
                yield Trip(
                    "trigger",
                    "circuit_open",
                    region,
                    t_s,
                    f"circuit of route {route} open for {open_s:.1f} s at {instance or region}",
                    ((t_s - open_s, t_s),),
                    measured=open_s,
                    threshold=open_s_max,
                    unit="s",
                    expected=detector.expected,
                )

    def _failure(
        self, region: str, reason: str, points: list[Point], declared: Sequence[Declared]
    ) -> Iterator[Trip]:
        rule = self.contract.triggers.hard_failure
        if reason not in rule.reasons:
            return
        unresolved_s = rule.unresolved_s / self.time_scale
        detector = self._failures.setdefault(
            (region, reason), Unresolved(unresolved_s, self.stale_s)
        )
        for t_s, instance, value in points:
            cause = cause_of(declared, region, f"admission_failures:{reason}", t_s, self.after_s)
            lasted_s = detector.sample(t_s, instance, value, cause)
            if not detector.odd(instance, t_s):
                self._presence.saw(("admission_failures", region, reason, instance), t_s)
            if lasted_s is not None:
                yield Trip(
                    "trigger",
                    f"hard_failure:{reason}",
                    region,
                    t_s,
                    f"{reason} still increasing after {lasted_s:.1f} s",
                    ((t_s - lasted_s, t_s),),
                    measured=lasted_s,
                    threshold=unresolved_s,
                    unit="s",
                    expected=cause is not None,
                )

    def _leave(self, region: str) -> None:
        """A region out of rotation is not judged, and starts anew when it comes back."""
        self._presence.leave(region)
        tables: tuple[dict[Any, Any], ...] = (self._queues, self._circuits, self._failures)
        for table in tables:
            for key in [key for key in table if region in key]:
                del table[key]

    def _close(self, now_s: float, declared: Sequence[Declared]) -> Iterator[Trip]:
        """Judge every window whose samples have all arrived."""
        start_s = self._window_start_s
        if start_s is None:
            return
        while now_s >= start_s + self.window_s + self.stale_s:
            end_s = start_s + self.window_s
            kept = self._rotation.throughout(start_s, end_s)
            yield from self._rates.close(start_s, end_s, kept, declared)
            yield from self._lacking(start_s, end_s, kept)
            self._window_start_s = start_s = end_s
            self._rotation.forget(start_s)

    def _lacking(self, start_s: float, end_s: float, kept: frozenset[str]) -> Iterator[Trip]:
        """A signal that a region in rotation, or a process of it, shows no more is unknown."""
        signals = [signal for signal in WATCHED if signal not in self.declared_none]
        for region in sorted(kept):
            for signal, detail in self._presence.lost(region, end_s, signals):
                yield Trip("data_lost", signal, region, end_s, detail, ((start_s, end_s),))
