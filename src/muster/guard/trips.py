"""The guard's facts besides samples, and the trip it reports when a trigger or a limit fires."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

TripKind = Literal["trigger", "limit", "data_lost"]
Span = tuple[float, float]


@dataclass(frozen=True)
class Declared:
    """A fault that the drill declared; `expects`: `signal` or `signal:part` that it must cause."""

    fault: str
    region: str
    expects: tuple[str, ...]
    declared_s: float
    reverted_s: float | None = None

    def explains(self, region: str, expected: str, t_s: float, after_s: float) -> bool:
        """Whether it must cause `expected` in `region` at `t_s`, up to `after_s` past its end."""
        named = expected in self.expects or expected.partition(":")[0] in self.expects
        ended = self.reverted_s is not None and t_s > self.reverted_s + after_s
        return named and region == self.region and t_s >= self.declared_s and not ended


def cause_of(
    declared: Iterable[Declared], region: str, expected: str, t_s: float, after_s: float
) -> Declared | None:
    """The declared fault that must cause `expected` in `region` at `t_s`, or None."""
    return next((d for d in declared if d.explains(region, expected, t_s, after_s)), None)


@dataclass(frozen=True)
class Trip:
    """A trigger or limit fired at `t_trip_s`; `windows` are the time ranges in which it was seen.

    `region` None: all regions in rotation together. `expected`: a declared fault had to cause it.
    """

    kind: TripKind
    name: str
    region: str | None
    t_trip_s: float
    detail: str
    windows: tuple[Span, ...] = ()
    source: str = "server"
    measured: float | None = None
    threshold: float | None = None
    unit: str = ""
    expected: bool = False


@dataclass(frozen=True)
class Nearing:
    """A trigger or limit that has begun to count: it trips in `trips_in_s` if nothing changes."""

    kind: TripKind
    name: str
    region: str | None
    trips_in_s: float


@dataclass
class Rotation:
    """Which regions were in rotation at which time; old entries are forgotten."""

    _since_s: list[float] = field(default_factory=list)
    _regions: list[frozenset[str]] = field(default_factory=list)

    def set(self, t_s: float, regions: frozenset[str]) -> None:
        """Set the regions in rotation from `t_s` on; moments never go back."""
        if self._regions and self._regions[-1] == regions:
            return
        self._since_s.append(max(t_s, self._since_s[-1]) if self._since_s else t_s)
        self._regions.append(regions)

    def throughout(self, start_s: float, end_s: float) -> frozenset[str]:
        """The regions that were in rotation during all of [start_s, end_s)."""
        first = bisect_right(self._since_s, start_s) - 1
        if first < 0:
            return frozenset()
        kept = self._regions[first]
        for since_s, regions in zip(
            self._since_s[first + 1 :], self._regions[first + 1 :], strict=True
        ):
            if since_s < end_s:
                kept &= regions
        return kept

    def forget(self, before_s: float) -> None:
        """Drop what ended before `before_s`."""
        keep = max(0, bisect_right(self._since_s, before_s) - 1)
        del self._since_s[:keep], self._regions[:keep]
