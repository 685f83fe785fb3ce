"""The watchdog's end, without process, thread or socket: its messages, checks and decisions.

`turn` is one turn of its loop: it receives, beats, looks at the samples, and measures the drill's
silence. It takes over if the drill's process is gone, hangs, or does not begin to act after it was
told to stop.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from typing import Protocol

from muster.clock import SYSTEM_CLOCK, Clock
from muster.drill.lock.runs import BeatFile, RunFiles
from muster.drill.stop import StopReason
from muster.drill.watchdog import messages as say
from muster.drill.watchdog.channel import Wire
from muster.drill.watchdog.orphan_load import held_of
from muster.drill.watchdog.protocol import (
    MAY_ASK,
    Duty,
    End,
    Fact,
    ProtocolError,
    WatchdogState,
    duty_of,
)
from muster.drill.watchdog.silence import Lease, Rhythm
from muster.drill.watchdog.take_over import Place
from muster.errors import MusterError

logger = logging.getLogger("chaostoolkit")
RELEASED_S = 120.0
"""After the guard's duty silence means judging under load; for longer than this, a hang."""
YIELD_S_MAX = 60.0
"""How long a drill's process that has the take-over lock may take to end this one."""


class DrillProcess(Protocol):
    """The drill's process."""

    pid: int

    def alive(self) -> bool:
        """Whether it has not ended."""

    def await_end(self, seconds_max: float) -> bool:
        """Whether it ended within `seconds_max`."""

    def kill(self) -> bool:
        """Kill it; return whether it was verified gone."""


class StandIn(Protocol):
    """The work that is done in a dead drill's place."""

    def __call__(
        self,
        duty: Duty,
        hello: say.Hello,
        place: Place | None,
        reason: StopReason,
        beat: Callable[[], None],
        *,
        confirmed: bool,
    ) -> int:
        """The exit code: 0 if everything is restored. `beat` must be called meanwhile."""


