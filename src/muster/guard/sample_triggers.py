"""Triggers that look at each sample: circuit open, queue age over the limit, hard failures.

- A circuit keeps its last state over a gap, so it stays open until a sample shows it closed.
- A queue's age during a gap is unknown: the gap neither counts nor resets.
- A hard failure is unresolved if it still increases `unresolved_s` after its declared cause was
  reverted, or after its first increase without a declared cause. If it does not increase for that
  long, it is resolved. Here too a gap neither counts nor resets: only time with samples is
  measured. A counter that decreases to more than a new process starts with, or decreases again at
  once, has no valid data until it has not decreased for as long as a sample may stand.

Lengths arrive here already shortened by the time scale.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from muster.guard.trips import Declared
from muster.samples.restarts import COUNT_MAX


@dataclass
class OpenFor:
    """One circuit: how long it has been open. `expected`: the last trip had a declared cause."""

    open_s_max: float
    since_s: float | None = None
    tripped: bool = False
    expected: bool = False

    def sample(self, t_s: float, is_open: bool, expected: bool) -> float | None:
        """Return the seconds open when they first pass the limit; None otherwise.

        When its declared cause is over, and not before, it counts anew: what was expected trips
        nothing.
        """
        if not is_open:
            self.since_s, self.tripped, self.expected = None, False, False
            return None
        if self.since_s is None or (self.expected and not expected):
            self.since_s, self.tripped = t_s, False
        self.expected = expected
        open_s = t_s - self.since_s
        if open_s > self.open_s_max and not self.tripped:
            self.tripped = True
            return open_s
        return None

    def left_s(self, now_s: float) -> float | None:
        """Seconds until it trips if it stays open; None while it counts nothing."""
        if self.since_s is None or self.tripped or self.expected:
            return None
        return max(self.open_s_max - (now_s - self.since_s), 0.0)


@dataclass
class OverFor:
    """One region's oldest job: how long its age has been over the limit, without gaps.

    Each gateway exports a queue; the oldest job of all of them counts.
    """

    limit_s: float
    over_s_max: float
    stale_s: float
    over_s: float = 0.0
    tripped: bool = False
    over: bool = False
    _last_s: float = float("-inf")
    _ages: dict[str, tuple[float, float]] = field(default_factory=dict)

    def sample(self, t_s: float, instance: str, age_s: float, expected: bool) -> float | None:
        """Return the oldest job's age when it trips; None otherwise."""
        gap_s, self._last_s = t_s - self._last_s, t_s
        self._ages[instance] = (t_s, age_s)
        worst = age_s
        if len(self._ages) > 1:
            oldest = t_s - self.stale_s
            if any(seen_s < oldest for seen_s, _ in self._ages.values()):
                self._ages = {k: seen for k, seen in self._ages.items() if seen[0] >= oldest}
            worst = max(age for _, age in self._ages.values())
        if worst <= self.limit_s or expected:
            self.over, self.over_s, self.tripped = False, 0.0, False
            return None
        if self.over and gap_s <= self.stale_s:
            self.over_s += gap_s
        self.over = True
        passed = self.over_s > self.over_s_max or self.over_s_max == 0
        if passed and not self.tripped:
            self.tripped = True
            return worst
        return None

    @property
    def left_s(self) -> float | None:
        """Seconds until it trips if it stays over the limit; None while it counts nothing."""
        if not self.over or self.tripped:
            return None
        return max(self.over_s_max - self.over_s, 0.0)


@dataclass
class Unresolved:
    """One region's counter of one hard failure, over all its processes.

    Its times are those of the samples minus `_unseen_s`, all time without data so far.
    """

    unresolved_s: float
    stale_s: float = float("inf")
    tripped: bool = False
    _values: dict[str, float] = field(default_factory=dict)
    _since_s: float | None = None
    _last_s: float | None = None
    _cause: Declared | None = None
    _seen_s: float | None = None
    _unseen_s: float = 0.0
    _caused_s: float = float("-inf")
    _fell_s: dict[str, float] = field(default_factory=dict)
    _odd_s: dict[str, float] = field(default_factory=dict)

    def saw(self, t_s: float) -> None:
        """A sample came; time further back than a sample may stand had no data."""
        if self._seen_s is not None and t_s - self._seen_s > self.stale_s:
            self._unseen_s += t_s - self._seen_s
        self._seen_s = t_s if self._seen_s is None else max(t_s, self._seen_s)

    def shown(self, instance: str) -> float | None:
        """The value that a process last exported."""
        return self._values.get(instance)

    def sample(
        self, t_s: float, instance: str, value: float, cause: Declared | None
    ) -> float | None:
        """Return the seconds unresolved when they first pass the limit; None otherwise.

        `cause`: the declared fault that must cause it at `t_s`. Under a cause the first increase
        returns 0.0, to be recorded as expected.
        """
        self.saw(t_s)
        before = self._values.get(instance)
        self._values[instance] = value
        if before is not None and value < before:
            fell_s = self._fell_s.get(instance)
            self._fell_s[instance] = t_s
            if value > COUNT_MAX or self._within(fell_s, t_s):
                self._odd_s[instance] = t_s
        if self.odd(instance, t_s):
            return None
        # A counter that decreased was restarted: its value is new growth.
        if before is None or value in (before, 0):
            return None
        now_s = t_s - self._unseen_s
        quiet = self._last_s is None or now_s - self._last_s > self.unresolved_s
        self._last_s = now_s
        if cause is not None:
            new = quiet or self._cause is None
            if cause.reverted_s is None:
                self._caused_s = now_s
            elif new:
                self._caused_s = cause.reverted_s - self._unseen_s
            self._cause, self._since_s, self.tripped = cause, None, False
            return 0.0 if new else None
        if quiet:
            # It had stopped by itself: this is the first increase of a new sequence.
            self._since_s, self._cause, self.tripped = now_s, None, False
        since_s = self._since_s
        if since_s is None:
            # It still fails after its cause: it counts from the end of the cause.
            ended_s = None if self._cause is None else self._cause.reverted_s
            # A gap since that end moves it back in these times, at most to where it still stood.
            since_s = now_s if ended_s is None else max(ended_s - self._unseen_s, self._caused_s)
            self._since_s = since_s
        lasted_s = now_s - since_s
        if lasted_s > self.unresolved_s and not self.tripped:
            self.tripped = True
            return lasted_s
        return None

    @property
    def left_s(self) -> float | None:
        """Seconds until it trips if it goes on increasing; None while it counts nothing."""
        if self._since_s is None or self._last_s is None or self.tripped:
            return None
        seen_s = self._last_s if self._seen_s is None else self._seen_s - self._unseen_s
        if seen_s - self._last_s > self.unresolved_s:
            return None
        return max(self.unresolved_s - (self._last_s - self._since_s), 0.0)

    def odd(self, instance: str, t_s: float) -> bool:
        """Whether what a process shows at `t_s` is no valid data."""
        return self._within(self._odd_s.get(instance), t_s)

    def _within(self, since_s: float | None, t_s: float) -> bool:
        """Whether no more time than a sample may stand lies between."""
        return since_s is not None and t_s - since_s <= self.stale_s
