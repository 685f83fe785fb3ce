"""The moment that the samples show, behind a metrics server that ingests late.

What was scraped at a moment is there `prometheus.delay_s` later at the latest. Until then its
absence says nothing, and older samples do not stand for it. Steering is read at once, so what it
shows is held back until the samples of the same moment must be there.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, replace

from muster.clock import SYSTEM_CLOCK, Clock
from muster.drill.sight.facts import Facts
from muster.platform.metrics import RawSeries
from muster.targets.prometheus import PrometheusAccess


@dataclass(frozen=True)
class SamplesClock:
    """`delay_s`: how much later than its scrape a sample may appear, in seconds."""

    delay_s: float = 0.0
    clock: Clock = SYSTEM_CLOCK

    @classmethod
    def of(cls, prometheus: PrometheusAccess, clock: Clock = SYSTEM_CLOCK) -> SamplesClock:
        """The clock of the samples of a target's metrics server."""
        return cls(prometheus.delay_s, clock)

    def until_s(self) -> float:
        """What was scraped until then must be there now (seconds since the epoch)."""
        return self.clock.now_s() - self.delay_s

    def due_s(self) -> float:
        """Until when every series must be there now; infinity where none comes late.

        Not every series comes as late as it may: a region's, or a shard's, may be far ahead.
        """
        return self.until_s() if self.delay_s else float("inf")

    def bound_s(self, seconds: float) -> float:
        """How long a wait may take that needs samples of `seconds` from now, in seconds."""
        return seconds + self.delay_s

    def shown_at_s(self, facts: Facts, signal: str) -> float:
        """The moment that `signal` shows now (seconds since the epoch).

        Without a delay that is now; otherwise its newest sample, which may be there earlier than
        it must be.
        """
        now_s = self.clock.now_s()
        if not self.delay_s:
            return now_s
        return min(now_s, facts.newest_s(signal) or now_s)


class HeldBack:
    """Keeps samples until all of the same moment must be there, so that each look is a whole one.

    Memory: the samples of at most `delay_s` seconds, and only of those that came earlier.
    """

    def __init__(self) -> None:
        self._kept: list[RawSeries] = []

    def due(self, fresh: Iterable[RawSeries], until_s: float) -> list[RawSeries]:
        """Take new samples; return those, of all that were kept, from up to `until_s`."""
        due: list[RawSeries] = []
        kept: list[RawSeries] = []
        for one in [*self._kept, *fresh]:
            at = bisect_right(one.t_s, until_s)
            if at:
                due.append(replace(one, t_s=one.t_s[:at], v=one.v[:at]))
            if at < len(one.t_s):
                kept.append(replace(one, t_s=one.t_s[at:], v=one.v[at:]))
        self._kept = kept
        return due