class WatchdogEnd:
    """The watchdog of one drill. Call `turn` until it returns an exit code."""

    def __init__(
        self,
        wire: Wire,
        peer: DrillProcess,
        guard: Callable[[say.Configure], Place],
        stand_in: StandIn,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """`guard` begins to watch a described drill; it raises MusterError."""
        self._wire = wire
        self._peer = peer
        self._guard = guard
        self._stand_in = stand_in
        self._clock = clock
        self._end = End(WatchdogState.UNMET)
        self._lease = Lease(clock=clock)
        self._rhythm = Rhythm(clock)
        self._patience = Lease(clock=clock)
        self._hello: say.Hello | None = None
        self._run: RunFiles | None = None
        self._beats: BeatFile | None = None
        self._place: Place | None = None
        self._asked: StopReason | None = None
        self._measuring = True
        self._turn_s_max = 0.0

    @property
    def state(self) -> WatchdogState:
        """This end's state in the protocol."""
        state = self._end.state
        assert isinstance(state, WatchdogState)
        return state

    def turn(self) -> int | None:
        """One turn of the loop; the exit code once it is over."""
        turn_s = self._lease.tick()
        heard = self._wire.receive()
        fds = list(heard.fds)
        for message in heard.messages:
            if self._step(message):
                self._lease.renew()
                self._take(message, fds)
            if self.state is WatchdogState.STOOD_DOWN:
                return self._report()
        for fd in fds:  # rode along with a message that was refused
            os.close(fd)
        if heard.closed or not self._peer.alive():
            return self._take_over(Fact.GONE, self._lost("the drill's process ended"))
        self._beat_if_due()
        if self.state is not WatchdogState.UNMET and self._lease.expired:
            why = f"the drill's process was silent for more than {self._lease.seconds:g} s"
            return self._take_over(Fact.SILENT, self._lost(why))
        if self._place is None:
            return None
        self._turn_s_max = max(self._turn_s_max, turn_s)
        if turn_s > self._lease.seconds:
            self._ask(self._lost(f"the watchdog stood still for {turn_s:.1f} s"))
        self._look(self._place)
        if self.state is WatchdogState.ASKED and self._asked is not None:
            self._patience.tick()
            if self._patience.expired:
                return self._take_over(Fact.NOT_BEGUN, self._asked)
        return None

    def _beat_if_due(self) -> None:
        if not self._rhythm.due():
            return
        self._tell(say.Beat())
        self._show_awake()

    def _show_awake(self) -> None:
        if self._beats is not None:
            self._beats.write()

    def _look(self, place: Place) -> None:
        """Ask the drill to stop if a trip, an operator or a watch without data requires it."""
        if self.state not in MAY_ASK or self._run is None:
            return
        patrol = place.patrol
        why = self._run.abort_asked()
        if why is not None:
            self._ask(StopReason("operator", "ABORTED", why, self._clock.now_s()))
        elif not self._measuring:
            return
        elif patrol.stop.reason is not None:
            self._ask(patrol.stop.reason)
        elif not patrol.watch.alive:
            blind = "the watchdog no longer looks at the samples"
            self._ask(self._lost(blind, "action:watchdog"))

    def _ask(self, reason: StopReason) -> None:
        if self.state not in MAY_ASK or self._place is None:
            return
        self._asked = reason
        self._patience = Lease(clock=self._clock)
        self._tell(say.Stop(reason=reason, trips=tuple(self._place.patrol.trips)))

    def _take(self, message: say.Message, fds: list[int]) -> None:
        match message:
            case say.Hello():
                self._hello = message
                self._run = RunFiles(message.drill_id)
                self._beats = BeatFile(self._run, "watchdog", self._clock)
            case say.Configure():
                self._configure(message)
            case say.Release():
                # Only a drill that died or hangs is cleaned up after.
                self._lease = Lease(RELEASED_S, self._clock)
                self._tell(say.Released())
            case say.Load() if self._place is not None:
                place = self._place
                place.load = held_of(message, fds, place.target, place.drill_id, self._clock)
                fds.clear()
                self._place.patrol.watch.require_load()
            case say.LoadEnded() if self._place is not None:
                # Only the drill's end is left to do.
                self._measuring = False
                self._place.load.release()
                self._place.patrol.close()
            case _ if self._place is not None:
                self._follow(self._place, message)

    def _follow(self, place: Place, message: say.Message) -> None:
        guard, expected = place.patrol.guard, place.patrol.expected
        match message:
            case say.Arm():
                guard.arm()
            case say.Disarm():
                guard.disarm()
            case say.Declare():
                guard.declare(message.fault, message.region, message.expects)
            case say.Reverted():
                guard.reverted(message.fault, message.region)
            case say.Steers():
                expected.intends(message.weights)
            case say.Steered():
                expected.accepted(self._clock.monotonic_s())
            case say.Acting():
                expected.release()
            case say.Rehearse():
                watch = place.patrol.watch
                self._tell(say.Rehearsed(looks=watch.looks, sees=watch.alive))

    def _configure(self, config: say.Configure) -> None:
        try:
            self._place = self._guard(config)
        except MusterError as error:
            self._tell(say.Failed(reason=str(error)))
            return
        # Loading took this time; it was no silence.
        self._lease = Lease(clock=self._clock)
        self._tell(say.Ready())

    def _report(self) -> int:
        place = self._place
        looks = None if place is None else place.patrol.watch.looks
        if place is not None:
            place.load.release()
        self._tell(say.Report(turn_s_max=round(self._turn_s_max, 3), looks=looks))
        if place is not None and self._measuring:
            place.patrol.close()
        return 0

    def _take_over(self, fact: Fact, reason: StopReason) -> int:
        reason = self._asked or reason
        self._step(fact)
        if self._run is None or self._hello is None:
            return 0
        right = self._run.take_right()
        if right is None:
            self._step(Fact.RIGHT_HELD)
            # The drill's process is ending this one, and will restore by itself.
            self._peer.await_end(YIELD_S_MAX)
            right = self._run.take_right()
            if right is None:
                self._step(Fact.RIGHT_HELD)
                return 1
        self._step(Fact.RIGHT_TAKEN)
        logger.error("watchdog: taking over: %s", reason.detail)
        gone = self._peer.kill()
        if not gone:
            logger.error("watchdog: process %d does not end; acting anyway", self._peer.pid)
        self._step(Fact.GONE if gone else Fact.STAYS)
        duty = duty_of(self._end.before_taking)
        code = self._stand_in(
            duty, self._hello, self._place, reason, self._show_awake, confirmed=gone
        )
        self._step(Fact.DONE)
        self._run.remove()
        os.close(right)
        return code

    def _tell(self, message: say.Message, fds: Sequence[int] = ()) -> None:
        if self._step(message):
            self._wire.send(message, fds)

    def _step(self, event: say.Message | Fact) -> bool:
        try:
            self._end.step(event)
        except ProtocolError as error:
            logger.error("watchdog: refused: %s", error)
            return False
        return True

    def _lost(self, detail: str, by: str = "lost_lease") -> StopReason:
        return StopReason(by, "ABORTED", detail, self._clock.now_s())
