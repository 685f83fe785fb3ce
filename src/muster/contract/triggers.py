"""The guard: the five rollback triggers and a drill's own abort limits, on samples as they come.

Pure: it is told the samples, which regions are in rotation and which faults are declared, and says
what tripped. Lengths and windows are shortened by the time scale, thresholds never. A window closes
when its end is `stale_s` past, so that the scrapes around it have arrived; the load's own count and
the platform's are both looked at, and the worse decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Literal

from muster.contract.counting import Count, judge_share
from muster.contract.detectors import Consecutive, Over, Span, Unresolved, WindowState
from muster.contract.model import Contract, Gate, Tier
from muster.contract.rates import client_counts, server_counts
from muster.contract.samples import Samples, Series, series_of
from muster.contract.windows import Window

Fresh = tuple[str, str, Mapping[str, str], Sequence[float], Sequence[float | None]]
COUNTED = ("client_attempts", "requests", "streams_broken")


@dataclass(frozen=True)
class Declared:
    """A fault that the drill applied: `expects` are "signal:label value" in its region."""

    fault: str
    region: str
    expects: tuple[str, ...]
    declared_s: float
    reverted_s: float | None


@dataclass(frozen=True)
class Trip:
    """Something that must stop the drill. `windows` are the stretches it was seen in."""

    kind: Literal["trigger", "limit", "data_lost"]
    name: str
    region: str | None
    t_trip_s: float
    detail: str
    windows: tuple[Span, ...]


@dataclass
class _Rate:
    kind: Literal["trigger", "limit"]
    name: str
    slo: str
    bad_max: Fraction
    detector: Consecutive


@dataclass
class Guard:
    """Push samples in, get trips out."""

    contract: Contract
    gate: Gate
    tier: Tier
    time_scale: float
    regions: tuple[str, ...]
    stale_s: float
    _points: dict[tuple[str, str, tuple[tuple[str, str], ...]], list[tuple[float, float]]] = field(
        default_factory=dict
    )
    _window_start_s: float | None = None
    _rates: list[_Rate] = field(default_factory=list)
    _over: dict[tuple[str, str], Over] = field(default_factory=dict)
    _failures: dict[tuple[str, str, str], Unresolved] = field(default_factory=dict)

    def __post_init__(self) -> None:
        triggers, limits = self.contract.triggers, self.contract.abort_limits
        most = triggers.unknown_windows_max
        for kind, rules in (("trigger", triggers), ("limit", limits)):
            for name, bad_max in (
                ("rate_5xx", self.tier.rate_5xx_max),
                ("success_2xx", 1 - self.tier.success_2xx_min),
            ):
                needed = getattr(rules, name).windows
                detector = Consecutive(needed, most)
                self._rates.append(_Rate(kind, name, name, bad_max, detector))  # type: ignore[arg-type]

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
        """Take new samples; what tripped, in the order of time."""
        trips: list[Trip] = []
        for signal, name, labels, t_s, v in fresh:
            region = labels.get("region", "")
            if region in self.regions and region not in rotation:
                continue
            points = [(t, x) for t, x in zip(t_s, v, strict=True) if x is not None]
            if signal in COUNTED:
                key = (signal, name, tuple(sorted(labels.items())))
                self._points.setdefault(key, []).extend(points)
                if self._window_start_s is None and points:
                    self._window_start_s = points[0][0]
            elif signal == "queue_age":
                trips += self._queue(region, labels, points)
            elif signal == "circuit_open":
                trips += self._circuit(region, labels, points, declared)
            elif signal == "admission_failures":
                trips += self._failure(region, labels, points, declared)
        self._forget(rotation)
        trips += self._close(now_s, rotation)
        return sorted(trips, key=lambda trip: trip.t_trip_s)

    def _queue(
        self, region: str, labels: Mapping[str, str], points: list[tuple[float, float]]
    ) -> list[Trip]:
        limit_s = float(self.gate.queue_age_s_max)
        rules = (
            ("trigger", self.contract.triggers.queue_age.over_s_max / self.time_scale),
            ("limit", self.contract.abort_limits.queue_age.over_s_max / self.time_scale),
        )
        trips: list[Trip] = []
        for kind, longer_s in rules:
            key = (f"queue:{kind}", f"{region}/{labels.get('instance', '')}")
            detector = self._over.setdefault(key, Over(longer_s))
            for t_s, age_s in points:
                if detector.push(age_s > limit_s, t_s):
                    detail = f"oldest job {age_s:.1f} s, limit {limit_s:g} s"
                    span = ((detector.since_s or t_s, t_s),)
                    trips.append(Trip(kind, "queue_age", region, t_s, detail, span))  # type: ignore[arg-type]
        return trips

    def _circuit(
        self,
        region: str,
        labels: Mapping[str, str],
        points: list[tuple[float, float]],
        declared: Sequence[Declared],
    ) -> list[Trip]:
        rule = self.contract.triggers.circuit_open
        route = labels.get("route", "")
        if route != rule.route:
            return []
        key = ("circuit", f"{region}/{labels.get('instance', '')}")
        detector = self._over.setdefault(key, Over(rule.open_s_max / self.time_scale))
        trips: list[Trip] = []
        for t_s, value in points:
            expected, _ = self._cause(declared, region, f"circuit_open:{route}", t_s)
            if detector.push(value > 0 and not expected, t_s):
                since_s = detector.since_s or t_s
                detail = f"route {route} open for {t_s - since_s:.0f} s"
                trips.append(
                    Trip("trigger", "circuit_open", region, t_s, detail, ((since_s, t_s),))
                )
        return trips

    def _failure(
        self,
        region: str,
        labels: Mapping[str, str],
        points: list[tuple[float, float]],
        declared: Sequence[Declared],
    ) -> list[Trip]:
        rule = self.contract.triggers.hard_failure
        reason = labels.get("reason", "")
        if reason not in rule.reasons:
            return []
        key = (region, reason, labels.get("instance", ""))
        unresolved_s = rule.unresolved_s / self.time_scale
        detector = self._failures.setdefault(key, Unresolved(unresolved_s, quiet_s=self.window_s))
        trips: list[Trip] = []
        for t_s, value in points:
            expected, after = self._cause(declared, region, f"admission_failures:{reason}", t_s)
            if detector.push(value, t_s, expected=expected, after_cause=after):
                since_s = detector.run_since_s or t_s
                why = "still rising after its cause ended" if after else "rising without a cause"
                trips.append(
                    Trip("trigger", f"hard_failure:{reason}", region, t_s, why, ((since_s, t_s),))
                )
        return trips

    def _cause(
        self, declared: Sequence[Declared], region: str, what: str, t_s: float
    ) -> tuple[bool, bool]:
        """(a declared cause is there or lately was, one ended longer ago)."""
        after = False
        grace_s = self.contract.triggers.expected_after_revert_s / self.time_scale
        for fault in declared:
            if fault.region != region or what not in fault.expects or t_s < fault.declared_s:
                continue
            if fault.reverted_s is None or t_s <= fault.reverted_s + grace_s:
                return True, False
            after = True
        return False, after

    def _forget(self, rotation: frozenset[str]) -> None:
        """A region out of rotation begins anew when it comes back."""
        gone = set(self.regions) - rotation
        if not gone:
            return
        for key in [k for k in self._points if dict(k[2]).get("region") in gone]:
            del self._points[key]
        for pair in [k for k in self._over if k[1].split("/")[0] in gone]:
            del self._over[pair]
        for triple in [k for k in self._failures if k[0] in gone]:
            del self._failures[triple]

    def _close(self, now_s: float, rotation: frozenset[str]) -> list[Trip]:
        trips: list[Trip] = []
        while self._window_start_s is not None:
            end_s = self._window_start_s + self.window_s
            if now_s < end_s + self.stale_s:
                break
            trips += self._judge(Window(self._window_start_s, end_s, self.stale_s))
            self._window_start_s = end_s
            for points in self._points.values():
                # What lies before the next window's start matters only by its last value.
                keep = max((i for i, (t, _) in enumerate(points) if t <= end_s), default=0)
                del points[:keep]
        return trips

    def _judge(self, window: Window) -> list[Trip]:
        grouped: dict[str, list[Series]] = {}
        for (signal, name, labels), points in self._points.items():
            if points:
                grouped.setdefault(signal, []).append(series_of(signal, name, dict(labels), points))
        samples = Samples({signal: tuple(found) for signal, found in grouped.items()})
        client, server = client_counts(samples, window), server_counts(samples, window)
        span = (window.start_s, window.end_s)
        trips: list[Trip] = []
        for rate in self._rates:
            state, shown = _state(client[rate.slo], server[rate.slo], rate.bad_max)
            came = rate.detector.push(state, span)
            if came == "fired":
                trips.append(
                    Trip(
                        rate.kind,
                        rate.name,
                        None,
                        window.end_s,
                        f"{shown} in the last of {rate.detector.needed} windows",
                        rate.detector.breaches,
                    )
                )
            elif came == "data_lost" and rate.kind == "trigger":
                detail = f"{rate.name}: {rate.detector.unknown_run} windows in a row without data"
                trips.append(Trip("data_lost", rate.name, None, window.end_s, detail, (span,)))
        return trips


def _state(client: Count, server: Count, bad_max: Fraction) -> tuple[WindowState, str]:
    """The worse of the two counts; unknown where one of them is, unless the other breaches."""
    states = [judge_share(count, bad_max)[0] for count in (client, server)]
    shown = ", ".join(
        f"{name} {count.share_bad_pct:.2f} % bad" if count.share_bad_pct is not None else name
        for name, count in (("client", client), ("server", server))
    )
    if "fail" in states:
        return "breach", shown
    return ("unknown" if "unknown" in states else "ok"), shown
