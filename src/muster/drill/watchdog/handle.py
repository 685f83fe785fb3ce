"""The drill's watchdog as a separate process, and the thread that sends beats to it.

The thread beats as long as the drill's main thread makes progress; if that hangs, the beats end,
and the watchdog takes over. Messages and checks are in `drill_end`.
"""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import threading

from muster import home
from muster.clock import SYSTEM_CLOCK, Clock
from muster.drill.lock.runs import BeatFile, RunFiles
from muster.drill.stop import StopFlag
from muster.drill.watchdog.channel import Channel
from muster.drill.watchdog.drill_end import ENDED_S_MAX, DrillEnd
from muster.drill.watchdog.messages import FROM_WATCHDOG, Report
from muster.drill.watchdog.peer import CONFIRM_S_MAX, Peer
from muster.drill.watchdog.protocol import Fact
from muster.drill.watchdog.silence import TICK_S


class _Child(Peer):
    """The watchdog's process; only this process can reap it."""

    def __init__(self, process: subprocess.Popen[bytes], clock: Clock) -> None:
        super().__init__(process.pid, clock=clock)
        self._process = process

    def kill(self, seconds_max: float = CONFIRM_S_MAX) -> bool:
        """SIGKILL it and reap it."""
        super().kill(seconds_max)
        self._process.wait()
        return True


class Watchdog(DrillEnd):
    """One drill's watchdog process. `configure`, then it guards until `stand_down`."""

    def __init__(
        self, run: RunFiles, target: str, stop: StopFlag, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        """Start the process; it loads its modules while the drill goes on starting."""
        here, there = socket.socketpair()
        with there:
            self._process = _start(there)
        self._child = _Child(self._process, clock)
        self._channel = Channel(here, FROM_WATCHDOG)
        self._run = run
        run.make(target)
        self._beat_file = BeatFile(run, "drill", clock)
        self._over = threading.Event()
        super().__init__(self._channel, self._child, stop, self._beat_file, run.take_right, clock)
        self.hello(run.drill_id, target)
        self._thread = threading.Thread(target=self._beat, name="muster-heart", daemon=True)
        self._thread.start()

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def stand_down(self) -> Report | None:
        """End it; return its report on its own watch, None if it was lost. Idempotent."""
        if not self._over.is_set():
            self.ask_report()
            self._close()
        return self._report

    def abandon(self) -> None:
        """End it at once, because the drill did not begin."""
        self._child.kill()
        self._close()

    def _close(self) -> None:
        self._over.set()
        self._thread.join()
        if not self._child.await_end(ENDED_S_MAX if self._report else 0):
            self._child.kill()
        self._process.wait()
        self._child.close()
        self._channel.close()
        self._beat_file.close()
        if self._right is not None:
            os.close(self._right)
        self._run.remove()

    def _beat(self) -> None:
        try:
            while not self._over.is_set():
                self.turn()
                if self.alive:
                    select.select([self._channel], [], [], TICK_S)
                else:
                    self._clock.wait(self._over, TICK_S)
        except BaseException as error:
            detail = f"this process no longer hears it: {type(error).__name__}: {error}"
            self.lose(Fact.SILENT, detail)
            raise


def _start(there: socket.socket) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
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
