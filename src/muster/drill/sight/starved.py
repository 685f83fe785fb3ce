"""Detects that samples are missing because the rig itself lacked CPU time.

A machine that is busy with something else scrapes late, counts late and looks late. What it missed
says nothing about the platform or its monitoring. The signs:

- the watch's own thread woke up late repeatedly, or once by a second or more;
- the load's own figures say that it lagged, started late or left its schedule;
- the load's own samples are missing too: the scraper stands still, or the load does.

Without any of these signs, the platform exported nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection

from muster.clock import SYSTEM_CLOCK, Clock
from muster.contract.model import LoadValidity
from muster.drill.sight.facts import Facts
from muster.drill.stop import StopReason
from muster.judge.rig import judge_rig
from muster.samples.series import Samples
from muster.samples.windows import Window

STARVED = "rig:starved"
"""The stop reason of a drill whose rig lacked CPU time."""
BEAT_S = 0.2
"""The watch sleeps in pieces of this length, so that a late wake-up shows."""
_STANDSTILL_S = 1.0
_LATE_SHARE = 0.01
_LATE_MIN = 2
_RIG = ("rig_lag", "client_late", "client_offered", "client_scheduled")


class Starved:
    """What the rig knows of its own lateness; used by one thread."""

    def __init__(
        self, facts: Facts, rules: LoadValidity, span_s: float, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        """`rules`: the contract's limits for the load; `span_s`: what is looked back at."""
        self._facts = facts
        self._rules = rules
        self._span_s = span_s
        self._clock = clock
        self._beats: deque[tuple[float, float]] = deque()

    def beat(self, asked_s: float, took_s: float) -> None:
        """Record that a sleep of `asked_s` took `took_s`."""
        now_s = self._clock.monotonic_s()
        self._beats.append((now_s, max(0.0, took_s - asked_s)))
        while self._beats[0][0] < now_s - self._span_s:
            self._beats.popleft()

    def why(self, missing: Collection[str] = ()) -> str:
        """Why the rig recently lacked CPU time; empty if it did not.

        `missing`: the signals without samples; a load that is missing too was not measured either.
        """
        if any(signal.startswith("client_") for signal in missing):
            return "the load's own samples stayed away too"
        return self._own_thread() or self._load()

    def blamed(self, reason: StopReason, missing: Collection[str] = ()) -> StopReason:
        """Return `reason`, or the rig as the reason if data was lost because of it."""
        why = self.why(missing) if reason.by == "data_lost" else ""
        if not why:
            return reason
        detail = f"{reason.detail}; the rig: {why}"
        return StopReason(STARVED, "INCONCLUSIVE", detail, reason.t_trip_s)

    def _own_thread(self) -> str:
        since_s = self._clock.monotonic_s() - self._span_s
        beats = [late_s for t_s, late_s in self._beats if t_s >= since_s]
        late = [late_s for late_s in beats if late_s > self._rules.loop_lag_p99_s_max]
        often = len(late) >= _LATE_MIN and len(late) > _LATE_SHARE * len(beats)
        if not late or not (often or max(late) >= _STANDSTILL_S):
            return ""
        return f"the drill itself woke up late {len(late)} times, by up to {max(late):.1f} s"

    def _load(self) -> str:
        known = {signal: self._facts.series(signal) for signal in _RIG}
        end_s = self._facts.known_s("client_offered")
        if end_s is None:
            return ""
        window = Window(end_s - self._span_s, end_s, self._facts.stale_s)
        return judge_rig(Samples(known), window, "", self._rules).slow
