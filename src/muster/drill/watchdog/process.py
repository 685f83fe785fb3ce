"""The watchdog's life: hear beats, look at the samples, and take over where that is needed.

SIGTERM, SIGINT and SIGHUP do not end it: whoever wants the drill to stop asks the drill, or
`chaos drill abort`. It ends when the drill says so, or after it has taken over.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from muster import contract as contracts
from muster import targets, testbed
from muster.drill.lock.runs import BeatFile, RunFiles
from muster.drill.stop import StopReason
from muster.drill.watchdog import patrol as patrols
from muster.drill.watchdog.channel import Channel
from muster.drill.watchdog.orphan_load import HeldLoad
from muster.drill.watchdog.peer import Peer
from muster.drill.watchdog.silence import TICK_S, Lease, Rhythm
from muster.drill.watchdog.take_over import Place, clean_up, end_unbegun, take_over
from muster.errors import BadInput, MusterError
from muster.platform import platform_of
from muster.redact import quiet
from muster.targets import Target

logger = logging.getLogger("chaostoolkit")
RELEASED_S = 120.0
"""After the guard's duty silence is judging under load; for longer, the process stands still."""


class WatchdogProcess:
    """State of the process; `run` is its loop."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._peer = Peer(os.getppid())
        self._lease = Lease()
        self._place: Place | None = None
        self._hello: dict[str, Any] = {}
        self._run: RunFiles | None = None
        self._beats: BeatFile | None = None
        self._asked: StopReason | None = None
        self._patience: Lease | None = None
        self._acting = False
        self._measuring = True
        self._released = False
        self._turn_s_max = 0.0

    def run(self) -> int:
        """Until the drill stands it down, or until it has taken over; the exit code."""
        rhythm = Rhythm()
        while True:
            select.select([self._channel], [], [], TICK_S)
            turn_s = self._lease.tick()
            heard = self._channel.receive()
            for message in heard.messages:
                self._hear(message, heard.fds)
            if any("stand_down" in message for message in heard.messages):
                return self._stand_down()
            if heard.closed or not self._peer.alive():
                return self._take_over(self._asked or _lost("the drill's process ended"))
            if rhythm.due():
                self._channel.send({"beat": True})
                if self._beats is not None:
                    self._beats.write()
            if self._run is not None and self._lease.expired:
                why = f"the drill's process was silent for more than {self._lease.seconds:g} s"
                return self._take_over(self._asked or _lost(why))
            if self._place is None:
                continue
            self._turn_s_max = max(self._turn_s_max, turn_s)
            if turn_s > self._lease.seconds and not self._released:
                self._ask(_lost(f"the watchdog stood still for {turn_s:.1f} s"))
            self._look()
            if self._patience is not None:
                self._patience.tick()
                if self._patience.expired and not self._acting and self._asked is not None:
                    return self._take_over(self._asked)

    def _look(self) -> None:
        """Ask the drill to stop where a trip, an operator or a blind watch says so."""
        if self._asked is not None or self._place is None or self._run is None:
            return
        if self._released:
            return
        patrol = self._place.patrol
        why = self._run.abort_asked()
        if why is not None:
            self._ask(StopReason("operator", "ABORTED", why, time.time()))
        elif not self._measuring:
            return
        elif patrol.stop.reason is not None:
            self._ask(patrol.stop.reason)
        elif not patrol.watch.alive:
            self._ask(_lost("the watchdog no longer looks at the samples", "action:watchdog"))

    def _ask(self, reason: StopReason) -> None:
        if self._asked is None and self._place is not None:
            self._asked = reason
            self._patience = Lease()
            self._channel.send({"stop": asdict(reason), "trips": self._place.patrol.trips})

    def _hear(self, message: dict[str, Any], fds: tuple[int, ...]) -> None:
        self._lease.renew()
        if "hello" in message:
            self._hello = message["hello"]
            self._run = RunFiles(self._hello["drill_id"])
            self._beats = BeatFile(self._run, "watchdog")
        elif "config" in message:
            self._configure(message["config"])
        elif "acting" in message:
            self._acting = True
            if self._place is not None:
                self._place.patrol.expected.release()
        elif "release" in message:
            self._release()
        elif self._place is not None:
            self._follow(self._place, message, fds)

    def _follow(self, place: Place, message: dict[str, Any], fds: tuple[int, ...]) -> None:
        guard = place.patrol.guard
        if "arm" in message:
            guard.arm()
        elif "disarm" in message:
            guard.disarm()
        elif "declare" in message:
            guard.declare(*message["declare"])
        elif "reverted" in message:
            guard.reverted(*message["reverted"])
        elif "steers" in message:
            place.patrol.expected.intends(message["steers"])
        elif "steered" in message:
            place.patrol.expected.accepted(time.monotonic())
        elif "rehearse" in message:
            watch = place.patrol.watch
            self._channel.send({"rehearsed": {"looks": watch.looks, "sees": watch.alive}})
        elif "load" in message:
            place.load = HeldLoad(message["load"], fds)
            place.patrol.watch.require_load()
        elif "load_ended" in message:
            # Nothing is measured any more: what is left is to end the drill.
            self._measuring = False
            place.load.release()
            place.patrol.close()

    def _configure(self, config: dict[str, Any]) -> None:
        try:
            platform = platform_of(_reach(config["target_file"]))
            contract = contracts.load(config["contract_file"])
            time_scale = float(config["time_scale"])
            patrol = patrols.begin(
                platform, contract, config["gate"], time_scale, config.get("records")
            )
        except MusterError as error:
            self._channel.send({"failed": str(error)})
            return
        self._place = Place.of(config, platform, patrol)
        # Loading took its time; that was nobody's silence.
        self._lease = Lease()
        self._channel.send({"ready": True})

    def _release(self) -> None:
        """Nothing is left to guard. Only a drill that died or stands still is cleaned up after."""
        self._released = self._acting = True
        self._lease = Lease(RELEASED_S)
        self._channel.send({"released": True})

    def _stand_down(self) -> int:
        report: dict[str, Any] = {"turn_s_max": round(self._turn_s_max, 3)}
        if self._place is not None:
            report["looks"] = self._place.patrol.watch.looks
            self._place.load.release()
        self._channel.send({"report": report})
        if self._place is not None and self._measuring:
            self._place.patrol.close()
        return 0

    def _take_over(self, reason: StopReason) -> int:
        run = self._run
        if run is None:
            return 0
        right = run.take_right()
        if right is None:
            # The drill's process is ending this one, and will restore by itself.
            self._peer.await_end(60.0)
            right = run.take_right()
            if right is None:
                return 1
        logger.error("watchdog: taking over: %s", reason.detail)
        gone = self._peer.kill()
        if not gone:
            logger.error("watchdog: process %d does not end; acting all the same", self._peer.pid)
        with self._beating():
            if self._place is None:
                end_unbegun(self._hello)
                restored = 0
            else:
                end = clean_up if self._released else take_over
                restored = end(self._place, reason, confirmed=gone)
        run.remove()
        os.close(right)
        return restored

    @contextlib.contextmanager
    def _beating(self) -> Iterator[None]:
        """Beat on: whoever looks must see that someone is at work."""
        over = threading.Event()

        def beat() -> None:
            while not over.wait(TICK_S):
                if self._beats is not None:
                    self._beats.write()

        thread = threading.Thread(target=beat, name="muster-beat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def _lost(detail: str, by: str = "lost_lease") -> StopReason:
    return StopReason(by, "ABORTED", detail, time.time())


def _reach(target_file: str) -> Target:
    target = targets.load(target_file)
    if target.class_ != "testbed":
        return targets.resolve(target)
    state = testbed.status(target.name)
    if state is None:
        raise BadInput(f"testbed {target.name}", "", "down", "a testbed that is up")
    return targets.resolve(target, testbed=state.endpoints)


def main(arguments: list[str]) -> int:
    """Guard the drill at the other end of descriptor `arguments[0]`."""
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    logging.raiseExceptions = False  # its terminal may be gone: no line is worth dying for
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(message)s")
    quiet(logger)
    # Taken from the descriptor that the drill left open for this process alone.
    with socket.socket(fileno=int(arguments[0])) as end:
        return WatchdogProcess(Channel(end)).run()
