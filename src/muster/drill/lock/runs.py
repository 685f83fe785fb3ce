"""What a running drill shows to other processes: its processes, and when each was last awake.

It is in the state directory, not in the bundle: it concerns processes of this machine and is no
evidence. Times are of the clock since boot, so that a stepped wall clock changes nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from muster import home
from muster.clock import SYSTEM_CLOCK, Clock
from muster.drill.watchdog.peer import Peer, start_ticks_of
from muster.drill.watchdog.silence import LEASE_S

Role = Literal["drill", "watchdog"]
ROLES: tuple[Role, ...] = ("drill", "watchdog")
STALE_S = 2 * LEASE_S
_WIDTH = 120


@dataclass(frozen=True)
class Beat:
    """A process and how many seconds ago it was last awake."""

    pid: int
    start_ticks: int | None
    ago_s: float

    @property
    def fresh(self) -> bool:
        """Whether it seems awake: it sent a beat within two leases, and lives."""
        if self.ago_s > STALE_S:
            return False
        peer = self.peer()
        if peer is None:
            return False
        peer.close()
        return True

    def peer(self) -> Peer | None:
        """Open the process by pidfd; None if it is gone."""
        try:
            peer = Peer(self.pid, self.start_ticks)
        except ProcessLookupError:
            return None
        if peer.alive():
            return peer
        peer.close()
        return None


@dataclass(frozen=True)
class RunFiles:
    """The files of one running drill."""

    drill_id: str

    @property
    def directory(self) -> Path:
        """The directory of these files."""
        return home.state_dir() / "drills" / self.drill_id

    def make(self, target: str) -> None:
        """Make the directory, for a drill on that target."""
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self.directory / "target").write_text(target)

    @property
    def over(self) -> bool:
        """Whether the drill has ended and was cleaned up."""
        return not self.directory.exists()

    def remove(self) -> None:
        """Remove everything: the drill is over."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def beat(self, role: Role, clock: Clock = SYSTEM_CLOCK) -> Beat | None:
        """The last beat of that process; None if it never sent one."""
        try:
            said = json.loads((self.directory / f"{role}.json").read_text())
            ago_s = clock.boot_s() - float(said["boot_s"])
            return Beat(int(said["pid"]), said["start_ticks"], ago_s)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def ask_abort(self, why: str) -> None:
        """Ask the drill to stop and restore."""
        temporary = self.directory / ".abort"
        temporary.write_text(json.dumps({"why": why}))
        temporary.replace(self.directory / "abort.json")

    def abort_asked(self) -> str | None:
        """Why somebody asked the drill to stop; None if nobody did."""
        try:
            said: Any = json.loads((self.directory / "abort.json").read_text())
        except (OSError, ValueError):
            return None
        return str(said.get("why", "")) if isinstance(said, dict) else ""

    def take_right(self) -> int | None:
        """The right to kill the other process, as a descriptor to keep; None if it is taken."""
        with contextlib.suppress(OSError):
            fd = os.open(self.directory / "takeover.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                os.close(fd)
                return None
            return fd
        return None


class BeatFile:
    """The writing end of a process's beats."""

    def __init__(self, run: RunFiles, role: Role, clock: Clock = SYSTEM_CLOCK) -> None:
        self._clock = clock
        self._fd = os.open(
            run.directory / f"{role}.json", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        self._pid = os.getpid()
        self._ticks = start_ticks_of(self._pid)
        self.write()

    def write(self) -> None:
        """Record that this process is awake now. A full disk is no reason to stop the beats."""
        at_s = round(self._clock.boot_s(), 3)
        said = {"pid": self._pid, "start_ticks": self._ticks, "boot_s": at_s}
        with contextlib.suppress(OSError):
            os.pwrite(self._fd, json.dumps(said).ljust(_WIDTH).encode(), 0)

    def close(self) -> None:
        """End it."""
        os.close(self._fd)


def runs_of(target: str) -> list[RunFiles]:
    """Drills on that target that were not cleaned up, oldest first."""
    found = []
    for path in sorted((home.state_dir() / "drills").glob("*/target")):
        with contextlib.suppress(OSError):
            if path.read_text() == target:
                found.append(RunFiles(path.parent.name))
    return found


def is_running(drill_id: str) -> bool:
    """Whether that drill or its watchdog still runs on this machine."""
    beats = [RunFiles(drill_id).beat(role) for role in ROLES]
    return any(beat is not None and beat.fresh for beat in beats)
