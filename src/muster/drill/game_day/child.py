"""The process of one drill: `chaos run` of its file, in a session of its own.

It outlives the day's process: a drill has its own watchdog, and whoever cut it off half way would
only add to what must be restored. A signal reaches it only from here (`stop`), so that a Ctrl-C in
the terminal ends the drill once and properly.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from muster.clock import SYSTEM_CLOCK, Clock
from muster.drill.game_day.held_back import WORD
from muster.drill.plan.settings import ID_VARIABLE, KEYS
from muster.drill.watchdog.peer import Peer, start_ticks_of

LOOK_S = 0.25
HELD_BACK = "muster.drill.game_day.held_back"
Told = Callable[[int, int | None], object]


@dataclass(frozen=True)
class Command:
    """What starts one drill: arguments, and the variables that its environment gets."""

    arguments: tuple[str, ...]
    environment: Mapping[str, str]


def command_of(path: str, variables: Mapping[str, str], drill_id: str, notes: Path) -> Command:
    """`chaos run` of the drill in `path`. `notes`: how the names of its log and journal begin."""
    given = [part for key, value in variables.items() for part in ("--var", f"{key}={value}")]
    arguments = (
        *(sys.executable, "-m", "chaostoolkit", "--no-version-check"),
        *("--log-file", f"{notes}.log", "run", "--journal-path", f"{notes}.journal.json"),
        *(*given, path),
    )
    return Command(arguments, {**without_settings(os.environ), ID_VARIABLE: drill_id})


def without_settings(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment without a drill's settings: the day gives each drill its own."""
    own = {f"MUSTER_{key.upper()}" for key in (*KEYS, "on_fail")} | {ID_VARIABLE}
    return {name: value for name, value in environ.items() if name not in own}


class _Ended:
    """The end of a process, for a clock to wait for."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def is_set(self) -> bool:
        return self._process.poll() is not None

    def wait(self, timeout: float | None = None) -> bool:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)
        return self.is_set()


class Child:
    """A drill's process that this process started."""

    def __init__(self, command: Command, told: Told, clock: Clock = SYSTEM_CLOCK) -> None:
        """Start it; `told` gets its pid and start time before it may begin.

        Raises OSError if it cannot be started; what `told` raises ends it before it began.
        """
        self._clock = clock
        self._process = subprocess.Popen(
            [sys.executable, "-m", HELD_BACK, *command.arguments],
            env=dict(command.environment),
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        pipe = self._process.stdin
        if pipe is None:
            raise OSError("the drill's process has no standard input")
        try:
            told(self._process.pid, start_ticks_of(self._process.pid))
            with contextlib.suppress(BrokenPipeError):
                pipe.write(WORD)
                pipe.flush()
        finally:
            # Without the word the process ends by itself.
            with contextlib.suppress(BrokenPipeError):
                pipe.close()

    def await_end(self, seconds_max: float) -> bool:
        """Whether it has ended, within `seconds_max`."""
        return self._clock.wait(_Ended(self._process), seconds_max)

    @property
    def exit_code(self) -> int | None:
        """Its exit code, once it has ended; negative: the signal that killed it."""
        return self._process.poll()

    def stop(self) -> None:
        """Ask it to restore and end."""
        self._process.send_signal(signal.SIGTERM)


class Adopted:
    """A drill's process that an earlier process of the day started. Its exit code is unknown."""

    exit_code: int | None = None

    def __init__(self, peer: Peer) -> None:
        self._peer = peer

    def await_end(self, seconds_max: float) -> bool:
        """Whether it has ended, within `seconds_max`."""
        return self._peer.await_end(seconds_max)

    def stop(self) -> None:
        """Ask it to restore and end."""
        with contextlib.suppress(ProcessLookupError):
            if self._peer.alive():
                os.kill(self._peer.pid, signal.SIGTERM)


def adopt(pid: int | None, start_ticks: int | None) -> Adopted | None:
    """The process of that pid and start time; None if it is gone."""
    if pid is None:
        return None
    try:
        peer = Peer(pid, start_ticks)
    except ProcessLookupError:
        return None
    if peer.alive():
        return Adopted(peer)
    peer.close()
    return None
