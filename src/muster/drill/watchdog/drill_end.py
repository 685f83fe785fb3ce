"""The drill's end of its watchdog, without process, thread or socket: its messages and checks.

`turn` is one turn of the drill's heart thread: it beats, receives, and measures the watchdog's
silence. The drill's main thread calls the other methods; they wait on the clock while turns go on.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from muster.clock import SYSTEM_CLOCK, Clock
from muster.drill.load.place import Handed
from muster.drill.stop import StopFlag, StopReason
from muster.drill.watchdog import messages as say
from muster.drill.watchdog.channel import Wire
from muster.drill.watchdog.protocol import (
    DUTY_OVER,
    DrillState,
    End,
    Fact,
    ProtocolError,
)
from muster.drill.watchdog.silence import TICK_S, Lease, Rhythm
from muster.errors import DrillAborted
from muster.jsonl import LogLost

logger = logging.getLogger("chaostoolkit")
READY_S_MAX = 60.0
ENDED_S_MAX = 20.0


class Beats(Protocol):
    """The record that this process is awake."""

    def write(self) -> None:
        """It is awake now."""


class Killable(Protocol):
    """The other end's process."""

    def kill(self) -> bool:
        """Kill it; return whether it was verified gone."""


class DrillEnd:
    """What a drill sends to its watchdog, receives from it, and does if it is lost."""

    def __init__(
        self,
        wire: Wire,
        peer: Killable,
        stop: StopFlag,
        beats: Beats,
        take_right: Callable[[], int | None],
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """`take_right`: take the take-over lock, return its descriptor; None while it is taken."""
        self._wire = wire
        self._peer = peer
        self._stop = stop
        self._beats = beats
        self._take_right = take_right
        self._clock = clock
        self._end = End(DrillState.NEW)
        # The heart and the main thread step the same end.
        self._lock = threading.RLock()
        self._lease = Lease(clock=clock)
        self._rhythm = Rhythm(clock)
        self._record: Callable[..., None] | None = None
        self._answered = threading.Event()
        self._refused: str | None = None
        self._report: say.Report | None = None
        self._rehearsed: say.Rehearsed | None = None
        self._released = threading.Event()
        self._right: int | None = None
        self.lost: str | None = None

    @property
    def state(self) -> DrillState:
        """This end's state in the protocol."""
        state = self._end.state
        assert isinstance(state, DrillState)
        return state

    @property
    def alive(self) -> bool:
        """Whether the watchdog was heard within its lease."""
        return self.lost is None

    def hello(self, drill_id: str, target: str) -> None:
        """Send the first message."""
        self._tell(say.Hello(drill_id=drill_id, target=target))

    def configure(self, config: say.Configure, record: Callable[..., None]) -> None:
        """Send what to guard, and wait until it does. Raises DrillAborted if it cannot.

        `record` writes an event into the drill's ledger: what tripped by the watchdog's samples.
        """
        self._record = record
        self._tell(config)
        end = self._clock.monotonic_s() + READY_S_MAX
        while not self._clock.wait(self._answered, TICK_S):
            self._stop.check()
            if self._clock.monotonic_s() > end:
                raise DrillAborted("preflight:watchdog", f"not ready in {READY_S_MAX:g} s")
        if self._refused is not None:
            raise DrillAborted("preflight:watchdog", self._refused)

    def arm(self) -> None:
        """From now on a trip stops the drill."""
        self._tell(say.Arm())

    def disarm(self) -> None:
        """The samples say nothing from now on."""
        self._tell(say.Disarm())

    def declare(self, fault: str, region: str, expects: Sequence[str]) -> None:
        """A fault is about to be applied."""
        self._tell(say.Declare(fault=fault, region=region, expects=tuple(expects)))

    def reverted(self, fault: str, region: str) -> None:
        """A fault was reverted."""
        self._tell(say.Reverted(fault=fault, region=region))

    def steers(self, weights: Mapping[str, int]) -> None:
        """The drill is about to set these weights, by record."""
        self._tell(say.Steers(weights=dict(weights)))

    def steered(self) -> None:
        """The weights were accepted."""
        self._tell(say.Steered())

    def hand_over_load(self, load: Handed) -> None:
        """The load's processes and the descriptors that keep them alive, or that it runs elsewhere:
        it outlives the drill's process.
        """
        self._tell(say.Load(pids=load.pids, elsewhere=load.elsewhere), load.fds)

    def load_ended(self) -> None:
        """The load has ended: its signals may be missing, and its processes are gone."""
        self._tell(say.LoadEnded())

    def release(self) -> bool:
        """End the watchdog's duty: nothing of the drill is left to guard. Idempotent.

        Returns whether it was alive and confirmed. From then on neither end treats the other's
        silence as a hang, and nothing stops the drill any more; after a death the watchdog only
        cleans up.
        """
        with self._lock:
            waits = self.state in (DrillState.RELEASING, DrillState.RELEASED)
            if self.alive and not waits:
                self._tell(say.Release())
        end = self._clock.monotonic_s() + READY_S_MAX
        while not self._clock.wait(self._released, TICK_S / 4):
            if self.lost is not None or self._clock.monotonic_s() > end:
                return False
        return True

    def rehearse(self) -> say.Rehearsed | None:
        """Its answer to a test question; None if no answer came within a lease."""
        self._rehearsed = None
        self._tell(say.Rehearse())
        end = self._clock.monotonic_s() + self._lease.seconds
        while self._rehearsed is None and self.alive and self._clock.monotonic_s() < end:
            self._clock.sleep(TICK_S / 4)
        return self._rehearsed

    def act(self) -> None:
        """Call before the drill's process restores or ends the drill by itself.

        A lost watchdog is killed and verified gone first; a watchdog that is killing this process
        goes on while this waits.
        """
        with self._lock:
            if self.alive:
                self._tell(say.Acting())
                return
            self._step(Fact.ACT)
        while self.state is DrillState.TAKING:
            self._right = self._take_right()
            if self._right is None:
                self._step(Fact.RIGHT_HELD)
                self._clock.sleep(TICK_S)
            else:
                self._step(Fact.RIGHT_TAKEN)
        while self.state is DrillState.KILLING:
            if self._peer.kill():
                self._step(Fact.GONE)

    def ask_report(self) -> say.Report | None:
        """Stand the watchdog down; return its report on its own watch, None if it was lost."""
        if self.alive:
            self._tell(say.StandDown())
            end = self._clock.monotonic_s() + ENDED_S_MAX
            while self._report is None and self.alive and self._clock.monotonic_s() < end:
                self._clock.sleep(TICK_S / 4)
        return self._report

    def turn(self) -> None:
        """One turn of the heart thread: once a tick, and at each message of the watchdog."""
        turn_s = self._lease.tick()
        if turn_s > self._lease.seconds:
            self._step(Fact.STOOD_STILL)
            if self.state not in DUTY_OVER:
                self._abort("lost_lease", f"this process stood still for {turn_s:.1f} s")
        if self._stop.makes_headway and self._rhythm.due():
            self._beats.write()
            self._tell(say.Beat())
        if self.alive:
            self._hear()

    def lose(self, fact: Fact, detail: str) -> None:
        """The watchdog is gone or does not answer any more."""
        with self._lock:
            if not self._step(fact):
                return
            self.lost = detail
        self._refused = detail
        self._answered.set()
        # After the guard's duty nothing changes what the evidence says.
        if self.state not in DUTY_OVER:
            self._abort("lost_watchdog", detail)

    def _hear(self) -> None:
        heard = self._wire.receive()
        # Until it has answered it may be loading its modules: `configure` bounds that.
        if heard.messages or not self._answered.is_set():
            self._lease.renew()
        for message in heard.messages:
            if self._step(message):
                self._take(message)
        if self.state is DrillState.STOOD_DOWN:
            return
        if heard.closed:
            self.lose(Fact.GONE, "the watchdog's process ended")
        elif self._lease.expired:
            detail = f"the watchdog was silent for more than {self._lease.seconds:g} s"
            self.lose(Fact.SILENT, detail)

    def _take(self, message: say.Message) -> None:
        match message:
            case say.Ready():
                self._answered.set()
            case say.Failed():
                self._refused = message.reason
                self._answered.set()
            case say.Released():
                self._released.set()
            case say.Rehearsed():
                self._rehearsed = message
            case say.Report():
                self._report = message
            case say.Stop():
                self._told(message)

    def _told(self, message: say.Stop) -> None:
        if self.state in DUTY_OVER:
            return
        if not self._stop.set(message.reason) or self._record is None:
            return
        for event, fields in message.trips:
            # The drill stops with or without this line; a full disk must not stop the beats.
            with contextlib.suppress(LogLost):
                self._record(event, **fields)

    def _tell(self, message: say.Message, fds: Sequence[int] = ()) -> bool:
        """Send it if the protocol allows it now; otherwise log it and send nothing."""
        with self._lock:
            return self._step(message) and self._wire.send(message, fds)

    def _step(self, event: say.Message | Fact) -> bool:
        with self._lock:
            try:
                self._end.step(event)
            except ProtocolError as error:
                logger.error("watchdog: refused: %s", error)
                return False
            return True

    def _abort(self, by: str, detail: str) -> None:
        self._stop.set(StopReason(by, "ABORTED", detail, self._clock.now_s()))
