"""The rollback triggers' arithmetic as small state machines, each in constant memory.

A window is breach, ok or unknown. Unknown neither counts nor resets; too many unknown ones in a row
are data lost. A gauge that stays over its limit is over from its first such sample on; a gap does
not end that, and does not lengthen it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

WindowState = Literal["breach", "ok", "unknown"]
Span = tuple[float, float]


@dataclass
class Consecutive:
    """Fires when `needed` windows in a row are in breach, unknown ones not counted."""

    needed: int
    unknown_max: int
    breaches: tuple[Span, ...] = ()
    unknown_run: int = 0

    def push(self, state: WindowState, window: Span) -> Literal["", "fired", "data_lost"]:
        """Take the next window in time; what it comes to. Fires once a run of breaches."""
        if state == "unknown":
            self.unknown_run += 1
            return "data_lost" if self.unknown_run == self.unknown_max + 1 else ""
        self.unknown_run = 0
        if state == "ok":
            self.breaches = ()
            return ""
        self.breaches = (*self.breaches, window)[-self.needed :]
        before = self.needed - 1
        if len(self.breaches) > before and not self._fired:
            self._fired = True
            return "fired"
        return ""

    _fired: bool = False


@dataclass
class Over:
    """Fires when a value stays over a limit for longer than `longer_than_s`."""

    longer_than_s: float
    since_s: float | None = None
    fired: bool = False

    def push(self, over: bool, t_s: float) -> bool:
        """Take the next sample in time; whether it fires. Fires once a run."""
        if not over:
            self.since_s, self.fired = None, False
            return False
        if self.since_s is None:
            self.since_s = t_s
        if self.fired or (self.longer_than_s > 0 and t_s - self.since_s <= self.longer_than_s):
            return False
        self.fired = True
        return True


@dataclass
class Unresolved:
    """Fires when a failure counter still rises `unresolved_s` after its cause, or without one.

    Increases under a declared cause are expected; they end a run that began before.
    """

    unresolved_s: float
    quiet_s: float
    last_v: float | None = None
    run_since_s: float | None = None
    last_rise_s: float | None = None
    fired: bool = False

    def push(self, value: float, t_s: float, *, expected: bool, after_cause: bool) -> bool:
        """Take the next sample in time; whether it fires.

        `expected`: a declared cause is there, or ended less than `unresolved_s` ago. `after_cause`:
        one ended longer ago than that.
        """
        before, self.last_v = self.last_v, value
        # A counter that fell was restarted: what it shows is new.
        rose = before is not None and (value > before or (value < before and value > 0))
        if not rose:
            if self.last_rise_s is not None and t_s - self.last_rise_s > self.quiet_s:
                self.run_since_s, self.fired = None, False
            return False
        self.last_rise_s = t_s
        if expected:
            self.run_since_s, self.fired = None, False
            return False
        if self.run_since_s is None:
            self.run_since_s = t_s
        long = t_s - self.run_since_s > self.unresolved_s
        if self.fired or not (long or after_cause):
            return False
        self.fired = True
        return True
