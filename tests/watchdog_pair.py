"""A drill's end and its watchdog's, joined in one thread: no process, no socket, a held clock.

What a process is here can be killed; its messages stay readable and its take-over right falls free,
as the kernel does it. What each end does to the target is kept in `acts`.
"""

from __future__ import annotations

import os
from collections import deque
from types import SimpleNamespace
from typing import Any

from held_clock import HeldClock

from muster.drill.lock.runs import RunFiles
from muster.drill.stop import StopFlag
from muster.drill.watchdog.channel import Heard
from muster.drill.watchdog.drill_end import DrillEnd
from muster.drill.watchdog.messages import FROM_DRILL, FROM_WATCHDOG, Configure
from muster.drill.watchdog.protocol import DrillState, WatchdogState
from muster.drill.watchdog.silence import TICK_S
from muster.drill.watchdog.watchdog_end import WatchdogEnd


class Process:
    """A process of the tests, by name. `right`: its descriptor of the take-over right."""

    pid = 0

    def __init__(self, name: str) -> None:
        self.name = name
        self.dead = False
        self.right: int | None = None

    def alive(self) -> bool:
        return not self.dead

    def await_end(self, seconds_max: float) -> bool:
        return self.dead

    def kill(self) -> bool:
        self.dead = True
        if self.right is not None:
            os.close(self.right)
            self.right = None
        return True


class Wire:
    """One end. Every message passes through its line of JSON."""

    def __init__(self, hears: Any, other: Process) -> None:
        self._hears = hears
        self._other = other
        self.lines: deque[str] = deque()
        self.to: Wire | None = None
        self.sent: list[Any] = []

    def send(self, message: Any, fds: Any = ()) -> bool:
        assert self.to is not None
        if self._other.dead:
            return False
        self.sent.append(message)
        self.to.lines.append(message.model_dump_json())
        return True

    def receive(self) -> Heard:
        messages = tuple(self._hears.validate_json(line) for line in self.lines)
        self.lines.clear()
        return Heard(messages, (), self._other.dead)


CONFIG = Configure(
    drill_id="d1",
    bundle="out/d1",
    target_file="target.yaml",
    contract_file="contract.yaml",
    gate="M3",
    time_scale=1,
    region="r1",
    ttl_s=5,
    health_checks={},
)


class Pair:
    """Both ends. `told` is what the watchdog's guard and expectation were told."""

    def __init__(self, run: RunFiles) -> None:
        self.clock = HeldClock()
        self.run = run
        run.make("t1")
        self.drill_process, self.watchdog_process = Process("drill"), Process("watchdog")
        self.stop = StopFlag(self.clock)
        self.told: list[Any] = []
        self.acts: list[Any] = []
        self.trips: list[Any] = []
        self.ledger: list[Any] = []
        self.sees = StopFlag(self.clock)
        self.watch = SimpleNamespace(alive=True, looks=3, require_load=lambda: None)
        to_drill = Wire(FROM_WATCHDOG, self.watchdog_process)
        to_watchdog = Wire(FROM_DRILL, self.drill_process)
        to_drill.to, to_watchdog.to = to_watchdog, to_drill
        self.wires = {"drill": to_drill, "watchdog": to_watchdog}
        beats = SimpleNamespace(write=lambda: None)
        self.drill = DrillEnd(
            to_drill, self.watchdog_process, self.stop, beats, self._take_right, self.clock
        )
        self.watchdog = WatchdogEnd(
            to_watchdog, self.drill_process, self._guard, self._stand_in, self.clock
        )
        self.code: int | None = None
        self.drill.hello(run.drill_id, "t1")

    def _take_right(self) -> int | None:
        self.drill_process.right = self.run.take_right()
        return self.drill_process.right

    def _guard(self, config: Configure) -> Any:
        def tell(name: str) -> Any:
            return lambda *what: self.told.append((name, *what))

        guard = SimpleNamespace(**{n: tell(n) for n in ("arm", "disarm", "declare", "reverted")})
        expected = SimpleNamespace(**{n: tell(n) for n in ("intends", "accepted", "release")})
        patrol = SimpleNamespace(
            guard=guard,
            expected=expected,
            watch=self.watch,
            stop=self.sees,
            trips=self.trips,
            close=tell("close"),
        )
        return SimpleNamespace(patrol=patrol, load=SimpleNamespace(release=tell("load_released")))

    def _stand_in(self, duty, hello, place, reason, beat, *, confirmed) -> int:
        assert self.drill_process.dead, "a live drill and its watchdog would both act"
        self.acts.append((duty, reason))
        return 0

    def configure(self) -> None:
        """Until the drill is guarded."""
        self.clock.on_wait = lambda _: (self.watchdog_turn(), self.drill_turn())
        try:
            self.drill.configure(CONFIG, lambda event, **fields: self.ledger.append(event))
        finally:
            self.clock.on_wait = None

    def drill_turn(self) -> None:
        """A turn of the drill's heart, if the drill lives."""
        if not self.drill_process.dead:
            self.drill.turn()

    def watchdog_turn(self) -> None:
        """A turn of the watchdog's loop, if it lives; it ends with its exit code."""
        if self.watchdog_process.dead:
            return
        self.code = self.watchdog.turn()
        if self.code is not None:
            self.watchdog_process.kill()

    def pass_s(self, seconds: float, *, drill: bool = True, watchdog: bool = True) -> None:
        """Let time pass with the turns of those ends that are awake."""
        for _ in range(round(seconds / TICK_S)):
            self.clock.advance(TICK_S)
            if drill:
                self.drill_turn()
            if watchdog:
                self.watchdog_turn()

    def check(self) -> None:
        """At most one end acts, and each of those that act alone saw the other's end."""
        if self.drill.state is DrillState.ALONE:
            assert self.watchdog_process.dead
        if self.watchdog.state is WatchdogState.STANDING_IN:
            assert self.drill_process.dead
