"""What the guard knows besides samples, and what it says when a trigger or a limit fires."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from muster.contract.model import Tier

TripKind = Literal["trigger", "limit", "data_lost"]


class Chunk(Protocol):
    """New samples of one series, as a poll brings them; `t_s` are scrape times, None is NaN."""

    @property
    def signal(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def labels(self) -> Mapping[str, str]: ...
    @property
    def t_s(self) -> Sequence[float]: ...
    @property
    def v(self) -> Sequence[float | None]: ...


@dataclass(frozen=True)
class Declared:
    """A fault that the drill declared; `expects`: `signal` or `signal:part` that it must cause."""

    fault: str
    region: str
    expects: tuple[str, ...]
    start_s: float
    end_s: float = float("inf")

    def explains(self, region: str, expected: str, t_s: float, after_s: float) -> bool:
        """Whether it must cause `expected` in `region` at `t_s`, up to `after_s` past its end."""
        named = expected in self.expects or expected.partition(":")[0] in self.expects
        within = self.start_s <= t_s <= self.end_s + after_s
        return named and within and region in (self.region, "all")


@dataclass(frozen=True)
class Context:
    """What holds from a moment on: the tier in force (None: not armed), regions in rotation."""

    tier: Tier | None = None
    regions: frozenset[str] = frozenset()
    declared: tuple[Declared, ...] = ()


@dataclass(frozen=True)
class Trip:
    """A trigger or limit fired at `t_trip_s`; `expected`: a declared fault had to cause it."""

    kind: TripKind
    name: str
    region: str
    source: str
    t_trip_s: float
    measured: float | None
    threshold: float | None
    unit: str
    detail: str
    windows: tuple[Mapping[str, Any], ...] = ()
    expected: bool = False

    @property
    def stopped_by(self) -> str:
        """The reason's name as a ledger and a verdict carry it."""
        return "data_lost" if self.kind == "data_lost" else f"{self.kind}:{self.name}"


@dataclass
class History:
    """Contexts by the moment from which they hold; older ones than needed are forgotten."""

    _since_s: list[float] = field(default_factory=list)
    _contexts: list[Context] = field(default_factory=list)

    def add(self, t_s: float, context: Context) -> None:
        """From `t_s` on `context` holds; an earlier moment than the last counts as the last."""
        self._since_s.append(max(t_s, self._since_s[-1]) if self._since_s else t_s)
        self._contexts.append(context)

    def at(self, t_s: float) -> Context:
        """What holds at `t_s`."""
        index = bisect_right(self._since_s, t_s) - 1
        return self._contexts[index] if index >= 0 else Context()

    def during(self, start_s: float, end_s: float) -> Iterator[Context]:
        """Everything that held at some time within [start_s, end_s)."""
        yield self.at(start_s)
        for since_s, context in zip(self._since_s, self._contexts, strict=True):
            if start_s < since_s < end_s:
                yield context

    def forget(self, before_s: float) -> None:
        """Drop what ended before `before_s`."""
        keep = max(0, bisect_right(self._since_s, before_s) - 1)
        del self._since_s[:keep]
        del self._contexts[:keep]
