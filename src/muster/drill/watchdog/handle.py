"""The drill's end of its watchdog: beats out, trips in, and the right to act alone.

A thread beats for as long as the drill's main thread makes headway; where that hangs, the beats
end, and the watchdog takes over.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from muster import home
from muster.drill.lock.runs import BeatFile, RunFiles
from muster.drill.stop import StopFlag, StopReason
from muster.drill.watchdog.channel import Channel
from muster.drill.watchdog.peer import Peer
from muster.drill.watchdog.silence import TICK_S, Lease, Rhythm
from muster.errors import DrillAborted
from muster.jsonl import LogLost

READY_S_MAX = 60.0
ENDED_S_MAX = 20.0


class Watchdog:
    """One drill's watchdog process. `spawn`, `configure`, then it guards until `stand_down`."""

    def __init__(self, run: RunFiles, target: str, stop: StopFlag) -> None:
        """Start the process; it loads what it needs while the drill goes on starting."""
        self._run = run
        self._stop = stop
        self._record: Callable[..., None] | None = None
        here, there = socket.socketpair()
        with there:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "muster.drill.watchdog", str(there.fileno())],
                cwd=home.root(),
                env={
                    **os.environ,
                    "MUSTER_HOME": str(home.root()),
                    "MUSTER_STATE_DIR": str(home.state_dir()),
                    "MUSTER_OUT_DIR": str(home.out_dir()),
                },
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(there.fileno(),),
                # A terminal's signals reach its foreground group: not this process.
                start_new_session=True,
            )
        self._peer = Peer(self._process.pid)
        self._channel = Channel(here)
        self._lease = Lease()
        run.make(target)
        self._beats = BeatFile(run, "drill")
        self._over = threading.Event()
        self._answered = threading.Event()
        self._refused: str | None = None
        self._right: int | None = None
        self._report: dict[str, Any] | None = None
        self._rehearsed: dict[str, Any] | None = None
        self._released = threading.Event()
        self.lost: str | None = None
        self._channel.send({"hello": {"drill_id": run.drill_id, "target": target}})
        self._thread = threading.Thread(target=self._beat, name="muster-heart", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it was heard within its lease."""
        return self.lost is None and self._thread.is_alive()

    def configure(self, config: Mapping[str, Any], record: Callable[..., None]) -> None:
        """Tell it what it guards and wait until it does. Raises DrillAborted when it can't.

        `record` writes an event into the drill's ledger: what the watchdog saw trip.
        """
        self._record = record
        self._channel.send({"config": dict(config)})
        end = time.monotonic() + READY_S_MAX
        while not self._answered.wait(TICK_S):
            self._stop.check()
            if time.monotonic() > end:
                raise DrillAborted("preflight:watchdog", f"not ready in {READY_S_MAX:g} s")
        if self._refused is not None:
            raise DrillAborted("preflight:watchdog", self._refused)

    def arm(self) -> None:
        """From now on a trip stops the drill."""
        self._channel.send({"arm": True})

    def disarm(self) -> None:
        """The samples say nothing any more."""
        self._channel.send({"disarm": True})

    def declare(self, fault: str, region: str, expects: Sequence[str]) -> None:
        """A fault is about to be applied."""
        self._channel.send({"declare": [fault, region, list(expects)]})

    def reverted(self, fault: str, region: str) -> None:
        """A fault is gone."""
        self._channel.send({"reverted": [fault, region]})

    def steers(self, weights: Mapping[str, int]) -> None:
        """The drill is about to set these weights, by record."""
        self._channel.send({"steers": dict(weights)})

    def steered(self) -> None:
        """The weights were accepted."""
        self._channel.send({"steered": True})

    def hand_over_load(self, pids: Sequence[int], fds: Sequence[int]) -> None:
        """The load's processes and what keeps them alive: it outlives the drill's process."""
        self._channel.send({"load": list(pids)}, fds)

    def load_ended(self) -> None:
        """The load is over: its signals may stay away, and its processes are gone."""
        self._channel.send({"load_ended": True})

    def release(self) -> bool:
        """Its duty ends: nothing of the drill is left to guard. Idempotent.

        Whether it was alive and said so. From then on neither end takes the other's silence for a
        hang, and nothing stops the drill any more; the watchdog cleans up after a death, no more.
        """
        if not self._released.is_set():
            self._channel.send({"release": True})
        end = time.monotonic() + READY_S_MAX
        while not self._released.wait(TICK_S / 4):
            if self.lost is not None or time.monotonic() > end:
                return False
        return True

    def rehearse(self) -> dict[str, Any] | None:
        """What it answers to a question of no consequence; None when no answer came in a lease.

        `looks`: how often it has looked at the samples; `sees`: whether it does so now.
        """
        self._rehearsed = None
        self._channel.send({"rehearse": True})
        end = time.monotonic() + self._lease.seconds
        while self._rehearsed is None and self.alive and time.monotonic() < end:
            time.sleep(TICK_S / 4)
        return self._rehearsed

    def act(self) -> None:
        """Before the drill's process restores or ends the drill by itself.

        A watchdog that was lost is killed and seen gone first; one that is killing this process
        goes on to do so while this waits.
        """
        if self.alive:
            self._channel.send({"acting": True})
            return
        while self._right is None:
            self._right = self._run.take_right()
            if self._right is None:
                time.sleep(TICK_S)
        self._peer.kill()
        self._process.wait()

    def stand_down(self) -> dict[str, Any] | None:
        """End it; what it says of its own watch, None when it was lost. Idempotent."""
        if self._over.is_set():
            return self._report
        if self.alive:
            self._channel.send({"stand_down": True})
            end = time.monotonic() + ENDED_S_MAX
            while self._report is None and self.lost is None and time.monotonic() < end:
                time.sleep(TICK_S / 4)
        self._end()
        return self._report

    def _end(self) -> None:
        self._over.set()
        self._thread.join()
        if not self._peer.await_end(ENDED_S_MAX if self._report else 0):
            self._peer.kill()
        self._process.wait()
        self._peer.close()
        self._channel.close()
        self._beats.close()
        if self._right is not None:
            os.close(self._right)
        self._run.remove()

    def abandon(self) -> None:
        """End it at once: the drill did not begin."""
        self._peer.kill()
        self._end()

    def _beat(self) -> None:
        rhythm = Rhythm()
        while not self._over.is_set():
            turn_s = self._lease.tick()
            if turn_s > self._lease.seconds:
                self._abort("lost_lease", f"this process stood still for {turn_s:.1f} s")
            if self._stop.makes_headway and rhythm.due():
                self._beats.write()
                self._channel.send({"beat": True})
            if self.lost is None:
                self._hear()
            if self.lost is None:
                select.select([self._channel], [], [], TICK_S)
            else:
                self._over.wait(TICK_S)

    def _hear(self) -> None:
        heard = self._channel.receive()
        # Until it has answered it may be loading what it needs: `configure` bounds that.
        if heard.messages or not self._answered.is_set():
            self._lease.renew()
        for message in heard.messages:
            if "failed" in message:
                self._refused = str(message["failed"])
            if "failed" in message or "ready" in message:
                self._answered.set()
            if "released" in message:
                self._released.set()
            if "rehearsed" in message:
                self._rehearsed = message["rehearsed"]
            if "report" in message:
                self._report = message["report"]
            if "stop" in message:
                self._tripped(message)
        if self._report is not None:
            return
        if heard.closed:
            self._lose("the watchdog's process ended")
        elif self._lease.expired:
            self._lose(f"the watchdog was silent for more than {self._lease.seconds:g} s")

    def _tripped(self, message: Mapping[str, Any]) -> None:
        if self._released.is_set():
            return
        if not self._stop.set(StopReason(**message["stop"])) or self._record is None:
            return
        for event, fields in message.get("trips", ()):
            # The drill stops with or without this line; a full disk must not stop the beats.
            with contextlib.suppress(LogLost):
                self._record(event, **fields)

    def _lose(self, detail: str) -> None:
        self.lost = detail
        self._refused = detail
        self._answered.set()
        self._abort("lost_watchdog", detail)

    def _abort(self, by: str, detail: str) -> None:
        # After the guard's duty has ended nothing changes what the evidence says.
        if not self._released.is_set():
            self._stop.set(StopReason(by, "ABORTED", detail, time.time()))
